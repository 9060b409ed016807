"""Lists in numbers: how many entries they have."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from profiles.derived.measures import Measures, Reader, marks
from profiles.derived.texts import is_text
from profiles.values import MISMATCH, PRESENT

PARTS = ("count",)

# What a number is does not matter here, and one of many digits is costly to convert or refused.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


def measure(array: pa.Array) -> Measures:
    """Count the entries of every list; one written as text is JSON, and other text a mismatch."""
    if is_text(array.type):
        return _written(array)
    mark = marks(array)
    if pa.types.is_fixed_size_list(array.type):  # whose nulls have a length in some versions
        lengths = np.full(len(array), array.type.list_size, np.int64)
    else:
        lengths = pc.list_value_length(array).fill_null(0).to_numpy().astype(np.int64)
    return Measures(values=np.where(mark == PRESENT, lengths, 0)[None], mark=mark)


def length_of(text: bytes | None) -> int | None:
    """Return how many entries a JSON list has, None where the text is none."""
    if text is None or text.lstrip()[:1] != b"[":
        return None
    try:
        value = _DECODER.decode(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return len(value) if isinstance(value, list) else None


def _written(array: pa.Array) -> Measures:
    encoded = array.cast(pa.large_binary()).dictionary_encode()
    counts = [length_of(text) for text in encoded.dictionary.to_pylist()]
    found = Measures(
        values=np.array([[count or 0 for count in counts]], np.int64),
        mark=np.array([MISMATCH if count is None else PRESENT for count in counts], np.uint8),
    )
    return found.take(encoded.indices.fill_null(0).to_numpy(), marks(array) != PRESENT)


def is_list(of: pa.DataType) -> bool:
    """Tell whether an Arrow type holds lists."""
    is_ = pa.types
    kinds = (is_.is_list, is_.is_large_list, is_.is_fixed_size_list, is_.is_list_view)
    return any(kind(of) for kind in (*kinds, is_.is_large_list_view))


LIST = Reader(parts=PARTS, takes=lambda of: is_list(of) or is_text(of), measure=measure, whole=True)

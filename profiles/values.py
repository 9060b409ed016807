"""Arrow columns as plain arrays: the values that can be binned, and a mark on those that cannot."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from profiles.buffers import missing, values_of

ValueType = Literal["number", "string", "boolean"]

PRESENT, MISSING, NON_FINITE, MISMATCH = 0, 1, 2, 3

MAX_LABEL = 200  # a longer text is named by its beginning and its hash


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """A column read as numbers.

    Attributes
    ----------
    values : float64 [n]
        The numbers; 0 where `mark` is not PRESENT.
    mark : uint8 [n]
        PRESENT, MISSING (null or NaN), NON_FINITE (±inf) or MISMATCH (not a number).
    """

    values: npt.NDArray[np.float64]
    mark: npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Labels:
    """A column read as categories.

    Attributes
    ----------
    codes : int32 [n]
        Index into `names`; 0 where `mark` is not PRESENT.
    names : tuple of str
        Distinct labels, each once. A text of more than 200 characters is named by its beginning
        and its hash, so that what is stored stays small and distinct texts stay distinct.
    mark : uint8 [n]
        PRESENT, MISSING or MISMATCH.
    """

    codes: npt.NDArray[np.int32]
    names: tuple[str, ...]
    mark: npt.NDArray[np.uint8]


def type_of(kind: pa.DataType) -> ValueType | None:
    """Return what values of an Arrow type are; None where neither number, text nor truth."""
    if pa.types.is_dictionary(kind):
        return type_of(kind.value_type)
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    return None


@dataclass(frozen=True, kw_only=True)
class Entries:
    """A column of categories as its distinct entries, so that work is done on those, not on rows.

    Attributes
    ----------
    index : int [n]
        The entry of every row.
    names : tuple of str or None
        The label of every entry, None where it is missing; a label may stand there twice. The last
        entry is always missing.
    source : Array
        The values that the entries were named by.
    """

    index: npt.NDArray[np.integer[Any]]
    names: tuple[str | None, ...]
    source: pa.Array


def floats(array: pa.Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_] | None]:
    """Read a column as numbers [n], NaN where missing, and say which rows hold none at all.

    Truth values and text are such mismatches, never coerced. None where there are none.
    """
    values, absent, mismatch = floats_where_they_lie(array)
    return values if absent is None else np.where(absent, np.nan, values), mismatch


def floats_where_they_lie(
    array: pa.Array,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_] | None, npt.NDArray[np.bool_] | None]:
    """Read a column as numbers [n] without copying it; say which rows are null, and which none.

    Where a row is null its number may be any; NaN stands for itself.
    """
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_union(array.type):
        read = _union_numbers(array)
        values = np.where(read.mark == MISSING, np.nan, read.values)
        values[read.mark == NON_FINITE] = np.inf
        return values, None, read.mark == MISMATCH
    if type_of(array.type) != "number":
        return np.full(len(array), np.nan), None, None if not len(array) else ~missing(array)
    if array.type != pa.float64():
        array = array.cast(pa.float64(), safe=False)
    return values_of(array, np.float64), missing(array) if array.null_count else None, None


def numbers(array: pa.Array) -> Numbers:
    """Read a column as numbers. Truth values and text are mismatches, never coerced."""
    if pa.types.is_union(array.type):
        return _union_numbers(array)
    values, mismatch = floats(array)
    mark = np.zeros(len(values), np.uint8)
    absent = np.flatnonzero(~np.isfinite(values))
    if len(absent):
        mark[absent] = np.where(np.isnan(values[absent]), MISSING, NON_FINITE)
        values = values.copy()
        values[absent] = 0.0
    if mismatch is not None:
        mark[mismatch] = MISMATCH
    return Numbers(values=values, mark=mark)


def entries(array: pa.Array, of: ValueType, last: Entries | None = None) -> Entries | None:
    """Read a column as its distinct labels; None where its type is another, or mixed.

    With the entries of the batch before, those are not named again where they are the same.
    """
    if pa.types.is_union(array.type) or type_of(array.type) != of:
        return None
    encoded = _encoded(array)
    source = encoded.dictionary
    if last is not None and source.equals(last.source):
        names, source = last.names, last.source
    else:
        values = _plain(source)
        # nearly all columns are of short texts, which name themselves
        plain = of == "string" and max(map(len, filter(None, values)), default=0) <= MAX_LABEL
        names = (*(values if plain else map(_label, values)), None)
    indices = encoded.indices
    index = values_of(indices, str(indices.type))
    if indices.null_count:
        index = np.where(missing(indices), len(names) - 1, index.astype(np.int64))
    return Entries(index=index, names=names, source=source)


def labels(array: pa.Array, of: ValueType) -> Labels:
    """Read a column as categories whose values are of one type; the rest are mismatches."""
    if pa.types.is_union(array.type):
        return _union_labels(array, of)
    read = entries(array, of)
    if read is None:
        mark = np.where(missing(array), MISSING, MISMATCH).astype(np.uint8)
        return Labels(codes=np.zeros(len(array), np.int32), names=(), mark=mark)
    # a dictionary may hold a value twice (0.0 and −0.0 too), and null or NaN as a value
    place: dict[str, int] = {}
    found = [-1 if name is None else place.setdefault(name, len(place)) for name in read.names]
    codes = np.array(found, np.int32)[read.index]
    return Labels(
        codes=np.maximum(codes, 0),
        names=tuple(place),
        mark=np.where(codes < 0, MISSING, PRESENT).astype(np.uint8),
    )


def _encoded(array: pa.Array) -> pa.DictionaryArray:
    if pa.types.is_dictionary(array.type):
        return array
    if pa.types.is_decimal(array.type):  # the narrow decimals cannot be encoded
        array = array.cast(pa.decimal256(76, array.type.scale))
    return pc.dictionary_encode(array)


def _plain(dictionary: pa.Array) -> list[Any]:
    """Return the values of a dictionary; Arrow does not hold text to be valid UTF-8."""
    try:
        return list(dictionary.to_pylist())
    except UnicodeDecodeError:
        raw = dictionary.cast(pa.binary()).to_pylist()
        return [None if v is None else v.decode("utf-8", "backslashreplace") for v in raw]


def _label(value: object) -> str | None:
    """Name a value, whatever type holds it: 1, 1.0 and Decimal("1.00") are one category."""
    if type(value) is str and len(value) <= MAX_LABEL:  # nearly all
        return value
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        text = str(int(value))
    elif isinstance(value, Decimal):
        whole = value == value.to_integral_value()
        text = str(int(value)) if whole else f"{value:f}".rstrip("0")
    else:
        text = str(value)
    if len(text) <= MAX_LABEL:
        return text
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return f"{text[: MAX_LABEL - len(digest) - 1]}…{digest}"


def union_arms(array: pa.Array) -> list[tuple[npt.NDArray[np.int64], pa.Array]]:
    """Split a union into (row positions, values at them), one for each arm."""
    if not len(array):
        return []
    # the buffers are read here because `type_codes` and `offsets` overlook that an array is a slice
    part = slice(array.offset, array.offset + len(array))
    _, type_codes, offsets, *_ = array.buffers()
    types = np.frombuffer(type_codes, np.int8)[part]
    dense = array.type.mode == "dense"
    at = np.frombuffer(offsets, np.int32)[part] if dense else np.arange(len(array))
    arms = []
    for place, code in enumerate(array.type.type_codes):
        rows = np.flatnonzero(types == code)
        arms.append((rows, array.field(place).take(pa.array(at[rows]))))
    return arms


def _union_numbers(array: pa.Array) -> Numbers:
    values, mark = np.zeros(len(array)), np.full(len(array), MISMATCH, np.uint8)
    for rows, arm in union_arms(array):
        read = numbers(arm)
        values[rows], mark[rows] = read.values, read.mark
    return Numbers(values=values, mark=mark)


def _union_labels(array: pa.Array, of: ValueType) -> Labels:
    codes, mark = np.zeros(len(array), np.int32), np.full(len(array), MISMATCH, np.uint8)
    names: dict[str, int] = {}
    for rows, arm in union_arms(array):
        read = labels(arm, of)
        place = np.array([names.setdefault(name, len(names)) for name in read.names] or [0])
        codes[rows] = np.where(read.mark == PRESENT, place[read.codes], 0)
        mark[rows] = read.mark
    return Labels(codes=codes, names=tuple(names), mark=mark)

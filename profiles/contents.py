"""What a row holds, as 128 bits that do not depend on the way, the order or the batch it came in.

Rows are compared as they are counted: numbers as doubles, so 1 and 1.0 are the same, as are 0.0 and
−0.0; one NaN is like another, and so are whole numbers that round to one double: in a batch with
other numbers or texts they come as doubles. A column that is not there is like one without a value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from profiles.buffers import missing, truths_of, values_of
from profiles.hashing import Texts, Words, spread
from profiles.values import type_of, union_arms

Truths = npt.NDArray[np.bool_]

_Part = tuple[str, Words, Truths]  # a kind, the values [n] or [2, n], and which rows have one

_NAN = np.array([np.nan]).view(np.uint64)[0]
_SEEDS = np.uint64(0x243F6A8885A308D3), np.uint64(0x13198A2E03707344)


def contents(batch: pa.RecordBatch, *, apart: str) -> Words:
    """Hash the rows of a batch [2, n], the column `apart` left out.

    A row's hash is the sum of those of its values, each mixed with the name of its column, so that
    neither the order of columns nor one without values matters.
    """
    total = np.zeros((2, batch.num_rows), np.uint64)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name == apart:
            continue
        for kind, values, known in _values(column):
            for lane, seed in enumerate(_seeds(name, kind)):
                mixed = spread((values[lane] if values.ndim > 1 else values) ^ seed)
                mixed *= known
                total[lane] += mixed
    return total


def _values(column: pa.Array) -> Iterator[_Part]:
    if pa.types.is_union(column.type):
        for rows, arm in union_arms(column):
            for kind, values, known in _values(arm):
                spread = np.zeros((*values.shape[:-1], len(column)), np.uint64)
                spread[..., rows] = values
                everywhere = np.zeros(len(column), bool)
                everywhere[rows] = known
                yield kind, spread, everywhere
        return
    of, known = type_of(column.type), ~missing(column)
    if not known.any():
        return
    if pa.types.is_dictionary(column.type) and of != "string":
        yield from _values(column.dictionary_decode())
    elif of == "number":
        yield from _numbers(column, known)
    elif of == "boolean":
        yield "truth", truths_of(column).astype(np.uint64), known
    elif pa.types.is_timestamp(column.type):
        us = column.cast(pa.timestamp("us", column.type.tz), safe=False)
        yield "time", values_of(us, np.uint64), known
    elif of == "string" or pa.types.is_binary(column.type):
        yield _texts(column, known)
    else:  # lists and whatever else: by how Python writes them
        yield "other", _hashed(pa.array(map(repr, column.to_pylist()), pa.string())), known


def _numbers(column: pa.Array, known: Truths) -> Iterator[_Part]:
    values = values_of(column.cast(pa.float64(), safe=False), np.float64) + 0.0  # no −0.0
    yield "number", np.where(np.isnan(values), _NAN, values.view(np.uint64)), known


def _texts(column: pa.Array, known: Truths) -> _Part:
    """Hash texts, or bytes; of codes each value once."""
    if not pa.types.is_dictionary(column.type):
        return "text", _hashed(column), known
    values = column.dictionary
    if not len(values):
        return "text", np.zeros(len(column), np.uint64), known
    at = np.where(known, values_of(column.indices, str(column.indices.type)), 0)
    if values.null_count:  # a dictionary may hold null
        known = known & ~missing(values)[at]
    return "text", _hashed(values)[:, at], known


def _hashed(column: pa.Array) -> Words:
    """Return 128 bits of each text [2, n]."""
    return np.stack(Texts.of(column.cast(pa.binary())).hashed(_SEEDS))


@lru_cache(maxsize=1 << 14)
def _seeds(name: str, kind: str) -> Words:
    digest = hashlib.blake2b(f"{kind} {name}".encode(), digest_size=16).digest()
    return np.frombuffer(digest, "<u8")

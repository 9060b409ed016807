"""Ids: what is written there, and a number for each, which equal ids share.

Two ids are one where they are written alike, whatever type holds them: 7, 7.0, "7" and
Decimal("7.00") are the id 7, "007" is another. Null, NaN and the empty text are no id.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from profiles.buffers import missing, values_of
from profiles.hashing import Texts, Words, spread

Truths = npt.NDArray[np.bool_]

_DIGITS = 24  # more than a whole number of 64 bits has, with its sign
_SEED = np.uint64(0x9E3779B97F4A7C15)
_ZEROS, _HIGH = np.uint64(0x3030303030303030), np.uint64(0xF0F0F0F0F0F0F0F0)
_LOW, _SIXES = np.uint64(0x0F0F0F0F0F0F0F0F), np.uint64(0x0606060606060606)
_BYTES, _PAIRS = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)
_THREE = np.uint64(3)
_LEADING = np.array([int.from_bytes(b"0" * (8 - n), "little") for n in range(9)], np.uint64)
_TENS = 10 ** np.arange(9, dtype=np.uint64)


def written(value: Any) -> str | bytes | None:
    """Return how an id is written, None where there is none."""
    if value is None or value != value or value in ("", b""):  # noqa: PLR0124 - NaN
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Decimal):
        if not value.is_finite():
            return str(value)
        whole = value == value.to_integral_value()
        return str(int(value)) if whole else f"{value:f}".rstrip("0")
    return value if isinstance(value, bytes) else str(value)


def texts(column: pa.Array) -> pa.Array:
    """Write ids out, as binary; what is no id may be anything."""
    column = _plain(column)
    if column.type == pa.int64():
        column = column.cast(pa.string())
    return column.cast(pa.binary())


def keys(column: pa.Array) -> tuple[Words, Truths]:
    """Return 64 evenly spread bits for each id, and which rows have one.

    Equal ids have equal bits. Different ids have different ones with all but certainty, so whoever
    finds two of the same compares the ids.
    """
    if pa.types.is_dictionary(column.type):
        found, known = keys(column.dictionary)
        if not len(found):
            return np.zeros(len(column), np.uint64), np.zeros(len(column), bool)
        at = values_of(column.indices, str(column.indices.type))
        if column.null_count:
            at = np.where(missing(column), 0, at)
        return found[at], known[at] & ~missing(column)
    column = _plain(column)
    if column.type == pa.int64():
        return spread(values_of(column, np.uint64)), ~missing(column)
    texts = Texts.of(column)
    known = (texts.lengths > 0) & ~missing(column)
    rows, numbers = _numbers(texts)
    (bits,) = texts.hashed([_SEED], but=rows)
    bits[rows] = numbers
    return bits, known


def _plain(column: pa.Array) -> pa.Array:
    """Bring ids to whole numbers or to bytes."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    of = column.type
    if of == pa.int64() or of == pa.binary():
        return column
    if pa.types.is_integer(of) and of != pa.uint64():
        return column.cast(pa.int64())
    if pa.types.is_string(of) or pa.types.is_null(of):
        return column.cast(pa.binary())
    if of == pa.float64():
        whole = _whole(column)
        if whole is not None:
            return whole
    if pa.types.is_timestamp(of):  # Python has no value for the farthest of them
        return column.cast(pa.int64())
    return pa.array([_as_bytes(written(value)) for value in column.to_pylist()], pa.binary())


def _as_bytes(text: str | bytes | None) -> bytes | None:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text


def _whole(column: pa.Array) -> pa.Array | None:
    """Return doubles as whole numbers, None where one is another number."""
    values = values_of(column, np.float64)
    known = ~missing(column) & ~np.isnan(values)
    values = np.where(known, values, 0.0)
    if not ((np.floor(values) == values) & (np.abs(values) < 2.0**63)).all():
        return None
    bits = pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.Array.from_buffers(
        pa.int64(), len(values), [bits, pa.py_buffer(values.astype(np.int64))]
    )


def _numbers(texts: Texts) -> tuple[npt.NDArray[np.intp], Words]:
    """Return which texts are whole numbers, and the bits that those numbers have.

    Eight digits are read at once [1]_.

    References
    ----------
    .. [1] D. Lemire, "Quickly parsing eight digits", 2022.
    """
    words, start, lengths = texts.words, texts.start, texts.lengths
    first = words[start] & np.uint64(0xFF)
    negative = first == ord("-")
    begins = start + negative
    left = lengths - negative
    leading = words[np.minimum(begins, len(words) - 1)] & np.uint64(0xFF)
    could = (left > 0) & (left <= _DIGITS) & (leading >= ord("0")) & (leading <= ord("9"))
    could &= (leading != ord("0")) | ((left == 1) & ~negative)  # 007 and −0 are other texts
    rows = np.flatnonzero(could)
    begins, left = begins[rows], left[rows]
    value, whole = np.zeros(len(rows), np.uint64), np.ones(len(rows), bool)
    for at in range(0, int(left.max(initial=0)), 8):
        here = np.clip(left - at, 0, 8)  # digits of this word; others before them are zeros
        lacking = np.minimum(8 - here, 7).astype(np.uint64)
        word = words[np.minimum(begins + at, len(words) - 1)] << (lacking << _THREE)
        word = np.where(here > 0, word, np.uint64(0)) | _LEADING[here]
        whole &= ((word & _HIGH) == _ZEROS) & (((word + _SIXES) & _HIGH) == _ZEROS)
        value = value * _TENS[here] + _eight_digits(word)
    value = np.where(negative[rows], ~value + np.uint64(1), value)
    return rows[whole], spread(value[whole])


def _eight_digits(word: Words) -> Words:
    word = (word & _LOW) * np.uint64(10 * 256 + 1) >> np.uint64(8)
    word = (word & _BYTES) * np.uint64(100 * 65536 + 1) >> np.uint64(16)
    return (word & _PAIRS) * np.uint64(10_000 * (1 << 32) + 1) >> np.uint64(32)

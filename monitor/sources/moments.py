"""Columns of written times as moments in UTC: all at once where they are written alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitor.sources.arrays import TIMESTAMP, Column, array_of
from monitor.sources.times import (
    EPOCH,
    FIRST,
    ISO,
    LAST,
    MICROSECOND,
    TIME_MISSING,
    TIME_NOT_UTC,
    TIME_UNREADABLE,
    ZERO_OFFSETS,
    Writing,
    bounds,
)
from profiles.buffers import missing, truths_of, values_of
from profiles.windows import Window

Ints = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]

_REASONS = (TIME_MISSING, TIME_UNREADABLE, TIME_NOT_UTC)


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Which rows lie in a window, and when.

    Attributes
    ----------
    moments : Array of timestamp[us, UTC]
        Of the rows that are kept.
    kept : bool [n] or None
        None where all are.
    rejected : Counter
        Rows whose time is none, by reason. A row outside the window is no reject.
    """

    moments: pa.Array
    kept: Truths | None
    rejected: Counter[str]


def timed(column: Column, writing: Writing, window: Window) -> Timed:
    """Read a column of times, and keep the rows that lie in the window."""
    found = _all_at_once(column, writing)
    us, reason = _one_by_one(column, writing) if found is None else found
    known = reason == 0
    kept = known & (us >= microseconds(window.start)) & (us < microseconds(window.end))
    rejected = Counter[str]()
    if not known.all():
        counts = np.bincount(reason, minlength=len(_REASONS) + 1)[1:].tolist()
        rejected = +Counter(dict(zip(_REASONS, counts, strict=True)))
    all_kept = bool(kept.all())
    moments = pa.Array.from_buffers(
        TIMESTAMP, int(kept.sum()), [None, pa.py_buffer(us if all_kept else us[kept])]
    )
    return Timed(moments=moments, kept=None if all_kept else kept, rejected=rejected)


def microseconds(moment: datetime) -> int:
    """Return a moment as microseconds since 1970."""
    return (moment - EPOCH) // MICROSECOND


def _all_at_once(column: Column, writing: Writing) -> tuple[Ints, npt.NDArray[np.uint8]] | None:
    """Return microseconds, and 0 or one more than the place of the reason that there are none.

    None where the values are not of the type that the writing has, or not written all alike.
    """
    if not isinstance(column, pa.Array):
        column = _of_one_type(column)
    us = _READERS[writing.form](column, writing)
    if us is None:
        return None
    known = (us >= _EARLIEST) & (us <= _LATEST)
    reason = np.where(known, 0, 2).astype(np.uint8)
    if column.null_count:
        reason[missing(column)] = 1
    return us, reason


def _of_one_type(values: Sequence[Any]) -> pa.Array:
    """Return values of one type as an array; one of nulls where no type holds them as they are."""
    types = set(map(type, values)) - {type(None)}
    array = array_of(values) if len(types) == 1 else pa.nulls(len(values))
    # An integer beyond 64 bits makes doubles of all of them.
    return pa.nulls(len(values)) if int in types and array.type != pa.int64() else array


def _native(column: pa.Array, _writing: Writing) -> Ints | None:
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("ms"))
    if not pa.types.is_timestamp(column.type):
        return None
    return _bits(column.cast(pa.timestamp("us", column.type.tz), safe=False))


def _number(column: pa.Array, writing: Writing) -> Ints | None:
    if column.type == pa.int64():
        values, whole = _bits(column), 1_000_000 // writing.per_second
        if not whole:
            return values // (writing.per_second // 1_000_000)
        fits = np.abs(values // 2) < _LATEST // whole  # halved, for the least has no opposite
        return np.where(fits, np.where(fits, values, 0) * whole, _LATEST + 1)
    if column.type == pa.float64():
        values = values_of(column, np.float64)
        with np.errstate(all="ignore"):
            us = np.rint(values * 1_000_000 / writing.per_second)
            fits = np.abs(us) < 2.0**62
        return np.where(fits, us, float(2**62)).astype(np.int64)
    return None


def _text(column: pa.Array, _writing: Writing) -> Ints | None:
    if column.type != pa.string():
        return None
    zone = _zone(column)
    try:
        if zone is None:
            return _bits(column.cast(pa.timestamp("us")))
        if not pc.all(pc.ends_with(column, zone)).as_py():
            return None
        return _bits(column.cast(TIMESTAMP))
    except pa.ArrowInvalid:
        return None


def _zone(column: pa.Array) -> str | None:
    """Return the zone that the first text ends with; what is no text of ours has none."""
    first = next((text for text in map(_text_of, column) if text is not None), "")
    match = ISO.fullmatch(first)
    zone = match["zone"] if match else None
    return zone if zone in ZERO_OFFSETS else "no zone of ours"


def _text_of(scalar: pa.Scalar) -> str | None:
    return scalar.as_py() if scalar.is_valid else None


def _bits(column: pa.Array) -> Ints:
    return values_of(column, np.int64)


_READERS = {"native": _native, "number": _number, "text": _text}
_EARLIEST, _LATEST = microseconds(FIRST), microseconds(LAST.replace(hour=23)) + 3_599_999_999


def _one_by_one(column: Column, writing: Writing) -> tuple[Ints, npt.NDArray[np.uint8]]:
    values: Sequence[Any] = column.to_pylist() if isinstance(column, pa.Array) else column
    us, reason = np.zeros(len(values), np.int64), np.zeros(len(values), np.uint8)
    for at, value in enumerate(values):
        moment = writing.read(value)
        if isinstance(moment, datetime):
            us[at] = microseconds(moment)
        else:
            reason[at] = 1 + _REASONS.index(moment)
    return us, reason


@dataclass(frozen=True, kw_only=True)
class Extent:
    """The first and the last moment of some rows, in microseconds since 1970.

    Attributes
    ----------
    clean : bool
        Whether every value that is there is a moment.
    """

    first: int
    last: int
    clean: bool


def extent(columns: Iterable[pa.Array], writing: Writing) -> Extent | None:
    """Find the first and the last moment of a column in parts, None where it has none."""
    firsts, lasts, clean = list[int](), list[int](), True
    for column in columns:
        us, reason = _all_at_once(column, writing) or _one_by_one(column, writing)
        known = us[reason == 0]
        clean &= bool((reason < 2).all())
        if len(known):
            firsts.append(int(known.min()))
            lasts.append(int(known.max()))
    return Extent(first=min(firsts), last=max(lasts), clean=clean) if firsts else None


def fetched(column: pa.Array, writing: Writing, window: Window) -> Truths:
    """Tell which rows a database would give for a window: bounds are compared as they are written.

    Among texts this leaves some that are no times, which are rejects then; a row without a value is
    in no window.
    """
    present = ~missing(column)
    if writing.form == "text" and column.type == pa.string():
        low, high = bounds(writing, window)
        inside = pc.and_(pc.greater_equal(column, low), pc.less(column, high))
        return truths_of(inside) & present
    us, reason = _all_at_once(column, writing) or _one_by_one(column, writing)
    inside = (us >= microseconds(window.start)) & (us < microseconds(window.end))
    kept: Truths = present & inside & (reason == 0)
    return kept

"""Columns of Python values, as drivers and JSON give them, as Arrow arrays."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import compress
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from profiles.buffers import missing, values_of

Column: TypeAlias = pa.Array | Sequence[Any]  # as Arrow has it, or as Python values

TIMESTAMP = pa.timestamp("us", "UTC")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999  # years 1 to 9999
_NUMBER, _TEXT, _TRUTH = 0, 1, 2  # the arms of the union
_NO_VALUE = type(None)
_ARMS = {_NO_VALUE: _NUMBER, int: _NUMBER, float: _NUMBER, bool: _TRUTH}


def record_batch(columns: Mapping[str, Column], count: int) -> pa.RecordBatch:
    """Make a batch of named columns, each of `count` values."""
    arrays = [of if isinstance(of, pa.Array) else array_of(of) for of in columns.values()]
    if not arrays:
        # A batch of no columns has no length; a column without a name or a value carries it.
        return pa.RecordBatch.from_arrays([pa.nulls(count)], [""])
    return pa.RecordBatch.from_arrays(arrays, [clean(name) for name in columns])


def array_of(values: Sequence[Any]) -> pa.Array:
    """Make one column; values of several types become a union and are never coerced."""
    types = set(map(type, values))
    types.discard(_NO_VALUE)
    if not types:
        return pa.nulls(len(values))
    if len(types) == 1:
        build = _BUILDERS.get(next(iter(types)))
        if build is not None:
            return build(values)
    elif types == {int, float}:
        return _doubles(values)
    return _array_of_odd([_plain(value) for value in values])


def _array_of_odd(values: Sequence[Any]) -> pa.Array:
    """Make a column of values that are all of the plain types by now."""
    types = set(map(type, values)) - {_NO_VALUE}
    if not types:
        return pa.nulls(len(values))
    if types <= {int, float}:
        return _doubles(values) if float in types else _integers(values)
    if types <= {datetime, Far}:
        return _timestamps(values)
    if len(types) == 1:
        return _BUILDERS[types.pop()](values)
    return _union(values)


def _union(values: Sequence[Any]) -> pa.Array:
    arms: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    codes, offsets = bytearray(len(values)), []
    for at, value in enumerate(values):
        # A missing value stands as a null among the numbers.
        code = _ARMS.get(type(value), _TEXT)
        codes[at] = code
        offsets.append(len(arms[code]))
        arms[code].append(_as_text(value) if code == _TEXT else value)
    numbers, texts, truths = arms
    return pa.UnionArray.from_dense(
        pa.array(codes, pa.int8()),
        pa.array(offsets, pa.int32()),
        [_doubles(numbers), _strings(texts), pa.array(truths, pa.bool_())],
        ["number", "text", "truth"],
    )


def _as_text(value: str | bytes | datetime | Far) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Far):
        return "infinity" if value is Far.AHEAD else "-infinity"
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")


def _integers(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.int64())
    except (OverflowError, pa.ArrowInvalid):
        return _doubles(values)


def _doubles(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.float64())
    except (OverflowError, pa.ArrowInvalid):  # an integer that no double holds exactly, or at all
        return pa.array([_double(value) for value in values], pa.float64())


def _double(value: float | None) -> float | None:
    if value is None:
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _strings(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell and UTF-8 cannot
        return pa.array([None if value is None else clean(value) for value in values], pa.string())


def clean(text: str) -> str:
    """Spell out lone surrogates, so that the text can be UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _plain(value: Any) -> Any:
    """Bring a value of any type a driver may give to one of the types that are built."""
    if value is None or type(value) in _BUILDERS:
        return value
    for of, convert in _CONVERSIONS:
        if isinstance(value, of):
            return convert(value)
    return str(value)


def _json(value: Any) -> str:
    try:
        return json.dumps(value, default=str)
    except RecursionError:
        return "(nested too deeply)"


def _float(value: Decimal) -> float:
    return math.nan if value.is_snan() else float(value)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


class Far(Enum):
    """A moment before year 1 or after year 9999, such as PostgreSQL's infinity; in microseconds."""

    BACK = -(2**63)
    AHEAD = 2**63 - 1


def _timestamps(values: Sequence[Any]) -> pa.Array:
    if not any(isinstance(value, Far) for value in values):
        return pa.array([None if value is None else as_utc(value) for value in values], TIMESTAMP)
    return pa.array([_microseconds(value) for value in values], pa.int64()).view(TIMESTAMP)


def _microseconds(value: datetime | Far | None) -> int | None:
    if isinstance(value, datetime):
        return (as_utc(value) - _EPOCH) // timedelta(microseconds=1)
    return None if value is None else value.value


def as_utc(moment: datetime) -> datetime:
    """Give a moment in UTC; one without a zone is taken to be in UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _of_type(arrow_type: pa.DataType) -> Callable[[Sequence[Any]], pa.Array]:
    return lambda values: pa.array(values, arrow_type)


_BUILDERS: dict[type, Callable[[Sequence[Any]], pa.Array]] = {
    int: _integers,
    float: _of_type(pa.float64()),
    str: _strings,
    bool: _of_type(pa.bool_()),
    datetime: _timestamps,
    Far: _timestamps,
    bytes: _of_type(pa.binary()),
}

_CONVERSIONS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (  # the first that fits
    ((Mapping, list, tuple), _json),
    (Decimal, _float),
    (date, _midnight),
    (timedelta, timedelta.total_seconds),
    ((bytearray, memoryview), bytes),
    (bool, bool),
    (int, int),
    (float, float),
    (str, str),
)


def plain_values(array: pa.Array) -> list[Any]:
    """Return a column as Python values; a moment that Python has none for is None."""
    try:
        return list(array.to_pylist())
    except (OverflowError, ValueError):
        us = values_of(array.cast(pa.timestamp("us", array.type.tz), safe=False), np.int64)
        known = (us >= _FIRST_US) & (us <= _LAST_US) & ~missing(array)
        return [
            value.as_py() if is_known else None
            for value, is_known in zip(array, known, strict=True)
        ]


def keep(
    columns: Mapping[str, Column], kept: Sequence[bool] | npt.NDArray[np.bool_]
) -> dict[str, Column]:
    """Drop the rows that are not kept from every column."""
    stays = np.asarray(kept, bool)
    bits = pa.py_buffer(np.packbits(stays, bitorder="little"))
    mask = pa.Array.from_buffers(pa.bool_(), len(stays), [None, bits])
    return {
        name: of.filter(mask) if isinstance(of, pa.Array) else list(compress(of, stays))
        for name, of in columns.items()
    }

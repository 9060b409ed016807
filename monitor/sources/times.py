"""How a log writes its event times, and how to ask for a window of them in the same writing.

Bounds are bound in the column's own writing, so that the database can use its index. ISO text
is compared as text: a bound is cut after its last part that is not zero (``2013-03-01T05:30``), and
as a prefix it stands before every longer writing of the same moment.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal

from monitor.errors import SourceError
from monitor.sources.arrays import as_utc
from profiles.windows import Window

TIME_MISSING = "time_missing"
TIME_UNREADABLE = "time_unreadable"
TIME_NOT_UTC = "time_not_utc"
TIMELESS = frozenset({TIME_MISSING, TIME_UNREADABLE, TIME_NOT_UTC})

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, tzinfo=UTC)
ALL_TIME = Window(start=FIRST, end=LAST)
ISO = re.compile(
    r"\d{4}-\d\d-\d\d(?:(?P<separator>[ T])\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?"
    r"(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?"
)
ZERO_OFFSETS = {"Z", "+00:00", "+0000", "+00", "-00:00", None}
# Seconds of this century lie around 1e9; each further unit is a thousand times that.
_UNITS = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000), (math.inf, 1_000_000_000))

Reject = str  # the reason for which a row is turned away


@dataclass(frozen=True, kw_only=True)
class Writing:
    """One way of writing event times.

    Attributes
    ----------
    name : str
        For a person: ``"ISO text"``, ``"milliseconds since 1970"``.
    bound : function
        A moment as the value to compare the column with: ``>=`` and ``<`` mean what they say.
    read : function
        A stored value as a moment in UTC, or the reason why it is none.
    form : "native", "text" or "number"
        What the values are: the database's own times, ISO text, or a number since 1970.
    per_second : int
        How many of the number's units make a second; 0 where it is none.
    """

    name: str
    bound: Callable[[datetime], Any]
    read: Callable[[Any], datetime | Reject]
    form: Literal["native", "text", "number"] = "native"
    per_second: int = 0

    def span(self) -> tuple[Any, Any]:
        """Return bounds that hold every time of this writing and little else."""
        return self.bound(FIRST), self.bound(LAST)


def bounds(writing: Writing, window: Window) -> tuple[Any, Any]:
    """Return the bounds that hold a window's times, ``low <= time < high``, and little else.

    They are whole seconds: how parts of a second are written varies. What lies between is dropped
    when the times are read.
    """
    start, end = window.start.replace(microsecond=0), window.end
    if end.microsecond:
        end = end.replace(microsecond=0) + timedelta(seconds=1)
    return writing.bound(start), writing.bound(end)


def recognise(values: Sequence[Any], *, column: str) -> Writing:
    """Tell from some values of a column how its times are written.

    Raises
    ------
    SourceError
        If the values are no times, are written in several ways, or lie in another zone than UTC.
    """
    ways = dict(_writing_of(value, column) for value in values if value is not None)
    if len(ways) != 1:
        raise SourceError(
            f"column {column!r} writes its times in several ways ({' and '.join(sorted(ways))}); "
            "make a view that writes them in one"
        )
    (make,) = ways.values()
    return make()


def native(*, aware: bool, within: tuple[datetime, datetime] | None = None) -> Writing:
    """Return the writing of the database's own timestamps.

    Parameters
    ----------
    within
        The moments that a bound may be, where the database does not have all of them.
    """
    first, last = within or (FIRST, LAST)

    def bound(moment: datetime) -> datetime:
        held = min(max(moment, first), last)
        return held if aware else held.replace(tzinfo=None)

    name = "timestamps with a zone" if aware else "timestamps without a zone, read as UTC"
    return Writing(name=name, bound=bound, read=_read_native)


def days() -> Writing:
    """Return the writing of the database's own dates, each meaning its midnight in UTC."""

    def bound(moment: datetime) -> date:
        day = moment.date()
        return day if moment.time() == time() else day + timedelta(days=1)

    return Writing(name="dates", bound=bound, read=_read_native)


def _writing_of(value: Any, column: str) -> tuple[str, Callable[[], Writing]]:
    if isinstance(value, datetime):
        aware = value.tzinfo is not None
        return f"timestamps {'with' if aware else 'without'} a zone", lambda: native(aware=aware)
    if isinstance(value, date):
        return "dates", days
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return _writing_of_number(float(value), column)
    if isinstance(value, str):
        return _writing_of_text(value, column)
    raise SourceError(
        f"column {column!r} holds values of type {type(value).__name__}, which are no times; "
        "log.time needs a timestamp, ISO text, or seconds since 1970"
    )


def _read_native(value: Any) -> datetime | Reject:
    if isinstance(value, datetime):
        return as_utc(value)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    return TIME_MISSING if value is None else TIME_UNREADABLE


def _writing_of_text(value: str, column: str) -> tuple[str, Callable[[], Writing]]:
    match = ISO.fullmatch(value)
    if match is None:
        raise SourceError(
            f"column {column!r} holds text that is no ISO 8601 time such as 2013-03-01T05:30:00Z; "
            "make a view that writes it so"
        )
    if match["zone"] not in ZERO_OFFSETS:
        raise SourceError(
            f"column {column!r} holds times at the offset {match['zone']}; text can only be "
            "searched in one zone: make a view that writes them in UTC"
        )
    separator = match["separator"]
    if separator is None:
        return "dates as ISO text", lambda: _text("T", "dates as ISO text")
    name = f"ISO text with {'a space' if separator == ' ' else 'T'}"
    return name, lambda: _text(separator, name)


def _text(separator: str, name: str) -> Writing:
    def bound(moment: datetime) -> str:
        text = moment.strftime(f"%Y-%m-%d{separator}%H:%M:%S").zfill(19)
        return text.removesuffix(":00").removesuffix(f"{separator}00:00")

    return Writing(name=name, bound=bound, read=_read_text, form="text")


def _read_text(value: Any) -> datetime | Reject:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return TIME_MISSING if value is None else TIME_UNREADABLE
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC) if not moment.utcoffset() else TIME_NOT_UTC


def _writing_of_number(value: float, column: str) -> tuple[str, Callable[[], Writing]]:
    if not math.isfinite(value):
        raise SourceError(f"column {column!r} holds numbers that are not finite, and no times")
    per_second = next(unit for largest, unit in _UNITS if abs(value) < largest)
    names = {1: "seconds", 1_000: "milliseconds", 1_000_000: "microseconds"}
    name = f"{names.get(per_second, 'nanoseconds')} since 1970"
    return name, lambda: _number(per_second, name)


def _number(per_second: int, name: str) -> Writing:
    def bound(moment: datetime) -> float:
        microseconds = (moment - EPOCH) // MICROSECOND * per_second
        whole, rest = divmod(microseconds, 1_000_000)
        return microseconds / 1_000_000 if rest or abs(whole) >= 2**63 else whole

    def read(value: Any) -> datetime | Reject:
        if value is None:
            return TIME_MISSING
        try:
            if isinstance(value, int):
                return EPOCH + MICROSECOND * (value * 1_000_000 // per_second)
            return EPOCH + MICROSECOND * round(float(value) * 1_000_000 / per_second)
        except (OverflowError, TypeError, ValueError):
            return TIME_UNREADABLE

    return Writing(name=name, bound=bound, read=read, form="number", per_second=per_second)

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
from typing import Any

from monitor.errors import SourceError
from monitor.sources.arrays import as_utc

TIME_MISSING = "time_missing"
TIME_UNREADABLE = "time_unreadable"
TIME_NOT_UTC = "time_not_utc"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, tzinfo=UTC)
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d(?:(?P<separator>[ T])\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?"
    r"(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?"
)
_ZERO_OFFSETS = {"Z", "+00:00", "+0000", "+00", "-00:00", None}
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
    """

    name: str
    bound: Callable[[datetime], Any]
    read: Callable[[Any], datetime | Reject]

    def span(self) -> tuple[Any, Any]:
        """Return bounds that hold every time of this writing and little else."""
        return self.bound(FIRST), self.bound(LAST)


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


def native(*, aware: bool) -> Writing:
    """Return the writing of the database's own timestamps."""
    return _aware() if aware else _naive()


def days() -> Writing:
    """Return the writing of the database's own dates, each meaning its midnight in UTC."""

    def bound(moment: datetime) -> date:
        day = moment.date()
        return day if moment.time() == time() else day + timedelta(days=1)

    return Writing(name="dates", bound=bound, read=_read_native)


def _writing_of(value: Any, column: str) -> tuple[str, Callable[[], Writing]]:
    if isinstance(value, datetime):
        return ("timestamps with a zone", _aware) if value.tzinfo else ("timestamps", _naive)
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


def _aware() -> Writing:
    return Writing(name="timestamps with a zone", bound=lambda moment: moment, read=_read_native)


def _naive() -> Writing:
    return Writing(
        name="timestamps without a zone, read as UTC",
        bound=lambda moment: moment.replace(tzinfo=None),
        read=_read_native,
    )


def _read_native(value: Any) -> datetime | Reject:
    if isinstance(value, datetime):
        return as_utc(value)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    return TIME_MISSING if value is None else TIME_UNREADABLE


def _writing_of_text(value: str, column: str) -> tuple[str, Callable[[], Writing]]:
    match = _ISO.fullmatch(value)
    if match is None:
        raise SourceError(
            f"column {column!r} holds text that is no ISO 8601 time such as 2013-03-01T05:30:00Z; "
            "make a view that writes it so"
        )
    if match["zone"] not in _ZERO_OFFSETS:
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

    return Writing(name=name, bound=bound, read=_read_text)


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
        microseconds = (moment - _EPOCH) // _MICROSECOND * per_second
        whole, rest = divmod(microseconds, 1_000_000)
        return microseconds / 1_000_000 if rest or abs(whole) >= 2**63 else whole

    def read(value: Any) -> datetime | Reject:
        if value is None:
            return TIME_MISSING
        try:
            if isinstance(value, int):
                return _EPOCH + _MICROSECOND * (value * 1_000_000 // per_second)
            return _EPOCH + _MICROSECOND * round(float(value) * 1_000_000 / per_second)
        except (OverflowError, TypeError, ValueError):
            return TIME_UNREADABLE

    return Writing(name=name, bound=bound, read=read)

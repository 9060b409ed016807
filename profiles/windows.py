"""Half-open windows of time in UTC, and the ticks they lie on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from profiles.errors import InvalidWindow

EPOCH = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday, so that windows of 7 days begin on Mondays

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_WIDTH = re.compile(r"\s*([0-9]{1,9})\s*(s|min|m|h|d|w)\s*")


@dataclass(frozen=True, kw_only=True, order=True)
class Window:
    """The instants ``start <= t < end``, both aware and in UTC.

    Raises
    ------
    InvalidWindow
        If a bound has no zone, or ``end`` does not come after ``start``.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            value = getattr(self, name)
            if value.tzinfo is None:
                raise InvalidWindow(f"window {name} {value} has no time zone; give it in UTC")
            object.__setattr__(self, name, value.astimezone(UTC))
        if self.end <= self.start:
            raise InvalidWindow(f"window ends at {self.end}, not after its start {self.start}")

    @property
    def width(self) -> timedelta:
        return self.end - self.start


def parse_width(text: str) -> timedelta:
    """Read a width such as ``15m``, ``1h``, ``7d`` or ``2w``.

    Raises
    ------
    InvalidWindow
        If the text is not a positive whole number with a unit.

    Examples
    --------
    >>> parse_width("6h")
    datetime.timedelta(seconds=21600)
    """
    match = _WIDTH.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise InvalidWindow(f"{text!r} is not a width of time; write it like 15m, 1h, 7d or 2w")
    try:
        return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    except OverflowError:
        raise InvalidWindow(f"{text!r} is too long a width of time") from None


def format_width(width: timedelta) -> str:
    """Write a width in the largest unit that divides it; the inverse of `parse_width`.

    >>> format_width(timedelta(hours=24)), format_width(timedelta(minutes=90))
    ('1d', '90m')
    """
    seconds = int(width.total_seconds())
    for unit in ("w", "d", "h", "m"):
        if seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"


def floor(moment: datetime, width: timedelta) -> datetime:
    """Return the last tick of `width` at or before `moment`, in UTC.

    Raises
    ------
    InvalidWindow
        If `moment` has no zone.
    """
    _aware(moment)
    return EPOCH + ((moment - EPOCH) // width) * width


def ceil(moment: datetime, width: timedelta) -> datetime:
    """Return the first tick of `width` at or after `moment`, in UTC; see `floor`."""
    _aware(moment)
    return EPOCH - ((EPOCH - moment) // width) * width


def tile(start: datetime, end: datetime, width: timedelta) -> Iterator[Window]:
    """Yield the whole windows of `width` on its ticks within ``[start, end)``, in order."""
    at = ceil(start, width)
    _aware(end)
    while at + width <= end:
        yield Window(start=at, end=at + width)
        at += width


def _aware(moment: datetime) -> None:
    if moment.tzinfo is None:
        raise InvalidWindow(f"{moment} has no time zone; give it in UTC")

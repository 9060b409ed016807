"""What a rule compares the merged window with, where that is not the baseline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from monitor.config.names import nearest
from profiles.errors import InvalidWindow
from profiles.windows import Window, floor, format_width, parse_width

BASELINE = "baseline"
WEEK = timedelta(days=7)
LONGEST = timedelta(days=3_660)
ROOM = timedelta(days=1)  # by which spans move back where the clock is put back

_WORDS = {
    BASELINE: "baseline",
    "previous": "previous",
    "trailing": "trailing 28d",
    "weeks": "weeks 8",
    "version": "version v1",
}


@dataclass(frozen=True)
class Previous:
    """The span of the same width just before."""

    def __str__(self) -> str:
        return "previous"


@dataclass(frozen=True)
class Trailing:
    """What was stored in so long before the span."""

    over: timedelta

    def __str__(self) -> str:
        return f"trailing {format_width(self.over)}"


@dataclass(frozen=True)
class Weeks:
    """The same hours of so many weeks before, by the local clock."""

    number: int

    def __str__(self) -> str:
        return f"weeks {self.number}"


@dataclass(frozen=True)
class Version:
    """The rows of a version of the model, in the same span."""

    name: str

    def __str__(self) -> str:
        return f"version {self.name}"


Stored = Previous | Trailing | Weeks
Against = Stored | Version


def spans_beside(
    against: Stored, judged: Window, width: timedelta, zone: ZoneInfo
) -> tuple[Window, ...]:
    """Return the spans that a span is compared with, newest first; none overlaps another.

    Parameters
    ----------
    judged : Window
        A whole number of windows.
    width : timedelta
        Of a window.
    zone : ZoneInfo
        A week is seven days of its clock. Windows too wide to begin an hour earlier or later are
        those that share most with the wanted hours.
    """
    if isinstance(against, Weeks):
        return tuple(_weeks(against.number, judged, width, zone))
    back = judged.width if isinstance(against, Previous) else whole(against.over, width)
    return (Window(start=judged.start - back, end=judged.start),)


def whole(over: timedelta, width: timedelta) -> timedelta:
    """Return what whole windows of a width fit in so long; at least one."""
    return max(over // width, 1) * width


def read_against(value: object) -> Against | None:
    """Read what is written in the configuration; None is the baseline.

    Raises
    ------
    ValueError
        If it is none of the words, or what follows the word is not what it needs.

    Examples
    --------
    >>> read_against("weeks 8"), read_against("baseline")
    (Weeks(number=8), None)
    """
    if value is None or isinstance(value, Previous | Trailing | Weeks | Version):
        return value
    word, _, rest = value.strip().partition(" ") if isinstance(value, str) else ("", "", "")
    rest = rest.strip()
    if word not in _WORDS:
        near = nearest(word, _WORDS) if word else None
        hint = f"; did you mean {_WORDS[near]!r}?" if near else ""
        raise ValueError(f"it should be one of {', '.join(_WORDS.values())}{hint}")
    if word in {BASELINE, "previous"}:
        if rest:
            raise ValueError(f"nothing follows {word!r}; write it like {_WORDS[word]}")
        return None if word == BASELINE else Previous()
    found = _with(word, rest)
    if found is None:
        needs = {"trailing": "a width of time", "weeks": "their number", "version": "its name"}
        raise ValueError(f"after {word!r} comes {needs[word]}; write it like {_WORDS[word]}")
    return found


def _with(word: str, rest: str) -> Against | None:
    """Read what follows a word that needs something, None where that is wrong."""
    if word == "version":
        return Version(rest) if rest else None
    back: timedelta | None = None
    with suppress(InvalidWindow):
        if word == "trailing":
            back = parse_width(rest)
        elif rest.isascii() and rest.isdigit():
            back = min(int(rest), LONGEST // WEEK + 1) * WEEK
    if not back:
        return None
    if back > LONGEST:
        raise ValueError("that is more than ten years back")
    return Trailing(back) if word == "trailing" else Weeks(back // WEEK)


def _weeks(number: int, judged: Window, width: timedelta, zone: ZoneInfo) -> Iterator[Window]:
    before = judged.start
    for back in range(1, number + 1):
        # by the start of the last window: the end of an hour that comes twice shows its beginning
        start, last = (
            floor(_weeks_before(at, back, zone) + width / 2, width)
            for at in (judged.start, judged.end - width)
        )
        end = min(last + width, before)
        if start < end:
            yield Window(start=start, end=end)
            before = start


def _weeks_before(moment: datetime, number: int, zone: ZoneInfo) -> datetime:
    """Return the moment at which the local clock showed the same, so many weeks before."""
    local = moment.astimezone(zone)
    then = local.replace(tzinfo=None) - number * WEEK
    return then.replace(tzinfo=zone, fold=local.fold).astimezone(moment.tzinfo)

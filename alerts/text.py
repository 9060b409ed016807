"""How numbers, times and names are written for people."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from alerts.rules import Cohort

GAP = "\u202f"  # narrow no-break space: a number and its unit stay on one line
MINUS = "−"
NOTHING = "–"  # stands where a number is unknown

_NAME_LENGTH = 60
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a sentence; strong pieces are bold where that can be shown."""

    text: str
    strong: bool = False


Spans = tuple[Span, ...]


def plain(spans: Iterable[Span]) -> str:
    """Join a sentence without its emphasis."""
    return "".join(span.text for span in spans)


def number(value: float | None, *, digits: int = 3) -> str:
    """Write a number to some significant digits, with thousands set off and a real minus.

    Examples
    --------
    >>> number(0.21049), number(1234.5), number(-9.7), number(None)
    ('0.21', '1,234', '−9.7', '–')
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    if value and not 1e-6 <= abs(value) < 1e15:
        return f"{value:.{digits - 1}e}".replace("-", MINUS)
    decimals = max(0, digits - 1 - _magnitude(value))
    text = fixed(value, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text


def fixed(value: float, decimals: int) -> str:
    """Write a number with a given count of decimals.

    >>> fixed(-0.0001, 2), fixed(1021.44, 1)
    ('0.00', '1,021.4')
    """
    text = f"{value:,.{decimals}f}"
    if text.startswith("-") and not text.strip("-0.,"):
        text = text[1:]  # −0.00 would claim a sign that cannot be seen
    return text.replace("-", MINUS)


def pair(was: float, now: float) -> tuple[str, str]:
    """Write two numbers alike, to as many decimals as their difference needs.

    At least two significant digits of the larger, at most four.

    >>> pair(0.2103, 0.2771), pair(1020.9, 1021.3), pair(0.0043, 0.0044)
    (('0.21', '0.28'), ('1,021', '1,021'), ('0.0043', '0.0044'))
    """
    size = max(abs(was), abs(now))
    if size and not 1e-6 <= size < 1e15:
        return number(was), number(now)
    largest = _magnitude(size)
    difference = _magnitude(now - was) if now != was else largest
    decimals = max(0, min(max(-difference, 1 - largest), 3 - largest))
    return fixed(was, decimals), fixed(now, decimals)


def percent(fraction: float | None, *, decimals: int = 0) -> str:
    """Write a fraction as per cent, with a narrow gap before the sign."""
    if fraction is None or not math.isfinite(fraction):
        return NOTHING
    return f"{fixed(100 * fraction, decimals)}{GAP}%"


def count(n: int) -> str:
    """Write a small count as a word, a large one in figures.

    >>> count(2), count(6634)
    ('two', '6,634')
    """
    return _SMALL[n] if 0 <= n < len(_SMALL) else f"{n:,}"


def moment(at: datetime, timezone: str, *, zone: bool = False, year: bool = False) -> str:
    """Write a time of day as people there say it: ``Tue 3 Dec 17:00``.

    Parameters
    ----------
    at
        An aware time.
    timezone
        An IANA name such as ``America/New_York``; one that is unknown is read as UTC.
    zone
        Whether to name the zone: ``Tue 3 Dec 17:00 (New York)``.
    year
        Whether to give the year.
    """
    local = at.astimezone(_zone(timezone) or UTC)
    text = f"{_WEEKDAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]}"
    if year:
        text += f" {local.year}"
    text += f" {local:%H:%M}"
    return f"{text} ({place(timezone)})" if zone else text


def place(timezone: str) -> str:
    """Name a zone by its city; one that is unknown is read as UTC.

    >>> place("America/New_York"), place("Mars/Olympus")
    ('New York', 'UTC')
    """
    return "UTC" if _zone(timezone) is None else timezone.rsplit("/", 1)[-1].replace("_", " ")


def duration(span: timedelta) -> str:
    """Write a span of time in its two largest units that matter.

    >>> duration(timedelta(days=7, hours=5)).split(GAP)
    ['7', 'd 5', 'h']
    """
    seconds = max(0, int(span.total_seconds()))
    for i, (unit, size) in enumerate(_UNITS):
        if seconds < size and unit != "s":
            continue
        text = f"{seconds // size}{GAP}{unit}"
        if unit in {"d", "h"}:
            smaller, width = _UNITS[i + 1]
            rest = seconds % size // width
            text += f" {rest}{GAP}{smaller}" if rest else ""
        return text
    return NOTHING


def name(text: str) -> str:
    r"""Make a foreign name safe to set in a line: no control or direction marks, 60 characters.

    >>> name("carrier\n\u202edoor")
    'carrier �door'
    """
    clean = "".join(_printable(c) for c in text)
    clean = " ".join(clean.split()) or "(blank)"
    return clean if len(clean) <= _NAME_LENGTH else clean[: _NAME_LENGTH - 1].rstrip() + "…"


def cohort(parts: Cohort) -> str:
    """Name a cohort: ``carrier EV``, or ``everybody``."""
    return ", ".join(f"{name(k)} {name(v)}" for k, v in parts) if parts else "everybody"


def listed(names: Sequence[str], *, most: int = 2, more: str = "more") -> str:
    """Name some of many in reading order.

    >>> listed(["a", "b"]), listed(["a", "b", "c"]), listed(["a", "b", "c"], most=3)
    ('a and b', 'a and 2 more', 'a, b and c')
    """
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} {more}"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def capital(text: str) -> str:
    """Begin a sentence with a capital, and leave the rest of the letters as they are."""
    return text[:1].upper() + text[1:]


def _printable(c: str) -> str:
    if c.isspace():
        return " "
    # Control, format (such as right-to-left overrides) and surrogate characters.
    return "�" if unicodedata.category(c) in {"Cc", "Cf", "Cs"} else c


def _magnitude(value: float) -> int:
    return math.floor(math.log10(abs(value))) if value else 0


@lru_cache(maxsize=16)
def _zone(timezone: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None

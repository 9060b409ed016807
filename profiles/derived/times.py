"""Times as moments, and how old they were when the prediction was made."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from profiles.derived.measures import Measures, Reader, marks
from profiles.derived.texts import is_text
from profiles.values import MISMATCH, MISSING, NON_FINITE, PRESENT

Ints = npt.NDArray[np.int64]

PARTS = ("age",)

DAY = 86_400_000_000  # microseconds
_FIRST = -62_135_596_800_000_000  # the first moment of year 1, in microseconds since 1970
_END = 253_402_300_800_000_000  # the end of year 9999
_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}

# ISO 8601 as databases and JSON write it: a date, or a date and a time, or that with an offset.
_ISO = (
    r"^(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[Tt ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<part>\d{1,9}))?)?"
    r" ?(?:[Zz]|(?P<sign>[+-])(?P<zone_hours>\d\d)(?::?(?P<zone_minutes>\d\d))?)?)?$"
)


def measure(array: pa.Array) -> Measures:
    """Read times as microseconds since 1970 in UTC; without a zone they are taken to be in UTC.

    A moment outside the years 1 to 9999, such as PostgreSQL's infinity, is not finite. Text is ISO
    8601, and a mismatch where it is none.
    """
    if is_text(array.type):
        return _written(array)
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("s" if pa.types.is_date32(array.type) else "ms"))
    mark = marks(array)
    counts = array.cast(pa.int64()).fill_null(0).to_numpy()
    if array.type.unit == "ns":
        counts, scale = counts // 1_000, 1
    else:
        scale = _UNITS[array.type.unit]
    beyond = (counts < _FIRST // scale) | (counts >= _END // scale)
    mark[beyond & (mark == PRESENT)] = NON_FINITE
    return Measures(values=np.where(mark == PRESENT, counts, 0)[None] * scale, mark=mark)


def ages(times: Measures, events: Measures) -> Measures:
    """Return in days how long before its event each time lay, negative where it came after.

    Missing where the event time is not known. Microseconds are taken from each other before they
    become days, so that equal ages are equal to the bit.
    """
    known = np.where(events.mark == PRESENT, times.mark, MISSING)
    mark = np.where(times.mark == PRESENT, known, times.mark).astype(np.uint8)
    days = (events.values - times.values) / DAY
    return Measures(values=np.where(mark == PRESENT, days, 0.0), mark=mark)


def is_time(of: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(of) or pa.types.is_date(of))


TIME = Reader(parts=PARTS, takes=lambda of: is_time(of) or is_text(of), measure=measure, whole=True)


def _written(text: pa.Array) -> Measures:
    fields = pc.extract_regex(text.cast(pa.large_string(), safe=False), _ISO)
    matched = ~fields.is_null().to_numpy(zero_copy_only=False)
    found = fields.filter(pa.array(matched))
    part = {field.name: found.field(field.name) for field in fields.type}
    moments, sound = _moments(part)
    values, mark = np.zeros(len(text), np.int64), np.full(len(text), MISMATCH, np.uint8)
    rows = np.flatnonzero(matched)
    values[rows], mark[rows[sound]] = moments, PRESENT
    mark[marks(text) == MISSING] = MISSING
    return Measures(values=values[None], mark=mark)


def _moments(part: dict[str, pa.Array]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return moments, and which of them are on the calendar; the others are 0."""
    year, month, day = (_whole(part[name]) for name in ("year", "month", "day"))
    hour, minute, second = (_whole(part[name]) for name in ("hour", "minute", "second"))
    zone_hours, zone_minutes = _whole(part["zone_hours"]), _whole(part["zone_minutes"])
    months = (year - 1970) * 12 + month - 1
    first, following = (_day_of(months + k) for k in (0, 1))
    sound = (year > 0) & (month > 0) & (month <= 12) & (day > 0) & (day <= following - first)
    sound &= (hour < 24) & (minute < 60) & (second < 60) & (zone_hours < 24) & (zone_minutes < 60)
    west = pc.equal(part["sign"], "-").to_numpy(zero_copy_only=False)
    offset = np.where(west, -1, 1) * (zone_hours * 60 + zone_minutes)
    minutes = (first + day - 1) * 1440 + hour * 60 + minute - offset
    fraction = _whole(pc.utf8_slice_codeunits(pc.utf8_rpad(part["part"], 6, "0"), 0, 6))
    moments = (minutes * 60 + second) * 1_000_000 + fraction
    return np.where(sound, moments, 0), sound


def _day_of(months: Ints) -> Ints:
    """Return the day, counted from 1970, that a month begins with."""
    days: Ints = months.astype("M8[M]").astype("M8[D]").astype(np.int64)
    return days


def _whole(digits: pa.Array) -> Ints:
    """Read digits; none at all are 0."""
    whole: Ints = pc.if_else(pc.equal(digits, ""), "0", digits).cast(pa.int64()).to_numpy()
    return whole

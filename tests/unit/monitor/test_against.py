"""Which spans a rule compares with, by the clock of New York."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.against import Previous, Trailing, Version, Weeks, read_against, spans_beside
from profiles.windows import Window, floor

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ZONE = ZoneInfo("America/New_York")


def local(day: int, hour: int = 0, *, month: int = 3) -> datetime:
    return datetime(2025, month, day, hour, tzinfo=ZONE).astimezone(UTC)


def span(start: datetime, end: datetime) -> Window:
    return Window(start=start, end=end)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("baseline", None),
        (" previous ", Previous()),
        ("trailing 28d", Trailing(28 * DAY)),
        ("trailing  4w", Trailing(28 * DAY)),
        ("weeks 8", Weeks(8)),
        ("version v1", Version("v1")),
        ("version 2026-01 b", Version("2026-01 b")),
    ],
)
def test_what_is_written_is_read_and_written_again(text: str, read: object) -> None:
    assert read_against(text) == read
    assert read is None or read_against(str(read)) == read


def test_the_span_before_and_a_trailing_one_end_where_the_judged_one_begins() -> None:
    judged = span(local(3), local(4))
    assert spans_beside(Previous(), judged, HOUR, ZONE) == (span(local(2), local(3)),)
    trailing = span(local(3) - 2 * DAY, local(3))
    assert spans_beside(Trailing(2 * DAY), judged, HOUR, ZONE) == (trailing,)
    assert spans_beside(Trailing(2 * DAY + HOUR), judged, DAY, ZONE) == (trailing,)
    assert spans_beside(Trailing(HOUR), judged, DAY, ZONE) == (span(local(2), local(3)),)


def test_weeks_are_seven_days_of_the_clock() -> None:
    """On 9 March it is put forward, so a week is an hour shorter."""
    judged = span(local(11, 9), local(11, 12))
    first = span(local(4, 9), local(4, 12))
    second = span(local(25, 9, month=2), local(25, 12, month=2))
    assert spans_beside(Weeks(2), judged, HOUR, ZONE) == (first, second)
    assert judged.start - first.start == 7 * DAY - HOUR


def test_a_day_stands_beside_days_of_23_and_25_hours() -> None:
    (short,) = spans_beside(Weeks(1), span(local(16), local(17)), HOUR, ZONE)
    assert (short, short.width) == (span(local(9), local(10)), 23 * HOUR)
    autumn = span(local(9, month=11), local(10, month=11))
    (long,) = spans_beside(Weeks(1), autumn, HOUR, ZONE)
    assert (long, long.width) == (span(local(2, month=11), local(3, month=11)), 25 * HOUR)


def test_an_hour_that_comes_twice_stands_beside_one_hour_each_time() -> None:
    twice = local(2, 1, month=11)
    week_before = span(local(26, 1, month=10), local(26, 2, month=10))
    for start in (twice, twice + HOUR):
        assert spans_beside(Weeks(1), span(start, start + HOUR), HOUR, ZONE) == (week_before,)


def test_an_hour_that_was_left_out_stands_beside_the_one_in_its_place() -> None:
    judged = span(local(16, 2), local(16, 3))
    assert spans_beside(Weeks(1), judged, HOUR, ZONE) == (span(local(9, 3), local(9, 4)),)


def test_windows_too_wide_to_move_an_hour_are_those_that_share_most() -> None:
    judged = span(datetime(2025, 3, 11, 4, tzinfo=UTC), datetime(2025, 3, 11, 12, tzinfo=UTC))
    (found,) = spans_beside(Weeks(1), judged, 4 * HOUR, ZONE)
    assert judged.start - found.start == 7 * DAY
    assert found.width == judged.width


@given(
    half_hours=st.integers(0, 365 * 48),
    width=st.sampled_from([30, 60, 240, 1440]),
    windows=st.integers(1, 400),
    weeks=st.integers(1, 10),
)
def test_no_span_overlaps_another_or_the_judged_one(
    half_hours: int, width: int, windows: int, weeks: int
) -> None:
    wide = timedelta(minutes=width)
    over = min(windows * wide, 7 * DAY)
    begin = floor(datetime(2025, 1, 1, tzinfo=UTC) + half_hours * HOUR / 2, wide)
    judged = span(begin, begin + over)
    found = spans_beside(Weeks(weeks), judged, wide, ZONE)
    assert len(found) == weeks
    assert all(later.start >= earlier.end for later, earlier in pairwise((judged, *found)))
    assert all(of.width % wide == timedelta(0) for of in found)
    assert all(abs(of.width - over) <= max(2 * HOUR, wide) for of in found)

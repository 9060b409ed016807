from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.errors import InvalidWindow
from profiles.windows import EPOCH, Window, ceil, floor, format_width, parse_width, tile

HOUR = timedelta(hours=1)
MOMENTS = st.integers(-(10**12), 10**12).map(lambda ms: EPOCH + timedelta(milliseconds=ms))
WIDTHS = st.integers(1, 10**7).map(lambda s: timedelta(seconds=s))
FEW = settings(max_examples=40, deadline=None)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45s", 45),
        ("15m", 900),
        ("15min", 900),
        (" 1 h ", 3_600),
        ("7d", 604_800),
        ("2w", 1_209_600),
    ],
)
def test_a_width_is_a_whole_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_width(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "h", "0h", "-1h", "1.5h", "1 day", "1H", "1h30m", "١h", "9" * 5_000 + "h", "999999999w"],
)
def test_what_is_no_width_is_refused(text: str) -> None:
    with pytest.raises(InvalidWindow, match="width of time"):
        parse_width(text)


@FEW
@given(WIDTHS)
def test_a_width_survives_writing_and_reading(width: timedelta) -> None:
    assert parse_width(format_width(width)) == width


@FEW
@given(MOMENTS, WIDTHS)
def test_floor_and_ceil_are_the_ticks_around_a_moment(moment: datetime, width: timedelta) -> None:
    low, high = floor(moment, width), ceil(moment, width)
    assert low <= moment <= high
    assert high - low == (timedelta(0) if low == moment else width)
    assert floor(low, width) == ceil(low, width) == low


@FEW
@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=9)), st.integers(600, 10**6))
def test_tiles_are_whole_adjoining_and_as_many_as_fit(
    start: datetime, span: timedelta, seconds: int
) -> None:
    width = timedelta(seconds=seconds)
    tiles = list(tile(start, start + span, width))
    low, high = ceil(start, width), floor(start + span, width)
    assert len(tiles) == max(0, (high - low) // width)
    assert all(w.width == width and floor(w.start, width) == w.start for w in tiles)
    assert all(a.end == b.start for a, b in pairwise(tiles))
    assert all(start <= w.start and w.end <= start + span for w in tiles)


def test_weeks_begin_on_mondays_and_days_at_midnight_in_utc() -> None:
    assert floor(at("2026-11-19T13:14:15"), timedelta(weeks=1)) == at("2026-11-16T00:00:00")
    assert ceil(at("2026-11-19T13:14:15"), timedelta(days=1)) == at("2026-11-20T00:00:00")


def test_a_moment_without_zone_is_refused_everywhere() -> None:
    aware = at("2026-01-02T00:00:00")
    naive = at("2026-01-01T00:00:00").replace(tzinfo=None)
    with pytest.raises(InvalidWindow, match="no time zone"):
        Window(start=naive, end=aware)
    with pytest.raises(InvalidWindow, match="no time zone"):
        Window(start=aware, end=naive)
    for rounded in (floor, ceil):
        with pytest.raises(InvalidWindow, match="no time zone"):
            rounded(naive, HOUR)
    for bounds in ((naive, aware), (aware, naive)):
        with pytest.raises(InvalidWindow, match="no time zone"):
            list(tile(*bounds, HOUR))


def test_a_window_ends_after_it_starts() -> None:
    start = at("2026-01-01T00:00:00")
    with pytest.raises(InvalidWindow, match="not after its start"):
        Window(start=start, end=start)


@pytest.mark.parametrize("day", ["2026-03-29T00:00:00", "2026-10-25T00:00:00"])
def test_a_day_of_23_or_25_hours_has_as_many_windows(day: str) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start = at(day).replace(tzinfo=berlin)
    end = start + timedelta(days=1)  # the same clock time, the next day
    tiles = list(tile(start, end, HOUR))
    assert len(tiles) == (end.astimezone(UTC) - start.astimezone(UTC)) // HOUR in (23, 25)
    assert all(window.width == HOUR and window.start.tzinfo is UTC for window in tiles)


def test_both_readings_of_a_repeated_hour_are_different_windows() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2026, 10, 25, 2, 30, tzinfo=berlin)
    assert floor(first.replace(fold=1), HOUR) - floor(first, HOUR) == HOUR


def test_windows_sort_by_time() -> None:
    tiles = list(tile(at("2026-01-01T00:00:00"), at("2026-01-01T05:00:00"), HOUR))
    assert sorted([tiles[3], *tiles[:3], tiles[4]]) == tiles

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.due import due
from profiles.windows import Window

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATE = datetime(2030, 1, 1, tzinfo=UTC)  # a wall clock that is far past everything

moments = st.integers(0, 60 * 72).map(lambda minutes: START + timedelta(minutes=minutes))


def starts(
    watermark: datetime | None,
    *,
    now: datetime = LATE,
    first: datetime = START,
    done: set[datetime] | None = None,
    width: timedelta = HOUR,
    lateness: timedelta = timedelta(0),
) -> list[datetime]:
    found = due(
        now=now, watermark=watermark, first=first, done=done or set(), width=width,
        lateness=lateness,
    )  # fmt: skip
    assert all(window.width == width for window in found)
    return [window.start for window in found]


def test_a_window_closes_when_the_log_reaches_its_end() -> None:
    assert starts(START + timedelta(minutes=59, seconds=59)) == []
    assert starts(START + HOUR) == [START]


def test_a_window_waits_for_rows_that_come_late() -> None:
    late = timedelta(minutes=20)
    assert starts(START + timedelta(minutes=79), lateness=late) == []
    assert starts(START + timedelta(minutes=80), lateness=late) == [START]


def test_a_silent_log_closes_nothing_however_late_it_is() -> None:
    assert starts(START + timedelta(minutes=30), now=LATE) == []
    assert starts(None, now=LATE) == []


def test_a_time_in_the_future_counts_as_now() -> None:
    now = START + timedelta(hours=2, minutes=10)
    assert starts(LATE, now=now) == [START, START + HOUR]


def test_a_clock_that_runs_ahead_or_stands_still_skips_nothing() -> None:
    watermark = START + 3 * HOUR
    assert starts(watermark, now=START + 30 * HOUR) == starts(watermark, now=watermark)
    assert starts(watermark, now=START + HOUR) == [START]


def test_windows_that_are_known_are_not_due_again() -> None:
    assert starts(START + 3 * HOUR, done={START + HOUR}) == [START, START + 2 * HOUR]


def test_the_first_window_begins_at_or_after_the_first_instant() -> None:
    assert starts(START + 3 * HOUR, first=START + timedelta(minutes=1)) == [
        START + HOUR,
        START + 2 * HOUR,
    ]


def test_a_first_instant_beyond_the_log_makes_nothing_due() -> None:
    assert starts(START + 3 * HOUR, first=START + 9 * HOUR) == []


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2026-03-29", 23),  # clocks go forward in Berlin
        ("2026-10-25", 25),  # and back
    ],
)
def test_a_day_of_23_or_25_hours_skips_and_doubles_no_window(day: str, hours: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    midnight = datetime.fromisoformat(day).replace(tzinfo=berlin)
    next_midnight = midnight + timedelta(days=1)  # of the calendar, not of hours
    found = due(
        now=LATE, watermark=next_midnight, first=midnight, done=(), width=HOUR,
        lateness=timedelta(0),
    )  # fmt: skip
    assert len(found) == hours
    assert found[0].start == midnight
    assert found[-1].end == next_midnight
    assert all(a.end == b.start for a, b in pairwise(found))


@given(
    looks=st.lists(st.tuples(moments, moments), max_size=8),
    width=st.sampled_from([timedelta(minutes=15), HOUR, timedelta(hours=6)]),
    lateness=st.sampled_from([timedelta(0), timedelta(minutes=50), timedelta(hours=7)]),
)
def test_any_number_of_looks_finds_each_window_once(
    looks: list[tuple[datetime, datetime]], width: timedelta, lateness: timedelta
) -> None:
    """Also where the log or the clock goes back between two looks."""
    found: list[Window] = []
    for watermark, now in looks:
        found += due(
            now=now, watermark=watermark, first=START, done={w.start for w in found}, width=width,
            lateness=lateness,
        )  # fmt: skip
    furthest = max((min(look) for look in looks), default=None)
    assert sorted(w.start for w in found) == starts(furthest, width=width, lateness=lateness)

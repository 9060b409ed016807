from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.late import (
    SETTLED,
    Mark,
    Marks,
    Standing,
    has_closed,
    judge,
    marks_of,
    oldest_end,
    pieces,
    some_lost,
)
from profiles.windows import Window

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NONE = timedelta(0)


def at(hours: float) -> datetime:
    return START + hours * HOUR


def standing(hour: int, rows: int | None, *, late: int = 0) -> Standing:
    window = Window(start=at(hour), end=at(hour + 1))
    return Standing(window=window, fence=1, running=rows is None, rows=rows, late=late)


# Which windows


def test_a_window_takes_late_rows_in_for_the_overlap_after_its_closing() -> None:
    oldest = oldest_end(watermark=at(10), counted_to=at(10), overlap=6 * HOUR, lateness=NONE)
    assert oldest == at(4)
    waits = oldest_end(watermark=at(10), counted_to=at(10), overlap=6 * HOUR, lateness=2 * HOUR)
    assert waits == at(2)  # it had closed two hours after its end


def test_what_came_since_the_last_look_is_judged_by_where_the_log_was_then() -> None:
    oldest = oldest_end(watermark=at(34), counted_to=at(10), overlap=6 * HOUR, lateness=NONE)
    assert oldest == at(4)


def test_a_clock_that_was_put_back_does_not_make_windows_too_old() -> None:
    oldest = oldest_end(watermark=at(10), counted_to=at(34), overlap=6 * HOUR, lateness=NONE)
    assert oldest == at(4)


def test_without_an_earlier_look_it_is_the_log_as_it_is_that_counts() -> None:
    oldest = oldest_end(watermark=at(10), counted_to=None, overlap=HOUR, lateness=NONE)
    assert oldest == at(9)


@given(
    st.lists(st.integers(1, 500), min_size=2, max_size=30),
    st.integers(0, 29),
    st.integers(1, 600),
    st.integers(0, 90),
)
def test_a_row_that_comes_within_the_overlap_is_found_however_the_log_moves_on(
    steps: list[int], look: int, overlap: int, lateness: int
) -> None:
    """A row comes after some look; its window had closed by then, at most `overlap` before."""
    marks = [at(sum(steps[: n + 1]) / 60) for n in range(len(steps))]
    seen = marks[min(look, len(marks) - 2)]
    of = {"width": HOUR, "lateness": lateness * MINUTE}
    end = START + ((seen - lateness * MINUTE - START) // HOUR) * HOUR
    if seen - (end + lateness * MINUTE) > overlap * MINUTE:
        return
    counted_to, found, closed = None, False, False
    for mark in marks:
        if has_closed(watermark=mark, counted_to=counted_to, **of):
            oldest = oldest_end(
                watermark=mark, counted_to=counted_to, overlap=overlap * MINUTE,
                lateness=lateness * MINUTE,
            )  # fmt: skip
            found |= mark > seen and end >= oldest
            closed |= mark > seen
            counted_to = mark
    assert found == closed


def test_windows_are_counted_when_another_has_closed() -> None:
    def closed(watermark: float, counted_to: float | None, lateness: timedelta = NONE) -> bool:
        before = None if counted_to is None else at(counted_to)
        return has_closed(watermark=at(watermark), counted_to=before, width=HOUR, lateness=lateness)

    assert closed(10.1, None)
    assert not closed(10.9, 10.1)
    assert closed(11, 10.9)
    assert not closed(11, 10.9, lateness=HOUR / 2)
    assert closed(11.5, 10.9, lateness=HOUR / 2)
    assert closed(9, 10)  # the clock was put back: rather once too often


# What has changed


def test_a_window_with_other_rows_than_it_was_computed_from_is_done_again() -> None:
    known = [standing(5, 10), standing(6, 10), standing(7, 10)]
    verdict = judge(known, {at(5): 10, at(6): 12, at(7): 9}, oldest=at(0), begins=at(3))
    assert [of.window.start for of in verdict.dirty] == [at(6), at(7)]
    assert verdict.late == {}


def test_a_window_whose_rows_were_taken_out_of_the_log_as_old_ones_stays_as_it_is() -> None:
    known = [standing(5, 10), standing(6, 10), standing(7, 10)]
    counted = {at(5): 0, at(6): 4, at(7): 9}
    assert some_lost(known, counted)
    verdict = judge(known, counted, oldest=at(0), begins=at(6.5))
    assert [of.window.start for of in verdict.dirty] == [at(7)]
    assert judge(known, {at(5): 0, at(6): 0, at(7): 0}, oldest=at(0)).dirty == ()  # an empty log
    assert not some_lost(known, {at(5): 10, at(6): 12})


def test_rows_of_a_window_that_is_too_old_are_told_and_forgotten_when_they_are_gone() -> None:
    known = [standing(1, 10), standing(2, 10), standing(3, 10, late=2), standing(4, 10, late=2)]
    found = {at(1): 13, at(2): 9, at(3): 12, at(4): 10}
    verdict = judge(known, found, oldest=at(9))
    assert verdict.dirty == ()
    assert verdict.late == {at(1): 3, at(4): 0}


def test_a_window_that_ended_at_the_edge_is_not_too_old() -> None:
    known = [standing(3, 10), standing(4, 10)]
    verdict = judge(known, {at(3): 11, at(4): 11}, oldest=at(5))
    assert [of.window.start for of in verdict.dirty] == [at(4)]
    assert verdict.late == {at(3): 1}


def test_what_has_no_result_or_was_not_counted_is_let_be() -> None:
    verdict = judge([standing(1, None), standing(2, 5)], {at(1): 7}, oldest=at(0))
    assert (verdict.dirty, dict(verdict.late)) == ((), {})


def test_windows_are_read_together_as_they_follow_one_another_and_hold_few_rows() -> None:
    known = [standing(hour, rows) for hour, rows in ((1, 40), (2, 40), (3, 40), (5, 1), (6, 999))]
    found = [[window.start for window in piece] for piece in pieces(known, 100)]
    assert found == [[at(1), at(2)], [at(3)], [at(5)], [at(6)]]
    assert list(pieces([], 100)) == []


# How far the log was asked


@pytest.mark.parametrize("grow", [lambda n: n, lambda n: START + n * MINUTE])
def test_a_mark_is_believed_when_it_has_settled(grow: object) -> None:
    value = grow  # type: ignore[assignment]
    marks = Marks(column="written").moved(value(5), now=START)
    assert (marks.mark, marks.pending) == (None, value(5))
    assert marks.moved(value(9), now=START + SETTLED - MINUTE) == marks
    moved = marks.moved(value(9), now=START + SETTLED)
    assert (moved.mark, moved.pending, moved.since) == (value(5), value(9), START + SETTLED)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 50)), max_size=40),
)
def test_a_mark_is_never_above_what_was_seen_so_long_ago(steps: list[tuple[int, int]]) -> None:
    marks, now, newest = Marks(column="id"), START, 0
    seen: list[tuple[datetime, int]] = []
    for minutes, more in steps:
        now, newest = now + minutes * MINUTE, newest + more
        seen.append((now, newest))
        marks = marks.moved(newest, now=now)
        settled = max((of for when, of in seen if now - when >= SETTLED), default=None)
        if marks.mark is not None:
            assert settled is not None
            assert marks.mark <= settled  # type: ignore[operator]


@pytest.mark.parametrize(
    ("before", "newest"), [(100, 3), (START, START - HOUR), (100, START), (START, 100)]
)
def test_values_that_do_not_go_on_growing_begin_anew(before: Mark, newest: Mark) -> None:
    marks = Marks(column="id", mark=before, pending=before, since=START)
    begun = Marks(column="id", pending=newest, since=START + MINUTE)
    assert marks.moved(newest, now=START + MINUTE) == begun


def test_a_clock_that_was_put_back_makes_a_mark_wait_as_long_again() -> None:
    marks = Marks(column="id", mark=1, pending=5, since=START + HOUR)
    waiting = marks.moved(9, now=START)
    assert (waiting.mark, waiting.pending, waiting.since) == (1, 5, START)


def test_a_column_without_a_value_moves_nothing() -> None:
    marks = Marks(column="id", mark=1, pending=5, since=START)
    assert marks.moved(None, now=START + HOUR) == marks


@given(
    st.one_of(st.none(), st.integers(0, 2**70), st.datetimes(timezones=st.just(UTC))),
    st.one_of(st.none(), st.integers(0, 2**70), st.datetimes(timezones=st.just(UTC))),
)
def test_marks_are_read_as_they_were_written(mark: Mark | None, pending: Mark | None) -> None:
    marks = Marks(column="id", mark=mark, pending=pending, since=START)
    stored = json.loads(json.dumps(marks.to_json()))
    assert marks_of(stored, "id") == marks
    assert marks_of(stored, "other") == marks_of(None, "other") == Marks(column="other")

"""What has never happened before is told at once, once, and not where it is usual."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from profiles.baseline import Baseline, accept
from profiles.counting import profile_windows
from profiles.detection.checks import LASTING, MEMORY, Breach, Checks
from profiles.profile import EVERYBODY, Profile
from profiles.windows import Window

STEPS, ROWS = 4, 48
START, WIDTH = datetime(2025, 1, 6, tzinfo=UTC), timedelta(hours=6)
REGIONS = ("north", "south", "west")


def batch(
    *, rows: int = ROWS, regions: tuple[str, ...] = REGIONS, missing: bool = False, seed: int = 1
) -> pa.RecordBatch:
    rng = np.random.default_rng(seed)
    amount = rng.normal(0, 1, rows)
    return pa.record_batch(
        {
            "at": pa.array([START] * rows, pa.timestamp("us", "UTC")),
            "region": pa.array([regions[at % len(regions)] for at in range(rows)], pa.string()),
            "amount": pa.array(amount, mask=np.full(rows, missing)),
            "often": pa.array(amount, mask=rng.random(rows) < 0.3),
        }
    )


def baseline_of(trained: pa.RecordBatch) -> Baseline:
    return accept([trained], skip=["at"], dimensions=(("region",),))


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return baseline_of(batch(rows=600))


class Log:
    """Windows of one kind after another, checked."""

    def __init__(self, baseline: Baseline) -> None:
        self._plan = baseline.plan
        self._usual = self.parts(batch())
        self.checks = Checks(baseline, day=0, steps=STEPS)

    def parts(self, rows: pa.RecordBatch) -> tuple[Profile, ...]:
        window = Window(start=START, end=START + WIDTH)
        return profile_windows(self._plan, [rows], [window], time="at")[0]

    def hour(
        self, step: int = 1, rows: pa.RecordBatch | None = None, *, repeated: int = 0
    ) -> list[Breach]:
        """Add one window and return what is broken then."""
        parts = self._usual if rows is None else self.parts(rows)
        self.checks.add(step, parts, read=ROWS + repeated, repeated=repeated)
        return self.checks.broken(step)

    def days(self, count: int, rows: pa.RecordBatch | None = None) -> list[Breach]:
        """Go through whole days; return all that was broken."""
        found = []
        for _ in range(count):
            for step in range(STEPS):
                found += self.hour(step, rows)
            self.checks.close()
        return found


def told(found: list[Breach]) -> list[tuple[str, str]]:
    return [(of.check, of.column) for of in found]


@pytest.fixture
def log(baseline: Baseline) -> Log:
    return Log(baseline)


def test_days_like_any_other_break_nothing(log: Log) -> None:
    assert log.days(60) == []


def test_a_column_without_any_value_is_told_in_its_first_hour(log: Log) -> None:
    (breach,) = log.hour(0, batch(missing=True))
    assert (breach.check, breach.column, breach.rows) == ("all missing", "amount", ROWS)
    assert (breach.was, breach.now, breach.label) == (0.0, 1.0, "share of missing")


def test_a_few_rows_without_a_value_are_not_all_missing(log: Log) -> None:
    assert told(log.hour(0, batch(rows=15, missing=True))) == [("first missing", "amount")]


def test_a_column_that_often_lacks_values_is_left_to_the_lanes(log: Log) -> None:
    often = batch().set_column(3, "often", pa.nulls(ROWS, pa.float64()))
    assert log.hour(0, often) == []


def test_a_fault_that_lasts_is_told_all_the_while_and_a_second_one_is_usual(log: Log) -> None:
    log.days(3)
    assert told(log.days(2, batch(missing=True))) == [("all missing", "amount")] * 2 * STEPS
    log.days(10)
    assert log.days(1, batch(missing=True)) == []


def test_what_happened_more_than_half_a_year_ago_is_told_again(log: Log) -> None:
    log.days(1, batch(missing=True))
    log.days(MEMORY)
    assert told(log.hour(0, batch(missing=True))) == [("all missing", "amount")]


def test_a_value_that_a_cohort_never_had_is_told_with_its_first_row(log: Log) -> None:
    log.days(1)
    rows = pa.concat_batches([batch(rows=ROWS - 1), batch(rows=1, regions=("east",))])
    (breach,) = log.hour(2, rows)
    assert (breach.check, breach.column, breach.group) == ("unknown value", "region", ("east",))
    assert breach.rows == 1
    assert breach.label == "share of east"
    assert breach.now == pytest.approx(1 / ROWS)


def test_what_is_broken_for_a_week_is_how_it_is(log: Log) -> None:
    new = batch(regions=(*REGIONS, "east"))
    assert len(log.days(LASTING, new)) == LASTING * STEPS
    assert log.days(30, new) == []


def test_a_column_that_is_gone_for_good_is_told_for_a_week(log: Log) -> None:
    log.days(3)
    found = log.days(30, batch(missing=True))
    assert told(found) == [("all missing", "amount")] * LASTING * STEPS
    assert log.checks.out(STEPS - 1) == ([], {})


def test_what_mends_itself_within_a_day_is_remembered(log: Log) -> None:
    """Three nulls in the first rows of a day are a large share of those and a small one of all."""
    some = pa.concat_batches([batch(rows=ROWS - 3), batch(rows=3, missing=True)])
    for day in range(3):
        found = log.hour(0, some)
        log.hour(1, batch(rows=3_000))
        assert log.checks.broken(1) == []
        assert bool(log.checks.broken_by(1)) == bool(found) == (day == 0)
        log.checks.close()
        log.days(2)


def test_where_new_values_come_and_go_they_are_usual() -> None:
    """A baseline in which a value came once lets expect others that it has not seen."""
    once = pa.concat_batches([batch(rows=600), batch(rows=1, regions=("islands",))])
    log = Log(baseline_of(once))
    assert log.days(2, batch(regions=(*REGIONS, "east"))) == []
    log.days(5)
    assert log.days(1, batch(regions=(*REGIONS, "centre"))) == []


def test_where_a_month_brought_no_new_value_the_first_is_told() -> None:
    once = pa.concat_batches([batch(rows=600), batch(rows=1, regions=("islands",))])
    log = Log(baseline_of(once))
    log.days(28)
    assert told(log.hour(0, batch(regions=("east",))))[:1] == [("unknown value", "region")]


def test_a_cohort_that_is_gone_is_told_once_its_rows_are_missed(log: Log) -> None:
    gone = batch(regions=REGIONS[:2])
    log.days(28)
    assert log.hour(0, gone) == []  # sixteen rows are not missed yet
    (breach,) = log.hour(1, gone)
    assert (breach.check, breach.column, breach.group) == ("vanished", "rows", ("west",))
    assert (breach.now, breach.was, breach.label) == (0, 32, "number of")


def test_cohorts_of_a_column_that_is_gone_are_not_missed(log: Log) -> None:
    log.days(28)
    everybody = log.parts(batch())[:1]
    for step in range(STEPS):
        log.checks.add(step, everybody, read=ROWS, blind=[("region",)])
        assert log.checks.broken(step) == []


def test_values_missing_around_a_column_that_is_gone_are_told_again_after_a_day(log: Log) -> None:
    lacking = batch(missing=True)
    log.checks.add(0, log.parts(batch()), changed=["amount"])
    assert log.hour(1, lacking) == []
    log.checks.close()
    assert log.hour(0, lacking) == []
    log.checks.close()
    assert told(log.hour(0, lacking)) == [("all missing", "amount")]


def test_an_hour_without_a_row_is_told_where_there_always_were_some(log: Log) -> None:
    nothing = batch().slice(0, 0)
    log.days(28)
    (breach,) = log.hour(0, nothing)
    assert (breach.check, breach.was, breach.now) == ("silence", ROWS, 0)


def test_far_fewer_rows_than_ever_are_told(log: Log) -> None:
    for _ in range(28):
        for step in range(STEPS):
            log.hour(step, batch(rows=300 if step == 2 else ROWS))
        log.checks.close()
    assert log.hour(1) == []
    (breach,) = log.hour(2, batch(rows=150))
    assert (breach.check, breach.column, breach.now, breach.was) == ("few rows", "rows", 150, 300)
    assert log.checks.out(1) == ([], {})
    assert log.checks.out(2) == ([2], {})


def test_what_is_wrong_with_the_rows_is_usual_after_three_times(log: Log) -> None:
    log.days(28)
    found = []
    for _ in range(5):
        faults = (None, None, batch().slice(0, 0), None)
        found += [told(log.hour(step, rows)) for step, rows in enumerate(faults)]
        log.checks.close()
        log.days(6)
    assert [each for each in found if each] == [[("silence", "rows")]] * 2 * 3


@pytest.mark.parametrize("rows", [200, 230])
def test_somewhat_fewer_rows_than_ever_are_no_fact(log: Log, rows: int) -> None:
    for _ in range(28):
        for step in range(STEPS):
            log.hour(step, batch(rows=300 if step == 2 else ROWS))
        log.checks.close()
    assert log.hour(2, batch(rows=rows)) == []


def test_on_a_holiday_fewer_rows_are_no_fault_and_are_not_learnt(log: Log) -> None:
    log.days(28)
    nothing = log.parts(batch().slice(0, 0))
    for step in range(STEPS):
        log.checks.add(step, nothing, off=True)
        assert log.checks.broken(step) == []
    log.checks.close()
    log.days(6)
    assert told(log.hour(0, batch().slice(0, 0))) == [("silence", "rows")]


def test_values_that_are_missing_where_none_ever_was_are_told(log: Log) -> None:
    log.days(3)
    some = pa.concat_batches([batch(rows=ROWS - 3), batch(rows=3, missing=True)])
    (breach,) = log.hour(0, some)
    assert (breach.check, breach.column, breach.rows) == ("first missing", "amount", 3)
    assert (breach.was, breach.label) == (0.0, "share of missing")


def test_one_missing_value_is_no_fact(log: Log) -> None:
    some = pa.concat_batches([batch(rows=ROWS - 1), batch(rows=1, missing=True)])
    assert log.hour(0, some) == []


def test_an_hour_that_was_empty_before_is_not_silent(log: Log) -> None:
    nothing = batch().slice(0, 0)
    for _ in range(40):
        assert log.hour(0, nothing) == []
        for step in range(1, STEPS):
            log.hour(step)
        log.checks.close()


def test_an_hour_of_which_windows_are_still_to_come_is_not_silent(baseline: Baseline) -> None:
    log = Log(baseline)
    log.checks = Checks(baseline, day=0, steps=STEPS, windows=2)
    for _ in range(29):
        for step in range(STEPS):
            log.hour(step)
            log.hour(step)
        log.checks.close()
    nothing = batch().slice(0, 0)
    assert log.hour(0, nothing) == []
    assert told(log.hour(0, nothing)) == [("silence", "rows")]


def test_rows_that_come_twice_are_told_where_none_did(log: Log) -> None:
    log.days(7)
    (breach,) = log.hour(0, repeated=20)
    assert (breach.check, breach.rows, breach.was) == ("repeated", 20, 0)
    assert breach.now == pytest.approx(20 / (ROWS + 20))


def test_a_log_that_always_repeats_some_rows_is_not_told_of(log: Log) -> None:
    for _ in range(20):
        assert log.hour(0, repeated=6) == []
        log.checks.close()
    assert log.hour(0, repeated=10) == []
    assert told(log.hour(1, repeated=30)) == [("repeated", "rows")]


def test_a_fault_teaches_nothing(log: Log) -> None:
    log.days(28)
    assert log.checks.out(STEPS - 1) == ([], {})
    log.hour(1, batch().slice(0, 0))
    log.hour(2, batch(missing=True))
    assert log.checks.out(1) == ([1], {})
    assert log.checks.out(2) == ([1], {"amount": [2]})


def test_what_is_told_of_a_step_does_not_depend_on_later_ones(baseline: Baseline) -> None:
    faults = [None, batch(missing=True), batch(regions=("east",)), batch().slice(0, 0)]
    live, late = Log(baseline), Log(baseline)
    live.days(28)
    late.days(28)
    by_step = [live.hour(step, rows) for step, rows in enumerate(faults)]
    for step, rows in enumerate(faults):
        late.hour(step, rows)
    assert [late.checks.broken(step) for step in range(STEPS)] == by_step
    assert by_step[1:] != by_step[:-1]


def test_only_single_columns_have_unknown_values(baseline: Baseline) -> None:
    pairs = accept([batch(rows=600)], skip=["at"], dimensions=(("region", "often"),))
    checks = Checks(pairs, day=0, steps=STEPS)
    window = Window(start=START, end=START + WIDTH)
    parts = profile_windows(pairs.plan, [batch(seed=7)], [window], time="at")[0]
    assert {part.dimension for part in parts} == {EVERYBODY, ("region", "often")}
    checks.add(0, parts)
    assert checks.broken(0) == []

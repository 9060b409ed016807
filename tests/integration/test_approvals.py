"""What a person approved as the new normal: how it is made, and what is compared with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from monitor import backfill as past
from monitor.config import Config
from monitor.errors import ConfigError, StoreError
from monitor.pipeline import Run, decide_ready, prepare
from monitor.sources import open_log
from monitor.store import approvals, baselines, queries, results, runs
from monitor.store.engine import writing
from monitor.store.incidents import undecide
from monitor.store.readings import decode, encode
from monitor.store.tables import scores, windows
from profiles.baseline import position
from profiles.comparison import compare
from profiles.profile import merge, same
from profiles.windows import Window
from tests.support.log import START, append, flights
from tests.support.store import MODEL, Backend, contents

Opened = Callable[..., sa.Engine]

DAY = timedelta(days=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = [
    {"name": "day", "statistic": "js", "threshold": 0.3, "over": "1d", "min_rows": 30,
     "cohorts": True},
]  # fmt: skip
ALERTS = {"rules": RULES, "budget": "off"}  # which compares with the weeks before
SHIFTED = Window(start=START + 3 * DAY, end=START + 5 * DAY)  # days with another score
SEEN = START + 5 * DAY  # what is stored when a person approves


@pytest.fixture(scope="module")
def config(backend: Backend) -> Config:
    return backend.config(alerts=ALERTS)


@pytest.fixture
def engine(backend: Backend, config: Config, opened: Opened) -> sa.Engine:
    """A store of its own with five days, the last two of them shifted."""
    made = opened(config.model_copy(update={"store": backend.config().store}).store)
    backfill(made, config, MODEL, end=SEEN)
    return made


def backfill(engine: sa.Engine, config: Config, name: str, **more: Any) -> None:
    past.backfill(engine, config, name, clock=lambda: NOW - DAY, **more)


def accept(engine: sa.Engine, span: Window = SHIFTED, *, minute: int = 0) -> approvals.Approval:
    now = NOW + timedelta(minutes=minute)
    return approvals.accept(engine, MODEL, span, note="new routes", now=now)


def run_of(engine: sa.Engine, config: Config) -> Run:
    with open_log(config.models[MODEL]) as source:
        return prepare(engine, config, MODEL, source)


def replay(engine: sa.Engine, config: Config, window: Window) -> None:
    """Take back every decision from a window on, and make them again."""
    with writing(engine) as connection:
        undecide(connection, MODEL, window)
    decide_ready(run_of(engine, config))


def first_window() -> Window:
    return Window(start=START + timedelta(hours=6), end=START + timedelta(hours=12))


def seen(engine: sa.Engine) -> dict[datetime, bytes]:
    with engine.connect() as connection:
        rows = connection.execute(sa.select(scores.c.start, scores.c.readings))
        return {row.start: bytes(row.readings) for row in rows}


def baseline_of(engine: sa.Engine) -> str:
    found = baselines.current(engine, MODEL)
    assert found is not None
    return found


def test_a_reference_is_the_sum_of_the_windows_of_its_range(engine: sa.Engine) -> None:
    baseline_id = baseline_of(engine)
    training = baselines.load(engine, baseline_id)
    approval = accept(engine)
    reference = approvals.load(engine, approval.id)
    assert [part.dimension for part in reference.profiles] == [(), ("origin",), ("carrier",)]
    for part in reference.profiles:
        stored = results.read(engine, MODEL, baseline_id, part.dimension, SHIFTED)
        assert same(part, merge([of.profile for of in stored]))
    assert reference.plan == training.plan
    assert reference.kinds == training.kinds
    assert approval.rows == reference.rows == 2 * 240
    assert (approval.span, approval.days, approval.note) == (SHIFTED, 2, "new routes")
    assert approval.since == SEEN
    assert approvals.of_model(engine, MODEL) == (approval,)


def test_the_training_baseline_stays_and_makes_the_grids(engine: sa.Engine) -> None:
    before = baseline_of(engine)
    accept(engine)
    assert baseline_of(engine) == before
    training, reference = queries.references(engine, MODEL)
    assert (training.kind, training.grids, training.in_force) == ("training", True, False)
    assert (reference.kind, reference.grids, reference.in_force) == ("reference", False, True)


def test_from_then_on_windows_are_compared_with_it(engine: sa.Engine, config: Config) -> None:
    decided = seen(engine)
    reference = approvals.load(engine, accept(engine).id)
    backfill(engine, config, MODEL)
    assert {start: of for start, of in seen(engine).items() if start < SEEN} == decided
    training = baselines.load(engine, baseline_of(engine))
    checked = 0
    for start, blob in seen(engine).items():
        against = training if start < SEEN else reference
        for reading in decode(blob):
            if reading.value is None or reading.column != "score":
                continue
            dimension = tuple(name for name, _ in reading.cohort)
            group = tuple(value for _, value in reading.cohort)
            end = start + timedelta(hours=6)
            span = Window(start=end - DAY, end=end)
            parts = results.read(engine, MODEL, baseline_of(engine), dimension, span)
            merged, was = merge([part.profile for part in parts]), against.along(dimension)
            here, there = position(merged, group), position(was, group)
            assert here is not None
            assert there is not None
            grid = training.plan.grids["score"]
            x, y = merged.columns["score"].counts[here], was.columns["score"].counts[there]
            assert reading.value == pytest.approx(float(compare(grid, x, y, ["js"])["js"].distance))
            checked += start >= SEEN
    assert checked > 50


def test_what_was_odd_against_training_is_usual_against_what_was_approved(
    backend: Backend, opened: Opened
) -> None:
    log = backend.copy_of_log()
    more = flights(days=3, a_day=240, seed=21, start=START + 8 * DAY, shifted=[(0, 3)])
    append(log.url, more)
    worst = {}
    for name in ("training", "approved"):
        config = backend.config(model={"source": log.url}, alerts=ALERTS)
        store = opened(config.store)
        backfill(store, config, MODEL, end=START + 8 * DAY)
        if name == "approved":
            accept(store)
        backfill(store, config, MODEL)
        readings = decode(seen(store)[START + 10 * DAY])
        worst[name] = next(r.value for r in readings if (r.column, r.cohort) == ("score", ()))
    assert worst["training"] > 0.3
    assert worst["approved"] < 0.2


def test_a_replay_from_before_gives_the_same_bytes(engine: sa.Engine, config: Config) -> None:
    accept(engine)
    backfill(engine, config, MODEL, end=START + 7 * DAY)
    accept(engine, Window(start=START, end=START + 7 * DAY), minute=1)
    backfill(engine, config, MODEL)
    before, stored = seen(engine), contents(engine)
    replay(engine, config, first_window())
    assert seen(engine) == before
    assert contents(engine) == stored


def test_what_is_approved_in_the_middle_of_a_replay_changes_no_decision_made_before(
    engine: sa.Engine, config: Config
) -> None:
    decided = seen(engine)
    with writing(engine) as connection:
        undecide(connection, MODEL, first_window())
    approval = accept(engine)
    assert approval.since == SEEN
    decide_ready(run_of(engine, config))
    assert seen(engine) == decided


def test_a_judge_at_work_sees_what_is_approved_meanwhile(engine: sa.Engine, config: Config) -> None:
    run = run_of(engine, config)
    days = [Window(start=SEEN + k * DAY / 4, end=SEEN + (k + 1) * DAY / 4) for k in range(4)]
    last = Window(start=SEEN - DAY / 4, end=SEEN)
    list(run.judge.readings([last]))
    accept(engine)
    going_on = [encode(of) for of in run.judge.readings([last, *days])]
    afresh = [encode(of) for of in run_of(engine, config).judge.readings([last, *days])]
    assert going_on == afresh
    assert going_on[0] == seen(engine)[last.start]


def test_a_cohort_that_was_approved_is_known_and_one_that_was_not_has_a_reason(
    backend: Backend, opened: Opened
) -> None:
    log = backend.copy_of_log()
    source = sa.create_engine(log.url)
    with source.begin() as connection:
        swap = "UPDATE predictions SET features = replace(features, 'LGA', 'ZRH')"
        connection.execute(sa.text(f"{swap} WHERE event_time >= '2025-03-05'"))
    source.dispose()
    config = backend.config(model={"source": log.url}, alerts=ALERTS)
    store = opened(config.store)
    backfill(store, config, MODEL, end=SEEN)
    accept(store)
    late = flights(days=1, a_day=300, seed=3, start=START + 8 * DAY)
    append(log.url, late)  # with LaGuardia again
    backfill(store, config, MODEL)

    def of(start: datetime, origin: str) -> tuple[bool, set[str | None]]:
        found = [r for r in decode(seen(store)[start]) if r.cohort == (("origin", origin),)]
        return any(r.value is not None for r in found), {r.reason for r in found if r.value is None}

    unknown, few = "not in the baseline", "too few rows"
    assert of(START + 3 * DAY + 3 * DAY / 4, "ZRH") == (False, {unknown})
    known, reasons = of(START + 6 * DAY + 3 * DAY / 4, "ZRH")
    assert known
    assert all(reason is not None and reason.startswith(few) for reason in reasons)
    assert of(START + 8 * DAY + DAY / 2, "LGA") == (False, {unknown})


def test_a_short_range_is_provisional(engine: sa.Engine) -> None:
    assert accept(engine).provisional
    assert approvals.ENOUGH_DAYS == 29


def test_the_last_one_that_began_before_a_window_is_in_force(engine: sa.Engine) -> None:
    first, baseline_id = accept(engine), baseline_of(engine)
    second = accept(engine, Window(start=START, end=SEEN), minute=1)
    found = approvals.of_model(engine, MODEL)
    assert found == (first, second)
    assert approvals.in_force(found, baseline_id, SEEN - DAY) is None
    assert approvals.in_force(found, baseline_id, SEEN) == second
    assert approvals.in_force(found, baseline_id) == second
    assert approvals.in_force(found[:1], baseline_id, SEEN + DAY) == first
    assert approvals.in_force(found, "another baseline") is None
    assert approvals.in_force((), baseline_id) is None


def test_windows_on_a_new_baseline_are_compared_with_their_own_training(
    engine: sa.Engine, config: Config, backend: Backend
) -> None:
    approval = accept(engine)
    span = [START.isoformat(), (START + 2 * DAY).isoformat()]
    other = backend.config(alerts=ALERTS, model={"baseline": {"table": None, "range": span}})
    past.backfill(engine, other, MODEL, end=START + 6 * DAY, clock=lambda: NOW + DAY)
    assert baseline_of(engine) != approval.baseline
    first, reference, second = queries.references(engine, MODEL)
    assert [of.in_force for of in (first, reference, second)] == [False, False, True]
    with pytest.raises(ConfigError, match=r"19 of 23 windows .* another baseline"):
        accept(engine, Window(start=START, end=START + 6 * DAY), minute=1)


def test_nothing_stored_is_one_clear_line(backend: Backend, opened: Opened) -> None:
    with pytest.raises(StoreError, match=f"nothing is stored for {MODEL} yet; run: monitor back"):
        accept(opened(backend.config().store))


def test_a_range_that_cannot_be_approved_is_one_clear_line(engine: sa.Engine) -> None:
    def told(span: Window) -> str:
        with pytest.raises(ConfigError) as caught:
            accept(engine, span)
        assert len(str(caught.value).splitlines()) == 1
        return str(caught.value)

    far = Window(start=START + 90 * DAY, end=START + 95 * DAY)
    assert "no stored window from 2025-06-01T00:00Z to 2025-06-06T00:00Z" in told(far)
    within_one = Window(start=START + timedelta(hours=1), end=START + timedelta(hours=8))
    assert "no stored window" in told(within_one)
    night = Window(start=START + DAY, end=START + DAY + timedelta(hours=6))
    assert "no rows came" in told(night)

    after = [Window(start=SEEN + k * DAY / 4, end=SEEN + (k + 1) * DAY / 4) for k in range(5)]
    runs.plan(engine, MODEL, after, notify=False)
    (claim,) = runs.claim(engine, MODEL, now=NOW, lease=DAY)
    runs.fail(engine, claim, error="no such table", now=NOW)
    said = told(Window(start=START, end=SEEN + 2 * DAY))
    assert "are not done: 1 failed, 4 pending" in said
    assert "(2025-03-08T00:00Z, 2025-03-08T06:00Z, 2025-03-08T12:00Z and 2 more)" in said
    assert approvals.of_model(engine, MODEL) == ()


def test_windows_that_are_to_be_read_again_are_waited_for(engine: sa.Engine) -> None:
    runs.reopen(engine, MODEL, SHIFTED, ("done",))
    with pytest.raises(ConfigError, match="8 dirty"):
        accept(engine)


def test_an_approval_stays_as_it_is_when_its_windows_change(
    backend: Backend, opened: Opened
) -> None:
    log = backend.copy_of_log()
    config = backend.config(model={"source": log.url}, alerts=ALERTS)
    store = opened(config.store)
    backfill(store, config, MODEL, end=SEEN)
    approval = accept(store)
    approvals.load.cache_clear()
    append(log.url, flights(days=1, a_day=100, seed=9, start=SHIFTED.start))
    backfill(store, config, MODEL, reprocess="all", start=SHIFTED.start, end=SHIFTED.end)
    with store.connect() as connection:
        rows = connection.scalar(
            sa.select(sa.func.sum(windows.c.rows_profiled)).where(
                windows.c.start >= SHIFTED.start, windows.c.end <= SHIFTED.end
            )
        )
    assert rows == approval.rows + 100
    assert approvals.load(store, approval.id).rows == approval.rows


def test_effects_are_of_what_was_approved(engine: sa.Engine, config: Config) -> None:
    approval = accept(engine)
    score, origin = approval.effects["score"], approval.effects["origin"]
    assert score is not None
    assert origin is not None
    assert score.low > 0.5
    assert origin.low == 0
    assert score.rows == approval.rows
    view = queries.reference_view(engine, MODEL)
    assert {of.column: of.effect for of in view.columns} == approval.effects
    lately = {of.column: of.lately for of in view.columns}["score"]
    assert lately is not None
    assert 0 < lately.effect < score.effect  # two of five days
    assert view.lately == Window(start=first_window().start, end=SEEN)


def test_the_first_week_is_compared_with_training(backend: Backend, opened: Opened) -> None:
    config = backend.config()
    store = opened(config.store)
    with pytest.raises(StoreError, match="nothing is stored"):
        queries.skew(store, MODEL)
    backfill(store, config, MODEL, end=START + 6 * DAY)
    assert not queries.skew(store, MODEL).whole
    backfill(store, config, MODEL)
    found = queries.skew(store, MODEL)
    assert found.whole
    first = first_window().start
    assert (found.span, found.days) == (Window(start=first, end=first + 7 * DAY), 7)
    effects = [of.effect for _, of in found.columns]
    assert effects == sorted(effects, reverse=True)
    assert {column for column, _ in found.columns[:2]} == {"score", "weather.temp"}
    assert not any(found.over(of) for column, of in found.columns[2:])
    assert found.unknown == ()


def test_the_feature_page_says_how_far_a_range_is_from_training(
    engine: sa.Engine, config: Config
) -> None:
    def since(column: str, start: datetime, end: datetime, **more: Any) -> Any:
        view = queries.feature_view(
            engine, config, MODEL, column, start=start, end=end, now=NOW, **more
        )
        assert view is not None
        return view.since_training

    moved, same_as_before = since("score", *_ends(SHIFTED)), since("origin", *_ends(SHIFTED))
    assert moved.effect > 0.5
    assert moved.rows == 480
    assert same_as_before.low == 0
    of_cohort = since("score", *_ends(SHIFTED), cohort=(("origin", "JFK"),))
    assert 100 < of_cohort.rows < 300
    assert of_cohort.effect > 0.5
    approved = accept(engine).effects["score"]
    assert approved is not None
    assert moved.effect == pytest.approx(approved.effect, abs=0.15)  # more days show the wander
    night = Window(start=START, end=START + DAY / 4)
    assert since("score", *_ends(night)) is None
    part = since("score", START + 2 * DAY + DAY / 4, SEEN - DAY / 4)
    assert part.rows == np.sum(
        [START + 2 * DAY + DAY / 4 <= f.at < SEEN - DAY / 4 for f in _logged(config)]
    )


def _ends(span: Window) -> tuple[datetime, datetime]:
    return span.start, span.end


def _logged(config: Config) -> Any:
    return flights(days=8, a_day=240, seed=11, shifted=[(3, 5)])

"""What the rules see: the stored profiles, whichever way one came to a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from alerts.rules import Reading
from monitor import judging
from monitor.backfill import backfill
from monitor.config import Config
from monitor.store import baselines, results
from monitor.store.engine import open_store
from monitor.store.readings import decode, encode
from monitor.store.tables import scores, windows
from profiles.baseline import Baseline, position
from profiles.comparison import ORDERED, compare, present
from profiles.grids import NumericGrid
from profiles.profile import merge
from profiles.windows import Window
from tests.support.log import START, append, flights
from tests.support.store import MODEL, Backend

WIDTH = timedelta(hours=6)
RULES = [
    {"name": "day", "statistic": "js", "threshold": 0.3, "over": "1d", "min_rows": 75,
     "cohorts": True},
    {"name": "shape", "statistic": "ks", "threshold": 0.2, "over": "2d", "min_rows": 200},
    {"name": "now", "statistic": "psi", "threshold": 0.25, "min_rows": 20,
     "columns": ["hour", "origin"]},
]  # fmt: skip

Opened = Callable[..., sa.Engine]


@pytest.fixture(scope="module")
def config(backend: Backend) -> Config:
    return backend.config(alerts={"rules": RULES})


@pytest.fixture(scope="module")
def engine(config: Config) -> Iterator[sa.Engine]:
    made = open_store(config.store)
    backfill(made, config, MODEL)
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def baseline(engine: sa.Engine) -> Baseline:
    return baselines.load(engine, _baseline_id(engine))


def _baseline_id(engine: sa.Engine) -> str:
    found = baselines.current(engine, MODEL)
    assert found is not None
    return found


def _judge(engine: sa.Engine, config: Config) -> judging.Judge:
    baseline_id = _baseline_id(engine)
    found = baselines.load(engine, baseline_id)
    rules = judging.rules_of(config, MODEL, found)
    return judging.Judge(engine, MODEL, baseline_id=baseline_id, baseline=found, rules=rules)


def seen(judge: judging.Judge, window: Window) -> bytes:
    (readings,) = judge.readings([window])
    return encode(readings)


def _all_windows(engine: sa.Engine) -> list[Window]:
    with engine.connect() as connection:
        rows = connection.execute(sa.select(windows.c.start, windows.c.end).order_by("start"))
        return [Window(start=row.start, end=row.end) for row in rows]


def _readings(engine: sa.Engine) -> dict[datetime, tuple[Reading, ...]]:
    with engine.connect() as connection:
        rows = connection.execute(sa.select(scores.c.start, scores.c.readings))
        return {row.start: decode(bytes(row.readings)) for row in rows}


def test_readings_are_distances_of_the_merged_profiles_of_the_span(
    engine: sa.Engine, config: Config, baseline: Baseline
) -> None:
    over = {"day": timedelta(days=1), "shape": timedelta(days=2), "now": WIDTH}
    min_rows = {"day": 75, "shape": 200, "now": 20}
    read = _readings(engine)
    rng = np.random.default_rng(8)
    checked = 0
    for at in rng.choice(len(read), 6, replace=False).tolist():
        window = _all_windows(engine)[at]
        for reading in read[window.start]:
            dimension = tuple(name for name, _ in reading.cohort)
            group = tuple(value for _, value in reading.cohort)
            span = Window(start=window.end - over[reading.rule], end=window.end)
            parts = results.read(engine, MODEL, _baseline_id(engine), dimension, span)
            merged = merge([part.profile for part in parts])
            grid, against = baseline.plan.grids[reading.column], baseline.along(dimension)
            place, was = position(merged, group), position(against, group)
            assert place is not None
            assert was is not None
            x = merged.columns[reading.column].counts[place]
            y = against.columns[reading.column].counts[was]
            assert reading.n == present(grid, x)
            if reading.n < min_rows[reading.rule]:
                assert reading.value is None
                continue
            statistic = next(s for s in ("js", "ks", "psi") if s == reading.statistic)
            expected = float(compare(grid, x, y, [statistic])[statistic].distance)
            assert reading.value == pytest.approx(expected, rel=1e-12)
            moments = merged.columns[reading.column].moments
            if reading.now is not None and reading.label == "mean":
                assert moments is not None
                assert reading.now == pytest.approx(moments.mean[place], rel=1e-11)
            checked += 1
    assert checked > 50


def test_every_rule_judges_the_columns_and_cohorts_it_is_meant_for(
    engine: sa.Engine, config: Config, baseline: Baseline
) -> None:
    noon = START + timedelta(days=2, hours=12)
    seen = {
        rule: {(r.column, tuple(name for name, _ in r.cohort)) for r in read}
        for rule in ("day", "shape", "now")
        if (read := [r for r in _readings(engine)[noon] if r.rule == rule])
    }
    features = {c for c in baseline.plan.grids if config.models[MODEL].role(c) != "context"}
    singles = [(), ("origin",), ("carrier",)]
    assert seen["day"] == {(c, d) for c in features for d in singles if c not in d}
    numeric = {c for c in features if isinstance(baseline.plan.grids[c], NumericGrid)}
    assert "ks" in ORDERED
    assert seen["shape"] == {(c, ()) for c in numeric}
    assert seen["now"] == {("hour", ()), ("origin", ())}


def test_few_rows_are_a_reason_and_never_a_zero(engine: sa.Engine) -> None:
    unknown = [r for read in _readings(engine).values() for r in read if r.value is None]
    assert unknown
    assert all(r.reason is not None and r.reason.startswith("too few rows, ") for r in unknown)
    known = [r for read in _readings(engine).values() for r in read if r.value is not None]
    assert {r.reason for r in known} == {None}


def test_a_window_without_rows_in_its_span_has_no_readings(
    engine: sa.Engine, config: Config
) -> None:
    before_the_log = Window(start=START - WIDTH, end=START)
    assert decode(seen(_judge(engine, config), before_the_log)) == ()


def test_a_restart_before_any_window_gives_the_same_bytes_as_going_on(
    engine: sa.Engine, config: Config
) -> None:
    going_on = _judge(engine, config)
    for window in _all_windows(engine)[:20]:
        afresh = _judge(engine, config)
        assert seen(going_on, window) == seen(afresh, window)


def test_asking_for_any_window_in_any_order_gives_the_same(
    engine: sa.Engine, config: Config
) -> None:
    judge, found = _judge(engine, config), _all_windows(engine)
    for at in (5, 6, 6, 3, 4, 9, 29, 0):
        assert decode(seen(judge, found[at])) == _readings(engine)[found[at].start]


def test_a_window_that_another_process_replaced_is_seen(backend: Backend, opened: Opened) -> None:
    log = backend.copy_of_log()
    config = backend.config(model={"source": log.url}, alerts={"rules": RULES})
    store = opened(config.store)
    backfill(store, config, MODEL, end=START + timedelta(days=3))
    judge, found = _judge(store, config), _all_windows(store)
    for window in found[:8]:
        seen(judge, window)
    late = flights(days=1, a_day=400, seed=5, start=START + timedelta(days=1), shifted=[(0, 1)])
    append(log.url, late)
    days = {"start": START + timedelta(days=1), "end": START + timedelta(days=2)}
    backfill(store, config, MODEL, reprocess="all", **days)
    afresh = _judge(store, config)
    assert seen(judge, found[8]) == seen(afresh, found[8])


def test_a_cohort_that_the_baseline_does_not_know_has_a_reason(
    backend: Backend, opened: Opened
) -> None:
    log = backend.copy_of_log()
    engine = sa.create_engine(log.url)
    with engine.begin() as connection:
        swap = sa.text("UPDATE predictions SET features = replace(features, 'LGA', 'ZRH')")
        connection.execute(swap)
    engine.dispose()
    config = backend.config(
        model={"source": log.url}, alerts={"rules": [RULES[0] | {"min_rows": 10}]}
    )
    store = opened(config.store)
    backfill(store, config, MODEL, end=START + timedelta(days=2))
    new = [
        r for read in _readings(store).values() for r in read if r.cohort == (("origin", "ZRH"),)
    ]
    assert new
    assert {(r.value, r.reason) for r in new} == {(None, "not in the baseline")}


def test_a_rule_over_less_than_a_window_judges_the_window(backend: Backend, opened: Opened) -> None:
    config = backend.config(alerts={"rules": [RULES[2] | {"over": "1h"}]})
    store = opened(config.store)
    backfill(store, config, MODEL, end=START + timedelta(days=1))
    assert any(r.value is not None for read in _readings(store).values() for r in read)

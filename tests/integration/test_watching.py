"""What the budget sees of each window, and the incidents it opens."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa
import structlog
from pydantic import SecretStr

from monitor import judging, pipeline
from monitor.calibration import calibrate
from monitor.config import Config
from monitor.history import clock_of
from monitor.sources import LogSource
from monitor.store import baselines
from monitor.store.engine import open_store
from monitor.store.queries import records, statuses
from monitor.store.readings import decode, encode
from monitor.store.tables import profiles, scores, transitions, windows
from monitor.watching import Watching, lane_rules
from profiles.baseline import Baseline
from profiles.detection.lanes import MONTH
from profiles.detection.watch import rate_between
from profiles.windows import Window
from tests.support.past import (
    BAD,
    DAY,
    FIRST,
    HOUR,
    baseline_of,
    config_of,
    fill,
    log,
    midnight,
)
from tests.support.store import MODEL

BASELINE = "first"
STEPS = 6  # windows of a day


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return baseline_of(log())


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, baseline: Baseline) -> str:
    made = f"sqlite:///{tmp_path_factory.mktemp('watching') / 'store.db'}"
    engine = open_store(SecretStr(made))
    fill(engine, log(), baseline)
    engine.dispose()
    return made


@pytest.fixture(scope="module")
def engine(url: str) -> Iterator[sa.Engine]:
    made = open_store(SecretStr(url))
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def config(url: str) -> Config:
    return config_of(url)


@pytest.fixture(scope="module")
def decided(url: str, engine: sa.Engine, config: Config) -> sa.Engine:
    """Decide every window, as the daemon does."""
    pipeline.decide_ready(run_of(engine, config))
    return engine


def run_of(engine: sa.Engine, config: Config, **changes: Any) -> pipeline.Run:
    baseline = baselines.load(engine, BASELINE)
    rules = judging.rules_of(config, MODEL, baseline)
    given: dict[str, Any] = {
        "engine": engine,
        "config": config,
        "name": MODEL,
        "baseline_id": BASELINE,
        "baseline": baseline,
        "source": cast("LogSource", None),  # everything is profiled already
        "judge": judging.Judge(engine, MODEL, BASELINE, baseline, rules),
        "watching": watching(engine, config),
        "rules": rules,
    }
    return pipeline.Run(**(given | changes))


def watching(engine: sa.Engine, config: Config) -> Watching:
    return Watching(engine, config, MODEL, BASELINE, baselines.load(engine, BASELINE))


def all_windows(engine: sa.Engine) -> list[Window]:
    with engine.connect() as connection:
        rows = connection.execute(sa.select(windows.c.start, windows.c.end).order_by("start"))
        return [Window(start=row.start, end=row.end) for row in rows]


def seen(watch: Watching, asked: list[Window]) -> list[bytes]:
    return [encode(readings) for readings in watch.readings(asked)]


def test_windows_one_by_one_in_batches_and_after_a_restart_give_the_same_bytes(
    engine: sa.Engine, config: Config
) -> None:
    found = all_windows(engine)
    at_once = seen(watching(engine, config), found)
    going_on = watching(engine, config)
    first = len(found) - 40
    by_batch = [*seen(going_on, found[:first]), *seen(going_on, found[first : first + 15])]
    one_by_one = [each for window in found[first + 15 :] for each in seen(going_on, [window])]
    assert [*by_batch, *one_by_one] == at_once
    assert seen(watching(engine, config), found[-7:-4]) == at_once[-7:-4]


def test_nothing_is_seen_before_a_lane_is_open(engine: sa.Engine, config: Config) -> None:
    found = watching(engine, config).readings(all_windows(engine)[:200])
    assert [of.rule.name for seen in found for of in seen if of.streams] == []


def test_a_window_that_was_replaced_is_seen(tmp_path: Path, baseline: Baseline) -> None:
    config = config_of(f"sqlite:///{tmp_path / 'store.db'}")
    engine = open_store(config.store)
    fill(engine, log(), baseline)
    watch, found = watching(engine, config), all_windows(engine)
    seen(watch, found[:-3])
    with engine.begin() as connection:  # as if it had been read again
        of_early = windows.c.start == found[30].start
        connection.execute(sa.update(windows).where(of_early).values(revision=7))
    assert seen(watch, found[-3:]) == seen(watching(engine, config), found[-3:])
    engine.dispose()


@pytest.mark.parametrize(("back", "again"), [(2, 0), (30, 1)], ids=["today", "days ago"])
def test_after_a_window_of_today_is_replaced_only_today_is_watched_again(
    tmp_path: Path, baseline: Baseline, back: int, again: int
) -> None:
    config = config_of(f"sqlite:///{tmp_path / 'store.db'}")
    engine = open_store(config.store)
    fill(engine, log(), baseline)
    watch, found = watching(engine, config), all_windows(engine)
    last = next(
        at for at in range(len(found) - 1, 0, -1)
        if clock_of(config, MODEL).place(found[at].start)[1] == STEPS - 2
    )  # fmt: skip
    seen(watch, found[: last + 1])
    replaced = found[last + 1 - back]
    with engine.begin() as connection:  # read again: half as many rows came
        of_it = windows.c.start == replaced.start
        connection.execute(sa.update(windows).where(of_it).values(revision=7))
        of_it = profiles.c.start == replaced.start
        other = sa.select(profiles.c.profile).where(
            profiles.c.start == found[3].start, profiles.c.dimension == "[]"
        ).scalar_subquery()  # fmt: skip
        connection.execute(
            sa.update(profiles).where(of_it, profiles.c.dimension == "[]").values(profile=other)
        )
    with structlog.testing.capture_logs() as logs:
        after = seen(watch, found[last + 1 - back :])
    assert sum(line["action"] == "watch.again" for line in logs) == again
    assert after == seen(watching(engine, config), found[last + 1 - back :])
    engine.dispose()


def test_a_day_of_missing_values_opens_an_incident_that_names_them(
    decided: sa.Engine, config: Config
) -> None:
    clock = clock_of(config, MODEL)
    incidents = [
        incident
        for incident in records(decided, model=MODEL)
        if clock.date(clock.place(incident.opened)[0]) in (BAD, BAD + DAY)
    ]
    (incident,) = incidents
    assert incident.state == "resolved"
    worst = incident.streams[0]
    assert (worst.column, worst.statistic) == ("amount", "oddness")
    assert worst.rule == "day lane"
    assert worst.label == "share of missing or wrong values"
    assert worst.was is not None
    assert worst.now is not None
    assert worst.was < 0.1 < 0.3 < worst.now
    assert worst.value > worst.threshold


def test_what_opens_live_is_what_calibrating_says(decided: sa.Engine, config: Config) -> None:
    clock = clock_of(config, MODEL)
    opened = {clock.date(clock.place(of.opened - DAY / 24)[0]) for of in records(decided)}
    assert opened <= {
        page.first + day * DAY
        for page in calibrate(decided, config, MODEL).pages
        for day in range((page.last - page.first).days + 1)
    }
    assert opened


def test_the_promise_is_told_with_what_the_budget_opened(
    decided: sa.Engine, config: Config
) -> None:
    (status,) = statuses(decided, config, now=datetime(2026, 1, 1, tzinfo=UTC))
    promise = status.promise
    assert promise is not None
    assert (promise.budget, promise.begins_after, promise.days) == (1.0, 65, 99)
    assert promise.incidents == len(records(decided)) > 0
    assert 30 < promise.months * MONTH <= 35
    assert promise.between == rate_between(promise.incidents, promise.months)


def test_a_classic_rule_states_how_often_it_alarmed_on_the_past(
    tmp_path: Path, baseline: Baseline
) -> None:
    """A tight rule alarms all the time; the threshold that is told instead keeps the budget."""
    tight = {"name": "tight", "statistic": "ks", "threshold": 0.1, "windows": 1, "min_rows": 50}
    config = config_of(
        f"sqlite:///{tmp_path / 'store.db'}", alerts={"budget": "off", "rules": [tight]}
    )
    engine = open_store(config.store)
    fill(engine, log(), baseline)
    pipeline.decide_ready(run_of(engine, config))
    (rate,) = calibrate(engine, config, MODEL).rules
    assert rate.a_month > 10
    assert rate.between[0] < rate.a_month < rate.between[1]
    assert rate.keeps is not None
    with engine.connect() as connection:
        peaks = connection.scalars(sa.select(scores.c.peaks).order_by(scores.c.start)).all()
    over = np.array([(of["tight"] or 0) * 0.1 > rate.keeps for of in peaks])
    assert (over[1:] & ~over[:-1]).sum() + over[0] <= rate.months
    engine.dispose()


def test_every_lane_has_a_peak_in_every_window_that_it_judged(decided: sa.Engine) -> None:
    with decided.connect() as connection:
        rows = connection.execute(sa.select(scores.c.peaks, scores.c.readings)).all()
    judged = [row.peaks for row in rows if row.peaks]
    assert judged
    assert {name for peaks in judged for name in peaks} == {"day lane"}
    assert all(peak is not None and peak >= 0 for peaks in judged for peak in peaks.values())
    kept = [len(decode(bytes(row.readings))) for row in rows if row.peaks]
    assert 1 <= max(kept) < 30  # the oddest, not every stream


def test_a_holiday_opens_nothing_and_is_not_learnt_from(tmp_path: Path, baseline: Baseline) -> None:
    config = config_of(
        f"sqlite:///{tmp_path / 'store.db'}",
        models={MODEL: {"calendar": BAD.isoformat()}},
    )
    engine = open_store(config.store)
    fill(engine, log(), baseline)
    pipeline.decide_ready(run_of(engine, config))
    clock = clock_of(config, MODEL)
    opened = [clock.date(clock.place(of.opened - DAY / 24)[0]) for of in records(engine)]
    assert BAD not in opened
    assert BAD not in [page.first for page in calibrate(engine, config, MODEL).pages]
    engine.dispose()


def without_amounts(
    logged: pa.RecordBatch, start: datetime, end: datetime | None = None, *, every: int = 1
) -> pa.RecordBatch:
    """Return the log with the amount missing in a span, in one of so many rows."""
    at = np.asarray(logged.column("at"))
    gone = (at >= np.datetime64(start.replace(tzinfo=None))) & (np.arange(len(at)) % every == 0)
    if end is not None:
        gone &= at < np.datetime64(end.replace(tzinfo=None))
    amount = pa.array(np.asarray(logged.column("amount")), mask=gone)
    return logged.set_column(logged.schema.get_field_index("amount"), "amount", amount)


def test_what_never_happened_before_opens_an_incident_in_its_first_window(
    tmp_path: Path, baseline: Baseline
) -> None:
    config = config_of(f"sqlite:///{tmp_path / 'store.db'}")
    engine = open_store(config.store)
    start = midnight(FIRST + 20 * DAY) + 11 * HOUR  # when a window begins
    fill(engine, without_amounts(log(days=24), start, start + 4 * HOUR), baseline)
    pipeline.decide_ready(run_of(engine, config))
    incident = records(engine)[0]
    assert (incident.since, incident.opened) == (start, start + 4 * HOUR)
    stream = incident.streams[0]
    assert (stream.column, stream.statistic, stream.rule) == ("amount", "check", "never before")
    assert (stream.label, stream.now) == ("share of missing", 1.0)
    assert incident.resolved is not None
    assert incident.resolved - incident.opened <= 2 * DAY
    engine.dispose()


def test_an_incident_of_a_lane_ends_though_the_lane_gives_way_to_others(
    tmp_path: Path, baseline: Baseline
) -> None:
    """What is far from training is told from the first weeks on; later the past is the measure."""
    config = config_of(f"sqlite:///{tmp_path / 'store.db'}")
    engine = open_store(config.store)
    start = midnight(FIRST + 30 * DAY)
    fill(engine, without_amounts(log(days=70), start, every=2), baseline)
    pipeline.decide_ready(run_of(engine, config))
    incident = records(engine)[0]
    assert {stream.rule for stream in incident.streams} == {"first lane"}
    assert {stream.column for stream in incident.streams} == {"amount"}
    assert incident.resolved is not None
    assert incident.resolved - incident.opened > 30 * DAY
    with engine.connect() as connection:
        states = connection.scalars(
            sa.select(transitions.c.after)
            .where(transitions.c.incident == incident.id)
            .order_by(transitions.c.at)
        ).all()
    assert [state for state, _ in itertools.groupby(states)] == [
        "firing", "persistent", "resolved"
    ]  # fmt: skip
    engine.dispose()


def test_of_a_holiday_the_lanes_know_nothing_and_nothing_is_taken_for_quiet(
    tmp_path: Path, baseline: Baseline
) -> None:
    """An incident that is open before goes on after it."""
    start, off = midnight(FIRST + 30 * DAY), FIRST + 40 * DAY
    config = config_of(
        f"sqlite:///{tmp_path / 'store.db'}", models={MODEL: {"calendar": off.isoformat()}}
    )
    engine = open_store(config.store)
    fill(engine, without_amounts(log(days=50), start, every=2), baseline)
    pipeline.decide_ready(run_of(engine, config))
    (incident,) = records(engine)
    assert (incident.state, incident.resolved) == ("persistent", None)
    engine.dispose()


def test_a_budget_that_is_off_sees_and_opens_nothing(tmp_path: Path, baseline: Baseline) -> None:
    config = config_of(f"sqlite:///{tmp_path / 'store.db'}", alerts={"budget": "off"})
    engine = open_store(config.store)
    fill(engine, log(), baseline)
    assert lane_rules(config, MODEL) == ()
    pipeline.decide_ready(run_of(engine, config))
    assert not records(engine)
    engine.dispose()


def test_windows_that_do_not_divide_a_day_are_judged_by_rules_alone(url: str) -> None:
    config = config_of(url, models={MODEL: {"window": "5h"}})
    assert lane_rules(config, MODEL) == ()


def test_catching_up_before_a_window_gives_what_reading_all_at_once_does(
    engine: sa.Engine, config: Config
) -> None:
    found = all_windows(engine)
    (expected,) = seen(watching(engine, config), found)[-1:]
    watch = watching(engine, config)
    watch.catch_up(found[-1])
    assert seen(watch, found[-1:]) == [expected]
    stopped = watching(engine, config)
    stopped.catch_up(found[-1], stopping=lambda: True)
    assert seen(stopped, found[-1:]) == [expected]


def test_a_window_that_cannot_be_judged_is_no_reason_to_begin_anew(
    engine: sa.Engine, config: Config
) -> None:
    found = all_windows(engine)
    at_once = seen(watching(engine, config), found)
    watch = watching(engine, config)
    seen(watch, found[:-9])
    with structlog.testing.capture_logs() as logs:
        assert seen(watch, found[-8:-4]) == at_once[-8:-4]  # the one between has its result
        watch.catch_up(found[-2])
        assert seen(watch, found[-2:]) == at_once[-2:]
    assert [entry["action"] for entry in logs] == []

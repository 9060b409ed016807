"""What the dashboard asks of the store, on stores in every condition."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from monitor.backfill import backfill
from monitor.config import Config
from monitor.pipeline import prepare
from monitor.sources import open_log
from monitor.store import baselines, blind, queries, results, runs
from monitor.store.engine import open_store
from monitor.store.queries import series
from monitor.store.tables import incidents, models, windows
from profiles.profile import merge
from profiles.windows import Window
from tests.support.log import START, append, flights
from tests.support.store import MODEL, Backend

DAY = timedelta(days=1)
END = START + 8 * DAY
NOW = START + 8 * DAY

Opened = Callable[..., sa.Engine]


@pytest.fixture(scope="module")
def config(backend: Backend) -> Config:
    return backend.config()


@pytest.fixture(scope="module")
def engine(config: Config) -> Iterator[sa.Engine]:
    """A store that is filled; only read."""
    made = open_store(config.store)
    backfill(made, config, MODEL, clock=lambda: NOW)
    yield made
    made.dispose()


@pytest.fixture
def empty(backend: Backend, opened: Opened) -> sa.Engine:
    return opened(backend.config().store)


@pytest.fixture
def unread(backend: Backend, config: Config, opened: Opened) -> sa.Engine:
    """A store with a baseline and no window."""
    made = opened(backend.config().store)
    with open_log(config.models[MODEL]) as source:
        prepare(made, config, MODEL, source)
    return made


def every_view(
    engine: sa.Engine, config: Config, start: datetime = START, end: datetime = END
) -> dict[str, Any]:
    span = {"start": start, "end": end, "now": NOW}
    return {
        "statuses": queries.statuses(engine, config, now=NOW),
        "overview": queries.overview(engine, config, **span),
        "model": queries.model_view(engine, config, MODEL, **span),
        "cohort": queries.model_view(engine, config, MODEL, cohort=(("origin", "JFK"),), **span),
        "numeric": queries.feature_view(engine, config, MODEL, "score", **span),
        "categorical": queries.feature_view(engine, config, MODEL, "origin", **span),
        "incidents": queries.listed(engine, start=start, end=end),
        "records": queries.records(engine),
        "revision": queries.revision(engine),
        "extent": queries.extent(engine, MODEL),
    }


def leaves(view: Any) -> Iterator[Any]:
    """Every value in a record of records."""
    if is_dataclass(view):
        for part in fields(view):
            yield from leaves(getattr(view, part.name))
    elif isinstance(view, dict):
        for value in view.values():
            yield from leaves(value)
    elif isinstance(view, tuple | list):
        for value in view:
            yield from leaves(value)
    else:
        yield view


# Every view in every condition


def test_every_view_of_an_empty_store_says_that_nothing_is_there(
    empty: sa.Engine, config: Config
) -> None:
    found = every_view(empty, config)
    assert found["model"] is found["cohort"] is found["numeric"] is found["extent"] is None
    assert found["incidents"] == found["records"] == ()
    (status,) = found["statuses"]
    assert (status.state, status.watermark, status.first, status.lag_s) == (
        "starting", None, None, 0,
    )  # fmt: skip
    (row,) = found["overview"].models
    assert (len(row.mean), row.latest, row.worst) == (0, None, None)


def test_every_view_of_a_store_with_a_baseline_only_has_gaps(
    unread: sa.Engine, config: Config
) -> None:
    found = every_view(unread, config)
    for name in ("model", "cohort"):
        view = found[name]
        assert not view.rows.any()
        assert np.isnan(view.score.mean).all()
        assert np.isnan(view.features.values).all()
    feature = found["numeric"]
    assert (feature.n, feature.mean, feature.window_quantiles) == (0, None, None)
    assert all(row.value is None for row in feature.distances)


@pytest.mark.parametrize("days", [(-40, -30), (100, 130)])
def test_every_view_of_a_span_without_rows_has_gaps(
    engine: sa.Engine, config: Config, days: tuple[int, int]
) -> None:
    found = every_view(engine, config, *(START + day * DAY for day in days))
    assert np.isnan(found["model"].score.mean).all()
    assert np.isnan(found["model"].features.values).all()
    assert found["numeric"].n == 0
    assert found["incidents"] == ()


def test_a_filled_store_answers_with_numbers_and_gaps_at_night(
    engine: sa.Engine, config: Config
) -> None:
    found = every_view(engine, config)
    view = found["model"]
    silent = view.rows == 0
    assert silent.any()
    assert np.isnan(view.score.mean[silent]).all()
    assert not np.isnan(view.score.mean[~silent]).any()
    assert found["numeric"].n == view.rows.sum()
    assert found["overview"].models[0].latest is not None


@pytest.mark.parametrize("state", ["empty", "unread", "engine"])
def test_what_is_unknown_is_none_or_nan_and_never_infinite(
    state: str, config: Config, request: pytest.FixtureRequest
) -> None:
    for leaf in leaves(every_view(request.getfixturevalue(state), config)):
        if isinstance(leaf, float):
            assert np.isfinite(leaf)
        elif isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f":
            assert not np.isinf(leaf).any()


def test_a_name_that_nobody_knows_has_no_view(engine: sa.Engine, config: Config) -> None:
    span = {"start": START, "end": END, "now": NOW}
    assert queries.feature_view(engine, config, MODEL, "scores", **span) is None
    airport = (("airport", "JFK"),)
    assert queries.feature_view(engine, config, MODEL, "score", cohort=airport, **span) is None
    assert queries.incident_view(engine, config, "nothing") is None
    with pytest.raises(KeyError):
        queries.model_view(engine, config, "other", **span)
    with pytest.raises(KeyError):
        queries.status(engine, config, "other", now=NOW)


def test_a_cohort_value_that_nobody_has_seen_has_gaps(engine: sa.Engine, config: Config) -> None:
    zurich = (("origin", "ZRH"),)
    span = {"start": START, "end": END, "now": NOW}
    view = queries.model_view(engine, config, MODEL, cohort=zurich, **span)
    assert view is not None
    assert not view.rows.any()
    feature = queries.feature_view(engine, config, MODEL, "score", cohort=zurich, **span)
    assert feature is not None
    assert (feature.n, feature.n_baseline) == (0, 0)


# Sums


def test_rolled_sums_are_those_of_the_stored_windows(engine: sa.Engine) -> None:
    baseline_id = baselines.current(engine, MODEL) or ""
    baseline = baselines.load(engine, baseline_id)
    step, over = timedelta(hours=6), DAY
    groups = (("EWR",), ("JFK",))
    loaded = series.load(
        engine, MODEL, baseline_id=baseline_id, baseline=baseline, dimension=("origin",),
        groups=groups, columns={"score", "carrier"}, start=START, end=END, step=step,
    )  # fmt: skip
    for group in groups:
        found = loaded[group]
        assert len(found.starts) == 32
        everything = slice(0, 32)
        counts = {c: found.take(c, over, everything) for c in ("score", "carrier")}
        means = found.means("score", over, everything)
        for at in (0, 3, 4, 13, 31):
            end = series.aware(found.starts[at]) + step
            span = Window(start=end - over, end=end)
            read = results.read(engine, MODEL, baseline_id, ("origin",), span)
            parts = [part.profile for part in read]
            merged = merge(parts) if parts else None
            if merged is None or group not in merged.groups:
                assert not counts["score"][at].any()
                assert np.isnan(means.mean[at])
                continue
            place = merged.groups.index(group)
            for column, rolled in counts.items():
                expected = merged.columns[column].counts[place]
                np.testing.assert_array_equal(rolled[at], expected)
            moments = merged.columns["score"].moments
            assert moments is not None
            assert means.n[at] == moments.n[place]
            assert means.mean[at] == pytest.approx(moments.mean[place], rel=1e-12)
            error = 1.96 * moments.std()[place] / np.sqrt(moments.n[place])
            assert means.half_width[at] == pytest.approx(error, rel=1e-9)


def test_a_wider_step_adds_the_windows_within_it(engine: sa.Engine) -> None:
    baseline_id = baselines.current(engine, MODEL) or ""
    of = {
        "baseline_id": baseline_id,
        "baseline": baselines.load(engine, baseline_id),
        "dimension": (),
        "groups": ((),),
        "columns": {"score"},
        "start": START,
        "end": END,
    }
    fine = series.load(engine, MODEL, step=timedelta(hours=6), **of)[()]  # type: ignore[arg-type]
    wide = series.load(engine, MODEL, step=DAY, **of)[()]  # type: ignore[arg-type]
    np.testing.assert_array_equal(wide.rows, fine.rows.reshape(-1, 4).sum(axis=1))
    np.testing.assert_array_equal(
        wide.counts["score"], fine.counts["score"].reshape(8, 4, -1).sum(axis=1)
    )


@pytest.mark.parametrize("days", [1, 30, 400, 4_000])
def test_no_span_is_drawn_in_more_than_four_hundred_steps(days: int) -> None:
    width = timedelta(hours=1)
    step = series.step_for(days * DAY, width)
    assert step % width == timedelta(0)
    assert days * DAY / step <= series.MAX_STEPS


# Incidents


def test_an_incident_is_shown_with_its_streams_and_its_story(
    engine: sa.Engine, config: Config
) -> None:
    (row,) = queries.listed(engine)
    view = queries.incident_view(engine, config, row.id)
    assert view is not None
    assert view.row == row
    assert (row.number, row.state, row.streams) == (1, "resolved", len(view.streams))
    assert {stream.column for stream in view.streams} == {"score", "weather.temp"}
    ratios = [stream.value / stream.threshold for stream in view.streams]
    assert ratios == sorted(ratios, reverse=True)
    states = [entry.state for entry in view.timeline]
    assert states[0] == "pending"
    assert states[-1] == "resolved"
    assert [entry.at for entry in view.timeline] == sorted(entry.at for entry in view.timeline)
    assert np.nanmax(view.distance["day"]) > 1
    assert view.sentence == "".join(span.text for span in view.spans)


def test_incidents_are_listed_where_they_were_open(engine: sa.Engine) -> None:
    (row,) = queries.listed(engine)
    assert row.resolved is not None
    assert queries.listed(engine, start=START, end=row.since) == ()
    assert queries.listed(engine, start=row.resolved, end=END) == ()
    assert queries.listed(engine, start=row.opened, end=row.opened + DAY) == (row,)
    assert queries.listed(engine, model="other") == ()


def test_incidents_are_numbered_by_opening_over_all_models_and_retracted_ones_are_not(
    empty: sa.Engine,
) -> None:
    rows = [
        {"id": name, "model": model, "kind": "drift", "state": state, "opened": START + day * DAY,
         "since": START, "reason": "", "resolved": None}
        for name, model, state, day in (
            ("c", "a", "firing", 3), ("a", "b", "resolved", 1), ("x", "a", "retracted", 0),
            ("b", "a", "resolved", 2),
        )
    ]  # fmt: skip
    with empty.begin() as connection:
        connection.execute(incidents.insert(), rows)
    assert [(row.number, row.id) for row in queries.listed(empty)] == [(3, "c"), (2, "b"), (1, "a")]
    assert [(row.number, row.id) for row in queries.listed(empty, model="a")] == [
        (3, "c"),
        (2, "b"),
    ]


# States


@pytest.fixture
def grown(backend: Backend, opened: Opened) -> Callable[[float], tuple[sa.Engine, Config]]:
    """Fill a store up to some day of the log."""

    def grow(days: float) -> tuple[sa.Engine, Config]:
        config = backend.config()
        engine = opened(config.store)
        end = START + timedelta(days=days)
        backfill(engine, config, MODEL, end=end, clock=lambda: end + timedelta(hours=1))
        return engine, config

    return grow


def state(engine: sa.Engine, config: Config, now: datetime) -> tuple[str, datetime | None]:
    found = queries.status(engine, config, MODEL, now=now)
    return found.state, found.since


def test_a_model_is_normal_while_nothing_is_beyond(grown: Callable[..., Any]) -> None:
    engine, config = grown(2.75)
    found = queries.status(engine, config, MODEL, now=START + 3 * DAY)
    assert (found.state, found.since, found.open_incidents) == ("normal", None, 0)
    assert found.windows.done == 10
    assert found.watermark == START + 2.75 * DAY


def test_a_model_is_pending_and_then_firing_as_streams_stay_beyond(
    grown: Callable[..., Any],
) -> None:
    engine, config = grown(3.25)
    seen = []
    for days in (3.5, 3.75, 4, 4.25):
        backfill(engine, config, MODEL, end=START + days * DAY)
        name, since = state(engine, config, START + days * DAY)
        seen.append(name)
        if name != "normal":
            assert since is not None
            assert since < START + days * DAY
    assert seen[0] in {"normal", "pending"}
    assert "pending" in seen
    assert seen[-1] == "firing"


def test_a_log_that_stands_still_makes_a_model_stale(grown: Callable[..., Any]) -> None:
    engine, config = grown(2)
    seen_at = START + 2 * DAY + timedelta(hours=1)
    assert state(engine, config, seen_at + timedelta(hours=18))[0] == "normal"
    assert state(engine, config, seen_at + timedelta(hours=20)) == ("stale", seen_at)


def test_a_source_that_cannot_be_read_makes_a_model_failed(grown: Callable[..., Any]) -> None:
    engine, config = grown(2)
    since = START + 2 * DAY + timedelta(hours=2)
    later = since + timedelta(hours=1)
    for at in (since, later):
        blind.troubled(engine, MODEL, since=at, why="no such table: predictions", now=at)
    assert state(engine, config, later) == ("failed", since)
    found = queries.status(engine, config, MODEL, now=later)
    assert found.last_error == "no such table: predictions"


def test_a_model_is_starting_until_a_window_is_done(unread: sa.Engine, config: Config) -> None:
    assert state(unread, config, NOW) == ("starting", None)


def test_a_model_whose_windows_are_all_read_again_is_not_starting(
    grown: Callable[..., Any],
) -> None:
    engine, config = grown(2)
    runs.reopen(engine, MODEL, Window(start=START, end=END), ("done",))
    found = queries.status(engine, config, MODEL, now=START + 2 * DAY)
    assert (found.state, found.windows.dirty) == ("normal", 7)
    assert queries.extent(engine, MODEL) == (START + DAY / 4, START + 2 * DAY)


def test_the_watermark_stops_before_a_window_that_is_not_decided(
    grown: Callable[..., Any],
) -> None:
    engine, config = grown(2)
    with engine.begin() as connection:
        gap = windows.c.start == START + DAY
        connection.execute(sa.update(windows).where(gap).values(state="failed", decided=False))
    found = queries.status(engine, config, MODEL, now=START + 2 * DAY)
    assert found.watermark == START + DAY
    with engine.connect() as connection:
        newest = connection.scalar(sa.select(models.c.watermark))
    assert newest is not None
    assert found.lag_s == (newest - (START + DAY)).total_seconds()


def test_the_revision_moves_with_every_result(backend: Backend, opened: Opened) -> None:
    log = backend.copy_of_log()
    config = backend.config(model={"source": log.url})
    engine = opened(config.store)
    seen = [queries.revision(engine)]
    backfill(engine, config, MODEL, end=START + DAY)
    seen.append(queries.revision(engine))
    append(log.url, flights(days=1, a_day=20, seed=4))
    backfill(engine, config, MODEL, end=START + DAY, reprocess="all")
    seen.append(queries.revision(engine))
    assert len(set(seen)) == 3


def test_the_overview_puts_the_worst_first_and_counts_the_day(
    backend: Backend, config: Config, opened: Opened
) -> None:
    two = config.model_copy(update={"models": {"another": config.models[MODEL], **config.models}})
    engine = opened(backend.config().store)
    until = START + 5 * DAY
    backfill(engine, two, MODEL, end=until, clock=lambda: until)
    found = queries.overview(engine, two, start=START, end=until, now=until)
    assert [row.status.name for row in found.models] == [MODEL, "another"]
    assert [row.status.state for row in found.models] == ["firing", "starting"]
    assert found.health.windows_done_24h == found.health.windows_due_24h == 18
    assert found.health.store == {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[backend.name]
    assert [row.state for row in found.incidents] == ["firing"]
    worst = found.models[0].worst
    assert worst is not None
    assert worst.value is not None
    assert worst.value > worst.threshold

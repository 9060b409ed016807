"""One window after another: what a crash, a stop, a failure and late rows leave in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from alerts.notification import Notification
from monitor import pipeline
from monitor.backfill import backfill
from monitor.config import Config
from monitor.errors import ConfigError
from monitor.pipeline import LEASE, Run, Stopped, WindowDone, decide_ready, prepare, run_windows
from monitor.sources import open_log
from monitor.store import baselines, blind, runs
from monitor.store.outbox import StoredOutbox
from monitor.store.tables import baselines as baselines_
from monitor.store.tables import incidents, models, outbox, scores, transitions, windows
from profiles.windows import Window
from tests.support.log import START, Flight, append, flights
from tests.support.logs import run_sql
from tests.support.store import MODEL, Backend, contents

NOW = datetime(2025, 6, 1, tzinfo=UTC)
WIDTH = timedelta(hours=6)
FIRST = START + WIDTH  # of the windows with rows; the night before is empty
ROUTE = {
    "kind": "webhook",
    "name": "ops",
    "url": "http://127.0.0.1:9/",
    "secret": "whsec_" + "A" * 32,
}

Opened = Callable[..., sa.Engine]


class Time:
    """A clock that a test moves."""

    def __init__(self, at: datetime = NOW, *, step: timedelta = timedelta(0)) -> None:
        self.at, self.step = at, step

    def __call__(self) -> datetime:
        self.at += self.step
        return self.at


@contextmanager
def running(
    engine: sa.Engine,
    config: Config,
    *,
    days: float = 2,
    clock: Callable[[], datetime] = lambda: NOW,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[Run]:
    """Plan the windows of the first days, and get ready to work on them."""
    with ExitStack() as stack:
        source = stack.enter_context(open_log(config.models[MODEL]))
        run = prepare(engine, config, MODEL, source, clock=clock, stopping=stopping)
        planned = [span(i) for i in range(int(days * 4) - 1)]
        runs.plan(engine, MODEL, planned, notify=True)
        yield run


def span(at: int, to: int | None = None) -> Window:
    return Window(start=FIRST + at * WIDTH, end=FIRST + ((at if to is None else to) + 1) * WIDTH)


def claim(run: Run, now: datetime | None = None) -> runs.Claim:
    (claimed,) = runs.claim(run.engine, MODEL, now=now or run.clock(), lease=LEASE)
    return claimed


def run_window(run: Run, claimed: runs.Claim) -> WindowDone:
    (done,) = run_windows(run, [claimed])
    return done


def work(run: Run) -> int:
    return sum(done.ok for done in pipeline.work(run))


def rows(engine: sa.Engine, table: sa.Table) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(sa.select(table).order_by(*table.primary_key.columns)))


def decided(engine: sa.Engine) -> list[bool]:
    return [row.decided for row in rows(engine, windows)]


@pytest.fixture(scope="module")
def quiet(backend: Backend) -> Iterator[sa.Engine]:
    """The store of a run in which nothing goes wrong: eight days, sent live, one route."""
    from monitor.store.engine import open_store

    config = backend.config(alerts={"routes": [ROUTE]})
    engine = open_store(config.store)
    backfill(engine, config, MODEL, notify=True)
    yield engine
    engine.dispose()


@pytest.fixture
def config(backend: Backend) -> Config:
    return backend.config(alerts={"routes": [ROUTE]})


@pytest.fixture
def engine(config: Config, opened: Opened) -> sa.Engine:
    return opened(config.store)


def test_the_planted_shift_is_one_incident_that_ends(quiet: sa.Engine) -> None:
    (incident,) = rows(quiet, incidents)
    assert incident.state == "resolved"
    assert START + timedelta(days=3) < incident.opened <= START + timedelta(days=4)
    assert START + timedelta(days=5) < incident.resolved
    assert [row.state for row in rows(quiet, windows)] == ["done"] * 30


def test_rows_read_are_rows_profiled_and_rows_rejected(quiet: sa.Engine, backend: Backend) -> None:
    for row in rows(quiet, windows):
        assert row.rows_read == row.rows_profiled + sum(row.rejected.values())
        assert row.rows_profiled == len(backend.log.within(row.start, row.end))


def test_a_window_done_twice_leaves_what_one_doing_leaves(
    config: Config, engine: sa.Engine
) -> None:
    backfill(engine, config, MODEL, end=START + timedelta(days=5), notify=True)
    before = contents(engine)
    backfill(engine, config, MODEL, end=START + timedelta(days=5), reprocess="all", notify=True)
    assert contents(engine) == before


def test_who_was_fenced_off_writes_nothing(config: Config, engine: sa.Engine) -> None:
    with running(engine, config, days=1) as run:
        slow = claim(run)
        swift = claim(run, NOW + LEASE + timedelta(seconds=1))
        assert swift.window == slow.window
        run_window(run, swift)
        before = contents(engine)
        assert run_window(run, slow).rows == 0
    assert contents(engine) == before


def test_a_worker_that_notices_the_fence_in_mid_window_lets_go(
    config: Config, engine: sa.Engine
) -> None:
    with running(engine, config, days=1, clock=Time(step=LEASE / 2)) as run:
        slow = claim(run)
        swift = claim(run, run.clock() + 2 * LEASE)
        before = contents(engine)
        run_window(run, slow)
        assert contents(engine) == before
        assert run_window(run, swift).rows > 0


def test_a_long_window_renews_its_lease(config: Config, engine: sa.Engine) -> None:
    clock = Time()
    with running(engine, config, days=1, clock=clock) as run:
        held = claim(run)
        until = NOW + 3 * LEASE
        assert runs.renew(engine, [held], until=until)
        assert runs.claim(engine, MODEL, now=NOW + 2 * LEASE, lease=LEASE) != [held]
        assert rows(engine, windows)[0].lease_until == until


def test_a_stop_in_mid_window_gives_it_back(config: Config, engine: sa.Engine) -> None:
    told: list[bool] = []
    with running(engine, config, days=1, stopping=lambda: any(told)) as run:
        claimed = claim(run)
        told.append(True)
        with pytest.raises(Stopped):
            run_window(run, claimed)
    first = rows(engine, windows)[0]
    assert (first.state, first.attempts, first.lease_until) == ("pending", 0, None)


def test_a_backfill_that_is_told_to_stop_says_so(config: Config, engine: sa.Engine) -> None:
    reached: list[int] = []
    done = backfill(
        engine, config, MODEL,
        progress=lambda step: reached.append(step.done), stopping=lambda: any(reached),
    )  # fmt: skip
    assert done.stopped
    assert 0 < done.windows < 30
    assert "running" not in {row.state for row in rows(engine, windows)}


def test_a_window_that_fails_has_a_reason_and_is_done_after_its_wait(
    backend: Backend, opened: Opened, quiet: sa.Engine
) -> None:
    log = backend.copy_of_log()
    config = backend.config(model={"source": log.url}, alerts={"routes": [ROUTE]})
    engine, clock = opened(config.store), Time()
    with running(engine, config, days=7.75, clock=clock) as run:
        assert run_window(run, claim(run)).ok
        run_sql(log.url, "ALTER TABLE predictions RENAME TO gone")
        assert not run_window(run, claim(run)).ok
        run_sql(log.url, "ALTER TABLE gone RENAME TO predictions")
        failed = rows(engine, windows)[1]
        assert failed.state == "failed"
        assert "predictions" in failed.error
        assert failed.next_attempt == NOW + runs.FIRST_RETRY
        work(run)  # the others; what comes after the failed one is not decided
        assert decided(engine)[:3] == [True, False, False]
        assert not any(decided(engine)[1:])
        clock.at = failed.next_attempt
        assert claim(run).window == span(1)
        clock.at += LEASE + timedelta(seconds=1)
        assert work(run) == 1
    assert contents(engine, but=["models", "outbox"]) == contents(quiet, but=["models", "outbox"])


def test_failed_windows_are_tried_again_oldest_first(config: Config, engine: sa.Engine) -> None:
    clock = Time()
    with running(engine, config, days=1, clock=clock) as run:
        for claimed in [claim(run), claim(run)]:
            runs.fail(engine, claimed, error="the log did not answer", now=NOW)
        clock.at = NOW + timedelta(hours=1)
        assert [claim(run).window for _ in range(3)] == [span(0), span(1), span(2)]


def test_a_window_given_up_on_blocks_no_longer(config: Config, engine: sa.Engine) -> None:
    clock = Time()
    with running(engine, config, days=1, clock=clock) as run:
        for attempt in range(runs.MAX_ATTEMPTS):
            assert not any(decided(engine)), attempt
            runs.fail(engine, claim(run), error="no such column", now=clock.at)
            clock.at += timedelta(days=1)
        work(run)
        assert decided(engine) == [True] * 3
        assert [row.state for row in rows(engine, windows)] == ["failed", "done", "done"]
        assert [row.start for row in rows(engine, scores)] == [span(i).start for i in range(3)]


def test_a_broken_payload_is_counted_with_its_reason(backend: Backend, opened: Opened) -> None:
    log = backend.copy_of_log()
    at = (FIRST + timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S")
    for row, payload in enumerate(("'{\"origin\": '", "'[1, 2]'", "NULL")):
        run_sql(
            log.url,
            "INSERT INTO predictions (event_time, prediction_id, score, features) "
            f"VALUES ('{at}.00000{row}', 'broken-{row}', 0.5, {payload})",
        )
    config = backend.config(model={"source": log.url})
    engine = opened(config.store)
    with running(engine, config, days=1) as run:
        run_window(run, claim(run))
    first = rows(engine, windows)[0]
    good = len(log.within(first.start, first.end))
    assert (first.rows_read, first.rows_profiled) == (good + 3, good)
    assert first.rejected == {
        "payload_not_json": 1,
        "payload_not_object": 1,
        "payload_missing": 1,
    }


def test_rejected_rows_are_told_of_their_own_window_also_where_many_are_read_together(
    backend: Backend, opened: Opened
) -> None:
    log = backend.copy_of_log()
    broken = {5: 2, 9: 1}
    for at, many in broken.items():
        for row in range(many):
            moment = (FIRST + at * WIDTH + timedelta(minutes=row)).strftime("%Y-%m-%d %H:%M:%S")
            run_sql(
                log.url,
                "INSERT INTO predictions (event_time, prediction_id, score, features) "
                f"VALUES ('{moment}', 'broken-{at}-{row}', 0.5, '[1, 2]')",
            )
    config = backend.config(model={"source": log.url})
    engine = opened(config.store)
    with running(engine, config, days=4) as run:
        assert work(run) == 15
    for at, row in enumerate(rows(engine, windows)):
        good = len(log.within(row.start, row.end))
        assert row.rows_profiled == good
        assert row.rows_read == good + broken.get(at, 0)
        assert row.rejected == ({"payload_not_object": broken[at]} if at in broken else {})


def test_an_empty_window_says_nothing_of_whether_the_log_can_be_read(
    config: Config, engine: sa.Engine
) -> None:
    with running(engine, config, days=1) as run:
        blind.troubled(engine, MODEL, since=NOW, why="its rows cannot be read", now=NOW)
        runs.plan(engine, MODEL, [Window(start=START, end=FIRST)], notify=True)
        for rows_, readable in ((0, False), (60, True)):
            assert (run_window(run, claim(run)).rows > 0) == bool(rows_)
            (model,) = rows(engine, models)
            assert (model.source_error is None) == readable


def test_windows_that_are_taken_together_are_nobody_elses(
    config: Config, engine: sa.Engine
) -> None:
    with running(engine, config, days=3) as run:
        mine = runs.claim(engine, MODEL, now=NOW, lease=LEASE, most=4)
        yours = runs.claim(engine, MODEL, now=NOW, lease=LEASE, most=100)
        assert [each.window for each in (*mine, *yours)] == [span(at) for at in range(11)]
        assert runs.claim(engine, MODEL, now=NOW, lease=LEASE, most=4) == []
        done = {each.window for each in run_windows(run, yours)}
        assert done == {span(at) for at in range(4, 11)}
        assert not any(decided(engine))  # the first four are not done yet
        run_windows(run, mine)
        assert all(decided(engine))


def test_only_the_windows_that_another_took_over_are_not_written(
    config: Config, engine: sa.Engine
) -> None:
    with running(engine, config, days=2) as run:
        slow = runs.claim(engine, MODEL, now=NOW, lease=LEASE, most=7)
        later = NOW + LEASE + timedelta(seconds=1)
        (swift,) = runs.claim(engine, MODEL, now=later, lease=LEASE)
        assert swift.window == slow[0].window
        assert run_windows(run, slow)[0].rows == 0
        states = [row.state for row in rows(engine, windows)]
        assert states == ["running", *["done"] * 6]


# Late rows


def late(day: int, a_day: int, *, seed: int = 77, moved: bool = False) -> tuple[Flight, ...]:
    """Rows of one day that come after its windows were decided."""
    start = START + timedelta(days=day)
    shifted = [(0, 1)] if moved else []
    return flights(days=1, a_day=a_day, seed=seed + day, start=start, shifted=shifted)


@pytest.fixture
def corrected(backend: Backend, opened: Opened) -> Callable[..., tuple[sa.Engine, sa.Engine]]:
    """Do all windows, log more rows, do the windows of some days again; and the same afresh."""

    def correct(*more: Flight, days: tuple[int, int]) -> tuple[sa.Engine, sa.Engine]:
        log = backend.copy_of_log()
        changes = {"model": {"source": log.url}, "alerts": {"routes": [ROUTE]}}
        config, afresh = backend.config(**changes), backend.config(**changes)
        engine, oracle = opened(config.store), opened(afresh.store)
        backfill(engine, config, MODEL, notify=True)
        append(log.url, more)
        first, last = (START + timedelta(days=day) for day in days)
        backfill(engine, config, MODEL, start=first, end=last, reprocess="all", notify=True)
        backfill(oracle, afresh, MODEL, notify=True)
        return engine, oracle

    return correct


def test_late_rows_replace_a_window_and_replay_what_was_decided_on_it(
    corrected: Callable[..., tuple[sa.Engine, sa.Engine]], quiet: sa.Engine
) -> None:
    engine, oracle = corrected(*late(4, 30, moved=True), days=(4, 5))
    got, wanted = contents(engine), contents(oracle)
    assert got["profiles"] == wanted["profiles"] != contents(quiet)["profiles"]
    assert got["scores"] == wanted["scores"]
    assert got["transitions"] == wanted["transitions"]
    assert got["incidents"] == wanted["incidents"]
    revisions = {row.start: row.revision for row in rows(engine, windows)}
    assert {start for start, revision in revisions.items() if revision == 2} == {
        START + timedelta(days=4, hours=h) for h in (6, 12, 18)
    }


def test_a_replay_that_comes_to_the_same_enqueues_nothing_twice(
    corrected: Callable[..., tuple[sa.Engine, sa.Engine]], quiet: sa.Engine
) -> None:
    engine, _ = corrected(*late(4, 3, moved=True), days=(4, 5))
    assert [r.id for r in rows(engine, transitions)] == [r.id for r in rows(quiet, transitions)]
    assert [r.id for r in rows(engine, outbox)] == [r.id for r in rows(quiet, outbox)]
    assert len(rows(engine, outbox)) == len({r.id for r in rows(engine, outbox)}) > 1


def test_an_incident_that_the_corrected_rows_do_not_support_is_retracted(
    corrected: Callable[..., tuple[sa.Engine, sa.Engine]],
) -> None:
    engine, oracle = corrected(*late(3, 2_000), *late(4, 2_000), days=(3, 5))
    assert rows(oracle, incidents) == []
    (retracted,) = rows(engine, incidents)
    assert retracted.state == "retracted"
    assert contents(engine) == contents(oracle) | {"windows": contents(engine)["windows"]}
    waiting = [row for row in rows(engine, outbox) if row.state == "waiting"]
    assert waiting
    assert StoredOutbox(engine, ["ops"]).due(NOW + timedelta(days=999)) == []


def test_a_window_being_read_again_still_counts_with_its_last_result(
    config: Config, engine: sa.Engine, quiet: sa.Engine
) -> None:
    with running(engine, config, days=5) as run:
        for _ in range(10):
            run_window(run, claim(run))
        runs.reopen(engine, MODEL, span(8), ("done",))
        again = claim(run)
        assert again.window == span(8)
        work(run)  # later windows are judged on spans that hold the one in work
        run_window(run, again)
    known = {row.start for row in rows(engine, scores)}
    expected = [row for row in rows(quiet, scores) if row.start in known]
    assert [(r.start, r.readings) for r in rows(engine, scores)] == [
        (r.start, r.readings) for r in expected
    ]


# Baselines


def test_a_changed_baseline_is_a_new_one_and_old_windows_keep_theirs(
    backend: Backend, opened: Opened
) -> None:
    config = backend.config()
    changed = config.model_copy(
        update={
            "models": backend.config(model={"columns": {"hour": {"kind": "categorical"}}}).models
        }
    )
    engine = opened(config.store)
    backfill(engine, config, MODEL, end=START + timedelta(days=6))
    before = baselines.current(engine, MODEL)
    opened_before = rows(engine, incidents)
    assert opened_before
    backfill(engine, changed, MODEL)
    after = baselines.current(engine, MODEL)
    assert before != after
    cut = START + timedelta(days=6)
    assert {r.baseline for r in rows(engine, windows) if r.start < cut} == {before}
    assert {r.baseline for r in rows(engine, windows) if r.start >= cut} == {after}
    backfill(engine, config, MODEL)
    assert baselines.current(engine, MODEL) == before


def test_a_few_windows_on_a_new_baseline_do_not_undo_incidents_on_the_old_one(
    backend: Backend, opened: Opened
) -> None:
    config = backend.config()
    other = backend.config(model={"columns": {"hour": {"kind": "categorical"}}})
    engine = opened(config.store)
    backfill(engine, config, MODEL)
    before = rows(engine, incidents)
    backfill(engine, other, MODEL, end=START + timedelta(days=1), reprocess="all")
    assert rows(engine, incidents) == before
    assert before[0].state == "resolved"


def test_a_baseline_is_read_once(config: Config, engine: sa.Engine) -> None:
    with running(engine, config) as run:
        first = run.baseline_id
    with running(engine, config) as run:
        assert run.baseline_id == first
    assert len(contents(engine)["baselines"]) == 1


def test_a_baseline_of_words_takes_its_grids_from_the_newest_weeks_of_the_log(
    backend: Backend, opened: Opened
) -> None:
    config = backend.config(model={"baseline": "trailing 2d"})
    engine = opened(config.store)
    backfill(engine, config, MODEL)
    (of_log,) = rows(engine, baselines_)
    assert of_log.rows == len(backend.log.logged)  # the log has eight days
    again = backend.config(model={"baseline": "trailing 1d"}, store=config.store)
    with open_log(again.models[MODEL]) as source:
        assert prepare(engine, again, MODEL, source).baseline_id == of_log.id


def test_a_column_that_only_the_baseline_has_is_left_out(config: Config, engine: sa.Engine) -> None:
    with running(engine, config) as run:
        assert "late" not in run.baseline.kinds
        assert {"score", "weather.temp", "origin"} <= set(run.baseline.plan.grids)


def test_a_changed_window_width_is_refused(backend: Backend, opened: Opened) -> None:
    config = backend.config()
    engine = opened(config.store)
    backfill(engine, config, MODEL, end=START + timedelta(days=1))
    other = backend.config(model={"window": "1h"})
    with pytest.raises(ConfigError, match="window is 1h, but results are stored at 6h"):
        backfill(engine, other, MODEL)


def test_a_cohort_that_is_no_column_is_refused(backend: Backend, opened: Opened) -> None:
    config = backend.config(model={"cohorts": ["origin", "airline"]})
    with pytest.raises(ConfigError, match="cohorts: the baseline has no column 'airline'"):
        backfill(opened(config.store), config, MODEL)


# Messages


def test_history_is_held_and_live_is_sent(
    backend: Backend, quiet: sa.Engine, opened: Opened
) -> None:
    config = backend.config(alerts={"routes": [ROUTE]})
    engine = opened(config.store)
    backfill(engine, config, MODEL)
    held, live = rows(engine, outbox), rows(quiet, outbox)
    assert [row.id for row in held] == [row.id for row in live]
    assert {(row.state, row.next_attempt) for row in held} == {("held", None)}
    assert {row.reason for row in held} == {"history: backfilled without --notify"}
    assert {row.state for row in live} == {"waiting"}
    assert [row.notification for row in held] == [row.notification for row in live]


def test_messages_are_those_of_the_transitions_that_people_are_told_of(quiet: sa.Engine) -> None:
    told = [Notification.from_json(row.notification) for row in rows(quiet, outbox)]
    kinds = [n.type for n in sorted(told, key=lambda n: n.timestamp)]
    assert kinds[0] == "incident.firing"
    assert kinds[-1] == "incident.resolved"
    assert set(kinds[1:-1]) <= {"incident.worsened"}


def test_deciding_again_where_nothing_is_left_does_nothing(
    config: Config, engine: sa.Engine
) -> None:
    with running(engine, config, days=1) as run:
        work(run)
        before = contents(engine)
        assert decide_ready(run) == 0
        assert contents(engine) == before

"""Rows that come late, in any order: the final results are those of a quiet run on all of them."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from monitor.backfill import backfill
from monitor.cli import main
from monitor.config import Config
from monitor.contact import check
from monitor.daemon import ModelWorker
from monitor.errors import SourceError
from monitor.late import SETTLED
from monitor.reading import status_record
from monitor.store.engine import open_store
from monitor.store.queries import ModelStatus, TooLate, status
from monitor.store.tables import models, windows
from profiles.windows import Window
from tests.support.arrivals import Arrivals, Kind
from tests.support.log import START, Flight, flights
from tests.support.logs import run_sql
from tests.support.store import MODEL, Backend, contents, write_config

NOW = datetime(2025, 6, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WIDTH = 6 * HOUR
ROWS = flights(days=5, a_day=60, seed=5, shifted=[(2, 4)])
TRAINED = flights(days=12, a_day=60, seed=6, start=START - timedelta(days=30))
FIRST = START + WIDTH  # of the first window: the night has no rows

Opened = Callable[..., sa.Engine]


class Watched:
    """A daemon's worker over a log, and the clock that it looks at."""

    def __init__(self, engine: sa.Engine, config: Config) -> None:
        self.engine, self.config, self.now = engine, config, NOW
        self.worker = self._started()

    def _started(self) -> ModelWorker:
        return ModelWorker(
            self.engine, self.config, MODEL, clock=lambda: self.now, stop=threading.Event()
        )

    def look(self, *, after: timedelta = MINUTE) -> int:
        self.now += after
        done = self.worker.look()
        with self.engine.connect() as connection:
            assert connection.scalar(sa.select(models.c.source_error)) is None
        return done

    def restart(self) -> None:
        self.worker.close()
        self.worker = self._started()


@contextmanager
def watched(config: Config) -> Iterator[Watched]:
    engine = open_store(config.store)
    found = Watched(engine, config)
    try:
        yield found
    finally:
        found.worker.close()
        engine.dispose()


def results(engine: sa.Engine) -> dict[str, Any]:
    """Return all that stands, but how often windows were computed, and what was sent meanwhile."""
    found: dict[str, Any] = contents(engine, but=["windows", "outbox", "deliveries"])
    with engine.connect() as connection:
        found["windows"] = [
            (row.start, row.state, row.decided, row.baseline, row.rows_read, row.rows_profiled,
             row.rejected, row.late)
            for row in connection.execute(sa.select(windows).order_by(windows.c.start))
        ]  # fmt: skip
    return found


def oracle(config: Config, store: str) -> dict[str, Any]:
    """Return the results of one quiet run over the log as it is."""
    engine = open_store(SecretStr(store))
    try:
        backfill(engine, config, MODEL, notify=True)
        return results(engine)
    finally:
        engine.dispose()


def in_some_order(seed: int, *, spread: timedelta, looks: int) -> list[list[Flight]]:
    """Return the rows by the look that sees them: each comes up to `spread` after its time."""
    rng = np.random.default_rng(seed)
    come = [row.at + rng.random() * spread for row in ROWS]
    rest = sorted(range(1, len(ROWS)), key=come.__getitem__)
    cuts = np.sort(rng.integers(0, len(rest), looks - 1)) if looks > 1 else []
    return [[ROWS[i] for i in part] for part in np.split(np.array(rest), cuts) if len(part)]


def arrived(watched: Watched, log: Arrivals, order: Sequence[Sequence[Flight]], of: Any) -> None:
    """Let rows come between the looks; the first of all came before, and its mark has settled."""
    log.add(ROWS[:1], _stamp(of, watched.now, 1))
    watched.look()
    watched.look(after=SETTLED)
    for number, rows in enumerate(order, start=2):
        log.add(rows, _stamp(of, watched.now, number))
        watched.look()


def _stamp(of: Any, now: datetime, number: int) -> datetime | int:
    return now if of is datetime else number


LONG = {"overlap": "60d"}
BY_INGEST = {"ingested": "written", "overlap": "60d"}

EXAMPLES = settings(max_examples=5, deadline=None)
orders = st.tuples(
    st.integers(0, 10_000), st.sampled_from([6, 30, 200]).map(lambda h: h * HOUR), st.integers(1, 9)
)


@EXAMPLES
@given(order=orders)
def test_rows_that_come_in_any_order_give_the_results_of_a_quiet_run(
    order: tuple[int, timedelta, int],
) -> None:
    seed, spread, looks = order
    with tempfile.TemporaryDirectory() as folder:
        log = Arrivals("sqlite", Path(folder), url=f"sqlite:///{folder}/log.db")
        config = log.config(f"sqlite:///{folder}/store.db", TRAINED, log=LONG)
        with watched(config) as at:
            arrived(at, log, in_some_order(seed, spread=spread, looks=looks), datetime)
            at.restart()  # no window closes after the last look, so it is the start that counts
            at.look()
            assert results(at.engine) == oracle(config, f"sqlite:///{folder}/quiet.db")


@EXAMPLES
@given(order=orders, of=st.sampled_from([datetime, int]))
def test_rows_that_are_found_by_when_they_were_written_give_the_results_of_a_quiet_run(
    order: tuple[int, timedelta, int], of: type[Any]
) -> None:
    seed, spread, looks = order
    with tempfile.TemporaryDirectory() as folder:
        log = Arrivals("sqlite", Path(folder), url=f"sqlite:///{folder}/log.db", written=of)
        config = log.config(f"sqlite:///{folder}/store.db", TRAINED, log=BY_INGEST)
        with watched(config) as at:
            arrived(at, log, in_some_order(seed, spread=spread, looks=looks), of)
            assert results(at.engine) == oracle(config, f"sqlite:///{folder}/quiet.db")


@pytest.mark.parametrize(
    ("kind", "by"),
    [("duckdb", "counting"), ("duckdb", "time"), ("parquet", "counting"), ("parquet", "number"),
     ("csv", "time"), ("csv", "number")],
)  # fmt: skip
def test_in_files_and_duckdb_rows_in_any_order_give_the_results_of_a_quiet_run(
    kind: Kind, by: str, tmp_path: Path
) -> None:
    of = int if by == "number" else datetime
    log = Arrivals(kind, tmp_path / "log", written=of)
    keys = LONG if by == "counting" else BY_INGEST
    config = log.config(f"sqlite:///{tmp_path / 'store.db'}", TRAINED, log=keys)
    with watched(config) as at:
        arrived(at, log, in_some_order(3, spread=2 * DAY, looks=5), of)
        if by == "counting":
            at.restart()
            at.look()
        assert results(at.engine) == oracle(config, f"sqlite:///{tmp_path / 'quiet.db'}")


# One log, one worker


@dataclass(frozen=True)
class Scene:
    """A log in a database, the worker that looks at it, and where a quiet run may be kept."""

    log: Arrivals
    at: Watched
    quiet: str

    def come(
        self, rows: Sequence[Flight], *, written: Any = None, after: timedelta = MINUTE
    ) -> int:
        """Let rows come, and look."""
        self.log.add(rows, self.at.now if written is None else written)
        return self.at.look(after=after)

    def is_quiet(self) -> bool:
        return results(self.at.engine) == oracle(self.at.config, self.quiet)

    def states(self) -> dict[str, int]:
        with self.at.engine.connect() as connection:
            return Counter(connection.scalars(sa.select(windows.c.state)))

    def revisions(self) -> list[int]:
        with self.at.engine.connect() as connection:
            wanted = sa.select(windows.c.revision).order_by(windows.c.start)
            return list(connection.scalars(wanted))

    def status(self) -> ModelStatus:
        return status(self.at.engine, self.at.config, MODEL, now=self.at.now)


@pytest.fixture
def scene(backend: Backend, tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    with ExitStack() as stack:

        def opened(*, written: type[Any] = datetime, **keys: Any) -> Scene:
            kind: Any = backend.name
            log = Arrivals(kind, tmp_path / "log", url=backend.fresh_url(), written=written)
            config = log.config(backend.fresh_url(), TRAINED, **keys)
            return Scene(log, stack.enter_context(watched(config)), backend.fresh_url())

        yield opened


def begun(scene: Scene, rows: Sequence[Flight], *, written: Any = None) -> None:
    """Look at the first row, wait until its mark has settled, and work through some rows."""
    scene.come(rows[:1], written=written)
    scene.at.look(after=SETTLED)
    scene.come(rows[1:], written=written)


def split(*, held: Window, last: datetime) -> tuple[list[Flight], list[Flight]]:
    """Return the rows before a moment: those that come, and every third of a span held back."""
    rows = [row for row in ROWS if row.at < last]
    late = [row for row in rows if held.start <= row.at < held.end][::3]
    return [row for row in rows if row not in late], late


SECOND = Window(start=FIRST + WIDTH, end=FIRST + 2 * WIDTH)


@pytest.mark.parametrize("by", ["counting", "time", "number"])
def test_on_sqlite_and_postgresql_rows_in_any_order_give_the_results_of_a_quiet_run(
    by: str, scene: Callable[..., Scene]
) -> None:
    of = int if by == "number" else datetime
    here = scene(written=of, log=LONG if by == "counting" else BY_INGEST)
    arrived(here.at, here.log, in_some_order(3, spread=2 * DAY, looks=6), of)
    if by == "counting":
        here.at.restart()
        here.at.look()
    assert here.is_quiet()
    assert max(here.revisions()) > 1, "nothing came late"


def test_windows_are_counted_again_when_another_closes_and_not_at_every_look(
    scene: Callable[..., Scene],
) -> None:
    here = scene(log={"overlap": "6h"})
    rows, late = split(held=SECOND, last=SECOND.end + HOUR)
    rest = [row for row in ROWS if SECOND.end + HOUR <= row.at < SECOND.end + 2 * WIDTH + HOUR]
    here.come(rows[:1])
    here.come(rows[1:])
    assert here.come(late) == 0
    assert here.come(rest) == 3  # the late one, and two that have closed
    assert here.revisions() == [1, 2, 1, 1]
    assert here.is_quiet()


def test_a_log_that_is_not_to_be_counted_again_is_not(scene: Callable[..., Scene]) -> None:
    here = scene(log={"overlap": 0})
    rows, late = split(held=SECOND, last=START + DAY + 7 * HOUR)
    here.come(rows[:1])
    here.come(rows[1:])
    here.come([*late, *(row for row in ROWS if row.at >= START + DAY + 7 * HOUR)])
    here.at.restart()
    here.at.look()
    assert set(here.revisions()) == {1}


def test_what_is_older_than_the_overlap_is_left_to_a_backfill_that_counts(
    scene: Callable[..., Scene],
) -> None:
    here = scene(log={"overlap": "6h"})
    rows, late = split(held=SECOND, last=START + 3 * DAY)
    here.come(rows[:1])
    here.come(rows[1:])
    here.come(late)
    here.at.restart()
    here.at.look()
    assert set(here.revisions()) == {1}
    again = {"reprocess": "late", "notify": True}
    planned = backfill(here.at.engine, here.at.config, MODEL, dry_run=True, **again)
    assert (planned.windows, planned.skipped) == (1, 9)
    assert set(here.revisions()) == {1}
    done = backfill(here.at.engine, here.at.config, MODEL, **again)
    assert (done.windows, done.skipped, done.failed) == (1, 9, 0)
    assert here.is_quiet()
    assert backfill(here.at.engine, here.at.config, MODEL, **again).windows == 0


@pytest.mark.parametrize("of", [datetime, int])
def test_rows_that_come_too_late_are_told_with_the_command_that_takes_them_in(
    of: type[Any], scene: Callable[..., Scene]
) -> None:
    here = scene(written=of, log={"ingested": "written", "overlap": "6h"})
    stamp = (lambda number: number) if of is int else lambda _: here.at.now
    rows, late = split(held=SECOND, last=START + 3 * DAY)
    begun(here, rows, written=stamp(1))
    assert here.status().late is None
    here.come(late[:1], written=stamp(2))
    here.come(late[1:], written=stamp(3))
    told = TooLate(rows=len(late), windows=1, start=SECOND.start, end=SECOND.end)
    assert here.status().late == told
    for _ in range(3):  # until the mark has moved on: what is asked for again is counted once
        here.at.look(after=SETTLED)
    here.at.restart()
    here.at.look()
    assert here.status().late == told
    assert set(here.revisions()) == {1}

    record = status_record([here.status()])
    schema = Path(__file__).parents[2] / "docs" / "schemas" / "status.schema.json"
    Draft202012Validator(json.loads(schema.read_text())).validate(record)
    assert record["models"][MODEL]["late"] == {
        "rows": len(late),
        "windows": 1,
        "from": "2025-03-03T12:00:00Z",
        "to": "2025-03-03T18:00:00Z",
        "command": f"monitor backfill --model {MODEL} --reprocess late "
        "--from 2025-03-03T12:00:00Z --to 2025-03-03T18:00:00Z",
    }
    span = {"start": told.start, "end": told.end}
    done = backfill(here.at.engine, here.at.config, MODEL, reprocess="late", **span)
    assert (done.windows, done.skipped) == (1, 0)
    assert here.status().late is None
    assert here.is_quiet()


def test_the_command_that_status_prints_takes_late_rows_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Arrivals("sqlite", tmp_path, url=f"sqlite:///{tmp_path / 'log.db'}")
    keys = {"ingested": "written", "overlap": "6h"}
    values = log.values(f"sqlite:///{tmp_path / 'store.db'}", TRAINED, log=keys)
    path = write_config(tmp_path / "monitor.yaml", values)

    def monitor(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["monitor", *words, "--config", str(path)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert not ended.value.code, said.err
        return said.out

    with watched(Config.model_validate(values)) as at:
        here = Scene(log, at, "")
        rows, late = split(held=SECOND, last=START + 3 * DAY)
        begun(here, rows)
        assert "too late" not in monitor("status")
        here.come(late)
        (told,) = [line for line in monitor("status").splitlines() if "too late" in line]
        before, command = told.split(" to take them in: monitor ")
        assert before == f"{MODEL}: {len(late)} flights came too late;"
        assert "1 windows done, 0 failed, 0 had a result" in monitor(*command.split())
        assert "too late" not in monitor("status")


def test_rows_too_late_that_are_gone_again_are_forgotten_by_a_backfill_that_counts(
    scene: Callable[..., Scene],
) -> None:
    here = scene(log={"ingested": "written", "overlap": "6h"})
    rows, late = split(held=SECOND, last=START + 3 * DAY)
    begun(here, rows)
    here.come(late)
    assert here.status().late is not None
    names = ", ".join(f"'{row.id}'" for row in late)
    run_sql(here.log.source, f"DELETE FROM predictions WHERE prediction_id IN ({names})")
    assert backfill(here.at.engine, here.at.config, MODEL, reprocess="late").windows == 0
    assert here.status().late is None


def test_rows_for_windows_before_the_first_are_history(scene: Callable[..., Scene]) -> None:
    here = scene(log=BY_INGEST)
    rows = [row for row in ROWS if START + DAY <= row.at < START + 2 * DAY]
    begun(here, rows)
    known = here.states()
    here.come([row for row in ROWS if row.at < START + DAY])
    assert here.states() == known
    assert here.status().late is None
    assert backfill(here.at.engine, here.at.config, MODEL, notify=True).windows == 4
    assert here.is_quiet()


def test_what_was_written_before_others_and_is_seen_after_them_is_found(
    scene: Callable[..., Scene],
) -> None:
    here = scene(log=BY_INGEST)
    rows, late = split(held=SECOND, last=START + 3 * DAY)
    begun(here, rows)
    began = here.at.now
    for _ in range(5):  # others are written and seen while a long transaction is under way
        here.come([ROWS[-1]])
    assert here.come(late, written=began) == 1
    assert here.revisions()[1] == 2


def test_rows_that_came_while_their_window_was_being_read_are_found_afterwards(
    scene: Callable[..., Scene],
) -> None:
    here = scene(log=BY_INGEST)
    rows, late = split(held=SECOND, last=START + 3 * DAY)
    begun(here, rows)
    state = windows.c.start == SECOND.start
    until = here.at.now + DAY
    with here.at.engine.begin() as connection:  # somebody is reading it again
        held = {"state": "running", "lease_until": until, "fence": windows.c.fence + 1}
        connection.execute(sa.update(windows).where(state).values(**held))
    here.come(late)
    here.come([ROWS[-1]])
    for _ in range(3):
        here.at.look(after=SETTLED)
    assert here.revisions()[1] == 1
    with here.at.engine.begin() as connection:  # and had begun before they came
        connection.execute(sa.update(windows).where(state).values(state="done", lease_until=None))
    assert here.at.look() == 1
    assert here.is_quiet()


def test_ids_that_begin_anew_hide_no_row(scene: Callable[..., Scene]) -> None:
    here = scene(written=int, log=BY_INGEST)
    rows, late = split(held=SECOND, last=START + 3 * DAY)
    early = [row for row in rows if row.at < SECOND.start][1::3]
    begun(here, [row for row in rows if row not in early], written=1_000)
    here.at.look(after=SETTLED)
    run_sql(here.log.source, "UPDATE predictions SET written = 1")
    here.at.look()
    assert here.come(late, written=2) == 1
    here.at.look(after=SETTLED)
    assert here.come(early, written=3) == 1
    assert here.revisions()[:2] == [2, 2]


def test_a_time_of_writing_in_the_future_hides_no_row(scene: Callable[..., Scene]) -> None:
    here = scene(log=BY_INGEST)
    rows, late = split(held=SECOND, last=START + 3 * DAY)
    begun(here, rows)
    here.come([ROWS[-1]], written=NOW + 300 * DAY)
    for _ in range(3):
        here.at.look(after=SETTLED)
    assert here.come(late) == 1


def test_the_column_may_be_changed_for_another(scene: Callable[..., Scene]) -> None:
    here = scene(written=int, log=BY_INGEST)
    rows, late = split(held=SECOND, last=START + 3 * DAY)
    begun(here, rows, written=10**12)
    here.at.look(after=SETTLED)
    run_sql(
        here.log.source,
        "ALTER TABLE predictions RENAME COLUMN written TO before",
        "ALTER TABLE predictions ADD COLUMN written TIMESTAMP",
    )
    changed = Arrivals(here.log.kind, here.log.folder, url=here.log.source)
    here.at.restart()
    changed.add(rows[-1:], here.at.now)
    here.at.look()
    here.at.look(after=SETTLED)
    changed.add(late, here.at.now)
    assert here.at.look() == 1


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (("ALTER TABLE predictions ADD COLUMN batch VARCHAR(40)",
          "UPDATE predictions SET batch = 'CANARY'"), "holds text that is no ISO 8601 time"),
        (("ALTER TABLE predictions ADD COLUMN other INTEGER",), "has no column 'batch'"),
    ],
)  # fmt: skip
def test_a_column_of_another_type_is_one_clear_line_in_check_and_at_the_start(
    statements: tuple[str, ...], told: str, scene: Callable[..., Scene]
) -> None:
    here = scene(log={"ingested": "batch"})
    here.log.add(ROWS[:30], NOW)
    run_sql(here.log.source, *statements)
    (problem,) = [of for of in check(here.at.config).problems if of.kind == "source"]
    assert told in problem.text
    assert "log.ingested" in problem.text
    with pytest.raises(SourceError, match=r"log\.ingested") as caught:
        backfill(here.at.engine, here.at.config, MODEL)
    here.at.worker.look()
    with here.at.engine.connect() as connection:
        noted = connection.scalar(sa.select(models.c.source_error))
    assert noted == str(caught.value)
    for text in (problem.text, str(caught.value)):
        assert len(text.splitlines()) == 1
        assert "CANARY" not in text


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({}, "rows that come up to 6h late are found by counting again"),
        ({"overlap": "2d"}, "rows that come up to 2d late are found by counting again"),
        ({"overlap": 0}, "rows that come late are not looked for (log.overlap is 0)"),
        ({"ingested": "written"},
         ("rows that come late are found by written: up to 6h late they are taken in, later ones "
          "are told")),
        ({"ingested": "written", "overlap": 0},
         "rows that come late are found by written and only told (log.overlap is 0)"),
    ],
)  # fmt: skip
def test_check_says_how_late_rows_are_found(
    keys: dict[str, Any], told: str, scene: Callable[..., Scene]
) -> None:
    here = scene(log=keys)
    here.log.add(ROWS[:60], NOW)
    (model,) = check(here.at.config).models
    assert model.late == told
    assert not [note for note in model.notes if "written" in note]
    run_sql(here.log.source, "DROP INDEX ix_predictions_written")
    (model,) = check(here.at.config).models
    noted = [note for note in model.notes if "every look for late rows reads the whole" in note]
    assert bool(noted) == ("ingested" in keys)


def test_rows_that_cannot_be_understood_open_no_window_again(
    backend: Backend, opened: Opened
) -> None:
    log = backend.copy_of_log()
    at = (FIRST + HOUR).strftime("%Y-%m-%d %H:%M")
    for number, payload in enumerate(("'{\"origin\": '", "'[1, 2]'", "NULL")):
        run_sql(
            log.url,
            "INSERT INTO predictions (event_time, prediction_id, score, features) "
            f"VALUES ('{at}:0{number}', 'broken-{number}', 0.5, {payload})",
        )
    if backend.name == "sqlite":  # whose columns hold anything
        run_sql(
            log.url,
            "INSERT INTO predictions (event_time, prediction_id, score, features) "
            f"VALUES ('{at}:99', 'timeless', 0.5, '{{}}')",
        )
    run_sql(log.url, "INSERT INTO predictions SELECT * FROM predictions")  # each comes twice
    config = backend.config(model={"source": log.url})
    engine = opened(config.store)
    backfill(engine, config, MODEL)
    assert backfill(engine, config, MODEL, reprocess="late", dry_run=True).windows == 0
    with engine.connect() as connection:
        first = connection.execute(sa.select(windows).order_by(windows.c.start)).first()
    assert first is not None
    assert {"payload_not_json", "duplicate"} <= first.rejected.keys()

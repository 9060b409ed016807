"""Payloads as nobody would write them on purpose, through a whole window each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from hypothesis import strategies as st

from monitor.config import Config
from monitor.pipeline import LEASE, Run, prepare, run_windows
from monitor.sources import open_log
from monitor.store import runs
from monitor.store.engine import open_store
from monitor.store.tables import windows
from profiles.windows import Window
from tests.support.log import DAY, START, flights, write_log
from tests.support.store import MODEL, small_values

NOW = datetime(2025, 6, 1, tzinfo=UTC)
WINDOW = Window(start=START + timedelta(hours=6), end=START + timedelta(hours=12))
NAMES = (
    "origin",
    "carrier",
    "distance",
    "hour",
    "weather",
    "temp",
    "score",
    "",
    "a.b",
    "\x00",
    "é",
)

WRITTEN = st.sampled_from(
    (
        "", " ", "null", "true", "0", "-0.0", "[]", "{}", '""', "{", '{"a":', "nul", "NaN",
        "Infinity", "\x00", "\ufeff{}", "[" * 500 + "]" * 500, '{"a":' * 500 + "1" + "}" * 500,
        "9" * 400, '{"distance": ' + "9" * 400 + "}", '{"distance": 1e999}',
        '{"distance": 1, "distance": "x"}', '{"origin": "\\ud800"}', '{"\\udfff": 1}',
        '{"hour": NaN}', '{"hour": -Infinity}', '{"weather": {"temp": {"temp": 1}}}',
    )
)  # fmt: skip
ANY_VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats()
    | st.text()
    | st.sampled_from(("NaN", "-inf", "1e308", "true", "2013-02-30", "=1+1", "\u202e", "😀")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), ANY_VALUE, max_size=6)
PAYLOADS = st.none() | WRITTEN | st.text(max_size=20) | OBJECTS.map(json.dumps)
SCORES = st.none() | st.floats() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5)
ROWS = st.lists(st.tuples(PAYLOADS, SCORES, st.integers(0, 5)), min_size=1, max_size=8)

Row = tuple[str | None, object, int]


class Log:
    """A log of one window, whose rows are replaced for each example."""

    def __init__(self, run: Run, log: sa.Engine) -> None:
        self._run, self._log = run, log

    def remainder(self, rows: Sequence[Row]) -> str | None:
        """Profile these rows; say what is wrong with how many were read, profiled and rejected."""
        with self._log.begin() as connection:
            connection.exec_driver_sql("DELETE FROM predictions")
            for number, (payload, score, copy) in enumerate(rows):
                at = (WINDOW.start + timedelta(minutes=number)).replace(tzinfo=None)
                connection.exec_driver_sql(
                    "INSERT INTO predictions VALUES (?, ?, 'v1', ?, ?)",
                    (at.isoformat(" "), f"id-{copy}", score, payload),
                )
        engine, name = self._run.engine, self._run.name
        runs.reopen(engine, name, WINDOW, ("done", "failed"))
        claims = runs.claim(engine, name, now=NOW, lease=LEASE)
        assert claims, "the window is not to be had"
        run_windows(self._run, claims)
        with engine.connect() as connection:
            row = connection.execute(sa.select(windows)).one()
        if row.state != "done":
            return f"the window is {row.state}: {row.error}"
        rejected = sum(row.rejected.values())
        if not row.rows_read == row.rows_profiled + rejected == len(rows):
            return f"{len(rows)} rows: {row.rows_read} read, {row.rows_profiled} + {rejected}"
        return None


@contextmanager
def log_of_one_window(folder: Path) -> Iterator[Log]:
    url = f"sqlite:///{folder / 'log.db'}"
    trained = flights(days=12, a_day=240, seed=12, start=START - 30 * DAY)
    write_log(url, logged=flights(days=1, a_day=240, seed=11), trained=trained)
    config = Config.model_validate(
        small_values(source=url, store=f"sqlite:///{folder / 'store.db'}")
    )
    engine, log = open_store(config.store), sa.create_engine(url)
    with open_log(config.models[MODEL]) as source:
        run = prepare(engine, config, MODEL, source, clock=lambda: NOW)
        runs.plan(engine, MODEL, [WINDOW], notify=False)
        yield Log(run, log)
    for each in (engine, log):
        each.dispose()

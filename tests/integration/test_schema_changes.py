"""Columns of the log that are dropped, renamed, retyped or added while the daemon runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import sqlalchemy as sa
from plotly.utils import PlotlyJSONEncoder

from alerts.message import incident_sentence, plain, title
from monitor.backfill import backfill
from monitor.config import Config
from monitor.daemon import ModelWorker
from monitor.reading import drift_records, incident_record
from monitor.store.queries import records, status
from monitor.store.tables import models, outbox, profiles, transitions, windows
from profiles.codec import decode
from profiles.profile import Profile
from tests.support.logs import run_sql
from tests.support.store import MODEL, Backend, contents
from web.desk import Desk
from web.pages.incident import _page
from web.reader import StoreReader

Opened = Callable[..., sa.Engine]
Row = dict[str, Any]

START = datetime(2025, 3, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = START + timedelta(days=30)
A_WINDOW = 40
ROUTE = {
    "kind": "webhook",
    "name": "ops",
    "url": "http://127.0.0.1:9/",
    "secret": "whsec_" + "A" * 32,
}
PLAIN = {"fare": sa.Float, "temp": sa.Float, "seats": sa.Integer, "carrier": sa.String(4)}


def features(hour: int, *, seed: int = 7) -> list[Row]:
    """Return the rows of an hour, the same whenever they are asked for."""
    rng = np.random.default_rng([seed, hour])
    return [
        {
            "fare": round(float(rng.normal(90, 20)), 2),
            "temp": round(float(rng.normal(10, 4)), 1),
            "seats": int(rng.integers(1, 6)),
            "carrier": str(rng.choice(["UA", "DL", "EV"])),
        }
        for _ in range(A_WINDOW)
    ]


def as_they_are(row: Row) -> Row:
    return row


@dataclass
class Log:
    """A table that grows by hours, and a daemon's worker that looks at it."""

    url: str
    config: Config
    engine: sa.Engine
    worker: ModelWorker
    payload: bool
    hours: int = 0

    def log(self, hours: int, change: Callable[[Row], Row] = as_they_are) -> None:
        """Log some hours more, each row as `change` makes it, and do what is due."""
        made = sa.create_engine(self.url)
        with made.begin() as connection:
            table = sa.Table("predictions", sa.MetaData(), autoload_with=connection)
            rows = [
                {"event_time": at.replace(tzinfo=None), "score": i / A_WINDOW, **self._own(row)}
                for hour in range(self.hours, self.hours + hours)
                for i, row in enumerate(map(change, features(hour)))
                for at in [START + hour * HOUR + i * timedelta(minutes=1)]
            ]
            wanted = [name for name in table.c.keys() if name in rows[0]]  # noqa: SIM118
            connection.execute(table.insert(), [{k: row.get(k) for k in wanted} for row in rows])
        made.dispose()
        self.hours += hours
        self.worker.look()

    def _own(self, row: Row) -> Row:
        return {"features": json.dumps(row)} if self.payload else row

    def close(self) -> None:
        self.worker.close()

    def alter(self, *changes: str) -> None:
        run_sql(self.url, *(f"ALTER TABLE predictions {change}" for change in changes))

    def incidents(self) -> list[tuple[str, str, str]]:
        """Return kind, state and title of every incident."""
        return [(of.kind, of.state, title(of.streams)) for of in records(self.engine)]

    def rows(self, table: sa.Table) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(sa.select(table).order_by(*table.primary_key.columns)))

    def told(self) -> list[str]:
        """Return what waits to be sent, in order."""
        data = [json.loads(row.notification) for row in self.rows(outbox)]
        data.sort(key=lambda each: each["timestamp"])
        return [f"{each['type']}: {each['data']['change']}" for each in data]

    def profiles(self) -> dict[datetime, Profile]:
        return {
            row.start: decode(bytes(row.profile))
            for row in self.rows(profiles)
            if row.dimension == "[]"
        }


Begin = Callable[..., Log]


@pytest.fixture
def begin(backend: Backend, opened: Opened) -> Iterator[Begin]:
    """Write a table with an hour of rows and the same as training rows; look at it."""
    stack = ExitStack()

    def begin_one(*, payload: bool = False, **changes: Any) -> Log:
        url = backend.fresh_url()
        made = sa.create_engine(url)
        metadata = sa.MetaData()
        own = {"features": sa.Text} if payload else PLAIN
        sa.Table(
            "predictions",
            metadata,
            sa.Column("event_time", sa.DateTime, index=True),
            sa.Column("score", sa.Float),
            *(sa.Column(name, of) for name, of in own.items()),
        )
        trained = sa.Table(
            "training_rows",
            metadata,
            sa.Column("score", sa.Float),
            *(sa.Column(name, of) for name, of in PLAIN.items()),
        )
        metadata.create_all(made)
        with made.begin() as connection:
            rows = [row for hour in range(20) for row in features(hour, seed=8)]
            scored = [{**row, "score": i % A_WINDOW / A_WINDOW} for i, row in enumerate(rows)]
            connection.execute(trained.insert(), scored)
        made.dispose()
        log: Row = {"table": "predictions", "time": "event_time"}
        if payload:
            log["payload"] = "features"
        config = Config.model_validate(
            {
                "store": backend.fresh_url(),
                "models": {
                    MODEL: {
                        "source": url,
                        "log": log,
                        "baseline": {"table": "training_rows"},
                        "prediction": {"kind": "regression", "score": "score"},
                        "window": "1h",
                        **changes,
                    }
                },
                "alerts": {
                    "rules": [
                        {"name": "hour", "statistic": "js", "threshold": 0.6, "windows": 1,
                         "min_rows": 20},
                    ],
                    "routes": [ROUTE],
                },
            }
        )  # fmt: skip
        engine = opened(config.store)
        worker = ModelWorker(engine, config, MODEL, clock=lambda: NOW, stop=threading.Event())
        found = Log(url=url, config=config, engine=engine, worker=worker, payload=payload)
        stack.callback(found.close)
        found.log(1)  # live windows begin here
        return found

    with stack:
        yield begin_one


def without(*names: str) -> Callable[[Row], Row]:
    return lambda row: {name: value for name, value in row.items() if name not in names}


def with_(**made: Callable[[Row], Any]) -> Callable[[Row], Row]:
    return lambda row: row | {name: of(row) for name, of in made.items()}


def as_text(row: Row) -> str:
    return f"{row['fare']} EUR"


def retyped(log: Log) -> None:
    """Make texts of the fares, as each database can."""
    if log.url.startswith("sqlite"):
        log.alter("ADD COLUMN text TEXT")
        run_sql(log.url, "UPDATE predictions SET text = fare || ' EUR'")
        log.alter("DROP COLUMN fare", "RENAME COLUMN text TO fare")
    else:
        log.alter("ALTER COLUMN fare TYPE text USING fare::text || ' EUR'")


def same_columns(one: Log, other: Log, names: Mapping[str, Any]) -> None:
    """Hold that columns were counted alike in the same windows."""
    mine, others = one.profiles(), other.profiles()
    assert mine.keys() == others.keys()
    for start, profile in mine.items():
        for name in names:
            counted, expected = profile.columns[name], others[start].columns[name]
            assert counted.counts.tolist() == expected.counts.tolist(), (start, name)


def changes_of(log: Log) -> list[Any]:
    return [row.changes for row in log.rows(windows)]


# ALTER TABLE


def test_a_dropped_column_is_one_incident_that_ends_when_it_is_back(begin: Begin) -> None:
    log = begin()
    log.log(3)
    log.alter("DROP COLUMN temp")
    log.log(4)
    assert log.incidents() == [("schema", "firing", "temp is gone")]
    assert {row.state for row in log.rows(windows)} == {"done"}
    log.alter("ADD COLUMN temp double precision")
    log.log(5)
    assert log.incidents() == [("schema", "resolved", "temp is gone")]
    assert log.told() == ["incident.firing: temp is gone, firing", "incident.resolved: resolved"]


def test_the_other_columns_are_counted_as_without_the_fault(begin: Begin) -> None:
    quiet, log = begin(), begin()
    for of in (quiet, log):
        of.log(3)
    log.alter("DROP COLUMN temp")
    retyped(log)
    quiet.log(5)
    log.log(5, with_(fare=as_text))
    same_columns(log, quiet, {"score", "seats", "carrier"})
    assert quiet.incidents() == []


def test_a_renamed_column_is_gone_and_the_new_one_is_told_without_a_page(begin: Begin) -> None:
    log = begin()
    log.log(3)
    log.alter("RENAME COLUMN temp TO temperature")
    log.log(4, with_(temperature=lambda row: row["temp"]))
    assert log.incidents() == [("schema", "firing", "temp is gone")]
    assert log.told() == ["incident.firing: temp is gone, firing"]
    accepted = [row.text for row in log.rows(transitions) if row.incident is None]
    assert accepted == ["new: temperature"]


def test_a_retyped_column_is_told_with_both_types(begin: Begin) -> None:
    log = begin()
    log.log(3)
    retyped(log)
    log.log(3, with_(fare=as_text))
    assert log.incidents() == [("schema", "firing", "fare came as text and was a number")]


def test_an_added_column_is_told_once_and_pages_nobody(begin: Begin) -> None:
    log = begin()
    log.log(3)
    log.alter("ADD COLUMN fare_eur double precision")
    log.log(4, with_(fare_eur=lambda row: row["fare"]))
    assert log.incidents() == []
    assert log.told() == []
    assert [row.text for row in log.rows(transitions)] == ["new: fare_eur"]


def test_all_changes_are_one_incident_that_lists_them_and_grows(begin: Begin) -> None:
    log = begin(schema={"new": "freeze"})
    log.log(3)
    log.alter("DROP COLUMN temp", "ADD COLUMN fare_eur double precision DEFAULT 1.0")
    retyped(log)
    log.log(3, with_(fare=as_text, fare_eur=lambda _: 1.0))
    words = "temp is gone; fare came as text and was a number; new: fare_eur"
    assert log.incidents() == [("schema", "firing", words)]
    log.alter("DROP COLUMN seats")
    log.log(2, with_(fare=as_text, fare_eur=lambda _: 1.0))
    (incident,) = records(log.engine)
    said = plain(incident_sentence(incident, noun="rows", timezone="UTC"))
    assert said == (
        "Since Mon 3 Mar 03:00 (UTC) seats and temp are gone; fare came as text and was a number; "
        "new: fare_eur."
    )
    assert log.told() == [
        f"incident.firing: {words}, firing",
        "incident.worsened: seats is gone too",
    ]


def test_a_dropped_column_has_no_distance_and_says_why(begin: Begin) -> None:
    log = begin()
    log.log(2)
    log.alter("DROP COLUMN temp")
    log.log(4)
    found = list(drift_records(log.engine, log.config, MODEL, column="temp"))
    gone = [record for record in found if record["window"]["start"] >= "2025-03-03T03"]
    assert len(gone) == 3
    for record in gone:
        assert record["reason"] == "the column is gone"
        assert {of["distance"] for of in record["statistics"].values()} == {None}
        assert record["mean"] is None
        assert record["missing_fraction"] == 1.0


def test_windows_read_again_give_the_same(begin: Begin) -> None:
    log = begin()
    log.log(3)
    log.alter("DROP COLUMN temp", "ADD COLUMN more text")
    log.log(3, with_(more=lambda _: "x"))
    backfill(log.engine, log.config, MODEL, reprocess="all")  # as the table is now
    before = contents(log.engine)
    assert [of["missing"] for of in changes_of(log)] == [["temp"]] * 6
    backfill(log.engine, log.config, MODEL, reprocess="all")
    assert contents(log.engine) == before


@pytest.mark.parametrize("named", ["event_time", "prediction_id"])
def test_without_a_column_it_cannot_do_without_the_log_is_in_error_until_it_is_back(
    begin: Begin, named: str
) -> None:
    log = begin()
    log.alter("ADD COLUMN prediction_id text")
    keyed = log.config.model_copy(deep=True)
    values = keyed.models[MODEL].model_dump() | {
        "log": {"table": "predictions", "time": "event_time", "id": "prediction_id"}
    }
    keyed = log.config.model_copy(
        update={"models": {MODEL: type(log.config.models[MODEL]).model_validate(values)}}
    )
    log.worker.close()
    log.worker = ModelWorker(log.engine, keyed, MODEL, clock=lambda: NOW, stop=threading.Event())
    log.log(3)
    done = len(log.rows(windows))
    if named == "event_time":
        run_sql(log.url, "DROP INDEX ix_predictions_event_time")
    log.alter(f"RENAME COLUMN {named} TO moved")
    log.worker.look()
    (model,) = log.rows(models)
    assert model.source_error.startswith(f"table 'predictions' has no column '{named}' (log.")
    assert "\n" not in model.source_error
    assert status(log.engine, keyed, MODEL, now=NOW).state == "failed"
    log.alter(f"RENAME COLUMN moved TO {named}")
    log.log(2)
    (model,) = log.rows(models)
    assert model.source_error is None
    assert [row.state for row in log.rows(windows)] == ["done"] * (done + 2)
    assert log.incidents() == []


# A cohort


def test_a_cohort_column_that_is_gone_opens_no_incident_of_its_cohorts(begin: Begin) -> None:
    log = begin(cohorts=["carrier"])
    log.log(30)
    log.alter("DROP COLUMN carrier")
    log.log(30)
    assert log.incidents() == [("schema", "firing", "carrier is gone")]


# Keys of a payload


def test_keys_of_a_payload_are_told_as_columns_are(begin: Begin) -> None:
    log = begin(payload=True, schema={"new": "freeze"})
    log.log(3)
    change = with_(fare=as_text, fare_eur=lambda _: 1.0)
    log.log(3, lambda row: without("temp")(change(row)))
    words = "temp is gone; fare came as text and was a number; new: fare_eur"
    assert log.incidents() == [("schema", "firing", words)]
    log.log(4)
    assert log.incidents() == [("schema", "resolved", words)]


def test_a_key_that_some_rows_lack_or_that_is_null_is_not_gone(begin: Begin) -> None:
    log = begin(payload=True)
    log.log(2)
    log.log(2, lambda row: row if row["seats"] > 1 else without("temp")(row))
    assert {tuple(of["missing"]) for of in changes_of(log) if of} <= {()}
    log.log(1, with_(temp=lambda _: None))
    assert [kind for kind, _, _ in log.incidents()] == ["drift"]


def test_several_windows_at_once_show_what_each_shows_by_itself(
    begin: Begin, opened: Opened, backend: Backend
) -> None:
    log = begin(payload=True)
    log.log(3)
    log.log(2, without("temp"))
    log.log(1, with_(temp=lambda _: None, seats=str))
    log.log(3)
    config = log.config.model_copy(update={"store": type(log.config.store)(backend.fresh_url())})
    engine = opened(config.store)
    backfill(engine, config, MODEL)
    other = Log(log.url, config, engine, log.worker, payload=True)
    mine = {row.start: row.changes for row in log.rows(windows)}
    found = {row.start: row.changes for row in other.rows(windows)}
    assert {start: found[start] for start in mine} == mine
    assert len([of for of in mine.values() if of]) == 3


@pytest.mark.parametrize(
    ("policy", "expected", "accepted"),
    [
        ("freeze", [("schema", "firing", "temp is gone")], []),
        ("evolve", [], ["temp is gone"]),
        ("discard", [], []),
    ],
)
def test_a_column_says_what_becomes_of_its_changes(
    begin: Begin, policy: str, expected: list[Any], accepted: list[str]
) -> None:
    log = begin(payload=True, schema="discard", columns={"temp": {"schema": {"missing": policy}}})
    log.log(3)
    log.log(3, without("temp", "seats"))
    assert log.incidents() == expected
    assert [row.text for row in log.rows(transitions) if row.incident is None] == accepted


def test_a_drift_goes_on_beside_it(begin: Begin) -> None:
    log = begin(payload=True)
    log.log(2)
    log.log(2, with_(seats=lambda _: 50))
    log.log(2, lambda row: without("temp")(row) | {"seats": 50})
    log.log(2, lambda row: without("temp", "fare")(row) | {"seats": 50, "carrier": "UA"})
    kinds = {kind: (state, words) for kind, state, words in log.incidents()}
    assert kinds.keys() == {"drift", "schema"}
    assert kinds["schema"] == ("firing", "fare and temp are gone")
    assert kinds["drift"][0] == "firing"
    assert "temp" not in kinds["drift"][1]


# What people see


def test_its_page_lists_the_columns_and_how_to_accept_them(begin: Begin) -> None:
    log = begin(payload=True, schema={"new": "freeze"})
    log.log(3)
    log.log(3, lambda row: without("temp")(row) | {"<b>new</b>": 1})
    reader = StoreReader(engine=log.engine, config=log.config, clock=lambda: NOW)
    desk = Desk(config=log.config, reader=reader, clock=lambda: NOW)
    (incident,) = reader.incidents()
    assert incident.kind == "schema"
    page = _page(desk, incident.id, None, narrow=False)
    shown = json.dumps(page, cls=PlotlyJSONEncoder)
    for words in ("What changed", "temp is gone", "missing column", "new column", "schema: evolve"):
        assert words in shown
    assert "thresholds" not in shown
    assert "baseline accept" not in shown


def test_incidents_as_json_follow_their_schema(begin: Begin) -> None:
    log = begin()
    log.log(3)
    log.alter("DROP COLUMN temp")
    log.log(2)
    (incident,) = records(log.engine)
    record = incident_record(incident)
    schema = json.loads(Path("docs/schemas/incidents.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(record)
    assert (record["kind"], record["streams"][0]["label"]) == ("schema", "gone")

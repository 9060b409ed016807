"""The benchmark of planted faults: what it does to rows, when it says that one was found."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.detection.flights import (
    CLEAR,
    Log,
    Result,
    dates,
    log_of,
    planted,
    result_of,
    run,
    seldom_missing,
    tell,
    write,
)
from benchmarks.detection.flights_faults import KILOMETRES, NAMES, Fault, Named, faults
from benchmarks.detection.flights_peers import TOOLS, said, verdicts
from monitor.backfill import backfill
from monitor.config import Config
from monitor.config.calendar import Calendar
from monitor.history import Clock
from monitor.store.engine import open_store
from profiles.profile import same
from profiles.windows import Window
from tests.support.log import DAY, START, flights, write_log
from tests.support.store import MODEL, demo_values, merged

DAYS, PLANTED = 33, START.date() + 30 * DAY
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """A month of flights without drift, stored by a real backfill; windows of three hours."""
    folder = tmp_path_factory.mktemp("flights")
    written = write_log(
        f"sqlite:///{folder / 'log.db'}",
        logged=flights(days=DAYS, a_day=240, seed=3),
        trained=flights(days=20, a_day=240, seed=4, start=START - 30 * DAY),
    )
    values = demo_values(source=written.url, store=f"sqlite:///{folder / 'store.db'}")
    values["alerts"] = {"budget": "1 per month"}
    config = Config.model_validate(merged(values, {"timezone": "UTC"}))
    engine = open_store(config.store)
    backfill(engine, config, MODEL)
    engine.dispose()
    of = log_of(config, MODEL)
    yield of
    of.engine.dispose()


@pytest.fixture(scope="module")
def found(log: Log) -> dict[str, Result]:
    return {f"{of.fault} {of.planted}": of for of in run(log, [day_of(log, PLANTED)])}


def day_of(log: Log, at: date) -> int:
    return log.clock.place(datetime(at.year, at.month, at.day, tzinfo=log.clock.zone))[0]


def fault(name: str, column: str = "") -> Fault:
    (one,) = (of for of in faults([column]) if of.name == name)
    return one


def noon(log: Log) -> datetime:
    return log.at(day_of(log, PLANTED), 12)


def test_rows_that_nothing_happened_to_give_the_windows_that_are_stored(log: Log) -> None:
    span = Window(start=noon(log), end=noon(log) + DAY)
    stored = log.stored(span)
    for before, after in zip(stored, planted(log, log.rows(span), stored, span), strict=True):
        for one, other in zip(before, after, strict=True):
            assert same(one.profile, other.profile)
            assert (one.read, dict(one.rejected)) == (other.read, dict(other.rejected))


def test_a_row_that_comes_twice_is_counted_once_and_told_as_a_repeat(log: Log) -> None:
    span = Window(start=noon(log), end=noon(log) + 3 * HOUR)
    (before,), rows = log.stored(span), log.rows(span)
    twice = [fault("an hour logged twice").change(of, np.random.default_rng(1)) for of in rows]
    (after,) = planted(log, twice, [before], span)
    assert all(same(one.profile, other.profile) for one, other in zip(before, after, strict=True))
    assert after[0].repeated == before[0].read > 0
    assert after[0].read == 2 * before[0].read


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("kilometres for miles distance × 1.609344", None),
        ("a large carrier renamed UA → UX", "unknown value"),
        ("an hour logged twice ids repeated", "repeated"),
    ],
)
def test_a_fault_that_cannot_be_missed_is_found_and_read_first(
    found: dict[str, Result], name: str, check: str | None
) -> None:
    of = found[name]
    assert of.named is not None
    assert of.first
    assert of.delay_h is not None
    assert 0 < of.delay_h <= 24
    assert (of.named.lane == "checks") is (check is not None)
    assert check in {None, of.named.what}


def test_what_is_not_there_cannot_be_found(found: dict[str, Result]) -> None:
    of = found["a small carrier renamed F9 → FX"]  # it does not fly here
    assert (of.named, of.first, of.delay_h) == (None, False, None)


def test_nulls_go_into_columns_that_hardly_ever_had_any(log: Log, found: dict[str, Result]) -> None:
    columns = seldom_missing(log.past.baseline)
    assert "distance" in columns
    assert "weather.temp" not in columns  # 3 % of its values are missing
    assert {f"5 % nulls in {column}" for column in columns} <= set(found)


def test_a_fault_is_found_only_by_what_no_alert_named_without_it(log: Log) -> None:
    always = Named(lane="fast", column="distance", what="body", dimension=(), group=())
    steps = [(float(step), [always]) for step in range(1, 4)]
    result = result_of(fault("kilometres for miles"), PLANTED, iter(steps), dict(steps))
    assert result.named is None
    result = result_of(fault("kilometres for miles"), PLANTED, iter(steps), {1.0: [always],
        2.0: [], 3.0: []})  # fmt: skip
    assert (result.named, result.delay_h, result.first) == (always, 2.0, True)


def test_changes_are_as_large_as_they_say() -> None:
    rng, size = np.random.default_rng(5), 20_000
    rows = pa.record_batch(
        {"distance": pa.array(np.arange(size)), "carrier": pa.array(["UA", "UAL"] * (size // 2))}
    )
    far = fault("kilometres for miles").change(rows, rng).column("distance")
    assert far[10].as_py() == pytest.approx(10 * KILOMETRES)
    renamed = fault("a large carrier renamed").change(rows, rng).column("carrier")
    assert renamed[:2].to_pylist() == ["UX", "UAL"]
    empty = fault("5 % nulls", "distance").change(rows, rng).column("distance")
    assert empty.null_count == pytest.approx(0.05 * size, rel=0.15)
    assert empty.type == rows.column("distance").type
    assert fault("half the volume").change(rows, rng).num_rows == size // 2


def test_dates_are_the_same_each_time_and_far_from_holidays() -> None:
    zone = ZoneInfo("America/New_York")
    clock = Clock(zone=zone, steps=24, windows=24, holidays=Calendar(("US",)))
    drawn = dates(clock, date(2013, 6, 1), date(2013, 12, 29))
    assert drawn == dates(clock, date(2013, 6, 1), date(2013, 12, 29))
    assert len(set(drawn)) == 12
    assert sum(day % 7 >= 5 for day in drawn) == 4
    assert not any(clock.is_off(day + off) for day in drawn for off in range(-CLEAR, CLEAR + 1))


def test_peers_are_told_of_kilometres_and_hear_nothing_of_ids(log: Log) -> None:
    span = Window(start=log.at(day_of(log, START.date() + DAY)), end=noon(log) + DAY)
    rows = log.rows(span)
    before = log.table(rows)
    reference = before[before["day"] < PLANTED - 10 * DAY]
    usual = before[before["day"] >= PLANTED]
    changed = usual.assign(distance=usual["distance"] * KILOMETRES)
    for tool in TOOLS:
        assert said(tool, reference, usual, changed, "distance") == "found"
        assert said(tool, reference, changed, changed, "distance") == "anyway"
        assert said(tool, reference, usual, usual, "carrier") in {"no", "anyway"}


def test_a_day_without_a_value_has_no_verdict(log: Log) -> None:
    start = datetime(2025, 3, 10, tzinfo=UTC)
    table = log.table(log.rows(Window(start=start, end=start + 4 * DAY)))
    gone = table.copy()
    gone.loc[gone["day"] == start.date(), "weather.temp"] = np.nan
    for tool in TOOLS:
        assert start.date() not in verdicts(tool, table, gone, "weather.temp")
        assert len(verdicts(tool, table, gone, "weather.temp")) == 3


def test_the_table_and_the_words_say_what_was_found(
    found: dict[str, Result], tmp_path: Path
) -> None:
    write(tmp_path / "out.csv", list(found.values()))
    lines = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert len(lines) == len(found)
    assert {line["fault"] for line in lines} == set(NAMES)
    for line in lines:
        assert (line["found"] == "1") is (line["delay_h"] != "") is (line["stream"] != "")
    words = list(tell(list(found.values())))
    assert any(of.startswith("a large carrier renamed (UA → UX): found 1 of 1") for of in words)
    assert any("F9 → FX): found 0 of 1, 0 within a day, first 0" in of for of in words)

"""What `monitor calibrate` says of a stored past of a hundred days, one of them bad."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from monitor.calibration import Calibration, calibrate
from monitor.cli import main
from monitor.config import Config
from monitor.errors import StoreError
from monitor.reading import calibration_record
from monitor.store import baselines, runs
from monitor.store.engine import open_store
from profiles.baseline import Baseline, accept
from profiles.counting import profile_windows
from profiles.windows import Window, floor
from tests.support.postgres import Postgres
from tests.support.store import MODEL, demo_values, merged, write_config

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "calibrate.schema.json"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WIDTH = 4 * HOUR  # begins with the local day from 9 March on
ZONE = ZoneInfo("America/New_York")
FIRST = date(2025, 1, 6)  # a Monday; the clock is put forward on 9 March
DAYS = 100
BAD = date(2025, 4, 7)  # when the amounts are missing
HOT = date(2025, 4, 1)  # when the weather is unlike any before
REGIONS = ("north", "south", "west")

Said = Callable[..., tuple[int, str, str]]


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)


def log(*, days: int = DAYS, a_day: int = 700, seed: int = 5) -> pa.RecordBatch:
    """Make rows by the local clock: fewer at night, amounts by region, weather that goes slowly."""
    rng = np.random.default_rng(seed)
    starts = [midnight(FIRST + day * DAY) for day in range(days + 1)]
    share = np.repeat([0.4, 1.2, 1.0, 1.4], 6)
    hours = [
        hour
        for start, end in itertools.pairwise(starts)
        for hour in (start + i * HOUR for i in range((end - start) // HOUR))
    ][3:]  # a window begins with the first hour
    local = [hour.astimezone(ZONE) for hour in hours]
    rows = rng.poisson([a_day / 24 * share[at.hour] for at in local])
    of = np.repeat(np.arange(len(hours)), rows)
    size = len(of)
    day = np.array([(at.date() - FIRST).days for at in local])[of]
    at = np.array([hour.replace(tzinfo=None) for hour in hours], "M8[us]")[of]
    region = rng.choice(3, size, p=(0.6, 0.3, 0.1))
    amount = rng.normal(20 + 5 * region, 6)
    missing = rng.random(size) < np.where(day == (BAD - FIRST).days, 0.5, 0.02)
    weather = rng.normal(0, 3, size) + np.where(day == (HOT - FIRST).days, 40, 0)
    colour = np.array(["red", "green", "blue"])[rng.choice(3, size, p=(0.5, 0.3, 0.2))]
    return pa.record_batch(
        {
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "region": pa.array(np.array(REGIONS)[region]),
            "colour": pa.array(colour),
            "amount": pa.array(amount, mask=missing),
            "weather": pa.array(weather),
        }
    )


@pytest.fixture(scope="module")
def logged() -> pa.RecordBatch:
    return log()


@pytest.fixture(scope="module")
def baseline(logged: pa.RecordBatch) -> Baseline:
    trained = logged.filter(pa.array(np.arange(logged.num_rows) < 20_000))
    return accept([trained], skip=["at"], dimensions=(("region",),))


def windows_of(batch: pa.RecordBatch, width: timedelta) -> list[Window]:
    first, last = batch.column("at")[0].as_py(), batch.column("at")[-1].as_py()
    start = floor(first, width)
    count = (last - start) // width + 1
    return [Window(start=start + i * width, end=start + (i + 1) * width) for i in range(count)]


def fill(
    engine: sa.Engine,
    batch: pa.RecordBatch,
    baseline: Baseline,
    *,
    name: str = "first",
    width: timedelta = WIDTH,
    model: str = MODEL,
) -> None:
    """Store profiles of every window, as a backfill would, without its log."""
    now, due = datetime(2026, 1, 1, tzinfo=UTC), windows_of(batch, width)
    runs.register(engine, model, width)
    baselines.accept(engine, model, name, baseline, now=now)
    runs.plan(engine, model, due, notify=False)
    claims = runs.claim(engine, model, now=now, lease=HOUR, most=len(due))
    parts = profile_windows(baseline.plan, [batch], [of.window for of in claims], time="at")
    finished = [
        runs.Finished(claim=of, parts=found, rejected={}, took_ms=1)
        for of, found in zip(claims, parts, strict=True)
    ]
    runs.finish(engine, finished, baseline=name, now=now)


def config_of(store: str, **changes: Any) -> Config:
    return Config.model_validate(values_of(store, **changes))


def values_of(store: str, **changes: Any) -> dict[str, Any]:
    of_model: Mapping[str, Any] = {
        "window": "4h",
        "lateness": "0h",
        "cohorts": ["region"],
        "columns": {"weather": {"role": "context"}},
    }
    values = demo_values(source="sqlite:///log-that-is-not-read.db", store=store)
    values["models"][MODEL] |= of_model
    values["models"][MODEL].pop("prediction")
    values["alerts"].pop("rules")
    return merged(values, changes)


@pytest.fixture(scope="module")
def store(
    logged: pa.RecordBatch, baseline: Baseline, tmp_path_factory: pytest.TempPathFactory
) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('calibrate') / 'store.db'}"
    engine = open_store(SecretStr(url))
    fill(engine, logged, baseline)
    engine.dispose()
    return url


@pytest.fixture(scope="module")
def engine(store: str) -> Iterator[sa.Engine]:
    made = open_store(SecretStr(store))
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def found(engine: sa.Engine, store: str) -> Calibration:
    return calibrate(engine, config_of(store), MODEL)


@pytest.fixture
def said(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Said:
    """Run `monitor calibrate` in this process: exit code, output, errors."""

    def call(*words: str, **changes: Any) -> tuple[int, str, str]:
        values = values_of(store, **changes)
        path = write_config(tmp_path / "monitor.yaml", values)
        monkeypatch.setattr(sys, "argv", ["monitor", "calibrate", *words, "--config", str(path)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return call


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def test_the_record_follows_its_schema(said: Said, found: Calibration) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    code, out, err = said("--json")
    assert (code, err) == (0, "")
    record = json.loads(out, parse_constant=no_constant)
    Draft202012Validator(schema).validate(record)
    assert record == json.loads(json.dumps(calibration_record(found)))
    assert record["pages"]
    assert record["visible"]


def test_a_broken_record_does_not_follow_the_schema(found: Calibration) -> None:
    validator = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    record = json.loads(json.dumps(calibration_record(found)))
    for broken in (
        {"first": "6 January"},
        {"a_month": "often"},
        {"lanes": [{"name": "day"}]},
        {"pages": [{"first": "2025-04-07"}]},
        {"holds": None},
    ):
        assert list(validator.iter_errors(record | broken)), broken


def test_days_are_those_of_the_local_clock(found: Calibration) -> None:
    assert found.first == FIRST
    assert found.days == DAYS
    assert found.judged == DAYS - 65


def test_a_day_of_missing_values_is_a_page_with_that_column_first(found: Calibration) -> None:
    page = next(page for page in found.pages if page.first <= BAD <= page.last)
    assert page.first == BAD
    assert (page.moved[0].stream.column, page.moved[0].stream.kind) == ("amount", "faults")
    assert page.moved[0].effect > 0.5
    assert len(page.moved) <= 5


def test_what_was_otherwise_as_ever_pages_seldom(found: Calibration) -> None:
    others = [page for page in found.pages if not page.first <= BAD <= page.last]
    assert len(others) <= 3
    assert found.holds
    assert found.a_month == pytest.approx(len(found.pages) / found.judged * 365.25 / 12)


def test_the_body_of_a_context_column_is_not_watched(found: Calibration) -> None:
    streams = {sight.stream for sight in found.sights}
    assert {s.kind for s in streams if s.column == "weather"} == {"faults"}
    moved = {of.stream.column for page in found.pages for of in page.moved}
    assert "weather" not in moved


def test_without_that_role_the_hot_day_pages(engine: sa.Engine, store: str) -> None:
    config = config_of(store, model={"columns": {"weather": {"role": "feature"}}})
    found = calibrate(engine, config, MODEL, until=midnight(HOT + DAY))
    page = found.pages[-1]
    assert (page.first, page.moved[0].stream.column) == (HOT, "weather")


def test_a_cohort_column_is_not_watched_inside_its_own_cohorts(found: Calibration) -> None:
    streams = {sight.stream for sight in found.sights}
    assert {s.dimension for s in streams if s.column == "region"} == {()}
    assert {s.dimension for s in streams if s.column == "amount"} == {(), ("region",)}
    assert {s.group for s in streams if s.column == "rows"} == {(), *((name,) for name in REGIONS)}


def test_what_happens_later_does_not_change_what_was_said(
    engine: sa.Engine, store: str, found: Calibration
) -> None:
    earlier = calibrate(engine, config_of(store), MODEL, until=midnight(BAD))
    assert earlier.days == (BAD - FIRST).days
    assert earlier.pages == tuple(page for page in found.pages if page.last < BAD)


def test_a_past_that_ends_within_a_day_is_judged_as_far_as_it_came(
    engine: sa.Engine, store: str
) -> None:
    noon = midnight(BAD) + 12 * HOUR
    found = calibrate(engine, config_of(store), MODEL, until=noon)
    assert found.days == (BAD - FIRST).days + 1
    assert found.pages[-1].first == BAD
    assert found.pages[-1].moved[0].stream.column == "amount"


def test_days_begin_elsewhere_in_another_zone(engine: sa.Engine, store: str) -> None:
    found = calibrate(engine, config_of(store, timezone="Asia/Tokyo"), MODEL, until=midnight(BAD))
    assert found.first == FIRST  # of which the first day begins at 14 o'clock
    assert found.days == (BAD - FIRST).days + 1


def test_the_pages_are_listed_when_asked_for(said: Said) -> None:
    code, out, err = said("--placebo")
    assert (code, err) == (0, "")
    assert f"{BAD}" in out
    assert "amount, missing or wrong in " in out
    assert "at most 1 false incident a month" in out
    assert f"{DAYS} days from {FIRST}" in out
    assert "smallest shift that pages" in out


def test_a_short_history_is_provisional(said: Said) -> None:
    code, out, err = said("--to", f"{FIRST + 40 * DAY}")
    assert (code, err) == (0, "")
    assert "provisional: nothing pages by the budget before 65 stored days" in out
    code, out, _ = said("--to", f"{FIRST + 40 * DAY}", "--json")
    record = json.loads(out)
    Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(record)
    assert record["lanes"] == record["pages"] == record["visible"] == []
    assert (record["a_month"], record["low"], record["high"]) == (None, None, None)
    assert (record["judged_days"], record["opens_after"]) == (0, 65)


def test_the_first_day_that_can_page_is_told_and_pages_are_not_listed_unasked(said: Said) -> None:
    code, out, err = said("--to", midnight(FIRST + 66 * DAY).isoformat())
    assert (code, err) == (0, "")
    assert "provisional" not in out
    assert "pages in 1 days" in out


def test_the_largest_budget_that_can_be_configured_is_walked(said: Said) -> None:
    code, out, err = said("--json", alerts={"budget": 100})
    assert (code, err) == (0, "")
    assert 30 < sum(lane["a_month"] for lane in json.loads(out)["lanes"]) <= 100


@pytest.mark.parametrize("window", ["7h", "5h", "90m", "2d"])
def test_windows_that_do_not_divide_a_day_are_refused_in_one_line(said: Said, window: str) -> None:
    code, out, err = said(model={"window": window})
    assert code != 0
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert f"models.{MODEL}.window is " in err
    assert "does not divide a day" in err


def test_a_past_that_ends_before_it_begins_is_refused_in_one_line(said: Said) -> None:
    code, _, err = said("--to", "2024-01-01")
    assert code != 0
    assert len(err.strip().splitlines()) == 1


def test_a_model_without_a_past_is_told_how_to_get_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    engine = open_store(SecretStr(url))
    with pytest.raises(StoreError, match="run: monitor backfill --model"):
        calibrate(engine, config_of(url), MODEL)
    engine.dispose()


def test_the_record_is_the_same_on_postgresql(
    postgres: Postgres, logged: pa.RecordBatch, baseline: Baseline, found: Calibration
) -> None:
    with postgres.database() as url:
        engine = open_store(SecretStr(url))
        fill(engine, logged, baseline)
        other = calibrate(engine, config_of(url), MODEL)
        engine.dispose()
    assert calibration_record(other) == calibration_record(found)


def test_windows_of_an_earlier_baseline_are_no_past(
    logged: pa.RecordBatch, baseline: Baseline, tmp_path: Path
) -> None:
    """Where a baseline is replaced, days that nothing is known of must not stand beside a day."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    engine = open_store(SecretStr(url))
    at = logged.column("at")
    later = pa.array(np.asarray(at) >= np.datetime64("2025-03-24T04:00", "us"))
    fill(engine, logged.filter(pa.array(~np.asarray(later))), baseline, name="first")
    fill(engine, logged.filter(later), baseline, name="second")
    found = calibrate(engine, config_of(url), MODEL)
    engine.dispose()
    assert found.first == date(2025, 3, 24)
    assert found.lanes == found.pages == ()

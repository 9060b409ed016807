"""What `monitor calibrate` says of a stored past of a hundred days, one of them bad."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from monitor.calibration import Calibration, calibrate
from monitor.cli import main
from monitor.errors import StoreError
from monitor.reading import calibration_record
from monitor.store.engine import open_store
from profiles.baseline import Baseline
from tests.support.past import (
    BAD,
    DAY,
    DAYS,
    FIRST,
    HOT,
    HOUR,
    REGIONS,
    baseline_of,
    config_of,
    fill,
    log,
    midnight,
    values_of,
)
from tests.support.postgres import Postgres
from tests.support.store import MODEL, write_config

Said = Callable[..., tuple[int, str, str]]

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "calibrate.schema.json"


@pytest.fixture(scope="module")
def logged() -> pa.RecordBatch:
    return log()


@pytest.fixture(scope="module")
def baseline(logged: pa.RecordBatch) -> Baseline:
    return baseline_of(logged)


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
    assert (found.lanes, found.counted, found.a_month) == ((), 0, None)
    assert [(page.first, page.lane) for page in found.pages] == [(BAD, "first")]

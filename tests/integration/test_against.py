"""Rules that compare with the past or with another version, beside plain sums of the rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa
from jsonschema import Draft202012Validator
from pydantic import SecretStr
from scipy import stats

from alerts.rules import Readings
from monitor import judging
from monitor.backfill import backfill
from monitor.cli.options import compared as compared_with
from monitor.config import Config
from monitor.errors import ConfigError
from monitor.history import clock_of, days_of, past_of, watch_of
from monitor.reading import drift_records
from monitor.store import baselines
from monitor.store.engine import open_store
from monitor.store.queries import records
from monitor.store.readings import encode
from monitor.store.tables import windows
from profiles.baseline import Baseline, accept
from profiles.profile import Group
from profiles.windows import Window
from tests.support.log import START
from tests.support.logs import run_sql
from tests.support.past import config_of, fill
from tests.support.store import MODEL, Backend, contents

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WIDTH = HOUR
ZONE = ZoneInfo("America/New_York")
SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
FIRST = datetime(2025, 2, 9, 5, tzinfo=UTC)  # midnight in New York; the clock changes on 9 March
DAYS = 42
MIXED = FIRST + 30 * DAY  # from then on the second version answers a third of the rows
WORSE = FIRST + 36 * DAY  # from then on its scores are higher
HOLE = (FIRST + 20 * DAY, FIRST + 22 * DAY)  # nothing was logged
AGAINST = ("previous", "trailing 10d", "weeks 3", "version v1")

Rows = pd.DataFrame
Opened = Callable[..., sa.Engine]


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Draw scores that take forty values, and colours that go by the hour and trend."""
    rng = np.random.default_rng(3)
    hours = np.arange(DAYS * 24 - 1)
    hour = np.repeat(hours, rng.poisson(30, len(hours)))
    start = np.datetime64(FIRST.replace(tzinfo=None), "us")
    at = start + hour * np.timedelta64(1, "h") + rng.integers(0, 3600, len(hour)).astype("m8[s]")
    at.sort()
    mixed, worse, *hole = (np.datetime64(of.replace(tzinfo=None)) for of in (MIXED, WORSE, *HOLE))
    second = (at >= mixed) & (rng.random(len(at)) < 1 / 3)
    blue = 0.2 + 0.1 * np.sin(hour / 24 * 2 * np.pi) + 0.2 * hour / hours[-1]
    found = pd.DataFrame(
        {
            "at": pd.to_datetime(at, utc=True),
            "version": np.where(second, "v2", "v1"),
            "region": rng.choice(["north", "south"], len(at), p=(0.7, 0.3)),
            "colour": np.where(rng.random(len(at)) < blue, "blue", "red"),
            "score": rng.binomial(40, np.where(second & (at >= worse), 0.6, 0.5)) / 40,
        }
    )
    return found[(at < hole[0]) | (at >= hole[1])].reset_index(drop=True)


@pytest.fixture(scope="module")
def baseline(rows: Rows) -> Baseline:
    """Accept the first two weeks, in which there is one version."""
    first = pa.RecordBatch.from_pandas(rows[rows["at"] < FIRST + 14 * DAY])
    dimensions = (("version",), ("region",), ("version", "region"))
    return accept([first], skip=["at"], dimensions=dimensions)


@pytest.fixture(scope="module")
def url(rows: Rows, baseline: Baseline, tmp_path_factory: pytest.TempPathFactory) -> str:
    made = f"sqlite:///{tmp_path_factory.mktemp('against') / 'store.db'}"
    engine = open_store(SecretStr(made))
    fill(engine, pa.RecordBatch.from_pandas(rows), baseline, width=WIDTH)
    engine.dispose()
    return made


@pytest.fixture(scope="module")
def engine(url: str) -> Iterator[sa.Engine]:
    made = open_store(SecretStr(url))
    yield made
    made.dispose()


def config(url: str, rules: list[dict[str, Any]], **changes: Any) -> Config:
    model = {
        "window": "1h",
        "log": {"version": "version"},
        "cohorts": ["version", "region", ["version", "region"]],
        "columns": {"version": {"role": "context"}, "weather": {"kind": "ignore"}},
    } | changes
    return config_of(url, model=model, alerts={"rules": rules})


@pytest.fixture(scope="module")
def compared(url: str) -> Config:
    return config(url, [rule(of, column) for of in AGAINST for column in ("score", "colour")])


def rule(against: str, column: str, **changes: Any) -> dict[str, Any]:
    statistic = "ks" if column == "score" else "chi2"
    of_rule = {"name": f"{against}/{column}", "against": against, "columns": [column]}
    return of_rule | {
        "statistic": statistic, "over": "1d", "threshold": 1e-9, "cohorts": True, "min_rows": 50,
    } | changes  # fmt: skip


def judge(engine: sa.Engine, of: Config) -> judging.Judge:
    found = baselines.load(engine, "first")
    return judging.Judge(engine, MODEL, "first", found, judging.rules_of(of, MODEL, found))


def all_windows(engine: sa.Engine) -> list[Window]:
    with engine.connect() as connection:
        found = connection.execute(sa.select(windows.c.start, windows.c.end).order_by("start"))
        return [Window(start=row.start, end=row.end) for row in found]


def at(days: float) -> Window:
    """Return the window that ends so many days after the first."""
    end = FIRST + days * DAY
    return Window(start=end - WIDTH, end=end)


def read(engine: sa.Engine, of: Config, window: Window) -> dict[str, Readings]:
    (found,) = judge(engine, of).readings([window])
    return {readings.rule.name: readings for readings in found}


def taken(rows: Rows, start: datetime, end: datetime) -> Rows:
    return rows[(rows["at"] >= start) & (rows["at"] < end)]


def beside(rows: Rows, against: str, end: datetime, cohort: dict[str, str]) -> Rows:
    """Choose the rows that a day which ends then is compared with, one condition at a time."""
    start = end - DAY
    wanted = dict(cohort)
    if against == "previous":
        found = taken(rows, start - DAY, start)
    elif against == "trailing 10d":
        found = taken(rows, start - 10 * DAY, start)
    elif against == "weeks 3":
        clock = rows["at"].dt.tz_convert(ZONE).dt.tz_localize(None)
        first, last = (of.astimezone(ZONE).replace(tzinfo=None) for of in (start, end))
        weeks = [timedelta(days=7 * back) for back in (1, 2, 3)]
        found = rows[
            np.any([(clock >= first - of) & (clock < last - of) for of in weeks], axis=0)
            & (rows["at"] < start)
        ]
    else:
        found, wanted["version"] = taken(rows, start, end), "v1"
    for name, value in wanted.items():
        found = found[found[name] == value]
    return found


def distance(column: str, x: Rows, y: Rows) -> float:
    if column == "score":
        return float(stats.ks_2samp(x[column], y[column]).statistic)
    return float(chi_square(x, y).statistic)


def chi_square(x: Rows, y: Rows) -> Any:
    table = [[(of["colour"] == colour).sum() for colour in ("blue", "red")] for of in (x, y)]
    return stats.chi2_contingency(np.array(table), correction=False)


@pytest.mark.parametrize("against", AGAINST)
def test_the_words_of_the_baseline_hold_for_rules_and_drift_that_say_nothing(
    engine: sa.Engine, url: str, against: str
) -> None:
    said, silent = rule(against, "score"), rule(against, "score")
    del silent["against"]
    other = rule("baseline", "score", name="other")
    of_rules = config(url, [said, other])
    of_model = config(url, [silent, other], baseline=against)
    silently, aloud = (
        encode(tuple(read(engine, of, at(41)).values())) for of in (of_model, of_rules)
    )
    assert silently == aloud
    asked = {"column": "score", "width": DAY, "start": FIRST + 40 * DAY}
    assert drift(engine, of_model, None, **asked) == drift(engine, of_rules, against, **asked)


@pytest.mark.parametrize("against", AGAINST)
@pytest.mark.parametrize("days", [32, 32.75, 41])
def test_a_reading_is_the_distance_of_the_rows_from_the_rows_it_is_compared_with(
    rows: Rows, engine: sa.Engine, compared: Config, against: str, days: float
) -> None:
    window = at(days)
    found = read(engine, compared, window)
    checked = 0
    for column in ("score", "colour"):
        readings = found[f"{against}/{column}"]
        for reading in readings.each():
            cohort = dict(reading.cohort)
            x = taken(rows, window.end - DAY, window.end)
            for name, value in cohort.items():
                x = x[x[name] == value]
            y = beside(rows, against, window.end, cohort)
            assert reading.n == len(x)
            if len(y) < 50 or len(x) < 50:
                assert reading.value is None
                continue
            assert reading.value == pytest.approx(distance(column, x, y), rel=1e-9, abs=1e-12)
            if column == "score" and reading.value > 1e-9:
                assert reading.now == pytest.approx(x["score"].mean(), rel=1e-9)
                assert reading.was == pytest.approx(y["score"].mean(), rel=1e-9)
            checked += 1
    assert checked >= 6


def test_versions_are_judged_beside_the_one_that_is_named_and_not_beside_others(
    engine: sa.Engine, compared: Config
) -> None:
    cohorts = {of.cohort for of in read(engine, compared, at(41))["version v1/score"].each()}
    assert cohorts == {
        (("version", "v2"),),
        (("version", "v2"), ("region", "north")),
        (("version", "v2"), ("region", "south")),
    }
    alone = config(compared.store.get_secret_value(), [rule("version v1", "score", cohorts=False)])
    (found,) = read(engine, alone, at(41)).values()
    assert {of.cohort for of in found.each()} == {(("version", "v2"),)}


def test_a_version_that_differs_is_found_and_one_that_does_not_is_not(
    url: str, engine: sa.Engine
) -> None:
    """Both versions give scores of one distribution, until the second gets worse."""
    of = config(url, [rule("version v1", "score", threshold=0.25, min_rows=100)])
    mixed = [window for window in all_windows(engine) if window.end > MIXED]
    found = judge(engine, of).readings(mixed)
    beyond = {
        window.end: readings.beyond.any() for window, (readings,) in zip(mixed, found, strict=True)
    }
    assert not any(over for end, over in beyond.items() if end <= WORSE)
    assert all(over for end, over in beyond.items() if end >= WORSE + DAY)


def test_a_cohort_that_training_does_not_know_has_a_past_to_compare_with(
    engine: sa.Engine, compared: Config, baseline: Baseline
) -> None:
    assert ("v2",) not in baseline.along(("version",)).groups
    early, later = (
        {of.cohort: of for of in read(engine, compared, at(days))["previous/score"].each()}
        for days in (31, 32)
    )
    new = (("version", "v2"),)
    assert early[new].value is None
    assert early[new].reason == "too little to compare with yet"
    assert later[new].value is not None


@pytest.mark.parametrize(
    ("against", "known_from"),
    [("previous", 1.5), ("trailing 10d", 6), ("weeks 3", 14.5), ("version v1", 0.5)],
)
def test_nothing_is_known_before_half_of_what_is_asked_for_is_stored(
    url: str, engine: sa.Engine, against: str, known_from: float
) -> None:
    """The version is compared with one that does not exist, which is never known."""
    rules = [rule(against, "colour", cohorts=False, min_rows=1)]
    first = all_windows(engine)[: 18 * 24]
    found = judge(engine, config(url, rules)).readings(first)
    for window, (readings,) in zip(first, found, strict=True):
        values = readings.value[readings.n > 0]
        known = (window.end - FIRST) >= known_from * DAY and against != "version v1"
        assert np.isfinite(values).all() if known else np.isnan(values).all()
        assert readings.known.all()


def test_a_hole_in_the_past_makes_what_needs_it_unknown(
    engine: sa.Engine, compared: Config
) -> None:
    """The day after two without a row; of ten days eight are there."""
    found = read(engine, compared, at(23))
    for against, known in (("previous", False), ("trailing 10d", True), ("weeks 3", True)):
        everybody = found[f"{against}/score"].at(0)
        assert everybody.cohort == ()
        assert (everybody.value is not None) == known


def test_too_few_rows_to_compare_with_make_a_reading_unknown(url: str, engine: sa.Engine) -> None:
    """Of a day 720 rows come, of three such days some 2,160."""
    rules = [rule(of, "score", min_rows=600, cohorts=False) for of in ("previous", "weeks 3")]
    found = read(engine, config(url, rules), at(20.5 + 23 / 24))
    for of in rules:
        reading = found[of["name"]].at(0)
        assert (reading.n >= 600, reading.value) == (False, None)
    found = read(engine, config(url, rules), at(25))
    assert all(found[of["name"]].at(0).value is not None for of in rules)


def test_a_rule_on_a_column_that_the_baseline_lacks_sees_nothing(
    url: str, engine: sa.Engine
) -> None:
    of = config(url, [rule("previous", "nowhere"), rule("version v1", "version", cohorts=False)])
    assert {name: found.streams for name, found in read(engine, of, at(30)).items()} == {
        "previous/nowhere": (),
        "version v1/version": (),
    }


def test_windows_in_batches_one_by_one_and_in_any_order_give_the_same_bytes(
    engine: sa.Engine, compared: Config
) -> None:
    found = all_windows(engine)[640:700]  # the clock changes within
    at_once = [encode(readings) for readings in judge(engine, compared).readings(found)]
    going_on = judge(engine, compared)
    steps = [encode(of) for first in (0, 20) for of in going_on.readings(found[first : first + 20])]
    steps += [encode(of) for window in found[40:50] for of in going_on.readings([window])]
    assert steps == at_once[:50]
    for at in (55, 56, 3):
        assert [encode(of) for of in going_on.readings([found[at]])] == [at_once[at]]


@pytest.fixture
def versions(backend: Backend) -> Callable[[], Config]:
    """Let some rows of a log of eight days be of a second version, with higher scores."""
    log = backend.copy_of_log()
    run_sql(
        log.url,
        "UPDATE predictions SET model_version = 'v2', score = score / 2 + 0.5 "
        "WHERE substr(prediction_id, length(prediction_id)) IN ('3', '6', '9')",
    )
    rules = [
        {"name": of, "against": of, "threshold": 0.25, "over": over, "min_rows": 20,
         "cohorts": True, "windows": 2}
        for of, over in (
            ("previous", "1d"), ("trailing 3d", "12h"), ("weeks 1", "12h"), ("version v1", "1d"),
        )
    ]  # fmt: skip
    trained = {"table": None, "range": [START.isoformat(), (START + 2 * DAY).isoformat()]}
    model = {"source": log.url, "baseline": trained, "cohorts": ["origin", "model_version"]}
    return lambda: backend.config(model=model, alerts={"rules": rules})


def test_spans_in_any_order_end_with_the_same_decisions(
    versions: Callable[[], Config], opened: Opened
) -> None:
    of = versions()
    at_once = opened(of.store)
    backfill(at_once, of, MODEL)
    again = versions()
    in_parts = opened(again.store)
    for days in ((5, 7), (None, 2), (2, 5), (7, None)):
        start, end = (None if day is None else START + day * DAY for day in days)
        backfill(in_parts, again, MODEL, start=start, end=end)
    assert contents(in_parts) == contents(at_once)
    opened_by = {(stream.rule, stream.column) for of in records(at_once) for stream in of.streams}
    assert {("version v1", "score"), ("previous", "score"), ("trailing 3d", "score")} <= opened_by


def drift(engine: sa.Engine, of: Config, against: str | None, **asked: Any) -> list[dict[str, Any]]:
    schema = json.loads((SCHEMAS / "drift.schema.json").read_text())
    found = list(drift_records(engine, of, MODEL, against=compared_with(against), **asked))
    for record in found:
        Draft202012Validator(schema).validate(record)
    return found


@pytest.mark.parametrize("against", AGAINST)
@pytest.mark.parametrize("step", [None, 6 * HOUR])
def test_drift_is_taken_between_the_same_rows_as_samples_of_two_sizes(
    rows: Rows, engine: sa.Engine, compared: Config, against: str, step: timedelta | None
) -> None:
    start = FIRST + 30 * DAY + 19 * HOUR  # midnight in UTC
    days = {"start": start, "end": start + 3 * DAY}
    found = drift(engine, compared, against, column="colour", width=DAY, step=step, **days)
    assert {(of["against"]["kind"], of["against"]["id"]) for of in found} == {
        (against.split(maxsplit=1)[0], against)
    }
    checked = 0
    for record in found:
        end = datetime.fromisoformat(record["window"]["end"])
        x = taken(rows, end - DAY, end)
        for name, value in record["cohort"].items():
            x = x[x[name] == value]
        y = beside(rows, against, end, record["cohort"])
        assert (record["n"], record["n_baseline"]) == (len(x), len(y))
        if not len(y):
            assert record["reason"] == "too little to compare with yet"
            continue
        chi2, expected = record["statistics"]["chi2"], chi_square(x, y)
        assert chi2["distance"] == pytest.approx(expected.statistic, rel=1e-9, abs=1e-12)
        assert chi2["p"] == pytest.approx(expected.pvalue, rel=1e-6)
        assert chi2["no_drift"] == pytest.approx(1)
        checked += 1
    assert checked >= 4


def test_drift_has_no_zero_where_too_little_is_stored(engine: sa.Engine, compared: Config) -> None:
    asked = {"column": "score", "width": DAY, "end": FIRST + 4 * DAY}
    for against, first_known in (("previous", 1), ("trailing 3d", 2), ("weeks 1", 4)):
        everybody = [of for of in drift(engine, compared, against, **asked) if not of["cohort"]]
        distances = [of["statistics"]["ks"]["distance"] for of in everybody]
        assert [of is None for of in distances[:first_known]] == [True] * first_known
        assert None not in distances[first_known:4]


@pytest.mark.parametrize(
    ("against", "asked", "told"),
    [
        ("weeks 2", {"width": 8 * DAY}, "--window 8d is wider than the week before"),
        ("version v1", {"cohort": (("region", "north"),)}, "name one with --cohort version=…"),
    ],
)
def test_what_drift_cannot_compare_is_one_line(
    engine: sa.Engine, compared: Config, against: str, asked: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        drift(engine, compared, against, **asked)


def test_a_word_that_drift_does_not_know_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"--against 'prevous': .* did you mean 'previous'"):
        compared_with("prevous")
    assert (compared_with("baseline"), compared_with(None)) == ("training", None)


def test_a_version_that_comes_or_goes_breaks_no_check(
    rows: Rows, baseline: Baseline, tmp_path: Path, opened: Opened
) -> None:
    """The same values of a column that is no version are told."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    made = opened(SecretStr(url))
    replaced = rows.assign(version=rows["version"].where(rows["at"] < WORSE, "v3"))
    fill(made, pa.RecordBatch.from_pandas(replaced), baseline, width=WIDTH)
    assert checks_broken(made, config(url, [])) == set()
    plain = config(url, [], log={"version": None})
    told = {("unknown value", ("v2",)), ("unknown value", ("v3",)), ("vanished", ("v1",))}
    assert checks_broken(made, plain) == told


def checks_broken(engine: sa.Engine, of: Config) -> set[tuple[str, Group]]:
    """Return what never happened before along the dimension of versions, as live."""
    clock, past = clock_of(of, MODEL), past_of(engine, MODEL)
    watch = watch_of(of, MODEL, past.baseline, clock, day=clock.monday(past.span.start))
    return {
        (breach.check, breach.group)
        for _, step in days_of(engine, past, clock, watch)
        for breach in watch.broken(step)
        if breach.dimension == ("version",)
    }

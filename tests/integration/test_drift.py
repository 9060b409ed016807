"""The reading commands as scripts use them: the real program, its schemas, and SciPy beside it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from scipy import stats

from monitor.cli import main
from monitor.store import baselines
from profiles.comparison import compare, largest_bin
from profiles.grids import NumericGrid
from tests.support.log import START, Flight
from tests.support.store import MODEL, DemoStore

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
PROGRAM = [sys.executable, "-c", "from monitor.cli import main; main()"]
WIDTH = timedelta(hours=3)

READ: dict[str, Callable[[Flight], Any]] = {
    "score": lambda f: f.score,
    "distance": lambda f: f.distance,
    "hour": lambda f: f.hour,
    "weather.temp": lambda f: f.temp,
    "weather.humid": lambda f: f.humid,
    "origin": lambda f: f.origin,
    "carrier": lambda f: f.carrier,
}
EXACT = ("distance", "hour")  # a bin for each value


def run(store: DemoStore, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *words, "--config", str(store.config_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def here(
    demo_store: DemoStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run the program in this process, which is quicker: exit code, output, errors."""

    def call(*words: str) -> tuple[int, str, str]:
        argv = ["monitor", *words, "--config", str(demo_store.config_path)]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


def lines(store: DemoStore, *words: str) -> list[dict[str, Any]]:
    done = run(store, *words, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line, parse_constant=_no_constant) for line in done.stdout.splitlines()]


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.fixture(scope="module")
def drift(demo_store: DemoStore) -> list[dict[str, Any]]:
    """Everything that is stored, as the program prints it."""
    return lines(demo_store, "drift")


def window_of(record: dict[str, Any]) -> tuple[datetime, datetime]:
    start, end = (datetime.fromisoformat(record["window"][key]) for key in ("start", "end"))
    return start, end


def test_status_follows_its_schema(demo_store: DemoStore) -> None:
    (status,) = lines(demo_store, "status")
    validator("status").validate(status)
    model = status["models"][MODEL]
    assert model["windows"] == {"pending": 0, "running": 0, "done": 276, "failed": 0, "dirty": 0}
    assert model["watermark"] == "2025-04-06T18:00:00Z"
    assert model["open_incidents"] == 1
    assert model["state"] == "firing"


def test_incidents_follow_their_schema(demo_store: DemoStore) -> None:
    found = lines(demo_store, "incidents")
    for incident in found:
        validator("incidents").validate(incident)
    assert [incident["state"] for incident in found] == ["resolved", "firing"]
    assert [incident["resolved"] is None for incident in found] == [False, True]
    moved = {stream["column"] for incident in found for stream in incident["streams"]}
    assert moved == {"score", "weather.temp"}


def test_drift_follows_its_schema(drift: list[dict[str, Any]]) -> None:
    check = validator("drift")
    for record in drift[::37]:
        check.validate(record)


def test_a_broken_record_does_not_follow_the_schemas(drift: list[dict[str, Any]]) -> None:
    broken = drift[0] | {"window": {"start": "2025-03-03 06:00", "end": None}}
    assert list(validator("drift").iter_errors(broken))
    assert list(validator("status").iter_errors({"models": {"m": {}}}))
    assert list(validator("incidents").iter_errors({"id": "x"}))


def test_by_default_it_is_every_window_column_and_group(drift: list[dict[str, Any]]) -> None:
    starts = [window_of(record)[0] for record in drift]
    assert starts == sorted(starts)
    assert len(set(starts)) == 276
    keys = [(r["window"]["start"], json.dumps(r["cohort"]), r["column"]) for r in drift]
    assert len(set(keys)) == len(keys)
    assert {r["column"] for r in drift} == set(READ)
    assert {tuple(r["cohort"]) for r in drift} == {(), ("origin",), ("carrier",)}
    assert {end - start for start, end in map(window_of, drift)} == {WIDTH}


@pytest.fixture(scope="module")
def picked(drift: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Three windows and two cohorts that nobody chose, and everybody."""
    rng = np.random.default_rng(20250303)
    by_day = sorted({r["window"]["start"] for r in drift if not r["cohort"] and r["n"] > 20})
    starts = set(rng.choice(by_day, 3, replace=False).tolist())
    groups = sorted({tuple(r["cohort"].items()) for r in drift if r["cohort"]})
    cohorts = [groups[i] for i in rng.choice(len(groups), 2, replace=False)]
    wanted = [{}, *(dict(cohort) for cohort in cohorts)]
    found = [r for r in drift if r["window"]["start"] in starts and r["cohort"] in wanted]
    assert len(found) == 3 * 3 * len(READ)
    return found


def values(rows: Sequence[Flight], column: str) -> list[Any]:
    return [value for row in rows if (value := READ[column](row)) is not None]


def sides(store: DemoStore, record: dict[str, Any]) -> tuple[list[Flight], list[Flight]]:
    def belongs(row: Flight) -> bool:
        return all(getattr(row, name) == value for name, value in record["cohort"].items())

    logged = [row for row in store.log.within(*window_of(record)) if belongs(row)]
    return logged, [row for row in store.log.trained if belongs(row)]


def test_counts_are_those_of_the_raw_rows(
    demo_store: DemoStore, picked: list[dict[str, Any]]
) -> None:
    for record in picked:
        logged, trained = sides(demo_store, record)
        there = len(values(logged, record["column"]))
        assert record["n"] == len(logged)
        assert record["n_baseline"] == len(trained)
        assert record["missing_fraction"] == 1 - there / len(logged) or math.isclose(
            record["missing_fraction"], 1 - there / len(logged), abs_tol=1e-15
        )


def test_means_and_deviations_are_those_of_the_raw_rows(
    demo_store: DemoStore, picked: list[dict[str, Any]]
) -> None:
    for record in picked:
        found = values(sides(demo_store, record)[0], record["column"])
        if record["kind"] == "categorical":
            assert record["mean"] is None
            continue
        assert record["mean"] == pytest.approx(np.mean(found), rel=1e-9)
        expected = pytest.approx(np.std(found, ddof=1), rel=1e-9) if len(found) > 1 else None
        assert record["std"] == expected


def test_ks_is_that_of_scipy_within_the_largest_bin(
    demo_store: DemoStore, picked: list[dict[str, Any]]
) -> None:
    engine = demo_store.engine
    baseline = baselines.load(engine, baselines.current(engine, MODEL) or "")
    checked = 0
    for record in picked:
        column, grid = record["column"], baseline.plan.grids[record["column"]]
        if not isinstance(grid, NumericGrid):
            assert record["statistics"]["ks"] == dict.fromkeys(record["statistics"]["js"])
            continue
        x, y = (np.array(values(rows, column)) for rows in sides(demo_store, record))
        exact = stats.ks_2samp(x, y).statistic
        counts = [_counts(grid, side) for side in (x, y)]
        resolution = 0.0 if column in EXACT else max(float(largest_bin(grid, c)) for c in counts)
        found = record["statistics"]["ks"]["distance"]
        assert found == pytest.approx(float(compare(grid, *counts)["ks"].distance), abs=1e-12)
        assert record["ks_shortfall"] <= resolution
        assert exact - record["ks_shortfall"] - 1e-12 <= found <= exact + 1e-12
        checked += 1
    assert checked == 9 * 5


def _counts(grid: NumericGrid, found: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Count values on a grid by its edges: a bin holds its upper edge's left side."""
    import pyarrow as pa

    from profiles.values import numbers

    return np.bincount(grid.codes(numbers(pa.array(found, pa.float64()))), minlength=grid.bins)


def test_distances_of_categories_are_those_of_scipy(
    demo_store: DemoStore, picked: list[dict[str, Any]]
) -> None:
    for record in picked:
        if record["kind"] != "categorical" or record["cohort"]:
            continue
        x, y = (values(rows, record["column"]) for rows in sides(demo_store, record))
        names = sorted(set(x) | set(y))
        p, q = (np.array([side.count(name) for name in names]) for side in (x, y))
        chi2 = stats.chi2_contingency(np.array([p, q]), correction=False)
        assert record["statistics"]["chi2"]["distance"] == pytest.approx(chi2.statistic, rel=1e-9)
        assert record["statistics"]["chi2"]["p"] == pytest.approx(chi2.pvalue, rel=1e-6)
        tv = np.abs(p / p.sum() - q / q.sum()).sum() / 2
        assert record["statistics"]["tv"]["distance"] == pytest.approx(tv, rel=1e-9)


def test_a_window_without_rows_has_nulls_with_a_reason(drift: list[dict[str, Any]]) -> None:
    night = [r for r in drift if window_of(r)[0].hour == 0]
    assert night
    assert {r["n"] for r in night} == {0}
    assert {r["reason"] for r in night} == {"no rows with a value in this window"}
    for record in night[:20]:
        assert record["mean"] is record["std"] is record["missing_fraction"] is None
        assert {s["distance"] for s in record["statistics"].values()} == {None}


def test_a_wider_window_is_the_merge_of_the_stored_ones(
    demo_store: DemoStore, drift: list[dict[str, Any]]
) -> None:
    days = lines(demo_store, "drift", "--window", "1d", "--column", "distance")
    assert len({r["window"]["start"] for r in days}) == 35
    whole = [record for record in days if window_of(record)[1] <= START + timedelta(days=34)]
    for record in whole[:: len(whole) // 12]:
        start, end = window_of(record)
        assert end - start == timedelta(days=1)
        parts = [
            r
            for r in drift
            if (r["column"], r["cohort"]) == ("distance", record["cohort"])
            and start <= window_of(r)[0] < end
        ]
        assert record["n"] == sum(part["n"] for part in parts)
        weighed = sum(p["mean"] * p["n"] for p in parts if p["n"]) / record["n"]
        assert record["mean"] == pytest.approx(weighed, rel=1e-12)
        x, y = (values(rows, "distance") for rows in sides(demo_store, record))
        exact = stats.ks_2samp(x, y).statistic
        assert record["statistics"]["ks"]["distance"] == pytest.approx(exact, abs=1e-12)


def test_windows_that_overlap_are_those_of_their_span(demo_store: DemoStore) -> None:
    span = ("--from", "2025-03-05", "--to", "2025-03-09", "--column", "distance")
    rolling = lines(demo_store, "drift", *span, "--window", "1d", "--step", "6h")
    ends = sorted({window_of(record)[1] for record in rolling})
    assert ends[0] == datetime(2025, 3, 6, tzinfo=UTC)
    assert {b - a for a, b in pairwise(ends)} == {timedelta(hours=6)}
    days = lines(demo_store, "drift", *span, "--window", "1d")
    at_midnight = [record for record in rolling if window_of(record)[1].hour == 0]
    for record, day in zip(at_midnight, days, strict=True):
        assert record["n"] == day["n"]
        assert (record["window"], record["cohort"]) == (day["window"], day["cohort"])
        assert record["statistics"]["ks"] == day["statistics"]["ks"]
        assert record["mean"] == pytest.approx(day["mean"], rel=1e-12)


def test_a_span_a_column_and_a_cohort_narrow_it_down(demo_store: DemoStore) -> None:
    found = lines(
        demo_store, "drift", "--from", "2025-03-05", "--to", "2025-03-05T09:00:00Z",
        "--column", "score", "--cohort", "origin=JFK",
    )  # fmt: skip
    assert [(r["window"]["start"], r["column"], r["cohort"]) for r in found] == [
        ("2025-03-05T06:00:00Z", "score", {"origin": "JFK"})
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("drift", "--column", "scores"), "--column 'scores' is none of"),
        (("drift", "--cohort", "airport=JFK"), "is no cohort of this model; there are"),
        (("drift", "--cohort", "origin=JKF"), "the baseline; there is JFK"),
        (("drift", "--cohort", "JFK"), "is no cohort; write it like origin=JFK"),
        (("drift", "--model", "flight"), "did you mean 'flight-delay'?"),
        (("incidents", "--model", "flight"), "did you mean 'flight-delay'?"),
        (("drift", "--window", "4h"), "--window 4h is no multiple of the stored 3h"),
        (("drift", "--window", "6h", "--step", "4h"), "--step 4h is no multiple of the stored 3h"),
        (("drift", "--window", "9h", "--step", "6h"), "--window 9h is no multiple of --step 6h"),
        (("drift", "--from", "yesterday"), "--from 'yesterday' is no time"),
        (("drift", "--from", "2025-03-09", "--to", "2025-03-08"), "does not lie before"),
    ],
)
def test_a_wrong_word_is_one_clear_line(
    here: Callable[..., tuple[int, str, str]], words: tuple[str, ...], told: str
) -> None:
    code, out, errors = here(*words, "--json")
    assert (code, out) == (2, "")
    assert told in errors
    assert len(errors.splitlines()) == 1


def test_people_get_tables_of_the_same(here: Callable[..., tuple[int, str, str]]) -> None:
    code, table, _ = here("status")
    assert code == 0
    assert "276 done" in table
    assert "1 open" in table
    code, listed, _ = here("incidents")
    assert code == 0
    assert "flight-delay, resolved" in listed
    assert "flight-delay, firing" in listed
    code, table, _ = here("drift", "--window", "7d", "--column", "score")
    assert code == 0
    assert "origin=JFK" in table


def test_a_store_without_results_is_one_clear_line(demo_store: DemoStore, tmp_path: Path) -> None:
    text = demo_store.config_path.read_text().replace("store.db", "empty.db")
    empty = tmp_path / "monitor.yaml"
    folder = demo_store.config_path.parent
    empty.write_text(text.replace(f"{folder}/empty.db", f"{tmp_path}/empty.db"))
    other = DemoStore(empty, demo_store.config, demo_store.engine, demo_store.log)
    done = run(other, "drift", "--json")
    assert done.returncode == 4
    assert "nothing is stored for flight-delay yet; run: monitor backfill" in done.stderr
    (status,) = lines(other, "status")
    validator("status").validate(status)
    assert status["models"][MODEL]["state"] == "starting"

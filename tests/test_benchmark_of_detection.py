"""The benchmark of the detection: what it plants, what finds it, and how that is counted."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from benchmarks.detection import distances, peers, report, walk
from benchmarks.detection.__main__ import _arguments
from benchmarks.detection.arms import (
    ABOVE,
    ARMS,
    INSIDE,
    MISSING,
    PLACES,
    VALUES,
    WEEK,
    Installation,
    _shift,
)  # fmt: skip
from benchmarks.detection.drifts import (
    EVERYWHERE,
    MANY,
    MIX,
    ONE,
    SHAPES,
    SIZES,
    SMALL,
    TARGETS,
    Cell,
    drifts,
    faults,
    plant,
    way,
)  # fmt: skip
from benchmarks.detection.models import COHORT, DAY, ROWS, Model
from benchmarks.detection.results import DEFAULTS, OURS, TUNED, gathered, threshold
from benchmarks.detection.rules import RULES, Series
from benchmarks.detection.saved import Saved
from profiles.detection.lanes import MONTH

ROOT = Path(__file__).parents[1]
SIZE = {"features": 2, "cohorts": 2, "weeks": 25}
ARM = "autocorrelated 0.9"
STRONG = Cell(shape="step", target=ONE, w=0.4)
NONE = Cell(shape="step", target=ONE, w=0.0)
UNIT = Cell(shape="unit × 1000", target=EVERYWHERE, w=None)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(ARM, 5, **SIZE)


@pytest.fixture(scope="module")
def parts() -> list[walk.Part]:
    return [
        walk.Part(kind=walk.RATES),
        walk.Part(kind=walk.POWER, cells=(NONE, STRONG)),
        walk.Part(kind=walk.FAULTS, cells=(UNIT,)),
    ]


def lines(system: str, found: Iterator[tuple[walk.Part, dict[str, Any]]]) -> list[dict[str, Any]]:
    said = [
        {"arm": ARM, "system": system, "seed": 5, "part": part.name, **of} for part, of in found
    ]
    return json.loads(json.dumps(said))


@pytest.fixture(scope="module")
def ours(model: Model, parts: list[walk.Part]) -> list[dict[str, Any]]:
    return lines(walk.SYSTEM, walk.walked(model, parts, 1))


@pytest.fixture(scope="module")
def theirs(model: Model, parts: list[walk.Part]) -> list[dict[str, Any]]:
    return lines(peers.SYSTEM, peers.Peers(model).parts(parts, 1))


def run(folder: Path, *, seeds: int) -> str:
    size = [word for key, value in SIZE.items() for word in (f"--{key}", str(value))]
    done = subprocess.run(
        [
            sys.executable, "-m", "benchmarks.detection", "--arms", "independent", "--only",
            "rates", "--seeds", str(seeds), *size, "--data", str(folder), "--out",
            str(folder / "out.csv"),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_goes_on_where_it_was_stopped_and_writes_a_line_for_each_arm(tmp_path: Path) -> None:
    assert run(tmp_path, seeds=1).startswith("independent, seed 0: ")
    assert run(tmp_path, seeds=2).startswith("independent, seed 1: ")  # the first is kept
    (line,) = csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines())
    runs = list(Saved(tmp_path / "detection-2x2-25").lines(OURS, "independent"))
    assert [one["seed"] for one in runs] == [0, 1]
    assert float(line["months"]) == pytest.approx(sum(r["days"] for r in runs) / MONTH, abs=0.1)
    assert int(line["false_incidents"]) == sum(r["incidents"] for r in runs)
    assert float(line["upper95"]) > float(line["rate_per_month"])


def test_a_line_that_a_stop_cut_off_is_counted_again(tmp_path: Path) -> None:
    saved = Saved(tmp_path)
    whole = {"arm": ARM, "system": OURS, "seed": 0, "part": "rates"}
    saved.add(whole)
    path = next(tmp_path.iterdir())
    path.write_text(path.read_text(encoding="utf-8") + '{"arm": "au', encoding="utf-8")
    assert saved.done(OURS, ARM) == {(0, "rates")}
    saved.add(whole | {"seed": 1})
    assert [line["seed"] for line in saved.lines(OURS, ARM)] == [0, 1]


def test_a_larger_budget_opens_more_incidents(model: Model, ours: list[dict[str, Any]]) -> None:
    ((_, many),) = walk.walked(model, [walk.Part(kind=walk.RATES)], 0, budget=12.0)
    few = next(line for line in ours if line["part"] == walk.RATES)
    assert few["days"] == many["days"] > 0
    assert few["open_days"] < many["open_days"]


@pytest.mark.parametrize("arm", ARMS)
def test_places_of_every_arm_sum_to_its_rows(arm: str) -> None:
    of = Installation(arm, 1, cohorts=3, weeks=1)
    counts = of.feature(0)
    assert counts.shape == (3, PLACES, WEEK)
    np.testing.assert_array_equal(counts.sum(axis=1), of.rows)
    np.testing.assert_array_equal(counts, Installation(arm, 1, cohorts=3, weeks=1).feature(0))
    assert not counts[:, -1].any()


@given(seed=st.integers(0, 2**32), w=st.sampled_from(SIZES))
def test_a_drift_has_its_size_in_whatever_shares_it_meets(seed: int, w: float) -> None:
    rng = np.random.default_rng(seed)
    usual = rng.dirichlet(np.full(VALUES - 2, 5.0))
    along = way(usual, rng)
    assert along @ usual == pytest.approx(0, abs=1e-9)
    assert along**2 @ usual == pytest.approx(1)
    before = np.zeros(PLACES - 1)
    before[INSIDE], before[MISSING] = usual * 0.99, 0.01
    after = before.copy()
    _shift(after, along, w)
    assert after.sum() == pytest.approx(1)
    assert after[MISSING] == before[MISSING]
    gap = (after - before)[INSIDE]
    assert np.sqrt((gap**2 / before[INSIDE]).sum()) == pytest.approx(w, rel=0.01)


@pytest.mark.parametrize("cell", [c for c in drifts() if c.w == 0.4], ids=str)
def test_what_does_not_drift_stays_as_it_was_drawn(model: Model, cell: Cell) -> None:
    start = 140 * DAY + 7
    planted = plant(model, cell, start, 0)
    rows = model.rows if planted.rows is None else planted.rows
    first, last = planted.first, planted.first + 3 * DAY
    untouched = slice(first, first + 7) if cell.shape != "burst" else slice(first + 8, last)
    assert set(planted.counts) <= set(model.columns)
    for column, counts in planted.counts.items():
        usual = model.counts[column]
        hours = slice(untouched.start - first, untouched.stop - first)
        np.testing.assert_array_equal(counts[..., hours], usual[..., untouched])
        moved = (counts[..., : last - first] != usual[..., first:last]).any(axis=(1, 2))
        assert moved.tolist() == [planted.cohort in (None, c) for c in range(2)]
        expected = rows if planted.rows is not None else rows[:, first : first + counts.shape[-1]]
        np.testing.assert_array_equal(counts.sum(axis=1), expected)


def test_others_who_come_are_as_many_an_hour(model: Model) -> None:
    planted = plant(model, Cell(shape="step", target=MIX, w=0.4), 140 * DAY + 7, 0)
    assert planted.rows is not None
    usual = model.rows[:, planted.first : planted.first + planted.rows.shape[1]]
    np.testing.assert_array_equal(planted.rows.sum(axis=0), usual.sum(axis=0))
    assert abs(planted.rows[1].sum() / usual[1].sum() - 1) > 0.5
    assert planted.columns == {COHORT, ROWS}


@pytest.mark.parametrize("cell", faults(), ids=str)
def test_a_fault_loses_no_row(model: Model, cell: Cell) -> None:
    start = 140 * DAY + 14  # when a small cohort has many rows
    planted = plant(model, cell, start, 0)
    for column, counts in planted.counts.items():
        hours = slice(planted.first, planted.first + counts.shape[-1])
        rows = model.rows[:, hours] if planted.rows is None else planted.rows
        np.testing.assert_array_equal(counts.sum(axis=1), rows)
        usual = model.counts[column][..., hours]
        np.testing.assert_array_equal(counts[..., :14], usual[..., :14])
        changed = np.flatnonzero((counts != usual).any(axis=(1, 2)))
        assert len(changed)
        assert planted.cohort is None or changed.tolist() == [planted.cohort]


def test_another_unit_puts_every_number_above(model: Model) -> None:
    planted = plant(model, UNIT, 140 * DAY + 7, 0)
    ((column, counts),) = planted.counts.items()
    assert model.ordered(column)
    assert not counts[:, :ABOVE, 7:].any()
    assert counts[:, ABOVE, 7:].any()


def test_cells_are_every_size_target_and_shape_once() -> None:
    cells = [cell for cell in drifts() if cell.w]
    assert len(set(cells)) == len(cells) == len(SIZES) * len(TARGETS) * len(SHAPES)
    assert {cell.target for cell in drifts() if cell.w == 0} == {ONE, SMALL, MANY, MIX, "score"}


def test_what_drifts_much_is_found_and_listed_first_and_what_does_not_is_not(
    ours: list[dict[str, Any]],
) -> None:
    nothing, strong = next(line for line in ours if line["part"] == "power 0")["cells"]
    (unit,) = next(line for line in ours if line["part"] == "faults 0")["cells"]
    assert nothing["delay_h"] is None or nothing["delay_h"] > DAY  # by chance
    assert strong["delay_h"] <= DAY
    assert strong["first"]
    assert strong["precision"] == strong["recall"] == 1
    assert unit["delay_h"] == 1


def test_what_was_counted_is_written_with_every_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours: list[Any], theirs: list[Any],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["", "--features", "2", "--cohorts", "2", "--weeks", "25"])
    arm = gathered(ARM, ours, theirs)
    report.write(tmp_path / "out.csv", [arm], _arguments())
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        rates = list(csv.DictReader(file))
    assert ",".join(rates[0]).startswith(
        "arm,system,months,false_incidents,rate_per_month,upper95,power,delay_h"
    )
    assert [line["system"] for line in rates] == [OURS, *DEFAULTS, *TUNED]
    tuned = [int(line["false_incidents"]) for line in rates if line["system"] in TUNED]
    assert max(tuned) <= int(rates[0]["false_incidents"])
    with (tmp_path / "out_cells.csv").open(encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    found = {(line["system"], line["w"]): line for line in cells if line["shape"] == "step"}
    assert found[OURS, "0.4"]["found_1d"] == "1.000"
    assert found[OURS, "0.0"]["found_1d"] == "0.000"
    assert float(found[report.BEST_OF_EACH, "0.4"]["found_28d"]) == 1
    for name in ("rates", "power"):
        svg = tmp_path / f"out_{name}.svg"
        assert ET.parse(svg).getroot().tag.endswith("svg")
    assert "at least as good as" in capsys.readouterr().out


@given(
    most=st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=30), min_size=1, max_size=3),
    incidents=st.integers(0, 5),
)
def test_an_oracle_takes_the_lowest_threshold_that_opens_no_more(
    most: list[list[int]], incidents: int
) -> None:
    of = [np.array(days, float) for days in most]

    def opened(bar: float) -> int:
        return sum(int(np.diff(np.r_[False, days > bar].astype(int)).clip(0).sum()) for days in of)

    bar = threshold(of, incidents)
    assert opened(bar) <= incidents
    below = [value for value in np.unique(np.concatenate(of)) if value < bar]
    assert not below or opened(below[-1]) > incidents


def windows(rng: np.random.Generator, *, rows: int, many: int, shift: float = 0.0) -> Any:
    shares = np.linspace(1, 2 + shift, VALUES)
    return rng.multinomial(rows, shares / shares.sum(), many).T[None].astype(float)


def test_distances_are_those_of_scipy() -> None:
    rng = np.random.default_rng(4)
    window, reference = windows(rng, rows=900, many=5, shift=1), windows(rng, rows=7_000, many=1)
    places = np.arange(VALUES)
    before = np.repeat(places, reference[0, :, 0].astype(int))
    for k in range(5):
        counts = window[0, :, k]
        now = np.repeat(places, counts.astype(int))
        ks = stats.ks_2samp(before, now, method="asymp")
        assert distances.ks(window, reference)[0, k] == pytest.approx(ks.statistic)
        moved = stats.wasserstein_distance(before, now) / before.std()
        assert distances.wasserstein(window, reference)[0, k] == pytest.approx(moved)
        table = np.stack([counts, reference[0, :, 0]])
        statistic, freedom = distances.chi_square(window, reference)
        expected = stats.chi2_contingency(table)
        assert statistic[0, k] == pytest.approx(expected.statistic)
        assert freedom[0, k] == expected.dof
        js = jensenshannon(counts, reference[0, :, 0])
        assert distances.js(window, reference, half=0.0)[0, k] == pytest.approx(js)
        effective = distances.effective(window, reference)
        for distance in (ks.statistic, 0.03, 0.05):
            p = stats.kstwo.sf(distance, np.round(effective[0, 0]))
            beyond = distances.beyond_chance(np.array([[distance]]), effective[:, :1], 0.05)
            assert beyond[0, 0] == (p < 0.05)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("tool", RULES)
def test_every_rule_calls_what_moved_far_drifted_and_the_reference_not(
    tool: str, ordered: bool
) -> None:
    rng = np.random.default_rng(5)
    same, far = (windows(rng, rows=20_000, many=12, shift=shift) for shift in (0.0, 30.0))
    missing = rng.poisson(60, (1, 24)).astype(float)
    drifted = RULES[tool](
        Series(
            reference=windows(rng, rows=20_000, many=12), missing_before=missing[:, :12],
            windows=np.concatenate((same, far), axis=2), missing=missing, ordered=ordered,
            columns=2,
        )
    )[0]  # fmt: skip
    assert drifted[12:].all()
    assert drifted[:12].sum() <= 3


def test_windows_sum_the_hours_before_each_look() -> None:
    counts = np.arange(1, 13).reshape(1, 1, 12)
    assert distances.windows(counts, 1, 1)[0, 0].tolist() == list(range(1, 13))
    assert distances.windows(counts, 6, 3)[0, 0].tolist() == [6, 21, 39, 57]

"""The benchmark of the budget runs on little simulated traffic, and goes on after a stop."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.detection.__main__ import false_incidents
from benchmarks.detection.arms import ARMS, VALUES, WEEK, Installation
from profiles.detection.lanes import MONTH

ROOT = Path(__file__).parents[1]
SIZE = {"features": 2, "cohorts": 2, "weeks": 22}


def run(folder: Path, *, seeds: int) -> str:
    size = [word for key, value in SIZE.items() for word in (f"--{key}", str(value))]
    done = subprocess.run(
        [
            sys.executable, "-m", "benchmarks.detection", "--arms", "independent",
            "--seeds", str(seeds), *size, "--data", str(folder), "--out", str(folder / "out.csv"),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_goes_on_where_it_was_stopped_and_writes_a_line_for_each_arm(tmp_path: Path) -> None:
    assert run(tmp_path, seeds=1).startswith("independent, seed 0: ")
    assert run(tmp_path, seeds=2).startswith("independent, seed 1: ")  # the first is kept
    (line,) = csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines())
    kept = (tmp_path / "detection-2x2-22.jsonl").read_text(encoding="utf-8").splitlines()
    runs = [json.loads(one) for one in kept]
    assert [one["seed"] for one in runs] == [0, 1]
    assert float(line["months"]) == pytest.approx(sum(r["days"] for r in runs) / MONTH, abs=0.1)
    assert int(line["false_incidents"]) == sum(r["incidents"] for r in runs)
    assert float(line["upper95"]) > float(line["rate_per_month"])


def test_a_larger_budget_opens_more_incidents() -> None:
    few, many = (
        false_incidents("autocorrelated 0.9", 3, **SIZE, budget=budget) for budget in (1.0, 8.0)
    )
    assert few["days"] == many["days"] > 0
    assert few["open_days"] < many["open_days"]


@pytest.mark.parametrize("arm", ARMS)
def test_places_of_every_arm_sum_to_its_rows(arm: str) -> None:
    of = Installation(arm, 1, cohorts=3, weeks=1)
    counts = of.feature(0)
    assert counts.shape == (3, VALUES + 2, WEEK)
    np.testing.assert_array_equal(counts.sum(axis=1), of.rows)
    np.testing.assert_array_equal(counts, Installation(arm, 1, cohorts=3, weeks=1).feature(0))
    assert (counts >= 0).all()
    assert not counts[:, VALUES + 1].any()

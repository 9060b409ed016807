"""What a grid cannot tell, and when that is too much."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.comparison import compare, largest_bin
from profiles.grids import CategoricalGrid, NumericGrid
from profiles.resolution import ks_shortfall, too_coarse
from tests.support.profiles import counts_on, grid_of

NORMAL = np.random.default_rng(1).normal(size=20_000)
GRID = grid_of(NORMAL)
BASELINE = counts_on(GRID, NORMAL)


def window(centre: float, spread: float, rows: int = 1_000) -> np.ndarray:
    return counts_on(GRID, np.random.default_rng(2).normal(centre, spread, rows))


def test_a_window_like_the_baseline_is_not_too_coarse() -> None:
    assert too_coarse(GRID, window(0, 1), BASELINE) is None
    assert too_coarse(GRID, BASELINE, BASELINE) is None


@pytest.mark.parametrize("centre", [60.0, -60.0])
def test_a_window_that_moved_to_where_bins_are_wide_is_too_coarse(centre: float) -> None:
    found = too_coarse(GRID, window(centre, 0.5), BASELINE)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < centre < found.high
    assert (found.share, found.baseline) == (pytest.approx(1, abs=0.01), 0)


def test_a_window_beyond_the_last_edge_lies_in_an_open_bin() -> None:
    found = too_coarse(GRID, window(1e9, 1), BASELINE)
    assert found is not None
    assert (found.low, found.high) == (GRID.edges[-1], None)
    found = too_coarse(GRID, window(-1e9, 1), BASELINE)
    assert found is not None
    assert (found.low, found.high) == (None, GRID.edges[0])


def test_a_few_rows_say_nothing() -> None:
    assert too_coarse(GRID, window(30, 0.5, rows=99), BASELINE) is None
    assert too_coarse(GRID, np.zeros_like(BASELINE), BASELINE) is None


def test_a_part_of_a_window_is_enough_but_not_the_twentieth_part() -> None:
    for moved, is_coarse in ((40, False), (100, True)):
        mixed = window(0, 1, rows=1_000 - moved) + window(30, 0.1, rows=moved)
        assert (too_coarse(GRID, mixed, BASELINE) is not None) == is_coarse


def test_bins_of_one_value_are_never_too_coarse() -> None:
    grid = grid_of([1.0, 2.0, 3.0] * 100)
    counts = counts_on(grid, np.array([1.0, 2.0, 3.0] * 100))
    assert too_coarse(grid, counts_on(grid, np.full(500, 2.0)), counts) is None
    between = too_coarse(grid, counts_on(grid, np.full(500, 2.5)), counts)
    assert between is not None
    assert (between.low, between.high) == (np.nextafter(2.0, 3), 3.0)


def test_a_bin_that_the_baseline_filled_too_is_as_the_grid_was_made() -> None:
    counts = window(30, 0.5)
    assert too_coarse(GRID, counts, counts) is None


def test_of_categories_those_without_a_bin_of_their_own_may_be_too_many() -> None:
    grid = CategoricalGrid(categories=("a", "b"), known=("c", "d"))
    was = np.array([900, 90, 10, 0, 0, 0])
    assert too_coarse(grid, np.array([0, 1000, 0, 0, 0, 0]), was) is None
    other = too_coarse(grid, np.array([500, 0, 500, 0, 7, 0]), was)
    unseen = too_coarse(grid, np.array([500, 0, 0, 500, 0, 0]), was)
    assert other is not None
    assert unseen is not None
    assert (other.share, other.baseline, other.low) == (0.5, 0.01, None)
    assert (unseen.share, unseen.baseline) == (0.5, 0)


values = st.lists(
    st.floats(-50, 50) | st.sampled_from([0.0, 1.0, 30.0]), min_size=1, max_size=60
).map(np.array)


@given(values, values, st.sampled_from([NORMAL, NORMAL[:300], np.array([0.0, 1.0] * 9)]))
def test_the_exact_distance_is_within_the_shortfall(
    x: np.ndarray, y: np.ndarray, made_of: np.ndarray
) -> None:
    grid: NumericGrid = grid_of(made_of)
    a, b = counts_on(grid, x), counts_on(grid, y)
    binned = float(compare(grid, a, b, ["ks"])["ks"].distance)
    short = float(ks_shortfall(grid, a, b))
    at = np.concatenate((x, y))
    first, second = (np.searchsorted(np.sort(v), at, side="right") / len(v) for v in (x, y))
    exact = float(np.abs(first - second).max())
    assert binned - 1e-12 <= exact <= binned + short + 1e-12
    assert short <= max(float(largest_bin(grid, a)), float(largest_bin(grid, b))) + 1e-12


def test_the_shortfall_of_many_windows_is_that_of_each() -> None:
    many = np.stack([window(0, 1), window(30, 1), np.zeros_like(BASELINE)])
    found = ks_shortfall(GRID, many, BASELINE)
    assert found.shape == (3,)
    assert found[0] < 0.01
    assert found[1] == ks_shortfall(GRID, many[1], BASELINE)
    assert math.isnan(found[2])

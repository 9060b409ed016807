from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from profiles.comparison import (
    STATISTICS,
    coarsen,
    compare,
    largest_bin,
    present,
    quantiles,
    share_at_or_above,
)
from profiles.errors import GridMismatch, UnknownStatistic
from profiles.grids import CategoricalGrid
from tests.support.profiles import counts_on, grid_of

FEW = settings(max_examples=25, deadline=None)
BASE = np.random.default_rng(13).gamma(2.0, 10.0, 5_000)
GRID = grid_of(BASE)
COLOURS = CategoricalGrid(categories=("red", "green"))


def counts(shift: float = 0.0, seed: int = 14) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return counts_on(GRID, np.random.default_rng(seed).gamma(2.0, 10.0, 700) + shift)


@FEW
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.floats(-80, 300), st.floats(0.01, 4))
def test_binned_ks_is_never_above_the_exact_and_short_by_at_most_the_largest_bin(
    seed: int, n: int, shift: float, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    window = rng.gamma(2.0, 10.0, n) * scale + shift
    x, y = counts_on(GRID, window), counts_on(GRID, BASE)
    binned = float(compare(GRID, x, y, ["ks"])["ks"].distance)
    exact = stats.ks_2samp(window, BASE, method="asymp").statistic
    assert binned <= exact + 1e-12
    short = max(float(largest_bin(GRID, x)), float(largest_bin(GRID, y)))
    assert exact - binned <= short + 1e-12


@FEW
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(1, 200))
def test_on_an_exact_grid_ks_and_wasserstein_are_those_of_the_values(
    seed: int, n: int, m: int
) -> None:
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 30, m) * 0.5
    window = rng.choice(base, n)  # values that the baseline knows
    grid = grid_of(base)
    found = compare(grid, counts_on(grid, window), counts_on(grid, base), ["ks", "wasserstein"])
    with np.errstate(divide="ignore"):
        ks = stats.ks_2samp(window, base, method="asymp").statistic
    assert found["ks"].distance == pytest.approx(ks, abs=1e-12)
    expected = stats.wasserstein_distance(window, base)
    assert found["wasserstein"].distance == pytest.approx(expected, abs=1e-9)


def test_all_distances_grow_with_a_shift() -> None:
    near, far = (compare(GRID, counts(shift), counts(seed=15)) for shift in (0.0, 15.0))
    assert set(near) == set(STATISTICS)
    for name in STATISTICS:
        assert near[name].distance < far[name].distance


def test_a_distance_speaks_of_the_values_that_are_there() -> None:
    holed = counts()
    holed[[GRID.missing, GRID.non_finite, GRID.mismatch]] += 10_000
    for name, found in compare(GRID, holed, counts(3.0)).items():
        assert found.distance == compare(GRID, counts(), counts(3.0))[name].distance
    assert present(GRID, holed) == 700


def test_categories_have_no_order_but_other_known_and_unseen_count() -> None:
    x, y = np.array([5, 5, 0, 0, 1, 0]), np.array([5, 0, 0, 5, 0, 2])
    found = compare(COLOURS, x, y)
    assert np.isnan(found["ks"].distance)
    assert np.isnan(found["wasserstein"].distance)
    assert found["tv"].distance == 0.5
    assert largest_bin(COLOURS, x) == 0


def test_many_windows_are_compared_at_once() -> None:
    windows = np.stack([counts(shift) for shift in (0.0, 5.0, 9.0)])
    windows[1] = 0
    for name, found in compare(GRID, windows, counts(seed=15)).items():
        single = compare(GRID, windows[2], counts(seed=15))[name].distance
        assert found.distance.shape == (3,)
        assert found.distance[2] == pytest.approx(float(single), rel=1e-12)
        assert np.isnan(found.distance[1])


def test_an_unknown_statistic_lists_the_known_ones() -> None:
    with pytest.raises(UnknownStatistic, match="'kss' is no distance; there are ks, psi"):
        compare(GRID, counts(), counts(), ["kss"])  # type: ignore[list-item]


def test_counts_of_another_grid_are_refused() -> None:
    with pytest.raises(GridMismatch, match=f"a grid of {GRID.bins}"):
        compare(GRID, counts(), np.ones(7, np.int64))


@FEW
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.floats(-40, 100))
def test_quantiles_lie_in_the_bin_of_the_exact_ones(seed: int, n: int, shift: float) -> None:
    values = np.random.default_rng(seed).gamma(2.0, 10.0, n) + shift
    at = [0.0, 0.01, 0.1, 0.25, 0.5, 0.9, 0.99, 1.0]
    found = quantiles(GRID, counts_on(GRID, values), at)
    exact = np.quantile(values, at, method="inverted_cdf")
    assert (np.diff(found) >= 0).all()
    bins = np.searchsorted(GRID.edges, exact, side="right")
    low = np.concatenate((GRID.edges[:1], GRID.edges))[bins]
    high = np.concatenate((GRID.edges, GRID.edges[-1:]))[bins]
    assert ((low <= found) & (found <= high)).all()


def test_quantiles_of_a_discrete_column_are_exact() -> None:
    values = np.random.default_rng(16).poisson(4.0, 999).astype(float)
    at = [0.0, 0.1, 0.5, 0.77, 1.0]
    grid = grid_of(values)
    expected = np.quantile(values, at, method="inverted_cdf")
    np.testing.assert_array_equal(quantiles(grid, counts_on(grid, values), at), expected)


def test_quantiles_of_many_groups_are_nan_where_there_are_no_values() -> None:
    found = quantiles(GRID, np.stack((counts(), 0 * counts())), [0.25, 0.5])
    assert found.shape == (2, 2)
    assert np.isfinite(found[:, 0]).all()
    assert np.isnan(found[:, 1]).all()


def test_quantiles_between_the_extremes_of_the_floats_are_finite() -> None:
    grid = grid_of([1e308, -1e308])
    found = quantiles(grid, np.ones(grid.bins, np.int64), [0.0, 0.4, 0.5, 0.6, 1.0])
    assert np.isfinite(found).all()


def test_coarse_bins_sum_the_fine_ones() -> None:
    fine = np.random.default_rng(17).integers(0, 9, (3, 2, GRID.values))
    found = coarsen(GRID, fine)
    for i in range(GRID.coarse_bins):
        assert (found[..., i] == fine[..., GRID.coarse == i].sum(axis=-1)).all()


def test_the_share_above_a_value_is_exact_on_an_edge_and_linear_between() -> None:
    grid = grid_of([0.0, 1.0, 2.0, 3.0])
    x = counts_on(grid, [0.0, 1.0, 1.0, 3.0])
    assert [float(share_at_or_above(grid, x, v)) for v in (0.0, 1.0, 2.0, 3.0)] == [
        1,
        0.75,
        0.25,
        0.25,
    ]
    fine = counts_on(GRID, BASE)
    for value in (5.0, 17.3, 40.0):
        exact = (value <= BASE).mean()
        assert share_at_or_above(GRID, fine, value) == pytest.approx(exact, abs=1 / 200)
    assert np.isnan(share_at_or_above(GRID, 0 * fine, 5.0))

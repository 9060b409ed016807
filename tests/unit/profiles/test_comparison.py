from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitor.config import Rule
from profiles.comparison import (
    ALL,
    MEASURES,
    ORDERED,
    STATISTICS,
    coarsen,
    compare,
    largest_bin,
    minimum_rows,
    present,
    quantiles,
    share_at_or_above,
)
from profiles.distances import Statistic
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


def test_on_an_exact_grid_every_statistic_of_scipy_is_that_of_the_values() -> None:
    rng = np.random.default_rng(18)
    base, window = (rng.permutation(90)[:n] * 0.5 for n in (60, 45))
    base = np.concatenate((base, window[:20] + 0.25, [0.125]))
    grid = grid_of(np.concatenate((base, window)))
    found = compare(grid, counts_on(grid, window), counts_on(grid, base), ALL)
    energy = stats.energy_distance(window, base)
    assert found["energy"].distance == pytest.approx(energy)
    moved = stats.wasserstein_distance(window, base)
    assert found["wasserstein_sd"].distance == pytest.approx(moved / base.std())
    assert found["ks"].effect == pytest.approx(np.sign(window[:, None] - base).mean())


def test_all_distances_grow_with_a_shift() -> None:
    near, far = (compare(GRID, counts(shift), counts(seed=15), ALL) for shift in (0.0, 15.0))
    assert set(near) == set(ALL)
    for name in ALL:
        assert near[name].distance < far[name].distance


def test_the_distances_that_are_shown_are_eight_unless_others_are_asked_for() -> None:
    shown = compare(GRID, counts(), counts())
    assert tuple(shown) == STATISTICS
    assert STATISTICS == ("ks", "psi", "js", "hellinger", "wasserstein", "tv", "linf", "chi2")
    assert tuple(compare(GRID, counts(), counts(), ["ad", "g"])) == ("ad", "g")


def test_every_statistic_can_be_that_of_a_rule() -> None:
    assert get_args(Rule.model_fields["statistic"].annotation) == ALL == tuple(MEASURES)


def test_every_statistic_is_in_the_table_of_the_documentation() -> None:
    text = Path("docs/statistics.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    assert [row[1].strip(" `") for row in rows] == list(ALL)
    for name, row in zip(ALL, rows, strict=True):
        measure = MEASURES[name]
        needs = f"{measure.rows}" if measure.rows else f"{measure.rows_per_bin} a bin"
        assert row[5].strip() == needs, name


def test_a_distance_speaks_of_the_values_that_are_there() -> None:
    holed = counts()
    holed[[GRID.missing, GRID.non_finite, GRID.mismatch]] += 10_000
    whole = compare(GRID, counts(), counts(3.0), ALL)
    for name, found in compare(GRID, holed, counts(3.0), ALL).items():
        assert found.distance == whole[name].distance
    assert present(GRID, holed) == 700


def test_categories_have_no_order_but_other_known_and_unseen_count() -> None:
    x, y = np.array([5, 5, 0, 0, 1, 0]), np.array([5, 0, 0, 5, 0, 2])
    found = compare(COLOURS, x, y, ALL)
    assert {name for name in ALL if np.isnan(found[name].distance)} == set(ORDERED)
    assert found["tv"].distance == 0.5
    assert largest_bin(COLOURS, x) == 0


def test_fishers_table_is_the_commonest_bin_against_the_rest() -> None:
    x, y = np.array([5, 3, 0, 1, 9, 0]), np.array([20, 30, 0, 0, 0, 2])
    p = compare(COLOURS, x, y, ["fisher"])["fisher"].p
    assert p == pytest.approx(stats.fisher_exact([[3, 6], [30, 20]]).pvalue)
    flag = grid_of([0.0] * 9 + [1.0])
    x, y = (counts_on(flag, [0.0] * n + [1.0] * m) for n, m in ((8, 5), (90, 10)))
    p = compare(flag, x, y, ["fisher"])["fisher"].p
    assert p == pytest.approx(stats.fisher_exact([[8, 5], [90, 10]]).pvalue)


def test_many_windows_are_compared_at_once() -> None:
    windows = np.stack([counts(shift) for shift in (0.0, 5.0, 9.0)])
    windows[1] = 0
    for name, found in compare(GRID, windows, counts(seed=15), ALL).items():
        single = compare(GRID, windows[2], counts(seed=15), [name])[name].distance
        assert found.distance.shape == (3,)
        assert found.distance[2] == pytest.approx(float(single), rel=1e-12)
        assert np.isnan(found.distance[1])


@pytest.mark.parametrize(
    ("of_windows", "of_baseline"),
    [((500,), ()), ((500,), (1,)), ((2, 300), (300,)), ((300, 2), (2,)), ((300, 2), (300, 1))],
    ids=str,
)
def test_more_windows_than_are_compared_at_once_give_the_same(
    of_windows: tuple[int, ...], of_baseline: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(19)
    shares = counts(seed=15) / 700
    x, y = (rng.multinomial(400, shares, shape or None) for shape in (of_windows, of_baseline))
    whole = compare(GRID, x, y, ALL)
    index = tuple(size - 1 for size in of_windows)
    last = compare(GRID, x[index], np.broadcast_to(y, (*of_windows, GRID.bins))[index], ALL)
    for name in ALL:
        for field in ("distance", "p", "no_drift", "effect"):
            many, one = getattr(whole[name], field), getattr(last[name], field)
            assert (many is None) == (one is None)
            if many is not None:
                assert many.shape == of_windows
                assert many[index] == pytest.approx(float(one), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_with_the_minimum_of_rows_p_values_and_means_hold(name: Statistic) -> None:
    rng = np.random.default_rng(20)
    n = minimum_rows(GRID, name)
    shares = counts_on(GRID, BASE) / len(BASE)
    for m in (n, 30 * n):
        x, y = rng.multinomial(n, shares, 2_000), rng.multinomial(m, shares, 2_000)
        found = compare(GRID, x, y, [name])[name]
        assert found.no_drift is not None
        assert found.no_drift.mean() == pytest.approx(found.distance.mean(), rel=0.1)
        noise = 3 * np.sqrt(0.05 / 2_000)
        assert found.p is None or (found.p < 0.05).mean() < 0.07 + noise


def test_the_minimum_of_rows_follows_the_bins_that_are_read() -> None:
    assert minimum_rows(GRID, "chi2") == 5 * GRID.coarse_bins
    assert minimum_rows(COLOURS, "psi") == 20
    assert minimum_rows(GRID, "ad") == minimum_rows(grid_of([1.0]), "ad") == 20


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

"""Distances against SciPy, against their laws, and against what no drift shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special, stats
from scipy.spatial.distance import jensenshannon

from profiles import distances
from profiles.distances import (
    Distance,
    anderson_darling,
    chi_square,
    cramer_von_mises,
    cramers_v,
    energy,
    fisher_exact,
    g_test,
    hellinger,
    jensen_shannon,
    jensen_shannon_divergence,
    kolmogorov_smirnov,
    kullback_leibler,
    l_infinity,
    laws,
    population_stability_index,
    total_variation,
    wasserstein,
    wasserstein_over_sd,
)
from profiles.errors import GridMismatch

Ints = npt.NDArray[np.int64]
Take = Callable[[Ints, Ints], Distance]
FEW = settings(max_examples=30, deadline=None)


def places(x: Ints, y: Ints) -> npt.NDArray[np.float64]:
    return np.arange(max(x.shape[-1], y.shape[-1])) ** 1.5


def wasserstein_along_a_line(x: Ints, y: Ints) -> Distance:
    return wasserstein(x, y, places(x, y))


def wasserstein_over_sd_along_a_line(x: Ints, y: Ints) -> Distance:
    return wasserstein_over_sd(x, y, places(x, y))


def energy_along_a_line(x: Ints, y: Ints) -> Distance:
    return energy(x, y, places(x, y))


def fisher_exact_of_the_first_bin(x: Ints, y: Ints) -> Distance:
    folded = (np.stack((s[..., 0], s[..., 1:].sum(axis=-1)), axis=-1) for s in (x, y))
    return fisher_exact(*folded)


ORDERED: list[Take] = [kolmogorov_smirnov, cramer_von_mises, anderson_darling]
ALONG_A_LINE: list[Take] = [
    wasserstein_along_a_line,
    wasserstein_over_sd_along_a_line,
    energy_along_a_line,
]
WITH_CHI_SQUARE_LAW: list[Take] = [
    population_stability_index,
    kullback_leibler,
    jensen_shannon,
    jensen_shannon_divergence,
    hellinger,
    chi_square,
    cramers_v,
    g_test,
]
ALL: list[Take] = [
    *ORDERED,
    *ALONG_A_LINE,
    *WITH_CHI_SQUARE_LAW,
    total_variation,
    l_infinity,
    fisher_exact_of_the_first_bin,
]
WITHIN_ONE: list[Take] = [
    kolmogorov_smirnov,
    jensen_shannon,
    jensen_shannon_divergence,
    hellinger,
    total_variation,
    l_infinity,
    cramers_v,
]
SMOOTHED: list[Take] = [population_stability_index, kullback_leibler, fisher_exact_of_the_first_bin]
ONE_WAY: list[Take] = [kullback_leibler, wasserstein_over_sd_along_a_line]  # the baseline's scale
SIGNED: list[Take] = [*ORDERED, fisher_exact_of_the_first_bin]


def each(takes: list[Take]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("distance", takes, ids=lambda f: f.__name__)


every = each(ALL)


@st.composite
def sides(draw: st.DrawFn) -> tuple[Ints, Ints]:
    bins = draw(st.integers(2, 12))
    counts = st.integers(0, 40)
    x, y = (draw(arrays(np.int64, bins, elements=counts)) for _ in range(2))
    x[draw(st.integers(0, bins - 1))] += 1
    y[draw(st.integers(0, bins - 1))] += 1
    return x, y


@FEW
@given(sides())
def test_ks_is_that_of_scipy_on_the_values(both: tuple[Ints, Ints]) -> None:
    x, y = both
    values = np.arange(len(x))
    with np.errstate(divide="ignore"):
        expected = stats.ks_2samp(np.repeat(values, x), np.repeat(values, y), method="asymp")
    assert kolmogorov_smirnov(x, y).distance == pytest.approx(expected.statistic, abs=1e-12)


@pytest.mark.parametrize("size", [10, 15, 30, 100, 1_000])
def test_the_p_value_of_ks_is_within_four_percent_of_the_law(size: int) -> None:
    n = 2 * size  # nm/(n + m) is the size
    above = np.arange(0, n + 1, max(1, n // 400))
    x = np.stack((above, n - above), axis=-1)
    found = kolmogorov_smirnov(x, np.array([0, n]))
    expected = stats.kstwo.sf(above / n, size)
    kept = expected > 0.01
    assert found.p is not None
    np.testing.assert_allclose(found.p[kept], expected[kept], rtol=0.04)


@FEW
@given(sides())
def test_jensen_shannon_is_that_of_scipy_in_bits(both: tuple[Ints, Ints]) -> None:
    x, y = both
    expected = jensenshannon(x / x.sum(), y / y.sum(), base=2)
    # its square cancels to rounding where the sides are nearly the same
    assert jensen_shannon(x, y).distance == pytest.approx(expected, rel=1e-9, abs=1e-7)


@FEW
@given(sides())
def test_wasserstein_is_that_of_scipy(both: tuple[Ints, Ints]) -> None:
    x, y = both
    centres = np.cumsum(np.arange(len(x)) % 3 + 0.25)
    expected = stats.wasserstein_distance(centres, centres, x, y)
    assert wasserstein(x, y, centres).distance == pytest.approx(expected, rel=1e-9, abs=1e-9)


@FEW
@given(sides())
def test_chi_square_is_that_of_scipys_contingency_table(both: tuple[Ints, Ints]) -> None:
    table = np.stack(both)
    table = table[:, table.sum(axis=0) > 0]
    expected = stats.chi2_contingency(table, correction=False)
    found = chi_square(*both)
    assert found.distance == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-12)
    assert found.no_drift == expected.dof


@FEW
@given(sides())
def test_g_and_cramers_v_are_those_of_scipy(both: tuple[Ints, Ints]) -> None:
    table = np.stack(both)
    table = table[:, table.sum(axis=0) > 0]
    expected = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    found = g_test(*both)
    assert found.distance == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-12)
    if table.shape[1] > 1:
        v = stats.contingency.association(table, method="cramer")
        assert cramers_v(*both).distance == pytest.approx(v, rel=1e-9, abs=1e-9)


@FEW
@given(sides())
def test_g_is_that_of_scipys_power_divergence(both: tuple[Ints, Ints]) -> None:
    table = np.stack(both)
    table = table[:, table.sum(axis=0) > 0]
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    found = stats.power_divergence(table, expected, axis=None, lambda_="log-likelihood").statistic
    assert g_test(*both).distance == pytest.approx(found, rel=1e-9, abs=1e-9)


@FEW
@given(sides())
def test_kullback_leibler_is_that_of_scipy_and_unsmoothed_too(both: tuple[Ints, Ints]) -> None:
    x, y = both
    kept = x + y > 0
    p, q = ((s[kept] + 0.5) / (s[kept] + 0.5).sum() for s in both)
    expected = special.rel_entr(p, q).sum()
    assert kullback_leibler(x, y).distance == pytest.approx(expected, abs=1e-12)
    unsmoothed = kullback_leibler(x, y, smoothing=0).distance
    assert unsmoothed == pytest.approx(stats.entropy(x, y), abs=1e-12)


@FEW
@given(sides())
def test_energy_is_that_of_scipy(both: tuple[Ints, Ints]) -> None:
    x, y = both
    centres = np.cumsum(np.arange(len(x)) % 3 + 0.25)
    expected = stats.energy_distance(centres, centres, x, y)
    assert energy(x, y, centres).distance == pytest.approx(expected, rel=1e-9, abs=1e-7)


@FEW
@given(sides())
def test_wasserstein_over_sd_is_that_of_scipy_over_the_baselines(both: tuple[Ints, Ints]) -> None:
    x, y = both
    centres = np.cumsum(np.arange(len(x)) % 3 + 0.25)
    values = np.repeat(centres, y)
    spread = np.std(values) or np.std(np.repeat(centres, x + y)) or 1.0
    expected = stats.wasserstein_distance(centres, centres, x, y) / spread
    found = wasserstein_over_sd(x, y, centres)
    assert found.distance == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert wasserstein(x, y, centres).effect == pytest.approx(expected, rel=1e-9, abs=1e-9)


@st.composite
def untied(draw: st.DrawFn) -> tuple[Ints, Ints]:
    """Two sides of which no value occurs twice."""
    of_window = np.array(draw(st.lists(st.booleans(), min_size=12, max_size=90)))
    of_window[[0, 1, 2]], of_window[[-1, -2, -3]] = True, False
    return of_window.astype(np.int64), (~of_window).astype(np.int64)


@FEW
@given(untied())
def test_cramer_von_mises_is_that_of_scipy_without_ties(both: tuple[Ints, Ints]) -> None:
    x, y = both
    expected = stats.cramervonmises_2samp(*map(np.flatnonzero, both), method="asymptotic")
    found = cramer_von_mises(x, y)
    assert found.distance == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
    assert found.p == pytest.approx(expected.pvalue, rel=2e-3, abs=1e-6)
    assert found.no_drift == pytest.approx((1 + 1 / len(x)) / 6)


def test_cramer_von_mises_makes_no_distance_of_ties() -> None:
    x, y = np.array([60, 40]), np.array([1_200, 800])
    assert cramer_von_mises(x, y).distance == pytest.approx(0.0, abs=1e-12)
    tied = stats.cramervonmises_2samp(np.repeat([0, 1], x), np.repeat([0, 1], y))
    assert tied.statistic > 100  # SciPy's midranks


@FEW
@given(sides())
def test_it_does_not_matter_from_which_end_values_are_counted(both: tuple[Ints, Ints]) -> None:
    x, y = both
    for distance in ORDERED:
        one, other = distance(x, y), distance(x[::-1], y[::-1])
        assert one.distance == pytest.approx(other.distance, rel=1e-9, abs=1e-12)
        assert one.p == pytest.approx(other.p, rel=1e-6, abs=1e-12)
        assert one.effect == pytest.approx(-other.effect, abs=1e-12)


@FEW
@given(sides())
def test_anderson_darling_is_its_definition_with_midranks(both: tuple[Ints, Ints]) -> None:
    x, y = (s.tolist() for s in both)  # Scholz & Stephens 1987, equation 7
    sizes, total, expected = (sum(x), sum(y)), sum(x) + sum(y), 0.0
    for j in range(len(x)):
        tied = x[j] + y[j]
        middle = sum(x[:j]) + sum(y[:j]) + tied / 2
        spread = middle * (total - middle) - total * tied / 4
        for side, n in zip((x, y), sizes, strict=True):
            inner = total * (sum(side[:j]) + side[j] / 2) - n * middle
            expected += tied * inner**2 / (spread * n) if tied and spread else 0.0
    expected *= (total - 1) / total**2
    found = anderson_darling(*both)
    assert found.distance == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert found.no_drift == (1 if np.count_nonzero(both[0] + both[1]) > 1 else 0)


@pytest.mark.parametrize(("value", "p"), [(0.34730, 0.1), (0.46136, 0.05), (0.74346, 0.01)])
def test_the_law_of_cramer_von_mises_has_the_published_quantiles(value: float, p: float) -> None:
    assert laws.cramer_von_mises(np.array(value)) == pytest.approx(p, rel=1e-3)


@pytest.mark.parametrize(("value", "p"), [(1.933, 0.1), (2.492, 0.05), (3.857, 0.01)])
def test_the_law_of_anderson_darling_has_the_published_quantiles(value: float, p: float) -> None:
    assert laws.anderson_darling(np.array(value)) == pytest.approx(p, rel=0.03)


@pytest.mark.parametrize("law", [laws.cramer_von_mises, laws.anderson_darling])
def test_a_law_falls_from_one_to_nothing_without_a_jump(law: Callable[[Any], Any]) -> None:
    p = law(np.linspace(0, 40, 40_001))
    assert p[0] == pytest.approx(1.0)
    assert p[-1] < 1e-15
    assert ((p >= 0) & (p <= 1)).all()
    seen = p[:-1][p[1:] > 0]
    assert (p[1:][: len(seen)] <= 1.000_5 * seen).all()
    late = slice(1_000, 10_000)
    assert (p[1:][late] / p[:-1][late] > 0.98).all()


@FEW
@given(arrays(np.int64, (2, 2), elements=st.integers(0, 60)))
def test_fisher_is_that_of_scipy(table: Ints) -> None:
    x, y = table + np.array([[1, 0], [0, 1]])
    found = fisher_exact(x, y)
    expected = stats.fisher_exact([x, y])
    assert found.p == pytest.approx(expected.pvalue, rel=1e-7)
    if 0 < expected.statistic < np.inf:
        unsmoothed = fisher_exact(x, y, smoothing=0).distance
        assert unsmoothed == pytest.approx(abs(np.log(expected.statistic)), abs=1e-9)


def test_fisher_is_exact_for_millions_of_rows() -> None:
    x, y = np.array([1_500_400, 3_499_600]), np.array([300_000, 700_000])
    expected = chi_square(x, y).p  # at this size the same
    assert fisher_exact(x, y).p == pytest.approx(expected, rel=0.01)


def test_fisher_needs_two_bins() -> None:
    with pytest.raises(GridMismatch, match="for 2 bins, not 3 and 3"):
        fisher_exact(np.array([1, 2, 3]), np.array([1, 2, 3]))


@FEW
@given(sides())
def test_the_others_are_their_formulas(both: tuple[Ints, Ints]) -> None:
    x, y = both
    p, q = x / x.sum(), y / y.sum()
    assert total_variation(x, y).distance == pytest.approx(np.abs(p - q).sum() / 2, abs=1e-12)
    assert l_infinity(x, y).distance == pytest.approx(np.abs(p - q).max(), abs=1e-12)
    away = np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2)
    assert hellinger(x, y).distance == pytest.approx(away, abs=1e-9)
    squared = jensen_shannon(x, y).distance ** 2
    assert jensen_shannon_divergence(x, y).distance == pytest.approx(squared, abs=1e-12)
    kept = x + y > 0
    p, q = ((s[kept] + 0.5) / (s[kept] + 0.5).sum() for s in both)
    index = ((p - q) * np.log(p / q)).sum()
    assert population_stability_index(x, y).distance == pytest.approx(index, abs=1e-12)


@FEW
@given(sides())
def test_the_effect_of_ordered_distances_counts_pairs(both: tuple[Ints, Ints]) -> None:
    x, y = both
    a, b = (np.repeat(np.arange(len(x)), s) for s in both)
    delta = np.sign(a[:, None] - b).mean()
    for distance in ORDERED:
        assert distance(x, y).effect == pytest.approx(delta, abs=1e-12)


def test_distances_with_a_chi_square_law_have_one_effect() -> None:
    # a change of Cohen's w = 0.1 on ten bins, many rows
    shares = np.full(10, 0.1)
    moved = shares * (1 + 0.1 * np.tile([1, -1], 5))
    x, y = np.round(moved * 1e8), np.round(shares * 1e8)
    for distance in WITH_CHI_SQUARE_LAW:
        assert distance(x, y).effect == pytest.approx(0.1, rel=0.01)


@each(WITH_CHI_SQUARE_LAW)
def test_an_effect_does_not_grow_with_rows_and_noise_is_taken_off(distance: Take) -> None:
    rng = np.random.default_rng(21)
    shares = rng.dirichlet(np.full(10, 30.0))
    moved = shares * (1 + 0.2 * np.tile([1, -1], 5))
    moved /= moved.sum()
    for n in (2_000, 50_000):
        x, y = rng.multinomial(n, moved, 500), rng.multinomial(4 * n, shares, 500)
        square = np.square(distance(x, y).effect).mean()
        assert np.sqrt(square) == pytest.approx(0.2, rel=0.05)


def test_the_energy_coefficient_ends_at_two_constants() -> None:
    x, y = np.array([5, 0, 0]), np.array([0, 0, 9])
    assert energy(x, y, np.array([0.0, 1.0, 7.0])).effect == 1.0


def test_a_baseline_of_one_value_lends_no_standard_deviation() -> None:
    x, y = np.array([99, 1]), np.array([1_000, 0])
    found = wasserstein_over_sd(x, y, np.array([5.0, 6.0])).distance
    assert found == pytest.approx(0.01 / np.sqrt(1 / 1_100 * (1 - 1 / 1_100)))
    assert wasserstein_over_sd(y, y, np.array([5.0, 6.0])).distance == 0


@every
@FEW
@given(both=sides())
def test_a_distance_is_in_its_range_and_symmetric_unless_it_says_so(
    distance: Take, both: tuple[Ints, Ints]
) -> None:
    x, y = both
    one, other = distance(x, y), distance(y, x)
    assert 0 <= one.distance <= (1 if distance in WITHIN_ONE else np.inf)
    assert distance in WITHIN_ONE or one.distance < np.inf
    for value in (one.p, one.no_drift):
        assert value is None or value >= 0
    assert one.p is None or one.p <= 1
    if distance in ONE_WAY:
        return
    for name in ("distance", "p", "no_drift"):
        found, swapped = getattr(one, name), getattr(other, name)
        assert found is swapped is None or found == pytest.approx(swapped, rel=1e-6, abs=1e-12)
    if distance in SIGNED:
        assert one.effect == pytest.approx(-other.effect, abs=1e-12)


@every
def test_equal_shares_are_no_distance_and_no_effect(distance: Take) -> None:
    x = np.array([100, 0, 200, 300])
    found = distance(x, 2 * x)
    # half a row in every bin is not in proportion
    most = 5e-3 if distance in SMOOTHED else 1e-7
    assert found.distance == pytest.approx(0.0, abs=most)
    least = 0.8 if distance in ORDERED else 0.999  # a law that is matched begins somewhere else
    assert found.p is None or found.p > least
    assert found.effect is None or found.effect == pytest.approx(0.0, abs=1e-7)


@each(WITHIN_ONE)
def test_nothing_in_common_is_one(distance: Take) -> None:
    assert distance(np.array([7, 0]), np.array([0, 3])).distance == 1.0


@every
@pytest.mark.parametrize("empty", ["window", "baseline", "both"])
def test_an_empty_side_makes_everything_nan(distance: Take, empty: str) -> None:
    x, y = np.array([1, 2, 3]), np.array([3, 2, 1])
    found = distance(x * (empty == "baseline"), y * (empty == "window"))
    for value in (found.distance, found.p, found.no_drift, found.effect):
        assert value is None or np.isnan(value)


@every
def test_a_column_of_one_value_has_not_moved(distance: Take) -> None:
    found = distance(np.array([0, 9, 0]), np.array([0, 50, 0]))
    assert found.distance == found.no_drift == pytest.approx(0.0, abs=1e-12)
    assert found.p is None or found.p == pytest.approx(1.0)
    assert found.effect is None or found.effect == pytest.approx(0.0, abs=1e-12)


@every
def test_broadcasting_equals_the_loop(distance: Take) -> None:
    rng = np.random.default_rng(6)
    x, y = rng.integers(0, 9, (4, 1, 6)), rng.integers(0, 9, (3, 6))
    x[0] = 0
    y[:, 2] = 0
    x[..., 2] = 0
    found = distance(x, y)
    for i, j in np.ndindex(4, 3):
        one = distance(x[i, 0], y[j])
        for name in ("distance", "p", "no_drift", "effect"):
            whole, single = getattr(found, name), getattr(one, name)
            assert (whole is None) == (single is None)
            if whole is not None:
                assert whole.shape == (4, 3)
                np.testing.assert_allclose(whole[i, j], single, rtol=1e-9, atol=1e-12)


def test_lengths_may_span_more_than_the_largest_float() -> None:
    x, y = np.array([1, 0]), np.array([0, 1])
    near, far = np.array([-8e307, 8e307]), np.array([-1.7e308, 1.7e308])
    assert wasserstein(x, y, near).distance == 1.6e308
    assert wasserstein(x, y, far).distance == np.inf
    for centres in (near, far):
        assert wasserstein_over_sd(x, y, centres).distance == pytest.approx(2.0)
        assert energy(x, y, centres).distance == pytest.approx(2 * np.sqrt(centres[1]), rel=1e-12)


@pytest.mark.parametrize("bins", [2, 10, 60])
@each([d for d in ALL if d is not kolmogorov_smirnov])
def test_without_drift_the_mean_distance_is_the_stated_one(distance: Take, bins: int) -> None:
    x, y, _ = undrifted(bins, 100 * bins + 800, 250 * bins + 2_000, seed=7)
    found = distance(x, y)
    assert found.no_drift is not None
    # 4,000 draws leave up to 2 % of noise at 2 bins; the laws are of first order in 1/n
    assert found.distance.mean() == pytest.approx(found.no_drift.mean(), rel=0.05)


@pytest.mark.parametrize(("bins", "within"), [(1_000, 0.03), (200, 0.03), (10, 0.05), (2, 0.12)])
def test_without_drift_the_mean_ks_is_the_stated_one(bins: int, within: float) -> None:
    x, y, _ = undrifted(bins, 4_000, 4_000, seed=8, draws=2_000)
    found = kolmogorov_smirnov(x, y)
    assert found.no_drift is not None
    assert found.distance.mean() == pytest.approx(found.no_drift.mean(), rel=within)


@pytest.mark.parametrize("heavy", [0.3, 0.6, 0.9])
@each([kolmogorov_smirnov, l_infinity, cramer_von_mises, anderson_darling, energy_along_a_line])
def test_a_heavy_value_is_known_to_the_mean_without_drift(distance: Take, heavy: float) -> None:
    rng = np.random.default_rng(17)
    shares = np.concatenate(([heavy], np.full(40, (1 - heavy) / 40)))
    x, y = rng.multinomial(3_000, shares, 5_000), rng.multinomial(9_000, shares, 5_000)
    found = distance(x, y)
    assert found.no_drift is not None
    within = 0.05
    if distance is kolmogorov_smirnov:  # a formula that is fitted
        within = 0.12 if heavy < 0.5 else 0.25
    assert found.no_drift.mean() == pytest.approx(found.distance.mean(), rel=within)


@each([*WITH_CHI_SQUARE_LAW, cramer_von_mises, anderson_darling])
@pytest.mark.parametrize("bins", [2, 3, 10])
def test_without_drift_p_values_are_uniform(distance: Take, bins: int) -> None:
    x, y, draws = undrifted(bins, 2_000, 4_000, seed=9)
    p = distance(x, y).p
    assert p is not None
    off = 0.25 if bins == 3 and distance in ORDERED else 0.05  # a law that is matched
    for level in (0.01, 0.05, 0.2, 0.5, 0.9):
        noise = np.sqrt(level * (1 - level) / draws)
        assert (p <= level).mean() == pytest.approx(level, abs=4 * noise + off * level)


@each([kolmogorov_smirnov, cramer_von_mises, anderson_darling])
def test_without_drift_the_p_value_of_a_continuous_column_holds(distance: Take) -> None:
    x, y, draws = undrifted(1_000, 1_000, 1_500, seed=10, draws=1_000)
    p = distance(x, y).p
    assert p is not None
    for level in (0.01, 0.05, 0.2):
        noise = np.sqrt(level * (1 - level) / draws)
        share = (p <= level).mean()
        assert 0.7 * level - 4 * noise <= share <= level + 4 * noise


@pytest.mark.parametrize("rows", [(8, 8), (30, 12), (20, 400)])
def test_without_drift_fishers_p_value_is_never_too_small(rows: tuple[int, int]) -> None:
    rng = np.random.default_rng(12)
    x, y = (rng.multinomial(n, [0.2, 0.8], 4_000) for n in rows)
    p = fisher_exact(x, y).p
    assert p is not None
    for level in (0.01, 0.05, 0.2):
        assert (p <= level).mean() <= level + 3 * np.sqrt(level / 4_000)


def undrifted(
    bins: int, n: int, m: int, *, seed: int, draws: int = 4_000
) -> tuple[Ints, Ints, int]:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(bins, 20.0))
    return rng.multinomial(n, shares, draws), rng.multinomial(m, shares, draws), draws


def test_every_public_distance_is_held_here() -> None:
    public = {
        name
        for name, value in vars(distances).items()
        if callable(value)
        and getattr(value, "__annotations__", {}).get("return") == "Distance"
        and not name.startswith("_")
    }
    held = {f.__name__.split("_along_")[0].split("_of_the_")[0] for f in ALL}
    assert public == held
    assert public | {"Distance", "Counts", "Statistic"} == set(distances.__all__)

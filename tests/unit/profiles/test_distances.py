"""Distances against SciPy, against published values, and against what no drift shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.spatial.distance import jensenshannon

from profiles import distances
from profiles.distances import (
    Distance,
    chi_square,
    hellinger,
    jensen_shannon,
    kolmogorov_smirnov,
    l_infinity,
    population_stability_index,
    total_variation,
    wasserstein,
)

Ints = npt.NDArray[np.int64]
FEW = settings(max_examples=30, deadline=None)


def along_a_line(x: Ints, y: Ints) -> Distance:
    return wasserstein(x, y, np.arange(max(x.shape[-1], y.shape[-1])) ** 1.5)


ALL: list[Callable[[Ints, Ints], Distance]] = [
    kolmogorov_smirnov,
    population_stability_index,
    jensen_shannon,
    hellinger,
    along_a_line,
    total_variation,
    l_infinity,
    chi_square,
]
WITHIN_ONE = [kolmogorov_smirnov, jensen_shannon, hellinger, total_variation, l_infinity]
WITH_CHI_SQUARE_LAW = [population_stability_index, jensen_shannon, hellinger, chi_square]
every = pytest.mark.parametrize("distance", ALL, ids=lambda f: f.__name__)


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
def test_the_others_are_their_formulas(both: tuple[Ints, Ints]) -> None:
    x, y = both
    p, q = x / x.sum(), y / y.sum()
    assert total_variation(x, y).distance == pytest.approx(np.abs(p - q).sum() / 2, abs=1e-12)
    assert l_infinity(x, y).distance == pytest.approx(np.abs(p - q).max(), abs=1e-12)
    away = np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2)
    assert hellinger(x, y).distance == pytest.approx(away, abs=1e-9)
    kept = x + y > 0
    p, q = ((s[kept] + 0.5) / (s[kept] + 0.5).sum() for s in both)
    index = ((p - q) * np.log(p / q)).sum()
    assert population_stability_index(x, y).distance == pytest.approx(index, abs=1e-12)


@every
@FEW
@given(both=sides())
def test_a_distance_is_symmetric_and_in_its_range(
    distance: Callable[[Ints, Ints], Distance], both: tuple[Ints, Ints]
) -> None:
    x, y = both
    one, other = distance(x, y), distance(y, x)
    assert one.distance == pytest.approx(other.distance, rel=1e-12, abs=1e-12)
    assert one.distance >= 0
    assert distance in WITHIN_ONE or one.distance < np.inf
    if distance in WITHIN_ONE:
        assert one.distance <= 1
    for law, swapped in ((one.p, other.p), (one.no_drift, other.no_drift)):
        if law is not None:
            assert law == pytest.approx(swapped, rel=1e-9, abs=1e-12)
            assert law >= 0
    assert one.p is None or one.p <= 1


@every
def test_equal_shares_are_no_distance(distance: Callable[[Ints, Ints], Distance]) -> None:
    x = np.array([100, 0, 200, 300])
    found = distance(x, 2 * x)
    # half a row in every bin is not in proportion
    most = 1e-5 if distance is population_stability_index else 1e-7
    assert found.distance == pytest.approx(0.0, abs=most)
    assert found.p is None or found.p == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("distance", WITHIN_ONE, ids=lambda f: f.__name__)
def test_nothing_in_common_is_one(distance: Callable[[Ints, Ints], Distance]) -> None:
    assert distance(np.array([7, 0]), np.array([0, 3])).distance == 1.0


@every
@pytest.mark.parametrize("empty", ["window", "baseline", "both"])
def test_an_empty_side_makes_everything_nan(
    distance: Callable[[Ints, Ints], Distance], empty: str
) -> None:
    x, y = np.array([1, 2, 3]), np.array([3, 2, 1])
    found = distance(x * (empty == "baseline"), y * (empty == "window"))
    for value in (found.distance, found.p, found.no_drift):
        assert value is None or np.isnan(value)


@every
def test_broadcasting_equals_the_loop(distance: Callable[[Ints, Ints], Distance]) -> None:
    rng = np.random.default_rng(6)
    x, y = rng.integers(0, 9, (4, 1, 6)), rng.integers(0, 9, (3, 6))
    x[0] = 0
    y[:, 2] = 0
    x[..., 2] = 0
    found = distance(x, y)
    for i, j in np.ndindex(4, 3):
        one = distance(x[i, 0], y[j])
        for name in ("distance", "p", "no_drift"):
            whole, single = getattr(found, name), getattr(one, name)
            assert (whole is None) == (single is None)
            if whole is not None:
                np.testing.assert_allclose(
                    np.broadcast_to(whole, (4, 3))[i, j], single, rtol=1e-12, atol=1e-12
                )


def test_wasserstein_spans_more_than_the_largest_float() -> None:
    x, y = np.array([1, 0]), np.array([0, 1])
    assert wasserstein(x, y, np.array([-8e307, 8e307])).distance == 1.6e308
    assert wasserstein(x, y, np.array([-1.7e308, 1.7e308])).distance == np.inf


@pytest.mark.parametrize("bins", [2, 10])
@pytest.mark.parametrize(
    "distance",
    [*WITH_CHI_SQUARE_LAW, total_variation, along_a_line],
    ids=lambda f: f.__name__,
)
def test_without_drift_the_mean_distance_is_the_stated_one(
    distance: Callable[[Ints, Ints], Distance], bins: int
) -> None:
    x, y, _ = undrifted(bins, 1_000, 2_500, seed=7)
    found = distance(x, y)
    assert found.no_drift is not None
    # 4,000 draws leave up to 2 % of noise at 2 bins; the laws are of first order in 1/n
    assert found.distance.mean() == pytest.approx(found.no_drift.mean(), rel=0.06)


def test_without_drift_the_mean_ks_of_a_continuous_column_is_the_stated_one() -> None:
    x, y, _ = undrifted(1_000, 2_000, 2_000, seed=8, draws=800)
    found = kolmogorov_smirnov(x, y)
    assert found.no_drift is not None
    assert found.distance.mean() == pytest.approx(found.no_drift.mean(), rel=0.06)


@pytest.mark.parametrize("distance", WITH_CHI_SQUARE_LAW, ids=lambda f: f.__name__)
def test_without_drift_p_values_are_uniform(
    distance: Callable[[Ints, Ints], Distance],
) -> None:
    x, y, draws = undrifted(10, 2_000, 4_000, seed=9)
    p = distance(x, y).p
    assert p is not None
    for level in (0.01, 0.05, 0.2, 0.5, 0.9):
        noise = np.sqrt(level * (1 - level) / draws)
        assert (p <= level).mean() == pytest.approx(level, abs=4 * noise + 0.05 * level)


def test_without_drift_the_p_value_of_ks_is_seldom_too_small() -> None:
    x, y, draws = undrifted(1_000, 1_000, 1_500, seed=10, draws=1_000)
    p = kolmogorov_smirnov(x, y).p
    assert p is not None
    for level in (0.01, 0.05, 0.2):
        noise = np.sqrt(level * (1 - level) / draws)
        share = (p <= level).mean()
        assert 0.7 * level - 4 * noise <= share <= level + 4 * noise


def undrifted(
    bins: int, n: int, m: int, *, seed: int, draws: int = 4_000
) -> tuple[Ints, Ints, int]:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(bins, 20.0))
    return rng.multinomial(n, shares, draws), rng.multinomial(m, shares, draws), draws


# Yurdakul 2018; Yurdakul & Naranjo 2020: critical values of the index at α = .05
YURDAKUL = [
    (1_000, 1_000, 10, 0.0338, 5e-5),
    (1_000, 1_000, 20, 0.0603, 5e-5),
    (10_000, 10_000, 10, 0.0034, 5e-5),
    (100_000, 100_000, 10, 0.0003, 5e-5),
    (100, 200, 10, 0.2537846640693067, 1e-9),
    (24_000, 50_000, 10, 0.00104, 5e-6),
]


@pytest.mark.parametrize(("n", "m", "bins", "critical", "digits"), YURDAKUL)
def test_the_critical_psi_is_the_published_one(
    n: int, m: int, bins: int, critical: float, digits: float
) -> None:
    x, y = np.zeros((2, bins), np.int64)
    x[:], y[:] = n // bins, m // bins
    no_drift = population_stability_index(x, y).no_drift
    freedom = no_drift / (1 / n + 1 / m)
    assert freedom == pytest.approx(bins - 1)
    assert stats.chi2.ppf(0.95, freedom) * (1 / n + 1 / m) == pytest.approx(critical, abs=digits)


@pytest.mark.parametrize(("bins", "critical"), [(10, 0.0338), (20, 0.0603)])
def test_five_percent_of_undrifted_windows_pass_the_critical_psi(
    bins: int, critical: float
) -> None:
    rng = np.random.default_rng(11)
    shares = np.full(bins, 1 / bins)
    x, y = rng.multinomial(1_000, shares, 8_000), rng.multinomial(1_000, shares, 8_000)
    found = population_stability_index(x, y)
    assert found.p is not None
    assert (found.distance > critical).mean() == pytest.approx(0.05, abs=0.01)
    assert ((found.distance > critical) == (found.p < 0.05)).mean() > 0.999


def test_the_values_of_the_docstrings_of_frouros() -> None:
    # frouros 0.9.0: 100 draws of N(0, 1) and of N(1, 1), seed 31 of the old generator
    rng = np.random.RandomState(31)
    a, b = rng.normal(0, 1, 100), rng.normal(1, 1, 100)
    values = np.unique(np.concatenate((a, b)))
    x, y = np.isin(values, a).astype(np.int64), np.isin(values, b).astype(np.int64)
    assert kolmogorov_smirnov(x, y).distance == pytest.approx(0.55)
    assert wasserstein(x, y, values).distance == pytest.approx(1.0686078744674332)
    edges = np.linspace(values[0], values[-1], 21)
    x, y = np.histogram(a, edges)[0], np.histogram(b, edges)[0]
    assert hellinger(x, y).distance == pytest.approx(0.467129645775421)


def test_the_hellinger_distance_of_the_tests_of_evidently() -> None:
    # evidently, tests/stattests/test_stattests.py
    x, y = np.array([16, 18, 16, 14, 12, 12]), np.array([16, 16, 16, 16, 16, 8])
    assert hellinger(x, y).distance == pytest.approx(0.06812, abs=1e-5)


def test_the_jensen_shannon_divergence_of_the_tests_of_tfdv() -> None:
    # tensorflow/data-validation, anomalies/metrics_test.cc: a, b, c, Z, Y, X
    p, q = np.array([2, 2, 1, 0, 0, 0]), np.array([2, 0, 0, 1, 1, 1])
    assert jensen_shannon(p, q).distance ** 2 == pytest.approx(0.6)


def test_every_public_distance_is_held_here() -> None:
    public = {
        name
        for name, value in vars(distances).items()
        if callable(value)
        and getattr(value, "__annotations__", {}).get("return") == "Distance"
        and not name.startswith("_")
    }
    assert public == {f.__name__ for f in ALL if f is not along_a_line} | {"wasserstein"}

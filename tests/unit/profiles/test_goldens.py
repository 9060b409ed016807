"""Values that others published: reproduced, or reproduced with the convention that ours differs in.

`tests/data/statistics.json` holds the values with their sources, `tests/data/penguins.json` the
counts that one of the sources works on.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from profiles import distances

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
DATA = Path(__file__).parents[2] / "data"
GOLDEN: dict[str, Any] = json.loads((DATA / "statistics.json").read_text(encoding="utf-8"))
PENGUINS: dict[str, Any] = json.loads((DATA / "penguins.json").read_text(encoding="utf-8"))
FROUROS = GOLDEN["frouros_docstrings"]

old_generator = np.random.RandomState(31)
A, B = old_generator.normal(0, 1, 100), old_generator.normal(1, 1, 100)
VALUES = np.unique(np.concatenate((A, B)))
X, Y = np.isin(VALUES, A).astype(np.int64), np.isin(VALUES, B).astype(np.int64)
EDGES = np.linspace(VALUES[0], VALUES[-1], 21)
X20, Y20 = np.histogram(A, EDGES)[0], np.histogram(B, EDGES)[0]


def test_kolmogorov_smirnov_of_frouros() -> None:
    found = distances.kolmogorov_smirnov(X, Y)
    assert found.distance == pytest.approx(FROUROS["ks"]["statistic"])
    # ours is the law in the limit of many rows, theirs counts paths: far out they part
    assert stats.ks_2samp(A, B).pvalue == pytest.approx(FROUROS["ks"]["p"])
    assert found.p == pytest.approx(FROUROS["ks"]["p"], rel=0.5)


def test_cramer_von_mises_of_frouros() -> None:
    assert distances.cramer_von_mises(X, Y).distance == pytest.approx(FROUROS["cramer_von_mises"])


def test_anderson_darling_of_frouros_is_ours_standardised() -> None:
    found = distances.anderson_darling(X, Y).distance
    standardised = (found - 1) / anderson_darling_sigma(len(A), len(B))
    assert standardised == pytest.approx(FROUROS["anderson_darling"], rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(arrays(np.int64, (2, 9), elements=st.integers(1, 40)))
def test_anderson_darling_of_scipy_is_ours_standardised(both: Ints) -> None:
    n, m = both.sum(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where its p-value ends
        values = [np.repeat(np.arange(9), side) for side in both]
        scipys = stats.anderson_ksamp(values, variant="midrank")
    found = distances.anderson_darling(*both)
    standardised = (found.distance - 1) / anderson_darling_sigma(int(n), int(m))
    assert standardised == pytest.approx(scipys.statistic, rel=1e-6, abs=1e-6)


def anderson_darling_sigma(n: int, m: int) -> float:
    """Scholz & Stephens 1987, equation 4, for two samples of n and m without ties."""
    total = n + m
    over = 1 / n + 1 / m
    h = float((1 / np.arange(1, total)).sum())
    g = float(((1 / np.arange(total - 1, 1, -1)).cumsum() / np.arange(2, total)).sum())
    a = 4 * g - 6 + (10 - 6 * g) * over
    b = 4 * (2 * g - 4) + 16 * h + (2 * g - 14 * h - 4) * over - 8 * h + 4 * g - 6
    c = 4 * (6 * h + 2 * g - 2) + 2 * (4 * h - 4 * g + 6) + (2 * h - 6) * over + 4 * h
    d = 4 * (2 * h + 6) - 8 * h
    cubic = a * total**3 + b * total**2 + c * total + d
    return float(np.sqrt(cubic / ((total - 1) * (total - 2) * (total - 3))))


def test_mann_whitney_of_frouros_is_the_effect_of_the_ordered_distances() -> None:
    for distance in (
        distances.kolmogorov_smirnov,
        distances.cramer_von_mises,
        distances.anderson_darling,
    ):
        delta = distance(X, Y).effect
        assert delta is not None
        assert (1 + delta) / 2 * X.sum() * Y.sum() == pytest.approx(FROUROS["mann_whitney_u"])
    away = abs(FROUROS["mann_whitney_u"] - 5_000) - 0.5
    p = 2 * stats.norm.sf(away / np.sqrt(100 * 100 * 201 / 12))
    assert p == pytest.approx(FROUROS["mann_whitney_p"], rel=1e-9)


def test_welchs_t_of_frouros_follows_from_values_and_counts() -> None:
    means = [VALUES @ side / side.sum() for side in (X, Y)]
    variances = [
        np.square(VALUES - mean) @ side / (side.sum() - 1)
        for mean, side in zip(means, (X, Y), strict=True)
    ]
    t = (means[0] - means[1]) / np.sqrt(variances[0] / 100 + variances[1] / 100)
    assert t == pytest.approx(FROUROS["welch_t"])


def test_wasserstein_and_energy_of_frouros() -> None:
    found = distances.wasserstein(X, Y, VALUES).distance
    assert found == pytest.approx(FROUROS["wasserstein"])
    assert distances.energy(X, Y, VALUES).distance == pytest.approx(FROUROS["energy"])


def test_hellinger_of_frouros() -> None:
    assert distances.hellinger(X20, Y20).distance == pytest.approx(FROUROS["hellinger_20bins"])


def test_jensen_shannon_of_frouros_is_ours_in_nats_on_its_smoothed_bins() -> None:
    # 20 edges are 19 bins, read off each side's own histogram by lines between its edges
    edges = np.linspace(VALUES[0], VALUES[-1], 20)
    sides = [np.histogram(side, "auto") for side in (A, B)]
    p, q = (np.diff(np.interp(edges, at, np.cumsum([0, *counts]))) for counts, at in sides)
    nats = distances.jensen_shannon(p, q).distance * np.sqrt(np.log(2))
    assert nats == pytest.approx(FROUROS["jensen_shannon_20bins"])


def test_the_index_of_frouros_has_a_tiny_floor_where_ours_adds_half_a_row() -> None:
    p, q = (np.maximum(side / side.sum(), np.finfo(float).tiny) for side in (X20, Y20))
    index = ((p - q) * np.log(p / q)).sum()
    assert index == pytest.approx(FROUROS["psi_20bins_floor_float_min"])
    assert 1.0 < distances.population_stability_index(X20, Y20).distance < 2.0


@pytest.mark.parametrize(
    ("window", "which"), [("no_drift", 0), ("covariate_drift", 1), ("concept_drift", 2)]
)
def test_fisher_of_the_penguins_is_one_sided_and_ours_two_sided(window: str, which: int) -> None:
    tables = PENGUINS["correct_then_wrong"]
    x, y = np.array(tables[window]), np.array(tables["reference"])
    right, n, total = x[0] + y[0], x.sum(), x.sum() + y.sum()
    less = stats.hypergeom.cdf(x[0], total, right, n)
    assert less == pytest.approx(GOLDEN["penguins"]["fisher_exact_p"][which], rel=1e-9)
    found = distances.fisher_exact(x, y)
    assert found.p == pytest.approx(stats.fisher_exact([x, y]).pvalue, rel=1e-9)
    assert found.p > less


def test_cramer_von_mises_of_the_penguins_has_midranks_for_its_few_ties() -> None:
    errors = PENGUINS["squared_errors"]
    x, y = np.array(errors["no_drift"]), np.array(errors["reference"])
    ranks = (np.repeat(np.arange(len(side)), side) for side in (x, y))
    published = GOLDEN["penguins"]["cramer_von_mises_p"]
    assert stats.cramervonmises_2samp(*ranks).pvalue == pytest.approx(published, rel=1e-6)
    assert distances.cramer_von_mises(x, y).p == pytest.approx(published, rel=1e-4)


def test_hellinger_of_evidently() -> None:
    golden = GOLDEN["evidently_tests"]
    x, y = np.array(golden["current_counts"]), np.array(golden["reference_counts"])
    assert distances.hellinger(x, y).distance == pytest.approx(golden["hellinger"], abs=1e-5)


def test_chi_square_of_evidently_takes_the_baseline_as_exact_and_ours_does_not() -> None:
    golden = GOLDEN["evidently_tests"]
    x, y = np.array(golden["current_counts"]), np.array(golden["reference_counts"])
    one_sample = stats.chisquare(x, y / y.sum() * x.sum()).pvalue
    assert one_sample == pytest.approx(golden["one_sample_chisquare_p"], abs=1e-5)
    assert distances.chi_square(x, y).p == pytest.approx(stats.chi2_contingency([x, y]).pvalue)


def test_jensen_shannon_divergence_of_tfdv() -> None:
    (golden,) = GOLDEN["tfdv"]["jensen_shannon_divergence_log2"]
    found = distances.jensen_shannon_divergence(*aligned(golden["p"], golden["q"]))
    assert found.distance == pytest.approx(golden["value"])


# The counts of awslabs/deequ, KLLDistanceTest.scala
DEEQU = [
    ({"a": 10, "b": 20, "c": 25, "d": 10, "e": 5}, {"a": 11, "b": 20, "c": 25, "d": 10, "e": 10}),
    ({"a": 10, "b": 20, "c": 25, "d": 10, "e": 5}, {"f": 11, "a": 20, "c": 25, "d": 10, "e": 10}),
]
DEEQU_ALPHA = (
    {"a": 207, "b": 20, "c": 25, "d": 14, "e": 25, "g": 13},
    {"a": 22, "b": 20, "c": 25, "d": 12, "e": 13, "f": 15},
)
DEEQU_CHI_SQUARE = (
    {"a": 207, "b": 20, "c": 25, "d": 14, "e": 25, "g": 13},
    {"a": 223, "b": 20, "c": 25, "d": 12, "e": 13, "f": 15},
)


@pytest.mark.parametrize("which", [0, 1])
def test_l_infinity_of_deequ(which: int) -> None:
    found = distances.l_infinity(*aligned(*DEEQU[which])).distance
    assert found == pytest.approx(GOLDEN["deequ"]["l_infinity_simple"][which], rel=1e-12)


@pytest.mark.parametrize("alpha", [0.003, 0.1])
def test_the_robust_l_infinity_of_deequ_takes_off_a_bound_of_kolmogorov_smirnov(
    alpha: float,
) -> None:
    x, y = aligned(*DEEQU_ALPHA)
    off = np.sqrt(-np.log(alpha / 2) / 2 * (1 / x.sum() + 1 / y.sum()))
    golden = GOLDEN["deequ"]["l_infinity_robust_alpha_" + str(alpha).lstrip("0")]
    assert distances.l_infinity(x, y).distance - off == pytest.approx(golden, rel=1e-12)


def test_chi_square_of_deequ_takes_the_baseline_as_exact_and_ours_does_not() -> None:
    x, y = aligned(*DEEQU_CHI_SQUARE)
    one_sample = stats.chisquare(x[y > 0], y[y > 0] / y.sum() * x[y > 0].sum())
    assert one_sample.statistic == pytest.approx(GOLDEN["deequ"]["chi_square"])
    assert one_sample.pvalue == pytest.approx(GOLDEN["deequ"]["chi_square_p"])
    assert distances.chi_square(x, y).distance == pytest.approx(
        stats.chi2_contingency([x, y]).statistic
    )


@pytest.mark.parametrize("golden", GOLDEN["psi_null"]["alpha_.05"], ids=str)
def test_the_critical_index_is_the_published_one(golden: dict[str, float]) -> None:
    n, m, bins = int(golden["n"]), int(golden["m"]), int(golden["bins"])
    x, y = np.full(bins, n // bins), np.full(bins, m // bins)
    no_drift = distances.population_stability_index(x, y).no_drift
    assert no_drift is not None
    freedom = no_drift / (1 / n + 1 / m)
    assert freedom == pytest.approx(bins - 1)
    critical = stats.chi2.ppf(0.95, freedom) * (1 / n + 1 / m)
    decimals = len(str(golden["critical"])) - len("0.")
    assert critical == pytest.approx(golden["critical"], abs=0.5 * 10**-decimals + 1e-12)


@pytest.mark.parametrize(("bins", "critical"), [(10, 0.0338), (20, 0.0603)])
def test_five_percent_of_undrifted_windows_pass_the_critical_index(
    bins: int, critical: float
) -> None:
    rng = np.random.default_rng(11)
    shares = np.full(bins, 1 / bins)
    x, y = rng.multinomial(1_000, shares, 8_000), rng.multinomial(1_000, shares, 8_000)
    found = distances.population_stability_index(x, y)
    assert found.p is not None
    assert (found.distance > critical).mean() == pytest.approx(0.05, abs=0.01)
    assert ((found.distance > critical) == (found.p < 0.05)).mean() > 0.999
    assert found.distance.mean() == pytest.approx((bins - 1) * 2 / 1_000, rel=0.02)


def test_every_golden_of_a_distance_is_held_here() -> None:
    # adjusting many p-values and quantiles of χ² are no distances
    others = {"note", "multiple_testing", "moments"}
    held = {"frouros_docstrings", "penguins", "evidently_tests", "tfdv", "deequ", "psi_null"}
    assert set(GOLDEN) - others == held


def aligned(p: dict[str, int], q: dict[str, int]) -> tuple[Ints, Ints]:
    names = sorted(set(p) | set(q))
    return np.array([p.get(k, 0) for k in names]), np.array([q.get(k, 0) for k in names])

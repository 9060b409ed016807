"""Distances between two vectors of counts, each in one function.

All of them take ``x`` (the window) and ``y`` (the baseline) with bins on the last axis and
broadcast over the others, so a year of windows is one call. They return a `Distance`; where one
side has no rows everything in it is NaN. Bins that are empty on both sides count for nothing. None
of them takes the baseline as exact: both sides are samples.

How a window is binned for them is said in `profiles.comparison`.
"""

from __future__ import annotations

from typing import Literal

from profiles.distances.binwise import (
    chi_square,
    cramers_v,
    g_test,
    hellinger,
    jensen_shannon,
    jensen_shannon_divergence,
    kullback_leibler,
    l_infinity,
    population_stability_index,
    total_variation,
)
from profiles.distances.distance import Counts, Distance
from profiles.distances.lengths import energy, wasserstein, wasserstein_over_sd
from profiles.distances.ordered import anderson_darling, cramer_von_mises, kolmogorov_smirnov
from profiles.distances.two_by_two import fisher_exact

__all__ = [
    "Counts",
    "Distance",
    "Statistic",
    "anderson_darling",
    "chi_square",
    "cramer_von_mises",
    "cramers_v",
    "energy",
    "fisher_exact",
    "g_test",
    "hellinger",
    "jensen_shannon",
    "jensen_shannon_divergence",
    "kolmogorov_smirnov",
    "kullback_leibler",
    "l_infinity",
    "population_stability_index",
    "total_variation",
    "wasserstein",
    "wasserstein_over_sd",
]

Statistic = Literal[
    "ks",
    "psi",
    "js",
    "hellinger",
    "wasserstein",
    "tv",
    "linf",
    "chi2",
    "jsd",
    "kl",
    "g",
    "cramers_v",
    "cvm",
    "ad",
    "wasserstein_sd",
    "energy",
    "fisher",
]

"""Order statistics without a full sort, against a full sort."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from profiles.ranks import SORTED, distinct, ranked

N = 5 * SORTED
RNG = np.random.default_rng(7)
COLUMNS = {
    "normal": RNG.normal(size=N),
    "sorted": np.sort(RNG.lognormal(0.0, 4.0, N)),
    "heavy zeros": np.where(RNG.random(N) < 0.6, 0.0, RNG.normal(size=N)),
    "two heavy values side by side": np.where(RNG.random(N) < 0.3, 1.0, np.nextafter(1.0, 2.0)),
    "rounded": np.round(RNG.normal(size=N), 2),
    "narrow": 1e9 + RNG.normal(size=N) * 1e-6,
    "outliers that a sample misses": np.where(np.arange(N) % 9_973 == 5, 1e300, RNG.random(N)),
    "one value": np.full(N, 3.0),
    "few": RNG.normal(size=3),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_ranks_and_heavy_values_are_those_of_a_full_sort(name: str) -> None:
    values: npt.NDArray[np.float64] = COLUMNS[name]
    ranks = np.unique(np.linspace(0, len(values) - 1, 203).astype(np.int64))
    found, heavy = ranked(values, ranks, len(values) / 400)
    np.testing.assert_array_equal(found, np.sort(values)[ranks])
    different, counts = np.unique(values, return_counts=True)
    np.testing.assert_array_equal(heavy, different[counts >= len(values) / 400])


@pytest.mark.parametrize("name", COLUMNS)
def test_few_different_values_are_listed_and_many_are_not(name: str) -> None:
    values, expected = COLUMNS[name], np.unique(COLUMNS[name])
    for most in (1, 100):
        found = distinct(values, most)
        if len(expected) > most:
            assert found is None
        else:
            np.testing.assert_array_equal(found, expected)

"""Both kernels against numpy, on edges and values that are hard to tell apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from profiles.kernel import compiled, plain
from profiles.kernel.cells import MAX_STEPS, cells

Floats = npt.NDArray[np.float64]

BOTH = pytest.mark.parametrize("kernel", [compiled, plain], ids=["compiled", "plain"])
HARD = [
    0.0, -0.0, 5e-324, -5e-324, 2.2e-308, 1.0, np.nextafter(1.0, 2.0), np.nextafter(1.0, 0.0),
    1e9, np.nextafter(1e9, 2e9), 1.7e308, -1.7e308, np.finfo(float).max, -np.finfo(float).max,
]  # fmt: skip
FINITE = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(HARD)
ANY = FINITE | st.sampled_from([np.nan, -np.nan, np.inf, -np.inf])
EDGES = st.lists(FINITE, min_size=1, max_size=60, unique=True).map(
    lambda found: np.unique(np.array(found) + 0.0)
)


def expected(edges: Floats, values: Floats) -> npt.NDArray[np.int64]:
    codes = np.searchsorted(edges, values, side="right")
    codes[np.isnan(values)] = len(edges) + 1
    codes[np.isinf(values)] = len(edges) + 2
    return codes


def check(kernel: ModuleType, edges: Floats, values: Floats) -> None:
    found = kernel.bins(values, cells(edges), len(edges) + 1)
    np.testing.assert_array_equal(found, expected(edges, values))


@BOTH
@settings(max_examples=300, deadline=None)
@given(edges=EDGES, values=arrays(np.float64, st.integers(0, 40), elements=ANY))
def test_every_value_lands_in_the_bin_that_searchsorted_names(
    kernel: ModuleType, edges: Floats, values: Floats
) -> None:
    with np.errstate(over="ignore"):
        near = np.concatenate((edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf)))
    check(kernel, edges, np.concatenate((values, near)))


@BOTH
@pytest.mark.parametrize(
    ("name", "scale"),
    [("a narrow range far from 0", 1e-6), ("wide", 1e3), ("denormal", 1e-310), ("huge", 1e300)],
)
def test_grids_of_any_width_are_exact(kernel: ModuleType, name: str, scale: float) -> None:
    rng = np.random.default_rng(len(name))
    values = 1e9 * (name[0] == "a") + rng.standard_t(3, 20_000) * scale
    check(kernel, np.unique(np.quantile(values, np.arange(200) / 200)), values)


def test_edges_that_crowd_one_cell_are_searched_instead() -> None:
    crowd = [np.array([-1e300, 1e300])]
    crowd += [at * (1 + np.arange(60) * 2.0**-52) for at in (1.0, 1e100, -1e100, 1e-100)]
    edges = np.unique(np.concatenate(crowd))
    assert cells(edges).steps == 0 < MAX_STEPS
    rng = np.random.default_rng(1)
    check(compiled, edges, np.concatenate((edges, rng.choice(edges, 500), rng.normal(size=500))))


def test_without_numba_the_plain_kernel_and_the_usual_way_of_reading_are_taken(
    tmp_path: Path,
) -> None:
    (tmp_path / "log.db").touch()
    code = """
import sys
sys.modules["numba"] = None
import pyarrow as pa
from pydantic import SecretStr
from monitor.sources.database import Database
from monitor.sources.stepping import can_step
from profiles.baseline import accept
from profiles.kernel import kernel
rows = pa.record_batch({"x": [1.0, 2.0, None], "c": ["a", "b", "a"]})
found = accept([rows], dimensions=(("c",),))
print(kernel().__name__, found.rows, can_step(Database(SecretStr("sqlite:///" + sys.argv[1]))))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "log.db")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["profiles.kernel.plain", "3", "False"], done.stderr


@BOTH
def test_counts_are_added_to_the_place_of_each_group(kernel: ModuleType) -> None:
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 7, 5_000).astype(np.uint16)
    group = rng.integers(0, 3, 5_000).astype(np.int32)
    slots, totals = np.array([4, 0, 2]), np.ones((5, 20), np.int64)
    kernel.count(codes, 7, group, slots, totals, 10)
    wanted = np.ones((5, 20), np.int64)
    np.add.at(wanted, (slots[group], 10 + codes), 1)
    np.testing.assert_array_equal(totals, wanted)


@BOTH
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("shift", [0.0, 1e9, -1e15])
@pytest.mark.parametrize("away", [0.0, 3.0, -100.0, 1e9, 1e300])
def test_moments_are_those_of_each_group_whatever_they_are_near(
    kernel: ModuleType, groups: int, shift: float, away: float
) -> None:
    rng = np.random.default_rng(3)
    values = shift + rng.normal(size=3_001)
    values[::50] = np.nan
    codes = np.where(np.isnan(values), 9, 1).astype(np.uint16)
    group = rng.integers(0, groups, len(values)).astype(np.int32)
    n, mean, m2, low, high = kernel.moments(values, codes, 9, group, groups, shift + away)
    for at in range(groups):
        mine = values[(group == at) & (codes < 9)]
        assert (n[at], low[at], high[at]) == (len(mine), mine.min(), mine.max())
        assert mean[at] == pytest.approx(mine.mean(), rel=1e-15, abs=1e-14)
        left = mine - shift  # exact, so that the spread is known although the mean is large
        assert m2[at] == pytest.approx(np.square(left - left.mean()).sum(), rel=1e-12)


@BOTH
def test_a_sum_beyond_the_largest_float_still_has_its_mean(kernel: ModuleType) -> None:
    values = np.array([1.7e308, 1.6e308, 1.5e308, -1.0])
    codes, group = np.ones(4, np.uint16), np.array([0, 0, 0, 1], np.int32)
    n, mean, m2, low, high = kernel.moments(values, codes, 5, group, 2, 1.0)
    assert n.tolist() == [3, 1]
    assert mean[0] == pytest.approx(1.6e308)
    assert mean[1] == low[1] == high[1] == -1.0
    assert (m2[0], m2[1]) == (np.inf, 0.0)


@BOTH
def test_a_constant_has_no_spread_whatever_it_is_near(kernel: ModuleType) -> None:
    values, codes = np.full(1_000, 0.1), np.ones(1_000, np.uint16)
    group = np.repeat(np.array([0, 1], np.int32), 500)
    _, mean, m2, _, _ = kernel.moments(values, codes, 5, group, 2, 0.3)
    assert (mean.tolist(), m2.tolist()) == ([0.1, 0.1], [0.0, 0.0])


@BOTH
def test_a_group_without_values_has_no_moments(kernel: ModuleType) -> None:
    group = np.zeros(2, np.int32)
    for groups in (1, 2):
        n, mean, m2, low, high = kernel.moments(
            np.array([np.nan, np.inf]), np.array([8, 9], np.uint16), 8, group, groups, 0.0
        )
        assert (n[-1], mean[-1], m2[-1], low[-1], high[-1]) == (0, 0.0, 0.0, np.inf, -np.inf)

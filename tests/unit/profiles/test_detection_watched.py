"""Some twenty places in place of hundreds of bins: nothing is lost, the odd stands apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.counting import profile
from profiles.detection.watched import MAX_CATEGORIES, Folding, Watched, watched
from profiles.grids import CategoricalGrid, Grid, NumericGrid, categorical_grid
from profiles.profile import Plan
from tests.support.profiles import categories_of, counts_on, grid_of

RNG = np.random.default_rng(4)
GRIDS: dict[str, Grid] = {
    "normal": grid_of(RNG.normal(0, 50, 3_000)),
    "heavy tail": grid_of(RNG.pareto(1, 3_000)),
    "few values": grid_of(np.repeat([1.0, 2.0, 7.0], (500, 30, 1))),
    "one value": grid_of([3.0] * 50),
    "one value and its neighbour": grid_of([3.0, np.nextafter(3.0, 4)]),
    "zeros and a spread": grid_of(np.append(np.zeros(4_000), RNG.exponential(5, 2_000))),
    "huge": grid_of([-1.7e308, 0.0, 1.7e308]),
    "letters": categories_of(pa.array(list("aabc")), "string"),
    "one letter": categories_of(pa.array(["a"]), "string"),
    "booleans": categories_of(pa.array([True, False, True]), "boolean"),
    "codes": categories_of(pa.array([1, 2, 2]), "number"),
    "hundreds": categorical_grid({f"c{i:03}": 700 - i for i in range(700)}, "string"),
}
NUMBERS = {name: grid for name, grid in GRIDS.items() if isinstance(grid, NumericGrid)}
CATEGORIES = {name: grid for name, grid in GRIDS.items() if isinstance(grid, CategoricalGrid)}


def below_and_above(of: Watched) -> tuple[int, int]:
    below, above = of.beyond
    return below, above


def missing_and_wrong(of: Watched) -> tuple[int, int]:
    return of.values, of.values + 1


def folded(grid: NumericGrid, values: Sequence[float]) -> npt.NDArray[np.int64]:
    return Folding([watched(grid)]).fold(counts_on(grid, values))


def places_of(grid: CategoricalGrid, name: str, values: pa.Array) -> npt.NDArray[np.int64]:
    """Profile rows as a window is, and fold what was counted."""
    plan = Plan(grids={name: grid})
    (everybody,) = profile(plan, [pa.record_batch({name: values})])
    return Folding([watched(grid)]).fold(everybody.columns[name].counts)[0]


@pytest.mark.parametrize("name", GRIDS)
@given(seed=st.integers(0, 2**32 - 1), shape=st.sampled_from([(), (3,), (2, 0), (4, 5)]))
def test_places_sum_to_the_rows(name: str, seed: int, shape: tuple[int, ...]) -> None:
    grid = GRIDS[name]
    counts = np.random.default_rng(seed).poisson(2, (*shape, grid.bins))
    found = Folding([watched(grid)]).fold(counts)
    assert found.shape == (*shape, watched(grid).places)
    assert (found.sum(axis=-1) == counts.sum(axis=-1)).all()


@pytest.mark.parametrize("name", GRIDS)
def test_every_bin_lies_in_one_of_some_twenty_places(name: str) -> None:
    grid = GRIDS[name]
    of = watched(grid)
    assert of.place.shape == (grid.bins,)
    assert (of.place >= 0).all()
    assert (of.place < of.places).all()
    assert all(0 <= at < of.values for at in of.beyond)
    assert 0 < len(of.beyond) < of.values <= MAX_CATEGORIES + 4
    for at in range(grid.bins):
        one = np.zeros(grid.bins, np.int64)
        one[at] = 7
        expected = np.zeros(of.places, np.int64)
        expected[of.place[at]] = 7
        assert (Folding([of]).fold(one) == expected).all()


@pytest.mark.parametrize("name", GRIDS)
def test_the_special_bins_are_missing_or_wrong_and_no_other_is(name: str) -> None:
    grid = GRIDS[name]
    of = watched(grid)
    missing, wrong = missing_and_wrong(of)
    assert np.flatnonzero(of.place == missing).tolist() == [grid.missing]
    specials = [grid.non_finite] if isinstance(grid, NumericGrid) else []
    assert np.flatnonzero(of.place == wrong).tolist() == [*specials, grid.mismatch]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_out_of_the_baselines_range_is_below_or_above_it(name: str) -> None:
    grid = NUMBERS[name]
    of = watched(grid)
    below, above = below_and_above(of)
    span = max(1.0, abs(grid.low), abs(grid.high))
    if span < 1e300:
        far = folded(grid, [grid.low - 1e4 * span, grid.high + 1e4 * span, -1e300, 1e300])
        assert (far[below], far[above], far.sum()) == (2, 2, 4)
    ends = folded(grid, [grid.low, grid.high])
    assert ends[[below, above]].tolist() == [0, 0]


@pytest.mark.parametrize("name", ["few values", "one value", "one value and its neighbour"])
def test_beside_single_values_the_next_float_is_out_of_range_already(name: str) -> None:
    grid = NUMBERS[name]
    below, above = below_and_above(watched(grid))
    just_out = [np.nextafter(grid.low, -np.inf), np.nextafter(grid.high, np.inf)]
    assert folded(grid, just_out)[[below, above]].tolist() == [1, 1]


def test_a_column_of_one_value_has_a_place_for_it_and_for_all_that_is_not() -> None:
    grid = NUMBERS["one value"]
    assert folded(grid, [3.0, 3.0, 2.9, 3.1, np.nan, np.inf]).tolist() == [1, 2, 1, 1, 1]


def test_a_heavy_value_is_a_place_and_the_spread_beside_it_about_ten() -> None:
    grid = NUMBERS["zeros and a spread"]
    of = watched(grid)
    zero = folded(grid, [0.0])
    assert folded(grid, [-0.0]).tolist() == zero.tolist()
    spread = folded(grid, np.random.default_rng(5).exponential(5, 500).tolist())
    assert spread[zero.argmax()] == 0
    assert 5 <= np.count_nonzero(np.delete(spread[: of.values], of.beyond)) <= 12


def test_a_column_of_the_baseline_lies_evenly_in_its_places() -> None:
    values = np.random.default_rng(6).normal(0, 1, 5_000)
    grid = grid_of(values)
    found = Folding([watched(grid)]).fold(counts_on(grid, values))
    of = watched(grid)
    inside = np.delete(found[: of.values], of.beyond)
    assert inside.min() > 300
    assert inside.max() < 700
    assert inside.sum() == 5_000


@pytest.mark.parametrize("name", NUMBERS)
def test_places_of_numbers_stand_in_order(name: str) -> None:
    grid = NUMBERS[name]
    of = watched(grid)
    assert of.ordered
    assert (np.diff(of.place[: grid.values]) >= 0).all()
    assert of.beyond == (0, of.values - 1)


@pytest.mark.parametrize("name", CATEGORIES)
def test_categories_have_no_order(name: str) -> None:
    assert not watched(CATEGORIES[name]).ordered


def test_booleans_have_a_place_each() -> None:
    values = pa.array([True, True, False, None])
    assert places_of(CATEGORIES["booleans"], "flag", values).tolist() == [2, 1, 0, 0, 1, 0]


def test_of_hundreds_of_categories_the_largest_stand_alone() -> None:
    grid = CATEGORIES["hundreds"]
    assert len(grid.categories) == 256
    names = [*grid.categories[: MAX_CATEGORIES + 5], *grid.known[:2], "never seen", None]
    found = places_of(grid, "code", pa.array(names)).tolist()
    assert found == [1] * MAX_CATEGORIES + [7, 1, 1, 0]


def test_an_unseen_category_is_beyond_what_the_baseline_held() -> None:
    of = watched(CATEGORIES["letters"])
    found = places_of(CATEGORIES["letters"], "letter", pa.array(["a", "x", "y"]))
    assert found[list(of.beyond)].tolist() == [2]

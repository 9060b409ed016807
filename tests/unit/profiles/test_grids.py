from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.comparison import coarsen, largest_bin
from profiles.errors import InvalidGrid
from profiles.grids import (
    HEAVY,
    MAX_CATEGORIES,
    MAX_KNOWN,
    CategoricalGrid,
    NumericGrid,
    from_dict,
    numeric_grid,
)
from profiles.values import labels
from tests.support.profiles import categories_of, counts_on, grid_of, read

FEW = settings(max_examples=30, deadline=None)
VALUES = st.floats(-1e9, 1e9) | st.integers(-5, 5).map(float) | st.sampled_from([0.0, -0.0])
COLUMN = st.lists(VALUES, min_size=1, max_size=150)
NORMAL = np.random.default_rng(12).normal(50, 9, 20_000)


def text_grid(words: list[str | None]) -> CategoricalGrid:
    return categories_of(pa.array(words, pa.string()), "string")


@FEW
@given(COLUMN, COLUMN)
def test_the_bin_of_a_value_is_where_the_edges_say(base: list[float], rows: list[float]) -> None:
    grid = grid_of(base)
    expected = [int(np.sum(grid.edges <= value)) for value in rows]
    assert grid.codes(read(rows)).tolist() == expected


@FEW
@given(COLUMN)
def test_a_numeric_grid_is_well_formed(base: list[float]) -> None:
    grid = grid_of(base)
    assert (np.diff(grid.edges) > 0).all()
    assert (np.diff(grid.centres) >= 0).all()
    assert len(grid.centres) == len(grid.coarse) == len(grid.single) == grid.values
    assert set(np.diff(grid.coarse)) <= {0, 1}
    assert grid.coarse[0] == 0
    assert grid.coarse[-1] == grid.coarse_bins - 1
    assert (grid.low, grid.high) == (min(base), max(base))
    assert counts_on(grid, base)[: grid.values][grid.outside].sum() == 0
    assert not np.signbit(grid.edges[grid.edges == 0]).any()


@FEW
@given(COLUMN)
def test_the_order_and_batches_of_a_baseline_do_not_change_its_grid(base: list[float]) -> None:
    batches = [read(base[::-1][:3]), read([]), read(base[::-1][3:])]
    assert numeric_grid(batches).id == grid_of(base).id


def test_the_order_of_many_rows_does_not_change_the_grid_to_the_last_bit() -> None:
    shuffled = np.random.default_rng(5).permutation(NORMAL)
    assert grid_of(shuffled).id == grid_of(NORMAL).id


def test_a_bin_is_worth_the_mean_of_its_rows() -> None:
    grid = grid_of(NORMAL)
    bins = grid.codes(read(NORMAL))
    for place in np.unique(bins).tolist():
        assert grid.centres[place] == pytest.approx(NORMAL[bins == place].mean(), rel=1e-12)


@FEW
@given(COLUMN)
def test_a_numeric_grid_survives_json(base: list[float]) -> None:
    grid = grid_of(base)
    again = from_dict(json.loads(json.dumps(grid.to_dict())))
    assert isinstance(again, NumericGrid)
    assert again.id == grid.id
    assert (again.coarse_bins, again.bins) == (grid.coarse_bins, grid.bins)


@FEW
@given(st.lists(st.none() | st.text(max_size=3), min_size=1).filter(any))
def test_a_categorical_grid_survives_json(words: list[str | None]) -> None:
    grid = text_grid(words)
    assert from_dict(json.loads(json.dumps(grid.to_dict()))) == grid
    assert text_grid(words[::-1]).id == grid.id


def test_the_name_of_a_grid_is_of_its_content() -> None:
    assert grid_of([1.0, 2.0]).id == grid_of([2.0, 1.0]).id
    assert grid_of([1.0, 2.0]).id != grid_of([1.0, 2.5]).id
    assert text_grid(["a"]).id != text_grid(["b"]).id
    numbers = categories_of(pa.array([1]), "number")
    assert numbers.id != text_grid(["1"]).id


@pytest.mark.parametrize("distinct", [1, 2, 100, 150, 400])
def test_each_value_of_a_discrete_column_is_a_bin_of_its_own(distinct: int) -> None:
    values = np.arange(distinct) * 1.5
    grid = grid_of(np.repeat(values, 7))
    bins = grid.codes(read(values))
    assert len(set(bins.tolist())) == distinct
    assert grid.single[bins].all()
    np.testing.assert_array_equal(grid.centres[bins], values)
    assert largest_bin(grid, counts_on(grid, values)) == 0


def test_a_heavy_value_within_a_continuous_column_is_a_bin_of_its_own() -> None:
    spike = 50.0
    values = np.concatenate((NORMAL, np.full(round(HEAVY * len(NORMAL)) + 1, spike)))
    grid = grid_of(values)
    (place,) = grid.codes(read([spike])).tolist()
    assert grid.single[place]
    assert grid.centres[place] == spike
    light = grid_of(np.concatenate((NORMAL, np.full(10, spike))))
    assert not light.single[light.codes(read([spike]))].any()


SPREAD = np.random.default_rng(7).normal(size=8_000)
PART = np.random.default_rng(8).random(8_000)


@pytest.mark.parametrize(
    "values",
    [
        np.where(PART < 0.6, 0.0, SPREAD),
        np.where(PART < 0.003, SPREAD[0], SPREAD),  # about as often as is heavy
        np.where(PART < 0.3, 1.0, np.where(PART < 0.5, np.nextafter(1.0, 2.0), SPREAD)),
        np.round(SPREAD, 2),
        1e9 + SPREAD * 1e-4,
        np.where(np.arange(8_000) % 997 == 5, 1e300, SPREAD),
        np.concatenate((SPREAD[:7_980], np.full(20, 7.0))),  # 1/400 to the row
        np.concatenate((SPREAD[:7_981], np.full(19, 7.0))),
    ],
)
def test_all_values_that_are_heavy_and_no_others_are_bins_of_their_own(
    values: npt.NDArray[np.float64],
) -> None:
    grid = grid_of(values)
    different, times = np.unique(values, return_counts=True)
    heavy = different[times >= HEAVY * len(values)]
    assert grid.single[grid.codes(read(heavy))].all()
    light = different[times < HEAVY * len(values)]
    assert not grid.single[grid.codes(read(light))].any()


def test_deciles_and_percentiles_are_edges() -> None:
    grid = grid_of(NORMAL)
    hundredth = len(NORMAL) // 100
    assert np.isin(np.sort(NORMAL)[hundredth - 1 : -1 : hundredth], grid.edges).all()


def test_a_continuous_column_has_about_two_hundred_bins_of_equal_mass() -> None:
    grid = grid_of(NORMAL)
    assert 200 <= grid.values <= 220
    assert largest_bin(grid, counts_on(grid, NORMAL)) <= 1 / 200 + 1 / len(NORMAL)


def test_a_shift_beyond_either_end_is_still_measured() -> None:
    grid = grid_of(NORMAL)
    for sign in (-1, 1):
        moved = [np.mean(grid.centres[grid.codes(read(NORMAL + sign * by))]) for by in (60, 200)]
        assert abs(moved[1] - 50) > abs(moved[0] - 50) + 60
        beyond = counts_on(grid, NORMAL + sign * 500)
        assert beyond[: grid.values][grid.outside].sum() == len(NORMAL)
        assert beyond[0 if sign < 0 else grid.values - 1] == 0


def test_coarse_bins_are_about_ten_of_equal_mass() -> None:
    grid = grid_of(NORMAL)
    coarse = coarsen(grid, counts_on(grid, NORMAL)[: grid.values])
    assert grid.coarse_bins == len(coarse) == 10
    np.testing.assert_allclose(coarse / len(NORMAL), 0.1, atol=0.005)


@FEW
@given(COLUMN)
def test_coarse_bins_are_never_many_and_a_heavy_one_stands_alone(base: list[float]) -> None:
    grid = grid_of(base)
    fine = counts_on(grid, base)[: grid.values]
    heavy = np.flatnonzero(fine >= len(base) / 10)
    assert grid.coarse_bins <= 2 * 10 + 1
    for place in heavy.tolist():
        assert (grid.coarse == grid.coarse[place]).sum() == 1


def test_a_value_beside_a_constant_has_moved() -> None:
    grid = grid_of([3.0] * 50)
    constant = counts_on(grid, [3.0])[: grid.values]
    for value in (2.999, 3.001, -1e9, 1e9, float(np.nextafter(3.0, 4.0))):
        other = counts_on(grid, [value])[: grid.values]
        assert (coarsen(grid, constant) != coarsen(grid, other)).any()


def test_special_bins_take_what_is_no_finite_number() -> None:
    grid = grid_of([1.0])
    counts = counts_on(grid, [None, np.nan, np.inf, -np.inf, 1.0])
    assert (counts[grid.missing], counts[grid.non_finite], counts[grid.mismatch]) == (2, 2, 0)
    assert counts.sum() == 5


@pytest.mark.parametrize("values", [[], [None, None], [np.nan, np.inf]])
def test_a_column_without_finite_numbers_has_no_grid(values: list[float | None]) -> None:
    with pytest.raises(InvalidGrid, match="finite number"):
        grid_of(values)


def test_a_column_without_expected_values_has_no_categories() -> None:
    with pytest.raises(InvalidGrid, match="no row of the baseline holds a string"):
        categories_of(pa.array([1]), "string")


def test_categories_are_ordered_by_weight_then_name() -> None:
    assert text_grid(["b", "a", "c", "c", None]).categories == ("c", "a", "b")


def test_rare_categories_are_other_known_and_new_ones_unseen() -> None:
    heavy = [f"h{i}" for i in range(MAX_CATEGORIES)]
    grid = text_grid([*heavy, *heavy, "rare", "seldom"])
    assert grid.known == ("rare", "seldom")
    column = labels(pa.array(["rare", "new", None, "h7"]), "string")
    place = grid.categories.index("h7")
    assert grid.codes(column).tolist() == [grid.other, grid.unseen, grid.missing, place]
    wrong = labels(pa.array([1, None]), "string")
    assert grid.codes(wrong).tolist() == [grid.mismatch, grid.missing]


def test_the_names_that_a_baseline_knows_are_limited() -> None:
    grid = text_grid([f"{i:06}" for i in range(MAX_CATEGORIES + MAX_KNOWN + 5)])
    assert (len(grid.categories), len(grid.known)) == (MAX_CATEGORIES, MAX_KNOWN)

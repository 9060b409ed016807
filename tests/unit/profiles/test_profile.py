from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from profiles.counting import profile
from profiles.names import Names
from profiles.profile import NO_VALUE, Plan
from tests.support.profiles import categories_of, counts_on, grid_of, union

GRID = grid_of(np.arange(10.0))
COLOURS = categories_of(pa.array(["red", "green", "red"]), "string")


def test_counts_are_what_counting_each_cohort_by_itself_gives() -> None:
    rng = np.random.default_rng(4)
    x, region = rng.integers(-2, 12, 500).astype(float), rng.choice(["n", "s", "w"], 500)
    plan = Plan(grids={"x": GRID}, dimensions=(("region",),))
    everybody, by_region = profile(plan, [pa.record_batch({"x": x, "region": region})])
    assert_array_equal(everybody.columns["x"].counts[0], counts_on(GRID, x))
    assert by_region.groups == (("n",), ("s",), ("w",))
    for at, (name,) in enumerate(by_region.groups):
        mine = x[region == name]
        column = by_region.columns["x"]
        assert column.moments is not None
        assert_array_equal(column.counts[at], counts_on(GRID, mine))
        assert by_region.rows[at] == column.moments.n[at] == len(mine)
        assert column.moments.mean[at] == pytest.approx(mine.mean(), rel=1e-12)
        assert column.moments.std()[at] == pytest.approx(mine.std(ddof=1), rel=1e-12)
        assert column.moments.standard_error()[at] == pytest.approx(
            mine.std(ddof=1) / len(mine) ** 0.5, rel=1e-12
        )


def test_a_combination_holds_the_pairs_that_occur() -> None:
    batch = pa.record_batch({"a": ["y", "x", "y", None], "b": [1, 2, 1, 2]})
    (_, found) = profile(Plan(grids={}, dimensions=(("a", "b"),)), [batch])
    assert found.groups == ((NO_VALUE, "2"), ("x", "2"), ("y", "1"))
    assert found.rows.tolist() == [1, 1, 2]


def test_a_cohort_named_like_the_missing_one_is_one_with_it() -> None:
    batch = pa.record_batch({"a": [NO_VALUE, None, "x"]})
    plan = Plan(grids={}, dimensions=(("a",),))
    (_, found) = profile(plan, [batch, batch])
    assert found.groups == ((NO_VALUE,), ("x",))
    assert found.rows.tolist() == [4, 2]


def test_cohorts_of_mixed_types_are_named_by_their_values() -> None:
    batch = pa.record_batch({"a": union([1, "x", True, None, 1.0, "1"])})
    (_, found) = profile(Plan(grids={}, dimensions=(("a",),)), [batch])
    assert dict(zip(found.groups, found.rows.tolist(), strict=True)) == {
        (NO_VALUE,): 1,
        ("1",): 3,
        ("true",): 1,
        ("x",): 1,
    }


def test_an_absent_cohort_column_is_one_cohort_of_missing() -> None:
    batch = pa.record_batch({"x": [1.0, 2.0]})
    (_, found) = profile(Plan(grids={"x": GRID}, dimensions=(("region",),)), [batch])
    assert found.groups == ((NO_VALUE,),)


def test_combining_many_large_cohort_columns_does_not_overflow() -> None:
    size = 70_000  # to the fourth power it is past the largest integer
    one = pa.DictionaryArray.from_arrays(
        pa.array([0, size - 1, size - 1]), pa.array([str(i) for i in range(size)])
    )
    batch = pa.record_batch(dict.fromkeys("abcde", one))
    (_, found) = profile(Plan(grids={}, dimensions=(tuple("abcde"),)), [batch])
    assert found.groups == (("0",) * 5, (str(size - 1),) * 5)
    assert found.rows.tolist() == [1, 2]


def test_a_window_without_the_column_counts_it_as_missing() -> None:
    plan = Plan(grids={"x": GRID, "colour": COLOURS})
    (found,) = profile(plan, [pa.record_batch({"other": [1, 2, 3]})])
    assert found.columns["x"].counts[0, GRID.missing] == 3
    assert found.columns["colour"].counts[0, COLOURS.missing] == 3
    assert found.columns["x"].moments is not None
    assert found.columns["x"].moments.n.tolist() == [0]


def test_an_all_missing_column_has_no_moments() -> None:
    (found,) = profile(Plan(grids={"x": GRID}), [pa.record_batch({"x": pa.nulls(4)})])
    moments = found.columns["x"].moments
    assert moments is not None
    assert (moments.n[0], moments.mean[0], moments.low[0], moments.high[0]) == (
        0,
        0.0,
        np.inf,
        -np.inf,
    )
    assert np.isnan(moments.std()[0])


def test_one_row_has_a_mean_and_no_spread() -> None:
    (found,) = profile(Plan(grids={"x": GRID}), [pa.record_batch({"x": [3]})])
    moments = found.columns["x"].moments
    assert moments is not None
    assert (moments.mean[0], moments.low[0], moments.high[0]) == (3.0, 3.0, 3.0)
    assert np.isnan(moments.std()[0])
    assert np.isnan(moments.standard_error()[0])


@pytest.mark.parametrize("batches", [[], [pa.record_batch({"x": pa.array([], pa.float64())})]])
def test_no_rows_are_a_profile_of_nothing(batches: list[pa.RecordBatch]) -> None:
    everybody, by_region = profile(Plan(grids={"x": GRID}, dimensions=(("region",),)), batches)
    assert everybody.rows.tolist() == [0]
    assert by_region.groups == ()


def test_values_the_baseline_does_not_know_are_named_with_their_rows() -> None:
    batch = pa.record_batch({"colour": ["red", "blue", "blue", None, "grey"]})
    plan = Plan(grids={"colour": COLOURS}, dimensions=(("colour",),))
    everybody, by_colour = profile(plan, [batch, batch])
    assert everybody.unseen == {"colour": Names(rows={"blue": 4, "grey": 2})}
    assert by_colour.unseen == {}
    assert everybody.columns["colour"].counts[0, COLOURS.unseen] == 6


def test_a_plan_without_columns_counts_rows() -> None:
    (found,) = profile(Plan(grids={}), [pa.record_batch({"x": [1, 2]})])
    assert found.rows.tolist() == [2]

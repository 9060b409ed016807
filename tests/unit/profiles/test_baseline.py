"""What a column is taken for, and the baseline that is made of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from profiles.baseline import accept, position
from profiles.errors import InvalidGrid
from profiles.grids import CategoricalGrid, NumericGrid
from profiles.kinds import infer_kind
from tests.support.profiles import union

IDS = [f"id {i}" for i in range(300)]


@pytest.mark.parametrize(
    ("column", "name", "reason"),
    [
        (pa.array([1.5, None]), "numeric", "numbers"),
        (pa.array([1, 1, 2]), "numeric", "numbers"),
        (pa.array([1]).cast(pa.decimal128(19, 0)), "numeric", "numbers"),
        (pa.array([True, None]), "categorical", "true or false"),
        (pa.array(["a", "b", "a"]), "categorical", "text of 2 values"),
        (pa.array(["a", None]).dictionary_encode(), "categorical", "text of 1 value"),
        (pa.array(IDS[:100]), "categorical", "text of 100 values"),
        (pa.array(IDS), "ignored", "free text or an identifier: 300 values in 300 rows"),
        (pa.array(IDS * 2), "categorical", "text of 300 values"),
        (pa.array([None, None], pa.string()), "ignored", "every value is missing"),
        (pa.nulls(3), "ignored", "every value is missing"),
        (union([None, None]), "ignored", "every value is missing"),
        (pa.chunked_array([], pa.string()), "ignored", "every value is missing"),
        (pa.array([1], pa.date32()), "ignored", "values of type date32[day] are not profiled"),
        (union([1, "a", 2.5, None]), "numeric", "numbers"),
        (union([1, "a", "b"]), "categorical", "text of 2 values"),
        (union([True, False, 1]), "categorical", "true or false"),
        (pa.chunked_array([["a"], ["b"]]), "categorical", "text of 2 values"),
        ([pa.array([1, 2]), pa.array(["a", "b", "c"]), pa.array([1.5, 2.5])], "numeric", "numbers"),
        ([pa.array(IDS[:150]), pa.array(IDS[:150])], "categorical", "text of 150 values"),
        (
            [pa.array(IDS[:150]), pa.array(IDS[150:])],
            "ignored",
            "free text or an identifier: 300 values in 300 rows",
        ),
        ([pa.nulls(9), pa.array(["a"])], "categorical", "text of 1 value"),
        ([], "ignored", "every value is missing"),
    ],
)
def test_a_column_is_what_most_of_its_values_are(column: object, name: str, reason: str) -> None:
    kind = infer_kind(column)  # type: ignore[arg-type]
    assert (kind.name, kind.reason) == (name, reason)
    assert (kind.values is None) == (name == "ignored")


def test_categories_that_do_not_occur_are_not_counted() -> None:
    array = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(IDS))
    assert infer_kind(array).reason == "text of 2 values"
    assert infer_kind(pa.array(IDS).dictionary_encode().slice(7, 3)).reason == "text of 3 values"


BATCHES = [
    pa.record_batch({"id": ["a", "b", "c"], "x": [1, 2, 2], "w": ["u", None, "v"]}),
    pa.record_batch({"id": ["d"], "x": [np.nan], "z": [True]}),
]


def test_a_baseline_holds_kinds_grids_and_its_own_counts() -> None:
    found = accept(BATCHES, skip=["id"], dimensions=(("w",),))
    assert {name: kind.name for name, kind in found.kinds.items()} == {
        "x": "numeric",
        "w": "categorical",
        "z": "categorical",
    }
    assert found.rows == 4
    x, z = found.plan.grids["x"], found.plan.grids["z"]
    assert isinstance(x, NumericGrid)
    assert isinstance(z, CategoricalGrid)
    assert found.profiles[0].columns["x"].counts[0, x.missing] == 1
    assert found.profiles[0].columns["z"].counts[0].tolist() == [1, 0, 0, 3, 0]
    assert found.along(("w",)).groups == (("(missing)",), ("u",), ("v",))
    assert position(found.along(("w",)), ("v",)) == 2
    assert position(found.along(("w",)), ("nobody",)) is None
    with pytest.raises(KeyError):
        found.along(("z",))


def test_a_person_may_say_what_a_column_is() -> None:
    overrides = {"x": "categorical", "w": "ignore", "z": "numeric", "id": "categorical"}
    found = accept(BATCHES, overrides=overrides)  # type: ignore[arg-type]
    assert found.kinds["x"].reason == "categories, by the configuration"
    grid = found.plan.grids["x"]
    assert isinstance(grid, CategoricalGrid)
    assert grid.categories == ("2", "1")
    assert found.kinds["w"].reason == "ignored by the configuration"
    assert found.kinds["z"].name == "ignored"  # no row of it holds a number
    assert set(found.plan.grids) == {"x", "id"}


def test_a_column_of_which_no_grid_can_be_made_is_ignored_with_the_reason() -> None:
    found = accept([pa.record_batch({"x": [np.nan, np.inf], "y": [1, 2]})])
    assert found.kinds["x"].name == "ignored"
    assert "finite number" in found.kinds["x"].reason
    assert set(found.plan.grids) == {"y"}


def test_a_baseline_of_ignored_columns_still_counts_its_rows() -> None:
    assert accept([pa.record_batch({"id": IDS})]).rows == 300


def test_a_baseline_needs_rows() -> None:
    with pytest.raises(InvalidGrid, match="no rows"):
        accept([pa.record_batch({"x": pa.array([], pa.int64())})])

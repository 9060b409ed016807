"""The baseline that is made of rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from profiles.baseline import accept, position
from profiles.errors import InvalidGrid
from profiles.grids import CategoricalGrid, NumericGrid

IDS = [f"id {i}" for i in range(300)]

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

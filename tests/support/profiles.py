"""Arrow columns of mixed types, and what it means that two profiles are the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from profiles.grids import (
    CategoricalGrid,
    NumericGrid,
    categorical_grid,
    category_rows,
    numeric_grid,
)
from profiles.moments import Moments, close
from profiles.profile import Profile
from profiles.values import Numbers, ValueType, labels, numbers


def read(values: Sequence[float | None] | npt.NDArray[np.float64]) -> Numbers:
    return numbers(pa.array(values, pa.float64()))


def grid_of(values: Sequence[float | None] | npt.NDArray[np.float64]) -> NumericGrid:
    return numeric_grid([read(values)])


def categories_of(array: pa.Array, of: ValueType) -> CategoricalGrid:
    return categorical_grid(category_rows([labels(array, of)]), of)


def counts_on(
    grid: NumericGrid, values: Sequence[float] | npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    return np.bincount(grid.codes(read(values)), minlength=grid.bins)


def union(values: Sequence[object]) -> pa.Array:
    """A dense union whose arms are nulls, integers, floats, text and truth values."""
    arms: list[list[object]] = [[], [], [], [], []]
    types = (type(None), int, float, str, bool)
    codes, offsets = [], []
    for value in values:
        code = types.index(type(value))
        codes.append(code)
        offsets.append(len(arms[code]))
        arms[code].append(value)
    kinds = (pa.null(), pa.int64(), pa.float64(), pa.string(), pa.bool_())
    return pa.UnionArray.from_dense(
        pa.array(codes, pa.int8()),
        pa.array(offsets, pa.int32()),
        [pa.array(arm, kind) for arm, kind in zip(arms, kinds, strict=True)],
    )


def assert_same(one: Profile, other: Profile, *, moments: str = "close") -> None:
    """Hold two profiles to be equal: counts exactly, moments exactly or to rounding."""
    assert one.dimension == other.dimension
    assert one.groups == other.groups
    assert one.rows.tolist() == other.rows.tolist()
    assert (one.new, one.unseen, one.rare) == (other.new, other.unseen, other.rare)
    assert set(one.columns) == set(other.columns)
    for name, column in one.columns.items():
        against = other.columns[name]
        assert column.grid == against.grid
        assert column.counts.dtype == against.counts.dtype == np.int64
        assert column.counts.tolist() == against.counts.tolist()
        assert (column.moments is None) == (against.moments is None)
        if column.moments is not None and against.moments is not None:
            assert_moments(column.moments, against.moments, exact=moments == "exact")


def assert_moments(one: Moments, other: Moments, *, exact: bool = False) -> None:
    """Hold moments equal to 1e-12, or to 1e-14 of the largest value where they cancel."""
    for name in ("n", "low", "high"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    if exact:
        np.testing.assert_array_equal(one.mean, other.mean)
        np.testing.assert_array_equal(one.m2, other.m2)
        return
    assert close(one, other)

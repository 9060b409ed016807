"""Counts by numpy alone, to check ours with: `searchsorted` on the raw values, and a count."""

from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
from counts import digest

from profiles.grids import CategoricalGrid, NumericGrid
from profiles.profile import Plan

TIME = "event_time"


def counted(table: str, plan: Plan, *, before: datetime | None = None) -> dict[str, str]:
    """Return the hash of the counts of every column of the plan, of the rows before an instant."""
    names = list(plan.grids)
    total = {name: np.zeros(grid.bins, np.int64) for name, grid in plan.grids.items()}
    for batch in ds.dataset(table, format="parquet", exclude_invalid_files=True).to_batches(
        columns=names, filter=None if before is None else ds.field(TIME) < before
    ):
        rows = batch.to_pandas()
        for name, grid in plan.grids.items():
            of = _numeric if isinstance(grid, NumericGrid) else _categorical
            total[name] += of(grid, rows[name])
    return {name: digest(of) for name, of in total.items()}


def _numeric(grid: NumericGrid, column: pd.Series) -> np.ndarray:
    values = column.dropna().to_numpy(float)
    finite = values[np.isfinite(values)]
    counts = np.zeros(grid.bins, np.int64)
    counts[: grid.values] = np.bincount(
        np.searchsorted(grid.edges, finite, side="right"), minlength=grid.values
    )
    counts[grid.missing] = column.isna().sum()
    counts[grid.non_finite] = len(values) - len(finite)
    return counts


def _categorical(grid: CategoricalGrid, column: pd.Series) -> np.ndarray:
    counts = np.zeros(grid.bins, np.int64)
    place = {name: i for i, name in enumerate(grid.categories)} | dict.fromkeys(
        grid.known, grid.other
    )
    for value, rows in column.value_counts().items():
        counts[place.get(value, grid.unseen)] += rows
    counts[grid.missing] = column.isna().sum()
    return counts

"""Profiles: counts on grids and moments, for each cohort of a window. They add."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from profiles.errors import GridMismatch
from profiles.grids import Grid, NumericGrid
from profiles.moments import BLOCK, Moments, empty, grouped, pooled
from profiles.values import PRESENT, Numbers, ValueType, labels, numbers, type_of

Ints = npt.NDArray[np.int64]
Group = tuple[str, ...]
Dimension = tuple[str, ...]

EVERYBODY: Dimension = ()
NO_VALUE = "(missing)"
MAX_UNSEEN = 1_000


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """One column, one row a group.

    Attributes
    ----------
    grid : str
        Name of the grid the counts lie on.
    counts : int64 [G, B]
        Rows in each bin; each row of it sums to the rows of the group.
    moments : Moments [G] or None
        None for categorical columns.
    """

    grid: str
    counts: Ints
    moments: Moments | None


@dataclass(frozen=True, kw_only=True)
class Profile:
    """All columns of a window, along one cohort dimension.

    Attributes
    ----------
    dimension : tuple of str
        Cohort columns, ``()`` for everybody, two or more for a combination.
    groups : tuple of tuple of str
        The values of the cohort columns in each group, sorted; ``((),)`` for everybody.
    rows : int64 [G]
    columns : mapping from name to ColumnProfile
    unseen : mapping from column to mapping from value to rows
        Values the baseline does not know, the first 1,000 by name; kept for everybody only.
    """

    dimension: Dimension
    groups: tuple[Group, ...]
    rows: Ints
    columns: Mapping[str, ColumnProfile]
    unseen: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def __add__(self, other: Profile) -> Profile:
        return merge((self, other))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to count: a grid for each column, and the cohort dimensions besides everybody."""

    grids: Mapping[str, Grid]
    dimensions: tuple[Dimension, ...] = ()


def profile(plan: Plan, batches: Iterable[pa.RecordBatch]) -> tuple[Profile, ...]:
    """Profile rows: one profile for everybody, then one for each cohort dimension of the plan.

    A column of the plan that a batch does not have counts as missing in all its rows. Memory holds
    one batch and one profile, however many batches there are.
    """
    dimensions = (EVERYBODY, *plan.dimensions)
    total: list[Profile] | None = None
    for batch in batches:
        if batch.num_rows:
            parts = _profile_batch(plan, batch, dimensions)
            total = parts if total is None else [a + b for a, b in zip(total, parts, strict=True)]
    return tuple(total or (nothing(plan, dimension) for dimension in dimensions))


def nothing(plan: Plan, dimension: Dimension) -> Profile:
    """Return the profile of no rows: the identity of merging."""
    groups: tuple[Group, ...] = ((),) if dimension == EVERYBODY else ()
    columns = {
        name: ColumnProfile(
            grid=grid.id,
            counts=np.zeros((len(groups), grid.bins), np.int64),
            moments=_no_moments(len(groups)) if isinstance(grid, NumericGrid) else None,
        )
        for name, grid in plan.grids.items()
    }
    return Profile(
        dimension=dimension, groups=groups, rows=np.zeros(len(groups), np.int64), columns=columns
    )


def merge(parts: Sequence[Profile]) -> Profile:
    """Add profiles of one dimension. Counts add exactly, in any order; moments to rounding.

    A column that some parts lack is merged from those that have it, with the rows of the others
    missing in it.

    Raises
    ------
    GridMismatch
        If the dimensions differ, or a column lies on different grids.
    """
    first = parts[0]
    if any(part.dimension != first.dimension for part in parts):
        seen = sorted({part.dimension for part in parts})
        raise GridMismatch(f"profiles of different cohort dimensions cannot be added: {seen}")
    groups = tuple(sorted({group for part in parts for group in part.groups}))
    where = {group: i for i, group in enumerate(groups)}
    places = [np.array([where[g] for g in part.groups], np.intp) for part in parts]
    rows = np.zeros(len(groups), np.int64)
    for part, place in zip(parts, places, strict=True):
        rows[place] += part.rows
    names = dict.fromkeys(name for part in parts for name in part.columns)
    columns = {name: _merge_column(name, parts, places, rows) for name in names}
    return Profile(
        dimension=first.dimension,
        groups=groups,
        rows=rows,
        columns=columns,
        unseen=_merge_unseen(parts),
    )


def _merge_column(
    name: str, parts: Sequence[Profile], places: Sequence[npt.NDArray[np.intp]], rows: Ints
) -> ColumnProfile:
    having = [
        (p.columns[name], at) for p, at in zip(parts, places, strict=True) if name in p.columns
    ]
    grid = having[0][0].grid
    if any(column.grid != grid for column, _ in having):
        raise GridMismatch(
            f"column {name!r} was counted on different grids, so it cannot be added; "
            "backfill the range against one baseline"
        )
    counts = np.zeros((len(rows), having[0][0].counts.shape[1]), np.int64)
    for column, at in having:
        counts[at] += column.counts
    with_moments = [(c.moments, at) for c, at in having if c.moments is not None]
    moments = None
    if with_moments:
        moments = pooled(with_moments, len(rows))
    if len(having) < len(parts):
        missing_bin = counts.shape[1] - (3 if moments is not None else 2)
        counts[:, missing_bin] += rows - counts.sum(axis=1)
    return ColumnProfile(grid=grid, counts=counts, moments=moments)


def _merge_unseen(parts: Sequence[Profile]) -> dict[str, dict[str, int]]:
    unseen: dict[str, dict[str, int]] = {}
    for part in parts:
        for column, values in part.unseen.items():
            seen = unseen.setdefault(column, {})
            for value, rows in values.items():
                seen[value] = seen.get(value, 0) + rows
    return _first_unseen(unseen)


def _first_unseen(unseen: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Keep the first names of each column: they are among the first of every part that has them."""
    return {
        column: dict(sorted(values.items())[:MAX_UNSEEN])
        for column, values in sorted(unseen.items())
    }


def _no_moments(groups: int) -> Moments:
    n, mean, m2, low, high = empty(groups)
    return Moments(n=n, mean=mean, m2=m2, low=low, high=high)


def _profile_batch(
    plan: Plan, batch: pa.RecordBatch, dimensions: Sequence[Dimension]
) -> list[Profile]:
    """Count all columns along all dimensions at once.

    A window is often small, so what costs is the number of calls, not of rows: every row stands
    once for each dimension in `group`, the groups of all dimensions are numbered through, and all
    columns share one count and one set of moments.
    """
    keys = {name: _cohort_labels(_column(batch, name)) for d in dimensions for name in d}
    grouping = [_grouping(dimension, keys, batch.num_rows) for dimension in dimensions]
    ends = np.cumsum([len(groups) for groups, _ in grouping])
    slices = [
        slice(int(end) - len(g), int(end)) for end, (g, _) in zip(ends, grouping, strict=True)
    ]
    group = np.stack([of + s.start for s, (_, of) in zip(slices, grouping, strict=True)])
    size = int(ends[-1])

    codes, read, unseen = _read(plan, batch)
    counts = _counts(list(plan.grids.values()), codes, group, size)
    moments = grouped(read, group, size)
    rows = np.bincount(group.ravel(), minlength=size).astype(np.int64, copy=False)
    return [
        Profile(
            dimension=dimension,
            groups=groups,
            rows=rows[part],
            columns={
                name: ColumnProfile(
                    grid=grid.id,
                    counts=counts[name_at][part],
                    moments=moments[name][part] if name in moments else None,
                )
                for name_at, (name, grid) in enumerate(plan.grids.items())
            },
            unseen=_first_unseen(unseen) if dimension == EVERYBODY else {},
        )
        for dimension, (groups, _), part in zip(dimensions, grouping, slices, strict=True)
    ]


def _read(
    plan: Plan, batch: pa.RecordBatch
) -> tuple[npt.NDArray[np.intp], dict[str, Numbers], dict[str, dict[str, int]]]:
    """Return the bin of every value [C, n], the numbers by column, and the unseen names."""
    codes = np.empty((len(plan.grids), batch.num_rows), np.intp)
    read: dict[str, Numbers] = {}
    unseen: dict[str, dict[str, int]] = {}
    for at, (name, grid) in enumerate(plan.grids.items()):
        array = _column(batch, name)
        if isinstance(grid, NumericGrid):
            read[name] = numbers(array)
            codes[at] = grid.codes(read[name])
        else:
            named = labels(array, grid.values_are)
            codes[at] = grid.codes(named)
            new = np.bincount(named.codes[codes[at] == grid.unseen], minlength=len(named.names))
            if new.any():
                unseen[name] = {named.names[i]: int(new[i]) for i in np.flatnonzero(new)}
    return codes, read, unseen


def _counts(
    grids: Sequence[Grid], codes: npt.NDArray[np.intp], group: npt.NDArray[np.intp], size: int
) -> list[Ints]:
    """Return the counts [G, B] of each column, as many columns at once as memory should hold."""
    step = max(1, BLOCK // max(1, group.size))
    found: list[Ints] = []
    for at in range(0, len(grids), step):
        found += _count(grids[at : at + step], codes[at : at + step], group, size)
    return found


def _count(
    grids: Sequence[Grid], codes: npt.NDArray[np.intp], group: npt.NDArray[np.intp], size: int
) -> list[Ints]:
    bins = np.array([grid.bins for grid in grids], np.intp)
    ends = np.cumsum(bins) * size
    flat = (ends - bins * size)[:, None, None] + group * bins[:, None, None] + codes[:, None, :]
    counts = np.bincount(flat.ravel(), minlength=int(ends[-1]))
    return [
        part.reshape(size, width).astype(np.int64, copy=False)
        for part, width in zip(np.split(counts, ends[:-1]), bins.tolist(), strict=True)
    ]


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    at = batch.schema.get_field_index(name)
    return batch.column(at) if at >= 0 else pa.nulls(batch.num_rows)


def _cohort_labels(array: pa.Array) -> tuple[npt.NDArray[np.intp], tuple[str, ...]]:
    """Return the cohort of every row as a code, and the names of the codes, each once.

    Missing has a name, which it shares with rows that hold that very text; where types are mixed,
    each value is named as its own type is.
    """
    mixed: tuple[ValueType, ...] = ("number", "string", "boolean")
    only = type_of(array.type)
    place = {NO_VALUE: 0}
    cohorts = np.zeros(len(array), np.intp)
    for of in mixed if pa.types.is_union(array.type) else (only,) if only else ():
        read = labels(array, of)
        codes = np.array([place.setdefault(name, len(place)) for name in read.names] or [0])
        cohorts = np.where(read.mark == PRESENT, codes[read.codes], cohorts)
    return cohorts, tuple(place)


def _grouping(
    dimension: Dimension,
    keys: Mapping[str, tuple[npt.NDArray[np.intp], tuple[str, ...]]],
    n: int,
) -> tuple[tuple[Group, ...], npt.NDArray[np.intp]]:
    """Return the groups that are there, sorted by name, and the group of every row."""
    if dimension == EVERYBODY:
        return ((),), np.zeros(n, np.intp)
    combined, size = np.zeros(n, np.intp), 1
    for name in dimension:
        codes, names = keys[name]
        if size * len(names) > np.iinfo(np.intp).max:  # number anew what is there
            present, combined = np.unique(combined, return_inverse=True)
            size = len(present)
        combined, size = combined * len(names) + codes, size * len(names)
    _, first, group = np.unique(combined, return_index=True, return_inverse=True)
    groups = [
        tuple(keys[name][1][keys[name][0][row]] for name in dimension) for row in first.tolist()
    ]
    order = sorted(range(len(groups)), key=lambda i: groups[i])
    rank = np.empty(len(groups), np.intp)
    rank[order] = np.arange(len(groups))
    return tuple(groups[i] for i in order), rank[group]

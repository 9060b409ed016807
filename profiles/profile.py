"""Profiles: counts on grids and moments, for each cohort of a window. They add."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from profiles.derived import Recipe
from profiles.errors import GridMismatch
from profiles.grids import Grid, NumericGrid
from profiles.limits import COHORTS_KNOWN, COHORTS_NEW
from profiles.moments import Moments, close, empty, pooled
from profiles.names import Names, gather, smallest

Ints = npt.NDArray[np.int64]
Group = tuple[str, ...]
Dimension = tuple[str, ...]

EVERYBODY: Dimension = ()
NO_VALUE = "(missing)"
OTHERS = "(other)"
MAX_KNOWN_GROUPS, MAX_NEW_GROUPS = COHORTS_KNOWN, COHORTS_NEW


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
        The values of the cohort columns in each group, sorted; ``((),)`` for everybody. Cohorts
        that have no group of their own are together in the group named ``(other)``.
    rows : int64 [G]
    columns : mapping from name to ColumnProfile
    new : frozenset of group
        The groups that the baseline does not know. At most 100, those with the smallest hashes.
    unseen : mapping from column to Names
        Values the baseline does not know; kept for everybody only.
    rare : mapping from column to Names
        Values it does know and that have no bin of their own; kept for everybody only.
    """

    dimension: Dimension
    groups: tuple[Group, ...]
    rows: Ints
    columns: Mapping[str, ColumnProfile]
    new: frozenset[Group] = frozenset()
    unseen: Mapping[str, Names] = field(default_factory=dict)
    rare: Mapping[str, Names] = field(default_factory=dict)

    def __add__(self, other: Profile) -> Profile:
        return merge((self, other))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to count.

    Attributes
    ----------
    grids : mapping from column to Grid
    dimensions : tuple of tuple of str
        Cohort dimensions besides everybody.
    known : mapping from dimension to groups
        The cohorts that the baseline knows, which always have a group of their own.
    new_groups : int
        How many others of a dimension have one in a window.
    """

    grids: Mapping[str, Grid]
    dimensions: tuple[Dimension, ...] = ()
    known: Mapping[Dimension, frozenset[Group]] = field(default_factory=dict)
    derived: tuple[Recipe, ...] = ()
    new_groups: int = MAX_NEW_GROUPS


def nothing(plan: Plan, dimension: Dimension) -> Profile:
    """Return the profile of no rows: the identity of merging."""
    groups: tuple[Group, ...] = ((),) if dimension == EVERYBODY else ()
    columns = {
        name: ColumnProfile(
            grid=grid.id,
            counts=np.zeros((len(groups), grid.bins), np.int64),
            moments=empty(len(groups)) if isinstance(grid, NumericGrid) else None,
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
    fresh = frozenset[Group]().union(*(part.new for part in parts))
    new = kept_groups(fresh)
    others = others_of(first.dimension)
    home = dict.fromkeys(fresh - new, others)
    groups = tuple(sorted({home.get(group, group) for part in parts for group in part.groups}))
    where = {group: i for i, group in enumerate(groups)}
    places = [np.array([where[home.get(g, g)] for g in part.groups], np.intp) for part in parts]
    rows = np.zeros(len(groups), np.int64)
    for part, place in zip(parts, places, strict=True):
        np.add.at(rows, place, part.rows)
    names = dict.fromkeys(name for part in parts for name in part.columns)
    columns = {name: _merge_column(name, parts, places, rows) for name in names}
    return Profile(
        dimension=first.dimension,
        groups=groups,
        rows=rows,
        columns=columns,
        new=new,
        unseen=_merge_names([part.unseen for part in parts]),
        rare=_merge_names([part.rare for part in parts]),
    )


def same(one: Profile, other: Profile) -> bool:
    """Whether two profiles are of the same rows: counts equal, moments equal but for rounding.

    Sums of floats depend on how rows come in batches, counts do not.
    """
    if (one.dimension, one.groups, one.new, one.unseen, one.rare) != (
        other.dimension, other.groups, other.new, other.unseen, other.rare
    ):  # fmt: skip
        return False
    if one.columns.keys() != other.columns.keys() or not np.array_equal(one.rows, other.rows):
        return False
    return all(_same_column(column, other.columns[name]) for name, column in one.columns.items())


def _same_column(one: ColumnProfile, other: ColumnProfile) -> bool:
    if one.grid != other.grid or not np.array_equal(one.counts, other.counts):
        return False
    if one.moments is None or other.moments is None:
        return one.moments is other.moments
    return close(one.moments, other.moments)


def others_of(dimension: Dimension) -> Group:
    """Return the group of the cohorts that have none of their own."""
    return (OTHERS,) * len(dimension)


def kept_groups(new: Iterable[Group], most: int = MAX_NEW_GROUPS) -> frozenset[Group]:
    """Return which cohorts that the baseline does not know have a group of their own."""
    named = {"\x1f".join(group): group for group in new}
    if len(named) <= most:
        return frozenset(named.values())
    return frozenset(named[name] for name in smallest(named, most))


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
        np.add.at(counts, at, column.counts)
    with_moments = [(c.moments, at) for c, at in having if c.moments is not None]
    moments = None
    if with_moments:
        moments = pooled(with_moments, len(rows))
    if len(having) < len(parts):
        missing_bin = counts.shape[1] - (3 if moments is not None else 2)
        counts[:, missing_bin] += rows - counts.sum(axis=1)
    return ColumnProfile(grid=grid, counts=counts, moments=moments)


def _merge_names(parts: Sequence[Mapping[str, Names]]) -> dict[str, Names]:
    columns = sorted({column for part in parts for column in part})
    return {c: gather(part[c] for part in parts if c in part) for c in columns}

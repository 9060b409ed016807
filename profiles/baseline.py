"""The baseline: what a column is, the grid it is counted on, and its own counts there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from profiles.counting import known_groups, profile
from profiles.errors import InvalidGrid
from profiles.grids import Grid, categorical_grid, numeric_grid
from profiles.kinds import Kind, infer_kind
from profiles.profile import Dimension, Group, Plan, Profile
from profiles.values import labels, numbers

Override = Literal["numeric", "categorical", "ignore"]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """An accepted baseline.

    Attributes
    ----------
    kinds : mapping from column to Kind
        Every column that was found, the ignored ones with the reason.
    plan : Plan
        The grids and cohort dimensions that windows are profiled on.
    profiles : tuple of Profile
        The baseline's own rows: everybody, then one a dimension.
    """

    kinds: Mapping[str, Kind]
    plan: Plan
    profiles: tuple[Profile, ...]

    @property
    def rows(self) -> int:
        return int(self.profiles[0].rows.sum())

    def along(self, dimension: Dimension) -> Profile:
        """Return the baseline's profile along a cohort dimension; KeyError where there is none."""
        for part in self.profiles:
            if part.dimension == dimension:
                return part
        raise KeyError(dimension)


def accept(
    batches: Iterable[pa.RecordBatch],
    *,
    overrides: Mapping[str, Override] | None = None,
    skip: Iterable[str] = (),
    dimensions: tuple[Dimension, ...] = (),
) -> Baseline:
    """Make a baseline of rows: infer kinds, make grids, and profile the rows on them.

    Parameters
    ----------
    batches : iterable of RecordBatch
        Columns may differ between batches; a column that one lacks is missing there.
    overrides : mapping from column to "numeric", "categorical" or "ignore"
        What a person said a column is, before any guess.
    skip : iterable of str
        Columns that are no features: the time, the identifier.
    dimensions : tuple of tuple of str
        Cohort dimensions besides everybody.

    Raises
    ------
    InvalidGrid
        If there are no rows.
    """
    held = [batch for batch in batches if batch.num_rows]
    if not held:
        raise InvalidGrid("the baseline has no rows")
    skipped = set(skip)
    names = dict.fromkeys(name for batch in held for name in batch.schema.names)
    kinds: dict[str, Kind] = {}
    grids: dict[str, Grid] = {}
    for name in names:
        if name in skipped:
            continue
        parts = [_column(batch, name) for batch in held]
        kind = _kind(parts, (overrides or {}).get(name))
        try:
            grid = _grid(kind, parts)
        except InvalidGrid as error:
            kind, grid = Kind(name="ignored", reason=str(error)), None
        kinds[name] = kind
        if grid is not None:
            grids[name] = grid
    known = {dimension: known_groups(held, dimension) for dimension in dimensions}
    plan = Plan(grids=grids, dimensions=dimensions, known=known)
    return Baseline(kinds=kinds, plan=plan, profiles=profile(plan, held))


def position(part: Profile, group: Group) -> int | None:
    """Return where a group stands in a profile, None where it has no rows."""
    try:
        return part.groups.index(group)
    except ValueError:
        return None


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    at = batch.schema.get_field_index(name)
    return batch.column(at) if at >= 0 else pa.nulls(batch.num_rows)


def _kind(parts: list[pa.Array], override: Override | None) -> Kind:
    if override == "ignore":
        return Kind(name="ignored", reason="ignored by the configuration")
    kind = infer_kind(parts)
    if override is None or override == kind.name:
        return kind
    if override == "numeric":
        return Kind(name="numeric", reason="numbers, by the configuration", values="number")
    values = kind.values or "string"
    return Kind(name="categorical", reason="categories, by the configuration", values=values)


def _grid(kind: Kind, parts: list[pa.Array]) -> Grid | None:
    if kind.values is None:
        return None
    if kind.name == "numeric":
        return numeric_grid([numbers(part) for part in parts])
    return categorical_grid([labels(part, kind.values) for part in parts], kind.values)

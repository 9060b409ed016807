"""The baseline: what a column is, the grid it is counted on, and its own counts there."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import pyarrow as pa

from profiles.buffers import column_of
from profiles.counting import profile
from profiles.derived import DERIVED, PARTS, Recipe, derive
from profiles.derived.images import NEEDS_PILLOW, available
from profiles.derived.measures import read
from profiles.derived.times import TIME
from profiles.errors import InvalidGrid
from profiles.grids import Grid, categorical_grid, numeric_grid
from profiles.kinds import Kind, infer_kind, recipes_of
from profiles.profile import Dimension, Group, Plan, Profile
from profiles.survey import Survey
from profiles.values import PRESENT, numbers

Override = Literal["numeric", "categorical", "text", "list", "time", "image", "ignore"]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """An accepted baseline.

    Attributes
    ----------
    kinds : mapping from column to Kind
        Every column that was found, the ignored ones with the reason; derived columns have none.
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

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """What is derived from which column, of every batch that is counted."""
        return self.plan.derived

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
    only: Container[str] | None = None,
    dimensions: tuple[Dimension, ...] = (),
    time: str | None = None,
) -> Baseline:
    """Make a baseline of rows: infer kinds, derive columns, make grids, and profile the rows.

    Up to 131,072 rows are held and read once. More are gone through twice: a fair sample of them
    makes the grids, with the extremes and the categories of all of them, and then all are counted.
    So memory does not grow with the rows. What is derived of a column is sampled alone.

    Parameters
    ----------
    batches : iterable of RecordBatch
        Columns may differ between batches; a column that one lacks is missing there. It should be
        one that can be gone through again; an iterator, which cannot, is held in memory.
    overrides : mapping from column to a kind or "ignore"
        What a person said a column is, before any guess. A derived column can be ignored.
    skip : iterable of str
        Columns that are no features: the time, the identifier.
    only : container of str or None
        Where given, other columns are skipped too.
    dimensions : tuple of tuple of str
        Cohort dimensions besides everybody.
    time : str or None
        The column with the event time, which the ages of times are counted against.

    Raises
    ------
    InvalidGrid
        If there are no rows.
    """
    again = batches if iter(batches) is not batches else list(batches)
    said, skipped = overrides or {}, set(skip)
    survey = Survey(dimensions, {name for name, kind in said.items() if kind == "categorical"})
    for batch in again:
        survey.add(batch)
    if not survey.rows:
        raise InvalidGrid("the baseline has no rows")
    kinds: dict[str, Kind] = {}
    grids: dict[str, Grid] = {}
    for name in dict.fromkeys(name for batch in survey.sample for name in batch.schema.names):
        if name in skipped or (only is not None and name not in only):
            continue
        kind = _kind(survey.column(name), said.get(name))
        if kind.name == "time":
            kind = _aged(kind, survey, time)
        try:
            grid = _grid(kind, survey, name)
        except InvalidGrid as error:
            kind, grid = Kind(name="ignored", reason=str(error)), None
        kinds[name] = kind
        if grid is not None:
            grids[name] = grid
    held = _derived(survey.sample, kinds, grids, said)
    known, derived = survey.cohorts(), recipes_of(kinds, grids)
    plan = Plan(grids=grids, dimensions=dimensions, known=known, derived=derived)
    # what is held has its derived columns already
    counted = profile(replace(plan, derived=()), held) if survey.whole else profile(plan, again)
    return Baseline(kinds=kinds, plan=plan, profiles=counted)


def position(part: Profile, group: Group) -> int | None:
    """Return where a group stands in a profile, None where it has no rows."""
    try:
        return part.groups.index(group)
    except ValueError:
        return None


def _kind(parts: list[pa.Array], override: Override | None) -> Kind:
    if override == "ignore":
        return Kind(name="ignored", reason="ignored by the configuration")
    kind = infer_kind(parts)
    if override is None or override == kind.name:
        return kind
    if override == "numeric":
        return Kind(name="numeric", reason="numbers, by the configuration", values="number")
    if override == "categorical":
        values = kind.values or "string"
        return Kind(name="categorical", reason="categories, by the configuration", values=values)
    if override == "image" and not available():
        return Kind(name="ignored", reason=NEEDS_PILLOW)
    return Kind(name=override, reason=f"{override}, by the configuration")


def _aged(kind: Kind, survey: Survey, event: str | None) -> Kind:
    """Say what ages are counted against; a time beside no event time is ignored."""
    if event is not None and any(
        (read(part, TIME).mark == PRESENT).any() for part in survey.column(event)
    ):
        return replace(kind, against=event)
    what = "event time" if event is None else f"event time {event!r}"
    return Kind(name="ignored", reason=f"{kind.reason}; the baseline has no {what} to age against")


def _grid(kind: Kind, survey: Survey, name: str) -> Grid | None:
    if kind.values is None:
        return None
    if kind.name == "numeric":
        return numeric_grid(survey.numbers(name))
    return categorical_grid(survey.categories(name, kind.values), kind.values)


def _derived(
    batches: list[pa.RecordBatch],
    kinds: dict[str, Kind],
    grids: dict[str, Grid],
    overrides: Mapping[str, Override],
) -> list[pa.RecordBatch]:
    """Add derived columns to the batches, and their grids to `grids`.

    A column of whose kind no row is turns into an ignored one.
    """
    every = {f"{c}.{part}" for c, k in kinds.items() if k.name in DERIVED for part in PARTS[k.name]}
    recipes = recipes_of(kinds, {name for name in every if overrides.get(name) != "ignore"})
    batches = [derive(batch, recipes) for batch in batches]
    for recipe in recipes:
        for name in recipe.names:
            try:
                grids[name] = numeric_grid([numbers(column_of(batch, name)) for batch in batches])
            except InvalidGrid:
                reason = f"no row of the baseline holds a value of kind {recipe.of}"
                kinds[recipe.column] = Kind(name="ignored", reason=reason)
    return batches

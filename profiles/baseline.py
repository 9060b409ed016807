"""The baseline: what a column is, the grid it is counted on, and its own counts there."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
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
from profiles.grids import CategoricalGrid, Grid, categorical_grid, numeric_grid
from profiles.kinds import Kind, infer_kind, recipes_of
from profiles.limits import USUAL, Cut, Limits
from profiles.profile import Dimension, Group, Plan, Profile, others_of
from profiles.survey import Survey
from profiles.values import PRESENT, numbers

BEYOND = "beyond the first"
MOST_CUT = 20  # columns or dimensions that are told of one limit

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
    keep: Container[str] = (),
    limits: Limits = USUAL,
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
    keep : container of str
        Columns that are kept before others where there are too many, beside those of `overrides`
        and `dimensions`.
    limits : Limits

    Raises
    ------
    InvalidGrid
        If there are no rows.
    """
    again = batches if iter(batches) is not batches else list(batches)
    said, skipped = overrides or {}, set(skip)
    coded = {name for name, kind in said.items() if kind == "categorical"}
    survey = Survey(dimensions, coded, size=limits.sample)
    for batch in again:
        survey.add(batch)
    if not survey.rows:
        raise InvalidGrid("the baseline has no rows")
    kinds: dict[str, Kind] = {}
    grids: dict[str, Grid] = {}
    names = [
        name
        for name in dict.fromkeys(name for batch in survey.sample for name in batch.schema.names)
        if name not in skipped and (only is None or name in only)
    ]
    first = {*said, *(name for dimension in dimensions for name in dimension)}
    kept = set(sorted(names, key=lambda n: n not in first and n not in keep)[: limits.columns])
    for name in names:
        if name not in kept:
            kinds[name] = Kind(name="ignored", reason=beyond(limits.columns))
            continue
        kind = _kind(survey.column(name), said.get(name))
        if kind.name == "time":
            kind = _aged(kind, survey, time)
        try:
            grid = _grid(kind, survey, name, limits)
        except InvalidGrid as error:
            kind, grid = Kind(name="ignored", reason=str(error)), None
        kinds[name] = kind
        if grid is not None:
            grids[name] = grid
    held = _derived(survey.sample, kinds, grids, said)
    bins = sum(grid.bins for grid in grids.values())
    plan = Plan(
        grids=grids,
        dimensions=dimensions,
        known=survey.cohorts(
            limits.known_cohorts(columns=len(grids), bins=bins, dimensions=len(dimensions))
        ),
        derived=recipes_of(kinds, grids),
        new_groups=limits.new_cohorts(bins=bins, dimensions=len(dimensions)),
    )
    # what is held has its derived columns already
    counted = profile(replace(plan, derived=()), held) if survey.whole else profile(plan, again)
    return Baseline(kinds=kinds, plan=plan, profiles=counted)


def beyond(columns: int) -> str:
    """Say why a column is not watched though it might be."""
    return f"{BEYOND} {columns:,} columns"


def cut_of(parts: Sequence[Profile], grids: Mapping[str, Grid]) -> dict[str, dict[str, int]]:
    """Return the rows that profiles of a window have beyond a limit, by limit and by what.

    Of cohorts those that are counted together as ``(other)``, of categories those that are outside
    the baseline's and have no name. At most 20 columns of each limit, those with most rows.
    """
    cohorts = {
        ", ".join(part.dimension): int(part.rows[at])
        for part in parts
        if part.dimension and (at := position(part, others_of(part.dimension))) is not None
    }
    everybody = parts[0]
    categories: dict[str, int] = {}
    for names, outside in ((everybody.unseen, "unseen"), (everybody.rare, "other")):
        for column, found in names.items():
            if found.sampled:
                counts = everybody.columns[column].counts[0]
                rows = int(counts[getattr(grids[column], outside)]) - sum(found.rows.values())
                categories[column] = categories.get(column, 0) + rows
    found_ = {"cohorts": cohorts, "categories": categories}
    return {limit: _largest(of) for limit, of in found_.items() if of}


def cut_in(baseline: Baseline) -> Cut:
    """Return the same of a baseline itself, and the columns that are not watched as columns.

    Its own categories are beyond the limit where its grid does not know them.
    """
    found = cut_of(baseline.profiles, baseline.plan.grids)
    categories = {
        name: int(baseline.profiles[0].columns[name].counts[0, grid.unseen])
        for name, grid in baseline.plan.grids.items()
        if isinstance(grid, CategoricalGrid)
    }
    found["categories"] = _largest({name: rows for name, rows in categories.items() if rows})
    columns = sum(1 for kind in baseline.kinds.values() if kind.reason.startswith(BEYOND))
    found["columns"] = {"": columns} if columns else {}
    return {limit: of for limit, of in found.items() if of}


def _largest(rows: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(rows.items(), key=lambda of: (-of[1], of[0]))[:MOST_CUT])


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


def _grid(kind: Kind, survey: Survey, name: str, limits: Limits) -> Grid | None:
    if kind.values is None:
        return None
    if kind.name == "numeric":
        return numeric_grid(survey.numbers(name))
    rows = survey.categories(name, kind.values)
    return categorical_grid(rows, kind.values, known=limits.categories)


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

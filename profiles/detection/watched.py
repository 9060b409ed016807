"""Which bins of a grid are watched: some twenty places a column, in place of hundreds of bins.

A test on hundreds of bins sees mostly its own noise. Values lie in about ten places of equal mass,
heavy values alone, and in one place below and one above what the baseline held, however far; of
categories the largest are places of their own. What is missing or of the wrong type comes after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from profiles.grids import CategoricalGrid, Grid, NumericGrid

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MAX_CATEGORIES = 18  # that have a place of their own


@dataclass(frozen=True, kw_only=True)
class Watched:
    """The places that the bins of one grid are folded into.

    Attributes
    ----------
    place : int [B]
        Of every bin of the grid.
    values : int
        Places of values; they come first. After them come *missing* and *wrong* (not finite, or of
        another type).
    beyond : tuple of int
        Those that hold what the baseline did not: numbers out of its range, unseen categories.
    ordered : bool
        Whether the places of values stand in order.
    names : tuple of str
        Of the places of values; none of numbers.
    centres : float64 [values]
        Numbers that stand for the places of values; empty where they are categories.
    """

    place: Ints
    values: int
    beyond: tuple[int, ...]
    ordered: bool
    names: tuple[str, ...] = ()
    centres: Floats = field(default_factory=lambda: np.zeros(0))

    @property
    def places(self) -> int:
        return self.values + 2


class Folding:
    """The places of several columns, laid end to end.

    Attributes
    ----------
    parts : list of slice
        Where the places of each column lie.
    """

    def __init__(self, columns: Sequence[Watched]) -> None:
        ends = np.cumsum([of.places for of in columns]).tolist()
        self.parts = [slice(end - of.places, end) for end, of in zip(ends, columns, strict=True)]
        self.places = ends[-1] if ends else 0
        place = np.concatenate(
            [of.place + part.start for of, part in zip(columns, self.parts, strict=True)]
            or [np.zeros(0, np.int64)]
        )
        self._order = np.argsort(place, kind="stable")
        self._held, self._starts = np.unique(place[self._order], return_index=True)

    def fold(self, counts: npt.NDArray[np.integer]) -> Ints:
        """Add counts on the columns' grids [..., ΣB] into places [..., ΣP]."""
        folded = np.zeros((*counts.shape[:-1], self.places), np.int64)
        ordered = counts[..., self._order]
        folded[..., self._held] = np.add.reduceat(ordered, self._starts, axis=-1)
        return folded


def watched(grid: Grid) -> Watched:
    """Choose what is watched of a grid."""
    if isinstance(grid, NumericGrid):
        return _of_numbers(grid)
    return _of_categories(grid)


def _of_numbers(grid: NumericGrid) -> Watched:
    inside = ~grid.outside
    _, coarse = np.unique(grid.coarse[inside], return_inverse=True)
    above = int(coarse.max()) + 2
    place = np.empty(grid.bins, np.int64)
    place[: grid.values][inside] = coarse + 1
    first = int(np.flatnonzero(inside)[0])
    place[:first] = 0  # below what the baseline held
    place[first : grid.values][~inside[first:]] = above
    place[grid.missing] = above + 1
    place[[grid.non_finite, grid.mismatch]] = above + 2
    values = place[: grid.values]
    many = np.maximum(np.bincount(values, minlength=above + 1), 1)
    centres = np.bincount(values, weights=grid.centres, minlength=above + 1) / many
    centres[[0, above]] = grid.low, grid.high  # how far beyond is not known
    return Watched(place=place, values=above + 1, beyond=(0, above), ordered=True, centres=centres)


def _of_categories(grid: CategoricalGrid) -> Watched:
    alone = min(len(grid.categories), MAX_CATEGORIES)
    place = np.full(grid.bins, alone, np.int64)  # other categories, and others that are known
    place[:alone] = np.arange(alone)
    place[grid.unseen] = alone + 1
    place[grid.missing] = alone + 2
    place[grid.mismatch] = alone + 3
    return Watched(
        place=place, values=alone + 2, beyond=(alone + 1,), ordered=False,
        names=(*grid.categories[:alone], "other values", "unseen values"),
    )  # fmt: skip

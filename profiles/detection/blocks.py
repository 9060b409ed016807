"""Which columns of a model are looked at together, and which of their streams are judged as one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from profiles.detection.column import KINDS, Columns, Kind, Streams, Today, Volume
from profiles.detection.reference import Counts
from profiles.detection.scores import Scale
from profiles.detection.watched import Watched
from profiles.profile import Dimension, Group

Numbers = Mapping[Dimension, Mapping[Group, int]]  # of the groups, one dimension after another

ROWS = "\0rows"  # stands for a column where the rows themselves are watched; none is named so
OF_ROWS, EMPTY = -2, -1  # places that stand after those of all columns
_TOGETHER = 100_000  # counts of a day: with more the arrays leave the cache


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The streams of one kind of a column along one dimension, at one scale, judged as one.

    Attributes
    ----------
    block : int
        That looks at it.
    at : (int, slice, int)
        Where it stands in what that sees [K, N, C, F]: its kind, its streams, its column.
    """

    column: str
    kind: Kind
    scale: Scale
    dimension: Dimension
    block: int
    at: tuple[int, slice, int]


@dataclass(frozen=True, kw_only=True)
class Block:
    """Like columns in the same streams, or the rows.

    Attributes
    ----------
    columns : sequence of str [F]
    parts : mapping from dimension to slice
        Where the groups of each dimension stand among the streams.
    groups : list of int [C]
        The streams among all groups.
    places : int [P, F]
        The places of each column among those of all; `EMPTY` where it has fewer than others.
    streams : Streams
    """

    columns: Sequence[str]
    parts: Mapping[Dimension, slice]
    groups: list[int]
    places: npt.NDArray[np.intp]
    streams: Streams

    def today(self, counts: Counts, seen: Counts, out: Mapping[str, Sequence[int]]) -> Today:
        """Pick the block's own from the counts of all groups and places [H, groups, places].

        Of the steps that are `out`, by column, it is as if nothing had come.
        """
        own = counts[:, np.array(self.groups)[:, None, None], self.places]
        for f, column in enumerate(self.columns):
            if column in out:
                own[out[column], ..., f] = 0
        if ROWS in out and ROWS in self.columns:
            seen = seen.copy()
            seen[out[ROWS]] = 0
        return Today(counts=np.ascontiguousarray(np.moveaxis(own, 2, 0)), seen=seen)


def blocks_of(
    watched: Mapping[str, Watched], places: Mapping[str, slice], numbers: Numbers,
    faults_only: Collection[str], *, day: int, steps: int,
) -> list[Block]:  # fmt: skip
    """Put like columns together, and the rows last.

    Parameters
    ----------
    watched : mapping from column to Watched
    places : mapping from column to slice
        Its own among those of all.
    numbers : mapping from dimension to mapping from group to int
        Everybody first. A column is not watched inside its own cohorts.
    faults_only : collection of str
        Columns of which only missing and wrong values are watched.
    """
    found = []
    for (dimensions, kinds, *_), columns in _alike(watched, numbers, faults_only).items():
        groups, parts = _streams(numbers, dimensions)
        while columns:
            many = max(1, _TOGETHER // (watched[columns[0]].places * steps * len(groups)))
            some, columns[:many] = columns[:many], []
            streams = Columns(
                [watched[column] for column in some], (steps, len(groups)), day=day, kinds=kinds
            )
            at = np.full(streams.kept.shape, EMPTY)
            for f, column in enumerate(some):
                at[streams.kept[:, f], f] = np.r_[places[column]]
            found.append(
                Block(columns=some, parts=parts, groups=groups, places=at, streams=streams)
            )
    groups, parts = _streams(numbers, numbers)
    volume = Volume((steps, len(groups)), day=day)
    at = np.array([[OF_ROWS]])
    return [*found, Block(columns=[ROWS], parts=parts, groups=groups, places=at, streams=volume)]


def _alike(
    watched: Mapping[str, Watched], dimensions: Collection[Dimension], faults_only: Collection[str]
) -> dict[tuple[Any, ...], list[str]]:
    """Put columns together that can be looked at together, those with the most places first."""
    found: dict[tuple[Any, ...], list[str]] = {}
    for column in sorted(watched, key=lambda column: -watched[column].places):
        of = watched[column]
        own = tuple(dimension for dimension in dimensions if column not in dimension)
        kinds = KINDS[-1:] if column in faults_only else KINDS
        # that it is the last place of values is what counts: empty ones stand before it
        beyond = tuple(-1 if at == of.values - 1 else at for at in of.beyond)
        found.setdefault((own, kinds, of.ordered, beyond), []).append(column)
    return found


def _streams(
    numbers: Numbers, dimensions: Collection[Dimension]
) -> tuple[list[int], dict[Dimension, slice]]:
    """Return the groups of some dimensions among all, and where those of each begin and end."""
    groups: list[int] = []
    parts = {}
    for dimension in dimensions:
        parts[dimension] = slice(len(groups), len(groups) + len(numbers[dimension]))
        groups += numbers[dimension].values()
    return groups, parts


def cells_of(blocks: Sequence[Block]) -> list[Cell]:
    """Return the cells in the order in which `Seen.highest` has them, block after block."""
    return [
        Cell(
            column=column, kind=kind, scale=scale, dimension=dimension,
            block=b, at=(n, block.parts[dimension], f),
        )
        for b, block in enumerate(blocks)
        for scale in block.streams.scales
        for n, kind in enumerate(block.streams.kinds)
        for dimension in block.parts
        for f, column in enumerate(block.columns)
    ]  # fmt: skip

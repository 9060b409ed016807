"""How the columns of a window differ from those of the baseline: gone, of another type, or new.

A function of the rows of the window, in any order and any number of batches. Whether a key of a
payload is gone can only be told by rows that lack it, so a few rows leave it open: it is gone where
no row has it and the baseline lets expect that by a chance of less than one in a million.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from profiles.baseline import Baseline
from profiles.buffers import missing
from profiles.derived.lists import is_list
from profiles.derived.times import is_time
from profiles.names import smallest
from profiles.profile import EVERYBODY, Profile
from profiles.values import type_of, union_arms

Ints = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]

CHANCE = 1e-6  # that a column is called gone, or of another type, by rows that happen to be so
SOME = (3, 0.005)  # rows of another type, and their share, where the baseline has none
MOST_NEW = 100  # columns of a window that the baseline lacks; of more a fair sample

_WORDS = {"number": "a number", "string": "text", "boolean": "true or false"}
_KINDS = {"text": "text", "list": "a list", "time": "a time", "image": "an image"}


@dataclass(frozen=True, kw_only=True)
class Retyped:
    """What the values of a column were and what they came as: ``a number``, ``text``."""

    was: str
    now: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What a window shows of its columns.

    Attributes
    ----------
    missing : tuple of str
        Columns of the baseline that no row has, sorted.
    retyped : mapping from column to Retyped
        Columns whose values are of a type that cannot be counted, as none in the baseline was, or
        all of them.
    new : tuple of str
        Columns with a value that the baseline does not have, sorted; at most 100.
    unsure : tuple of str
        Columns of the baseline without a value of which nothing can be said.
    """

    missing: tuple[str, ...] = ()
    retyped: Mapping[str, Retyped] = field(default_factory=dict)
    new: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()

    @property
    def unusable(self) -> frozenset[str]:
        """The columns whose counts say nothing of their values."""
        return frozenset(self.missing) | self.retyped.keys()

    def to_record(self) -> dict[str, Any] | None:
        """Write what differs as plain JSON values; None where nothing does."""
        if self == Changes():
            return None
        return {
            "missing": list(self.missing),
            "retyped": {
                column: {"was": of.was, "now": list(of.now)} for column, of in self.retyped.items()
            },
            "new": list(self.new),
            "unsure": list(self.unsure),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any] | None) -> Changes:
        """Read what `to_record` wrote."""
        if record is None:
            return cls()
        return cls(
            missing=tuple(record["missing"]),
            retyped={
                column: Retyped(was=of["was"], now=tuple(of["now"]))
                for column, of in record["retyped"].items()
            },
            new=tuple(record["new"]),
            unsure=tuple(record["unsure"]),
        )


@dataclass(frozen=True, kw_only=True)
class _Known:
    """A column that is counted: the one that holds its counts, and what it was."""

    counted: str
    was: str


class Looked:
    """What columns the rows of some windows have, taken in batch by batch.

    Parameters
    ----------
    baseline : Baseline
    windows : int
        How many there are.
    apart : collection of str
        Columns that are no features, such as the time.
    """

    def __init__(self, baseline: Baseline, windows: int, *, apart: Collection[str] = ()) -> None:
        self._baseline, self._windows = baseline, windows
        self._known = dict(_known(baseline))
        self._ignored = {*apart, *(baseline.kinds.keys() - self._known.keys()), ""}
        self._has: dict[str, Truths] = {}
        self._types: dict[str, dict[str, Truths]] = {}
        self._new: list[set[str]] = [set() for _ in range(windows)]

    def look(
        self, batch: pa.RecordBatch, window: Ints, absent: Mapping[str, Truths] | None = None
    ) -> None:
        """Take in a batch.

        Parameters
        ----------
        window : int [n]
            The window of each row.
        absent : mapping from column to bool [n]
            Which rows lack a payload's key, where some do.
        """
        if not batch.num_rows:
            return
        here = np.flatnonzero(np.bincount(window, minlength=self._windows))
        for name, array in zip(batch.schema.names, batch.columns, strict=True):
            if name in self._known:
                lacking = None if absent is None else absent.get(name)
                self._look_at(name, array, window, here, lacking)
            elif name not in self._ignored:
                self._meet(name, array, window, here)

    def of(self, window: int, profile: Profile, *, certain: bool) -> Changes:
        """Return what the rows of a window show, all of them taken in.

        Parameters
        ----------
        profile : Profile
            What was counted of everybody in it.
        certain : bool
            Whether every row has every column, so that one that is not there is gone.
        """
        rows = int(profile.rows.sum())
        if not rows:
            return Changes()
        gone: list[str] = []
        unsure: list[str] = []
        retyped: dict[str, Retyped] = {}
        for column, known in sorted(self._known.items()):
            now = _counted(self._baseline, known.counted, profile)
            was = _counted(self._baseline, known.counted, self._baseline.profiles[0])
            has = column in self._has and bool(self._has[column][window])
            if not has and (certain or _chance(was.missing, was.rows, rows) < CHANCE):
                gone.append(column)
            elif _is_retyped(now, was):
                types = self._types.get(column, {})
                came = {_WORDS.get(of, of) for of, at in types.items() if at[window]}
                other = came - {known.was} or came or {"something else"}
                retyped[column] = Retyped(was=known.was, now=tuple(sorted(other)))
            elif not now.right:
                unsure.append(column)
        return Changes(
            missing=tuple(gone),
            retyped=retyped,
            new=tuple(sorted(smallest(self._new[window], MOST_NEW))),
            unsure=tuple(unsure),
        )

    def _look_at(
        self, name: str, array: pa.Array, window: Ints, here: Ints, lacking: Truths | None
    ) -> None:
        has = self._has.setdefault(name, np.zeros(self._windows, bool))
        if not has[here].all():
            has[here if lacking is None else window[~lacking]] = True
        types = self._types.setdefault(name, {})
        for of, rows in _types_in(array):
            at = types.setdefault(of, np.zeros(self._windows, bool))
            if not at[here].all():
                at[here if rows is None else window[rows]] = True

    def _meet(self, name: str, array: pa.Array, window: Ints, here: Ints) -> None:
        """Note a column that the baseline lacks in the windows where it has a value."""
        if all(name in self._new[at] for at in here.tolist()):
            return
        having = [here if rows is None else window[rows] for _, rows in _types_in(array)]
        for at in {at for its in having for at in np.unique(its).tolist()}:
            self._new[at].add(name)
            if len(self._new[at]) > 2 * MOST_NEW:
                self._new[at] = smallest(self._new[at], MOST_NEW)


def without(profile: Profile, columns: Collection[str]) -> Profile:
    """Return a profile as if the rows had never been asked for some columns: no counts at all."""
    found = [name for name in profile.columns if name in columns]
    if not found:
        return profile
    nothing = {
        name: replace(of, counts=np.zeros_like(of.counts))
        for name, of in profile.columns.items()
        if name in found
    }
    return replace(profile, columns={**profile.columns, **nothing})


def counted_of(baseline: Baseline, columns: Collection[str]) -> frozenset[str]:
    """Return the columns that are counted of some: themselves, and what is derived of them."""
    derived = {name for of in baseline.recipes if of.column in columns for name in of.names}
    return frozenset(columns) | derived


@dataclass(frozen=True, kw_only=True)
class _Counts:
    """The rows of a column: without a value, with one of its type, and with one of another."""

    missing: int
    right: int
    wrong: int

    @property
    def rows(self) -> int:
        return self.missing + self.right + self.wrong


def _known(baseline: Baseline) -> Iterator[tuple[str, _Known]]:
    derived = {recipe.column: recipe.names[0] for recipe in baseline.recipes}
    for column, kind in baseline.kinds.items():
        counted = column if column in baseline.plan.grids else derived.get(column)
        if counted is not None:
            was = _KINDS.get(kind.name) or _WORDS[kind.values or "number"]
            yield column, _Known(counted=counted, was=was)


def _counted(baseline: Baseline, column: str, profile: Profile) -> _Counts:
    assert profile.dimension == EVERYBODY
    grid, counts = baseline.plan.grids[column], profile.columns[column].counts[0]
    absent, wrong = int(counts[grid.missing]), int(counts[grid.mismatch])
    return _Counts(missing=absent, right=int(counts.sum()) - absent - wrong, wrong=wrong)


def _chance(times: int, of: int, rows: int) -> float:
    """Return the chance that all of some rows are so, by a baseline of which `times` rows are."""
    return float(((times + 1) / (of + 2)) ** rows)


def _is_retyped(now: _Counts, was: _Counts) -> bool:
    if not now.wrong:
        return False
    if not now.right and _chance(was.wrong, was.wrong + was.right, now.wrong) < CHANCE:
        return True
    least, share = SOME
    return not was.wrong and now.wrong >= max(least, share * now.rows)


def _types_in(array: pa.Array) -> Iterator[tuple[str, npt.NDArray[Any] | None]]:
    """Yield the types of the values of a column, each with the rows that have it; None if all."""
    if pa.types.is_union(array.type):
        for rows, arm in union_arms(array):
            there = rows[~missing(arm)]
            if len(there):
                yield _called(arm.type), there
    elif not array.null_count:
        yield _called(array.type), None
    elif array.null_count < len(array):
        yield _called(array.type), ~missing(array)


def _called(of: pa.DataType) -> str:
    if pa.types.is_dictionary(of):
        of = of.value_type
    if is_list(of):
        return "a list"
    if is_time(of):
        return "a time"
    if pa.types.is_binary(of) or pa.types.is_large_binary(of):
        return "bytes"
    return type_of(of) or "something else"

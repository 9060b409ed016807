"""A first look at rows that may be too many to hold: a fair sample, and what a sample misses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from profiles.buffers import column_of
from profiles.counting import cohort_rows
from profiles.grids import MAX_CATEGORIES, MAX_KNOWN, category_rows
from profiles.limits import USUAL
from profiles.profile import MAX_KNOWN_GROUPS, Dimension, Group
from profiles.values import (
    PRESENT,
    Entries,
    Numbers,
    ValueType,
    entries,
    floats,
    labels,
    numbers,
    type_of,
)

SAMPLE = 1 << 16  # up to twice as many rows all are held, of more between this and twice as many
LEAST = 1_000  # rows that are held however long they are
_MOST_NAMES = 2 * (MAX_CATEGORIES + MAX_KNOWN)


class Survey:
    """What is known of rows after one reading.

    While they are few they are all held, and the sample is the rows. Of more, every row is held
    with the same chance, and beside them the extremes of numbers, the rows of each category and of
    each cohort are kept, which one row can change. Which rows are held is the same in every run.

    Parameters
    ----------
    dimensions : iterable of tuple of str
        Cohort dimensions whose cohorts are counted.
    coded : container of str
        Columns of numbers that are categories.
    size : int
        Bytes that are held; where rows are long, fewer of them.
    """

    def __init__(
        self,
        dimensions: Iterable[Dimension] = (),
        coded: Container[str] = frozenset(),
        *,
        size: int = USUAL.sample,
    ) -> None:
        self._size, self._bytes = size, 0
        self._coded = coded
        self.rows = 0
        self.sample: list[pa.RecordBatch] = []
        self._held = 0
        self._chance = 1.0
        self._rng = np.random.default_rng(0)
        self._extremes: dict[str, tuple[float, float]] = {}
        self._names: dict[tuple[str, ValueType], _Categories] = {}
        self._cohorts: dict[Dimension, Counter[Group]] = {d: Counter() for d in dimensions}

    @property
    def whole(self) -> bool:
        """Whether the sample is all rows."""
        return self._chance == 1.0

    def add(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        self.rows += batch.num_rows
        for dimension, rows in self._cohorts.items():
            rows.update(cohort_rows(batch, dimension))
        if not self.whole:
            self._note(batch)
            batch = self._thinned(batch, self._chance)
        self.sample.append(batch)
        self._held += batch.num_rows
        self._bytes += batch.nbytes
        while self._held > 2 * SAMPLE or (self._bytes > self._size and self._held > LEAST):
            if self.whole:
                for held in self.sample:
                    self._note(held)
            self._chance /= 2
            self.sample = [self._thinned(held, 0.5) for held in self.sample]
            self._held = sum(held.num_rows for held in self.sample)
            self._bytes = sum(held.nbytes for held in self.sample)

    def column(self, name: str) -> list[pa.Array]:
        """Return a column of the sample, missing where a batch does not have it."""
        return [column_of(batch, name) for batch in self.sample]

    def numbers(self, name: str) -> list[Numbers]:
        """Return a column of the sample as numbers, and with them the extremes of all rows."""
        ends = np.array(self._extremes.get(name, ()))
        extremes = Numbers(values=ends, mark=np.full(len(ends), PRESENT, np.uint8))
        return [*map(numbers, self.column(name)), extremes]

    def categories(self, name: str, of: ValueType) -> Mapping[str, int]:
        """Return the rows of each category: of all rows, or of the sample where they are many."""
        found = self._names.get((name, of))
        rows = found.rows() if found else None
        return rows or category_rows([labels(part, of) for part in self.column(name)])

    def cohorts(self, most: int = MAX_KNOWN_GROUPS) -> Mapping[Dimension, frozenset[Group]]:
        """Return the cohorts that get a group of their own: the largest, ties by name."""
        return {
            dimension: frozenset(group for _, group in ordered[:most])
            for dimension, rows in self._cohorts.items()
            for ordered in [sorted((-count, group) for group, count in rows.items())]
        }

    def _thinned(self, batch: pa.RecordBatch, chance: float) -> pa.RecordBatch:
        kept = np.packbits(self._rng.random(batch.num_rows) < chance, bitorder="little")
        # laid out by hand, as `pa.array` imports pandas
        mask = pa.Array.from_buffers(pa.bool_(), batch.num_rows, [None, pa.py_buffer(kept)])
        return batch.filter(mask)

    def _note(self, batch: pa.RecordBatch) -> None:
        kinds: tuple[ValueType, ...] = ("number", "string", "boolean")
        for name, array in zip(batch.schema.names, batch.columns, strict=True):
            for of in kinds:
                if not pa.types.is_union(array.type) and type_of(array.type) != of:
                    continue
                if of == "number":
                    self._note_extremes(name, array)
                if of != "number" or name in self._coded:
                    self._names.setdefault((name, of), _Categories()).add(array, of)

    def _note_extremes(self, name: str, array: pa.Array) -> None:
        values, mismatch = floats(array)
        if mismatch is not None:
            values = values[~mismatch]
        low, high = _extremes(values)
        if not np.isfinite((low, high)).all():
            low, high = _extremes(values[np.isfinite(values)])
        if low <= high:
            known = self._extremes.get(name, (low, high))
            self._extremes[name] = min(low, known[0]), max(high, known[1])


class _Categories:
    """The rows of each category of one column, until there are too many."""

    def __init__(self) -> None:
        self._rows: dict[str, int] | None = {}
        self._last: Entries | None = None  # batches of a file mostly share their dictionary
        self._counts = np.zeros(0, np.int64)  # of its entries, not among the rows yet

    def add(self, array: pa.Array, of: ValueType) -> None:
        if self._rows is None:
            return
        read = entries(array, of, self._last)
        if read is None:  # mixed
            self._join(category_rows([labels(array, of)]).items())
            return
        if self._last is None or read.names is not self._last.names:
            self.rows()
            self._counts = np.zeros(len(read.names), np.int64)
        self._last = read
        self._counts += np.bincount(read.index, minlength=len(read.names))

    def rows(self) -> Mapping[str, int] | None:
        """Return the rows of each category; None where they are too many."""
        if self._last is not None:
            self._join(zip(self._last.names, self._counts.tolist(), strict=True))
            self._counts[:] = 0
        return self._rows

    def _join(self, counted: Iterable[tuple[str | None, int]]) -> None:
        rows = self._rows
        if rows is None:
            return
        for name, count in counted:
            if count and name is not None:
                rows[name] = rows.get(name, 0) + count
        if len(rows) > _MOST_NAMES:
            self._rows = None


def _extremes(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the smallest and the largest value past NaN; where there is none, inf and −inf."""
    low = np.fmin.reduce(values, initial=np.inf)
    return float(low), float(np.fmax.reduce(values, initial=-np.inf))

"""A first look at rows that may be too many to hold: a fair sample, and what a sample misses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping

import numpy as np
import pyarrow as pa

from profiles.buffers import column_of
from profiles.counting import cohort_rows
from profiles.grids import MAX_CATEGORIES, MAX_KNOWN, category_rows
from profiles.profile import MAX_KNOWN_GROUPS, Dimension, Group
from profiles.values import Numbers, ValueType, floats, labels, numbers, type_of

SAMPLE = 1 << 17  # up to this many rows all are held, of more between this and twice as many
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
    """

    def __init__(
        self, dimensions: Iterable[Dimension] = (), coded: Container[str] = frozenset()
    ) -> None:
        self._coded = coded
        self.rows = 0
        self.sample: list[pa.RecordBatch] = []
        self._held = 0
        self._chance = 1.0
        self._rng = np.random.default_rng(0)
        self._extremes: dict[str, tuple[float, float]] = {}
        self._names: dict[tuple[str, ValueType], Counter[str] | None] = {}
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
        while self._held > 2 * SAMPLE:
            if self.whole:
                for held in self.sample:
                    self._note(held)
            self._chance /= 2
            self.sample = [self._thinned(held, 0.5) for held in self.sample]
            self._held = sum(held.num_rows for held in self.sample)

    def column(self, name: str) -> list[pa.Array]:
        """Return a column of the sample, missing where a batch does not have it."""
        return [column_of(batch, name) for batch in self.sample]

    def numbers(self, name: str) -> list[Numbers]:
        """Return a column of the sample as numbers, and with them the extremes of all rows."""
        extremes = [numbers(pa.array(self._extremes[name]))] if name in self._extremes else []
        return [*map(numbers, self.column(name)), *extremes]

    def categories(self, name: str, of: ValueType) -> Mapping[str, int]:
        """Return the rows of each category: of all rows, or of the sample where they are many."""
        rows = self._names.get((name, of))
        return rows or category_rows([labels(part, of) for part in self.column(name)])

    def cohorts(self) -> Mapping[Dimension, frozenset[Group]]:
        """Return the cohorts that get a group of their own: the 1,000 largest, ties by name."""
        return {
            dimension: frozenset(group for _, group in ordered[:MAX_KNOWN_GROUPS])
            for dimension, rows in self._cohorts.items()
            for ordered in [sorted((-count, group) for group, count in rows.items())]
        }

    def _thinned(self, batch: pa.RecordBatch, chance: float) -> pa.RecordBatch:
        return batch.filter(pa.array(self._rng.random(batch.num_rows) < chance))

    def _note(self, batch: pa.RecordBatch) -> None:
        kinds: tuple[ValueType, ...] = ("number", "string", "boolean")
        for name, array in zip(batch.schema.names, batch.columns, strict=True):
            for of in kinds:
                if not pa.types.is_union(array.type) and type_of(array.type) != of:
                    continue
                if of == "number":
                    self._note_extremes(name, array)
                if of != "number" or name in self._coded:
                    self._note_names(name, array, of)

    def _note_extremes(self, name: str, array: pa.Array) -> None:
        values, _ = floats(array)
        values = values[np.isfinite(values)]
        if len(values):
            low, high = self._extremes.get(name, (np.inf, -np.inf))
            self._extremes[name] = min(low, float(values.min())), max(high, float(values.max()))

    def _note_names(self, name: str, array: pa.Array, of: ValueType) -> None:
        known = self._names.setdefault((name, of), Counter())
        if known is None:  # too many before
            return
        known.update(category_rows([labels(array, of)]))
        if len(known) > _MOST_NAMES:
            self._names[name, of] = None

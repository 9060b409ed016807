"""The last step of every way to read: written times, payloads and columns become a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.config import Limits
from monitor.sources.arrays import Column, clean, keep, record_batch
from monitor.sources.batch import Batch, rows_at_once
from monitor.sources.ids import exact
from monitor.sources.moments import timed
from monitor.sources.payload import Flat, flatten, read_payloads
from monitor.sources.sizes import too_large
from monitor.sources.times import Writing
from profiles.buffers import values_of
from profiles.limits import ROW_TOO_LARGE
from profiles.windows import Window

USUAL = Limits()
_SHOWING = 64  # rows that show how many keys payloads have


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Some rows as a database or a file has them; none where it takes its time."""

    columns: Mapping[str, Column]
    count: int
    large: npt.NDArray[np.bool_] | None = None  # rows with a text that was not taken in


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What is special among the columns.

    Attributes
    ----------
    time : str or None
        The column with the event time.
    payload : str or None
        The column with JSON objects.
    parsed : bool
        Whether payloads are values already, a text being a JSON text.
    taken : container of str
        The table's own columns, which a payload's keys do not replace.
    id : str or None
        The column whose values have to stay as exact as they are written.
    id_is_number : bool
        Whether its texts are numbers, which were written out to stay so.
    expected : frozenset of str
        Columns that are watched, which a payload's other keys do not crowd out.
    """

    time: str | None = None
    payload: str | None = None
    parsed: bool = False
    taken: Container[str] = ()
    id: str | None = None
    id_is_number: bool = False
    limits: Limits = USUAL
    expected: frozenset[str] = frozenset()


def batches_of(
    rows: Rows, shape: Shape, *, writing: Writing | None = None, window: Window | None = None
) -> Iterator[Batch]:
    """Make batches of rows; with a window, of those whose time lies in it.

    One batch, but where payloads have so many keys that the rows would be too many cells.
    """
    if not rows.count:
        yield Batch(rows=record_batch({}, 0), read=0, rejected={})
        return
    sieve = _Sieve(rows, shape)
    if window is not None:
        assert writing is not None
        sieve.by_time(writing, window)
    sieve.by_size(shape.limits.row_bytes)
    if shape.payload is None:
        yield sieve.batch(sieve.columns, sieve.count, Flat(columns={}))
        return
    objects = sieve.by_payload(shape.payload)
    columns = sieve.columns
    most = rows_at_once(len(columns) + len(_flat(objects[:_SHOWING], shape).columns))
    for first in range(0, max(1, len(objects)), most):
        part = slice(first, first + most)
        flat = _flat(objects[part], shape)
        mine = columns if most >= len(objects) else {n: of[part] for n, of in columns.items()}
        count = len(objects[part])
        yield sieve.batch(mine, count, flat, first=first)


def _flat(objects: Sequence[dict[str, Any]], shape: Shape) -> Flat:
    limits = shape.limits
    return flatten(
        objects, taken=shape.taken, payload=shape.payload or "", deepest=limits.json_depth,
        expected=shape.expected, others=limits.columns,
    )  # fmt: skip


class _Sieve:
    """Some rows, of which those that cannot be taken in are turned away one reason at a time."""

    def __init__(self, rows: Rows, shape: Shape) -> None:
        self.columns, self.count = dict(rows.columns), rows.count
        self._shape, self._large = shape, rows.large
        self._us: npt.NDArray[np.int64] | None = None  # where times are asked for
        self._rejected: Counter[str] = Counter()
        self._rejected_at: dict[str, npt.NDArray[np.int64]] = {}

    def by_time(self, writing: Writing, window: Window) -> None:
        """Leave the rows whose time lies in a window."""
        time = self._shape.time
        assert time is not None
        found = timed(self.columns[time], writing, window)
        if found.kept is not None:
            self.columns = keep(self.columns, found.kept)
            if self._large is not None:
                self._large = self._large[np.asarray(found.kept, bool)]
        self.columns[time] = found.moments
        self._us = values_of(found.moments, np.int64)
        self._rejected += found.rejected
        self.count = len(found.moments)

    def by_size(self, most: int) -> None:
        """Turn away the rows whose texts are too long."""
        large = too_large(self.columns.values(), self.count, most)
        if self._large is not None:
            large = self._large if large is None else large | self._large
        if large is not None and large.any():
            self._count_away(ROW_TOO_LARGE, np.flatnonzero(large))
            self._forget(np.flatnonzero(large))
            self.columns = keep(self.columns, ~large)
        id_ = self._shape.id
        if id_ is not None and id_ in self.columns:  # not every file has it
            self.columns[id_] = exact(self.columns[id_], number=self._shape.id_is_number)

    def by_payload(self, name: str) -> list[dict[str, Any]]:
        """Turn away the rows whose payload is no object; return the others' payloads."""
        values = self.columns.pop(name)
        listed = values.to_pylist() if isinstance(values, pa.Array) else values
        payloads = read_payloads(listed, parsed=self._shape.parsed)
        if payloads.kept is not None:
            kept = np.asarray(payloads.kept, bool)
            self.columns = keep(self.columns, kept)
            turned, reasons = np.flatnonzero(~kept), np.array(payloads.reasons)
            for reason in sorted(set(payloads.reasons)):
                self._count_away(reason, turned[reasons == reason])
            self._forget(turned)
        return payloads.objects

    def batch(
        self, columns: Mapping[str, Column], count: int, flat: Flat, *, first: int = 0
    ) -> Batch:
        """Return the rows from `first` on; what was turned away is told with the first ones."""
        rejected, at = (self._rejected, self._rejected_at) if not first else (Counter[str](), {})
        cut = {}
        if flat.deep and self._us is not None:
            cut["json_depth"] = self._us[first + np.array(flat.deep)]
        return Batch(
            rows=record_batch({**columns, **flat.columns}, count),
            read=count + rejected.total(),
            rejected=dict(rejected),
            rejected_at=at,
            absent={clean(name): rows for name, rows in flat.absent.items()},
            cut_at=cut,
        )

    def _count_away(self, reason: str, rows: npt.NDArray[np.intp]) -> None:
        self._rejected[reason] += len(rows)
        if self._us is not None:
            self._rejected_at[reason] = self._us[rows]

    def _forget(self, rows: npt.NDArray[np.intp]) -> None:
        self.count -= len(rows)
        if self._us is not None:
            self._us = np.delete(self._us, rows)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The columns that a statement gives, in its order, and what is known of them.

    Attributes
    ----------
    written : frozenset of str
        Columns of which most values differ: nothing is gained by codes in place of their texts.
    truths : frozenset of str
        Columns declared as true or false by a database that keeps 1 and 0 for it.
    time : str or None
        The column with the event time.
    payload : str or None
        The column that is left as it is.
    id : str or None
        The column that stays exact.
    row_bytes : int
        Of all texts of a row; a row with more need not be taken in.
    """

    names: tuple[str, ...]
    time: str | None = None
    written: frozenset[str] = frozenset()
    truths: frozenset[str] = frozenset()
    payload: str | None = None
    id: str | None = None
    row_bytes: int = USUAL.row_bytes


NOTHING = Rows(columns={}, count=0)


class Unfit(Exception):
    """A statement that a reader cannot read; another has to. Nothing has been read."""

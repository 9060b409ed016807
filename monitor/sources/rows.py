"""The last step of every way to read: written times, payloads and columns become a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.sources.arrays import Column, clean, keep, record_batch
from monitor.sources.batch import Batch
from monitor.sources.ids import exact
from monitor.sources.moments import timed
from monitor.sources.payload import Payloads, flatten, read_payloads
from monitor.sources.times import Writing
from profiles.buffers import values_of
from profiles.windows import Window


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Some rows as a database or a file has them; none where it takes its time."""

    columns: Mapping[str, Column]
    count: int


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
    """

    time: str | None = None
    payload: str | None = None
    parsed: bool = False
    taken: Container[str] = ()
    id: str | None = None
    id_is_number: bool = False


def batch_of(
    rows: Rows, shape: Shape, *, writing: Writing | None = None, window: Window | None = None
) -> Batch:
    """Make a batch of rows; with a window, of those whose time lies in it."""
    columns, count, read = dict(rows.columns), rows.count, rows.count
    rejected: Counter[str] = Counter()
    rejected_at: dict[str, npt.NDArray[np.int64]] = {}
    absent: dict[str, npt.NDArray[np.bool_]] = {}
    if not count:
        return Batch(rows=record_batch({}, 0), read=0, rejected={})
    if window is not None:
        assert shape.time is not None
        assert writing is not None
        found = timed(columns[shape.time], writing, window)
        if found.kept is not None:
            columns = keep(columns, found.kept)
        columns[shape.time] = found.moments
        rejected += found.rejected
        count = len(found.moments)
        read = count + rejected.total()
    if shape.id is not None and shape.id in columns:  # not every file has it
        columns[shape.id] = exact(columns[shape.id], number=shape.id_is_number)
    if shape.payload is not None:
        values = columns.pop(shape.payload)
        listed = values.to_pylist() if isinstance(values, pa.Array) else values
        payloads = read_payloads(listed, parsed=shape.parsed)
        if payloads.kept is not None:
            if window is not None:
                rejected_at = _when(columns[shape.time or ""], payloads)
            columns = keep(columns, payloads.kept)
            rejected += payloads.rejected
            count = len(payloads.objects)
        flat = flatten(payloads.objects, taken=shape.taken, payload=shape.payload)
        columns |= flat.columns
        absent = {clean(name): rows for name, rows in flat.absent.items()}
    return Batch(
        rows=record_batch(columns, count),
        read=read,
        rejected=dict(rejected),
        rejected_at=rejected_at,
        absent=absent,
    )


def _when(moments: Column, payloads: Payloads) -> dict[str, npt.NDArray[np.int64]]:
    """Return the moments of the rows whose payload is none, by reason."""
    assert isinstance(moments, pa.Array)
    us = values_of(moments, np.int64)[~np.asarray(payloads.kept, bool)]
    reasons = np.array(payloads.reasons)
    return {reason: us[reasons == reason] for reason in set(payloads.reasons)}


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
    """

    names: tuple[str, ...]
    time: str | None = None
    written: frozenset[str] = frozenset()
    truths: frozenset[str] = frozenset()
    payload: str | None = None
    id: str | None = None


NOTHING = Rows(columns={}, count=0)


class Unfit(Exception):
    """A statement that a reader cannot read; another has to. Nothing has been read."""

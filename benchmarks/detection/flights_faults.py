"""Faults of a log of flights, as changes of its rows, and what is right to say of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Batches = Sequence[pa.RecordBatch]
Change = Callable[[pa.RecordBatch, np.random.Generator], pa.RecordBatch]
Right = Callable[["Named"], bool]

KILOMETRES = 1.609344  # of a mile
BIG, BIG_NEW = "UA", "UX"
SMALL, SMALL_NEW = "F9", "FX"
_MISSING = 0.05
_KEPT = 0.5


@dataclass(frozen=True, kw_only=True, order=True)
class Named:
    """A stream that an alert names.

    Attributes
    ----------
    lane : str
        ``checks`` where something happened that never had.
    what : str
        The kind of the stream, or the check.
    """

    lane: str
    column: str
    what: str
    dimension: tuple[str, ...]
    group: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.column}, {self.what} in {' × '.join(self.group) or 'everybody'}"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong at noon.

    Attributes
    ----------
    column : str or None
        The column whose values change; None where it is the rows themselves.
    hours : int
        How long it lasts.
    change : callable
        From rows as they were logged to rows as they would have been.
    right : callable
        Whether a stream is what went wrong.
    """

    name: str
    planted: str
    column: str | None
    hours: int
    change: Change
    right: Right


def faults(columns: Sequence[str]) -> tuple[Fault, ...]:
    """Return all faults; nulls in each of some columns."""
    return (
        Fault(
            name="kilometres for miles", planted=f"distance × {KILOMETRES}", column="distance",
            hours=24, change=_in_kilometres, right=lambda of: of.column == "distance",
        ),
        _renamed("a large carrier renamed", BIG, BIG_NEW),
        Fault(
            name="an hour logged twice", planted="ids repeated", column=None, hours=1,
            change=_twice, right=lambda of: of.what == "repeated",
        ),
        _renamed("a small carrier renamed", SMALL, SMALL_NEW),
        *map(_emptied, columns),
        Fault(
            name="half the volume", planted="every other row", column=None, hours=3,
            change=_thinned,
            right=lambda of: of.column == "rows" and of.what in {"volume", "few rows"},
        ),
    )  # fmt: skip


def _emptied(column: str) -> Fault:
    return Fault(
        name="5 % nulls", planted=f"in {column}", column=column, hours=24,
        change=lambda rows, rng: _nulls(rows, rng, column),
        # of a cohort column, what is missing is a cohort that was never there
        right=lambda of: of.column == column
        and of.what in {"faults", "unknown value", "first missing"},
    )  # fmt: skip


def _renamed(name: str, old: str, new: str) -> Fault:
    return Fault(
        name=name, planted=f"{old} → {new}", column="carrier", hours=24,
        change=lambda rows, _: _with(
            rows, "carrier", pc.replace_substring_regex(_texts(rows, "carrier"), f"^{old}$", new)
        ),
        right=lambda of: of.column == "carrier"
        or (of.column == "rows" and bool({old, new} & set(of.group))),
    )  # fmt: skip


def _in_kilometres(rows: pa.RecordBatch, _: np.random.Generator) -> pa.RecordBatch:
    miles = rows.column("distance").cast(pa.float64())
    return _with(rows, "distance", pc.multiply(miles, KILOMETRES))


def _twice(rows: pa.RecordBatch, _: np.random.Generator) -> pa.RecordBatch:
    return pa.concat_batches([rows, rows])


def _nulls(rows: pa.RecordBatch, rng: np.random.Generator, column: str) -> pa.RecordBatch:
    values = rows.column(column)
    gone = pa.array(rng.random(rows.num_rows) < _MISSING)
    return _with(rows, column, pc.if_else(gone, pa.scalar(None, values.type), values))


def _thinned(rows: pa.RecordBatch, rng: np.random.Generator) -> pa.RecordBatch:
    return rows.filter(pa.array(rng.permutation(rows.num_rows) < _KEPT * rows.num_rows))


def _with(rows: pa.RecordBatch, column: str, values: pa.Array) -> pa.RecordBatch:
    return rows.set_column(rows.schema.get_field_index(column), column, values)


def _texts(rows: pa.RecordBatch, column: str) -> pa.Array:
    return rows.column(column).cast(pa.string())


NAMES = tuple(fault.name for fault in faults([""]))

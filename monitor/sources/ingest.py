"""The column that says when rows were written: a time, or a number that only grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from monitor.errors import SourceError
from monitor.late import Mark
from monitor.sources import times
from monitor.sources.times import Writing


@dataclass(frozen=True, kw_only=True)
class Ingest:
    """How such a column is compared with a mark.

    Attributes
    ----------
    writing : Writing or None
        Of its times; None where it holds numbers, an id or seconds since 1970 alike.
    """

    column: str
    writing: Writing | None

    def bound(self, mark: Mark) -> Any:
        """Return a mark as a value that no newer one of the column stands before."""
        if isinstance(mark, datetime):
            return mark if self.writing is None else self.writing.bound(mark)
        return mark

    def fits(self, mark: Mark) -> bool:
        """Tell whether a mark was made of such a column: its type may have been changed."""
        return isinstance(mark, datetime) == (self.writing is not None)

    def read(self, value: Any) -> Mark:
        """Return a value as a mark, cut to whole numbers.

        Raises
        ------
        SourceError
            If it is neither a time nor a finite number.
        """
        mark = _whole(value) if self.writing is None else self.writing.read(value)
        if mark is None or isinstance(mark, str):
            raise _refused(self.column, "its largest value is neither a time nor a number")
        return mark


def ingest_of(values: Sequence[Any], column: str) -> Ingest | None:
    """Tell from some values what a column holds, None where there are none.

    Raises
    ------
    SourceError
        If they are neither times nor numbers, or written in several ways.
    """
    known = [value for value in values if value is not None]
    if not known:
        return None
    if all(_whole(value) is not None for value in known):
        return Ingest(column=column, writing=None)
    odd = {type(value).__name__ for value in known if not isinstance(value, date | str)}
    if odd:
        raise _refused(column, f"it holds values of type {', '.join(sorted(odd))}")
    try:
        return Ingest(column=column, writing=times.recognise(known, column=column))
    except SourceError as error:
        raise _refused(column, str(error)) from None


def _refused(column: str, why: str) -> SourceError:
    return SourceError(
        f"log.ingested: column {column!r} has to hold times, or numbers that only grow; {why}"
    )


def _whole(value: Any) -> int | None:
    """Return a number without its fraction, None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return math.floor(value) if isinstance(value, int) or math.isfinite(value) else None

"""A limit that was reached, in words."""

from __future__ import annotations

from collections.abc import Iterator

from alerts.text import name
from monitor.config.models import Limits
from profiles.limits import Cut


def reached(limits: Limits, cut: Cut, *, large: int, of: str) -> Iterator[str]:
    """Say which limits were reached, and what became of what is beyond.

    Parameters
    ----------
    cut : mapping from limit to mapping from column or dimension to rows
        Of columns, how many there are in place of rows.
    large : int
        Rows that were rejected for their size.
    of : str
        Whose rows they are: ``"of the last day"``.
    """
    if large:
        size = f"{limits.row_bytes / (1 << 20):.3g} MB"
        yield (
            f"{_rows(large, of)} {_were(large)} rejected: the texts of a row may take {size} "
            "together (limits.row_bytes)"
        )
    for columns in cut.get("columns", {}).values():
        yield (
            f"{columns:,} columns are not watched: a model has {limits.columns:,} at most "
            "(limits.columns)"
        )
    for what, rows in cut.get("cohorts", {}).items():
        yield (
            f"cohorts of {name(what)} are too many to be told one by one: {_rows(rows, of)} "
            f"{_are(rows)} counted together as (other) (limits.cohorts)"
        )
    for what, rows in cut.get("categories", {}).items():
        yield (
            f"values of {name(what)} are too many to be known by name: {_rows(rows, of)} "
            f"{_are(rows)} counted without theirs (limits.categories)"
        )
    for what, rows in cut.get("json_depth", {}).items():
        yield (
            f"{_rows(rows, of)} {'has' if rows == 1 else 'have'} objects in {name(what)} nested "
            f"deeper than {limits.json_depth}, which stay one text (limits.json_depth)"
        )


def _rows(rows: int, of: str) -> str:
    return f"{rows:,} {'row' if rows == 1 else 'rows'} {of}"


def _are(rows: int) -> str:
    return "is" if rows == 1 else "are"


def _were(rows: int) -> str:
    return "was" if rows == 1 else "were"

"""How the columns of a log have changed, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from alerts.text import listed, name

MISSING, TYPE, NEW = RULES = "missing column", "changed type", "new column"  # in reading order

MOST_IN_TITLE = 3
MOST_IN_SENTENCE = 20


class Changed(Protocol):
    """What a sentence needs to know of a column."""

    @property
    def column(self) -> str: ...
    @property
    def rule(self) -> str: ...
    @property
    def label(self) -> str: ...


def label(rule: str, *, was: str = "", now: Sequence[str] = ()) -> str:
    """Say of a column what became of it: ``gone``, ``new`` or ``text and was a number``.

    >>> label(TYPE, was="a number", now=["text"]), label(MISSING)
    ('text and was a number', 'gone')
    """
    if rule == TYPE:
        return f"{listed(list(now))} and was {was}"
    return "gone" if rule == MISSING else "new"


def became(column: Changed) -> str:
    """Say what became of one column: ``gone``, ``came as text and was a number``."""
    return f"came as {column.label}" if column.rule == TYPE else column.label


def listing(columns: Iterable[Changed], *, most: int = MOST_IN_TITLE, too: str = "") -> str:
    """List columns: ``temp is gone; fare came as text and was a number; new: fare_eur``.

    Parameters
    ----------
    most
        Names of each kind.
    too
        What follows each verb where others are known already.
    """
    of: dict[str, list[Changed]] = {rule: [] for rule in RULES}
    for column in sorted(columns, key=lambda each: each.column):
        of[column.rule].append(column)
    parts = []
    gone = [name(each.column) for each in of[MISSING]]
    if gone:
        parts.append(f"{listed(gone, most=most)} {'is' if len(gone) == 1 else 'are'} gone{too}")
    by_label: dict[str, list[str]] = {}
    for each in of[TYPE]:
        by_label.setdefault(each.label, []).append(name(each.column))
    parts += [
        f"{listed(names, most=most)} came as {label}{too}"
        for label, names in list(by_label.items())[:most]
    ]
    rest = sum(len(names) for names in list(by_label.values())[most:])
    if rest:
        parts.append(f"{rest:,} more came as another type{too}")
    new = [name(each.column) for each in of[NEW]]
    if new:
        parts.append(f"new: {listed(new, most=most)}")
    return "; ".join(parts)

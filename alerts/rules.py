"""Rules, and what they saw in one window."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

Cohort = tuple[tuple[str, str], ...]  # () is everybody; (("origin", "JFK"),) is one cohort


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A distance beyond a threshold for some windows in a row."""

    name: str
    statistic: str
    threshold: float
    over: timedelta  # width of the merged window that is judged
    windows: int  # how many windows in a row
    min_rows: int


@dataclass(frozen=True, kw_only=True, order=True)
class StreamKey:
    """One column in one cohort as one rule judges it."""

    rule: str
    column: str
    cohort: Cohort = ()


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One stream as one rule saw it in one window.

    `value`, `now` and `was` are None where unknown; a value that is not finite counts as unknown.
    `now` and `was` are the mean, or the share of a category, in the window and in the baseline;
    `label` says which: ``mean`` or ``share of EV``.
    """

    rule: str
    column: str
    cohort: Cohort
    statistic: str
    value: float | None
    threshold: float
    n: int
    reason: str | None
    now: float | None
    was: float | None
    label: str

    def __post_init__(self) -> None:
        # Readings come from numpy: plain numbers are made here, so that what is stored is JSON.
        object.__setattr__(self, "n", int(self.n))
        object.__setattr__(self, "threshold", float(self.threshold))
        for name in ("value", "now", "was"):
            given = getattr(self, name)
            known = given is not None and math.isfinite(given)
            object.__setattr__(self, name, float(given) if known else None)

    @property
    def key(self) -> StreamKey:
        return StreamKey(rule=self.rule, column=self.column, cohort=self.cohort)

    @property
    def ratio(self) -> float | None:
        """How many times its threshold the value is."""
        return None if self.value is None else self.value / self.threshold

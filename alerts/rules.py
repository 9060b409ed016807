"""Rules, and what they saw in one window."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import numpy.typing as npt

CHECK = "check"  # the statistic of what is a fact: it has no distance
SCHEMA = "schema"  # the statistic of a column that is gone, of another type, or new
NEVER_BEFORE = "never before"  # the rule of checks
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
    quiet: int | None = (
        None  # windows without it that end an incident; None: as many, three or more
    )


@dataclass(frozen=True, kw_only=True, order=True)
class StreamKey:
    """One column in one cohort as one rule judges it."""

    rule: str
    column: str
    cohort: Cohort = ()


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What moved in a stream, now and in the baseline.

    Attributes
    ----------
    now, was : float or None
        None where unknown.
    label : str
        What the two are: ``mean``, ``number of``, or ``share of EV``.
    effect, low, high : float or None
        Cohen's w without what chance and the stream's own wander add to it, and its 95 % interval.
    mix : float or None
        How much of the change is another mix of cohorts, of 1; the rest is within cohorts.
    mix_of : str
        The columns whose mix that is.
    """

    now: float | None
    was: float | None
    label: str
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    mix: float | None = None
    mix_of: str = ""


UNCLEAR = Moved(now=None, was=None, label="")


@dataclass(frozen=True, kw_only=True)
class Readings:
    """What one rule saw in one window, a row for each stream.

    Attributes
    ----------
    streams : tuple of StreamKey [S]
        Each once.
    value : float64 [S]
        Not finite where unknown.
    n : int64 [S]
        Rows with a value of the right type; a stream without any was not seen.
    known : bool [S]
        Whether the baseline has the cohort.
    moved : mapping from row to Moved
        Of the streams beyond the threshold.
    complete : bool
        Whether streams that are not here were quiet; else they are unknown.
    listed : bool [S] or None
        Streams that have moved with one that is over the threshold, where there is one.
    """

    rule: Rule
    streams: tuple[StreamKey, ...]
    value: npt.NDArray[np.float64]
    n: npt.NDArray[np.int64]
    known: npt.NDArray[np.bool_]
    moved: Mapping[int, Moved] = field(default_factory=dict)
    complete: bool = False
    listed: npt.NDArray[np.bool_] | None = None

    @property
    def judged(self) -> npt.NDArray[np.bool_]:
        """Which streams [S] can be judged: the value is known, and of enough rows."""
        return np.isfinite(self.value) & (self.n >= self.rule.min_rows)

    @property
    def beyond(self) -> npt.NDArray[np.bool_]:
        """Which streams [S] are over the threshold, or have moved with one that is."""
        over = self.judged & (self.value > self.rule.threshold)
        if self.listed is None or not over.any():
            return over
        return over | (self.judged & self.listed)

    def each(self) -> Iterator[Reading]:
        """Yield the streams that were seen one by one."""
        for at in np.flatnonzero(self.n).tolist():
            yield self.at(at)

    def at(self, row: int) -> Reading:
        """Return one stream."""
        n, value, key = int(self.n[row]), float(self.value[row]), self.streams[row]
        moved = self.moved.get(row, UNCLEAR)
        reason = None
        if not self.known[row]:
            reason = "not in the baseline"
        elif n < self.rule.min_rows:
            reason = f"too few rows, {n} of {self.rule.min_rows}"
        elif not math.isfinite(value):
            reason = "too little to compare with yet"
        return Reading(
            rule=self.rule.name,
            column=key.column,
            cohort=key.cohort,
            statistic=self.rule.statistic,
            value=value if math.isfinite(value) else None,
            threshold=self.rule.threshold,
            n=n,
            reason=reason,
            now=moved.now,
            was=moved.was,
            label=moved.label,
        )


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One stream as one rule saw it in one window; numbers are None where unknown."""

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

    @property
    def ratio(self) -> float | None:
        """How many times its threshold the value is."""
        return None if self.value is None else self.value / self.threshold

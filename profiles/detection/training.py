"""The first weeks, when there is no past to compare with: the last day beside the training rows.

Training rows tell nothing of hours, weekends, or how much a stream wanders, so this is the weaker
mode. A stream alerts where chance is ruled out (chi-squared, Bonferroni over all looks of a month)
and where, as far as the rows can say, the shift is large: at least `GATE`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from profiles.detection.column import Kind
from profiles.detection.scores import SIDE
from profiles.detection.watched import Watched

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]

GATE = 0.2  # Cohen's w under which a shift from the training rows is no news
LEAST = 100  # rows of a day under which nothing is said
_HALF = 0.5  # a row that every place of the training rows is given, so that none expects nothing


@dataclass(frozen=True, kw_only=True)
class Apart:
    """How far one kind of a column is from the training rows, in every cohort.

    Attributes
    ----------
    heights : float64 [C]
        The lower limit of Cohen's w over `GATE`; under 1 where it may be chance.
    effects, low, high : float64 [C]
    rows : int64 [C]
    """

    column: str
    kind: Kind
    heights: Doubles
    effects: Doubles
    low: Doubles
    high: Doubles
    rows: Ints


class Training:
    """What training rows let expect of a day.

    Parameters
    ----------
    watched : mapping from column to Watched
    parts : mapping from column to slice
        Where the places of each column lie.
    counts : int [C, ΣP]
        The training rows of each cohort, everybody first, in those places.
    faults_only : collection of str
        Columns of which only missing and wrong values are looked at.
    a_month : float
        False alarms that chance may give, all streams together.
    looks : int
        A month.
    """

    def __init__(
        self,
        watched: Mapping[str, Watched],
        parts: Mapping[str, slice],
        counts: Ints,
        *,
        faults_only: Collection[str],
        a_month: float,
        looks: int,
    ) -> None:
        self._watched, self._parts, self._faults_only = watched, parts, faults_only
        self._counts = counts.astype(np.float64)
        streams = sum(1 if c in faults_only else 3 for c in watched) * len(counts)
        self._chance = a_month / max(1, streams * looks)

    def apart(self, came: Ints) -> list[Apart]:
        """Look at what came in a day [C, ΣP]."""
        found = []
        for column, of in self._watched.items():
            now = came[:, self._parts[column]].astype(np.float64)
            before = self._counts[:, self._parts[column]]
            found.append(self._one(column, "faults", now, before, of))
            if column not in self._faults_only:
                values = slice(0, of.values)
                found.append(self._one(column, "body", now[:, values], before[:, values], of))
                found.append(self._one(column, "beyond", now[:, values], before[:, values], of))
        return found

    def expected(self, column: str, came: Ints) -> Doubles:
        """Return what was expected of a day's rows [C, P]: of values, and of all rows faults."""
        before = self._counts[:, self._parts[column]]
        shares: Doubles = before / np.maximum(before.sum(axis=1, keepdims=True), 1)
        rows = came[:, self._parts[column]].sum(axis=1, keepdims=True)
        found: Doubles = shares * rows
        return found

    def _one(self, column: str, kind: Kind, now: Doubles, before: Doubles, of: Watched) -> Apart:
        rows, trained = now.sum(axis=1), before.sum(axis=1)
        shares = (before + _HALF) / (trained + _HALF * before.shape[1])[:, None]
        expected = shares * rows[:, None]
        freedom = 1.0
        if kind == "body":
            freedom = now.shape[1] - 1.0
        else:
            at = list(of.beyond) if kind == "beyond" else list(range(of.values, of.places))
            now, expected = (v[:, at].sum(axis=1, keepdims=True) for v in (now, expected))
        distance = 4 * np.square(np.sqrt(now) - np.sqrt(expected)).sum(axis=1)
        known = (rows >= LEAST) & (trained >= LEAST)
        # both samples are drawn
        noise = 1 + rows / np.maximum(trained, 1)
        certain = special.chdtrc(freedom, distance / noise) < self._chance
        size, root = np.maximum(rows, 1), np.sqrt(distance)
        mean, margin = freedom * noise, SIDE * np.sqrt(noise)
        low, middle, high = (
            np.sqrt(np.maximum(0, np.square(np.maximum(0, at)) - mean) / size)
            for at in (root - margin, root, root + margin)
        )
        heights = np.where(certain, low / GATE, np.minimum(low / GATE, 0.99))
        return Apart(
            column=column, kind=kind, heights=np.where(known, heights, 0), effects=middle, low=low,
            high=high, rows=rows.astype(np.int64),
        )  # fmt: skip

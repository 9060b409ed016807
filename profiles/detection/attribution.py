"""What moved: the streams of an alerting lane, how far, in what, and whether it is only a mix.

References
----------
.. [1] Y. Benjamini and Y. Hochberg, "Controlling the False Discovery Rate", Journal of the Royal
   Statistical Society B 57 (1995).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from profiles.detection.column import Kind
from profiles.detection.mix import split
from profiles.detection.scores import Scale
from profiles.detection.watched import Watched
from profiles.profile import Dimension, Group

Doubles = npt.NDArray[np.float64]

FALSE_SHARE = 0.1  # of what is listed, at most, on average


@dataclass(frozen=True, kw_only=True, order=True)
class Stream:
    """One column in one cohort, or the rows of a cohort, whose column is ``rows``."""

    column: str
    kind: Kind
    dimension: Dimension
    group: Group


@dataclass(frozen=True, kw_only=True)
class Change:
    """What moved most in a stream: what was expected, and what came instead.

    `label` says what the two are: ``mean``, ``number of``, or ``share of EV``.
    """

    now: float
    was: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Mix:
    """How much of a change of everybody is another mix of cohorts, of 1, and which cohorts'."""

    share: float
    dimension: Dimension


@dataclass(frozen=True, kw_only=True)
class Odd:
    """A stream on its oddest look of a unit.

    Attributes
    ----------
    height : float
        At its highest in the unit, over the third largest of its cell in the units it is judged
        with.
    today, now : float
        The same at its highest of the running day, and at its last look.
    effect, low, high : float
        Cohen's w without what noise and the stream's own wander add, and its 95 % interval.
    rows : int
    listed : bool
        Whether it has moved, where its lane alerts.
    change : Change or None
        Where it is from today.
    mix : Mix or None
        Where everybody changed and there are cohorts; that of the dimension that says most.
    """

    stream: Stream
    scale: Scale
    height: float
    today: float
    now: float
    effect: float
    low: float
    high: float
    rows: int
    listed: bool = False
    change: Change | None = None
    mix: Mix | None = None


def listed_from(heights: Doubles, stored: Doubles, columns: npt.NDArray[np.integer]) -> Doubles:
    """Return the heights from which streams are listed: of the columns that moved, those that did.

    First columns are chosen by Benjamini and Hochberg, each by its rarest cell (Bonferroni), then
    in the same way the cells of each: a column that did not move is not listed for its neighbours.

    Parameters
    ----------
    heights : float64 [cells]
        Of the running unit.
    stored : float64 [units, cells]
        Of all stored ones; together they say how rare a height is.
    columns : int [cells]
        Numbers of the columns from 0 on.

    Returns
    -------
    float64 [cells]
        Infinite where nothing is listed.
    """
    _, columns = np.unique(columns, return_inverse=True)  # those without a cell stand for nothing
    pooled = np.sort(stored, axis=None)
    above = len(pooled) - np.searchsorted(pooled, heights, "left")
    chance = (1 + above) / (1 + len(pooled))
    many = np.bincount(columns)
    rarest = np.ones(len(many))
    np.minimum.at(rarest, columns, chance)
    found = np.full(len(heights), np.inf)
    for column in np.flatnonzero(_chosen(np.minimum(1, rarest * many))).tolist():
        at = np.flatnonzero(columns == column)
        moved = at[_chosen(chance[at])]
        found[at] = heights[moved].min(initial=np.inf)
    return found


def _chosen(chance: Doubles) -> npt.NDArray[np.bool_]:
    """Choose by Benjamini and Hochberg."""
    ordered = np.sort(chance)
    rare = np.flatnonzero(ordered <= FALSE_SHARE * np.arange(1, len(ordered) + 1) / len(ordered))
    chosen: npt.NDArray[np.bool_] = chance <= (ordered[rare[-1]] if len(rare) else -1.0)
    return chosen


def change_of(kind: Kind, of: Watched, came: Doubles, expected: Doubles) -> Change:
    """Say what moved most between what came and what was expected [P]."""
    now, was = (v[: of.values] / max(v[: of.values].sum(), 1e-9) for v in (came, expected))
    if kind == "volume":
        return Change(now=float(came[0]), was=float(expected[0]), label="number of")
    if kind == "faults":
        # expected are so many of all rows, whatever came of them
        shares = (float(v[of.values :].sum() / max(came.sum(), 1e-9)) for v in (came, expected))
        return Change(now=next(shares), was=next(shares), label="share of missing or wrong values")
    if kind == "beyond":
        beyond = list(of.beyond)
        label = "share of values out of range" if of.ordered else "share of unseen values"
        return Change(now=float(now[beyond].sum()), was=float(was[beyond].sum()), label=label)
    if of.ordered:
        return Change(now=float(now @ of.centres), was=float(was @ of.centres), label="mean")
    most = int(np.abs(now - was).argmax())
    return Change(now=float(now[most]), was=float(was[most]), label=f"share of {of.names[most]}")


def mix_of(
    kind: Kind, of: Watched, by: Iterable[tuple[Dimension, Doubles, Doubles, Doubles]]
) -> Mix | None:
    """Say how much of a change of everybody is another mix of cohorts.

    Parameters
    ----------
    by : of each dimension
        What came and what was expected of each cohort [G, P], and the rows expected of it [G].
    """
    found = [
        Mix(share=split(*_places(kind, of, came, expected), rows).share_of_mix, dimension=dimension)
        for dimension, came, expected, rows in by
        if came.any()
    ]
    # of dimensions that say as much, the one of fewer columns
    return max(found, key=lambda mix: (round(mix.share, 2), -len(mix.dimension)), default=None)


def _places(kind: Kind, of: Watched, came: Doubles, expected: Doubles) -> tuple[Doubles, Doubles]:
    """Return the places [G, P] that a kind is about."""
    if kind == "faults":
        rows = came.sum(axis=1)
        faults = (v[:, of.values :].sum(axis=1) for v in (came, expected))
        now, was = (np.stack((of_kind, rows - of_kind), axis=1) for of_kind in faults)
        return now, np.maximum(was, 0)
    if kind == "beyond":
        beyond = list(of.beyond)
        now, was = (
            np.stack((v[:, beyond].sum(axis=1), v[:, : of.values].sum(axis=1)), axis=1)
            for v in (came, expected)
        )
        now[:, 1] -= now[:, 0]
        was[:, 1] -= was[:, 0]
        return now, was
    return came[:, : of.values], expected[:, : of.values]

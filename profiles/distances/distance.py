"""What every distance returns, and what all of them are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.integer] | npt.NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class Distance:
    """A distance, how surprising it is, what no drift would show, and how much it matters.

    Attributes
    ----------
    distance : float64 [...]
        NaN where a side has no rows.
    p : float64 [...] or None
        Probability of at least this distance if both sides were independent draws from one
        distribution; None where the distance has no such law. Rows that come in clumps (a weather
        report shared by an hour of flights) make it far too small.
    no_drift : float64 [...] or None
        Mean of the distance under that hypothesis at these sizes.
    effect : float64 [...] or None
        Size of the change on a scale that does not grow with the rows; None where the distance is
        on one already (a share of the rows, standard deviations). Distances with a χ² law give
        Cohen's w less what noise adds, 0.1 small, 0.3 medium, 0.5 large, so that they can be held
        against each other; what the others give is said with each. Where an effect has a sign, it
        is positive if the window has the larger values.
    """

    distance: Floats
    p: Floats | None = None
    no_drift: Floats | None = None
    effect: Floats | None = None


def sizes(x: Counts, y: Counts) -> tuple[Floats, Floats]:
    """Return the rows of both sides, NaN where there are none."""
    n, m = np.asarray(x).sum(axis=-1), np.asarray(y).sum(axis=-1)
    return np.where(n > 0, n, np.nan), np.where(m > 0, m, np.nan)


def shares(counts: Counts, total: Floats) -> Floats:
    found: Floats = np.divide(counts, total[..., None])
    return found


def cumulative(counts: Counts, total: Floats) -> Floats:
    sums: Floats = np.cumsum(counts, axis=-1, dtype=float)
    sums /= total[..., None]
    return sums


def pooled(x: Counts, y: Counts, n: Floats, m: Floats) -> Floats:
    """Return the shares of both sides together, the best guess of a common distribution."""
    return shares(np.asarray(x) + np.asarray(y), n + m)


def known(value: Floats, n: Floats, m: Floats) -> Floats:
    """Return a value, NaN where a side has no rows."""
    return np.where(np.isnan(n * m), np.nan, value)

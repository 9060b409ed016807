"""How far a column has come from what a model was trained on: an effect with an interval.

A distance that is far from what chance makes of it may still be of no account, and one that grows
with the rows says nothing of how much has changed. An effect says how much, and its interval how
well that is known: what chance adds is taken off, and that the column wanders from day to day by
itself, as rows drawn one by one would not, is taken in.

References
----------
.. [1] J. N. K. Rao and A. J. Scott, "The Analysis of Categorical Data from Complex Sample Surveys",
   Journal of the American Statistical Association 76 (1981): variances of counts by clusters.
.. [2] J. von Neumann, R. H. Kent, H. R. Bellinson and B. I. Hart, "The Mean Square Successive
   Difference", Annals of Mathematical Statistics 12 (1941): a spread that a trend adds little to.
.. [3] J. H. Steiger and R. T. Fouladi, "Noncentrality Interval Estimation and the Evaluation of
   Statistical Models", in What If There Were No Significance Tests? (1997).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy import special, stats

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MIN_ROWS = 10  # on either side
MIN_DAYS = 2  # with rows: from one nothing can be said of wander
LARGEST = 2 * math.sqrt(2)  # where nothing is as it was
_LOW, _HIGH = 0.025, 0.975
_FEW = 30.0  # rows up to which the mean of √count is summed, not approximated
_UP_TO = np.arange(120.0)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """How far a span is from the training rows.

    Attributes
    ----------
    effect : float
        Cohen's w without what chance and wander add; 0 to 2 √2. 0.1 is small, 0.3 medium, 0.5
        large.
    low, high : float
        Ends of its 95 % interval.
    rows : int
        Of the span.
    """

    effect: float
    low: float
    high: float
    rows: int


def effect(training: Ints, days: Ints, span: slice = slice(None)) -> Effect | None:
    """Return how far some days are from the training rows; None where too little is known.

    The effect is w = 2 √Σ(√p − √q)², with p the shares of the places in the span and q in training:
    Cohen's w where little has changed, and bounded where a place was empty. Of the distance
    T = 4 Σ(√O − √E)² its mean is taken off where nothing has changed: that of counts drawn one by
    one on both sides, and what wander adds. Wander is the variance of a stretch of days [1]_, from
    how neighbouring stretches differ [2]_, of the days of the span or of a quarter of all days. So
    what changed once and stayed so, or goes on slowly, is not taken for wander.

    The interval takes T for a noncentral χ² [3]_ that is everywhere as wide as in the direction in
    which the column wanders most: the effect may lie in it. Where nothing has changed it holds 0 in
    95 to 100 % of spans; in fewer if what a day is like lasts for longer than a stretch can show
    (75 % for seven days alone that are correlated by 0.7, 87 % for a month of them, 86 % for seven
    days by 0.9 with seven weeks before). Training rows are taken for drawn one by one: nothing is
    known of how they wandered.

    Parameters
    ----------
    training : int [P]
        Rows in each place.
    days : int [D, P]
        The same by day, in order; without rows where there were none.
    span : slice
        Which of the days are compared; the others only show how much the column wanders.

    Examples
    --------
    >>> same = effect(np.array([600, 300, 100]), np.array([[61, 29, 10], [58, 32, 10]] * 7))
    >>> same.effect, same.low
    (0.0, 0.0)
    >>> moved = effect(np.array([600, 300, 100]), np.array([[42, 38, 20], [39, 42, 19]] * 7))
    >>> f"{moved.effect:.2f} ({moved.low:.2f} to {moved.high:.2f})"
    '0.41 (0.33 to 0.49)'
    """
    came, known = days[span].sum(axis=0), int(np.count_nonzero(days.sum(axis=1)))
    rows, trained = int(came.sum()), int(training.sum())
    if min(rows, trained) < MIN_ROWS or known < MIN_DAYS:
        return None
    gap = np.sqrt(came) - np.sqrt(rows / trained * training)
    distance = 4 * float(gap @ gap)
    memory = min(len(days[span]), known // 4 + 1)
    wander, widest = (of * _by_day(days[span]) / _by_day(days) for of in _wander(days, memory))
    usual = _chance(came, training) + wander
    # of about so many independent stretches; few of them may have shown too little wander
    freedom = max(1.0, 1.5 * (known / memory - 1))
    more = stats.t.ppf(_HIGH, freedom) / stats.norm.ppf(_HIGH)
    scale = 1 + rows / trained + widest * more**2
    found, low, high = (
        math.sqrt(max(0.0, shift) / rows)
        for shift in (
            distance - usual,
            scale * _shift(distance / scale, usual / scale, _HIGH),
            scale * _shift(distance / scale, usual / scale, _LOW),
        )
    )
    high = min(max(high, found), LARGEST)
    return Effect(effect=min(found, high), low=min(low, found), high=high, rows=rows)


def _shift(distance: float, freedom: float, at: float) -> float:
    """Return the noncentrality under which a χ² is below a distance with a probability."""
    if special.chdtr(freedom, distance) <= at:
        return 0.0
    return float(special.chndtrinc(distance, freedom, at))


def _chance(came: Ints, training: Ints) -> float:
    """Return the mean of the distance where both sides are drawn one by one from the same shares.

    A place of few rows adds less than its degree of freedom, or up to twice as much; so this is
    summed from Poisson's law, 8N(h − E√O E√M / √(NM)) for a place with the share h.
    """
    rows, trained = came.sum(), training.sum()
    shares = (came + training) / (rows + trained)
    both = _mean_root(rows * shares) * _mean_root(trained * shares) * math.sqrt(rows / trained)
    return float((8 * (rows * shares - both) * (1 - shares)).sum())


def _mean_root(mean: Floats) -> Floats:
    """Return the mean of the square root of a Poisson count."""
    few = np.clip(mean, 1e-12, _FEW)[:, None]
    law = np.exp(special.xlogy(_UP_TO, few) - few - special.gammaln(_UP_TO + 1))
    many = np.maximum(mean, _FEW)
    root = np.sqrt(many) * (1 - 1 / (8 * many) - 7 / (128 * many**2))
    return np.where(mean > _FEW, root, law @ np.sqrt(_UP_TO))


def _wander(days: Ints, memory: int) -> tuple[float, float]:
    """Return what wander adds to the mean distance of these days from what they are about.

    Residuals by day, over √share, add up as the counts do, and the square of their sum is what the
    distance comes to. How much the sum of a stretch of days varies is seen in how it differs from
    the next one: half the square. Rows drawn one by one add one in every direction but one.

    Returns
    -------
    float
        In all directions together.
    float
        In the one in which it is widest.
    """
    rows = days.sum(axis=1)
    shares = days.sum(axis=0) / rows.sum()
    held = shares > 0
    root = np.sqrt(shares[held])
    gaps = (days[:, held] - rows[:, None] * shares[held]) / root
    stretches, of_rows = (_stretches(of, memory) for of in (gaps, rows))
    steps = stretches[memory:] - stretches[:-memory]
    products = steps.T @ steps / float((of_rows[memory:] + of_rows[:-memory]).sum())
    products -= np.eye(len(root)) - np.outer(root, root)
    total = max(0.0, float(products.trace()))
    return total, min(total, max(0.0, float(np.linalg.eigvalsh(products)[-1])))


def _stretches(values: npt.NDArray[np.generic], length: int) -> Floats:
    """Sum every so many days that follow one another."""
    found: Floats = sliding_window_view(values, length, axis=0).sum(axis=-1, dtype=np.float64)
    return found


def _by_day(days: Ints) -> float:
    """Return how many rows a day has, each row asked."""
    rows = days.sum(axis=1).astype(np.float64)
    return float(rows @ rows / rows.sum())

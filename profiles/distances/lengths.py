"""Distances that need where the values lie, in the column's own unit.

Every row of a bin is taken to lie at the bin's centre, which for a value of its own is exact.
"""

from __future__ import annotations

import numpy as np

from profiles.distances import laws
from profiles.distances.distance import Counts, Distance, Floats, cumulative, known, pooled, sizes


def wasserstein(x: Counts, y: Counts, centres: Floats) -> Distance:
    """Area between the two cumulative shares, in units of the column: how far a value moved.

    Equal to `scipy.stats.wasserstein_distance` on the centres. The effect is the same over the
    baseline's standard deviation, `wasserstein_over_sd`.

    Parameters
    ----------
    centres : float64 [B]
        Where the rows of each bin lie, not decreasing.

    Examples
    --------
    >>> float(wasserstein(np.array([1, 3]), np.array([2, 2]), np.array([10.0, 14.0])).distance)
    1.0
    """
    n, m = sizes(x, y)
    gaps, width = _gaps(centres)
    moved, no_drift = _area(x, y, n, m, gaps)
    with np.errstate(over="ignore"):
        return Distance(
            distance=2 * (width * known(moved, n, m)),
            no_drift=2 * (width * no_drift),
            effect=_over(moved, x, y, n, m, gaps),
        )


def wasserstein_over_sd(x: Counts, y: Counts, centres: Floats) -> Distance:
    """Wasserstein-1 over the baseline's standard deviation: by how many of them a value moved.

    Where the baseline is one value only, over the standard deviation of both sides together.

    Parameters
    ----------
    centres : float64 [B]
        Where the rows of each bin lie, not decreasing.

    Examples
    --------
    >>> x, y = np.array([1, 3]), np.array([2, 2])
    >>> float(wasserstein_over_sd(x, y, np.array([10.0, 14.0])).distance)
    0.5
    """
    n, m = sizes(x, y)
    gaps, _ = _gaps(centres)
    moved, no_drift = _area(x, y, n, m, gaps)
    return Distance(
        distance=_over(moved, x, y, n, m, gaps), no_drift=_over(no_drift, x, y, n, m, gaps)
    )


def energy(x: Counts, y: Counts, centres: Floats) -> Distance:
    """√(2 ∫ (F − G)² dv), in the root of the column's unit.

    Equal to `scipy.stats.energy_distance` on the centres. The effect is the energy coefficient
    ∫ (F − G)² dv / E|X − Y| between 0 (the same) and 1 (two different constants) [1]_; it has the
    same noise in it as the distance.

    Parameters
    ----------
    centres : float64 [B]
        Where the rows of each bin lie, not decreasing.

    References
    ----------
    .. [1] G. J. Székely, M. L. Rizzo, "Energy statistics: a class of statistics based on
       distances", J. Stat. Plan. Inference 143, 2013.

    Examples
    --------
    >>> float(energy(np.array([1, 3]), np.array([2, 2]), np.array([10.0, 42.0])).distance)
    2.0
    """
    n, m = sizes(x, y)
    gaps, width = _gaps(centres)
    low, high = cumulative(x, n)[..., :-1], cumulative(y, m)[..., :-1]
    moved = np.square(low - high) @ gaps
    apart = (low * (1 - high) + high * (1 - low)) @ gaps  # E|X − Y|
    at = np.cumsum(pooled(x, y, n, m), axis=-1)[..., :-1]
    unit = 1 / n + 1 / m
    mean = unit * ((at * (1 - at)) @ gaps)
    variance = np.square(unit) * laws.bridge_variance(gaps, at)
    root = 2 * np.sqrt(width)
    effect = np.divide(moved, apart, out=np.zeros_like(moved), where=apart > 0)
    return Distance(
        distance=known(root * np.sqrt(moved), n, m),
        no_drift=known(root * laws.root_of_weighted_chi_squares(mean, variance), n, m),
        effect=known(effect, n, m),
    )


def _gaps(centres: Floats) -> tuple[Floats, float]:
    """Return the gaps between centres as shares of the whole width, and half that width.

    Halved, so that a width beyond the largest float can be taken.
    """
    gaps = np.diff(np.asarray(centres, float) / 2)
    width = float(gaps.sum())
    return (gaps / width if width > 0 else gaps), width


def _area(x: Counts, y: Counts, n: Floats, m: Floats, gaps: Floats) -> tuple[Floats, Floats]:
    """Return the area between the cumulative shares, and its mean without drift."""
    gap = cumulative(x, n)[..., :-1] - cumulative(y, m)[..., :-1]
    at = np.cumsum(pooled(x, y, n, m), axis=-1)[..., :-1]
    spread = np.sqrt(np.clip(at * (1 - at), 0, None))
    return np.abs(gap, out=gap) @ gaps, (spread @ gaps) * np.sqrt(2 / np.pi * (1 / n + 1 / m))


def _over(length: Floats, x: Counts, y: Counts, n: Floats, m: Floats, gaps: Floats) -> Floats:
    """Return a length in standard deviations of the baseline, else of both sides together."""
    spread = _spread(y, m, gaps)
    if not (spread > 0).all():
        both = _spread(np.asarray(x) + np.asarray(y), n + m, gaps)
        spread = np.where(spread > 0, spread, both)
    length, spread = np.broadcast_arrays(length, spread)
    over = np.divide(length, spread, out=np.zeros(length.shape), where=spread > 0)
    return known(over, n, m)


def _spread(counts: Counts, total: Floats, gaps: Floats) -> Floats:
    places = np.concatenate(([0.0], np.cumsum(gaps)))
    mean = (counts @ places) / total
    away = np.square(places - mean[..., None])
    spread: Floats = np.sqrt(np.einsum("...i,...i->...", counts, away) / total)
    return spread

"""Distances that need the order of the bins and nothing else of the values.

Their effect is Cliff's delta: how much more often a value of the window is above one of the
baseline than below it, −1 to 1; 0.15 small, 0.33 medium, 0.47 large. It says which way values went
and is 0 where they spread without going anywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from profiles.distances import laws
from profiles.distances.distance import Counts, Distance, Floats, cumulative, known, pooled, sizes


def kolmogorov_smirnov(x: Counts, y: Counts) -> Distance:
    """Largest difference of the two cumulative shares, 0 to 1.

    On bins it is a lower bound of the distance of the raw values and misses at most the mass of the
    largest bin that holds more than one value; on a grid with every value a bin of its own the two
    are equal. The p-value is Kolmogorov's law at (√e + 0.12 + 0.11/√e) D with e = nm/(n + m) [1]_:
    within 4 % of the law of e values, `scipy.stats.kstwo`, wherever p > 0.01 and e ≥ 10, at a
    two-hundredth of the time of `ks_2samp` (which rounds e first). It is for continuous columns and
    too large for discrete ones; the mean without drift follows the bins.

    References
    ----------
    .. [1] M. A. Stephens, "Use of the Kolmogorov–Smirnov, Cramér–von Mises and related statistics
       without extensive tables", J. R. Stat. Soc. B 32, 1970.

    Examples
    --------
    >>> float(kolmogorov_smirnov(np.array([1, 3]), np.array([2, 2])).distance)
    0.25
    """
    n, m = sizes(x, y)
    below = cumulative(y, m)
    gap = cumulative(x, n) - below
    distance = np.abs(gap, out=gap).max(axis=-1, initial=0.0)
    distance = known(np.minimum(distance, 1.0), n, m)
    root = np.sqrt(n * m / (n + m))
    return Distance(
        distance=distance,
        p=special.kolmogorov((root + 0.12 + 0.11 / root) * distance),
        no_drift=laws.mean_largest_bridge(pooled(x, y, n, m)) / root,
        effect=_cliffs_delta(x, n, below),
    )


def cramer_von_mises(x: Counts, y: Counts) -> Distance:
    """nm/(n + m) ∫ (F − G)² dH, H being both sides together: KS' gap, but all of it.

    Equal to `scipy.stats.cramervonmises_2samp` where no value occurs twice. Values in one bin are
    ties; the integral takes the mean of (F − G)² before and after them, so that it does not matter
    from which end one counts, where SciPy's midranks make a distance of every tie as soon as
    n ≠ m. The p-value is that of ∫ B² at the mean and variance of these very bins (with two bins,
    of χ²), without ties SciPy's asymptotic one. It grows with n for the same shift; compare it
    across sizes by its p-value or effect only.

    Examples
    --------
    >>> float(cramer_von_mises(np.array([1, 1, 0, 0]), np.array([0, 0, 1, 1])).distance)
    0.375
    """
    n, m = sizes(x, y)
    total, effective = n + m, n * m / (n + m)
    below = cumulative(y, m)
    gap = cumulative(x, n)[..., :-1] - below[..., :-1]
    both = pooled(x, y, n, m)
    at = np.cumsum(both, axis=-1)[..., :-1]
    weights = (both[..., :-1] + both[..., 1:]) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = total / (total - 1)
        distance = effective * np.einsum("...i,...i,...i->...", weights, gap, gap)
        mean = exact * (weights * at * (1 - at)).sum(axis=-1)
        variance = laws.bridge_variance(weights, at) * _small_sample(n, m)
        scale = np.sqrt(laws.CRAMER_VON_MISES_VARIANCE / variance)
        p = laws.cramer_von_mises(1 / 6 + (distance - mean) * scale)
        p = np.where(_bins(both) == 2, special.chdtrc(1, distance / mean), p)
    return Distance(
        distance=known(distance, n, m),
        p=known(np.where(variance > 0, p, 1.0), n, m),
        no_drift=known(mean, n, m),
        effect=_cliffs_delta(x, n, below),
    )


def anderson_darling(x: Counts, y: Counts) -> Distance:
    """A² of two samples: as Cramér–von Mises, with the ends of the line counting as the middle.

    The k-sample form with midranks [1]_ before it is standardised, so that it is never negative and
    its mean without drift is 1 whatever the ties. `scipy.stats.anderson_ksamp(variant="midrank")`
    returns (A² − 1)/σ of it, and a p-value between 0.001 and 0.25 only; here it is that of
    ∫ B²/(u(1 − u)) at the variance of these very bins (with two bins, of χ²). It grows with n for
    the same shift; compare it across sizes by its p-value or effect only.

    References
    ----------
    .. [1] F. W. Scholz, M. A. Stephens, "K-sample Anderson–Darling tests", J. Am. Stat. Assoc. 82,
       1987.

    Examples
    --------
    >>> float(anderson_darling(np.array([3, 1]), np.array([1, 3])).distance)
    1.75
    """
    n, m = sizes(x, y)
    total = n + m
    both = pooled(x, y, n, m)
    below = cumulative(y, m)
    gap = cumulative(x, n) - below
    gap[..., 1:] += gap[..., :-1].copy()
    gap /= 2  # between the sides' shares up to the middle of each bin
    at = np.cumsum(both, axis=-1) - both / 2
    spread = at * (1 - at) - both / 4
    weights = np.divide(both, spread, out=np.zeros_like(both), where=(both > 0) & (spread > 1e-15))
    distance = (total - 1) * n * m / np.square(total)
    distance = distance * np.einsum("...i,...i,...i->...", weights, gap, gap)
    # every bin's own term has variance 2, as each is the square of one standardised share
    own = np.square(weights) * np.square(at * (1 - at))
    pairs = laws.bridge_variance(weights, at) - 2 * own.sum(axis=-1)
    variance = pairs + 2 * np.square(both).sum(axis=-1, where=weights > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(laws.ANDERSON_DARLING_VARIANCE / variance)
        p = laws.anderson_darling(1 + (distance - 1) * scale)
        p = np.where(_bins(both) == 2, special.chdtrc(1, distance), p)
    some = variance > 0
    return Distance(
        distance=known(distance, n, m),
        p=known(np.where(some, p, 1.0), n, m),
        no_drift=known(np.where(some, 1.0, 0.0), n, m),
        effect=_cliffs_delta(x, n, below),
    )


def _cliffs_delta(x: Counts, n: Floats, below: Floats) -> Floats:
    """Return P(window > baseline) − P(window < baseline) from the baseline's cumulative shares."""
    twice = below.copy()
    twice[..., 1:] += below[..., :-1]
    delta: Floats = np.einsum("...i,...i->...", x, twice) / n - 1
    return delta


def _bins(both: Floats) -> npt.NDArray[np.intp]:
    bins: npt.NDArray[np.intp] = (both > 0).sum(axis=-1)
    return bins


def _small_sample(n: Floats, m: Floats) -> Floats:
    """Return the variance of Cramér–von Mises without ties at n and m over the limit's at n + m."""
    total = n + m
    exact = (
        (total + 1)
        / (45 * total)
        * (1 - 3 * (np.square(n) + np.square(m)) / (4 * n * m * total) - 1 / (2 * total))
    )
    limit = (np.square(total) - 1) * (2 * np.square(total) + 7) / (90 * total**4)
    ratio: Floats = exact / limit
    return ratio

"""Distances that compare bins one by one and need no order.

Those with a χ² law follow it with B − 1 degrees of freedom, B being the bins that hold rows. For
small changes they are the same thing on other scales, and their effect is the same number.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from profiles.distances import laws
from profiles.distances.distance import Counts, Distance, Floats, known, pooled, shares, sizes

SMOOTHING = 0.5  # rows added to each bin of both sides where a logarithm is taken


def population_stability_index(x: Counts, y: Counts, *, smoothing: float = SMOOTHING) -> Distance:
    """Σ (p − q) ln(p/q), from 0 up, with half a row added to each bin of both sides.

    Without drift PSI / (1/n + 1/m) follows χ² with B − 1 degrees of freedom, so its mean is
    (B − 1)(1/n + 1/m): the usual thresholds 0.1 and 0.25 mean nothing before n is large [1]_.

    References
    ----------
    .. [1] B. Yurdakul, "Statistical Properties of Population Stability Index", 2018.

    Examples
    --------
    >>> round(float(population_stability_index(np.array([30, 70]), np.array([50, 50])).distance), 4)
    0.1659
    """
    n, m = sizes(x, y)
    used, bins, p, q = _smoothed(x, y, n, m, smoothing)
    with np.errstate(invalid="ignore", divide="ignore"):
        terms = np.log(p / q)
        terms *= p - q
    unit = 1 / n + 1 / m
    distance = known(terms.sum(axis=-1, where=used), n, m)
    return _with_chi_square_law(distance, distance / unit, bins - 1, unit, scale=unit)


def kullback_leibler(x: Counts, y: Counts, *, smoothing: float = SMOOTHING) -> Distance:
    """Σ p ln(p/q) in nats, from 0 up: what coding the window as if it were the baseline costs.

    The window's divergence from the baseline, not the other way round. Half a row is added to each
    bin of both sides; with `smoothing` 0 it is `scipy.stats.entropy(p, q)`, infinite at the first
    category that the baseline lacks. Without drift 2 KL / (1/n + 1/m) follows χ² with B − 1
    degrees of freedom.

    Examples
    --------
    >>> round(float(kullback_leibler(np.array([30, 70]), np.array([50, 50])).distance), 4)
    0.0806
    """
    n, m = sizes(x, y)
    used, bins, p, q = _smoothed(x, y, n, m, smoothing)
    distance = np.maximum(special.rel_entr(p, q).sum(axis=-1, where=used), 0.0)
    distance = known(distance, n, m)
    unit = 1 / n + 1 / m
    return _with_chi_square_law(distance, 2 * distance / unit, bins - 1, unit, scale=unit / 2)


def jensen_shannon(x: Counts, y: Counts) -> Distance:
    """Square root of the Jensen–Shannon divergence in bits: 0 the same, 1 nothing in common.

    No smoothing. Without drift 8 ln 2 · JS² / (1/n + 1/m) follows χ² with B − 1 degrees of freedom.
    Equal to `scipy.spatial.distance.jensenshannon(p, q, base=2)`.

    Examples
    --------
    >>> float(jensen_shannon(np.array([5, 0]), np.array([0, 9])).distance)
    1.0
    """
    n, m = sizes(x, y)
    bits = _divergence(x, y, n, m)
    unit = 1 / n + 1 / m
    scale = unit / (8 * np.log(2))
    return _with_chi_square_law(
        np.sqrt(bits), bits / scale, _freedom(x, y), unit, scale=scale, root=True
    )


def jensen_shannon_divergence(x: Counts, y: Counts) -> Distance:
    """Square of the Jensen–Shannon distance, in bits: 0 the same, 1 nothing in common.

    Examples
    --------
    >>> float(jensen_shannon_divergence(np.array([2, 2, 0]), np.array([2, 0, 2])).distance)
    0.5
    """
    n, m = sizes(x, y)
    bits = _divergence(x, y, n, m)
    unit = 1 / n + 1 / m
    scale = unit / (8 * np.log(2))
    return _with_chi_square_law(bits, bits / scale, _freedom(x, y), unit, scale=scale)


def hellinger(x: Counts, y: Counts) -> Distance:
    """√(½ Σ (√p − √q)²): 0 the same, 1 nothing in common; gentle on rare bins.

    Without drift 8 H² / (1/n + 1/m) follows χ² with B − 1 degrees of freedom.

    Examples
    --------
    >>> float(hellinger(np.array([4, 0]), np.array([1, 3])).distance).__round__(6)
    0.707107
    """
    n, m = sizes(x, y)
    root = np.sqrt(shares(x, n)) - np.sqrt(shares(y, m))
    square = np.minimum(np.einsum("...i,...i->...", root, root) / 2, 1.0)
    square = known(square, n, m)
    unit = 1 / n + 1 / m
    return _with_chi_square_law(
        np.sqrt(square), square / unit * 8, _freedom(x, y), unit, scale=unit / 8, root=True
    )


def total_variation(x: Counts, y: Counts) -> Distance:
    """½ Σ |p − q|: the share of rows that would have to change bins, 0 to 1.

    Examples
    --------
    >>> float(total_variation(np.array([1, 3]), np.array([2, 2])).distance)
    0.25
    """
    n, m = sizes(x, y)
    gap = np.minimum(np.abs(shares(x, n) - shares(y, m)).sum(axis=-1) / 2, 1.0)  # of rounding
    both = pooled(x, y, n, m)
    spread = np.sqrt(both * (1 - both)).sum(axis=-1)
    return Distance(
        distance=known(gap, n, m), no_drift=spread * np.sqrt((1 / n + 1 / m) / (2 * np.pi))
    )


def l_infinity(x: Counts, y: Counts) -> Distance:
    """Largest difference of shares in one bin, 0 to 1.

    Its mean without drift takes the shares as normal with the covariance of a multinomial.

    Examples
    --------
    >>> float(l_infinity(np.array([1, 3]), np.array([2, 2])).distance)
    0.25
    """
    n, m = sizes(x, y)
    gap = np.abs(shares(x, n) - shares(y, m)).max(axis=-1, initial=0.0)
    largest = laws.mean_largest_gap(np.nan_to_num(pooled(x, y, n, m)))
    return Distance(distance=known(gap, n, m), no_drift=largest * np.sqrt(1 / n + 1 / m))


def chi_square(x: Counts, y: Counts) -> Distance:
    """Two-sample χ² on the union of the bins: both sides are samples of an unknown whole.

    Equal to `scipy.stats.chi2_contingency` without correction on the bins that hold rows. It grows
    with n for the same shift; compare it across sizes by its p-value or effect only.

    Examples
    --------
    >>> float(chi_square(np.array([10, 20]), np.array([20, 10])).distance).__round__(4)
    6.6667
    """
    n, m = sizes(x, y)
    value = _pearson(x, y, n, m)
    return _with_chi_square_law(value, value, _freedom(x, y), 1 / n + 1 / m)


def cramers_v(x: Counts, y: Counts) -> Distance:
    """√(χ²/(n + m)): the two-sample χ² brought to 0 the same, 1 nothing in common.

    Equal to `scipy.stats.contingency.association(method="cramer")` on the bins that hold rows. For
    the same shift it shrinks as one side outgrows the other, which its effect does not.

    Examples
    --------
    >>> float(cramers_v(np.array([10, 20]), np.array([20, 10])).distance).__round__(4)
    0.3333
    """
    n, m = sizes(x, y)
    value = _pearson(x, y, n, m)
    distance = np.sqrt(np.minimum(value / (n + m), 1.0))
    return _with_chi_square_law(
        distance, value, _freedom(x, y), 1 / n + 1 / m, scale=1 / (n + m), root=True
    )


def g_test(x: Counts, y: Counts) -> Distance:
    """2 Σ observed ln(observed/expected), the likelihood ratio on the union of the bins.

    Equal to `scipy.stats.chi2_contingency(lambda_="log-likelihood", correction=False)` on the bins
    that hold rows. One row in a bin the baseline lacks moves it far less than χ².

    Examples
    --------
    >>> float(g_test(np.array([10, 20]), np.array([20, 10])).distance).__round__(4)
    6.796
    """
    n, m = sizes(x, y)
    both = pooled(x, y, n, m)
    value = n * special.rel_entr(shares(x, n), both).sum(axis=-1)
    value = value + m * special.rel_entr(shares(y, m), both).sum(axis=-1)
    value = known(np.maximum(2 * value, 0.0), n, m)
    return _with_chi_square_law(value, value, _freedom(x, y), 1 / n + 1 / m)


def _smoothed(
    x: Counts, y: Counts, n: Floats, m: Floats, smoothing: float
) -> tuple[npt.NDArray[np.bool_], Floats, Floats, Floats]:
    """Return which bins hold rows, how many, and both sides' shares with rows added to each."""
    used = (np.asarray(x) + np.asarray(y)) > 0
    bins = used.sum(axis=-1).astype(float)
    p = (x + smoothing) / (n + bins * smoothing)[..., None]
    q = (y + smoothing) / (m + bins * smoothing)[..., None]
    return used, bins, p, q


def _divergence(x: Counts, y: Counts, n: Floats, m: Floats) -> Floats:
    p, q = shares(x, n), shares(y, m)
    middle = (p + q) / 2
    bits = special.rel_entr(p, middle).sum(axis=-1) + special.rel_entr(q, middle).sum(axis=-1)
    return known(np.clip(bits / np.log(4), 0.0, 1.0), n, m)


def _pearson(x: Counts, y: Counts, n: Floats, m: Floats) -> Floats:
    both = pooled(x, y, n, m)
    terms = np.square(shares(x, n) - shares(y, m))
    np.divide(terms, both, out=terms, where=both > 0)
    return known(terms.sum(axis=-1) / (1 / n + 1 / m), n, m)


def _freedom(x: Counts, y: Counts) -> Floats:
    bins: Floats = ((np.asarray(x) + np.asarray(y)) > 0).sum(axis=-1).astype(float)
    return bins - 1


def _with_chi_square_law(
    distance: Floats,
    statistic: Floats,
    freedom: Floats,
    unit: Floats,
    *,
    scale: Floats | float = 1.0,
    root: bool = False,
) -> Distance:
    """Attach what follows from `statistic` being χ² with B − 1 degrees of freedom.

    Parameters
    ----------
    unit : float64 [...]
        1/n + 1/m, which turns the statistic into the square of Cohen's w.
    scale : float64 [...]
        The distance is so many times the statistic,
    root : bool
        or the root of that.
    """
    freedom = np.maximum(freedom, 0.0)
    p = np.where(freedom > 0, special.chdtrc(np.maximum(freedom, 1.0), statistic), 1.0)
    mean = laws.chi_mean(freedom) * np.sqrt(scale) if root else freedom * scale
    return Distance(
        distance=distance,
        p=np.where(np.isnan(distance), np.nan, p),
        no_drift=np.where(np.isnan(distance), np.nan, mean),
        effect=np.sqrt(np.maximum(statistic - freedom, 0.0) * unit),
    )

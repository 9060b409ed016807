"""Distances of windows from a fixed reference, for many streams at once, on counts of places."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special, stats

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.integer[Any]]

_HALF = 0.5  # a row that PSI and JS put into every place, so that an empty one is not endless


def windows(counts: Counts, hours: int, stride: int) -> Counts:
    """Sum the last hours at every stride [..., K]; the first look is at the end of the first."""
    summed = np.cumsum(counts, axis=-1, dtype=np.int64)
    ends = np.arange(stride - 1, counts.shape[-1], stride)
    found: Counts = summed[..., ends].copy()
    whole = ends >= hours
    found[..., whole] -= summed[..., ends[whole] - hours]
    return found


def psi(window: Floats, reference: Floats) -> Floats:
    p, q = (_shares(of, _HALF) for of in (window, reference))
    found: Floats = ((p - q) * np.log(p / q)).sum(axis=1)
    return found


def js(window: Floats, reference: Floats, *, half: float = _HALF) -> Floats:
    """Return the Jensen–Shannon distance in natural logarithms [S, K]."""
    p, q = (_shares(of, half) for of in (window, reference))
    mid = (p + q) / 2
    parts = special.rel_entr(p, mid) + special.rel_entr(q, mid)
    found: Floats = np.sqrt(np.maximum(0, parts.sum(axis=1) / 2))
    return found


def ks(window: Floats, reference: Floats) -> Floats:
    """Return the largest difference of the cumulative shares [S, K]."""
    gap = np.cumsum(_shares(window) - _shares(reference), axis=1)
    found: Floats = np.abs(gap).max(axis=1)
    return found


def total_variation(window: Floats, reference: Floats) -> Floats:
    found: Floats = np.abs(_shares(window) - _shares(reference)).sum(axis=1) / 2
    return found


def wasserstein(window: Floats, reference: Floats) -> Floats:
    """Return the distance of the numbers of the places, over the reference's standard deviation."""
    q, at = _shares(reference), np.arange(reference.shape[1])[:, None]
    mean = (q * at).sum(axis=1, keepdims=True)
    deviation = np.sqrt((q * (at - mean) ** 2).sum(axis=1))
    gap = np.cumsum(_shares(window) - q, axis=1)
    found: Floats = np.abs(gap[:, :-1]).sum(axis=1) / np.maximum(deviation, 0.001)
    return found


def chi_square(window: Floats, reference: Floats) -> tuple[Floats, Floats]:
    """Return the two-sample statistic and its degrees of freedom [S, K]."""
    n, m = (of.sum(axis=1, keepdims=True) for of in (window, reference))
    both = window + reference
    gap = np.sqrt(m / np.maximum(n, 1)) * window - np.sqrt(n / np.maximum(m, 1)) * reference
    statistic = (gap * gap / np.maximum(both, 1)).sum(axis=1)
    freedom = (both > 0).sum(axis=1) - 1
    return statistic, np.maximum(freedom, 1)


def chi_square_z(window: Floats, reference: Floats) -> Floats:
    """Return the normal score of the chi-square statistic (Wilson and Hilferty 1931)."""
    statistic, freedom = chi_square(window, reference)
    spread = 2 / (9 * freedom)
    found: Floats = (np.cbrt(statistic / freedom) - (1 - spread)) / np.sqrt(spread)
    return found


def effective(window: Floats, reference: Floats) -> Floats:
    """Return nm/(n + m) of two samples [S, K]."""
    n, m = window.sum(axis=1), reference.sum(axis=1)
    found: Floats = n * m / np.maximum(n + m, 1)
    return found


def beyond_chance(distance: Floats, rows: Floats, level: float) -> npt.NDArray[np.bool_]:
    """Whether the two-sided p-value of a Kolmogorov–Smirnov distance is below a level."""
    sizes, critical = _critical(level)
    rows = np.maximum(1, np.round(rows))
    found: npt.NDArray[np.bool_] = distance * np.sqrt(rows) > np.interp(
        np.log(rows), sizes, critical
    )
    return found


@lru_cache
def _critical(level: float) -> tuple[Floats, Floats]:
    rows = np.unique(np.round(np.geomspace(4, 1e8, 120)))
    critical: Floats = stats.kstwo.isf(level, rows) * np.sqrt(rows)
    return np.log(rows), critical


def _shares(counts: Floats, half: float = 0.0) -> Floats:
    found: Floats = counts + half
    return found / np.maximum(found.sum(axis=1, keepdims=True), 1e-12)


Distance = Callable[[Floats, Floats], Floats]


def of_column(name: str, *, ordered: bool) -> Distance:
    """Return a distance by name; of categories, which have no order, total variation for two."""
    if name in ("KS", "Wasserstein") and not ordered:
        return total_variation
    if name == "KS by p":
        base = ks if ordered else total_variation
        return lambda w, r: base(w, r) * np.sqrt(effective(w, r))
    return {"PSI": psi, "JS": js, "KS": ks, "Wasserstein": wasserstein, "χ² by p": chi_square_z}[
        name
    ]


NAMES = ("PSI", "JS", "KS", "KS by p", "Wasserstein", "χ² by p")
WITH_MISSING = ("PSI", "JS", "χ² by p")  # in which what is missing is one place more

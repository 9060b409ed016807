"""Axis ends and ticks at round numbers, and the steps of the two colour scales."""

from __future__ import annotations

import math

import numpy as np

from monitor.store.queries.views import Floats

RATIO_STEPS = (1.0, 1.5, 2.0, 3.0, 4.5)  # times normal, at which a cell takes the next colour
POINTS = 0.05  # of a score between 0 and 1: one step of the diverging scale


def nice_step(span: float, most: int) -> float:
    """Return the smallest of 1, 2, 2.5 and 5 times a power of ten that needs at most `most` steps.

    >>> nice_step(0.73, 4), nice_step(2.6, 3)
    (0.2, 1.0)
    """
    if not math.isfinite(span) or span <= 0:
        return 1.0
    base = 10.0 ** math.floor(math.log10(span / most))
    return next(
        round(k * base, 12) for k in (1, 2, 2.5, 5, 10, 20) if span / (k * base) <= most + 1e-9
    )


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Return round numbers that enclose ``[low, high]``.

    >>> ticks(0.0, 0.73)
    [0.0, 0.2, 0.4, 0.6, 0.8]
    """
    step = nice_step(max(high - low, 1e-12), most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, max(last, first + 1) + 1)]


def beyond_normal(values: Floats, normal: Floats) -> Floats:
    """Return the step 0 (normal, blank) … 5 of each cell; NaN where nothing is known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = values / np.asarray(normal, dtype=float)[:, None]
    return np.where(np.isfinite(values), np.digitize(ratio, RATIO_STEPS), np.nan)


def differences(values: Floats, half_width: Floats, step: float) -> Floats:
    """Return the step −4 … 4 of each difference; 0 where it lies within its sampling error."""
    size = np.clip(np.ceil(np.abs(values) / step), 1, 4)
    sure = np.abs(values) > half_width
    return np.where(np.isfinite(values), np.where(sure, np.sign(values) * size, 0), np.nan)


def excess(fraction: Floats, usual: Floats) -> Floats:
    """Return the step 0 … 5 of a missing fraction beyond what is usual."""
    base = np.asarray(usual, dtype=float)[:, None]
    more = np.where(fraction > np.maximum(1.5 * base, base + 0.02), fraction - base, 0)
    return np.where(np.isfinite(fraction), np.digitize(more, (1e-9, 0.1, 0.2, 0.4, 0.6)), np.nan)


def is_share(values: Floats) -> bool:
    """Whether all known values lie between 0 and 1, so that differences are told in points."""
    known = values[np.isfinite(values)]
    return bool(known.size) and bool(known.min() >= 0) and bool(known.max() <= 1)

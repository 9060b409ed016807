"""The kernel in numpy: slower, and the same bins and counts to the last row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from profiles.kernel.cells import Cells

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint16]
Groups = npt.NDArray[np.int32]
Slots = npt.NDArray[np.intp]


def bins(values: Floats, cells: Cells, missing: int) -> Codes:
    """Return the bin [n] of every value; NaN is `missing`, ±inf the bin after it."""
    edges = cells.edges[: len(cells.edges) - cells.steps]
    codes = np.searchsorted(edges, values, side="right")
    finite = np.isfinite(values)
    if not finite.all():
        codes = np.where(finite, codes, np.where(np.isnan(values), missing, missing + 1))
    return codes.astype(np.uint16)


def count(codes: Codes, width: int, group: Groups, slots: Slots, totals: Ints, at: int) -> None:
    """Add every row to the bin of its group: ``totals[slots[group], at + code] += 1``."""
    flat = group.astype(np.intp) * width + codes
    counts = np.bincount(flat, minlength=len(slots) * width).reshape(len(slots), width)
    totals[slots, at : at + width] += counts


def moments(
    values: Floats,
    codes: Codes,
    limit: int,
    group: Groups,
    groups: int,
    near: float,  # noqa: ARG001
) -> tuple[Ints, Floats, Floats, Floats, Floats]:
    """Return n, mean, M2, smallest and largest [groups] of the values in bins before `limit`.

    M2 is inf where it passes the largest float.
    """
    keep = codes < limit
    x, at = (values, group) if keep.all() else (values[keep], group[keep])
    n = np.bincount(at, minlength=groups).astype(np.int64)
    low, high = np.full(groups, np.inf), np.full(groups, -np.inf)
    np.minimum.at(low, at, x)
    np.maximum.at(high, at, x)
    mean = _means(x, at, n)
    mean = np.where(n > 0, np.clip(mean, low, high), 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        away = x - mean[at]
        left = np.bincount(at, weights=away, minlength=groups)  # the mean is rounded, so not 0
        squares = np.bincount(at, weights=np.square(away), minlength=groups)
        excess = np.where(np.isfinite(squares), left * (left / np.maximum(n, 1)), 0.0)
        m2 = np.maximum(squares - excess, 0.0)
    return n, mean, m2, low, high


def _means(x: Floats, at: Groups, n: Ints) -> Floats:
    safe = np.maximum(n, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        mean: Floats = np.bincount(at, weights=x, minlength=len(n)) / safe
        # the second pass takes back what rounding left in the first
        mean += np.bincount(at, weights=x - mean[at], minlength=len(n)) / safe
    if np.isfinite(mean).all():
        return mean
    # a sum passed the largest float, so each value is divided first; slower, and rarely needed
    share, most = x / safe[at], np.finfo(np.float64).max
    first = np.clip(np.bincount(at, weights=share, minlength=len(n)), -most, most)
    second = np.bincount(at, weights=share - (first / safe)[at], minlength=len(n))
    with np.errstate(over="ignore"):
        return np.add(first, second, dtype=np.float64)

"""The kernel compiled by numba: a few nanoseconds a value, without the interpreter's lock.

Rows go through in blocks that stay in the nearest cache, one simple loop after another, because
loops that do one thing are turned into vector instructions and those that do all at once are not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

from profiles.kernel import plain
from profiles.kernel.cells import Cells

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint16]
Groups = npt.NDArray[np.int32]
Slots = npt.NDArray[np.intp]

BLOCK = 2_048
LANES = 8
KEPT = 1_000.0  # of 2⁵³, what one pass may lose of M2: some 1e-13

F = TypeVar("F", bound=Callable[..., Any])


def _compiled(function: F) -> F:
    """Compile at the first call, and keep the result on disk where there is a place for it."""
    try:
        return cast("F", numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # no folder that can be written
        return cast("F", numba.njit(nogil=True)(function))


def bins(values: Floats, cells: Cells, missing: int) -> Codes:
    """Return the bin [n] of every value; NaN is `missing`, ±inf the bin after it."""
    codes = np.empty(len(values), np.uint16)
    if cells.steps:
        _by_cell(
            values, cells.edges, cells.first, cells.middle, cells.scale, cells.shift, cells.half,
            cells.steps, missing, codes,
        )  # fmt: skip
    else:
        _by_search(values, cells.edges, missing, codes)
    return codes


def count(codes: Codes, width: int, group: Groups, slots: Slots, totals: Ints, at: int) -> None:
    """Add every row to the bin of its group: ``totals[slots[group], at + code] += 1``."""
    near = np.zeros((len(slots), width), np.int32)  # small enough to stay in the nearest cache
    _count(codes, group, near)
    totals[slots, at : at + width] += near


def moments(
    values: Floats, codes: Codes, limit: int, group: Groups, groups: int, near: float
) -> tuple[Ints, Floats, Floats, Floats, Floats]:
    """Return n, mean, M2, smallest and largest [groups] of the values in bins before `limit`.

    M2 is inf where it passes the largest float. One pass does where `near` is near the values: sums
    of what they are away from it lose nothing then. Where it is not, a second pass is made.
    """
    n = np.zeros(groups, np.int64)
    mean, m2 = np.zeros(groups), np.zeros(groups)
    low, high = np.full(groups, np.inf), np.full(groups, -np.inf)
    sums = np.zeros((groups, 5))
    sums[:, 3], sums[:, 4] = np.inf, -np.inf
    (_sums_of_one if groups == 1 else _sums)(values, codes, limit, group, near, sums)
    if not _from_sums(sums, near, n, mean, m2, low, high):
        _moments(values, codes, limit, group, n, mean, m2, low, high)
    if not np.isfinite(mean).all():  # a sum passed the largest float
        return plain.moments(values, codes, limit, group, groups, near)
    return n, mean, m2, low, high


@_compiled
def _by_cell(  # type: ignore[no-untyped-def]
    values, edges, first, middle, scale, shift, half, steps, missing, codes
) -> None:
    away = np.empty(BLOCK, np.float64)
    pattern = away.view(np.int64)
    cell = np.empty(BLOCK, np.int32)
    base = np.array([scale]).view(np.int64)[0]
    last = half - 1
    for start in range(0, len(values), BLOCK):
        size = min(BLOCK, len(values) - start)
        block = values[start : start + size]
        out = codes[start : start + size]
        for i in range(size):
            away[i] = abs(block[i] - middle) + scale
        for i in range(size):
            far = (pattern[i] - base) >> shift
            far = min(max(far, 0), last)  # a NaN's pattern may be anything
            cell[i] = half + far if block[i] >= middle else last - far
        _from_cells(block, cell, edges, first, steps, out)
        special = 0
        for i in range(size):
            special += block[i] - block[i] != 0  # NaN and ±inf
        if special:
            for i in range(size):
                if not np.isfinite(block[i]):
                    out[i] = missing if np.isnan(block[i]) else missing + 1


@_compiled
def _from_cells(block, cell, edges, first, steps, out) -> None:  # type: ignore[no-untyped-def]
    """Compare with the edges in the cell of a value: one mostly, two where a value has a bin."""
    size = len(block)
    if steps == 1:
        for i in range(size):
            at = first[cell[i]]
            out[i] = at + (block[i] >= edges[at])
    elif steps == 2:
        for i in range(size):
            at = first[cell[i]]
            out[i] = at + (block[i] >= edges[at]) + (block[i] >= edges[at + 1])
    else:
        for i in range(size):
            at = first[cell[i]]
            code = at
            for step in range(steps):
                code += block[i] >= edges[at + step]
            out[i] = code


@_compiled
def _by_search(values, edges, missing, codes) -> None:  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        value = values[i]
        if not np.isfinite(value):
            codes[i] = missing if np.isnan(value) else missing + 1
            continue
        low, size = 0, len(edges)
        while size > 0:
            half = size >> 1
            if value >= edges[low + half]:
                low += half + 1
                size -= half + 1
            else:
                size = half
        codes[i] = low


@_compiled
def _count(codes, group, totals) -> None:  # type: ignore[no-untyped-def]
    for i in range(len(codes)):
        totals[group[i], codes[i]] += 1


@_compiled
def _sums(values, codes, limit, group, near, sums) -> None:  # type: ignore[no-untyped-def]
    """Sum up n, what values are away from `near`, its square, smallest and largest [groups, 5]."""
    for i in range(len(values)):
        if codes[i] < limit:
            of, value = sums[group[i]], values[i]
            away = value - near
            of[0] += 1
            of[1] += away
            of[2] += away * away
            of[3] = value if value < of[3] else of[3]  # min() is slower
            of[4] = value if value > of[4] else of[4]


@_compiled
def _sums_of_one(values, codes, limit, group, near, sums) -> None:  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Do so for one group, whose sums would wait for each other if taken row by row."""
    lanes = np.zeros((3, LANES))
    lows, highs = np.full(LANES, np.inf), np.full(LANES, -np.inf)
    whole = len(values) - len(values) % LANES
    for start in range(0, len(values), LANES):
        for lane in range(LANES if start < whole else len(values) - whole):
            value = values[start + lane]
            if codes[start + lane] < limit:
                away = value - near
                lanes[0, lane] += 1
                lanes[1, lane] += away
                lanes[2, lane] += away * away
                lows[lane] = min(lows[lane], value)
                highs[lane] = max(highs[lane], value)
    for part in range(3):
        sums[0, part] = lanes[part].sum()
    sums[0, 3], sums[0, 4] = lows.min(), highs.max()


@_compiled
def _from_sums(sums, near, n, mean, m2, low, high) -> bool:  # type: ignore[no-untyped-def]
    """Take moments from sums; say whether M2 keeps its digits. If not, they have to be counted."""
    for at in range(len(n)):
        size, total, squares = sums[at, 0], sums[at, 1], sums[at, 2]
        left = squares - total * (total / max(size, 1))
        # rounding takes some squares / left · √n · 1e-16 of it
        if size > 1 and squares != 0 and not squares * np.sqrt(size) <= KEPT * left:
            return False
    for at in range(len(n)):
        size, total, squares = sums[at, 0], sums[at, 1], sums[at, 2]
        if size:
            n[at], low[at], high[at] = size, sums[at, 3], sums[at, 4]
            mean[at] = min(max(near + total / size, low[at]), high[at])
        if size > 1:
            m2[at] = max(squares - total * (total / size), 0.0)
    return True


@_compiled
def _moments(values, codes, limit, group, n, mean, m2, low, high) -> None:  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        if codes[i] < limit:
            at, value = group[i], values[i]
            n[at] += 1
            mean[at] += value
            low[at] = min(low[at], value)
            high[at] = max(high[at], value)
    for at in range(len(n)):
        if n[at]:
            finite = np.isfinite(mean[at])
            mean[at] = min(max(mean[at] / n[at], low[at]), high[at]) if finite else np.nan
    left = np.zeros(len(n))
    for i in range(len(values)):
        if codes[i] < limit:
            at = group[i]
            away = values[i] - mean[at]
            left[at] += away
            m2[at] += away * away
    for at in range(len(n)):
        _settle(at, n, mean, m2, left[at], low, high)


@_compiled
def _settle(at, n, mean, m2, left, low, high) -> None:  # type: ignore[no-untyped-def]
    """Take back what rounding left in the first pass."""
    rest = left / max(n[at], 1)
    if np.isfinite(m2[at]):
        m2[at] = max(m2[at] - left * rest, 0.0)
    if n[at] and np.isfinite(rest):
        mean[at] = min(max(mean[at] + rest, low[at]), high[at])

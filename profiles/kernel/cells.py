"""A table that finds the bin of a number in a few steps, and finds exactly the right one.

The line is cut into cells that are even near the middle of a grid and grow with the distance from
it: the cell is how far the bit pattern of ``|x − middle| + scale`` lies above that of ``scale``,
mirrored below the middle. Each step of that is monotone under IEEE 754 rounding, so a value never
lands in a cell before that of a smaller value, and all that is left to do is to compare it with the
edges that share its cell. Edges are laid into cells by the very same steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

HALF = 4_096  # cells on each side of the middle at most: the table stays in the nearest cache
MAX_STEPS = 8  # with more edges in one cell a binary search is quicker
_SCALES = (0.25, 1 / 16, 4.0, 1 / 1_024)  # of the spread of the middle half of the edges


@dataclass(frozen=True, kw_only=True)
class Cells:
    """How to find the bin of a number among the edges of one grid.

    Attributes
    ----------
    edges : float64 [k + steps]
        Strictly increasing, then +inf.
    middle, scale : float
        Cells are even within about `scale` of `middle`.
    shift : int
        Bits of the pattern that are dropped; the more, the wider a cell.
    half : int
        Cells on each side; what lies beyond counts to the last.
    first : uint16 [2 half]
        The number of edges in the cells before each cell.
    steps : int
        The most edges that share a cell; 0 where that is too many for this way.
    """

    edges: Floats
    middle: float
    scale: float
    shift: int
    half: int
    first: npt.NDArray[np.uint16]
    steps: int


def cells(edges: Floats) -> Cells:
    """Lay the edges [k] of a grid, finite and strictly increasing, into cells."""
    best: Cells | None = None
    for scale in _scales(edges):
        found = _laid(edges, scale)
        if best is None or found.steps < best.steps:
            best = found
        if best.steps <= 2:  # a value of its own has two edges, so it is rarely less
            break
    assert best is not None
    if best.steps <= MAX_STEPS:
        return best
    return Cells(
        edges=edges, middle=0.0, scale=1.0, shift=0, half=0, first=np.zeros(0, np.uint16), steps=0
    )


def _scales(edges: Floats) -> list[float]:
    quarter, three = edges[len(edges) // 4], edges[(3 * len(edges)) // 4]
    with np.errstate(over="ignore"):
        spread = float(three - quarter) or float(edges[-1] - edges[0]) or abs(float(edges[0]))
    most = float(np.finfo(np.float64).max) / 8
    least = float(np.finfo(np.float64).tiny)
    return [min(max(spread * part, least), most) for part in _SCALES]


def _laid(edges: Floats, scale: float) -> Cells:
    middle = float(edges[len(edges) // 2])
    far = _far(edges, middle, scale)
    shift = max(0, int(far.max()).bit_length() - HALF.bit_length() + 1)
    half = int(far.max() >> shift) + 2  # one cell beyond the last edge on each side
    at = np.where(edges >= middle, half + (far >> shift), half - 1 - (far >> shift))
    first = np.searchsorted(at, np.arange(2 * half), side="left")
    steps = int(np.bincount(at).max())
    return Cells(
        edges=np.concatenate((edges, np.full(steps, np.inf))),
        middle=middle,
        scale=scale,
        shift=shift,
        half=half,
        first=first.astype(np.uint16),
        steps=steps,
    )


def _far(x: Floats, middle: float, scale: float) -> npt.NDArray[np.int64]:
    """Return how far the bit patterns lie above that of `scale`, 0 or more."""
    with np.errstate(over="ignore"):
        away = np.abs(x - middle) + scale
    pattern: npt.NDArray[np.int64] = away.view(np.int64) - np.float64(scale).view(np.int64)
    return pattern

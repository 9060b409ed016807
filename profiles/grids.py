"""Grids: the fixed bins a column is counted on, made once when a baseline is accepted.

A grid is immutable and named by the hash of its content, so two profiles can be added when, and
only when, they carry the same name. The last bins of every grid are special: missing, non-finite
(numeric) or unseen (categorical), and type mismatch; the bins of a profile therefore always sum to
its rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from profiles.errors import InvalidGrid
from profiles.kernel.cells import Cells, cells
from profiles.limits import CATEGORIES_KNOWN, CATEGORIES_WITH_A_BIN
from profiles.values import PRESENT, Labels, Numbers, ValueType

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.intp]

EQUAL_MASS = 200  # so that percentiles and deciles fall on edges
HEAVY = 1 / 400  # a value with this share of the mass is a bin of its own
EXACT = 100  # with at most so many values, each is a bin of its own
TAIL = (0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1_000.0)  # of the middle 80 %, beyond each end
COARSE = 10
MAX_CATEGORIES, MAX_KNOWN = CATEGORIES_WITH_A_BIN, CATEGORIES_KNOWN


@dataclass(frozen=True, kw_only=True)
class NumericGrid:
    """Bins of the real line, from a baseline's quantiles and heavy values.

    Bin ``i`` holds ``edges[i-1] <= x < edges[i]``; the first and the last are open. Then come
    *missing*, *non-finite* and *type mismatch*.

    Attributes
    ----------
    edges : float64 [k]
        Strictly increasing and finite. A value of its own has the edges ``v`` and the next float.
    low, high : float
        Smallest and largest value of the baseline; beyond them a value is out of range.
    centres : float64 [k + 1]
        What a row of the bin is worth: the baseline's mean there, the midpoint where it had none.
    coarse : int [k + 1]
        For each fine bin the one of about ten coarse bins it belongs to, heavy values first, then
        equal mass. PSI and the other bin-wise distances are taken over these.
    coarse_bins : int
        How many there are.
    """

    edges: Floats
    low: float
    high: float
    centres: Floats
    coarse: Ints
    coarse_bins: int

    @property
    def kind(self) -> Literal["numeric"]:
        return "numeric"

    @property
    def values(self) -> int:
        """Number of bins that hold values; the special bins come after."""
        return len(self.edges) + 1

    @property
    def bins(self) -> int:
        return self.values + 3

    @property
    def missing(self) -> int:
        return self.values

    @property
    def non_finite(self) -> int:
        return self.values + 1

    @property
    def mismatch(self) -> int:
        return self.values + 2

    @cached_property
    def cells(self) -> Cells:
        """How the kernel finds the bin of a number."""
        return cells(self.edges)

    @cached_property
    def single(self) -> npt.NDArray[np.bool_]:
        """Which bins [k + 1] hold one float only, so that no order within them is lost."""
        return _single(self.edges)

    @cached_property
    def outside(self) -> npt.NDArray[np.bool_]:
        """Which bins [k + 1] lie wholly beyond the baseline's smallest and largest value."""
        after = np.concatenate((self.edges, [np.inf])) <= self.low
        before = np.concatenate(([-np.inf], self.edges)) > self.high
        return after | before

    @cached_property
    def id(self) -> str:
        return _digest(self.to_dict())

    def codes(self, column: Numbers) -> Codes:
        """Return the bin of every row."""
        codes = np.searchsorted(self.edges, column.values, side="right")
        if column.mark.any():
            special = np.array([0, self.missing, self.non_finite, self.mismatch])
            codes = np.where(column.mark == PRESENT, codes, special[column.mark])
        return codes

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "numeric",
            "edges": self.edges.tolist(),
            "low": self.low,
            "high": self.high,
            "centres": self.centres.tolist(),
            "coarse": self.coarse.tolist(),
        }


@dataclass(frozen=True, kw_only=True)
class CategoricalGrid:
    """One bin a category, largest first, then *other known*, *unseen*, *missing*, *mismatch*.

    Attributes
    ----------
    categories : tuple of str
        The baseline's categories by weight, at most 256.
    known : tuple of str
        The rest of what the baseline knows, sorted; counted together as *other known*.
    values_are : "string", "number" or "boolean"
        Values of another type are mismatches.
    """

    categories: tuple[str, ...]
    known: tuple[str, ...] = ()
    values_are: ValueType = "string"

    @property
    def kind(self) -> Literal["categorical"]:
        return "categorical"

    @property
    def values(self) -> int:
        """Number of bins that hold values: the categories, other known, unseen."""
        return len(self.categories) + 2

    @property
    def bins(self) -> int:
        return self.values + 2

    @property
    def other(self) -> int:
        return len(self.categories)

    @property
    def unseen(self) -> int:
        return len(self.categories) + 1

    @property
    def missing(self) -> int:
        return self.values

    @property
    def mismatch(self) -> int:
        return self.values + 1

    @cached_property
    def id(self) -> str:
        return _digest(self.to_dict())

    @cached_property
    def _bin_of(self) -> dict[str, int]:
        bins = dict.fromkeys(self.known, self.other)
        bins.update({name: i for i, name in enumerate(self.categories)})
        return bins

    def bins_of(self, names: Sequence[str | None]) -> npt.NDArray[np.uint16]:
        """Return the bin of every label, None being missing."""
        known, unseen = self._bin_of, self.unseen
        bins = [self.missing if name is None else known.get(name, unseen) for name in names]
        return np.array(bins, np.uint16)

    def codes(self, column: Labels) -> Codes:
        """Return the bin of every row; the dictionary is looked up, not the rows."""
        codes = self.bins_of(column.names or ("",))[column.codes]
        special = np.array([0, self.missing, self.missing, self.mismatch])
        codes = np.where(column.mark == PRESENT, codes, special[column.mark])
        return codes.astype(np.intp)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "categorical",
            "categories": list(self.categories),
            "known": list(self.known),
            "values_are": self.values_are,
        }


Grid = NumericGrid | CategoricalGrid


def from_dict(content: dict[str, Any]) -> Grid:
    """Rebuild a grid from `Grid.to_dict`."""
    if content["kind"] == "categorical":
        return CategoricalGrid(
            categories=tuple(content["categories"]),
            known=tuple(content["known"]),
            values_are=content["values_are"],
        )
    coarse = np.array(content["coarse"], np.int64)
    return NumericGrid(
        edges=np.array(content["edges"], float),
        low=content["low"],
        high=content["high"],
        centres=np.array(content["centres"], float),
        coarse=coarse,
        coarse_bins=int(coarse.max()) + 1,
    )


def numeric_grid(columns: Sequence[Numbers]) -> NumericGrid:
    """Make the grid of a numeric column from its values in the baseline, given in batches.

    Every value that carries at least 1/400 of the mass is a bin of its own, and so is every value
    where there are at most 100. The rest of the line is cut into about 200 bins of equal mass with
    the deciles on edges, and a few log-spaced bins lie beyond each end, so that a shift out of the
    baseline's range is still measured.

    Raises
    ------
    InvalidGrid
        If no row holds a finite number.
    """
    finite = [column.values[column.mark == PRESENT] for column in columns]
    values = np.concatenate(finite or [np.zeros(0)])
    n = len(values)
    if n == 0:
        raise InvalidGrid("no row of the baseline holds a finite number, nothing to bin")
    values += 0.0  # −0.0 and 0.0 are one value
    values.sort()
    shares = np.concatenate((np.arange(EQUAL_MASS) / EQUAL_MASS, [0.1, 0.9, 1.0]))
    ranks = np.maximum(np.ceil(shares * n - 1e-9).astype(np.int64), 1) - 1
    *quantiles, low, high, largest = values[ranks]
    first = np.concatenate(([True], values[1:] != values[:-1]))
    few = np.count_nonzero(first) <= EXACT
    atoms = values[first] if few else _heavy(values, HEAVY * n)
    ends = _after(np.array([largest]))
    edges = np.concatenate((atoms, _after(atoms), _tails(quantiles[0], low, high, largest)))
    if not few:
        edges = np.concatenate((edges, quantiles, ends))
    edges = np.unique(edges[np.isfinite(edges)]) + 0.0  # no edge is −0.0, not every store keeps it
    weight, centres = _centres(edges, values)
    coarse = _coarse(weight)
    return NumericGrid(
        edges=edges,
        low=float(quantiles[0]),
        high=float(largest),
        centres=centres,
        coarse=coarse,
        coarse_bins=int(coarse.max()) + 1,
    )


def category_rows(columns: Sequence[Labels]) -> dict[str, int]:
    """Count the rows of each category of a column that is given in batches."""
    rows: dict[str, int] = {}
    for column in columns:
        counts = np.bincount(column.codes[column.mark == PRESENT], minlength=len(column.names))
        for name, count in zip(column.names, counts.tolist(), strict=True):
            if count:
                rows[name] = rows.get(name, 0) + count
    return rows


def categorical_grid(
    rows: Mapping[str, int], values_are: ValueType, *, known: int = MAX_KNOWN
) -> CategoricalGrid:
    """Make the grid of a categorical column from the rows of each category in the baseline.

    Categories are ordered by rows, ties by name. At most `known` further names are kept as *other
    known*; names beyond that would count as unseen.

    Raises
    ------
    InvalidGrid
        If there are none.
    """
    if not rows:
        raise InvalidGrid(f"no row of the baseline holds a {values_are}: no categories")
    ordered = sorted(rows, key=lambda name: (-rows[name], name))
    return CategoricalGrid(
        categories=tuple(ordered[:MAX_CATEGORIES]),
        known=tuple(sorted(ordered[MAX_CATEGORIES : MAX_CATEGORIES + known])),
        values_are=values_are,
    )


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _after(values: Floats) -> Floats:
    """Return the next float after each, inf after the largest."""
    with np.errstate(over="ignore"):
        return np.nextafter(values, np.inf)


def _tails(smallest: float, low: float, high: float, largest: float) -> Floats:
    """Lay edges beyond both ends, in units of the middle 80 % from `low` to `high`."""
    with np.errstate(over="ignore"):
        span = (high - low) or (largest - smallest) or abs(smallest) or 1.0
        steps = np.array(TAIL) * span
        return np.concatenate((smallest - steps, _after(np.array([largest])) + steps))


def _heavy(ordered: Floats, times: float) -> Floats:
    """Return the values that occur at least so many times."""
    after = max(int(np.ceil(times)), 1) - 1
    ends = ordered[after:]
    return np.unique(ends[ends == ordered[: len(ends)]])


def _centres(edges: Floats, ordered: Floats) -> tuple[Ints, Floats]:
    """Return the baseline's rows in each bin, and their mean; the midpoint where it has none."""
    first = np.concatenate(([0], np.searchsorted(ordered, edges)))
    weight = np.diff(first, append=len(ordered))
    # divided first: the sum of large values may pass the largest float
    parts = np.repeat(weight.astype(np.float64), weight)
    np.divide(ordered, parts, out=parts)
    left = np.concatenate((edges[:1], edges))
    right = np.concatenate((edges, edges[-1:]))
    mean = left / 2 + right / 2
    mean[weight > 0] = np.add.reduceat(parts, first[weight > 0])
    mean = np.where(_single(edges), left, mean)
    return weight, np.asarray(np.clip(mean, left, right) + 0.0, np.float64)


def _single(edges: Floats) -> npt.NDArray[np.bool_]:
    inner = edges[1:] == np.nextafter(edges[:-1], np.inf)
    last = edges[-1] == np.finfo(float).max  # no float comes after it
    return np.concatenate(([False], inner, [last]))


def _coarse(weight: npt.NDArray[Any]) -> Ints:
    """Part fine bins into coarse ones: a bin heavier than a tenth alone, the rest by equal mass.

    A bin without rows goes with its left neighbour, unless that one stands alone: a value beside a
    heavy one has to count as moved.
    """
    shares = weight / weight.sum()
    heavy = shares >= 1 / COARSE
    target = float(shares[~heavy].sum()) / max(1, COARSE - int(heavy.sum()))
    share, alone = shares.tolist(), heavy.tolist()
    coarse = [0] * len(share)
    current, filled = 0, 0.0
    for i, mass in enumerate(share):
        full = mass > 0 and filled > 0 and filled + mass / 2 > target
        if i > 0 and (alone[i] or alone[i - 1] or full):
            current, filled = current + 1, 0.0
        coarse[i] = current
        filled += mass
    return np.array(coarse, np.int64)

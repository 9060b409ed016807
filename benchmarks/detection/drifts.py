"""What is planted: drifts of a size, a shape and a target, and faults of data.

A drift goes along a random way of unit length in the shares of the places, so Cohen's w is its size
in every cohort and hour. Hours that drift are drawn again; all others stay as they were drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np

from benchmarks.detection.arms import ABOVE, INSIDE, MISSING, VALUES, Counts, Floats
from benchmarks.detection.models import COHORT, DAY, ROWS, SCORE, Model, Planted

SIZES = (0.03, 0.05, 0.1, 0.2, 0.4)
SHAPES = ("step", "ramp", "burst", "recurring")
ONE, SMALL, MANY, MIX = "one feature", "one feature of a small cohort", "a fifth", "mix"
TARGETS = (ONE, SMALL, MANY, SCORE, MIX)
EVERYWHERE = "everybody"
HORIZON = 28  # days that are waited for
SHORT = 8  # days after which no look reaches back to one hour
_RAMP, _RECURRING = 7 * DAY, 3  # hours
_FEW_MISSING = 0.005  # share
_LATE = 6  # hours that a skewed clock is wrong by
_FEWEST = -1 / max(SIZES)  # the least that a way may have, so that no share gets below 0


@dataclass(frozen=True, kw_only=True, order=True)
class Cell:
    """A drift, or with no size a fault of that name.

    With size 0 nothing drifts: what is found then is found by chance.
    """

    shape: str
    target: str
    w: float | None

    @property
    def days(self) -> int:
        return SHORT if self.shape in ("burst", "null burst", "stuck value") else HORIZON


def drifts() -> tuple[Cell, ...]:
    cells = product(SHAPES, TARGETS, SIZES)
    chance = tuple(Cell(shape="step", target=target, w=0.0) for target in TARGETS)
    return chance + tuple(Cell(shape=s, target=t, w=w) for s, t, w in cells)


def faults() -> tuple[Cell, ...]:
    wheres = dict.fromkeys(_FAULTS, (EVERYWHERE, SMALL)) | {"clock skew": (EVERYWHERE,)}
    return tuple(
        Cell(shape=fault, target=where, w=None) for fault in wheres for where in wheres[fault]
    )


def plant(model: Model, cell: Cell, start: int, part: int) -> Planted:
    """Plant a drift or a fault from an hour on; the same cell and part, the same rows."""
    rng = np.random.default_rng([model.seed, part, *map(ord, f"{cell.shape}|{cell.target}")])
    if cell.w is None:
        return _fault(model, cell, start, rng)
    if cell.target == MIX:
        return _mix(model, cell, start, rng)
    columns = _columns(model, cell.target, rng)
    small = model.of.small if cell.target == SMALL else None
    size = np.zeros((model.cohorts, _hours(model, cell, start)))
    size[slice(None) if small is None else small] = _sizes(cell, start, size.shape[1])
    at = {column: rng.spawn(1)[0] for column in columns}
    counts = {column: _again(model, column, start, size, at[column]) for column in columns}
    return Planted(start=start, columns=frozenset(columns), cohort=small, counts=counts)


def _columns(model: Model, target: str, rng: np.random.Generator) -> tuple[str, ...]:
    if target == SCORE:
        return (SCORE,)
    many = max(1, len(model.features) // 5) if target == MANY else 1
    return tuple(rng.choice(model.features, many, replace=False).tolist())


def _hours(model: Model, cell: Cell, start: int) -> int:
    """Return how many hours there are from the day of the start to the end of the wait."""
    first = start - start % DAY
    return min(model.days * DAY - first, DAY * cell.days)


def _sizes(cell: Cell, start: int, hours: int) -> Floats:
    """Return Cohen's w of each hour from the day of the start on."""
    since = np.arange(hours) - start % DAY
    part = {
        "step": since >= 0,
        "ramp": np.clip(since / _RAMP, 0, 1),
        "burst": since == 0,
        "recurring": (since >= 0) & (since % DAY < _RECURRING),
    }[cell.shape]
    return (cell.w or 0.0) * part


def way(shares: Floats, rng: np.random.Generator) -> Floats:
    """Draw a way of mean 0 and variance 1 under shares, along which none gets below 0."""
    best, least = np.zeros(len(shares)), -np.inf
    for _ in range(200):
        found = rng.standard_normal(len(shares))
        found -= found @ shares
        found /= np.sqrt(found * found @ shares)
        for each in (found, -found):
            if each.min() > least:
                best, least = each, each.min()
            if least > 0.9 * _FEWEST:
                return best
    return best


def _again(model: Model, column: str, start: int, size: Floats, rng: np.random.Generator) -> Counts:
    """Draw a column again where it has a size; elsewhere it stays."""
    first, law = start - start % DAY, model.law(column)
    hours = slice(first, first + size.shape[1])
    along = way(law.usual, rng)
    drawn = model.of.draw(law, model.rows[:, hours], rng, first=first, way=along, size=size)
    return np.where((size != 0)[:, None], drawn, model.counts[column][..., hours])


def _mix(model: Model, cell: Cell, start: int, rng: np.random.Generator) -> Planted:
    """Let other cohorts come, each as it is: as many rows an hour, in other shares."""
    first = start - start % DAY
    hours = slice(first, first + _hours(model, cell, start))
    size = _sizes(cell, start, hours.stop - first)
    mean, before = model.of.mean[:, hours], model.rows[:, hours]
    shares = mean / mean.sum(axis=0)
    along = way(shares.mean(axis=1), rng)[:, None]
    along = along - (along * shares).sum(axis=0)
    along = along / np.sqrt(np.maximum((along**2 * shares).sum(axis=0), 1e-12))
    moved = np.maximum(0, shares * (1 + size * along))
    drawn = rng.multinomial(before.sum(axis=0), (moved / moved.sum(axis=0)).T).T
    on = size != 0
    rows = np.where(on, drawn, before)
    counts = {}
    for column, usual in model.counts.items() if on.any() else ():
        again = model.of.draw(model.law(column), rows, rng, first=first)
        counts[column] = np.where(on, again, usual[..., hours])
    return Planted(
        start=start, columns=frozenset((COHORT, ROWS)), counts=counts, rows=rows, moved_along=True
    )


def _fault(model: Model, cell: Cell, start: int, rng: np.random.Generator) -> Planted:
    first = start - start % DAY
    hours = slice(first, first + _hours(model, cell, start))
    if cell.shape == "clock skew":
        late = slice(start, min(start + DAY, hours.stop))
        early = slice(late.start - _LATE, late.stop - _LATE)
        counts = {c: _replaced(of, hours, late, of[..., early]) for c, of in model.counts.items()}
        rows = _replaced(model.rows, hours, late, model.rows[..., early])
        return Planted(
            start=start, columns=frozenset((*model.columns, ROWS)), counts=counts, rows=rows
        )
    small = model.of.small if cell.target == SMALL else None
    fit = [c for c in model.features if _may(model, cell.shape, c)]
    column = str(rng.choice(fit or list(model.features)))
    drawn = model.counts[column][..., hours].copy()
    of = drawn if small is None else drawn[small : small + 1]
    since = np.arange(drawn.shape[-1]) - start % DAY
    _FAULTS[cell.shape](of, since, rng)
    return Planted(start=start, columns=frozenset((column,)), cohort=small, counts={column: drawn})


def _may(model: Model, fault: str, column: str) -> bool:
    """Whether a fault makes sense in a column: nulls where there are few, units of numbers."""
    if fault == "null burst":
        missing = int(model.counts[column][:, MISSING].sum())
        return missing < _FEW_MISSING * int(model.rows.sum())
    if fault in ("unit × 1000", "renamed category"):
        return model.ordered(column) == (fault == "unit × 1000")
    return True


def _replaced(whole: Counts, hours: slice, late: slice, by: Counts) -> Counts:
    found = whole[..., hours].copy()
    found[..., late.start - hours.start : late.stop - hours.start] = by
    return found


def _null_burst(of: Counts, since: Counts, rng: np.random.Generator) -> None:
    """Lose one in twenty values for an hour."""
    at = int(np.flatnonzero(since == 0)[0])
    lost = rng.binomial(of[:, :VALUES, at].astype(np.int64), 0.05).astype(of.dtype)
    of[:, :VALUES, at] -= lost
    of[:, MISSING, at] += lost.sum(axis=1, dtype=of.dtype)


def _other_unit(of: Counts, since: Counts, _: np.random.Generator) -> None:
    """Give every number in a unit a thousand times smaller."""
    at = since >= 0
    of[:, ABOVE, at] = of[:, :VALUES, at].sum(axis=1)
    of[:, :ABOVE, at] = 0


def _renamed(of: Counts, since: Counts, rng: np.random.Generator) -> None:
    """Let one category come under a name that nobody knows."""
    which, at = int(rng.integers(INSIDE.start, INSIDE.stop)), since >= 0
    of[:, ABOVE, at] += of[:, which, at]
    of[:, which, at] = 0


def _stuck(of: Counts, since: Counts, rng: np.random.Generator) -> None:
    """Let every row of an hour have one value."""
    which, at = int(rng.integers(INSIDE.start, INSIDE.stop)), since == 0
    of[:, which, at] = of[..., at].sum(axis=1)
    others: Iterable[int] = (p for p in range(of.shape[1]) if p != which)
    of[:, list(others)] = np.where(at, 0, of[:, [p for p in range(of.shape[1]) if p != which]])


_FAULTS: dict[str, Callable[[Counts, Counts, np.random.Generator], None]] = {
    "null burst": _null_burst,
    "unit × 1000": _other_unit,
    "renamed category": _renamed,
    "stuck value": _stuck,
}

"""The streams of columns, day by day: what came, what was expected, and how odd that is.

Columns with the same places in the same streams are looked at together. Places stand first and
columns last in all arrays, so that sums over places and over hours run along whole blocks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from profiles.detection.reference import Counts, Floats, Reference, VolumeReference
from profiles.detection.scores import (
    FAST,
    SLOW,
    Looks,
    Scale,
    Wander,
    alone,
    last,
    level,
    spread_out,
)
from profiles.detection.watched import Watched

Kind = Literal["body", "level", "beyond", "faults", "volume"]

KINDS: tuple[Kind, ...] = ("body", "level", "beyond", "faults")  # of a column
_MIN_ROWS, _MIN_VOLUME = 10.0, 5.0
_Scales = tuple[Scale, ...]
_BACK: dict[_Scales, int] = {of: of[0].lag for of in (FAST, SLOW)}  # days that looks reach back to


@dataclass(frozen=True, kw_only=True)
class Today:
    """The running day, as far as it has come.

    Attributes
    ----------
    counts : int [P, H, C, F]
        0 in the steps to come.
    seen : int [H]
        How often each step was seen: 0 where it was not, 2 where the clock was put back.
    """

    counts: Counts
    seen: Counts


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one scale sees on the running day.

    Attributes
    ----------
    looks : Looks [K, N, C, F]
        Of the running day; a look counts from the step on that ends it.
    wander : Wander [N, C, F]
    scores : float32 [K, N, C, F]
    """

    scale: Scale
    looks: Looks
    wander: Wander
    scores: Floats

    def highest(self, parts: Collection[slice], steps: int) -> Floats:
        """Return the largest score in parts of the streams after each step [H, N, D, F].

        −1 before a look.
        """
        of_parts = np.stack([self.scores[:, :, part].max(axis=2) for part in parts], axis=2)
        best = np.maximum.accumulate(of_parts, axis=0)
        ended = np.arange(1, steps + 1) // self.looks.stride
        found: Floats = np.concatenate((np.full_like(best[:1], -1), best))[ended]
        return found


class Streams(ABC):
    """What columns and volumes have in common: the last days are kept, and how streams wander.

    Parameters
    ----------
    kinds : tuple of str
        What is looked at.
    shape : (P, H, C, F)
        Places; steps of a day; streams, everybody first; columns.
    day : int
        Number of the first day, from a Monday on.
    least : float
        Rows under which nothing can be said.
    """

    def __init__(
        self, kinds: tuple[Kind, ...], shape: tuple[int, int, int, int], *, day: int, least: float
    ) -> None:
        self.kinds = kinds
        self.scales = tuple(of for of in (*FAST, *SLOW) if of.steps(shape[1]) is not None)
        self._day, self._steps = day, shape[1]
        self._last = {scales: deque[Floats](maxlen=back) for scales, back in _BACK.items()}
        self._wander = {
            scale: Wander((len(kinds), *shape[2:]), scale, least=least) for scale in self.scales
        }

    def look(self, today: Today) -> list[Seen]:
        """Look at the running day at every scale."""
        return [self._seen(*found) for found in self._looks(today)]

    def behind(self, scale: Scale, today: Today) -> Floats:
        """Return what a scale looked at: what came, and what was expected [2, P, K, C, F]."""
        return next(looks for of, _, looks in self._looks(today) if of == scale)

    def close(self, today: Today, found: Sequence[Seen]) -> None:
        """End the running day: learn from what came, and from what was seen of it."""
        for of in found:
            of.wander.close(of.looks, self._day)
        for scales, days in self._last.items():
            days.append(self._of_day(scales, today))
        self._learn(today)
        self._day += 1

    def _looks(self, today: Today) -> Iterator[tuple[Scale, int, Floats]]:
        """Yield each scale, its stride in steps, what came and what was expected at its looks."""
        for scales, before in self._last.items():
            days = np.stack([*before, self._of_day(scales, today)], axis=2)
            for scale in scales:
                steps = scale.steps(days.shape[3])
                if steps is not None:
                    yield scale, steps[1] * self._steps // days.shape[3], last(days, *steps)

    def _of_day(self, scales: _Scales, today: Today) -> Floats:
        """Return what came and what was expected, in steps as coarse as the scales allow."""
        expected = self._expect(today, scales[0].lag)
        return _coarse(np.stack((today.counts, expected), dtype=np.float32), scales)

    def _seen(self, scale: Scale, stride: int, looks: Floats) -> Seen:
        kinds = zip(*self._kinds_of(*looks), strict=True)
        distance, mean, rows = (np.stack(of, axis=1) for of in kinds)
        found = Looks(distance=distance, mean=mean, rows=rows, stride=stride)
        wander = self._wander[scale]
        return Seen(scale=scale, looks=found, wander=wander, scores=wander.score(found))

    @abstractmethod
    def _expect(self, today: Today, lag: int) -> Floats:
        """Return what was expected of the running day [P, H, C, F]."""

    @abstractmethod
    def _kinds_of(self, came: Floats, expected: Floats) -> Iterator[tuple[Floats, Floats, Floats]]:
        """Yield distance, its mean and rows [K, C, F] of each kind."""

    @abstractmethod
    def _learn(self, today: Today) -> None:
        """Count the running day among those that others are expected to be like."""


class Columns(Streams):
    """Columns with places alike, of everybody and of each cohort.

    Where one has fewer values than another, places before its last one are empty: nothing comes
    there and nothing is expected, so they add nothing, to the bit.

    Parameters
    ----------
    of : sequence of Watched [F]
        All of them ordered, or none. Those beyond are the same, or the last place of values.
    shape : (H, C)
        Steps of a day; streams, everybody first.
    kinds : collection of str
        What is looked at; `level` where places have an order.

    Attributes
    ----------
    kept : bool [P, F]
        The places that a column has; the others are empty.
    """

    def __init__(
        self, of: Sequence[Watched], shape: tuple[int, int], *, day: int,
        kinds: Collection[Kind] = KINDS,
    ) -> None:  # fmt: skip
        self._values = values = max(each.values for each in of)
        looked_at = tuple(kind for kind in kinds if of[0].ordered or kind != "level")
        whole = (values + 2, *shape, len(of))
        super().__init__(looked_at, whole, day=day, least=_MIN_ROWS)
        self.kept = np.ones((values + 2, len(of)), bool)
        for at, each in enumerate(of):
            self.kept[each.values - 1 : values - 1, at] = False
        self._beyond = [at if at < of[0].values - 1 else values - 1 for at in of[0].beyond]
        self._reference = Reference(day, whole, self.kept)
        self._shares: dict[int, Floats] = {}  # of the values, and of all rows that are faults

    def _kinds_of(self, came: Floats, expected: Floats) -> Iterator[tuple[Floats, Floats, Floats]]:
        values, beyond = slice(self._values), self._beyond
        missing, no_values = came[self._values :].sum(axis=0), expected[self._values :].sum(axis=0)
        present = came[values].sum(axis=0)
        for kind in self.kinds:
            rows = present
            if kind == "body":
                found = spread_out(came[values], expected[values])
            elif kind == "level":
                found = level(came[values], expected[values])
            elif kind == "beyond":
                found = alone(came[beyond].sum(axis=0), expected[beyond].sum(axis=0))
            else:
                rows, found = present + missing, alone(missing, no_values)
            yield (*found, rows)

    def _expect(self, today: Today, lag: int) -> Floats:
        values = self._values
        if lag not in self._shares:
            shares = self._shares[lag] = self._reference.shares(lag=lag)
            shares[:values] /= np.maximum(shares[:values].sum(axis=0), np.float32(1e-9))
        found = self._shares[lag].copy()
        found[:values] *= today.counts[:values].sum(axis=0).astype(np.float32)
        found[values:] *= today.counts.sum(axis=0).astype(np.float32)
        return found

    def _learn(self, today: Today) -> None:
        self._reference.close(today.counts)
        self._shares.clear()


class Volume(Streams):
    """The rows of everybody and of each cohort: one column with one place.

    Parameters
    ----------
    shape : (H, C)
        Steps of a day; streams, everybody first.
    """

    def __init__(self, shape: tuple[int, int], *, day: int) -> None:
        super().__init__(("volume",), (1, *shape, 1), day=day, least=_MIN_VOLUME)
        self._reference = VolumeReference(day, shape[::-1])

    def _kinds_of(self, came: Floats, expected: Floats) -> Iterator[tuple[Floats, Floats, Floats]]:
        yield (*alone(came[0], expected[0]), expected[0])

    def _expect(self, today: Today, lag: int) -> Floats:
        return self._reference.rows(today.seen, lag=lag).T[None, ..., None]

    def _learn(self, today: Today) -> None:
        self._reference.close(today.counts[0, ..., 0].T, today.seen)


def _coarse(days: Floats, scales: _Scales) -> Floats:
    """Add the steps of a day [2, P, H, C, F] up to those of the shortest stride that divides it."""
    wanted, steps = 24 // min(scale.stride for scale in scales), days.shape[2]
    if steps <= wanted or steps % wanted:
        return days
    found: Floats = days.reshape(*days.shape[:2], wanted, -1, *days.shape[3:]).sum(axis=3)
    return found

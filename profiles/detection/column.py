"""The streams of one column, day by day: what came, what was expected, and how odd that is."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

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
_Day = tuple[Floats, Floats]  # what came, what was expected [C, P, H]
_Scales = tuple[Scale, ...]
_BACK: dict[_Scales, int] = {of: of[0].lag for of in (FAST, SLOW)}  # days that looks reach back to


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Every stream of one kind of a column, at one scale, on the running day.

    Attributes
    ----------
    kind : str
        ``body`` of how values are spread, ``level`` of how high they are, ``beyond`` of those that
        the baseline did not hold, ``faults`` of what is missing or of the wrong type, ``volume`` of
        rows.
    looks : Looks [C, K]
        Of the running day; a look counts from the step on that ends it.
    wander : Wander [C]
    scores : float32 [C, K]
    """

    kind: Kind
    scale: Scale
    looks: Looks
    wander: Wander
    scores: Floats

    @cached_property
    def effects(self) -> npt.NDArray[np.float64]:
        """Cohen's w [C, K] without what chance and the streams' own wander add to it."""
        return self.wander.effect(self.looks)


class _Streams:
    """What values and volumes have in common: the last days are kept, and how streams wander."""

    def __init__(self) -> None:
        self._last = {scales: deque[_Day](maxlen=back) for scales, back in _BACK.items()}
        self._wander: dict[tuple[Kind, Scale], Wander] = {}

    def _days(self, scales: _Scales, today: _Day) -> _Day:
        """Put the days before, that looks reach back to, before a day: [C, P, days, H]."""
        came, expected = zip(*self._last[scales], today, strict=True)
        return np.stack(came, axis=-2), np.stack(expected, axis=-2)

    def _seen(self, kind: Kind, scale: Scale, found: _Day, rows: Floats, *, stride: int) -> Seen:
        distance, mean = found
        looks = Looks(distance=distance, mean=mean, rows=rows, stride=stride)
        wander = self._wander.get((kind, scale))
        if wander is None:
            least = _MIN_VOLUME if kind == "volume" else _MIN_ROWS
            wander = self._wander[kind, scale] = Wander(len(rows), scale, least=least)
        return Seen(kind=kind, scale=scale, looks=looks, wander=wander, scores=wander.score(looks))

    def _behind(self, scale: Scale, today: _Day) -> _Day:
        days = self._days(_scales_of(scale), today)
        _, _, came, expected = next(_looks(days, (scale,), today[0].shape[-1]))
        return came, expected

    def _learn(self, found: Sequence[Seen], day: int) -> None:
        for of in found:
            of.wander.close(of.looks, day)


class Column(_Streams):
    """One column of everybody and of each cohort.

    Parameters
    ----------
    of : Watched
    streams : int
        Everybody first.
    day : int
        Number of the first day, from a Monday on.
    steps : int
        Of a day.
    kinds : collection of str
        What is looked at; `level` where places have an order.
    """

    def __init__(
        self, of: Watched, streams: int, *, day: int, steps: int, kinds: Collection[Kind] = KINDS
    ) -> None:
        super().__init__()
        self._of = of
        self._kinds = [kind for kind in kinds if of.ordered or kind != "level"]
        self._reference = Reference(day, (streams, of.places, steps))
        self._shares: dict[_Scales, Floats] = {}

    def today(self, counts: Counts) -> list[Seen]:
        """Look at the running day, as far as it has come.

        Parameters
        ----------
        counts : int [C, P, H]
            0 in the steps to come.
        """
        found: list[Seen] = []
        for scales in _BACK:
            days = self._days(scales, self._day(scales, counts))
            for scale, stride, came, expected in _looks(days, scales, counts.shape[-1]):
                found += self._at(scale, came, expected, stride)
        return found

    def behind(self, scale: Scale, counts: Counts) -> _Day:
        """Return what a scale looked at: what came and what was expected [C, P, K]."""
        return self._behind(scale, self._day(_scales_of(scale), counts))

    def _at(self, scale: Scale, came: Floats, expected: Floats, stride: int) -> Iterator[Seen]:
        """Yield what one scale sees, given what came and what was expected [C, P, K]."""
        values, beyond = slice(0, self._of.values), list(self._of.beyond)
        faults = slice(self._of.values, None)
        present = came[:, values].sum(axis=1)
        for kind in self._kinds:
            rows = present
            if kind == "body":
                found = spread_out(came[:, values], expected[:, values])
            elif kind == "level":
                found = level(came[:, values], expected[:, values])
            elif kind == "beyond":
                found = alone(came[:, beyond].sum(axis=1), expected[:, beyond].sum(axis=1))
            else:
                missing = came[:, faults].sum(axis=1)
                rows, found = present + missing, alone(missing, expected[:, faults].sum(axis=1))
            yield self._seen(kind, scale, found, rows, stride=stride)

    def close(self, counts: Counts, found: Sequence[Seen]) -> None:
        """End the running day: learn from what came, and from what was seen of it."""
        self._learn(found, self._reference.sums.day)
        for scales, days in self._last.items():
            days.append(self._day(scales, counts))
        self._reference.close(counts)
        self._shares.clear()

    def _day(self, scales: _Scales, counts: Counts) -> _Day:
        """Return what came and what was expected, in steps as coarse as the scales allow."""
        return _coarse(counts, scales), _coarse(self._expect(scales, counts), scales)

    def _expect(self, scales: _Scales, counts: Counts) -> Floats:
        """Return what was expected of a day's rows [C, P, H]: of values, then of faults."""
        if scales not in self._shares:
            self._shares[scales] = self._reference.shares(lag=scales[0].lag)
        shares, values = self._shares[scales], self._of.values
        present = counts[:, :values].sum(axis=1, keepdims=True).astype(np.float32)
        every = counts.sum(axis=1, keepdims=True).astype(np.float32)
        body = shares[:, :values]
        body = body / np.maximum(body.sum(axis=1, keepdims=True), np.float32(1e-9))
        return np.concatenate((body * present, shares[:, values:] * every), axis=1)


class Volume(_Streams):
    """The rows of everybody and of each cohort."""

    def __init__(self, streams: int, *, day: int, steps: int) -> None:
        super().__init__()
        self._reference = VolumeReference(day, (streams, steps))

    def today(self, rows: Counts, seen: Counts) -> list[Seen]:
        """Look at the running day, as far as it has come.

        Parameters
        ----------
        rows : int [C, H]
        seen : int [H]
            How often each step was seen: 0 where it was not, 2 where the clock was put back.
        """
        found: list[Seen] = []
        for scales in _BACK:
            days = self._days(scales, self._day(scales, rows, seen))
            for scale, stride, came, expected in _looks(days, scales, len(seen)):
                of_rows = alone(came[:, 0], expected[:, 0])
                found.append(self._seen("volume", scale, of_rows, expected[:, 0], stride=stride))
        return found

    def behind(self, scale: Scale, rows: Counts, seen: Counts) -> _Day:
        """Return what a scale looked at: what came and what was expected [C, 1, K]."""
        return self._behind(scale, self._day(_scales_of(scale), rows, seen))

    def close(self, rows: Counts, seen: Counts, found: Sequence[Seen]) -> None:
        """End the running day: learn from what came, and from what was seen of it."""
        self._learn(found, self._reference.sums.day)
        for scales, days in self._last.items():
            days.append(self._day(scales, rows, seen))
        self._reference.close(rows, seen)

    def _day(self, scales: _Scales, rows: Counts, seen: Counts) -> _Day:
        expected = self._reference.rows(seen, lag=scales[0].lag)
        return _coarse(rows[:, None], scales), _coarse(expected[:, None], scales)


def _scales_of(scale: Scale) -> _Scales:
    """Return the scales that a scale is looked at together with."""
    return next(scales for scales in _BACK if scale in scales)


def _looks(days: _Day, scales: _Scales, of_day: int) -> Iterator[tuple[Scale, int, Floats, Floats]]:
    """Yield each scale, its stride in steps, what came and what was expected [C, P, K]."""
    for scale in scales:
        steps = scale.steps(days[0].shape[-1])
        if steps is not None:
            came, expected = (last(of, *steps) for of in days)
            yield scale, steps[1] * of_day // days[0].shape[-1], came, expected


def _coarse(values: Counts | Floats, scales: _Scales) -> Floats:
    """Add the steps of a day [..., H] up to those of the shortest stride, where they divide it."""
    wanted = 24 // min(scale.stride for scale in scales)
    if values.shape[-1] <= wanted or values.shape[-1] % wanted:
        return values.astype(np.float32)
    found: Floats = values.reshape(*values.shape[:-1], wanted, -1).sum(axis=-1, dtype=np.float32)
    return found

"""Counts of streams as detection sees them: drawn as they usually are, in clumps, or moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from profiles.detection.column import Columns, Kind, Seen, Streams, Today, Volume
from profiles.detection.scores import Scale
from profiles.detection.watch import Watch
from profiles.detection.watched import Watched
from profiles.profile import EVERYBODY, ColumnProfile, Dimension, Group, Profile

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[Any]

COHORTS = (0.5, 0.3, 0.2)  # of the rows
GROUPS: Mapping[Dimension, tuple[Group, ...]] = {
    EVERYBODY: ((),),
    ("region",): (("north",), ("south",), ("west",)),
}


def places(values: int, *, ordered: bool = True) -> Watched:
    """Return what is watched of a grid with a place for each value, then missing and wrong."""
    return Watched(
        place=np.arange(values + 2),
        values=values,
        beyond=(values - 1,),
        ordered=ordered,
        names=() if ordered else tuple(f"v{i}" for i in range(values)),
        centres=np.arange(values, dtype=float),
    )


def even_shares(values: int, *, missing: float = 0.02, wrong: float = 0.01) -> Floats:
    return np.append(np.full(values, (1 - missing - wrong) / values), (missing, wrong))


def volumes_of(
    rng: np.random.Generator, *, days: int, a_step: float, steps: int = 24, most: int = 3
) -> Ints:
    """Draw the rows of cohorts [C, D, H], as many as are expected of each at all hours."""
    mean = a_step * np.array(COHORTS[:most])[:, None, None]
    return rng.poisson(mean, (min(most, len(COHORTS)), days, steps))


def counted(rng: np.random.Generator, rows: Ints, shares: Floats, *, clump: int = 1) -> Ints:
    """Draw rows into places [C + 1, D, H, P], `clump` together; everybody first, then cohorts."""
    return with_everybody(clump * rng.multinomial(rows // clump, shares)).astype(np.int32)


def with_everybody(counts: Ints) -> Ints:
    """Put the sum of cohorts [C, …] before them."""
    return np.concatenate((counts.sum(axis=0, keepdims=True), counts))


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one scale sees of one kind of one column on a day."""

    kind: Kind
    number: int  # of the kind
    column: int
    seen: Seen

    @property
    def scale(self) -> Scale:
        return self.seen.scale

    @property
    def scores(self) -> npt.NDArray[np.float32]:
        return self.of(self.seen.scores)

    @property
    def rows(self) -> npt.NDArray[np.float32]:
        return self.of(self.seen.looks.rows)

    @property
    def distance(self) -> npt.NDArray[np.float32]:
        return self.of(self.seen.looks.distance)

    def effect(self, stream: int, look: int) -> tuple[float, float, float]:
        """Return the effect of one look of a stream, and the limits of its interval."""
        at = (look, self.number, stream, self.column)
        return self.seen.wander.effect(self.seen.looks, at)

    def of(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Pick the streams of the column [C, K] from what is of all [K, N, C, F], or [C]."""
        return values[..., self.number, :, self.column].T


Days = list[list[Look]]


def seen_of_column(counts: Ints, of: Watched, *, day: int = 0) -> Days:
    """Show a column one day of [C, D, H, P] after another; return what was seen on each."""
    (found,) = seen_of_columns([counts], [of], day=day)
    return found


def seen_of_columns(counts: Sequence[Ints], of: Sequence[Watched], *, day: int = 0) -> list[Days]:
    """Show columns together one day of [C, D, H, P] after another; return what was seen of each."""
    streams, days, steps, _ = counts[0].shape
    columns = Columns(of, (steps, streams), day=day)
    kept = columns.kept
    together = np.zeros((days, len(kept), steps, streams, len(of)), np.int32)
    for at, each in enumerate(counts):
        together[:, kept[:, at], :, :, at] = np.moveaxis(each, -1, 0).swapaxes(1, -1).swapaxes(1, 2)
    return _shown(columns, together, np.ones((days, steps), np.int64))


def seen_of_rows(rows: Ints, seen: Ints | None = None, *, day: int = 0) -> Days:
    """Show the rows themselves one day of [C, D, H] after another."""
    streams, days, steps = rows.shape
    times = np.ones((days, steps), np.int64) if seen is None else seen
    volume = Volume((steps, streams), day=day)
    (found,) = _shown(volume, np.moveaxis(rows, 0, -1)[:, None, ..., None], times)
    return found


def _shown(streams: Streams, counts: Ints, times: Ints) -> list[Days]:
    """Show one day of [D, P, H, C, F] after another; return what was seen of each column."""
    found: list[Days] = [[] for _ in range(counts.shape[-1])]
    for of_day, seen in zip(counts, times, strict=True):
        today = Today(counts=of_day, seen=seen)
        looks = streams.look(today)
        for column, days in enumerate(found):
            days.append(
                [
                    Look(kind=kind, number=number, column=column, seen=of)
                    for of in looks
                    for number, kind in enumerate(streams.kinds)
                ]
            )
        streams.close(today, looks)
    return found


def kinds_and_hours(found: Days) -> list[tuple[Kind, int]]:
    return [(of.kind, of.scale.hours) for of in found[0]]


def series(found: Days, kind: Kind, hours: int) -> list[Look]:
    """Return what was seen of one kind at one scale, day after day."""
    return [of for day in found for of in day if (of.kind, of.scale.hours) == (kind, hours)]


def scores_of(found: Days, kind: Kind, hours: int) -> npt.NDArray[np.float32]:
    """Return the scores of the days [C, D, K]."""
    return np.stack([of.scores for of in series(found, kind, hours)], axis=1)


class Installation:
    """Some columns of one model, of cohorts that have days and nights and go slowly up and down.

    Attributes
    ----------
    columns : dict from column to counts [C, D, H, P]
    """

    def __init__(
        self, seed: int, *, weeks: int, columns: int = 3, a_step: float = 400, steps: int = 24
    ) -> None:
        self._rng, self.steps = np.random.default_rng(seed), steps
        days, rng = 7 * weeks, self._rng
        hour, day = np.arange(steps) * 24 / steps, np.arange(days)[:, None]
        usual = (1.2 + np.sin((hour - 9) / 24 * 2 * np.pi)) * np.where(day % 7 < 5, 1, 0.6)
        moved = np.exp(0.1 * self._slow((len(COHORTS), days * steps))).reshape(-1, days, steps)
        mean = a_step * np.array(COHORTS)[:, None, None] * usual * moved
        self.rows = rng.poisson(mean)
        self._of = [self._shares(days, values=4 + 3 * i) for i in range(columns)]
        self.columns = {f"x{i}": counted(rng, self.rows, of) for i, of in enumerate(self._of)}

    def shift(self, column: int, cohort: int, days: slice, w: float) -> None:
        """Draw a column again in one cohort, moved by Cohen's w toward its fullest place."""
        shares = self._of[column][cohort].copy()
        to = int(shares.mean(axis=(0, 1)).argmax())
        part = w / np.sqrt(1 / shares[days, :, to, None] - 1)
        assert (part < 1).all()
        shares[days] += part * (np.eye(shares.shape[-1])[to] - shares[days])
        drawn = self._rng.multinomial(self.rows[cohort, days], shares[days])
        counts = self.columns[f"x{column}"]
        counts[0, days] += (drawn - counts[cohort + 1, days]).astype(np.int32)
        counts[cohort + 1, days] = drawn

    def watch(self, *, budget: float) -> Watch:
        of = {name: places(counts.shape[-1] - 2) for name, counts in self.columns.items()}
        return Watch(of, GROUPS, budget=budget, day=0, steps=self.steps)

    def windows(self, day: int) -> Iterator[tuple[int, list[Profile]]]:
        """Yield the steps of a day and the profiles of each."""
        for step in range(self.steps):
            yield step, [self._profile(d, day, step) for d in GROUPS]

    def _profile(self, dimension: Dimension, day: int, step: int) -> Profile:
        part = slice(0, 1) if dimension == EVERYBODY else slice(1, None)
        return Profile(
            dimension=dimension,
            groups=GROUPS[dimension],
            rows=with_everybody(self.rows[:, day, step])[part],
            columns={
                name: ColumnProfile(grid=name, counts=counts[part, day, step], moments=None)
                for name, counts in self.columns.items()
            },
        )

    def _shares(self, days: int, *, values: int) -> Floats:
        """Return shares [C, D, H, P] that go with the hour, and wander from one to the next."""
        rng, steps = self._rng, self.steps
        logit = rng.normal(0, 0.5, values) + np.zeros((len(COHORTS), days, steps, values))
        logit += np.sin(np.arange(steps) / steps * 2 * np.pi)[:, None] * rng.normal(0, 0.2, values)
        wander = self._slow((values, len(COHORTS), days * steps))
        wander = wander.reshape(values, len(COHORTS), days, steps)
        values_of = np.exp(logit + 0.08 * np.moveaxis(wander, 0, -1))
        values_of *= 0.97 / values_of.sum(axis=-1, keepdims=True)
        special = np.broadcast_to((0.02, 0.01), (*values_of.shape[:-1], 2))
        return np.concatenate((values_of, special), axis=-1)

    def _slow(self, shape: Sequence[int]) -> Floats:
        """Draw series that keep 0.95 of themselves from hour to hour, of spread 1."""
        noise = self._rng.normal(0, np.sqrt(1 - 0.95**2), tuple(shape))
        noise[..., 0] /= np.sqrt(1 - 0.95**2)
        found: Floats = lfilter([1], [1, -0.95], noise, axis=-1)
        return found

"""Simulated models: seeded hourly counts of every feature by cohort, in which nothing drifts.

A feature is drawn by itself, as counts [C, P, T] of its places in each cohort and hour: ten of
values, then *missing* and *wrong*. Every row is drawn, so places sum to the rows of the hour, which
all features of an installation share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter
from scipy.stats import norm

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int32]

VALUES = 11  # places of values; then missing, and wrong
WEEK = 168


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A kind of traffic.

    Attributes
    ----------
    season : float
        Largest daily and weekly change of shape, in Cohen's w.
    by_hour : bool
        Whether volume goes with the hour and the weekend.
    phi : float
        Hourly autocorrelation of what wanders.
    wander : float
        Median spread of a feature's wander, in Cohen's w; that of volume is `volume`.
    cluster : int
        Half of the rows come in equal ones, so many together.
    rows : float
        Of an hour.
    zipf : float
        Cohort sizes go by rank to this power; 0: the last has 3 %, the others are equal.
    by_group : float
        Share of features with one draw a group of cohorts and hour.
    trend, turn : float
        In a fifth of the features: w a week, w of a year's wave.
    holidays : int
        Days a year on which volume halves and shapes differ.
    """

    season: float = 0.4
    by_hour: bool = True
    phi: float = 0.9
    wander: float = 0.03
    volume: float = 0.1
    cluster: int = 1
    rows: float = 2_000.0
    zipf: float = 0.0
    by_group: float = 0.0
    trend: float = 0.0
    turn: float = 0.0
    holidays: int = 0


ARMS = {
    "independent": Arm(season=0.0, by_hour=False, phi=0.0, wander=0.0, volume=0.0),
    "seasonal": Arm(phi=0.5, wander=0.0, volume=0.05),
    "autocorrelated 0.9": Arm(wander=0.05),
    "autocorrelated 0.97": Arm(phi=0.97, wander=0.05),
    "clustered users": Arm(wander=0.0, cluster=20),
    "volume × 10": Arm(wander=0.02, rows=20_000.0),
    "heavy-tailed cohorts": Arm(zipf=1.2),
    "one draw a group-hour": Arm(by_group=0.2),
    "trend": Arm(trend=0.01),
    "season's turn": Arm(turn=0.3),
    "holidays": Arm(holidays=10),
}


class Installation:
    """What the features of one simulated model share: rows, calendar, a common wander.

    Attributes
    ----------
    rows : int [C, T]
    """

    def __init__(self, name: str, seed: int, *, cohorts: int, weeks: int) -> None:
        self._arm, self._seed, self._name = ARMS[name], seed, name
        arm, hours = self._arm, weeks * WEEK
        rng = self._rng(0)
        share = np.full(cohorts, 0.97 / max(1, cohorts - 1))
        share[-1] = 0.03
        if arm.zipf:
            share = np.arange(1, cohorts + 1.0) ** -arm.zipf
        at = np.arange(hours)
        level = np.ones(hours)
        if arm.by_hour:
            by_hour = 1 - 0.8 * np.cos(2 * np.pi * (at % 24 - 3) / 24)
            level = by_hour * np.where(at // 24 % 7 >= 5, 0.7, 1.12)
        off = rng.choice(hours // 24, round(arm.holidays * hours / 24 / 365), replace=False)
        self._holiday = np.isin(at // 24, off)
        level = np.where(self._holiday, level / 2, level)
        phi = max(arm.phi, 0.5)
        moved = (
            arm.volume * np.sqrt(0.5) * (_slow(rng, hours, phi) + _slow(rng, (cohorts, hours), phi))
        )
        mean = arm.rows * (share / share.sum())[:, None] * level * np.exp(moved)
        self.rows = rng.poisson(mean)
        self._common = _slow(rng, hours, arm.phi)

    def feature(self, number: int) -> Counts:
        """Return the counts [C, P, T] of a feature."""
        arm, (cohorts, hours), rng = self._arm, self.rows.shape, self._rng(1 + number)
        usual = rng.dirichlet(np.full(VALUES, 5.0))
        missing = 0.003 * np.exp(rng.standard_normal())
        shares = np.append(usual * (1 - missing), [missing])
        logits = np.log(shares) + 0.15 * rng.standard_normal((cohorts, len(shares)))
        ways = rng.standard_normal((5, len(shares)))
        ways[:, -1] = 0.0
        ways -= (ways @ shares)[:, None]
        ways /= np.sqrt((ways * ways) @ shares)[:, None]
        hour = np.arange(WEEK)
        size, phase = arm.season * rng.random(), 2 * np.pi * rng.random()
        season = size * np.cos(2 * np.pi * hour / 24 + phase)[:, None] * ways[0]
        season += 0.7 * size * (hour >= 120)[:, None] * ways[1]
        spread = arm.wander * np.exp(0.7 * rng.standard_normal())
        common = spread * np.sqrt(0.5) * (self._common + _slow(rng, hours, arm.phi))
        own = 0.5 * spread * _slow(rng, (cohorts, hours), arm.phi)
        at, fifth, extra = np.arange(hours), rng.random() < 0.2, 0.3 * self._holiday
        if fifth and arm.trend:
            extra = extra + arm.trend * at / WEEK
        if fifth and arm.turn:
            extra = extra + arm.turn * np.cos(2 * np.pi * (at / (52 * WEEK) + rng.random()))
        grouped = np.full((cohorts, hours), -1)
        if rng.random() < arm.by_group:
            drawn = norm.cdf(_slow(rng, (3, hours), 0.9))
            grouped = np.searchsorted(np.cumsum(usual)[:-1], drawn)[np.arange(cohorts) % 3]
        return _drawn(
            self.rows, logits, season, common, own, extra, ways, grouped, arm.cluster,
            int(rng.integers(2**62)) + 1,
        )  # fmt: skip

    def _rng(self, part: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, part, *map(ord, self._name)])


def _slow(rng: np.random.Generator, shape: Any, phi: float) -> Floats:
    """Draw a stationary autoregression of variance 1 along the last axis."""
    noise = rng.standard_normal(shape)
    noise[..., 1:] *= np.sqrt(1 - phi * phi)
    found: Floats = lfilter([1.0], [1.0, -phi], noise, axis=-1)
    return found


@numba.njit(cache=True)
def _drawn(  # type: ignore[no-untyped-def]
    rows, logits, season, common, own, extra, ways, grouped, cluster, seed
):
    cohorts, hours = rows.shape
    places = logits.shape[1]
    found = np.zeros((cohorts, places + 1, hours), np.int32)
    bounds = np.zeros(places)
    state = np.uint64(seed)
    for c in range(cohorts):
        for t in range(hours):
            if grouped[c, t] >= 0:
                found[c, grouped[c, t], t] = rows[c, t]
                continue
            total = 0.0
            for p in range(places):
                total += np.exp(
                    logits[c, p] + season[t % 168, p] + common[t] * ways[2, p]
                    + own[c, t] * ways[3, p] + extra[t] * ways[4, p]
                )  # fmt: skip
                bounds[p] = total
            left = rows[c, t]
            while left > 0:
                # of clustered traffic every other row begins a group of equal ones
                size = min(left, cluster if left % 2 else 1)
                state ^= state << np.uint64(13)
                state ^= state >> np.uint64(7)
                state ^= state << np.uint64(17)
                drawn = float(state >> np.uint64(11)) / 9007199254740992.0 * total
                place = 0
                while place < places - 1 and drawn >= bounds[place]:
                    place += 1
                found[c, place, t] += size
                left -= size
    return found

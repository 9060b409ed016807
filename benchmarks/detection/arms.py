"""Simulated models: seeded hourly counts of every feature by cohort, in which nothing drifts.

A feature is drawn by itself, as counts [C, P, T] of its places in each cohort and hour. Places sum
to the rows of the hour, which all features of an installation share. Any hours can be drawn again
from shifted shares: that is how drifts are planted.
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
Counts = npt.NDArray[np.integer[Any]]

VALUES = 13  # places of values: below what the baseline held, eleven, above; or unseen categories
INSIDE = slice(1, VALUES - 1)
ABOVE, MISSING = VALUES - 1, VALUES  # after missing comes wrong, of which there is none
PLACES = VALUES + 2
WEEK = 168
SMALL = 0.03  # share of the cohort that is called small


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


@dataclass(frozen=True, kw_only=True)
class Law:
    """By what the values of one feature are drawn.

    Attributes
    ----------
    logits : float64 [C, P]
        Of the usual shares of each cohort.
    season : float64 [168, P]
    common, extra : float64 [T]
        How far all cohorts are moved along the ways 2 and 4.
    own : float64 [C, T]
        How far a cohort is moved along the way 3.
    ways : float64 [5, P]
    usual : float64 [11]
        Shares of the values inside.
    latent : float64 [3, T] or None
        Where groups of cohorts have one draw an hour.
    """

    logits: Floats
    season: Floats
    common: Floats
    own: Floats
    extra: Floats
    ways: Floats
    usual: Floats
    latent: Floats | None


class Installation:
    """What the features of one simulated model share: rows, calendar, a common wander.

    Attributes
    ----------
    rows : int [C, T]
    mean : float64 [C, T]
        Of the rows.
    small : int
        The cohort whose share is nearest to 3 %.
    """

    def __init__(self, name: str, seed: int, *, cohorts: int, weeks: int) -> None:
        self._arm, self._seed, self._name = ARMS[name], seed, name
        arm, hours = self._arm, weeks * WEEK
        rng = self._rng(0)
        share = np.full(cohorts, (1 - SMALL) / max(1, cohorts - 1))
        share[-1] = SMALL
        if arm.zipf:
            share = np.arange(1, cohorts + 1.0) ** -arm.zipf
        share /= share.sum()
        self.small = int(np.abs(np.log(share / SMALL)).argmin())
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
        self.mean = arm.rows * share[:, None] * level * np.exp(moved)
        self.rows: Counts = rng.poisson(self.mean)
        self._common = _slow(rng, hours, arm.phi)

    def law(self, number: int, *, ordered: bool = True) -> Law:
        """Return by what a feature is drawn; one without order has nothing below."""
        arm, (cohorts, hours), rng = self._arm, self.rows.shape, self._rng(1 + number)
        usual = rng.dirichlet(np.full(VALUES - 2, 5.0))
        missing, beyond = (0.003, 0.0001) * np.exp(rng.standard_normal(2))
        shares = np.zeros(PLACES - 1)
        shares[INSIDE] = usual * (1 - missing - beyond)
        shares[[0, ABOVE, MISSING]] = beyond * ordered / 2, beyond / (1 + ordered), missing
        with np.errstate(divide="ignore"):
            logits = np.log(shares) + 0.15 * rng.standard_normal((cohorts, len(shares)))
        ways = np.zeros((5, len(shares)))
        ways[:, INSIDE] = rng.standard_normal((5, VALUES - 2))
        ways[:, INSIDE] -= (ways[:, INSIDE] @ usual)[:, None]
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
        latent = norm.cdf(_slow(rng, (3, hours), 0.9)) if rng.random() < arm.by_group else None
        return Law(
            logits=logits, season=season, common=common, own=own, extra=extra, ways=ways,
            usual=usual, latent=latent,
        )  # fmt: skip

    def feature(self, number: int, *, ordered: bool = True) -> Counts:
        """Return the counts [C, P, T] of a feature."""
        return self.draw(self.law(number, ordered=ordered), self.rows, self._rng(-1 - number))

    def draw(
        self, law: Law, rows: Counts, rng: np.random.Generator, *, first: int = 0,
        way: Floats | None = None, size: Floats | None = None,
    ) -> Counts:  # fmt: skip
        """Draw hours of a feature.

        Parameters
        ----------
        rows : int [C, H]
        first : int
            The first hour.
        way : float64 [11], optional
            Along what the shares of the values inside are moved; brought in each cohort and hour to
            mean 0 and variance 1 under its shares, so that `size` is Cohen's w.
        size : float64 [C, H]
        """
        hour, cluster = slice(first, first + rows.shape[1]), self._arm.cluster
        way = np.zeros(VALUES - 2) if way is None else way
        size = np.zeros(rows.shape) if size is None else size
        shares = _shares(
            first, law.logits, law.season, law.common[hour], law.own[:, hour], law.extra[hour],
            law.ways, way, size,
        )  # fmt: skip
        in_groups = rows // (2 * cluster) if cluster > 1 else np.zeros_like(rows)
        found = rng.multinomial(rows - cluster * in_groups, shares)
        if cluster > 1:
            found += cluster * rng.multinomial(in_groups, shares)
        if law.latent is not None:
            found[:] = 0
            value = _grouped(law, hour, way, size)[..., None]
            np.put_along_axis(found, value, rows[..., None], axis=2)
        kind = np.uint16 if rows.max(initial=0) < 2**16 else np.int32
        counts = np.zeros((len(rows), PLACES, rows.shape[1]), kind)
        counts[:, :-1] = np.moveaxis(found, 2, 1)
        return counts

    def _rng(self, part: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, part % 2**32, *map(ord, self._name)])


def _grouped(law: Law, hour: slice, way: Floats, size: Floats) -> Counts:
    """Return which value a cohort has in all rows of an hour [C, H]."""
    assert law.latent is not None
    found = np.empty(size.shape, np.int64)
    latent = law.latent[:, hour]
    way = way - way @ law.usual
    way = way / max(float(np.sqrt(way * way @ law.usual)), 1e-12)
    for w in np.unique(size):
        shares = np.maximum(0, law.usual * (1 + w * way))
        value = 1 + np.searchsorted(np.cumsum(shares / shares.sum())[:-1], latent)
        found = np.where(size == w, value[np.arange(len(size)) % 3], found)
    return found


def _slow(rng: np.random.Generator, shape: Any, phi: float) -> Floats:
    """Draw a stationary autoregression of variance 1 along the last axis."""
    noise = rng.standard_normal(shape)
    noise[..., 1:] *= np.sqrt(1 - phi * phi)
    found: Floats = lfilter([1.0], [1.0, -phi], noise, axis=-1)
    return found


@numba.njit(cache=True)
def _shares(  # type: ignore[no-untyped-def]
    first, logits, season, common, own, extra, ways, way, size
):
    """Return by what shares the places of each cohort and hour are drawn [C, H, P]."""
    cohorts, places = logits.shape
    hours = len(common)
    found = np.zeros((cohorts, hours, places))
    for c in range(cohorts):
        for t in range(hours):
            for p in range(places):
                found[c, t, p] = np.exp(
                    logits[c, p] + season[(first + t) % 168, p] + common[t] * ways[2, p]
                    + own[c, t] * ways[3, p] + extra[t] * ways[4, p]
                )  # fmt: skip
            if size[c, t] != 0.0:
                _shift(found[c, t], way, size[c, t])
            found[c, t] /= found[c, t].sum()
    return found


@numba.njit(cache=True)
def _shift(shares, way, size):  # type: ignore[no-untyped-def]
    """Move the shares of the values inside along a way, by so much in Cohen's w."""
    total, inside, mean, square = 0.0, 0.0, 0.0, 0.0
    for share in shares:
        total += share
    for p in range(len(way)):
        inside += shares[1 + p]
        mean += shares[1 + p] * way[p]
    mean /= inside
    for p in range(len(way)):
        square += shares[1 + p] / total * (way[p] - mean) ** 2
    for p in range(len(way)):
        moved = 1.0 + size * (way[p] - mean) / np.sqrt(square)
        shares[1 + p] *= max(0.0, moved)

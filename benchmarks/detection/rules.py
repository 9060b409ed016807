"""The peers' rules at their documented defaults, for many streams at once, on counts of places.

Each says of every window of a stream whether the tool would call its column drifted. That these are
their rules is checked by running the tools themselves (`checking`). Places of values count as the
numbers 0, 1, 2, … and as categories; what is missing is left out as they do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
from scipy import stats

from benchmarks.detection import distances as d
from benchmarks.detection.distances import Floats

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Series:
    """A column in all its streams.

    Attributes
    ----------
    reference : float64 [S, P, R]
        Counts of the places of values in the reference's windows.
    missing_before, missing : float64 [S, R], [S, K]
    windows : float64 [S, P, K]
    ordered : bool
    columns : int
        That are tested together.
    """

    reference: Floats
    missing_before: Floats
    windows: Floats
    missing: Floats
    ordered: bool
    columns: int

    @property
    def whole(self) -> Floats:
        """The reference as one window [S, P, 1]."""
        found: Floats = self.reference.sum(axis=2, keepdims=True)
        return found


def evidently(of: Series) -> Bools:
    """Wasserstein over the reference's deviation, or Jensen–Shannon of categories: 0.1 or more.

    Those are its tests for references of more than 1,000 rows.
    """
    distance = d.wasserstein if of.ordered else _js
    found: Bools = distance(of.windows, of.whole) >= 0.1
    return found


def nannyml(of: Series) -> Bools:
    """Jensen–Shannon distance above mean + 3 sd of the reference's own windows."""
    usual = _js(of.reference, of.whole) / np.sqrt(np.log(2))
    bar = usual.mean(axis=1) + 3 * usual.std(axis=1)
    found: Bools = _js(of.windows, of.whole) / np.sqrt(np.log(2)) > bar[:, None]
    return found


def alibi_detect(of: Series) -> Bools:
    """Kolmogorov–Smirnov, or chi-square of categories: p below .05 over the number of columns."""
    level = 0.05 / of.columns
    if of.ordered:
        rows = d.effective(of.windows, of.whole)
        return d.beyond_chance(d.ks(of.windows, of.whole), rows, level)
    statistic, freedom = d.chi_square(of.windows, of.whole)
    return np.asarray(stats.chi2.sf(statistic, freedom) < level)


def whylogs(of: Series) -> Bools:
    """Kolmogorov–Smirnov, or of categories chi-square with the reference taken as exact: p < .05.

    It takes the first from sketches of quantiles, here it is from all rows.
    """
    if of.ordered:
        rows = d.effective(of.windows, of.whole)
        return d.beyond_chance(d.ks(of.windows, of.whole), rows, 0.05)
    n = of.windows.sum(axis=1, keepdims=True)
    total = n + of.missing[:, None]
    share = (
        of.whole / (of.whole.sum(axis=1) + of.missing_before.sum(axis=1, keepdims=True))[:, None]
    )
    expected = np.floor(share * total)
    held = (of.windows > 0) | (of.whole > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(held, (of.windows - expected) ** 2 / expected, 0)
    impossible = (held & (expected == 0)).any(axis=1)
    statistic = np.where(impossible, np.inf, np.where(np.isfinite(parts), parts, 0).sum(axis=1))
    freedom = np.maximum(1, (of.windows > 0).sum(axis=1) - 1)
    return np.asarray(stats.chi2.sf(statistic, freedom) < 0.05)


def popmon(of: Series) -> Bools:
    """Any red light: a statistic 7 standard deviations from usual, a z-score of 7, an unseen label.

    Against a reference; a distance's usual median and spread are those of the report's own windows.
    Its slope of the last ten means is left out: ten points in a line to p < 1e-12 were never seen.
    """
    window, reference, whole = of.windows, of.reference, of.whole
    if not of.ordered:  # what is missing is a label there
        window = np.concatenate((window, of.missing[:, None]), axis=1)
        reference = np.concatenate((reference, of.missing_before[:, None]), axis=1)
        whole = reference.sum(axis=2, keepdims=True)
    red = np.zeros(of.missing.shape, bool)
    before, now = (
        _profile(counts, missing, ordered=of.ordered)
        for counts, missing in ((reference, of.missing_before), (window, of.missing))
    )
    for usual, found in zip(before, now, strict=True):
        red |= _far(found, usual.mean(axis=1), usual.std(axis=1))
    for distance in _popmon_distances(window, whole):
        middle = np.median(distance, axis=1)
        spread = np.median(np.abs(distance - middle[:, None]) / 0.6745, axis=1)
        red |= _far(distance, middle, spread)
    previous = np.concatenate((window[..., :1], window[..., :-1]), axis=2)
    for against in (whole, previous):
        red |= _popmon_z(window, against, ordered=of.ordered)
    if not of.ordered:
        red |= ((window > 0) & (whole == 0)).any(axis=1)
    return np.asarray(red & (window.sum(axis=1) > 0))


def _far(found: Floats, usual: Floats, spread: Floats) -> Bools:
    with np.errstate(divide="ignore", invalid="ignore"):
        pull = (found - usual[:, None]) / spread[:, None]
    return np.where(spread[:, None] > 0, (pull >= 7) | (pull < -7), False)


def _popmon_distances(window: Floats, whole: Floats) -> tuple[Floats, ...]:
    """Return the largest difference of a share, and PSI and Jensen–Shannon of bare counts."""
    p, q = (of / np.maximum(of.sum(axis=1, keepdims=True), 1) for of in (window, whole))
    held = (window > 0) | (whole > 0)
    a, b = window + 1e-5, whole + 1e-5
    psi = np.where(held, (a - b) * np.log(a / b), 0).sum(axis=1)
    mid = (window + whole) / 2 + 1e-5
    js = np.where(held, a * np.log(a / mid) + b * np.log(b / mid), 0).sum(axis=1) / 2
    return np.abs(p - q).max(axis=1), psi, js


def _popmon_z(window: Floats, against: Floats, *, ordered: bool) -> Bools:
    statistic, freedom = d.chi_square(window, against)
    red = stats.chi2.sf(statistic, freedom) < stats.norm.sf(7)
    if ordered:
        score = d.ks(window, against) * np.sqrt(d.effective(window, against))
        p = np.where(score < 0.755, 1, 2 * (np.exp(-2 * score**2) - np.exp(-8 * score**2)))
        red |= (p < stats.norm.sf(7)) & (score < 6.8116)  # from there on it has no p-value
    return red


def _profile(counts: Floats, missing: Floats, *, ordered: bool) -> list[Floats]:
    """Return the statistics of a window that are compared with those of the reference's windows."""
    rows = counts.sum(axis=1)
    share = counts / np.maximum(rows, 1)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(share > 0, share * np.log(share), 0).sum(axis=1)
    everything = rows + missing if ordered else rows
    found = [everything, rows, (counts > 0).sum(axis=1).astype(float), missing, entropy]
    if ordered:
        at = np.arange(counts.shape[1])[:, None]
        mean = (share * at).sum(axis=1)
        deviation = np.sqrt((share * (at - mean[:, None]) ** 2).sum(axis=1))
        quantiles = _quantiles(np.ascontiguousarray(counts, dtype=np.float64), _SHARES)
        found += [mean, deviation, counts.argmax(axis=1).astype(float), *quantiles]
    return found


_SHARES = np.array([0.0, 1.0, 0.01, 0.05, 0.16, 0.50, 0.84, 0.95, 0.99])


@numba.njit(cache=True)
def _quantiles(counts, shares):  # type: ignore[no-untyped-def]
    """Return quantiles [Q, S, K], straight between the middles of the places that hold anything."""
    streams, places, looks = counts.shape
    found = np.zeros((len(shares), streams, looks))
    at, label = np.zeros(places), np.zeros(places)
    for s in range(streams):
        for k in range(looks):
            total = counts[s, :, k].sum()
            held, below = 0, 0.0
            for p in range(places):
                if counts[s, p, k] > 0:
                    below += counts[s, p, k]
                    at[held] = (below - counts[s, p, k] / 2) / total
                    label[held] = p
                    held += 1
            if held:
                found[:, s, k] = np.interp(shares, at[:held], label[:held])
    return found


def _js(window: Floats, reference: Floats) -> Floats:
    return d.js(window, reference, half=0.0)


RULES: dict[str, Callable[[Series], Bools]] = {
    "Evidently": evidently,
    "NannyML": nannyml,
    "alibi-detect": alibi_detect,
    "whylogs": whylogs,
    "popmon": popmon,
}

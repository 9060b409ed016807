"""The feature page: one column of a span against the baseline."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from monitor.config import Config
from monitor.store import baselines
from monitor.store.effects import AROUND, DAY
from monitor.store.queries import series as stored
from monitor.store.queries.incidents import spans
from monitor.store.queries.model import FAN, choices, span_of, split
from monitor.store.queries.series import Series
from monitor.store.queries.status import status
from monitor.store.queries.views import Bars, Cohort, DistanceRow, FeatureView
from profiles.baseline import Baseline, position
from profiles.comparison import compare, largest_bin, present, quantiles
from profiles.detection.watched import Folding, watched
from profiles.distances import Statistic
from profiles.effects import Effect, effect
from profiles.grids import CategoricalGrid, Grid, NumericGrid
from profiles.resolution import ks_shortfall, too_coarse

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TRAIL = 8  # earlier spans of the same width to compare with
MAX_TRAIL = timedelta(days=120)
MAX_BARS = 60
MAX_NAMES = 24
MAX_SHARES = 6

TITLES: dict[Statistic, tuple[str, str]] = {
    "ks": ("Kolmogorov–Smirnov", "At the worst cut, this share of the {noun} changed sides."),
    "wasserstein": ("Wasserstein-1", "On average a value moved by so much, in its own unit."),
    "js": ("Jensen–Shannon, base 2", "0 the same, 1 nothing in common."),
    "psi": (
        "Population stability index, +½ a bin",
        "Usual rule of thumb: over 0.25 is large. Compare it with earlier spans.",
    ),
    "tv": ("Total variation", "Share of the {noun} that would have to change bins."),
    "hellinger": ("Hellinger", "0 the same, 1 nothing in common; gentle on rare bins."),
    "linf": ("L-infinity", "The largest change of a share in one bin."),
    "chi2": ("Chi-square, two samples", "Grows with the number of {noun}; read its p-value."),
}


def feature_view(
    engine: Engine,
    config: Config,
    name: str,
    column: str,
    *,
    start: datetime,
    end: datetime,
    cohort: Cohort = (),
    now: datetime,
) -> FeatureView | None:
    """Read one column; None where no baseline is accepted, or it has no such column."""
    at = status(engine, config, name, now=now)
    model = config.models[name]
    baseline_id = baselines.current(engine, name)
    if baseline_id is None:
        return None
    baseline = baselines.load(engine, baseline_id)
    grid = baseline.plan.grids.get(column)
    dimension, group = split(cohort)
    if grid is None or dimension not in [part.dimension for part in baseline.profiles]:
        return None
    span = span_of(start, end, model.window)
    back = min(TRAIL * (end - start), MAX_TRAIL)
    series = stored.load(
        engine, name, baseline_id=baseline_id, baseline=baseline, dimension=dimension,
        groups=(group,), columns={column}, start=start - back - span.over, end=end, step=span.step,
    )[group]  # fmt: skip
    shown = series.within(start, end)
    window = series.counts[column][shown].sum(axis=0)
    against = _baseline_counts(baseline, cohort, column)
    rows, rows_baseline = int(window.sum()), int(against.sum())
    rolled = series.take(column, span.over, shown)
    numeric = isinstance(grid, NumericGrid)
    bars, order = _bars(grid, window, against)
    return FeatureView(
        status=at,
        column=column,
        kind=grid.kind,
        role=model.role(column),
        cohort=cohort,
        cohorts=choices(baseline),
        start=start,
        end=end,
        n=int(window[: grid.values].sum()),
        n_baseline=int(against[: grid.values].sum()),
        mean=_window_mean(series, column, shown),
        mean_baseline=_baseline_mean(baseline, cohort, column),
        bars=bars,
        window_quantiles=_three(grid, window),
        baseline_quantiles=_three(grid, against),
        times=series.starts[shown],
        step=span.step,
        over=span.over,
        quantiles=_fan(grid, rolled, series.rows[shown]),
        shares=None if numeric else _shares(grid, rolled, order[:MAX_SHARES]),
        missing=_fraction(rolled[:, grid.missing], rolled.sum(axis=1)),
        missing_fraction=int(window[grid.missing]) / rows if rows else 0.0,
        missing_baseline=int(against[grid.missing]) / rows_baseline if rows_baseline else 0.0,
        categories=(0, 0)
        if isinstance(grid, NumericGrid)
        else (len(grid.categories), len(grid.known)),
        unseen=0 if isinstance(grid, NumericGrid) else int(window[grid.unseen]),
        out_of_range=int(window[: grid.values][grid.outside].sum())
        if isinstance(grid, NumericGrid)
        else 0,
        mismatched=int(window[grid.mismatch]),
        largest_bin=float(largest_bin(grid, window)),
        ks_shortfall=_shortfall(grid, window, against),
        coarse=too_coarse(grid, window, against),
        distances=tuple(_distances(grid, series, column, shown, against, noun=model.noun)),
        incidents=spans(engine, name, start, end),
        since_training=_since_training(grid, series, column, shown, against),
    )


def _since_training(
    grid: Grid, series: Series, column: str, shown: slice, against: Ints
) -> Effect | None:
    """Return how far the range is from training, by days counted from its start both ways."""
    folding = Folding([watched(grid)])
    steps = folding.fold(series.counts[column][: shown.stop])
    day = max(1, round(DAY / series.step))
    starts = range(shown.start % day, len(steps), day)
    days = np.add.reduceat(steps, starts, axis=0) if starts else steps
    begins = shown.start // day
    kept = min(begins, max(0, len(days) - AROUND // (day * series.step)))
    return effect(folding.fold(against), days[kept:], slice(begins - kept, None))


def _shortfall(grid: Grid, window: Ints, against: Ints) -> float | None:
    if not isinstance(grid, NumericGrid) or not present(grid, window) or not present(grid, against):
        return None
    return float(ks_shortfall(grid, window, against))


def _baseline_counts(baseline: Baseline, cohort: Cohort, column: str) -> Ints:
    dimension, group = split(cohort)
    part = baseline.along(dimension)
    place, counts = position(part, group), part.columns[column].counts
    return np.zeros(counts.shape[1], np.int64) if place is None else counts[place]


def _baseline_mean(baseline: Baseline, cohort: Cohort, column: str) -> float | None:
    dimension, group = split(cohort)
    part = baseline.along(dimension)
    place, moments = position(part, group), part.columns[column].moments
    return None if place is None or moments is None else float(moments.mean[place])


def _window_mean(series: Series, column: str, shown: slice) -> float | None:
    if column not in series.sums:
        return None
    n, first, _ = series.sums[column][:, shown].sum(axis=1)
    return float(first / n + series.centres[column]) if n else None


def _bars(grid: Grid, window: Ints, against: Ints) -> tuple[Bars, Ints]:
    """Return the two distributions for drawing, and the order of the categories."""
    x, y = window[: grid.values], against[: grid.values]
    if isinstance(grid, CategoricalGrid):
        names = (*grid.categories, "other known", "unseen")
        order = np.flatnonzero((x + y) > 0)
        order = order[np.argsort(-y[order], kind="stable")]
        drawn = order[:MAX_NAMES]
        return (
            Bars(
                edges=None,
                names=tuple(names[i] for i in drawn),
                window=x[drawn] / max(1, x.sum()),
                baseline=y[drawn] / max(1, y.sum()),
            ),
            order,
        )
    edges = _drawn_edges(grid, x, y)
    return (
        Bars(
            edges=edges,
            names=None,
            window=_spread(grid, x, edges),
            baseline=_spread(grid, y, edges),
        ),
        np.zeros(0, np.int64),
    )


def _drawn_edges(grid: NumericGrid, x: Ints, y: Ints) -> Floats:
    """Return equal bins between what 99.5 % of both sides stay in, on round widths."""
    ends = np.concatenate(
        [quantiles(grid, side, (0.0025, 0.9975)) for side in (x, y) if side.any()] or [np.zeros(2)]
    )
    low, high = float(ends.min()), float(ends.max())
    if grid.single[x + y > 0].all():
        values = grid.centres[x + y > 0]
        gap = float(np.diff(values).min()) if len(values) > 1 else 1.0
        if (high - low) / gap <= MAX_BARS:
            exact: Floats = np.arange(low - gap / 2, high + gap, gap)
            return exact
    if high <= low:
        half = abs(low) / 2 or 0.5
        return np.array([low - half, low + half])
    rough = (high - low) / MAX_BARS * 1.5
    unit = 10.0 ** np.floor(np.log10(rough))
    width = unit * next(k for k in (1, 2, 5, 10) if k * unit >= rough)
    steps: Floats = np.arange(np.floor(low / width), np.ceil(high / width) + 1.5) * width
    return steps


def _spread(grid: NumericGrid, counts: Ints, edges: Floats) -> Floats:
    """Share the counts of fine bins out over drawn bins, evenly within a fine bin."""
    left = np.concatenate((grid.edges[:1], grid.edges))
    right = np.concatenate((grid.edges, grid.edges[-1:]))
    single = grid.single | (right <= left)
    shares = np.zeros(len(edges) - 1)
    total = max(1, int(counts.sum()))
    at = np.clip(np.searchsorted(edges, grid.centres[single], side="right") - 1, 0, len(shares) - 1)
    np.add.at(shares, at, counts[single] / total)
    wide = ~single & (counts > 0)
    for a, b, n in zip(left[wide], right[wide], counts[wide], strict=True):
        inside = np.clip(np.minimum(b, edges[1:]) - np.maximum(a, edges[:-1]), 0, None)
        covered = inside.sum()
        if covered > 0:
            shares += inside / covered * (n / total)
        else:
            shares[0 if b <= edges[0] else -1] += n / total
    return shares


def _three(grid: Grid, counts: Ints) -> tuple[float, ...] | None:
    if not isinstance(grid, NumericGrid) or not counts[: grid.values].any():
        return None
    return tuple(quantiles(grid, counts, (0.1, 0.5, 0.9)).tolist())


def _fan(grid: Grid, rolled: Ints, rows: Ints) -> Floats | None:
    if not isinstance(grid, NumericGrid):
        return None
    fan: Floats = np.where(rows == 0, np.nan, quantiles(grid, rolled, FAN))
    return fan


def _shares(grid: Grid, rolled: Ints, order: Ints) -> Floats:
    return np.array([_fraction(rolled[:, i], rolled[:, : grid.values].sum(axis=1)) for i in order])


def _fraction(part: Ints, whole: Ints) -> Floats:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _distances(
    grid: Grid, series: Series, column: str, shown: slice, against: Ints, *, noun: str
) -> list[DistanceRow]:
    """Return every distance of the span, each with what earlier spans of this width showed."""
    size = shown.stop - shown.start
    counts = series.counts[column]
    earlier = [
        counts[shown.start - (k + 1) * size : shown.start - k * size].sum(axis=0)
        for k in range(shown.start // size if size else 0)
    ]
    spans_ = np.array([counts[shown].sum(axis=0), *earlier])
    found = compare(grid, spans_, against)
    rows = []
    for name in ("ks", "wasserstein", "js", "psi", "tv", "hellinger", "linf", "chi2"):
        distance = found[name]
        title, meaning = TITLES[name]
        rows.append(
            DistanceRow(
                name=name,
                title=title,
                value=_number(distance.distance),
                p=_number(distance.p),
                no_drift=_number(distance.no_drift),
                meaning=meaning.format(noun=noun),
                trail=distance.distance[1:],
            )
        )
    return [row for row in rows if row.value is not None or row.name not in {"ks", "wasserstein"}]


def _number(values: Floats | None) -> float | None:
    return None if values is None or np.isnan(values[0]) else float(values[0])

"""The model page: one sheet of lanes over one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from monitor.config import Config, Model
from monitor.store import baselines
from monitor.store.queries import series as stored
from monitor.store.queries.incidents import spans
from monitor.store.queries.lanes import distances
from monitor.store.queries.series import Series
from monitor.store.queries.status import status
from monitor.store.queries.views import (
    Cohort,
    CohortLanes,
    FeatureLanes,
    MissingLanes,
    ModelView,
    ScoreSeries,
)
from profiles.baseline import Baseline, position
from profiles.comparison import ORDERED, compare, quantiles, share_at_or_above
from profiles.distances import Statistic
from profiles.grids import Grid, NumericGrid
from profiles.profile import Dimension, Group

Floats = npt.NDArray[np.float64]

REFERENCE = timedelta(weeks=4)  # what "usual" is read from: the weeks before the span
ENOUGH = timedelta(days=14)  # with less than this before the span nothing is called usual
USUAL = 0.9  # a cell is blank while nine in ten of the reference were at least as far
FAN = (0.1, 0.25, 0.5, 0.75, 0.9)
MIN_ROWS = 10
MAX_COHORTS = 20  # of one dimension, the largest
DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Span:
    """What is read for a page: the shown span in steps, after a reference before it."""

    start: datetime
    end: datetime
    step: timedelta
    over: timedelta
    score_over: timedelta

    @property
    def reads_from(self) -> datetime:
        return self.start - REFERENCE - self.over


def span_of(start: datetime, end: datetime, width: timedelta) -> Span:
    step = stored.step_for(end - start, width)
    return Span(
        start=start,
        end=end,
        step=step,
        over=max(DAY, step),
        score_over=max(timedelta(hours=6), step),
    )


def split(cohort: Cohort) -> tuple[Dimension, Group]:
    """Part a cohort into its columns and their values."""
    return tuple(name for name, _ in cohort), tuple(value for _, value in cohort)


def choices(baseline: Baseline) -> tuple[Cohort, ...]:
    """Return every cohort of the baseline, everybody first, then by dimension, largest first."""
    found: list[Cohort] = []
    for part in baseline.profiles:
        order = np.argsort(-part.rows, kind="stable")
        groups = [part.groups[i] for i in order]
        found += [tuple(zip(part.dimension, group, strict=True)) for group in groups]
    return tuple(found)


def model_view(
    engine: Engine,
    config: Config,
    name: str,
    *,
    start: datetime,
    end: datetime,
    cohort: Cohort = (),
    statistic: Statistic = "js",
    now: datetime,
) -> ModelView | None:
    """Read the sheet of one model; None where no baseline is accepted yet.

    Raises
    ------
    KeyError
        If the configuration has no such model.
    """
    at = status(engine, config, name, now=now)
    model = config.models[name]
    baseline_id = baselines.current(engine, name)
    if baseline_id is None:
        return None
    baseline = baselines.load(engine, baseline_id)
    span = span_of(start, end, model.window)
    dimension, group = split(cohort)
    main = stored.load(
        engine, name, baseline_id=baseline_id, baseline=baseline, dimension=dimension,
        groups=(group,), columns=set(baseline.plan.grids), start=span.reads_from, end=end,
        step=span.step,
    )[group]  # fmt: skip
    shown = main.within(start, end)
    return ModelView(
        status=at,
        cohort=cohort,
        cohorts=choices(baseline),
        statistic=statistic,
        start=start,
        end=end,
        times=main.starts[shown],
        step=span.step,
        over=span.over,
        score_over=span.score_over,
        rows=main.rows[shown],
        score=_score(model, baseline, main, span, shown),
        distance=distances(engine, name, main.starts[shown], span.step),
        features=_features(model, baseline, main, span, shown, dimension, group, statistic),
        by_cohort=_cohorts(engine, name, model, baseline_id, baseline, span),
        missing=_missing(baseline, main, span, shown),
        incidents=spans(engine, name, start, end),
    )


def usual(values: Floats, no_drift: Floats | None, step: timedelta) -> float:
    """Return the value that nine in ten steps of the reference stayed under.

    With fewer than 14 days of reference there is nothing to call usual: then twice what no drift
    at all would show, where that is known.
    """
    known = values[~np.isnan(values)]
    if len(known) * step >= ENOUGH:
        return float(np.quantile(known, USUAL))
    if no_drift is not None and not np.isnan(no_drift).all():
        return float(2 * np.nanmean(no_drift))
    return 0.0


def _score(
    model: Model, baseline: Baseline, main: Series, span: Span, shown: slice
) -> ScoreSeries | None:
    if model.prediction is None or model.prediction.score not in main.sums:
        return None
    column, threshold = model.prediction.score, model.prediction.threshold
    grid = cast("NumericGrid", baseline.plan.grids[column])
    means = main.means(column, span.score_over, shown)
    counts = main.take(column, span.score_over, shown)
    silent = main.rows[shown] == 0  # a night is a gap, though the hours before it are in the sum
    moments = baseline.profiles[0].columns[column].moments
    above = None if threshold is None else share_at_or_above(grid, counts, threshold)
    return ScoreSeries(
        column=column,
        mean=np.where(silent, np.nan, means.mean),
        half_width=np.where(silent, np.nan, means.half_width),
        quantiles=np.where(silent, np.nan, quantiles(grid, counts, FAN)),
        above=None if above is None else np.where(silent, np.nan, above),
        expected=None if moments is None else float(moments.mean[0]),
        threshold=threshold,
    )


def _features(
    model: Model,
    baseline: Baseline,
    main: Series,
    span: Span,
    shown: slice,
    dimension: Dimension,
    group: Group,
    statistic: Statistic,
) -> FeatureLanes:
    part = baseline.along(dimension)
    place = position(part, group)
    lanes = []
    for column, grid in baseline.plan.grids.items():
        if column in dimension or (statistic in ORDERED and not isinstance(grid, NumericGrid)):
            continue
        counts = main.take(column, span.over, slice(0, shown.stop))
        against = part.columns[column].counts[place] if place is not None else counts[0] * 0
        found = compare(grid, counts, against, [statistic])[statistic]
        few = counts[:, : grid.values].sum(axis=1) < MIN_ROWS
        values = np.where(few, np.nan, found.distance)
        normal = usual(values[: shown.start], found.no_drift, span.step)
        now, was, label = _level(column, grid, main, span, shown, against)
        kind = model.role(column)
        lane = values[shown]
        worst = 0.0 if np.isnan(lane).all() else float(np.nanmax(lane)) / (normal or 1.0)
        rank = ({"prediction": 0, "feature": 1, "context": 2}[kind], -worst, column)
        lanes.append((rank, column, kind, lane, normal, now, was, label))
    lanes.sort(key=lambda lane: lane[0])
    return FeatureLanes(
        columns=tuple(lane[1] for lane in lanes),
        roles=tuple(lane[2] for lane in lanes),
        values=_stack([lane[3] for lane in lanes], shown),
        normal=np.array([lane[4] for lane in lanes]),
        now=_stack([lane[5] for lane in lanes], shown),
        was=np.array([lane[6] for lane in lanes]),
        labels=tuple(lane[7] for lane in lanes),
    )


def _level(
    column: str, grid: Grid, main: Series, span: Span, shown: slice, against: stored.Ints
) -> tuple[Floats, float, str]:
    """Return what a reader is shown of a column: its mean, or its largest category's share."""
    total = int(against[: grid.values].sum())
    if isinstance(grid, NumericGrid):
        now = main.means(column, span.over, shown).mean
        was = float(against[: grid.values] @ grid.centres / total) if total else np.nan
        return now, was, "mean"
    counts = main.take(column, span.over, shown)
    n = counts[:, : grid.values].sum(axis=1)
    share = np.where(n > 0, counts[:, 0] / np.maximum(n, 1), np.nan)
    return share, (against[0] / total if total else np.nan), grid.categories[0]


def _cohorts(
    engine: Engine, name: str, model: Model, baseline_id: str, baseline: Baseline, span: Span
) -> CohortLanes | None:
    """Mean score of each cohort against what it was in its own reference."""
    score = None if model.prediction is None else model.prediction.score
    singles = [part for part in baseline.profiles if len(part.dimension) == 1]
    if score is None or score not in baseline.plan.grids or not singles:
        return None
    if not isinstance(baseline.plan.grids[score], NumericGrid):
        return None
    cohorts: list[Cohort] = []
    lanes: list[tuple[Floats, Floats, stored.Ints]] = []
    for part in singles:
        order = np.argsort(-part.rows, kind="stable")[:MAX_COHORTS]
        groups = tuple(part.groups[i] for i in order)
        read = stored.load(
            engine, name, baseline_id=baseline_id, baseline=baseline, dimension=part.dimension,
            groups=groups, columns={score}, start=span.reads_from, end=span.end, step=span.step,
        )  # fmt: skip
        for group, lane in read.items():
            cohorts.append(tuple(zip(part.dimension, group, strict=True)))
            moments, at = part.columns[score].moments, position(part, group)
            was = np.nan if moments is None or at is None else float(moments.mean[at])
            lanes.append(_against_usual(lane, score, span, was))
    shown = slice(0, 0) if not lanes else slice(0, len(lanes[0][0]))
    return CohortLanes(
        cohorts=tuple(cohorts),
        values=_stack([lane[0] for lane in lanes], shown),
        half_width=_stack([lane[1] for lane in lanes], shown),
        n=np.array([lane[2] for lane in lanes]),
    )


def _against_usual(
    lane: Series, score: str, span: Span, was: float
) -> tuple[Floats, Floats, stored.Ints]:
    """Return mean minus expected, how far it may be without meaning anything, and n [T]."""
    shown = lane.within(span.start, span.end)
    means = lane.means(score, span.over, slice(0, shown.stop))
    enough = means.n >= MIN_ROWS
    before = means.mean[: shown.start][enough[: shown.start]]
    expected, wander = was, 0.0
    if len(before) * span.step >= ENOUGH:
        expected = float(before.mean())
        wander = float(np.quantile(np.abs(before - expected), USUAL))
    values = np.where(enough, means.mean - expected, np.nan)[shown]
    return values, np.fmax(means.half_width[shown], wander), means.n[shown]


def _missing(baseline: Baseline, main: Series, span: Span, shown: slice) -> MissingLanes:
    everybody = baseline.profiles[0]
    rows = np.maximum(main.rows_over(span.over, shown), 1)
    lanes = []
    for column, grid in baseline.plan.grids.items():
        missing = main.take(column, span.over, shown)[:, grid.missing]
        usually = everybody.columns[column].counts[0, grid.missing] / max(1, baseline.rows)
        if missing.any():
            silent = main.rows_over(span.over, shown) == 0
            fraction = np.where(silent, np.nan, missing / rows)
            lanes.append((float(np.nanmax(fraction)) - usually, column, fraction, usually))
    lanes.sort(key=lambda lane: (-lane[0], lane[1]))
    return MissingLanes(
        columns=tuple(lane[1] for lane in lanes),
        fraction=_stack([lane[2] for lane in lanes], shown),
        usual=np.array([lane[3] for lane in lanes]),
    )


def _stack(lanes: Sequence[Floats], shown: slice) -> Floats:
    return np.array(lanes) if lanes else np.zeros((0, shown.stop - shown.start))

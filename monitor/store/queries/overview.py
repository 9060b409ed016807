"""The overview: every model in one row, worst first."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine, func, select

from monitor.config import Config
from monitor.store import baselines
from monitor.store.queries import incidents
from monitor.store.queries import series as stored
from monitor.store.queries.model import ENOUGH, REFERENCE, USUAL
from monitor.store.queries.status import statuses, waiting
from monitor.store.queries.views import (
    ModelStatus,
    MonitorHealth,
    Overview,
    OverviewRow,
    Stream,
)
from monitor.store.readings import decode
from monitor.store.tables import scores, windows

Floats = npt.NDArray[np.float64]

DAY = timedelta(days=1)
WORST_FIRST = ("firing", "failed", "pending", "stale", "starting", "normal")


def overview(
    engine: Engine, config: Config, *, start: datetime, end: datetime, now: datetime
) -> Overview:
    """Read the overview over a span."""
    rows = [_row(engine, config, at, start, end) for at in statuses(engine, config, now=now)]
    rows.sort(key=lambda row: (WORST_FIRST.index(row.status.state), row.status.name))
    return Overview(
        models=tuple(rows),
        incidents=incidents.listed(engine, start=start, end=end),
        health=_health(engine, [row.status for row in rows], now),
    )


def _row(
    engine: Engine, config: Config, at: ModelStatus, start: datetime, end: datetime
) -> OverviewRow:
    model = config.models[at.name]
    score = None if model.prediction is None else model.prediction.score
    worst = _worst(engine, at.name)
    baseline_id = baselines.current(engine, at.name)
    baseline = None if baseline_id is None else baselines.load(engine, baseline_id)
    step = max(DAY, stored.step_for(end - start, model.window))
    if baseline is None or baseline_id is None or score is None or score not in baseline.plan.grids:
        nothing = np.zeros(0)
        return OverviewRow(
            status=at, prediction=score, times=nothing.astype("datetime64[us]"), mean=nothing,
            expected=nothing, band=nothing, latest=None, latest_half_width=None, worst=worst,
        )  # fmt: skip
    series = stored.load(
        engine, at.name, baseline_id=baseline_id, baseline=baseline, dimension=(), groups=((),),
        columns={score}, start=start - REFERENCE, end=end, step=step,
    )[()]  # fmt: skip
    shown = series.within(start, end)
    means = series.means(score, step, slice(0, shown.stop))
    before = means.mean[: shown.start]
    before = before[~np.isnan(before)]
    expected, band = series.centres[score], 0.0
    if len(before) * step >= ENOUGH:
        expected = float(before.mean())
        band = float(np.quantile(np.abs(before - expected), USUAL))
    shape = means.mean[shown].shape
    known = np.flatnonzero(~np.isnan(means.mean[shown]))
    last = None if len(known) == 0 else shown.start + int(known[-1])
    return OverviewRow(
        status=at,
        prediction=score,
        times=series.starts[shown],
        mean=means.mean[shown],
        expected=np.full(shape, expected),
        band=np.full(shape, band),
        latest=None if last is None else float(means.mean[last]),
        latest_half_width=None if last is None else _known(means.half_width[last]),
        worst=worst,
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _worst(engine: Engine, name: str) -> Stream | None:
    """Return the stream furthest over its threshold in the last decided window with rows."""
    wanted = (
        select(scores.c.readings)
        .where(scores.c.model == name)
        .order_by(scores.c.start.desc())
        .limit(24)
    )
    with engine.connect() as connection:
        for row in connection.execute(wanted):
            known = [r for r in decode(bytes(row.readings)) if r.ratio is not None]
            if known:
                worst = max(known, key=lambda r: (r.ratio or 0.0, r.column, r.cohort))
                return Stream(
                    column=worst.column,
                    cohort=worst.cohort,
                    rule=worst.rule,
                    statistic=worst.statistic,
                    value=worst.value,
                    threshold=worst.threshold,
                    n=worst.n,
                    reason=worst.reason,
                )
    return None


def _health(engine: Engine, at: list[ModelStatus], now: datetime) -> MonitorHealth:
    lately = windows.c.finished_at >= now - DAY
    unfinished = windows.c.state.in_(("pending", "running", "failed", "dirty"))
    with engine.connect() as connection:
        done = connection.scalar(
            select(func.count()).select_from(windows).where(windows.c.state == "done", lately)
        )
        left = connection.scalar(select(func.count()).select_from(windows).where(unfinished))
        messages, dead = waiting(connection)
    known = [status.watermark for status in at if status.watermark is not None]
    return MonitorHealth(
        windows_done_24h=done or 0,
        windows_due_24h=(done or 0) + (left or 0),
        oldest_watermark=min(known, default=None),
        messages_waiting=messages,
        dead_letters=dead,
        store="SQLite" if engine.dialect.name == "sqlite" else "PostgreSQL",
    )

"""The distance lanes: how far over its threshold each rule was, through time."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine, select

from monitor.store.queries.series import aware, instant
from monitor.store.tables import scores

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.datetime64]


def distances(engine: Engine, name: str, times: Times, step: timedelta) -> dict[str, Floats]:
    """Return for each rule the largest value over its threshold [T], NaN where none is known."""
    if len(times) == 0:
        return {}
    first = times[0].astype("datetime64[us]")
    wanted = select(scores.c.start, scores.c.peaks).where(
        scores.c.model == name,
        scores.c.start >= aware(times[0]),
        scores.c.start < aware(times[-1] + np.timedelta64(step)),
    )
    found: dict[str, Floats] = {}
    with engine.connect() as connection:
        for row in connection.execute(wanted):
            at = int((instant(row.start) - first) // np.timedelta64(step))
            for rule, ratio in row.peaks.items():
                lane = found.setdefault(rule, np.full(len(times), np.nan))
                if ratio is not None:
                    lane[at] = np.fmax(lane[at], ratio)
    return dict(sorted(found.items()))

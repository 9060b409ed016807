"""Lines, fans and bands that stop where nothing is known."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import plotly.graph_objects as go

from monitor.store.queries.views import Floats, Times
from web.figures.timeaxis import plain, segments
from web.theme import token


def centres(times: Times, step: timedelta) -> Times:
    half = np.timedelta64(int(step.total_seconds() * 500_000), "us")
    middles: Times = np.add(times.astype("datetime64[us]"), half)
    return middles


def line(
    x: Times, y: Floats, *, colour: str, axis: str, width: float = 1.6, dash: str = "solid"
) -> go.Scatter:
    return go.Scatter(
        x=stamps(x),
        y=y,
        mode="lines",
        connectgaps=False,
        line={"color": token(colour), "width": width, "dash": dash},
        yaxis=axis,
        hoverinfo="skip",
    )


def lone_points(x: Times, y: Floats, *, colour: str, axis: str) -> go.Scatter | None:
    """Dots for values with nothing known on either side, which a line would not show."""
    alone = [s.start for s in segments(np.isfinite(y)) if s.stop - s.start == 1]
    if not alone:
        return None
    return go.Scatter(
        x=stamps(x[alone]),
        y=y[alone],
        mode="markers",
        marker={"color": token(colour), "size": 3.5},
        yaxis=axis,
        hoverinfo="skip",
    )


def band(x: Times, low: Floats, high: Floats, *, colour: str, axis: str) -> go.Scatter:
    """One filled polygon a stretch of known values, in a single trace."""
    xs: list[Any] = []
    ys: list[float | None] = []
    at = stamps(x)
    for run in segments(np.isfinite(low) & np.isfinite(high)):
        if run.stop - run.start < 2:
            continue
        xs += [*at[run], *at[run][::-1], None]
        ys += [*high[run].tolist(), *low[run][::-1].tolist(), None]
    return go.Scatter(
        x=xs,
        y=ys,
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=token(colour),
        yaxis=axis,
        hoverinfo="skip",
    )


def level(
    start: datetime,
    end: datetime,
    value: float,
    *,
    dash: str,
    axis: str,
    colour: str = "expected",
) -> go.Scatter:
    """Rule a value that holds over the whole range."""
    return go.Scatter(
        x=[plain(start), plain(end)],
        y=[value, value],
        mode="lines",
        line={"color": token(colour), "width": 1.2, "dash": dash},
        yaxis=axis,
        hoverinfo="skip",
    )


def stamps(x: Times) -> list[str]:
    return [str(t).replace("T", " ") for t in x.astype("datetime64[s]")]

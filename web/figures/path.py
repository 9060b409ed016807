"""A feature's way through time: a fan or stacked shares, and what was missing."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

import numpy as np
import plotly.graph_objects as go

from alerts.message import number
from monitor.store.queries.views import FeatureView, IncidentSpan
from web.figures import scale
from web.figures.axes import shade, time_axis, time_labels, value_axis
from web.figures.bands import band, centres, level, line, lone_points
from web.figures.plan import Plan, Row
from web.figures.spread import percent
from web.figures.timeaxis import ruling
from web.theme import SEQUENTIAL, layout, stepped

SHARE_COLOURS = ("accent", "div-2", "expected", "div-7", "sampling", "div-1", "line-strong")
MISSING_HEIGHT = 12


def through_time(view: FeatureView, plan: Plan, zone: tzinfo) -> go.Figure:
    """Draw the fan, or stacked shares of the largest categories, with missing as a strip."""
    body, strip = plan.rows[0], plan.rows[1]
    figure = go.Figure()
    x = centres(view.times, view.step)
    values = _fan(figure, view, x) if view.quantiles is not None else _stack(figure, view, x)
    levels = scale.excess(view.missing[None, :], np.array([view.missing_baseline]))
    edges = np.append(view.times, view.times[-1:] + np.timedelta64(view.step))
    figure.add_trace(
        go.Heatmap(
            x=[str(t) for t in edges.astype("datetime64[s]")],
            y=[-0.5, 0.5],
            z=[[None if np.isnan(v) else float(v) for v in levels[0]]],
            colorscale=stepped(SEQUENTIAL),
            zmin=-0.5,
            zmax=5.5,
            showscale=False,
            yaxis="y2",
            hoverinfo="skip",
        )
    )
    rules = ruling(view.start, view.end, zone, most=5 if plan.narrow else 7)
    texts = [_axis_text(view, value) for value in values]
    figure.update_layout(
        layout(height=plan.height, margin={"l": plan.left, "r": plan.right, "t": 0, "b": 0}),
        xaxis=time_axis(view.start, view.end),
        yaxis=value_axis(values, texts, domain=_domain(body, plan)),
        yaxis2={"domain": _domain(strip, plan), "visible": False, "fixedrange": True},
        shapes=_shades(view.incidents, view, plan),
        annotations=time_labels(rules.labels),
    )
    return figure


def time_plan(height: int = 300, *, narrow: bool = False) -> Plan:
    body = Row(kind="confidence", top=26, height=height - 26 - 40)
    strip = Row(kind="missing", top=height - 28, height=MISSING_HEIGHT)
    return Plan(
        rows=(body, strip),
        groups=(),
        height=height,
        left=62,
        right=8 if narrow else 94,
        narrow=narrow,
    )


def _fan(figure: go.Figure, view: FeatureView, x: Any) -> list[float]:
    q = view.quantiles
    assert q is not None
    figure.add_trace(band(x, q[0], q[4], colour="fan-80", axis="y"))
    figure.add_trace(band(x, q[1], q[3], colour="fan-50", axis="y"))
    if view.baseline_quantiles is not None:
        middle = view.baseline_quantiles[1]
        figure.add_trace(level(view.start, view.end, middle, dash="4px,3px", axis="y"))
    figure.add_trace(line(x, q[2], colour="accent", axis="y", width=1.8))
    dots = lone_points(x, q[2], colour="accent", axis="y")
    if dots is not None:
        figure.add_trace(dots)
    known = q[np.isfinite(q)]
    ends = [*known.tolist(), *(view.baseline_quantiles or ())] or [0.0, 1.0]
    return scale.ticks(min(ends), max(ends), 4)


def _stack(figure: go.Figure, view: FeatureView, x: Any) -> list[float]:
    shares = view.shares if view.shares is not None else np.zeros((0, len(view.times)))
    floor = np.zeros(len(view.times))
    for k, share in enumerate(shares):
        colour = SHARE_COLOURS[min(k, len(SHARE_COLOURS) - 1)]
        figure.add_trace(band(x, floor, floor + share, colour=colour, axis="y"))
        floor = floor + share
    known = floor[np.isfinite(floor)]
    return scale.ticks(0, float(known.max()) if known.size else 1.0, 4)


def _axis_text(view: FeatureView, value: float) -> str:
    return percent(value) if view.quantiles is None else number(value)


def _domain(row: Row, plan: Plan) -> list[float]:
    return [max(0.0, 1 - row.bottom / plan.height), 1 - row.top / plan.height]


def _shades(spans: tuple[IncidentSpan, ...], view: FeatureView, plan: Plan) -> list[dict[str, Any]]:
    top = 1 - plan.rows[0].top / plan.height
    cut = [(max(s.start, view.start), min(s.end or view.end, view.end)) for s in spans]
    return [shade(start, end, bottom=0, top=top) for start, end in cut if start < end]

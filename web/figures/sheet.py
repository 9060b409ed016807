"""The model's sheet: confidence, distance, lanes and volume over one time axis, in one figure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from itertools import cycle
from typing import Any

import numpy as np
import plotly.graph_objects as go

from monitor.store.queries.views import Floats, IncidentSpan, ModelView
from web.figures import scale
from web.figures.axes import shade, time_axis, time_labels, value_axis
from web.figures.bands import band, centres, level, line, lone_points, stamps
from web.figures.plan import Group, Plan
from web.figures.timeaxis import plain, ruling
from web.theme import DIVERGING, SEQUENTIAL, layout, stepped, token

RULE_COLOURS = ("ink", "accent", "expected", "div-2", "warn")


def sheet(view: ModelView, plan: Plan, zone: tzinfo) -> go.Figure:
    """Draw every row of `plan`; colours are token names, and nothing listens to the pointer."""
    figure = go.Figure()
    axes: dict[str, dict[str, Any]] = {}
    _confidence(figure, axes, view, plan)
    _distance(figure, axes, view, plan)
    for group in plan.groups:
        _lanes(figure, axes, view, plan, group)
    _volume(figure, axes, view, plan)
    rules = ruling(view.start, view.end, zone, most=6 if plan.narrow else 15)
    margin = {"l": plan.left, "r": plan.right, "t": 0, "b": 0}
    figure.update_layout(
        layout(height=plan.height, margin=margin, bargap=0),
        shapes=[
            *_rules(rules.rules, plan),
            *_known_until(view, plan),
            *_incidents(view.incidents, view, plan),
        ],
        annotations=time_labels(
            rules.labels, y=1 - (plan.rows[0].top - 26) / plan.height if plan.rows else 1
        ),
        xaxis=time_axis(view.start, view.end),
        **axes,
    )
    return figure


def rule_colours(distance: Mapping[str, Floats]) -> dict[str, str]:
    return dict(zip(distance, cycle(RULE_COLOURS), strict=False))


def _axis(axes: dict[str, dict[str, Any]], plan: Plan, top: int, height: int, **more: Any) -> str:
    """Add a vertical axis over a stretch of pixels and return the name traces use for it."""
    number = len(axes) + 1
    domain = [max(0.0, 1 - (top + height) / plan.height), 1 - top / plan.height]
    axes[f"yaxis{number if number > 1 else ''}"] = {
        "domain": domain,
        "anchor": "x",
        "fixedrange": True,
        "showgrid": False,
        "zeroline": False,
        "showline": False,
        "ticks": "",
        **more,
    }
    return f"y{number if number > 1 else ''}"


def _ticked(values: list[float], texts: list[str] | None = None) -> dict[str, Any]:
    told = texts or [f"{v:g}".replace("-", "−") for v in values]
    return value_axis(values, told, showgrid=True)


def _confidence(
    figure: go.Figure, axes: dict[str, dict[str, Any]], view: ModelView, plan: Plan
) -> None:
    row, score = plan.panel("confidence"), view.score
    if row is None or score is None:
        return
    known = np.concatenate([score.quantiles.ravel(), score.mean])
    known = known[np.isfinite(known)]
    marks = [v for v in (score.expected, score.threshold) if v is not None]
    ends = [*known.tolist(), *marks] or [0.0, 1.0]
    low = 0.0 if 0 <= min(ends) < 0.5 * max(ends) else min(ends)
    axis = _axis(axes, plan, row.top, row.height, **_ticked(scale.ticks(low, max(ends), 4)))
    x = centres(view.times, view.step)
    for outer, inner, colour in ((0, 4, "fan-80"), (1, 3, "fan-50")):
        low_q, high_q = score.quantiles[outer], score.quantiles[inner]
        figure.add_trace(band(x, low_q, high_q, colour=colour, axis=axis))
    error = score.half_width
    figure.add_trace(band(x, score.mean - error, score.mean + error, colour="sampling", axis=axis))
    for value, dash in ((score.expected, "4px,3px"), (score.threshold, "1px,3px")):
        if value is not None:
            figure.add_trace(level(view.start, view.end, value, dash=dash, axis=axis))
    figure.add_trace(line(x, score.mean, colour="accent", axis=axis, width=1.8))
    dots = lone_points(x, score.mean, colour="accent", axis=axis)
    if dots is not None:
        figure.add_trace(dots)


def _distance(
    figure: go.Figure, axes: dict[str, dict[str, Any]], view: ModelView, plan: Plan
) -> None:
    row = plan.panel("distance")
    if row is None:
        return
    highest = max(
        (float(np.nanmax(v)) for v in view.distance.values() if np.isfinite(v).any()), default=0
    )
    values = scale.ticks(0, max(highest, 1.5), 3)
    values = sorted({*values, 1.0})
    step = values[-1] - values[-2]
    values = [v for v in values if v in {0, 1} or abs(v - 1) > 0.5 * step]
    told = [_times(v, step) for v in values]
    axis = _axis(axes, plan, row.top, row.height, **_ticked(values, told))
    x = centres(view.times, view.step)
    for over in view.distance.values():
        above = np.where(over > 1, over, np.nan)
        figure.add_trace(band(x, np.ones_like(above), above, colour="alarm-fill", axis=axis))
    limit = level(view.start, view.end, 1, dash="4px,3px", axis=axis, colour="alarm")
    figure.add_trace(limit)
    for name, colour in reversed(rule_colours(view.distance).items()):
        figure.add_trace(line(x, view.distance[name], colour=colour, axis=axis, width=1.5))


def _times(value: float, step: float) -> str:
    if value == 1:
        return f'<span style="color:{token("alarm")}">1×</span>'
    if value == 0:
        return "0" if step < 1.6 else ""  # there is no room for both 0 and 1×
    return f"{value:g}×"


def _lanes(
    figure: go.Figure, axes: dict[str, dict[str, Any]], view: ModelView, plan: Plan, group: Group
) -> None:
    pick = list(group.members)
    names, reach = SEQUENTIAL, (-0.5, 5.5)
    if group.kind == "feature":
        lanes = view.features
        levels = scale.beyond_normal(lanes.values[pick], lanes.normal[pick])
    elif group.kind == "missing":
        levels = scale.excess(view.missing.fraction[pick], view.missing.usual[pick])
    else:
        cohorts = view.by_cohort
        assert cohorts is not None
        step = cohort_step(view)
        levels = scale.differences(cohorts.values[pick], cohorts.half_width[pick], step)
        names, reach = DIVERGING, (-4.5, 4.5)
    count = len(pick)
    axis = _axis(
        axes, plan, group.top, group.height, range=[count - 0.5, -0.5], showticklabels=False
    )
    figure.add_trace(
        go.Heatmap(
            x=[plain(view.start), *stamps(_ends(view))],
            y=[k - 0.5 for k in range(count + 1)],
            z=_padded(levels, view),
            colorscale=stepped(names),
            zmin=reach[0],
            zmax=reach[1],
            ygap=1,
            showscale=False,
            yaxis=axis,
            hoverinfo="skip",
        )
    )


def _ends(view: ModelView) -> np.ndarray[Any, Any]:
    """Cell edges after the start of the range; the first edge is put there by the caller."""
    times = view.times.astype("datetime64[us]")
    return np.append(times, times[-1] + np.timedelta64(view.step)) if len(times) else times


def _padded(levels: Floats, view: ModelView) -> list[list[float | None]]:
    """Put an unknown cell between the start of the range and the first step."""
    unknown = np.full((len(levels), 1), np.nan)
    cells = np.hstack([unknown, levels]) if len(view.times) else levels
    return [[None if np.isnan(v) else float(v) for v in row] for row in cells]


def cohort_step(view: ModelView) -> float:
    """Return what one step of the cohorts' colour scale is worth, in units of the score."""
    if view.score is not None and scale.is_share(view.score.quantiles):
        return scale.POINTS
    assert view.by_cohort is not None
    known = np.abs(view.by_cohort.values[np.isfinite(view.by_cohort.values)])
    return scale.nice_step(float(np.quantile(known, 0.98)), 4) if known.size else 1.0


def _volume(
    figure: go.Figure, axes: dict[str, dict[str, Any]], view: ModelView, plan: Plan
) -> None:
    row = plan.panel("volume")
    if row is None:
        return
    most = int(view.rows.max()) if len(view.rows) else 0
    axis = _axis(
        axes, plan, row.top, row.height, range=[0, max(most, 1) * 1.05], showticklabels=False
    )
    some = view.rows > 0
    x = stamps(centres(view.times, view.step)[some])
    width = 0.78 * view.step.total_seconds() * 1000
    figure.add_trace(
        go.Bar(
            x=x,
            y=view.rows[some],
            width=width,
            marker={"color": token("bar"), "line": {"width": 0}},
            yaxis=axis,
            hoverinfo="skip",
        )
    )


def _rules(rules: tuple[datetime, ...], plan: Plan) -> list[dict[str, Any]]:
    top = plan.rows[0].top if plan.rows else 0
    return [_vertical(at, plan, colour="line", top=top, layer="below") for at in rules]


def _vertical(
    at: datetime, plan: Plan, *, colour: str, top: int, layer: str, width: float = 1
) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": plain(at),
        "x1": plain(at),
        "y0": 24 / plan.height,
        "y1": 1 - top / plan.height,
        "layer": layer,
        "line": {"color": token(colour), "width": width},
    }


def _incidents(
    spans: tuple[IncidentSpan, ...], view: ModelView, plan: Plan
) -> list[dict[str, Any]]:
    shapes: list[dict[str, Any]] = []
    top = plan.rows[0].top if plan.rows else 0
    for span in spans:
        start, end = max(span.start, view.start), min(span.end or view.end, view.end)
        if start >= end:
            continue
        shapes.append(shade(start, end, bottom=24 / plan.height, top=1 - top / plan.height))
        if span.start >= view.start:
            shapes.append(_vertical(span.start, plan, colour="alarm", top=top, layer="above"))
    return shapes


def _known_until(view: ModelView, plan: Plan) -> list[dict[str, Any]]:
    """Mark where knowledge ends, when that is before the end of the range."""
    mark = view.status.watermark
    if mark is None or not view.start < mark < view.end or view.status.state != "stale":
        return []
    top = plan.rows[0].top if plan.rows else 0
    return [_vertical(mark, plan, colour="warn", top=top, layer="above", width=2)]

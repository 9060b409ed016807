"""When an incident's distances crossed their thresholds."""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import Any

import numpy as np
import plotly.graph_objects as go

from monitor.store.queries.views import IncidentView
from web.figures import scale
from web.figures.axes import shade, time_axis, time_labels, value_axis
from web.figures.bands import band, line
from web.figures.sheet import rule_colours
from web.figures.timeaxis import plain, ruling
from web.theme import layout, token

LABELS = 26  # pixels over the chart for the labels of its time axis


def when(view: IncidentView, zone: tzinfo, *, height: int = 200, narrow: bool = False) -> go.Figure:
    """Draw the largest distance of each rule in thresholds, the incident shaded."""
    known = [v[np.isfinite(v)] for v in view.distance.values()]
    highest = max((float(v.max()) for v in known if v.size), default=0.0)
    values = scale.ticks(0, max(highest, 1.5), 3)
    figure = go.Figure()
    for over in view.distance.values():
        above = np.where(over > 1, over, np.nan)
        figure.add_trace(
            band(view.times, np.ones_like(above), above, colour="alarm-fill", axis="y")
        )
    for rule, colour in reversed(rule_colours(view.distance).items()):
        figure.add_trace(line(view.times, view.distance[rule], colour=colour, axis="y", width=1.5))
    if not len(view.times):
        return figure
    first, last = (
        t.replace(tzinfo=UTC) for t in view.times[[0, -1]].astype("datetime64[us]").tolist()
    )
    rules = ruling(first, last, zone, most=5 if narrow else 9)
    until = view.row.resolved or last
    top = 1 - LABELS / height
    figure.update_layout(
        layout(height=height, margin={"l": 40, "r": 10, "t": 0, "b": 6}),
        xaxis=time_axis(first, last),
        yaxis=value_axis(values, [f"{v:g}×" if v else "0" for v in values], domain=[0, top]),
        shapes=[
            shade(view.row.since, view.row.opened, bottom=0, top=top, colour="warn-tint"),
            shade(view.row.opened, until, bottom=0, top=top),
            _alarm(first, last),
        ],
        annotations=time_labels(rules.labels),
    )
    return figure


def _alarm(first: Any, last: Any) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "x",
        "yref": "y",
        "x0": plain(first),
        "x1": plain(last),
        "y0": 1,
        "y1": 1,
        "layer": "above",
        "line": {"color": token("alarm"), "width": 1.1, "dash": "4px,3px"},
    }

"""How a feature is spread in a range, over how it is spread in the baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from alerts.message import name, number
from monitor.store.queries.views import Bars, FeatureView, Floats
from web.figures import scale
from web.theme import layout, token

CATEGORIES_SHOWN = 14


def escape(text: str) -> str:
    """Write a foreign name so that plotly shows it instead of reading it as its pseudo-HTML.

    >>> escape('<b>x</b> & <a href="y">')
    '&lt;b&gt;x&lt;/b&gt; &amp; &lt;a href="y"&gt;'
    """
    return name(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def distribution(view: FeatureView, *, height: int = 300, narrow: bool = False) -> go.Figure:
    """Draw the window's shares over the baseline's, and where the middle 80 % of each lies."""
    if view.bars.edges is not None:
        return _histogram(view, view.bars.edges, height)
    return _categories(view.bars, height=height, narrow=narrow)


def _histogram(view: FeatureView, edges: Floats, height: int) -> go.Figure:
    """Bars have the width of their bins and the height of their density, so that areas compare."""
    bars = view.bars
    low, high = _reach(view, edges)
    widths = np.diff(edges)
    centre = edges[:-1] + widths / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = _unit(widths, bars, centre, low, high)
        was, now = (
            np.where(widths > 0, s / widths, 0) * unit for s in (bars.baseline, bars.window)
        )
    inside = (centre >= low) & (centre <= high)
    top = float(np.max(np.concatenate([was[inside], now[inside], [1e-9]]))) * 1.06
    values = scale.ticks(0, top, 4)
    figure = go.Figure()
    figure.add_trace(_bars(centre, was, widths, "normal"))
    figure.add_trace(_bars(centre, now, widths, "alarm-bar", opacity=0.62))
    figure.add_trace(_crowns(edges, now))
    room = 54 if view.window_quantiles is not None else 0
    bottom = (room + 26) / height
    figure.update_layout(
        layout(
            height=height, margin={"l": 66, "r": 12, "t": 8, "b": 0}, barmode="overlay", bargap=0
        ),
        xaxis={
            "range": [low, high],
            "anchor": "y",
            "showgrid": False,
            "zeroline": False,
            "ticks": "",
            "nticks": 8,
            "fixedrange": True,
            "tickformat": ",~g",
            "ticklabelstandoff": 4,
        },
        yaxis={
            "domain": [bottom, 1],
            "range": [0, values[-1]],
            "tickvals": values,
            "ticktext": [percent(v) for v in values],
            "gridcolor": token("line"),
            "zeroline": False,
            "fixedrange": True,
            "ticklabelstandoff": 6,
        },
        yaxis2={
            "domain": [0, room / height],
            "range": [0, 2],
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
            "tickvals": [1.3, 0.3],
            "ticktext": ["baseline", "this range"],
            "ticklabelstandoff": 6,
        },
    )
    for at, quantiles, colour in (
        (1.3, view.baseline_quantiles, "ink-2"),
        (0.3, view.window_quantiles, "alarm"),
    ):
        if quantiles is not None:
            _interval(figure, at, quantiles, colour)
    return figure


def _reach(view: FeatureView, edges: Floats) -> tuple[float, float]:
    """Leave out what almost no row has, on both sides, so that the body is seen."""
    both = view.bars.window + view.bars.baseline
    total = np.cumsum(both) / max(float(both.sum()), 1e-12)
    first = int(np.searchsorted(total, 0.001))
    last = int(np.searchsorted(total, 0.999))
    low, high = float(edges[max(first, 0)]), float(edges[min(last + 1, len(edges) - 1)])
    for quantiles in (view.window_quantiles, view.baseline_quantiles):
        if quantiles is not None:
            low, high = min(low, quantiles[0]), max(high, quantiles[-1])
    room = 0.015 * (high - low) or 0.5
    return low - room, high + room


def _unit(widths: Floats, bars: Bars, centre: Floats, low: float, high: float) -> float:
    """Return the width whose share the axis tells: the typical bin's within sight."""
    seen = widths[(centre >= low) & (centre <= high) & (bars.baseline + bars.window > 0)]
    return float(np.median(seen)) if seen.size else 1.0


def _bars(x: Floats, y: Floats, widths: Floats, colour: str, *, opacity: float = 1) -> go.Bar:
    return go.Bar(
        x=x,
        y=y,
        width=widths,
        opacity=opacity,
        marker={"color": token(colour), "line": {"width": 0}},
        hoverinfo="skip",
    )


def _crowns(edges: Floats, tops: Floats) -> go.Scatter:
    """Put a short rule on each bar of the window, which reads where bars overlap."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for left, right, top in zip(edges[:-1], edges[1:], tops, strict=True):
        if top > 0:
            xs += [float(left), float(right), None]
            ys += [float(top), float(top), None]
    style = {"color": token("alarm"), "width": 2}
    return go.Scatter(x=xs, y=ys, mode="lines", line=style, hoverinfo="skip")


def _interval(figure: go.Figure, at: float, q: Sequence[float], colour: str) -> None:
    """Draw 10 to 90 % under the axis, with the median told over its dot."""
    figure.add_trace(
        go.Scatter(
            x=[q[0], q[1], q[-1]],
            y=[at, at, at],
            mode="lines+markers+text",
            yaxis="y2",
            line={"color": token(colour), "width": 2},
            hoverinfo="skip",
            marker={"color": token(colour), "size": [0, 8, 0]},
            text=["", number(q[1]), ""],
            textposition="top center",
            textfont={"color": token(colour), "size": 11},
        )
    )


def _categories(bars: Bars, *, height: int, narrow: bool) -> go.Figure:
    names = bars.names or ()
    count = min(CATEGORIES_SHOWN, len(names))
    rows = list(range(count))
    labels = [escape(_short(names[k], 14 if narrow else 24)) for k in rows]
    top = float(max([*bars.window[:count], *bars.baseline[:count], 1e-9]))
    values = scale.ticks(0, top * 1.02, 4)
    figure = go.Figure()
    for shares, colour, width in ((bars.baseline, "normal", 0.72), (bars.window, "alarm", 0.2)):
        figure.add_trace(
            go.Bar(
                x=shares[:count],
                y=rows,
                width=width,
                orientation="h",
                hoverinfo="skip",
                marker={"color": token(colour), "line": {"width": 0}},
            )
        )
    figure.update_layout(
        layout(
            height=height,
            margin={"l": 96 if narrow else 150, "r": 16, "t": 22, "b": 4},
            barmode="overlay",
        ),
        xaxis={
            "side": "top",
            "range": [0, values[-1]],
            "tickvals": values,
            "fixedrange": True,
            "ticktext": [percent(v) for v in values],
            "gridcolor": token("line"),
            "zeroline": False,
        },
        yaxis={
            "range": [max(count, 4) - 0.5, -0.5],
            "tickvals": rows,
            "ticktext": labels,
            "fixedrange": True,
            "showgrid": False,
            "ticklabelstandoff": 6,
            "zeroline": False,
            "tickfont": {"size": 12, "color": token("ink-2")},
        },
    )
    return figure


def percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"

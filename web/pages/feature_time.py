"""A feature's way through time on its page, with the line and what it reads."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from alerts.message import GAP, duration, name
from monitor.store.queries.views import FeatureView
from web import components as ui
from web import controls
from web.browser import aria, data
from web.desk import Desk
from web.figures.path import SHARE_COLOURS, through_time, time_plan
from web.figures.plan import Plan
from web.figures.readout import numbers
from web.figures.timeaxis import epoch_ms


def graph(key: str, height: int) -> html.Div:
    return html.Div(
        dcc.Graph(
            id=f"{key}-graph",
            figure={"data": [], "layout": {"height": height}},
            config={"staticPlot": True, "displayModeBar": False, "responsive": True},
            style={"height": height},
        ),
        className="chart-graph",
        **aria(hidden="true"),
    )


def through_time_panel(
    desk: Desk, view: FeatureView, shown: controls.Shown, *, narrow: bool
) -> Any:
    with desk.edge("The way through time") as part:
        laid = time_plan(narrow=narrow)
        over = duration(view.over)
        note = (
            f"10, 25, 50, 75, 90{GAP}%, last {over}"
            if view.quantiles is not None
            else f"shares, last {over}"
        )
        last = max(len(view.times) - 1, 0)
        drawn = {
            "figure": through_time(view, laid, shown.zone).to_plotly_json(),
            "readout": _readout(view, shown, laid),
        }
        part.show(
            ui.panel(
                "Through time",
                dcc.Store(id="path-data", data=drawn),
                html.Div(
                    [
                        graph("path", laid.height),
                        html.Div(
                            className="chart-surface",
                            tabIndex=0,
                            role="slider",
                            **aria(
                                label=f"The line through {name(view.column)}. Left, right move it.",
                                valuemin=0,
                                valuemax=last,
                                valuenow=last,
                            ),
                        ),
                        html.Div(
                            html.Div(
                                "missing",
                                className="row-lane small",
                                style={"top": laid.rows[1].top - 2, "height": 16},
                            ),
                            className="chart-names",
                        ),
                        html.Div(className="chart-readout"),
                    ],
                    className="chart",
                    id="path",
                    **data(chart="path"),
                    style={
                        "height": laid.height,
                        "--left": f"{laid.left}px",
                        "--right": f"{laid.right}px",
                    },
                ),
                _share_keys(view),
                html.Div(className="chart-list", hidden=not narrow),
                note=note,
            )
        )
    return part.shown


def _readout(view: FeatureView, shown: controls.Shown, laid: Plan) -> dict[str, Any]:
    body, strip = laid.rows
    rows: list[dict[str, Any]] = []
    if view.quantiles is not None:
        low, high, middle = (numbers(view.quantiles[k]) for k in (0, 4, 2))
        rows.append(
            {
                "kind": "quantiles",
                "top": body.top,
                "height": body.height,
                "low": low,
                "values": middle,
                "high": high,
            }
        )
    elif view.shares is not None and view.bars.names is not None:
        parts = [
            {"name": name(n), "values": numbers(s)}
            for n, s in zip(view.bars.names, view.shares, strict=False)
        ]
        rows.append({"kind": "shares", "top": body.top, "height": body.height, "parts": parts})
    rows.append({"kind": "missing", "top": strip.top - 2, "height": 16, "name": "missing",
                 "values": numbers(view.missing), "usual": None})  # fmt: skip
    return {
        "times": epoch_ms(view.times),
        "step": int(view.step.total_seconds() * 1000),
        "start": int(view.start.timestamp() * 1000),
        "end": int(view.end.timestamp() * 1000),
        "zone": shown.timezone,
        "left": laid.left,
        "right": laid.right,
        "height": laid.height,
        "narrow": laid.narrow,
        "noun": view.status.noun,
        "rows": rows,
    }


def _share_keys(view: FeatureView) -> html.Div | None:
    if view.shares is None or view.bars.names is None:
        return None
    keys = [
        html.Span(
            [html.I(className="key", style={"background": f"var(--{colour})"}), name(category)]
        )
        for colour, category, _ in zip(SHARE_COLOURS, view.bars.names, view.shares, strict=False)
    ]
    return html.Div(keys, className="legend wrap")

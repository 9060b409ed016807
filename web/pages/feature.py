"""A feature: how it is spread, how it went through time, and how far it is from the baseline."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, dcc, html, no_update

from alerts.message import GAP, cohort, name, number, pair, percent, place
from monitor.store.queries.views import Cohort, FeatureView
from web import components as ui
from web import controls
from web.address import feature_path, model_path, write_query
from web.browser import aria, in_browser
from web.desk import Desk
from web.figures.spread import distribution
from web.pages.feature_numbers import coarse, distances, facts
from web.pages.feature_time import graph, through_time_panel


def layout(model: str, column: str) -> html.Div:
    bones = [
        html.H1(name(column)),
        html.Div([ui.skeleton(300), ui.skeleton(300)], className="columns"),
        ui.skeleton(380),
    ]
    return html.Div(
        [
            dcc.Store(id="feature-name", data=[model, column]),
            html.Div(html.Div(bones, className="bones"), id="feature"),
        ]
    )


def register(app: Dash, desk: Desk) -> None:
    @app.callback(
        Output("feature", "children"),
        Input("feature-name", "data"),
        Input("url", "search"),
        Input("revision", "data"),
        Input("narrow", "data"),
    )
    def show(names: list[str], search: str | None, revision: str | None, narrow: Any) -> Any:
        if revision is None or narrow is None:
            return no_update
        with desk.edge(name(names[1])) as part:
            part.show(_page(desk, names[0], names[1], search, narrow=bool(narrow)))
        return part.shown

    for key in ("spread", "path"):
        in_browser(
            app,
            "chart",
            Output(f"{key}-graph", "figure"),
            Input(f"{key}-data", "data"),
            Input("theme", "data"),
        )


def _page(desk: Desk, model: str, column: str, search: str | None, *, narrow: bool) -> list[Any]:
    extent = desk.reader.extent(model)
    shown = desk.shown(search, extent)
    view = None
    if extent is not None:
        view = desk.reader.feature_view(
            model, column, start=shown.start, end=shown.end, cohort=shown.query.cohort
        )
    if view is None:
        return [_unknown(desk, model, column, shown.query.cohort)]
    return [
        _head(view, shown),
        html.Div(
            [
                _spread(desk, view, narrow=narrow),
                through_time_panel(desk, view, shown, narrow=narrow),
            ],
            className="columns",
        ),
        distances(view),
        facts(view),
        html.Footer(f"Times in {place(shown.timezone)}", className="foot"),
        controls.picked(shown),
    ]


def _unknown(desk: Desk, model: str, column: str, whose: Cohort) -> html.Div:
    of = f" in {cohort(whose)}" if whose else ""
    links = [
        html.Li(ui.link(name(known), feature_path(model, known)))
        for known in desk.reader.columns(model)
    ]
    return html.Div(
        [
            ui.head(
                title="No such column",
                sentence=[
                    f"{name(model)} has no results for {name(column)}{of}. It has:"
                    if links
                    else f"{name(model)} has no results yet."
                ],
                trail=ui.crumbs(("Overview", "/"), (name(model), model_path(model))),
            ),
            html.Ul(links, className="plain-list"),
        ]
    )


def _head(view: FeatureView, shown: controls.Shown) -> html.Header:
    model = view.status.name
    role = {
        "prediction": "prediction",
        "feature": "feature",
        "context": "context, alarms only where it is missing",
    }
    trail = ui.crumbs(
        ("Overview", "/"),
        (name(model), model_path(model) + write_query(shown.query)),
        (name(view.column), None),
    )
    whom = [html.Span(f"in {cohort(view.cohort)}", className="note")] if view.cohort else []
    return ui.head(
        title=view.column,
        sentence=_sentence(view),
        trail=trail,
        notes=[html.Span(f"{view.kind}, {role[view.role]}", className="note"), *whom],
        controls=[
            controls.cohort_picker(view.cohorts, view.cohort, view.status.noun),
            *controls.range_controls(shown),
        ],
    )


def _sentence(view: FeatureView) -> list[Any]:
    """Say what was measured: the middle then and now, and what cannot be counted."""
    noun = view.status.noun
    if view.n == 0:
        return [f"No {noun} in this range, so nothing can be said. Nothing is not zero."]
    parts: list[Any] = []
    if view.window_quantiles is not None and view.baseline_quantiles is not None:
        was, now = pair(view.baseline_quantiles[1], view.window_quantiles[1])
        moved = f"{was} → {now}" if was != now else f"{now}, as in the baseline"
        parts = ["Median ", html.Strong(moved), f" in {view.n:,} {noun}. "]
    elif view.bars.names is not None and len(view.bars.names):
        changed = max(
            range(len(view.bars.names)),
            key=lambda k: abs(view.bars.window[k] - view.bars.baseline[k]),
        )
        was, now = (
            percent(view.bars.baseline[changed], decimals=1),
            percent(view.bars.window[changed], decimals=1),
        )
        largest = name(view.bars.names[changed])
        parts = [
            f"The share of {largest} changed most: ",
            html.Strong(f"{was} → {now}"),
            f" in {view.n:,} {noun}. ",
        ]
    return [*parts, _faults(view)]


def _faults(view: FeatureView) -> str:
    found = [
        text
        for count, text in (
            (view.missing_fraction > 0, f"{percent(view.missing_fraction, decimals=1)} missing"),
            (view.unseen > 0, f"{view.unseen:,} with a value never seen before"),
            (view.out_of_range > 0, f"{view.out_of_range:,} out of range"),
            (view.mismatched > 0, f"{view.mismatched:,} of the wrong type"),
        )
        if count
    ]
    if not found:
        return "Nothing is missing and nothing is out of range."
    text = ", ".join(found)
    return f"{text[:1].upper()}{text[1:]}."


def _spread(desk: Desk, view: FeatureView, *, narrow: bool) -> Any:
    with desk.edge("The distribution") as part:
        noun = view.status.noun
        legend = html.Div(
            [
                html.Span([html.I(className="key key-normal"), f"baseline, n {view.n_baseline:,}"]),
                html.Span(
                    [html.I(className="key key-alarm"), f"this range, n {view.n:,}"],
                    className="hot",
                ),
            ],
            className="legend",
        )
        height = (
            300
            if view.kind == "numeric"
            else max(220, 40 + 20 * min(14, len(view.bars.names or ())))
        )
        figure = distribution(view, height=height, narrow=narrow)
        part.show(
            ui.panel(
                "Distribution",
                dcc.Store(id="spread-data", data={"figure": figure.to_plotly_json()}),
                graph("spread", height),
                html.P(f"Lines: the middle 80{GAP}%, dots: the median.", className="note")
                if view.window_quantiles is not None
                else None,
                coarse(view),
                aside=legend,
                note=f"share of {noun}",
                **aria(label=_spread_label(view)),
            )
        )
    return part.shown


def _spread_label(view: FeatureView) -> str:
    q, b = view.window_quantiles, view.baseline_quantiles
    if q is None or b is None:
        return f"Shares of {name(view.column)} by category, this range against the baseline"
    return (
        f"Distribution of {name(view.column)}: middle 80 % from {number(q[0])} to {number(q[-1])}, "
        f"in the baseline from {number(b[0])} to {number(b[-1])}"
    )

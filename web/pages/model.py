"""A model: one sheet, one time axis, and a column that reads it out."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, dcc, html, no_update

from alerts.message import cohort, model_sentence, moment, name, promise_sentence
from monitor.store.queries.views import ModelStatus, ModelView
from web import components as ui
from web import controls
from web.address import incident_path, model_path, write_query
from web.browser import in_browser
from web.desk import Desk
from web.pages.model_sheet import is_beyond, last_known, sheet_of
from web.pages.starting import the_way


def layout(model: str) -> html.Div:
    bones = [html.H1(name(model)), ui.skeleton(860)]
    return html.Div(
        [
            dcc.Store(id="model-name", data=model),
            html.Div(html.Div(bones, className="bones"), id="model"),
        ]
    )


def register(app: Dash, desk: Desk) -> None:
    @app.callback(
        Output("model", "children"),
        Input("model-name", "data"),
        Input("url", "search"),
        Input("revision", "data"),
        Input("narrow", "data"),
    )
    def show(model: str, search: str | None, revision: str | None, narrow: Any) -> Any:
        if revision is None or narrow is None:
            return no_update
        with desk.edge(name(model)) as part:
            part.show(_page(desk, model, search, narrow=bool(narrow)))
        return part.shown

    in_browser(
        app,
        "chart",
        Output("sheet-graph", "figure"),
        Input("sheet-data", "data"),
        Input("theme", "data"),
    )


def _page(desk: Desk, model: str, search: str | None, *, narrow: bool) -> list[Any]:
    status = {s.name: s for s in desk.reader.statuses()}.get(model)
    if status is None:
        return [_unknown(desk, model)]
    extent = desk.reader.extent(model)
    shown = desk.shown(search, extent)
    if extent is None:
        return the_way(status, desk.config.models.get(model), shown.timezone)
    query = shown.query
    try:
        view = desk.reader.model_view(
            model,
            start=shown.start,
            end=shown.end,
            cohort=query.cohort,
            statistic=query.statistic,
        )
    except KeyError:  # an old or mistyped address: the model is known by now, so it is the cohort
        return [_no_cohort(status, shown)]
    if view is None:
        return the_way(status, desk.config.models.get(model), shown.timezone)
    return [
        _head(view, shown),
        _stale(status, shown),
        _cut(status),
        _late(status),
        *sheet_of(desk, view, shown, narrow=narrow),
        controls.picked(shown),
    ]


def _unknown(desk: Desk, model: str) -> html.Div:
    known = [ui.link(name(m), model_path(m)) for m in desk.config.models]
    parts = [item for one in known for item in (one, " ")]
    return html.Div(
        [
            ui.head(
                title="No such model",
                sentence=[f"{name(model)} is not in the configuration. It has: ", *parts],
            )
        ]
    )


def _no_cohort(status: ModelStatus, shown: controls.Shown) -> html.Header:
    everybody = model_path(status.name) + write_query(shown.query, cohort=())
    who = cohort(shown.query.cohort)
    back = ui.link(f"Show all {name(status.noun)}", everybody)
    sentence = [f"{name(status.name)} has no results for {who}. ", back, "."]
    trail = ui.crumbs(("Overview", "/"), (name(status.name), model_path(status.name)))
    return ui.head(title="No such cohort", sentence=sentence, trail=trail)


def _head(view: ModelView, shown: controls.Shown) -> html.Header:
    status = view.status
    chosen = [
        controls.cohort_picker(view.cohorts, view.cohort, status.noun),
        controls.statistic_picker(view.statistic),
        *controls.range_controls(shown),
    ]
    return ui.head(
        title=status.name,
        sentence=[*_sentence(view, shown), *_open_incident(view), *_promised(view.status)],
        trail=ui.crumbs(("Overview", "/"), (name(status.name), None), *_slice(view)),
        notes=[ui.standing(status, shown.timezone)],
        controls=chosen,
    )


def _slice(view: ModelView) -> list[tuple[str, str | None]]:
    return [(cohort(view.cohort), None)] if view.cohort else []


def _sentence(view: ModelView, shown: controls.Shown) -> list[Any]:
    score = view.score
    last = None if score is None else last_known(score.mean)
    lanes = view.features
    beyond = [
        column
        for k, column in enumerate(lanes.columns)
        if lanes.roles[k] != "context" and is_beyond(lanes.values[k], float(lanes.normal[k]))
    ]
    return ui.words(
        model_sentence(
            state=view.status.state,
            since=view.status.since,
            noun=view.status.noun,
            timezone=shown.timezone,
            moved=beyond,
            score=None if score is None or last is None else score.column,
            now=None if score is None or last is None else float(score.mean[last]),
            was=None if score is None else score.expected,
            half_width=None if score is None or last is None else float(score.half_width[last]),
        )
    )


def _open_incident(view: ModelView) -> list[Any]:
    opened = [span for span in view.incidents if span.end is None]
    if not opened:
        return []
    latest = max(opened, key=lambda span: span.start)
    return [
        " ",
        ui.link(f"Open incident {latest.number}", incident_path(latest.id), className="go"),
    ]


def _promised(status: ModelStatus) -> list[Any]:
    """Say what was promised of false incidents, and what came of it."""
    if status.promise is None:
        return []
    said = promise_sentence(**vars(status.promise))
    return [html.Span(ui.words(said), className="aside")]


def _cut(status: ModelStatus) -> html.Div | None:
    """Say which limits were reached, for what is beyond is not shown by itself."""
    if not status.limits:
        return None
    said = [html.P(text) for text in status.limits]
    lead = html.Strong("Not all of what came is told one by one.")
    return html.Div(
        [ui.icon("incidents"), html.Div([lead, *said])], className="notice", role="note"
    )


def _late(status: ModelStatus) -> html.Div | None:
    """Say that rows came too late, and how they are taken in."""
    if status.late is None:
        return None
    rows, windows = status.late.rows, status.late.windows
    lead = html.Strong(f"{rows:,} {name(status.noun)} came too late.")
    what = (
        f"They belong to {windows:,} windows" if windows > 1 else "They belong to a window"
    ) + " that closed long before and stay as they are. This takes them in:"
    said = [lead, html.P(what), ui.command(status.late.command(status.name))]
    return html.Div([ui.icon("incidents"), html.Div(said)], className="notice", role="note")


def _stale(status: ModelStatus, shown: controls.Shown) -> html.Div | None:
    """Say what is unknown, what is safe, and what would help."""
    if status.state not in {"stale", "failed"} or status.watermark is None:
        return None
    until = moment(status.watermark, shown.timezone)
    what = "The source does not answer" if status.state == "failed" else "No new results"
    waiting = status.windows.pending + status.windows.failed + status.windows.running
    wait = f"{waiting:,} windows wait; they are read" if waiting else "What comes is read"
    safe = (
        f"{wait} in order. Nothing is lost, and an open incident is neither closed nor raised "
        "meanwhile."
    )
    return html.Div(
        [
            ui.icon("incidents"),
            html.Div(
                [
                    html.Strong(f"{what}, so nothing after {until} is known."),
                    html.P(safe),
                    html.P(name(status.last_error), className="quiet")
                    if status.last_error
                    else None,
                ]
            ),
        ],
        className="notice",
        role="status",
    )

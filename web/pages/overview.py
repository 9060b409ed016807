"""The overview: one row a model, worst first; what happened; whether the monitor is well.

The models stand in a semantic table and not in a grid widget: there are few, each row is one link,
a screen reader reads it as a table, and at 400 px its cells stack without a second layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from dash import Dash, Input, Output, html, no_update

from alerts.message import (
    GAP,
    NOTHING,
    cohort,
    duration,
    moment,
    name,
    number,
    overview_sentence,
    place,
    plain,
    promise_sentence,
    short,
)
from monitor.store.queries.views import IncidentRow, Overview, OverviewRow, Promise, Stream
from web import components as ui
from web import controls
from web.address import incident_path, model_path, write_query
from web.browser import aria, data
from web.desk import Desk
from web.figures import marks


def layout() -> html.Div:
    bones = [html.H1("Overview"), ui.skeleton(280), ui.skeleton(180)]
    return html.Div(html.Div(bones, className="bones"), id="overview")


def register(app: Dash, desk: Desk) -> None:
    @app.callback(
        Output("overview", "children"),
        Input("url", "search"),
        Input("revision", "data"),
    )
    def show(search: str | None, revision: str | None) -> Any:
        if revision is None:
            return no_update
        with desk.edge("The overview") as part:
            part.show(_page(desk, search))
        return part.shown


def _page(desk: Desk, search: str | None) -> list[Any]:
    statuses = desk.reader.statuses()
    extents = [e for s in statuses if (e := desk.reader.extent(s.name)) is not None]
    whole = (min(e[0] for e in extents), max(e[1] for e in extents)) if extents else None
    shown = desk.shown(search, whole)
    view = desk.reader.overview(start=shown.start, end=shown.end)
    now = max(desk.clock(), whole[1]) if whole else desk.clock()
    ages = [
        (s.name, s.state, None if s.since is None else (whole or (now, now))[1] - s.since)
        for s in (row.status for row in view.models)
    ]
    chosen = controls.range_controls(shown) if whole else []
    return [
        ui.head(title="Overview", sentence=ui.words(overview_sentence(ages)), controls=chosen),
        _models(view.models, shown),
        html.Div(
            [_incidents(view.incidents, shown), _health(view, shown.timezone)],
            className="columns wide-narrow",
        )
        if whole
        else None,
        html.Footer(f"Times in {place(shown.timezone)}", className="foot"),
    ]


def _models(rows: Sequence[OverviewRow], shown: controls.Shown) -> html.Section:
    if not rows:
        steps = html.P(
            ["No model has results yet. ", html.Code("monitor check"), " shows what is read."]
        )
        return ui.panel("Models", steps)
    span = duration(shown.end - shown.start)
    headings: list[Any] = [
        "Model",
        "State",
        ["Score, ", span, html.Span("grey: normal days", className="note")],
        ["Worst stream", html.Span("grey: to its threshold", className="note")],
        ["Incidents a month", html.Span("grey: what was promised", className="note")],
        "Results until",
        "Open",
    ]
    body = [_model(row, shown) for row in rows]
    return ui.panel(
        None,
        html.Table(
            [html.Thead(html.Tr([html.Th(h, scope="col") for h in headings])), html.Tbody(body)],
            className="models",
            **aria(label="Models, worst first"),
        ),
        className="flush",
    )


def _model(row: OverviewRow, shown: controls.Shown) -> html.Tr:
    status = row.status
    score = [ui.picture(marks.spark(row, label=_spark_label(row)))]
    if row.latest is not None:
        error = (
            None
            if row.latest_half_width is None
            else f"± {number(row.latest_half_width, digits=1)}"
        )
        score.append(
            html.Div([html.Strong(number(row.latest)), html.Small(error)], className="figures")
        )
    else:
        score.append(html.Div(NOTHING, className="figures quiet"))
    href = model_path(status.name) + write_query(shown.query)
    until = NOTHING if status.watermark is None else moment(status.watermark, shown.timezone)
    late = "late" if status.state == "stale" else ""
    opened = html.Strong(str(status.open_incidents)) if status.open_incidents else NOTHING
    return html.Tr(
        [
            html.Th(
                [
                    ui.link(name(status.name), href, className="row-link"),
                    html.Small(f"{name(status.noun)}, windows of {duration(status.width)}"),
                ],
                scope="row",
            ),
            html.Td(ui.standing(status, shown.timezone, now=shown.extent[1])),
            html.Td(html.Div(score, className="spark"), **data(name="Score")),
            html.Td(_worst(row.worst), **data(name="Worst stream")),
            html.Td(_promise(status.promise), **data(name="Incidents a month")),
            html.Td(
                html.Span(until, className=late), className="num", **data(name="Results until")
            ),
            html.Td(opened, className="num", **data(name="Open")),
        ]
    )


def _promise(promise: Promise | None) -> Any:
    """Draw how often the budget opened an incident, beside what was promised."""
    if promise is None:
        return html.Small("no budget", className="quiet")
    if promise.between is None:
        learnt = f"{promise.days:,} of {promise.begins_after:,} days"
        return html.Small(["learning, ", learnt], className="quiet", title=_promised(promise))
    rate, (low, high) = promise.incidents / promise.months, promise.between
    said = _promised(promise)
    return html.Div(
        [
            html.Div(
                [
                    html.Span(number(rate), className="" if promise.holds else "strong"),
                    html.Small(f"of {number(promise.budget)} promised"),
                ]
            ),
            ui.picture(marks.interval(low, rate, high, promise.budget, label=said)),
        ],
        className="worst promise",
        title=said,
    )


def _promised(promise: Promise) -> str:
    return plain(promise_sentence(**vars(promise)))


def _spark_label(row: OverviewRow) -> str:
    return f"Mean score of {name(row.status.name)} through time, now {number(row.latest)}"


def _worst(stream: Stream | None) -> Any:
    if stream is None:
        return NOTHING
    ratio = None if stream.value is None else stream.value / stream.threshold
    label = "not known" if ratio is None else f"{ratio:.2g} times its threshold"
    whose = f" · {cohort(stream.cohort)}" if stream.cohort else ""
    return html.Div(
        [
            html.Div(
                [
                    html.Span(
                        name(stream.column),
                        className="strong" if ratio and ratio > 1 else "",
                        title=stream.column,
                    ),
                    html.Small(
                        f"{short(stream.statistic)} {number(stream.value)}{whose}",
                        title=f"rule {stream.rule}",
                    ),
                ]
            ),
            ui.picture(marks.ratio(ratio, label=f"{name(stream.column)}: {label}")),
        ],
        className="worst",
    )


def _incidents(rows: Sequence[IncidentRow], shown: controls.Shown) -> html.Section:
    span = duration(shown.end - shown.start)
    more = ui.link("All incidents", "/incidents", className="more")
    if not rows:
        quiet = html.P("None: nothing stayed beyond its threshold.", className="quiet padded")
        return ui.panel(f"Incidents of these {span}", quiet, aside=more, className="flush")
    body = [
        [
            html.Span(str(row.number), className="quiet"),
            moment(row.since, shown.timezone),
            name(row.model),
            ui.link(html.Strong(name(row.title)), incident_path(row.id), className="row-link"),
            lasted(row, shown.extent[1]),
            ui.pill("normal" if row.state == "resolved" else row.state, state_word(row)),
        ]
        for row in rows[:8]
    ]
    headings = ["No.", "Since", "Model", "What moved", "Lasted", "State"]
    listed = ui.table(
        headings, body, label="Incidents, newest first", className="rows incident-rows"
    )
    return ui.panel(f"Incidents of these {span}", listed, aside=more, className="flush")


def lasted(row: IncidentRow, now: datetime) -> str:
    span = max((row.resolved or now) - row.since, timedelta(0))
    return duration(span) + ("" if row.resolved else ", open")


def state_word(row: IncidentRow) -> str:
    return row.state.capitalize()


def _health(view: Overview, timezone: str) -> html.Section:
    health = view.health
    oldest = (
        NOTHING if health.oldest_watermark is None else moment(health.oldest_watermark, timezone)
    )
    done, due = health.windows_done_24h, health.windows_due_24h
    facts: list[tuple[str, str, bool]] = [
        (f"Windows done, last 24{GAP}h", f"{done:,} of {due:,}", done < due),
        ("Decided up to", oldest, False),
        ("Messages waiting", f"{health.messages_waiting:,}", health.messages_waiting > 0),
        ("Dead letters", f"{health.dead_letters:,}", health.dead_letters > 0),
        ("Results in", health.store, False),
    ]
    body = [
        html.Div([html.Dt(what), html.Dd(text, className="late" if late else "")])
        for what, text, late in facts
    ]
    return ui.panel("The monitor itself", html.Dl(body, className="facts"))

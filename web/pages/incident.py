"""An incident: what moved, when, what happened in order, and who was told."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

from dash import Dash, Input, Output, dcc, html, no_update

from alerts.message import (
    CHECK,
    FAIR,
    MONITOR,
    NEW,
    NOTHING,
    NUMBERS,
    SCHEMA,
    became,
    capital,
    change,
    cohort,
    duration,
    mix,
    moment,
    name,
    number,
    pair,
    place,
    statistic,
)
from monitor.store.queries import IncidentStream
from monitor.store.queries.views import DeliveryRow, IncidentView, TimelineEntry
from web import components as ui
from web.address import Query, feature_path, model_path, write_query
from web.browser import aria, in_browser
from web.desk import Desk
from web.figures import marks
from web.figures.incident import when
from web.figures.sheet import rule_colours

DELIVERY = {"waiting": "waiting", "sent": "sent", "dead": "given up", "held": "held back"}
STREAMS_SHOWN = 12
COLUMNS_SHOWN = 50


def layout(incident: str) -> html.Div:
    bones = [html.H1("Incident"), ui.skeleton(260), ui.skeleton(220)]
    return html.Div(
        [
            dcc.Store(id="incident-id", data=incident),
            html.Div(html.Div(bones, className="bones"), id="incident"),
        ]
    )


def register(app: Dash, desk: Desk) -> None:
    @app.callback(
        Output("incident", "children"),
        Input("incident-id", "data"),
        Input("url", "search"),
        Input("revision", "data"),
        Input("narrow", "data"),
    )
    def show(incident: str, search: str | None, revision: str | None, narrow: Any) -> Any:
        if revision is None or narrow is None:
            return no_update
        with desk.edge("The incident") as part:
            part.show(_page(desk, incident, search, narrow=bool(narrow)))
        return part.shown

    in_browser(
        app,
        "chart",
        Output("when-graph", "figure"),
        Input("when-data", "data"),
        Input("theme", "data"),
    )


def _page(desk: Desk, incident: str, search: str | None, *, narrow: bool) -> list[Any]:
    query = desk.query(search)
    timezone, zone = desk.zone(query)
    view = desk.reader.incident_view(incident)
    if view is None:
        return [_unknown()]
    may_stay = view.row.resolved is None and view.row.kind != MONITOR
    figure = when(view, zone, narrow=narrow)
    return [
        _head(view, timezone),
        html.Div(
            [
                html.Div(
                    _what(view, figure, timezone),
                    className="stack",
                ),
                html.Div(
                    [
                        _timeline(view, timezone),
                        _deliveries(view, timezone),
                        _new_normal(view) if may_stay else None,
                    ],
                    className="stack",
                ),
            ],
            className="columns wide-narrow",
        ),
        html.Footer(f"Times in {place(timezone)}", className="foot"),
    ]


def _what(view: IncidentView, figure: Any, timezone: str) -> list[html.Section]:
    """Show what an incident is about, which goes by its kind."""
    if view.row.kind == MONITOR:
        return [_unread(view)]
    if view.row.kind == SCHEMA:
        return [_changed(view, timezone)]
    return [_moved(view), _when(view, figure)]


def _changed(view: IncidentView, timezone: str) -> html.Section:
    """List the columns with what became of each: it has no distance to draw."""
    rows = [
        html.Div(
            [
                html.Div(
                    [
                        html.Span(name(stream.column), title=stream.column)
                        if stream.rule == NEW
                        else ui.link(
                            name(stream.column),
                            feature_path(view.row.model, stream.column)
                            + write_query(_around(view)),
                            title=stream.column,
                        ),
                        html.Small(name(stream.rule)),
                    ],
                    className="moved-name",
                ),
                html.Span("", className="moved-ratio"),
                html.Span(became(stream)),
                html.Div(
                    [html.Small(f"seen {moment(stream.joined, timezone)}")],
                    className="moved-values",
                ),
            ],
            className="moved-row",
            role="listitem",
        )
        for stream in view.streams[:COLUMNS_SHOWN]
    ]
    more = len(view.streams) - len(rows)
    return ui.panel(
        "What changed",
        html.Div(rows, className="moved", role="list"),
        html.P(f"{more:,} more columns changed.", className="quiet padded") if more > 0 else None,
        note="columns of the log beside those of the baseline",
    )


def _unread(view: IncidentView) -> html.Section:
    """Say what it means that nothing could be read, and where to look."""
    row = view.row
    if row.resolved is not None:
        said = "What was missed is read in order, and decided as if it had come in time."
        return ui.panel("What became of it", html.P(said, className="quiet"))
    return ui.panel(
        "While it lasts",
        html.P(
            "No window is decided, so no drift is seen, and an open incident is neither closed nor "
            "raised. Nothing is lost: once the log can be read, its windows are read in order. "
            "This says what is wrong with the log now:",
            className="quiet",
        ),
        ui.command("monitor check"),
    )


def _new_normal(view: IncidentView) -> html.Section:
    """Say what becomes of it where it stays, and how to accept it."""
    if view.row.kind == SCHEMA:
        return ui.panel(
            "If it is here to stay",
            html.P(
                "Nothing is known of these columns meanwhile; all others are watched as before. "
                "It ends when they are as they were in three windows in a row, or when the "
                "configuration accepts it, for the model or for one of its columns:",
                className="quiet",
            ),
            ui.command("schema: evolve"),
        )
    start, end = view.row.since, _around(view).end or view.row.since
    span = f"--from {start:%Y-%m-%dT%H:%MZ} --to {end - timedelta(days=1):%Y-%m-%dT%H:%MZ}"
    return ui.panel(
        "If it is here to stay",
        html.P(
            "After seven days it pages nobody any more, and something else can open another "
            "incident. The lanes learn it within eight weeks. Once there is enough of it, make it "
            "what rules and effects compare with:",
            className="quiet",
        ),
        ui.command(f'monitor baseline accept --model "{view.row.model}" {span}'),
    )


def _unknown() -> html.Div:
    back = ui.link("All incidents", "/incidents")
    return html.Div(
        ui.head(title="No such incident", sentence=["It is not in this store. ", back, "."])
    )


def _head(view: IncidentView, timezone: str) -> html.Header:
    row = view.row
    if row.resolved is None:
        state = "Firing" if row.state == "firing" else "Persistent, open"
        note = ui.pill(row.state, f"{state} since {moment(row.opened, timezone)}")
    else:
        note = ui.pill("normal", f"Resolved after {duration(row.resolved - row.since)}")
    trail = ui.crumbs(
        ("Incidents", "/incidents"),
        (str(row.number), None),
        (name(row.model), model_path(row.model) + write_query(_around(view))),
    )
    return ui.head(title=row.title, sentence=ui.words(view.spans), trail=trail, notes=[note])


def _around(view: IncidentView) -> Query:
    """Return the range that shows the incident with three days on either side."""
    row = view.row
    last = row.resolved
    if last is None:
        end = view.times[-1].astype("datetime64[us]").item() if len(view.times) else row.opened
        last = end.replace(tzinfo=UTC)
    return Query(start=row.since - timedelta(days=3), end=max(last, row.opened) + timedelta(days=1))


def _moved(view: IncidentView) -> html.Section:
    shown = view.streams[:STREAMS_SHOWN]
    far = [s.ratio for s in shown if s.statistic != CHECK]
    top = max([1.0, *far]) * 1.05
    rows = [_stream(s, view, top) for s in shown]
    more = len(view.streams) - len(shown)
    legend = html.Div(
        [
            html.Span([html.I(className="key key-normal"), "up to its threshold"]),
            html.Span([html.I(className="key key-dot"), "at its worst"]),
        ],
        className="legend",
    )
    foot = f"{more:,} more streams moved less." if more > 0 else None
    return ui.panel(
        "What moved",
        html.Div(rows, className="moved", role="list"),
        html.P(foot, className="quiet padded") if foot else None,
        note="distance in thresholds, largest first",
        aside=legend,
    )


def _stream(stream: IncidentStream, view: IncidentView, top: float) -> html.Div:
    of_rows = stream.column == "rows" and stream.statistic in FAIR
    page = model_path(view.row.model) if of_rows else feature_path(view.row.model, stream.column)
    href = page + write_query(_around(view), cohort=stream.cohort, statistic=stream.statistic)
    whose = cohort(stream.cohort) if stream.cohort else "everybody"
    seen_by = stream.rule if stream.statistic in FAIR else stream.statistic
    told = change(stream)
    unit = "" if stream.label in NUMBERS else f"{name(stream.label)} "
    return html.Div(
        [
            html.Div(
                [
                    ui.link(name(stream.column), href, title=stream.column),
                    html.Small(f"{whose} · {name(seen_by)}", title=f"rule {stream.rule}"),
                ],
                className="moved-name",
            ),
            *_far(stream, top),
            html.Div(
                [
                    html.Span(f"{unit}{told[0]} → {told[1]}" if told else NOTHING),
                    html.Small(f"n {stream.n:,}"),
                    _sized(stream),
                ],
                className="moved-values",
            ),
        ],
        className="moved-row",
        role="listitem",
    )


def _far(stream: IncidentStream, top: float) -> tuple[Any, Any]:
    """Draw how far a stream is; what never happened before has no distance."""
    if stream.statistic == CHECK:
        return html.Span("new", className="moved-ratio"), html.Small(
            "it never happened before", className="quiet"
        )
    value, limit = number(stream.value), number(stream.threshold)
    what = f"{statistic(stream.statistic)} {value}, threshold {limit}"
    label = f"{stream.ratio:.2g} times its threshold: {what}"
    ratio = html.Strong(f"{number(stream.ratio, digits=2)}×", title=what, className="moved-ratio")
    return ratio, ui.picture(marks.moved(stream.ratio, 1, top, label=label))


def _sized(stream: IncidentStream) -> html.Small | None:
    """Say the effect with its interval, and how much of it is another mix of cohorts."""
    said = []
    if stream.effect is not None and stream.low is not None and stream.high is not None:
        low, high = pair(stream.low, stream.high)
        said.append(f"effect w {number(stream.effect)} ({low} to {high})")
    mixed = mix(stream)
    if mixed is not None:
        said.append(mixed)
    return html.Small(" · ".join(said), className="moved-sized") if said else None


def _when(view: IncidentView, figure: Any) -> html.Section:
    height = 200
    return ui.panel(
        "When",
        dcc.Store(id="when-data", data={"figure": figure.to_plotly_json()}),
        html.Div(
            dcc.Graph(
                id="when-graph",
                figure={"data": [], "layout": {"height": height}},
                config={"staticPlot": True, "displayModeBar": False, "responsive": True},
                style={"height": height},
            ),
            className="chart-graph",
            **aria(hidden="true"),
        ),
        ui.link(
            "See the whole sheet",
            model_path(view.row.model) + write_query(_around(view)),
            className="go",
        ),
        note="largest distance in thresholds; yellow: what the rule judged when it opened",
        aside=_rule_keys(view),
        **aria(label=f"Distance through time, {len(view.distance)} rules"),
    )


def _rule_keys(view: IncidentView) -> html.Div | None:
    """Name the lines where there are several."""
    if len(view.distance) < 2:
        return None
    keys = [
        html.Span(
            [html.I(className="key key-line", style={"background": f"var(--{tone})"}), name(rule)]
        )
        for rule, tone in rule_colours(view.distance).items()
    ]
    return html.Div(keys, className="legend")


def _timeline(view: IncidentView, timezone: str) -> html.Section:
    entries = view.timeline[::-1]  # the latest first, also of one moment
    if not entries:
        return ui.panel("Timeline", html.P("Nothing is recorded.", className="quiet"))
    return ui.panel(
        "Timeline", html.Ol([_entry(e, timezone) for e in entries], className="timeline")
    )


def _entry(entry: TimelineEntry, timezone: str) -> html.Li:
    return html.Li(
        [
            ui.mark("normal" if entry.state in {"ok", "resolved"} else entry.state),
            html.Div(
                [
                    html.Strong(capital(name(entry.text))),
                    html.Small(f"{moment(entry.at, timezone)} · {entry.state}"),
                ]
            ),
        ]
    )


def _deliveries(view: IncidentView, timezone: str) -> html.Section:
    if not view.deliveries:
        quiet = html.P("No route is configured, so nobody was told.", className="quiet")
        return ui.panel("Deliveries", quiet)
    return ui.panel(
        "Deliveries",
        html.Ul([_delivery(d, timezone) for d in view.deliveries], className="deliveries"),
    )


def _delivery(row: DeliveryRow, timezone: str) -> html.Li:
    tries = "" if row.attempts <= 1 else f", {row.attempts} attempts"
    detail = f" · {name(row.detail)}" if row.detail else ""
    at = moment(row.last, timezone) if row.last else NOTHING
    return html.Li(
        [
            ui.icon({"sent": "check", "dead": "cross"}.get(row.state, "clock")),
            html.Div(
                [
                    html.Span(f"{name(row.route)} ({row.kind})"),
                    html.Small(
                        f"{DELIVERY[row.state]}{tries}{detail}",
                        className="late" if row.state == "dead" else "",
                    ),
                ]
            ),
            html.Small(at, className="at"),
        ]
    )

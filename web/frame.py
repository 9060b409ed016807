"""What stands around every page: navigation, search, and the quiet machinery of the browser."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update

from alerts.message import name
from monitor.store.queries.views import ModelStatus
from web.address import Place, feature_path, model_path, read_path
from web.browser import aria, data, in_browser
from web.components import STATES, icon, link, mark
from web.desk import Desk

POLL_MS = 5_000

THEME: dict[str, Any] = {
    "fontFamily": "Inter, system-ui, sans-serif",
    "fontFamilyMonospace": "'JetBrains Mono', ui-monospace, monospace",
    "primaryColor": "teal",
    "defaultRadius": 7,
    "respectReducedMotion": True,
    "cursorType": "pointer",
}


def layout() -> dmc.MantineProvider:
    return dmc.MantineProvider(
        [
            dcc.Location(id="url", refresh="callback-nav"),
            dcc.Store(id="theme"),
            dcc.Store(id="narrow"),
            dcc.Store(id="revision"),
            dcc.Store(id="unread"),
            dcc.Interval(id="poll", interval=POLL_MS),
            html.A("Skip to the page", href="#page", className="skip"),
            _top_bar(),
            html.Div(
                [
                    html.Aside(
                        [_brand(), _search_button(), html.Div(id="nav", className="nav")],
                        className="side",
                        id="side",
                    ),
                    html.Main(id="page", tabIndex=-1),
                ],
                className="frame",
            ),
            _search(),
            _keys(),
            html.Div(id="news", className="unseen", role="status", **aria(live="polite")),
        ],
        id="mantine",
        theme=THEME,
    )


def _brand() -> html.A:
    return link(
        [html.Span(className="logo", **aria(hidden="true")), "Driftline"],
        "/",
        className="brand",
    )


def _top_bar() -> html.Div:
    menu = aria(label="Menu", expanded="false", controls="side")
    return html.Div(
        [
            html.Button(icon("menu"), id="menu", className="bare", **menu),
            _brand(),
            html.Button(
                icon("search"), className="bare", **aria(label="Search"), **data(search="1")
            ),
        ],
        className="top-bar",
    )


def _search_button() -> html.Button:
    return html.Button(
        [icon("search"), html.Span("Search"), html.Kbd("/")],
        className="search-button",
        **aria(keyshortcuts="/"),
        **data(search="1"),
    )


def _search() -> dmc.Modal:
    return dmc.Modal(
        dmc.Select(
            id="search",
            data=[],
            searchable=True,
            placeholder="A model or a feature",
            nothingFoundMessage="Nothing has this name",
            maxDropdownHeight=340,
            limit=80,
            leftSection=icon("search"),
            rightSection=html.Span(),
            comboboxProps={"withinPortal": True},
            **aria(label="Search models and features"),
        ),
        id="search-box",
        opened=False,
        withCloseButton=False,
        transitionProps={"duration": 0},
        size=520,
        yOffset="12vh",
        **aria(label="Search"),
    )


KEYS = (
    ("/", "search"),
    ("← →", "move the line by a window; with Shift by a day"),
    (".", "the line to the last result"),
    ("[ ]", "one range back, one on"),
    ("t", "light or dark"),
    ("?", "this list"),
)


def _keys() -> dmc.Modal:
    rows = [html.Div([html.Dt(html.Kbd(key)), html.Dd(what)]) for key, what in KEYS]
    return dmc.Modal(
        html.Dl(rows, className="keys"),
        id="keys",
        title="Keys",
        opened=False,
        transitionProps={"duration": 0},
        size=420,
    )


def navigation(statuses: tuple[ModelStatus, ...], place: Place, *, signed: bool) -> list[Any]:
    """List the pages and the models, worst first, with their states as shape and word."""
    open_incidents = sum(status.open_incidents for status in statuses)
    models = [
        link(
            [
                mark(status.state),
                html.Span(name(status.name), className="nav-name"),
                html.Span(STATES[status.state], className="unseen"),
            ],
            model_path(status.name),
            title=f"{status.name}: {STATES[status.state].lower()}",
            **_current(place.model == status.name),
        )
        for status in statuses
    ]
    shown = html.Span(str(open_incidents), className="count", title="open incidents")
    return [
        html.Nav(
            [
                link([icon("overview"), "Overview"], "/", **_current(place.kind == "overview")),
                link(
                    [icon("incidents"), "Incidents", shown if open_incidents else None],
                    "/incidents",
                    **_current(place.kind in {"incidents", "incident"}),
                ),
            ],
            **aria(label="Pages"),
        ),
        html.H2("Models", id="nav-models"),
        html.Nav(models, **aria(labelledby="nav-models")),
        html.Div(
            [
                html.Button([icon("theme"), "Theme", html.Kbd("t")], **data(theme_toggle="1")),
                html.Form(
                    html.Button([icon("out"), "Sign out"], type="submit"),
                    action="/sign-out",
                    method="post",
                )
                if signed
                else None,
            ],
            className="nav-end",
        ),
    ]


def _current(here: bool) -> dict[str, Any]:  # noqa: FBT001
    return {"aria-current": "page"} if here else {}


def register(app: Dash, desk: Desk) -> None:
    @app.callback(Output("nav", "children"), Input("url", "pathname"), Input("revision", "data"))
    def show_navigation(pathname: str | None, _revision: str | None) -> Any:
        with desk.edge("Navigation") as part:
            part.show(navigation(desk.reader.statuses(), read_path(pathname), signed=desk.signed))
        return part.shown

    @app.callback(
        Output("revision", "data"), Input("poll", "n_intervals"), State("revision", "data")
    )
    def look(_n: int | None, known: str | None) -> Any:
        revision = desk.revision()
        return no_update if revision == known else revision

    @app.callback(
        Output("search", "data"), Input("search-box", "opened"), prevent_initial_call=True
    )
    def find(opened: bool) -> Any:  # noqa: FBT001
        return search_index(desk) if opened else no_update

    for output, function, inputs in (
        (Output("theme", "data"), "firstTheme", [Input("mantine", "id")]),
        (Output("mantine", "forceColorScheme"), "scheme", [Input("theme", "data")]),
        (Output("narrow", "data"), "narrow", [Input("mantine", "id")]),
        (Output("unread", "data"), "found", [Input("search", "value")]),
        (Output("news", "children"), "news", [Input("revision", "data")]),
    ):
        in_browser(app, function, output, *inputs)
    for control in ("cohort", "statistic", "dates"):  # a choice goes into the address
        in_browser(
            app,
            control,
            Input(control, "value"),
            State("picked", "data"),
        )


def search_index(desk: Desk) -> list[dict[str, Any]]:
    """List every model and every column of it as a link and a name."""
    statuses = desk.reader.statuses()
    models = [{"value": model_path(s.name), "label": name(s.name)} for s in statuses]
    groups: list[dict[str, Any]] = [{"group": "Models", "items": models}]
    for status in statuses:
        items = [
            {"value": feature_path(status.name, column), "label": name(column)}
            for column in desk.reader.columns(status.name)
        ]
        if items:
            groups.append({"group": name(status.name), "items": items})
    return groups

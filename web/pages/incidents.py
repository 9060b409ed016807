"""All incidents, newest first, in a grid: there may be thousands, and people sort them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import dash_ag_grid as dag
from dash import Dash, Input, Output, html, no_update

from alerts.message import moment, name, place
from monitor.store.queries.views import IncidentRow
from web import components as ui
from web.address import incident_path
from web.desk import Desk
from web.pages.overview import lasted, state_word

THEME = (
    "themeQuartz.withParams({accentColor: 'var(--accent)', backgroundColor: 'var(--panel)', "
    "foregroundColor: 'var(--ink)', textColor: 'var(--ink)', borderColor: 'var(--line)', "
    "headerBackgroundColor: 'var(--panel)', headerTextColor: 'var(--ink-2)', "
    "headerFontWeight: 500, headerFontSize: 12, fontSize: 13, fontFamily: 'inherit', "
    "rowHoverColor: 'var(--sunk)', wrapperBorder: false, wrapperBorderRadius: 0, "
    "headerColumnBorder: false, headerColumnResizeHandleColor: 'transparent', "
    "columnBorder: false, cellHorizontalPadding: 14, browserColorScheme: 'inherit'})"
)


def layout() -> html.Div:
    bones = [html.H1("Incidents"), ui.skeleton(420)]
    return html.Div(html.Div(bones, className="bones"), id="incidents")


def register(app: Dash, desk: Desk) -> None:
    @app.callback(
        Output("incidents", "children"),
        Input("url", "search"),
        Input("revision", "data"),
        Input("narrow", "data"),
    )
    def show(search: str | None, revision: str | None, narrow: Any) -> Any:
        if revision is None or narrow is None:
            return no_update
        with desk.edge("The incidents") as part:
            part.show(_page(desk, search, narrow=bool(narrow)))
        return part.shown


def _page(desk: Desk, search: str | None, *, narrow: bool) -> list[Any]:
    query = desk.query(search)
    timezone, zone = desk.zone(query)
    rows = desk.reader.incidents(model=query.model)
    marks = [s.watermark for s in desk.reader.statuses() if s.watermark is not None]
    now = max(marks, default=desk.clock()).astimezone(zone)
    return [
        ui.head(title="Incidents", sentence=_sentence(rows)),
        _grid(rows, timezone, now, narrow=narrow) if rows else _none(),
        html.Footer(f"Times in {place(timezone)}", className="foot"),
    ]


def _sentence(rows: tuple[IncidentRow, ...]) -> list[Any]:
    opened = [row for row in rows if row.resolved is None]
    if not rows:
        return ["Nothing has stayed beyond its threshold since the first window."]
    count = f"{len(rows):,} incident{'s' if len(rows) != 1 else ''} so far"
    if not opened:
        return [f"{count}, all resolved."]
    verb = "is" if len(opened) == 1 else "are"
    return [html.Strong(f"{len(opened)} {verb} open"), f"; {count}."]


def _none() -> html.Section:
    return ui.panel(
        "No incidents",
        html.P(
            "An incident opens when a rule's distance stays beyond its threshold for as many "
            "windows as the rule says. It is then listed here and sent to the configured routes.",
            className="quiet",
        ),
    )


def _grid(
    rows: tuple[IncidentRow, ...], timezone: str, now: datetime, *, narrow: bool
) -> html.Section:
    data = [
        {
            "id": row.id,
            "href": incident_path(row.id),
            "number": row.number,
            "title": name(row.title),
            "model": name(row.model),
            "since": row.since.isoformat(),
            "since_text": moment(
                row.since, timezone, year=row.since.astimezone(now.tzinfo).year != now.year
            ),
            "lasted": ((row.resolved or now) - row.since).total_seconds(),
            "lasted_text": lasted(row, now),
            "streams": row.streams,
            "state": row.state,
            "state_text": state_word(row),
        }
        for row in rows
    ]
    grid = dag.AgGrid(
        id="incident-grid",
        rowData=data,
        columnDefs=_columns(narrow=narrow),
        getRowId="params.data.id",
        columnSize="responsiveSizeToFit",
        defaultColDef={"sortable": True, "resizable": True, "suppressHeaderMenuButton": True},
        dashGridOptions={
            "domLayout": "autoHeight",
            "rowHeight": 58 if narrow else 44,
            "headerHeight": 40,
            "pagination": len(rows) > 50,
            "paginationPageSize": 50,
            "suppressCellFocus": False,
            "animateRows": False,
            "theme": {"function": THEME},
        },
        className="grid",
        style={"height": None},
        dangerously_allow_code=False,
    )
    return ui.panel(None, grid, className="flush")


def _columns(*, narrow: bool) -> list[dict[str, Any]]:
    title = {
        "field": "title",
        "headerName": "What moved",
        "width": 420,
        "minWidth": 170,
        "cellRenderer": "IncidentLink",
        "cellRendererParams": {"narrow": narrow},
    }
    state = {
        "field": "state",
        "headerName": "State",
        "width": 128,
        "suppressSizeToFit": True,
        "cellRenderer": "StatePill",
    }
    if narrow:
        return [title, state]
    return [
        {"field": "number", "headerName": "No.", "width": 80, "sort": "desc", "cellClass": "quiet"},
        title,
        {"field": "model", "headerName": "Model", "width": 170, "minWidth": 120},
        {"field": "since", "headerName": "Since", "width": 180, "cellRenderer": "TextOf"},
        {"field": "lasted", "headerName": "Lasted", "width": 140, "cellRenderer": "TextOf"},
        {"field": "streams", "headerName": "Streams", "width": 104, "type": "rightAligned"},
        state,
    ]

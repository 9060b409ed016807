"""The model's sheet on its page: the figure, with names, incidents and the readout laid over it."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from alerts.message import GAP, cohort, duration, moment, name, number, place
from monitor.store.queries.views import ModelView
from web import components as ui
from web import controls
from web.address import STATISTICS, feature_path, incident_path, model_path, write_query
from web.browser import aria, data
from web.desk import Desk
from web.figures import scale
from web.figures.plan import Plan, Row, plan
from web.figures.readout import readout
from web.figures.sheet import cohort_step, sheet
from web.pages.model_table import as_table


def sheet_of(desk: Desk, view: ModelView, shown: controls.Shown, *, narrow: bool) -> list[Any]:
    with desk.edge("The sheet") as part:
        laid = plan(view, narrow=narrow, opened=shown.query.opened)
        data = readout(view, laid, timezone=shown.timezone)
        for row, made in zip(
            [r for r in laid.rows if r.kind != "heading"], data["rows"], strict=True
        ):
            made["href"] = _row_href(view, row, shown)
        figure = sheet(view, laid, shown.zone)
        part.show(
            html.Section(
                [
                    dcc.Store(
                        id="sheet-data", data={"figure": figure.to_plotly_json(), "readout": data}
                    ),
                    _chart(view, laid, shown),
                    html.Div(className="chart-list", id="sheet-list", hidden=not narrow),
                ],
                className="panel sheet narrow" if narrow else "panel sheet",
                **aria(label=f"{name(view.status.name)} through time"),
            )
        )
    return [part.shown, _foot(view, shown), as_table(view, shown)]


def _chart(view: ModelView, laid: Plan, shown: controls.Shown) -> html.Div:
    names = [_name(view, laid, row, shown) for row in laid.rows]
    return html.Div(
        [
            html.Div(
                dcc.Graph(
                    id="sheet-graph",
                    figure={"data": [], "layout": {"height": laid.height}},
                    config={"staticPlot": True, "displayModeBar": False, "responsive": True},
                    style={"height": laid.height},
                ),
                className="chart-graph",
                **aria(hidden="true"),
            ),
            html.Div(className="chart-surface", tabIndex=0, role="slider", **_surface(view)),
            html.Div([n for n in names if n is not None], className="chart-names"),
            html.Div(_tags(view, laid), className="chart-tags"),
            html.Div(className="chart-readout"),
        ],
        className="chart",
        id="sheet",
        **data(chart="sheet"),
        style={"height": laid.height, "--left": f"{laid.left}px", "--right": f"{laid.right}px"},
    )


def _surface(view: ModelView) -> dict[str, Any]:
    label = (
        f"The line through all rows. {name(view.status.name)}, "
        f"{len(view.features.columns)} columns and {len(view.incidents)} incidents in this range. "
        "Left and right move it by a window, with Shift by a day."
    )
    last = max(len(view.times) - 1, 0)
    return {"aria-label": label, "aria-valuemin": 0, "aria-valuemax": last, "aria-valuenow": last}


def _row_href(view: ModelView, row: Row, shown: controls.Shown) -> str | None:
    model = view.status.name
    match row.kind:
        case "feature":
            return feature_path(model, view.features.columns[row.index]) + write_query(shown.query)
        case "missing":
            return feature_path(model, view.missing.columns[row.index]) + write_query(shown.query)
        case "cohort" if view.by_cohort is not None:
            chosen = view.by_cohort.cohorts[row.index]
            return model_path(model) + write_query(shown.query, cohort=chosen)
        case "confidence" if view.score is not None:
            return feature_path(model, view.score.column) + write_query(shown.query)
    return None


def _name(view: ModelView, laid: Plan, row: Row, shown: controls.Shown) -> html.Div | None:
    place_at = {"top": row.top, "height": row.height}
    if row.kind == "heading":
        parts: list[Any] = [
            html.H2(row.title) if row.title else None,
            html.Span(row.note, className="note"),
        ]
        if row.more is not None:
            opened = (*shown.query.opened, row.more)
            href = model_path(view.status.name) + write_query(shown.query, opened=opened)
            text = f"{row.hidden} more" if row.shown else f"show {row.hidden}"
            parts.append(ui.link(text, href, className="more", **data(stay="1")))
        return html.Div(parts, className="row-heading", style=place_at)
    where = _row_href(view, row, shown)
    if row.kind in {"feature", "cohort", "missing"}:
        text, full, strong = _lane(view, row, narrow=laid.narrow)
        inner = ui.link(text, where or "?", title=full)
        return html.Div(
            inner, className="row-lane strong" if strong else "row-lane", style=place_at
        )
    notes = [html.Span(text) for text in _notes(view, row, narrow=laid.narrow)]
    title = html.H2(ui.link(row.title, where) if where else row.title)
    above = 50 if row is laid.rows[0] else 24  # the first has the time labels between
    style = {"top": row.top - above, "height": 22} if laid.narrow else place_at
    return html.Div([title, *notes], className="row-panel", style=style)


def _notes(view: ModelView, row: Row, *, narrow: bool) -> list[str]:
    if narrow or row.kind != "confidence":
        return [row.note]
    return [
        row.note,
        f"dark: 95{GAP}% sampling error",
        f"shades: 50, 80{GAP}% of {view.status.noun}",
        "dashes: baseline mean",
    ]


def _lane(view: ModelView, row: Row, *, narrow: bool) -> tuple[str, str, bool]:
    """Return what names a lane, its name in full, and whether it is beyond normal now."""
    if row.kind == "cohort":
        assert view.by_cohort is not None
        chosen = view.by_cohort.cohorts[row.index]
        return " × ".join(name(value) for _, value in chosen), cohort(chosen), False
    if row.kind == "missing":
        column = view.missing.columns[row.index]
        return _tail(column, 10) + " ∅" if narrow else f"{name(column)} missing", column, False
    lanes = view.features
    column, role = lanes.columns[row.index], lanes.roles[row.index]
    strong = role != "context" and is_beyond(
        lanes.values[row.index], float(lanes.normal[row.index])
    )
    if narrow:
        return _tail(column, 12), column, strong
    return name(column) + (" (prediction)" if role == "prediction" else ""), column, strong


def _tail(column: str, most: int) -> str:
    """Shorten a name; of a nested one keep the end, which tells it from its siblings."""
    text = name(column)
    if len(text) <= most:
        return text
    last = text.rpartition(".")[2]
    return f"…{last}" if last != text and len(last) < most else f"{text[: most - 1]}…"


def _tags(view: ModelView, laid: Plan) -> list[Any]:
    """Name each incident at its start, by a link over the chart."""
    length = view.end - view.start
    top = laid.rows[0].top if laid.rows else 0
    inside = [s for s in view.incidents if s.start < view.end and (s.end or view.end) > view.start]
    inside.sort(key=lambda span: span.start)
    nexts = [span.start for span in inside[1:]] + [view.end]
    tags = []
    for span, following in zip(inside, nexts, strict=False):  # of none there is still an end
        at = max(0.0, (span.start - view.start) / length)
        room = (following - max(span.start, view.start)) / length
        state = "open" if span.end is None else "resolved"
        long = f"Incident {span.number} · {state} · {duration((span.end or view.end) - span.start)}"
        text = _fitting(long, span.number, room * (250 if laid.narrow else 760))
        ends = at > 0.97  # too near the right end even for a number
        kind = "tag" if span.end is None else "tag closed"
        tags.append(
            ui.link(
                text,
                incident_path(span.id),
                className=f"{kind} ends" if ends else kind,
                title=f"{long}: {span.title}",
                style={"top": top - 2, "--at": f"{at:.5f}"},
                **aria(label=f"{long}: {span.title}"),
            )
        )
    return tags


def _fitting(long: str, number: int, room_px: float) -> str:
    """Choose the longest name that has room; a number always stands."""
    names = (long, f"Incident {number}", str(number))
    return next((text for text in names if 16 + 6.2 * len(text) <= room_px), names[-1])


def _foot(view: ModelView, shown: controls.Shown) -> html.Footer:
    statistic = STATISTICS[view.statistic]
    steps = " ".join(f"{k:g}" for k in scale.RATIO_STEPS)
    legends: list[Any] = [
        html.Span(
            [f"{statistic}: normal", _ramp("seq", 6), f"{scale.RATIO_STEPS[-1]:g}× normal"],
            className="legend",
            title=f"steps at {steps} times normal",
        )
    ]
    if view.by_cohort is not None:
        step = cohort_step(view) * 4
        ends = f"{100 * step:g} points" if step <= 1 and view.score else number(step)
        legends.append(
            html.Span([f"cohorts: −{ends}", _ramp("div", 9), f"+{ends}"], className="legend")
        )
    until = view.status.watermark
    last = f"decided up to {moment(until, shown.timezone)}" if until else "nothing decided yet"
    right = f"Times in {place(shown.timezone)} · windows of {duration(view.status.width)} · {last}"
    return html.Footer([*legends, html.Span(right, className="foot-right")], className="foot")


def _ramp(kind: str, count: int) -> html.Span:
    cells = [html.I(style={"background": f"var(--{kind}-{k})"}) for k in range(count)]
    return html.Span(cells, className="ramp", **aria(hidden="true"))


def last_known(values: Any) -> int | None:
    known = [k for k, v in enumerate(values) if v == v]  # noqa: PLR0124 - NaN is unlike itself
    return known[-1] if known else None


def is_beyond(values: Any, normal: float) -> bool:
    last = last_known(values)
    return last is not None and float(values[last]) > normal

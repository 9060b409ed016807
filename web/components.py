"""The pieces pages are made of: state marks, sentences, heads, panels, tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from dash import html

from alerts.message import Spans, duration, moment, name
from monitor.store.queries.views import ModelState, ModelStatus
from web.browser import aria, data
from web.figures.marks import Element

STATES: Mapping[ModelState, str] = {
    "firing": "Firing",
    "pending": "Pending",
    "normal": "Normal",
    "stale": "Stale",
    "failed": "Failing to read",
    "starting": "Starting",
}


def words(spans: Spans | str) -> list[Any]:
    """Turn a sentence of `alerts.message` into text and emphasis."""
    if isinstance(spans, str):
        return [spans]
    return [html.Strong(span.text) if span.strong else span.text for span in spans]


def picture(element: Element, *, class_name: str = "picture") -> html.Div:
    """Place an inline SVG; `assets/draw.js` builds it from the data."""
    return html.Div(className=class_name, **data(svg=json.dumps(element)))


def icon(kind: str) -> html.Span:
    return html.Span(className=f"icon icon-{kind}", **aria(hidden="true"))


def mark(state: str) -> html.Span:
    """Draw the shape of a state; its word stands beside it or in the label of the whole."""
    return html.Span(className=f"mark mark-{state}", **aria(hidden="true"))


def pill(state: str, text: str) -> html.Span:
    return html.Span([mark(state), text], className=f"pill pill-{state}")


def standing(status: ModelStatus, timezone: str, *, now: datetime | None = None) -> html.Span:
    """Say the state of a model in a pill: since when, or how far behind."""
    text = STATES[status.state]
    if status.state == "stale" and status.watermark is not None:
        text = f"Stale, {duration(timedelta(seconds=status.lag_s))} behind"
    elif status.state in {"firing", "pending"} and status.since is not None:
        told = (
            duration(now - status.since)
            if now is not None
            else f"since {moment(status.since, timezone)}"
        )
        text = f"{text} {told}"
    return pill(status.state, text)


def link(children: Any, href: str, **more: Any) -> html.A:
    return html.A(children, href=href, **more)


def crumbs(*steps: tuple[str, str | None]) -> html.Nav:
    parts: list[Any] = []
    for k, (text, href) in enumerate(steps):
        if k:
            parts.append(html.Span("/", className="crumb-sign", **aria(hidden="true")))
        parts.append(link(text, href) if href else html.Span(text))
    return html.Nav(parts, className="crumbs", **aria(label="Where this is"))


def head(
    *,
    title: str,
    sentence: Sequence[Any],
    trail: html.Nav | None = None,
    notes: Sequence[Any] = (),
    controls: Sequence[Any] = (),
) -> html.Header:
    """Open a page: where it is, its name and state, one sentence, and the controls at the right."""
    return html.Header(
        [
            trail,
            html.Div(
                [
                    html.Div([html.H1(name(title), title=title), *notes], className="title"),
                    html.Div(list(controls), className="controls"),
                ],
                className="title-row",
            ),
            html.P(list(sentence), className="sentence"),
        ],
        className="head",
    )


def panel(
    title: str | None, *children: Any, note: Any = None, aside: Any = None, **more: Any
) -> html.Section:
    top = None
    if title is not None:
        parts = [html.H2(title), html.Span(note, className="note") if note else None]
        top = html.Div([html.Div(parts, className="panel-name"), aside], className="panel-top")
    class_name = f"panel {more.pop('className', '')}".strip()
    return html.Section([top, *children], className=class_name, **more)


def command(text: str) -> html.Div:
    """Show a command with a button that copies it."""
    button = html.Button("Copy", **aria(label=f"Copy {text}"), **data(copy=text))
    return html.Div([html.Code(text), button], className="command")


def failed(what: str, reference: str) -> html.Div:
    """Stand in for a part that could not be drawn, while the others could."""
    return html.Div(
        [
            html.Strong(f"{what} could not be drawn"),
            html.P("Everything else is not affected. The log says why, under this id."),
            html.P(
                [
                    html.A("Try again", href="", className="button", **data(reload="1")),
                    html.Span(["id ", html.Code(reference)], className="quiet"),
                ],
                className="failed-acts",
            ),
        ],
        className="failed",
        role="alert",
    )


def skeleton(height: int) -> html.Div:
    """Hold a panel's own place while its numbers come, so that nothing jumps."""
    return html.Div(
        [
            html.Div(className="bone bone-line"),
            html.Div(className="bone", style={"height": height}),
        ],
        className="panel skeleton",
        **aria(hidden="true"),
    )


def _cells(headings: Sequence[Any], row: Sequence[Any]) -> list[html.Td]:
    return [html.Td(cell, **data(name=h)) for h, cell in zip(headings, row, strict=True)]


def table(
    headings: Sequence[Any], rows: Sequence[Sequence[Any]], *, label: str, **more: Any
) -> html.Div:
    """Lay out a semantic table that scrolls sideways by itself where it must."""
    return html.Div(
        html.Table(
            [
                html.Thead(html.Tr([html.Th(h, scope="col") for h in headings])),
                html.Tbody([html.Tr(_cells(headings, row)) for row in rows]),
            ],
            **aria(label=label),
            **more,
        ),
        className="table-scroll",
        tabIndex=0,
        role="region",
        **aria(label=label),
    )

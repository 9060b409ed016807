"""A model without results: the way to them, instead of empty charts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from dash import html

from alerts.message import duration, model_sentence, name
from monitor.config import Model
from monitor.store.queries.views import ModelStatus
from web import components as ui
from web.browser import aria


def the_way(status: ModelStatus, model: Model | None, timezone: str) -> list[Any]:
    """Show what is done and what comes, and the one command that would help."""
    sentence = ui.words(
        model_sentence(state=status.state, since=None, noun=status.noun, timezone=timezone)
    )
    trail = ui.crumbs(("Overview", "/"), (name(status.name), None))
    notes = [ui.standing(status, timezone)]
    head = ui.head(title=status.name, sentence=sentence, trail=trail, notes=notes)
    return [
        head,
        html.Div([_steps(status, model), _what_will_be()], className="columns wide-narrow"),
    ]


def _steps(status: ModelStatus, model: Model | None) -> html.Section:
    counts = status.windows
    known = sum((counts.pending, counts.running, counts.done, counts.failed, counts.dirty))
    wait = model.lateness if model is not None else timedelta(0)
    late = f", and {duration(wait)} more are left for late rows" if wait else ""
    table = "the log" if model is None else name(model.log.table or "in files")
    steps = [
        _step(
            "done", "Configured", f"The log is {table}; one row is one of the {name(status.noun)}."
        ),
        _step(
            "done" if known else "next",
            "Windows planned",
            f"{known:,} windows of {duration(status.width)} are known, {counts.failed:,} failed."
            if known
            else "No window is planned yet. The daemon plans them; a backfill reads history:",
            command=None if known else f"monitor backfill --model {status.name}",
        ),
        _step(
            "next" if known else "later",
            "First window",
            f"A window closes {duration(status.width)} after it opens{late}. "
            "Score, volume and missing values show from here on.",
            command="monitor run" if known else None,
        ),
        _step(
            "later",
            "Rules begin to judge",
            "Each rule needs its own width of windows, and enough rows.",
        ),
    ]
    error = html.P(name(status.last_error), className="quiet") if status.last_error else None
    return ui.panel("From here to the first picture", html.Ol(steps, className="way"), error)


def _step(state: str, title: str, text: str, *, command: str | None = None) -> html.Li:
    words = {"done": "done", "next": "next", "later": "later"}[state]
    return html.Li(
        [
            html.Span(className=f"step step-{state}", **aria(hidden="true")),
            html.Div(
                [
                    html.Strong([title, html.Span(f", {words}", className="unseen")]),
                    html.P(text),
                    ui.command(command) if command else None,
                ]
            ),
        ]
    )


def _what_will_be() -> html.Section:
    quiet = html.P(
        "No numbers are shown before there are rows. An empty chart is not a zero.",
        className="quiet",
    )
    frames = [
        html.Div([html.H3(title), html.Div(text, className="dashed", style={"height": height})])
        for title, text, height in (
            ("Confidence", "waits for the first window", 84),
            ("Distance from normal", "needs the width of each rule", 62),
            ("Features", "the columns of the baseline", 52),
        )
    ]
    return ui.panel("What will be here", quiet, *frames)

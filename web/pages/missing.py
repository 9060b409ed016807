"""A path that leads nowhere."""

from __future__ import annotations

from dash import html

from web import components as ui


def layout(pathname: str) -> html.Div:
    sentence = [
        "Nothing is at ",
        html.Code(pathname[:120]),
        ". ",
        ui.link("Back to the overview", "/"),
        ".",
    ]
    return html.Div(ui.head(title="Not found", sentence=sentence))

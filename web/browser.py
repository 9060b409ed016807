"""Attributes for the browser, and functions that run in it."""

from __future__ import annotations

from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State


def aria(**attributes: Any) -> Any:
    """Name ARIA attributes without their prefix.

    >>> aria(label="Range", hidden="true")
    {'aria-label': 'Range', 'aria-hidden': 'true'}
    """
    return {f"aria-{name}": value for name, value in attributes.items()}


def data(**attributes: Any) -> Any:
    """Name data attributes without their prefix; an underscore stands for a hyphen."""
    return {f"data-{name.replace('_', '-')}": value for name, value in attributes.items()}


def in_browser(app: Dash, function: str, *wires: Input | Output | State) -> None:
    """Wire a function of `assets/clientside.js`; the server is never asked."""
    app.clientside_callback(ClientsideFunction("driftline", function), *wires)  # type: ignore[no-untyped-call]

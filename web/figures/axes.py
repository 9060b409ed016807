"""The axes, labels and shades that all time charts share."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from web.figures.timeaxis import plain
from web.theme import token


def time_axis(start: datetime, end: datetime) -> dict[str, Any]:
    """Span a range; its labels are annotations, centred where they belong."""
    return {
        "range": [plain(start), plain(end)],
        "type": "date",
        "visible": False,
        "fixedrange": True,
    }


def value_axis(values: list[float], texts: list[str], **more: Any) -> dict[str, Any]:
    return {
        "range": [values[0], values[-1]],
        "tickvals": values,
        "ticktext": texts,
        "gridcolor": token("line"),
        "zeroline": False,
        "fixedrange": True,
        "ticklabelstandoff": 6,
        **more,
    }


def time_labels(labels: tuple[tuple[datetime, str], ...], *, y: float = 1) -> list[dict[str, Any]]:
    return [
        {
            "x": plain(at),
            "y": y,
            "xref": "x",
            "yref": "paper",
            "yanchor": "top",
            "text": text,
            "showarrow": False,
            "font": {"size": 11, "color": token("ink-2")},
        }
        for at, text in labels
    ]


def shade(
    start: datetime, end: datetime, *, bottom: float, top: float, colour: str = "alarm-wash"
) -> dict[str, Any]:
    """Colour a stretch of time behind everything else."""
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": plain(start),
        "x1": plain(end),
        "y0": bottom,
        "y1": top,
        "layer": "below",
        "fillcolor": token(colour),
        "line": {"width": 0},
    }

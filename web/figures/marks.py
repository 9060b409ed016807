"""Small inline pictures as trees of SVG elements, which `assets/draw.js` builds node by node.

Text becomes text nodes and nothing is parsed as markup, so a hostile name stays a name. Colours
are classes of the stylesheet, so a picture follows the theme by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from monitor.store.queries.views import OverviewRow
from web.figures.timeaxis import segments

Element = list[Any]  # [tag, attributes, children]


def svg(width: float, height: float, children: Sequence[Element], *, label: str) -> Element:
    attributes = {
        "viewBox": f"0 0 {width:g} {height:g}",
        "width": f"{width:g}",
        "height": f"{height:g}",
        "role": "img",
        "aria-label": label,
    }
    return ["svg", attributes, list(children)]


def spark(row: OverviewRow, *, width: int = 172, height: int = 40, label: str = "") -> Element:
    """Draw a model's mean score over the band of normal days."""
    known = np.concatenate([row.mean, row.expected - row.band, row.expected + row.band])
    known = known[np.isfinite(known)]
    if not known.size or len(row.times) < 2:
        return svg(width, height, [], label=label)
    low, high = float(known.min()), float(known.max())
    room = (high - low) or 1.0
    xs = 4 + (width - 10) * np.arange(len(row.times)) / (len(row.times) - 1)

    def y(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return 4 + (height - 8) * (1 - (values - low) / room)

    shapes: list[Element] = []
    upper, lower = y(row.expected + row.band), y(row.expected - row.band)
    for run in segments(np.isfinite(upper) & np.isfinite(lower)):
        edge = [*_points(xs[run], upper[run]), *_points(xs[run][::-1], lower[run][::-1])]
        shapes.append(["path", {"class": "m-normal", "d": _path(edge) + "Z"}, []])
    means = y(row.mean)
    runs = segments(np.isfinite(means))
    lines = (_path(_points(xs[run], means[run])) for run in runs)
    shapes += [["path", {"class": "m-line", "d": line}, []] for line in lines]
    if runs:
        last = runs[-1].stop - 1
        shapes.append(_dot(xs[last], means[last], 2.6, "m-dot"))
    return svg(width, height, shapes, label=label)


def ratio(value: float | None, *, width: int = 96, label: str = "") -> Element:
    """Draw a value in thresholds: grey up to the threshold, the point where the value is."""
    reach = 3.0  # thresholds; what lies beyond is drawn at the end with an arrow

    def x(v: float) -> float:
        return 2 + (width - 12) * min(v, reach) / reach

    shapes: list[Element] = [
        ["path", {"class": "m-rule", "d": f"M2 10H{width - 6}"}, []],
        [
            "rect",
            {"class": "m-normal", "x": 2, "y": 6, "width": _n(x(1) - 2), "height": 8, "rx": 2},
            [],
        ],
    ]
    if value is not None and math.isfinite(value):
        tone = "m-alarm" if value > 1 else "m-quiet"
        shapes.append(_dot(x(value), 10, 3.6, tone))
        if value > reach:
            shapes.append(["path", {"class": "m-arrow", "d": f"M{width - 5} 6l4 4l-4 4"}, []])
    return svg(width, 20, shapes, label=label)


def trail(
    values: Sequence[float], latest: float | None, *, width: int = 210, label: str = ""
) -> Element:
    """Draw a distance over the range it had in earlier spans of the same width."""
    past = [v for v in values if math.isfinite(v)]
    top = max([*past, latest or 0.0, 1e-12]) * 1.08

    def x(v: float) -> float:
        return 4 + (width - 8) * v / top

    shapes: list[Element] = [["path", {"class": "m-rule", "d": f"M4 10H{width - 4}"}, []]]
    if past:
        low, high = x(min(past)), x(max(past))
        shape = {
            "class": "m-normal",
            "x": _n(low),
            "y": 5,
            "width": _n(max(high - low, 3)),
            "height": 10,
            "rx": 3,
        }
        shapes.append(["rect", shape, []])
    if latest is not None:
        tone = "m-alarm" if past and latest > max(past) else "m-quiet"
        shapes.append(_dot(x(latest), 10, 3.8, tone))
    return svg(width, 20, shapes, label=label)


def moved(value: float, threshold: float, top: float, *, label: str = "") -> Element:
    """Draw how far a stream went: grey up to its threshold, the point at its worst.

    It is measured in per cent, so that it fills whatever width it is given.
    """

    def at(v: float) -> str:
        return f"{1 + 96 * min(v / top, 1):.1f}%"

    grey = {
        "class": "m-normal",
        "x": "1%",
        "y": 6,
        "width": f"{96 * threshold / top:.1f}%",
        "height": 8,
        "rx": 2,
    }
    rule = {"class": "m-alarm-line", "x1": at(threshold), "x2": at(value), "y1": 10, "y2": 10}
    over = value > threshold
    point = {"class": "m-alarm" if over else "m-quiet", "cx": at(value), "cy": 10, "r": 4}
    shapes: list[Element] = [["rect", grey, []]]
    if over:
        shapes.append(["line", rule, []])
    shapes.append(["circle", point, []])
    return ["svg", {"width": "100%", "height": "20", "role": "img", "aria-label": label}, shapes]


def interval(
    low: float, value: float, high: float, mark: float, *, width: int = 96, label: str = ""
) -> Element:
    """Draw a rate with its interval: grey up to what was promised."""
    top = max(high, 2 * mark) * 1.05

    def x(v: float) -> str:
        return _n(4 + (width - 8) * v / top)

    tone = "m-alarm" if low > mark else "m-quiet"
    shapes: list[Element] = [
        ["path", {"class": "m-rule", "d": f"M4 10H{width - 4}"}, []],
        [
            "rect",
            {"class": "m-normal", "x": 4, "y": 6, "width": _n(float(x(mark)) - 4), "height": 8,
             "rx": 2},
            [],
        ],
        ["path", {"class": "m-span", "d": f"M{x(low)} 10H{x(high)}"}, []],
        _dot(float(x(value)), 10, 3.6, tone),
    ]  # fmt: skip
    return svg(width, 20, shapes, label=label)


def _dot(x: float, y: float, radius: float, tone: str) -> Element:
    return ["circle", {"class": tone, "cx": _n(x), "cy": _n(y), "r": radius}, []]


def _points(xs: np.ndarray[Any, Any], ys: np.ndarray[Any, Any]) -> list[tuple[float, float]]:
    return list(zip(xs.tolist(), ys.tolist(), strict=True))


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")

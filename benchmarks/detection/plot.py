"""Plots as SVG: the false incidents of each kind of traffic, and how much of a drift is found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.detection.drifts import SHAPES, TARGETS
from benchmarks.detection.results import OURS, WITHIN, Rate, Results
from benchmarks.plot import STYLE

WIDTH, LEFT, RIGHT, ROW, TOP, FOOT = 860, 330, 60, 24, 34, 44


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """From 0 at the left to `high` at the right."""

    high: float
    ticks: Sequence[float]
    note: str

    def x(self, value: float) -> float:
        return LEFT + min(1.0, value / self.high) * (WIDTH - LEFT - RIGHT)


def rates_plot(rates: Sequence[Rate]) -> str | None:
    """Draw false incidents a month of each arm, with their 95 % interval."""
    ours = [rate for rate in rates if rate.system == OURS]
    if not ours:
        return None
    high = max(2.0, np.ceil(max(rate.between[1] for rate in ours)))
    axis = _Axis(
        high=high, ticks=np.arange(0, high + 0.1, 0.5).tolist(),
        note="False incidents a month where nothing drifts, with their 95 % interval. Budget: 1.",
    )  # fmt: skip
    drawn = []
    for at, rate in enumerate(ours):
        y = TOP + ROW * (at + 0.5)
        drawn.append(_label(rate.arm, y))
        drawn.append(_line("mine range", axis.x(rate.between[0]), axis.x(rate.between[1]), y))
        drawn.append(_dot("mine", axis.x(rate.a_month), y))
    height = TOP + ROW * len(ours)
    budget = f'<line class="mine" stroke-dasharray="4 3" x1="{axis.x(1):.1f}" x2="{axis.x(1):.1f}" '
    drawn.append(f'{budget}y1="{TOP - 4}" y2="{height}"/>')
    return _whole("False incidents a month", axis, height, drawn)


def power_plot(arms: Sequence[Results]) -> str | None:
    """Draw how much of each drift is found within a week, over all arms and sizes."""
    tuned = [arm for arm in arms if arm.best]
    if not tuned:
        return None
    axis = _Axis(
        high=1.0, ticks=(0, 0.25, 0.5, 0.75, 1.0),
        note="Found within 7 days, mean over sizes and traffic. Coloured: ours. Grey: the "
        "best tuned peer of each traffic.",
    )  # fmt: skip
    drawn, at = [], 0
    for target in TARGETS:
        for shape in SHAPES:
            powers = _powers(tuned, target, shape)
            if powers is None:
                continue
            ours, theirs = powers
            y = TOP + ROW * (at + 0.5)
            drawn += [
                _label(f"{target}, {shape}", y),
                _line("grid", axis.x(min(ours, theirs)), axis.x(max(ours, theirs)), y),
                _dot("peer", axis.x(theirs), y),
                _dot("mine", axis.x(ours), y),
            ]
            at += 1
    return _whole("Drifts found within a week", axis, TOP + ROW * at, drawn)


def _powers(arms: Sequence[Results], target: str, shape: str) -> tuple[float, float] | None:
    found = [
        (of[OURS].within(WITHIN["7d"]), of[arm.best["7d"]].within(WITHIN["7d"]))
        for arm in arms
        for cell, of in arm.drifts.items()
        if (cell.target, cell.shape) == (target, shape)
    ]
    if not found:
        return None
    ours, theirs = np.mean(found, axis=0).tolist()
    return ours, theirs


def _whole(title: str, axis: _Axis, height: float, drawn: Sequence[str]) -> str:
    size = f'viewBox="0 0 {WIDTH} {height + FOOT}" width="{WIDTH}" height="{height + FOOT}"'
    inside = "\n".join([*_ticks(axis, height), *drawn])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>\n<title>{title}</title>\n'
        f"<style>{STYLE}</style>\n{inside}\n</svg>\n"
    )


def _ticks(axis: _Axis, height: float) -> Iterator[str]:
    for value in axis.ticks:
        x = f"{axis.x(value):.1f}"
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP - 4}" y2="{height}"/>'
        yield f'<text class="small" x="{x}" y="{TOP - 12}" text-anchor="middle">{value:g}</text>'
    yield f'<text class="small" x="20" y="{height + 26}">{axis.note}</text>'


def _label(text: str, y: float) -> str:
    return f'<text x="{LEFT - 14}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'


def _line(kind: str, x1: float, x2: float, y: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _dot(kind: str, x: float, y: float) -> str:
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'

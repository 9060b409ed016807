"""A plot of a job as SVG, written by hand: a dot for each system on a log scale of CPU seconds.

Dots, since bars have no length on a log scale. Filled where all of the work was done, hollow where
it was worked out from a part; a line from the smallest to the largest run. The colours follow the
reader's light or dark mode.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from benchmarks.jobs import DRIFTLINE, Job
from benchmarks.results import Between, Results

WIDTH, ROW, TOP, FOOT = 860, 26, 34, 30
LEFT, RIGHT = 300, 96
STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #3d4450; }
  .ours { font-weight: 600; fill: #14181f; }
  .small { font-size: 11px; fill: #6b7280; }
  .value { font-variant-numeric: tabular-nums; }
  .grid { stroke: #e3e6eb; }
  .peer { fill: #8a94a6; stroke: #8a94a6; }
  .mine { fill: #0b7285; stroke: #0b7285; }
  .part { fill: #ffffff; }
  .range, circle { stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #b8c0cc; }
    .ours { fill: #f1f4f8; }
    .small { fill: #8a94a6; }
    .grid { stroke: #2b313b; }
    .peer { fill: #7d8798; stroke: #7d8798; }
    .mine { fill: #3bc9db; stroke: #3bc9db; }
    .part { fill: #0d1117; }
  }
"""


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """Powers of ten of seconds, from `low` to `high`."""

    low: int
    high: int

    def x(self, seconds: float) -> float:
        part = (math.log10(max(seconds, 10.0**self.low)) - self.low) / (self.high - self.low)
        return LEFT + part * (WIDTH - LEFT - RIGHT)


def plot(job: Job, results: Results) -> str:
    """Draw the CPU seconds of every system, the least first."""
    systems = results.systems(job.id)
    figures = [results.of(job.id, system, "whole_cpu_s") for system in systems]
    low = math.floor(math.log10(max(1e-3, min(of.low for of in figures))))
    axis = _Axis(low=low, high=max(low + 1, math.ceil(math.log10(max(of.high for of in figures)))))
    height = TOP + ROW * len(systems) + FOOT
    drawn = [*_ticks(axis, height)]
    for at, (system, of) in enumerate(zip(systems, figures, strict=True)):
        whole = results.extrapolated(job.id, system) < 1.005
        drawn += _row(system, of, axis, TOP + ROW * at + ROW / 2, whole=whole)
    size = {"viewBox": f"0 0 {WIDTH} {height}", "width": WIDTH, "height": height}
    title = _tag("title", f"{job.id}: {job.title}, CPU time")
    inside = "\n".join([title, f"<style>{STYLE}</style>", *drawn])
    begin = _open("svg", xmlns="http://www.w3.org/2000/svg", role="img", **size)
    return f"{begin}>\n{inside}\n</svg>\n"


def _row(system: str, of: Between, axis: _Axis, y: float, *, whole: bool) -> list[str]:
    ours = system.startswith(DRIFTLINE)
    kind = "mine" if ours else "peer"
    word = "ours" if ours else "theirs"
    line = {"x1": axis.x(of.low), "x2": axis.x(of.high), "y1": y, "y2": y}
    return [
        _tag("text", system, x=LEFT - 14, y=y + 4, text_anchor="end", class_=word),
        _tag("line", class_=f"{kind} range", **line),
        _tag("circle", class_=kind if whole else f"{kind} part", cx=axis.x(of.value), cy=y, r=5),
        _tag(
            "text", _seconds(of.value), x=WIDTH - 8, y=y + 4, text_anchor="end",
            class_=f"value {word}",
        ),
    ]  # fmt: skip


def _ticks(axis: _Axis, height: int) -> Iterator[str]:
    for power in range(axis.low, axis.high + 1):
        x = axis.x(10.0**power)
        yield _tag("line", class_="grid", x1=x, x2=x, y1=TOP - 4, y2=height - FOOT)
        of = {"x": x, "y": TOP - 12, "text_anchor": "middle"}
        yield _tag("text", f"{10.0**power:,g} s", class_="small", **of)
    note = "CPU time, log scale. Line: range of the runs. Hollow: worked out from a part."
    yield _tag("text", note, class_="small", x=LEFT, y=height - 10)


def _tag(name: str, text: str = "", /, **attributes: object) -> str:
    end = f">{escape(text)}</{name}>" if text else "/>"
    return _open(name, **attributes) + end


def _open(name: str, /, **attributes: object) -> str:
    written = [
        f' {key.rstrip("_").replace("_", "-")}="{_short(value)}"'
        for key, value in attributes.items()
    ]
    return f"<{name}{''.join(written)}"


def _short(value: object) -> object:
    return f"{value:.1f}" if isinstance(value, float) else value


def _seconds(value: float) -> str:
    for unit, length in (("h", 3_600.0), ("min", 60.0)):
        if value >= 2 * length:
            return f"{value / length:,.3g} {unit}"
    return f"{value:.3g} s" if value >= 0.1 else f"{1_000 * value:.3g} ms"

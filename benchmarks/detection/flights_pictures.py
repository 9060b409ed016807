"""Draw what really happened to the flights of 2013, for the documentation.

    python -m benchmarks.detection.flights_pictures --folder demo

Thanksgiving's volume, a change of schedule, and missing weather, from the demo's log. What was
paged is told on them by the product's own walk of the past.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from html import escape
from pathlib import Path

import pandas as pd

from benchmarks.detection.flights import HERE, Log, opened
from benchmarks.plot import STYLE
from monitor.calibration import Page, calibrate
from profiles.windows import Window

WIDTH, HEIGHT, LEFT, RIGHT, TOP, FOOT = 860, 230, 52, 20, 54, 34
MORE = """
  .line { fill: none; stroke: #0b7285; stroke-width: 2; }
  .usual { fill: none; stroke: #8a94a6; stroke-width: 1.5; stroke-dasharray: 4 3; }
  .paged { fill: #c92a2a; }
  .off { fill: #8a94a6; opacity: 0.15; }
  @media (prefers-color-scheme: dark) {
    .line { stroke: #3bc9db; }
    .paged { fill: #ff8787; }
  }
"""
WEEKS = 8  # before, that say what is usual
Point = tuple[datetime, float]


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """From one moment to another, and from 0 to `high`."""

    start: datetime
    end: datetime
    high: float

    def x(self, at: datetime) -> float:
        return LEFT + (at - self.start) / (self.end - self.start) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - FOOT - value / self.high * (HEIGHT - FOOT - TOP)


def volume(flights: pd.DataFrame, pages: Sequence[Page], log: Log) -> str:
    """Draw the flights of each hour around Thanksgiving, and what is usual at that hour."""
    first, days = date(2013, 11, 25), 9
    hourly = flights.groupby(["day", "hour"]).size()
    came, usual = [], []
    for day in (first + timedelta(days=at) for at in range(days)):
        before = [day - timedelta(weeks=week) for week in range(1, WEEKS + 1)]
        before = [each for each in before if not _is_off(log, each)]
        for hour in range(24):
            at = datetime.combine(day, datetime.min.time()) + timedelta(hours=hour + 0.5)
            came.append((at, float(hourly.get((day, hour), 0))))
            like = pd.Series([hourly.get((each, hour), 0) for each in before])
            usual.append((at, float(like.median())))
    frame = _Frame(start=_midnight(first), end=_midnight(first, days), high=100)
    off = [first + timedelta(days=at) for at in range(days)]
    drawn = [
        *_side(frame, (0, 50, 100), ""),
        *(_band(frame, day, "holiday") for day in off if _is_off(log, day)),
        _path(frame, usual, "usual"), _path(frame, came, "line"),
        *_pages(frame, [of for of in pages if _tells(of, "rows")], "page: too few flights"),
        *(_foot(frame, _midnight(day, 0.5), f"{day:%a} {day.day} {day:%b}") for day in off),
    ]  # fmt: skip
    return _whole(
        "Flights an hour around Thanksgiving; dashed: the median of the same hours of eight weeks "
        "before", drawn,
    )  # fmt: skip


def schedule(flights: pd.DataFrame, pages: Sequence[Page]) -> str:
    """Draw the share of ExpressJet among the flights of LaGuardia."""
    first, days = date(2013, 8, 1), 61
    of = flights[flights["origin"] == "LGA"]
    share = (of["carrier"] == "EV").groupby(of["day"]).mean()
    frame = _Frame(start=_midnight(first), end=_midnight(first, days), high=0.2)
    points = [
        (_midnight(day, 0.5), value)
        for day, value in zip(share.index.tolist(), share.tolist(), strict=True)
    ]
    inside = [(at, value) for at, value in points if frame.start <= at < frame.end]
    drawn = [
        *_side(frame, (0, 0.1, 0.2), "%"), *_months(frame, first, days, (1, 15)),
        *(_dot(frame, at, value, weekend=at.weekday() >= 5) for at, value in inside),
        *_pages(frame, [of for of in pages if _tells(of, "carrier")], "page: carriers"),
    ]  # fmt: skip
    return _whole(
        "ExpressJet's share of the flights from LaGuardia, by day (hollow: Saturday, Sunday)", drawn
    )


def weather(flights: pd.DataFrame, pages: Sequence[Page], log: Log) -> str:
    """Draw the share of flights without a temperature."""
    first = log.clock.date(log.clock.place(log.past.span.start)[0])
    days = (log.clock.date(log.clock.place(log.past.span.end)[0]) - first).days + 1
    share = flights["weather.temp"].isna().groupby(flights["day"]).mean()
    frame = _Frame(start=_midnight(first), end=_midnight(first, days), high=0.2)
    bars = [
        f'<line class="line" x1="{frame.x(_midnight(day, 0.5)):.1f}" '
        f'x2="{frame.x(_midnight(day, 0.5)):.1f}" y1="{frame.y(0):.1f}" '
        f'y2="{frame.y(min(value, frame.high)):.1f}"/>'
        for day, value in zip(share.index.tolist(), share.tolist(), strict=True)
        if value > 0
    ]
    level = [(frame.start, 0.05), (frame.end, 0.05)]
    drawn = [
        *_side(frame, (0, 0.1, 0.2), "%"), *_months(frame, first, days, (1,)),
        _path(frame, level, "usual"), *bars,
        *_pages(frame, [of for of in pages if of.counts and _tells(of, "weather.")], "pages"),
    ]  # fmt: skip
    return _whole(
        "Flights without a temperature, by day (31 December: all); dashed: 5 %, as was planted",
        drawn,
    )  # fmt: skip


def _tells(page: Page, column: str) -> bool:
    told = [*(of.column for of in page.broken), *(of.stream.column for of in page.moved)]
    return bool(told) and told[0].startswith(column)


def _is_off(log: Log, day: date) -> bool:
    return log.clock.is_off(log.clock.place(datetime.combine(day, datetime.min.time(),
                                                             log.clock.zone))[0])  # fmt: skip


def _midnight(day: date, days: float = 0) -> datetime:
    return datetime.combine(day, datetime.min.time()) + timedelta(days=days)


def _pages(frame: _Frame, pages: Sequence[Page], said: str) -> Iterator[str]:
    """Mark the days on which pages began, above the frame; the first says what it was."""
    days = [_midnight(page.first, 0.5) for page in pages]
    inside = [frame.x(day) for day in days if frame.start <= day < frame.end]
    y = TOP - 14
    for x in inside:
        yield f'<circle class="paged" cx="{x:.1f}" cy="{y}" r="4"/>'
    for x in inside[:1]:
        yield _text(said, x + 9, y + 4, "small")


def _band(frame: _Frame, day: date, said: str) -> str:
    low, high = (frame.x(_midnight(day, at)) for at in (0, 1))
    band = (
        f'<rect class="off" x="{low:.1f}" y="{TOP}" width="{high - low:.1f}" '
        f'height="{frame.y(0) - TOP:.1f}"/>'
    )
    return band + _text(said, low + 5, TOP + 14, "small")


def _path(frame: _Frame, points: Sequence[Point], kind: str) -> str:
    steps = " ".join(f"{frame.x(at):.1f},{frame.y(value):.1f}" for at, value in points)
    return f'<polyline class="{kind}" points="{steps}"/>'


def _dot(frame: _Frame, at: datetime, value: float, *, weekend: bool) -> str:
    kind = "mine part" if weekend else "mine"
    return f'<circle class="{kind}" cx="{frame.x(at):.1f}" cy="{frame.y(value):.1f}" r="3.5"/>'


def _side(frame: _Frame, values: Sequence[float], unit: str) -> Iterator[str]:
    for value in values:
        y = f"{frame.y(value):.1f}"
        said = f"{100 * value:.0f} %" if unit else f"{value:g}"
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        yield (f'<text class="small" x="{LEFT - 8}" y="{y}" dy="4" text-anchor="end">{said}</text>')


def _months(frame: _Frame, first: date, days: int, on: Sequence[int]) -> Iterator[str]:
    for day in (first + timedelta(days=at) for at in range(days)):
        if day.day in on:
            yield _foot(frame, _midnight(day), f"{day.day} {day:%b}")


def _foot(frame: _Frame, at: datetime, said: str) -> str:
    return (
        f'<text class="small" x="{frame.x(at):.1f}" y="{HEIGHT - FOOT + 18}" '
        f'text-anchor="middle">{said}</text>'
    )


def _text(said: str, x: float, y: float, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(said)}</text>'


def _whole(title: str, drawn: Sequence[str]) -> str:
    said = escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}">\n<title>{said}</title>\n<style>{STYLE}{MORE}</style>\n'
        f'<text class="ours" x="{LEFT - 30}" y="20">{said}</text>\n'
        + "\n".join(drawn)
        + "\n</svg>\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.detection.flights_pictures", description=__doc__
    )
    parser.add_argument("--folder", type=Path, default=HERE / ".data" / "flights")
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "images")
    asked = parser.parse_args()
    log = opened(asked.folder)
    pages = calibrate(log.engine, log.config, log.name).pages
    span = Window(start=log.past.span.start, end=log.past.span.end)
    flights = log.table(log.rows(span))
    pictures = {
        "volume": volume(flights, pages, log),
        "schedule": schedule(flights, pages),
        "weather": weather(flights, pages, log),
    }
    for name, drawn in pictures.items():
        (asked.out / f"flights-{name}.svg").write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

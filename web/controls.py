"""The controls at the head of a page: range, dates, cohort, statistic; each an address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from alerts.message import GAP, cohort, name
from monitor.store.queries.views import Cohort
from web.address import STATISTICS, Query, write_cohort, write_query
from web.browser import aria
from web.components import icon, link

PRESETS = (
    (timedelta(hours=24), f"24{GAP}h"),
    (timedelta(days=7), f"7{GAP}d"),
    (timedelta(days=14), f"14{GAP}d"),
    (timedelta(days=30), f"30{GAP}d"),
    (timedelta(days=90), f"90{GAP}d"),
)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The range a page shows, and what lies around it."""

    query: Query
    start: datetime
    end: datetime
    extent: tuple[datetime, datetime]
    zone: tzinfo
    timezone: str


def range_controls(shown: Shown) -> list[Any]:
    """Presets, dates, one range back and on: all links but the dates, so that each has a URL."""
    width = shown.end - shown.start
    chosen = None if shown.query.start else width
    presets = [
        link(
            text,
            write_query(shown.query, start=None, end=None, width=span) or "?",
            className="chosen" if span == chosen else "",
            **({"aria-current": "true"} if span == chosen else {}),
        )
        for span, text in PRESETS
    ]
    last = (shown.end - timedelta(seconds=1)).astimezone(shown.zone)
    dates = dmc.DatePickerInput(
        id="dates",
        type="range",
        value=[f"{shown.start.astimezone(shown.zone):%Y-%m-%d}", f"{last:%Y-%m-%d}"],
        valueFormat="D MMM",
        leftSection=icon("calendar"),
        allowSingleDateInRange=True,
        numberOfColumns=2,
        firstDayOfWeek=1,
        weekendDays=[],  # red would say alarm
        className="dates chosen" if chosen is None else "dates",
        **aria(label="Dates shown"),
    )
    return [
        html.Div(
            [html.Nav(presets, **aria(label="Range"), className="presets"), dates],
            className="segments",
        ),
        html.Div([_step(shown, -width), _step(shown, width)], className="segments steps"),
    ]


def _step(shown: Shown, by: timedelta) -> html.A | html.Span:
    back = by < timedelta(0)
    kind, label = ("back", "One range back") if back else ("on", "One range on")
    ended = shown.start <= shown.extent[0] if back else shown.end >= shown.extent[1]
    if ended:
        return html.Span(icon(kind), className="off", **aria(hidden="true"))
    start, end = shown.start + by, shown.end + by
    changes: dict[str, Any] = {"start": start, "end": end, "width": None}
    if end >= shown.extent[1]:  # the right end again: follow what comes
        changes = {"start": None, "end": None, "width": shown.end - shown.start}
    href = write_query(shown.query, **changes) or "?"
    return link(icon(kind), href, id=f"range-{kind}", **aria(label=label))


def cohort_picker(cohorts: Sequence[Cohort], chosen: Cohort, noun: str) -> dmc.Select:
    known = [*cohorts, *([] if chosen == () or chosen in cohorts else [chosen])]
    groups: dict[str, list[dict[str, str]]] = {}
    for one in known:
        label = cohort(one) if len(one) != 1 else name(one[0][1])
        group = " × ".join(name(column) for column, _ in one)
        groups.setdefault(group, []).append({"value": write_cohort(one), "label": label})
    data: list[Any] = [{"value": "all", "label": f"All {noun}"}]
    data += [{"group": group, "items": items} for group, items in groups.items()]
    return dmc.Select(
        id="cohort",
        data=data,
        value=write_cohort(chosen) or "all",
        searchable=True,
        allowDeselect=False,
        nothingFoundMessage="No such cohort",
        comboboxProps={"width": 220, "position": "bottom-start"},
        className="picker",
        **aria(label="Cohort"),
    )


def statistic_picker(chosen: str) -> dmc.Select:
    return dmc.Select(
        id="statistic",
        data=[{"value": key, "label": title} for key, title in STATISTICS.items()],
        value=chosen,
        allowDeselect=False,
        className="picker picker-wide",
        comboboxProps={"width": 200, "position": "bottom-end"},
        **aria(label="Statistic"),
    )


def picked(shown: Shown) -> dcc.Store:
    """Keep what the controls show: a person's choice differs from it, a refresh does not."""
    last = (shown.end - timedelta(seconds=1)).astimezone(shown.zone)
    return dcc.Store(
        id="picked",
        data={
            "cohort": write_cohort(shown.query.cohort) or "all",
            "statistic": shown.query.statistic,
            "dates": [f"{shown.start.astimezone(shown.zone):%Y-%m-%d}", f"{last:%Y-%m-%d}"],
        },
    )

"""The model's sheet in numbers, for those who read tables rather than charts."""

from __future__ import annotations

from typing import Any

import numpy as np
from dash import html

from alerts.message import NOTHING, cohort, moment, name, number
from monitor.store.queries.views import ModelView
from web import components as ui
from web import controls
from web.address import STATISTICS, feature_path, model_path, write_query
from web.figures.timeaxis import instants


def as_table(view: ModelView, shown: controls.Shown) -> html.Details:
    """Give each column and cohort its last and its largest value of the range, and when."""
    at = instants(view.times)
    lanes = view.features
    rows: list[list[Any]] = []
    for k, column in enumerate(lanes.columns):
        href = feature_path(view.status.name, column) + write_query(shown.query)
        rows.append(
            [
                ui.link(name(column), href),
                lanes.roles[k],
                *_summary(lanes.values[k], at, shown.timezone),
                number(float(lanes.normal[k])),
            ]
        )
    headings = ["Column", "Role", "Last", "Largest", "When", "Normal up to"]
    parts = [
        ui.table(headings, rows, label=f"{STATISTICS[view.statistic]} by column", className="rows")
    ]
    if view.by_cohort is not None:
        parts.append(_cohorts(view, shown))
    return html.Details([html.Summary("As table"), *parts], className="as-table")


def _cohorts(view: ModelView, shown: controls.Shown) -> html.Div:
    lanes = view.by_cohort
    assert lanes is not None
    at = instants(view.times)
    rows = []
    for k, chosen in enumerate(lanes.cohorts):
        href = model_path(view.status.name) + write_query(shown.query, cohort=chosen)
        last, _, _ = _summary(lanes.values[k], at, shown.timezone)
        error, _, _ = _summary(lanes.half_width[k], at, shown.timezone)
        sizes = np.abs(lanes.values[k])
        _, _, when = _summary(sizes, at, shown.timezone)
        largest = number(float(lanes.values[k][np.nanargmax(sizes)])) if _known(sizes) else NOTHING
        rows.append([ui.link(cohort(chosen), href), last, f"± {error}", largest, when])
    headings = ["Cohort", "Mean score against the weeks before", "Sampling", "Largest", "When"]
    return ui.table(headings, rows, label="Mean score by cohort", className="rows")


def _known(values: Any) -> bool:
    return bool(np.isfinite(values).any())


def _summary(values: Any, at: list[Any], timezone: str) -> tuple[str, str, str]:
    """Write the last known value, the largest, and when that was."""
    if not _known(values):
        return NOTHING, NOTHING, NOTHING
    last = float(values[np.flatnonzero(np.isfinite(values))[-1]])
    top = int(np.nanargmax(values))
    return number(last), number(float(values[top])), moment(at[top], timezone)

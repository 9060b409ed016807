"""A feature in numbers: its distances from the baseline, and the small facts under them."""

from __future__ import annotations

from shlex import quote
from typing import Any

from dash import html

from alerts.message import GAP, NOTHING, fixed, number, pair, percent
from monitor.store.queries.views import DistanceRow, FeatureView
from web import components as ui
from web.figures import marks


def distances(view: FeatureView) -> html.Section:
    rows = [_distance(row) for row in view.distances]
    headings = ["Distance", "Now", "p", "No drift shows", "Against earlier spans", "What it says"]
    legend = html.Div(
        [
            html.Span([html.I(className="key key-normal"), "earlier spans of this width"]),
            html.Span([html.I(className="key key-dot"), "now"]),
        ],
        className="legend",
    )
    table = ui.table(
        headings, rows, label="Distances from the baseline", className="rows distances"
    )
    note = f"this range against the baseline{_since_training(view)}"
    return ui.panel("Distances", table, aside=legend, note=note, className="flush")


def _since_training(view: FeatureView) -> str:
    """Say how far the range is from training in one number, with what is known of it."""
    of = view.since_training
    if of is None:
        return ""
    now, low, high = (fixed(value, 2) for value in (of.effect, of.low, of.high))
    return f", since training: w{GAP}{now} ({low} to {high})"


def _distance(row: DistanceRow) -> list[Any]:
    title, _, detail = row.title.partition(", ")
    known = [float(v) for v in row.trail if v == v]  # noqa: PLR0124 - NaN is unlike itself
    label = f"{title}: now {number(row.value)}" + (
        f", earlier up to {number(max(known))}" if known else ""
    )
    return [
        [html.Strong(title), html.Small(detail) if detail else None],
        html.Strong(number(row.value), className="num"),
        html.Span(_p(row.p), className="quiet"),
        html.Span(number(row.no_drift, digits=2), className="quiet"),
        ui.picture(marks.trail([float(v) for v in row.trail], row.value, label=label)),
        html.Span(row.meaning, className="says"),
    ]


def _p(p: float | None) -> str:
    if p is None:
        return NOTHING
    return "< 0.001" if p < 0.001 else number(p, digits=2)


def facts(view: FeatureView) -> html.Div:
    counts = " · ".join(
        [
            percent(view.missing_fraction, decimals=1),
            *(f"{n:,}" for n in (view.unseen, view.out_of_range, view.mismatched)),
        ]
    )
    parts = [
        (
            "Missing · unseen · out of range · wrong type",
            counts,
            f"of {view.n:,} {view.status.noun}",
        ),
        _resolution(view),
        _middle(view),
        ("Rows", f"{view.n:,}", f"baseline {view.n_baseline:,}"),
    ]
    return html.Div(
        [
            html.Section(
                [html.H2(what), html.Strong(value), html.Span(note)], className="panel fact"
            )
            for what, value, note in parts
        ],
        className="columns facts-row",
    )


def _resolution(view: FeatureView) -> tuple[str, str, str]:
    if view.kind == "categorical":
        own, more = view.categories
        if more:
            return "Categories", f"{own + more:,}", f"{own:,} of them with a bin of their own"
        return "Categories", f"{own:,}", "each is a bin of its own"
    share = percent(view.largest_bin, decimals=1)
    if view.ks_shortfall is None:
        return "Largest bin", f"{share} of rows", "its order is not seen"
    short = number(view.ks_shortfall, digits=2)
    return "Largest bin", f"{share} of rows", f"the binned KS is short by at most {short}"


def coarse(view: FeatureView) -> html.P | None:
    """Say that much of this range lies in one bin, and the way to a finer grid; None where not."""
    full = view.coarse
    if full is None:
        return None
    now, was = (percent(share, decimals=1) for share in (full.share, full.baseline))
    short = ""
    if view.ks_shortfall:
        short = f", and KS may be short by {number(view.ks_shortfall, digits=2)}"
    said = (
        f"Grid too coarse here: {now} of the values lie {_where(full.low, full.high)}, in the "
        f"baseline {was}. What moves within that bin is not seen{short}. For a finer grid give "
    )
    command = f"monitor backfill --model {quote(view.status.name)} --reprocess all"
    return html.P(
        [
            said,
            html.Code("baseline"),
            " rows that have such values, then ",
            html.Code(command),
            ".",
        ],
        className="note",
    )


def _where(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"from {number(low)} to {number(high)}"
    if low is None and high is None:
        return "in categories that have no bin of their own"
    return f"above {number(low)}" if high is None else f"below {number(high)}"


def _middle(view: FeatureView) -> tuple[str, str, str]:
    if view.mean is None or view.mean_baseline is None:
        return "Mean", NOTHING, "names have no mean" if view.kind == "categorical" else "no rows"
    was, now = pair(view.mean_baseline, view.mean)
    return "Mean, baseline → this range", f"{was} → {now}", "from exact sums, not from bins"

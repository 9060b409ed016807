"""What the readout column says at each instant: numbers for the browser, which picks one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from alerts.message import cohort as cohort_name
from alerts.message import name
from monitor.store.queries.views import Floats, ModelView
from web.figures import scale
from web.figures.plan import Plan, Row
from web.figures.sheet import cohort_step, rule_colours
from web.figures.timeaxis import epoch_ms


def readout(view: ModelView, plan: Plan, *, timezone: str) -> dict[str, Any]:
    """Return times and, for each row of the sheet, its values: NaN becomes null."""
    return {
        "times": epoch_ms(view.times),
        "step": int(view.step.total_seconds() * 1000),
        "start": int(view.start.timestamp() * 1000),
        "end": int(view.end.timestamp() * 1000),
        "zone": timezone,
        "left": plan.left,
        "right": plan.right,
        "height": plan.height,
        "narrow": plan.narrow,
        "noun": view.status.noun,
        "statistic": view.statistic,
        "rows": [made for row in plan.rows if (made := _row(view, row)) is not None],
    }


def _row(view: ModelView, row: Row) -> dict[str, Any] | None:  # noqa: PLR0911 - one a kind
    place = {"kind": row.kind, "top": row.top, "height": row.height}
    match row.kind:
        case "confidence" if view.score is not None:
            return {**place, **_confidence(view)}
        case "distance":
            return {**place, **_distance(view)}
        case "feature":
            return {**place, **_feature(view, row.index)}
        case "cohort":
            return {**place, **_cohort(view, row.index)}
        case "volume":
            rows = [int(n) for n in view.rows]
            return {**place, "values": rows, "note": row.note}
        case "missing":
            lanes = view.missing
            return {
                **place,
                "name": name(lanes.columns[row.index]),
                "values": numbers(lanes.fraction[row.index]),
                "usual": _number(float(lanes.usual[row.index])),
            }
    return None


def _confidence(view: ModelView) -> dict[str, Any]:
    score = view.score
    assert score is not None
    return {
        "name": name(score.column),
        "values": numbers(score.mean),
        "half": numbers(score.half_width),
        "low": numbers(score.quantiles[0]),
        "high": numbers(score.quantiles[4]),
        "above": None if score.above is None else numbers(score.above),
        "expected": _number(score.expected),
        "threshold": _number(score.threshold),
    }


def _distance(view: ModelView) -> dict[str, Any]:
    colours = rule_colours(view.distance)
    return {
        "rules": [
            {"name": name(rule), "colour": colours[rule], "values": numbers(values)}
            for rule, values in view.distance.items()
        ]
    }


def _feature(view: ModelView, index: int) -> dict[str, Any]:
    lanes = view.features
    return {
        "name": name(lanes.columns[index]),
        "values": numbers(lanes.values[index]),
        "normal": _number(float(lanes.normal[index])),
        "now": numbers(lanes.now[index]),
        "was": _number(float(lanes.was[index])),
        "label": name(lanes.labels[index]),
        "share": lanes.labels[index] != "mean",
    }


def _cohort(view: ModelView, index: int) -> dict[str, Any]:
    lanes = view.by_cohort
    assert lanes is not None
    points = cohort_step(view) == scale.POINTS and _shares(view)
    return {
        "name": cohort_name(lanes.cohorts[index]),
        "values": numbers(lanes.values[index]),
        "half": numbers(lanes.half_width[index]),
        "n": [int(n) for n in lanes.n[index]],
        "points": points,
    }


def _shares(view: ModelView) -> bool:
    return view.score is not None and scale.is_share(view.score.quantiles)


def numbers(values: Floats) -> list[float | None]:
    return [_number(float(v)) for v in np.asarray(values, dtype=float)]


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.4g}")

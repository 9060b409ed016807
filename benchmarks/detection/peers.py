"""The peers on a simulated model: their distances of every stream, and their rules at defaults.

Each distance, over windows of 1, 24 and 168 hours, is a system with either kind of threshold: one
for all streams, or so many standard deviations above a stream's own mean. No threshold is chosen
here; what is kept is the largest of each day, so that an oracle can choose (`results`). The
reference is the first eight weeks, and stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import product
from time import process_time
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.detection import distances as d
from benchmarks.detection.arms import WEEK, Counts, Floats
from benchmarks.detection.drifts import Cell, plant
from benchmarks.detection.models import COHORT, DAY, JUDGED_FROM, Model, Planted
from benchmarks.detection.rules import RULES, Bools, Series
from benchmarks.detection.walk import RATES, Part, starts
from profiles.detection.watch import spells

SYSTEM = "peers"
REFERENCE = 8 * WEEK
LEAD = 28 * DAY  # hours before a drift that a report begins with
STRIDES = {1: 1, 24: 3, 168: 24}  # hours of a window: hours between two looks
THRESHOLDS = ("one threshold", "one a stream")
TUNED = tuple(product(d.NAMES, STRIDES, THRESHOLDS))
HOURS = (1, 24)  # windows at defaults
AT_DEFAULTS = tuple(product(RULES, HOURS))
_MIN_ROWS = 10
_Tuned = tuple[str, int, str]


def tuned_name(of: _Tuned) -> str:
    return f"{of[0]} {of[1]} h, {of[2]}"


def default_name(of: tuple[str, int]) -> str:
    return f"{of[0]} {of[1]} h"


class Peers:
    """The peers on one model."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._usual: dict[tuple[str, str, int], tuple[Floats, Floats]] = {}

    def parts(self, wanted: Collection[Part], dates: int) -> Iterator[tuple[Part, dict[str, Any]]]:
        """Give each wanted part as it ends."""
        at = starts(self._model, dates) if dates else []
        for part in wanted:
            began = process_time()
            found = self._rates() if part.kind == RATES else self._cells(part, at[part.date])
            yield part, found | {"cpu_s": process_time() - began}

    def _rates(self) -> dict[str, Any]:
        model, judged = self._model, slice(JUDGED_FROM, None)
        most = {of: np.full(model.days, -np.inf) for of in TUNED}
        flags = {of: np.zeros(model.days, np.int64) for of in AT_DEFAULTS}
        for column in model.columns:
            came = model.came(0, model.days * DAY, column)
            for of, values in self._distances(column, came):
                daily = values.reshape(len(values), model.days, -1).max(axis=(0, 2))
                np.maximum(most[of], daily, out=most[of])
            for tool, drifted in self._ruled(column, came[..., :REFERENCE], came):
                flags[tool] += drifted.reshape(len(drifted), model.days, -1).sum(axis=(0, 2))
        return {
            "days": model.days - JUDGED_FROM,
            "most": {tuned_name(of): [_five(v) for v in most[of][judged]] for of in TUNED},
            "defaults": {default_name(of): _paged(flags[of][judged]) for of in AT_DEFAULTS},
        }

    def _cells(self, part: Part, start: int) -> dict[str, Any]:
        model, found = self._model, []
        for cell in part.cells:
            planted = plant(model, cell, start, part.date)
            found.append(
                {"shape": cell.shape, "target": cell.target, "w": cell.w}
                | self._found(cell, planted)
            )
        return {"cells": found}

    def _found(self, cell: Cell, planted: Planted) -> dict[str, Any]:
        """Return the records that each distance sets after the start, and when rules find it."""
        model, begin = self._model, planted.first - LEAD
        end = min(planted.first + cell.days * DAY, model.days * DAY)
        best: dict[_Tuned, Floats] = {}
        delays: dict[str, int] = {}
        for column in sorted(planted.columns & set(model.columns)):
            came = model.came(begin, end, column, planted)
            for of, values in self._distances(column, came):
                highest = values.max(axis=0)
                best[of] = np.maximum(best.get(of, highest), highest)
            for tool, drifted in self._ruled(column, model.came(0, REFERENCE, column), came):
                since = _since(begin - planted.start, tool[1], drifted.shape[1])
                hits = since[drifted.any(axis=0) & (since > 0)]
                if len(hits):
                    key = default_name(tool)
                    delays[key] = min(int(hits[0]), delays.get(key, int(hits[0])))
        records = {}
        for of, highest in best.items():
            since = _since(begin - planted.start, STRIDES[of[1]], len(highest))
            records[tuned_name(of)] = _records(since[since > 0], highest[since > 0])
        return {"records": records, "defaults": delays}

    def _distances(self, column: str, came: Counts) -> Iterator[tuple[_Tuned, Floats]]:
        """Return every distance of the streams of a column [S, K], as it is and as scaled."""
        model, looked = self._model, _looked(column)
        reference = model.came(0, REFERENCE, column)[looked].sum(axis=2, keepdims=True)
        values = came.shape[1] - 2
        for hours, stride in STRIDES.items():
            window = d.windows(came[looked, : values + 1], hours, stride).astype(np.float64)
            enough = window.sum(axis=1) >= _MIN_ROWS
            for name in d.NAMES:
                places = slice(values + (name in d.WITH_MISSING))
                distance = d.of_column(name, ordered=model.ordered(column))
                found = distance(window[:, places], reference[:, places].astype(np.float64))
                found = np.where(enough, found, -np.inf)
                yield (name, hours, THRESHOLDS[0]), found
                mean, deviation = self._usual_of(column, name, hours, found)
                scaled = (found - mean[:, None]) / deviation[:, None]
                yield (name, hours, THRESHOLDS[1]), scaled

    def _usual_of(self, column: str, name: str, hours: int, found: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the streams of a column in the judged months."""
        key, model = (column, name, hours), self._model
        if key not in self._usual:
            looks = model.days * DAY // STRIDES[hours]
            if found.shape[1] != looks:  # of a drift: what is usual is taken from all months first
                for _ in self._distances(column, model.came(0, model.days * DAY, column)):
                    pass
                return self._usual[key]
            known = np.ma.masked_invalid(found[:, JUDGED_FROM * DAY // STRIDES[hours] :])
            deviation = np.maximum(known.std(axis=1).filled(1.0), 1e-12)
            self._usual[key] = known.mean(axis=1).filled(0.0), deviation
        return self._usual[key]

    def _ruled(
        self, column: str, before: Counts, came: Counts
    ) -> Iterator[tuple[tuple[str, int], Bools]]:
        """Return what each tool says of windows that follow one another [S, K]."""
        looked, values = _looked(column), came.shape[1] - 2
        for hours in HOURS:
            reference, now = (
                d.windows(of[looked, : values + 1], hours, hours).astype(np.float64)
                for of in (before, came)
            )
            series = Series(
                reference=reference[:, :values], missing_before=reference[:, values],
                windows=now[:, :values], missing=now[:, values],
                ordered=self._model.ordered(column), columns=len(self._model.columns),
            )  # fmt: skip
            for tool, rule in RULES.items():
                yield (tool, hours), rule(series)


def _looked(column: str) -> slice:
    """Return which streams of a column there are: the cohort is none inside a cohort."""
    return slice(0, 1) if column == COHORT else slice(None)


def _since(begin: int, stride: int, looks: int) -> npt.NDArray[np.int64]:
    """Return the hours from the start of a drift to the end of each look."""
    return begin + stride * np.arange(1, looks + 1)


def _paged(flags: Counts) -> dict[str, int]:
    days = np.flatnonzero(flags).tolist()
    return {
        "incidents": len(spells(days)), "open_days": len(days), "alerts": int(flags.sum()),
    }  # fmt: skip


def _records(since: npt.NDArray[np.int64], values: Floats) -> list[tuple[int, float]]:
    """Return each value that is above all before, and the hours until it."""
    highest = np.maximum.accumulate(np.concatenate(([-np.inf], values)))
    rises = np.flatnonzero(highest[1:] > highest[:-1])
    return [(int(since[i]), _five(values[i])) for i in rises]


def _five(value: float) -> float:
    """Keep five digits: lines would be long otherwise, and thresholds are between two values."""
    return float(f"{value:.5g}")

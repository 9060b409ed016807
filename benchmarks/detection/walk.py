"""Our own watch on a simulated model: what it pages, and when it finds what was planted.

A model is walked once, day by day. At each date from which something is planted a copy of the watch
goes on from there, so what came before is worked through only once.
"""

from __future__ import annotations

import bisect
import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np

from benchmarks.detection.drifts import Cell, drifts, faults, plant
from benchmarks.detection.models import DAY, JUDGED_FROM, Model, Planted
from profiles.detection.attribution import Odd
from profiles.detection.watch import Verdict, Watch, spells
from profiles.profile import EVERYBODY

SYSTEM = "Driftline"
RATES, POWER, FAULTS = "rates", "power", "faults"
_Listed = frozenset[tuple[str, str]]  # of a lane, a column
_APART = 35  # days for each date: what is planted at one is over at the next


@dataclass(frozen=True, kw_only=True)
class Part:
    """What is saved as one line: the rates of a model, or what was found from one date on."""

    kind: str
    date: int = 0
    cells: tuple[Cell, ...] = ()

    @property
    def name(self) -> str:
        return self.kind if self.kind == RATES else f"{self.kind} {self.date}"


def parts(kinds: Collection[str], dates: int) -> list[Part]:
    found = [Part(kind=RATES)] if RATES in kinds else []
    cells = {POWER: drifts(), FAULTS: faults()}
    of_dates = [kind for kind in cells if kind in kinds]
    return found + [
        Part(kind=kind, date=date, cells=cells[kind]) for date in range(dates) for kind in of_dates
    ]


def starts(model: Model, dates: int) -> list[int]:
    """Return the hours from which something is planted, never the first or last of a day.

    Each is in five weeks of its own, and stays where it is when more are asked for.
    """
    rng = np.random.default_rng([model.seed, *map(ord, model.arm)])
    room = (model.days - JUDGED_FROM) // _APART
    if room < dates:
        weeks = -(-(JUDGED_FROM + dates * _APART) // 7)
        raise SystemExit(f"--dates {dates} needs models of at least --weeks {weeks}")
    days = JUDGED_FROM + _APART * rng.permutation(room) + rng.integers(0, 7, room)
    return [int(DAY * day + rng.integers(1, DAY - 1)) for day in days][:dates]


def walked(
    model: Model, wanted: Collection[Part], dates: int, *, budget: float = 1.0
) -> Iterator[tuple[Part, dict[str, Any]]]:
    """Walk a model; give each wanted part as it ends."""
    began = process_time()
    at = starts(model, dates) if dates else []
    of_day: dict[int, list[Part]] = {}
    for part in wanted:
        if part.kind != RATES:
            of_day.setdefault(at[part.date] // DAY, []).append(part)
    rates = next((part for part in wanted if part.kind == RATES), None)
    watch = Watch(model.watched(), model.groups(), budget=budget, day=0, steps=DAY)
    paged: list[int] = []
    streams, elsewhere = 0, 0.0
    for day in range(model.days if rates else max(of_day, default=-1) + 1):
        for part in of_day.get(day, []):
            found = _cells(watch, model, part, at[part.date])
            elsewhere += found["cpu_s"]
            yield part, found
        _put(watch, model, day)
        if day >= JUDGED_FROM:
            over = _over(watch.verdicts(DAY - 1))
            paged += [day] * bool(over)
            streams += len(over)
        watch.close()
    if rates:
        yield rates, {
            "days": model.days - JUDGED_FROM, "incidents": len(spells(paged)),
            "open_days": len(paged), "alerts": streams,
            "cpu_s": process_time() - began - elsewhere,
        }  # fmt: skip


def _cells(watch: Watch, model: Model, part: Part, start: int) -> dict[str, Any]:
    began = process_time()
    eve = _eve(copy.deepcopy(watch), model, start)
    found = []
    for cell in part.cells:
        planted = plant(model, cell, start, part.date)
        of = _find(copy.deepcopy(watch), model, planted, cell.days, eve)
        found.append({"shape": cell.shape, "target": cell.target, "w": cell.w} | of)
    return {"cells": found, "cpu_s": process_time() - began}


def _eve(watch: Watch, model: Model, start: int) -> _Listed:
    """Return what is over the bar already when something begins to be wrong."""
    _put(watch, model, start // DAY)
    verdicts = watch.verdicts(start % DAY - 1)
    return frozenset((v.lane.name, odd.stream.column) for v in verdicts for odd in v.over)


def _find(watch: Watch, model: Model, planted: Planted, days: int, eve: _Listed) -> dict[str, Any]:
    """Walk until an alert lists what was planted; return hours until then, and what it listed.

    A lane that listed a column before is not counted for it until its unit has ended.
    """
    first, after = planted.start // DAY, planted.start % DAY
    for day in range(first, min(first + days, model.days)):
        _put(watch, model, day, planted)
        verdicts = watch.verdicts(DAY - 1)
        if _listed(verdicts, planted, day, eve):
            step = bisect.bisect_left(
                range(DAY), 1, lo=after if day == first else 0,
                key=lambda step, day=day: _listed(watch.verdicts(step), planted, day, eve),
            )  # fmt: skip
            delay = DAY * (day - first) + step + 1 - after
            return {"delay_h": delay} | _attribution(verdicts, planted)
        watch.close()
    return {"delay_h": None}


def _listed(verdicts: Sequence[Verdict], planted: Planted, day: int, eve: _Listed) -> bool:
    """Whether an alert lists what was planted, and did not before."""
    return any(
        odd.stream.column in planted.columns
        and not (
            (verdict.lane.name, odd.stream.column) in eve
            and day // verdict.lane.days == planted.start // DAY // verdict.lane.days
        )
        for verdict in verdicts
        for odd in verdict.over
    )


def _attribution(verdicts: Sequence[Verdict], planted: Planted) -> dict[str, Any]:
    """Return how much of what is listed is right, how much of it is listed, and whether it leads.

    Streams are right whose column was planted, for everybody or in the cohort it was planted in. Of
    others who come, everybody moves in every column.
    """
    listed = [odd for verdict in verdicts for odd in verdict.moved]
    right = [_right(odd, planted) for odd in listed]
    named = {odd.stream.column for odd, is_right in zip(listed, right, strict=True) if is_right}
    heads = [(odd.height / v.bar, _right(odd, planted)) for v in verdicts for odd in v.over[:1]]
    return {
        "precision": round(sum(right) / len(listed), 3),
        "recall": round(len(named & planted.columns) / len(planted.columns), 3),
        "first": max(heads)[1],
    }


def _right(odd: Odd, planted: Planted) -> bool:
    of = odd.stream
    if planted.moved_along and of.dimension == EVERYBODY:
        return True
    where = planted.cohort is None or of.group in ((), (f"{planted.cohort:03}",))
    return of.column in planted.columns and where


def _over(verdicts: Sequence[Verdict]) -> list[Odd]:
    return [odd for verdict in verdicts for odd in verdict.over]


def _put(watch: Watch, model: Model, day: int, planted: Planted | None = None) -> None:
    """Set the running day of a watch."""
    hours = (day * DAY, (day + 1) * DAY)
    counts: Mapping[str, Any] = {c: model.came(*hours, c, planted) for c in model.columns}
    watch.put(counts, model.volume(*hours, planted), np.ones(DAY, int))

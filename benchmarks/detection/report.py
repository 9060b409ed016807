"""What came of it: two CSV files, plots, and the cells that are won."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.detection.arms import ARMS
from benchmarks.detection.checking import Agreement
from benchmarks.detection.drifts import Cell
from benchmarks.detection.plot import power_plot, rates_plot
from benchmarks.detection.results import DEFAULTS, OURS, TUNED, WITHIN, Found, Results
from benchmarks.detection.rules import RULES

COLUMNS = (
    "arm", "system", "months", "false_incidents", "rate_per_month", "upper95", "power", "delay_h",
    "open_share", "alerts_per_month", "models", "features", "cohorts", "weeks",
)  # fmt: skip
CELLS = (
    "arm", "shape", "target", "w", "system", "runs", "found_1d", "found_7d", "found_28d",
    "delay_h", "first", "precision", "recall",
)  # fmt: skip
CHECKED = ("tool", "arm", "verdicts", "agreed", "drifted")
BEST_OF_EACH = "best tuned of each cell"


def write(out: Path, arms: Sequence[Results], asked: argparse.Namespace) -> None:
    """Write `out`, and beside it the cells and the plots."""
    out.parent.mkdir(parents=True, exist_ok=True)
    _table(out, COLUMNS, (line for arm in arms for line in _rates(arm, asked)))
    _table(
        out.with_name(f"{out.stem}_cells.csv"),
        CELLS,
        (line for arm in arms for line in _cells(arm)),
    )
    rates = [rate for arm in arms for rate in arm.rates]
    plots = {"rates": rates_plot(rates), "power": power_plot(arms)}
    for name, drawn in plots.items():
        if drawn is not None:
            out.with_name(f"{out.stem}_{name}.svg").write_text(drawn, encoding="utf-8")
    for arm in arms:
        for line in _said(arm):
            print(line)
    print(f"Results are in {out.parent}")


def write_check(out: Path, found: Agreement) -> None:
    """Put how far a rule and its tool agree beside `out`, in place of what stood there of them."""
    path = out.with_name(f"{out.stem}_check.csv")
    lines = {}
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            lines = {(of["tool"], of["arm"]): tuple(of.values()) for of in csv.DictReader(file)}
    line = (found.tool, found.arm, found.verdicts, found.agreed, found.drifted)
    lines[found.tool, found.arm] = line
    out.parent.mkdir(parents=True, exist_ok=True)
    _table(path, CHECKED, [lines[at] for at in product(RULES, ARMS) if at in lines])


def _rates(arm: Results, asked: argparse.Namespace) -> Iterator[tuple[Any, ...]]:
    for rate in arm.rates:
        yield (
            arm.arm, rate.system, f"{rate.months:.1f}", rate.incidents, f"{rate.a_month:.2f}",
            f"{rate.between[1]:.2f}", _figure(arm.power(rate.system)),
            _figure(arm.delay_h(rate.system), 0), f"{rate.open_share:.3f}",
            _figure(None if rate.alerts is None else rate.alerts / rate.months, 1),
            rate.models, asked.features, asked.cohorts, asked.weeks,
        )  # fmt: skip


def _cells(arm: Results) -> Iterator[tuple[Any, ...]]:
    """Give lines for us, each peer at its defaults, the best tuned ones, the best of the cell."""
    for cell, of in sorted(arm.found.items(), key=lambda item: _order(item[0])):
        for system in (OURS, *DEFAULTS, *dict.fromkeys(arm.best.values())):
            if system in of:
                found = of[system]
                powers = [found.within(hours) for hours in WITHIN.values()]
                yield _cell(arm, cell, found, powers)
        if arm.best:
            each = [max(of[s].within(hours) for s in TUNED) for hours in WITHIN.values()]
            best = Found(cell=cell, system=BEST_OF_EACH, delays=of[OURS].delays)
            yield _cell(arm, cell, best, each)


def _cell(arm: Results, cell: Cell, found: Found, powers: Sequence[float]) -> tuple[Any, ...]:
    alone = found.system == BEST_OF_EACH
    return (
        arm.arm, cell.shape, cell.target, "" if cell.w is None else cell.w, found.system,
        len(found.delays), *(f"{power:.3f}" for power in powers),
        "" if alone else _figure(found.delay_h, 0),
        *(_figure(found.mean(of)) for of in ("first", "precision", "recall")),
    )  # fmt: skip


def _order(cell: Cell) -> tuple[bool, str, str, float]:
    return cell.w is None, cell.shape, cell.target, cell.w or 0.0


def _said(arm: Results) -> Iterator[str]:
    for rate in arm.rates[:1]:
        low, high = rate.between
        yield (
            f"{arm.arm}: {rate.incidents} false incidents in {rate.months:.1f} months, "
            f"{rate.a_month:.2f} a month (95 %: {low:.2f} to {high:.2f})"
        )
    for name, system in arm.best.items():
        cells, single, every = arm.won(name)
        yield (
            f"  within {name}: on {single} of {cells} cells at least as good as {system}, "
            f"on {every} as the best tuned peer of each cell"
        )


def _figure(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _table(path: Path, columns: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(lines)

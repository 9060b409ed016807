"""What the saved lines say: rates of each system, thresholds of an oracle, and what was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.detection import peers, walk
from benchmarks.detection.drifts import Cell
from benchmarks.detection.saved import Line
from profiles.detection.lanes import MONTH
from profiles.detection.watch import rate_between

OURS = walk.SYSTEM
WITHIN = {"1d": 24, "7d": 168, "28d": 672}  # hours
TUNED = {f"{peers.tuned_name(of)}, tuned": peers.tuned_name(of) for of in peers.TUNED}
# of a system, by what name its figures are saved
DEFAULTS = {
    f"{peers.default_name(of)}, at defaults": peers.default_name(of) for of in peers.AT_DEFAULTS
}
LOW, HIGH = 0.05, 0.95  # a cell counts where some system finds it between so often


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What a system pages in an arm where nothing drifts.

    `alerts` says how many streams alerted, each once a window; it is not kept of tuned peers.
    """

    arm: str
    system: str
    models: int
    months: float
    incidents: int
    open_share: float
    alerts: int | None

    @property
    def a_month(self) -> float:
        return self.incidents / self.months

    @property
    def between(self) -> tuple[float, float]:
        """The 95 % interval of incidents a month."""
        return rate_between(self.incidents, self.months)


@dataclass(frozen=True, kw_only=True)
class Found:
    """How a system found a cell: hours until it did in each run; None where it did not."""

    cell: Cell
    system: str
    delays: tuple[float | None, ...]
    heads: tuple[Mapping[str, Any], ...] = ()

    def within(self, hours: float) -> float:
        return float(np.mean([delay is not None and delay <= hours for delay in self.delays]))

    @property
    def delay_h(self) -> float | None:
        """The median of those that were found."""
        known = [delay for delay in self.delays if delay is not None]
        return float(np.median(known)) if known else None

    def mean(self, of: str) -> float | None:
        """Return the mean of a figure of attribution over what was found."""
        return float(np.mean([head[of] for head in self.heads])) if self.heads else None


def threshold(most: Sequence[npt.NDArray[np.float64]], incidents: int) -> float:
    """Return the lowest threshold with no more incidents than these, whatever is above it.

    Parameters
    ----------
    most : sequence of float64 [D]
        Of each model: the largest value of each day. A day alerts that is above the threshold.
    """
    found = np.inf
    for value in np.unique(np.concatenate(most))[::-1]:
        if sum(_incidents(of > value) for of in most) > incidents:
            break
        found = float(value)
    return found


def _incidents(flags: npt.NDArray[np.bool_]) -> int:
    return int(flags[:1].sum() + (flags[1:] & ~flags[:-1]).sum())


@dataclass(frozen=True, kw_only=True)
class Results:
    """Of one arm: rates of every system, and of each cell, how each system found it."""

    arm: str
    rates: tuple[Rate, ...]
    found: Mapping[Cell, Mapping[str, Found]]

    @property
    def drifts(self) -> dict[Cell, Mapping[str, Found]]:
        """The cells in which something drifts."""
        return {cell: of for cell, of in self.found.items() if cell.w}

    @cached_property
    def best(self) -> Mapping[str, str]:
        """The one tuned peer that finds most within each wait; none where they were not tuned."""
        if not self.drifts or not all(set(TUNED) <= set(of) for of in self.drifts.values()):
            return {}
        return {
            name: max(
                TUNED, key=lambda system: sum(of[system].within(h) for of in self.drifts.values())
            )
            for name, h in WITHIN.items()
        }

    def counting(self, hours: float) -> list[Mapping[str, Found]]:
        """Return the cells in which it makes a difference which system is taken."""
        fair = (OURS, *TUNED) if self.best else (OURS,)
        return [
            of for of in self.drifts.values()
            if any(LOW < of[system].within(hours) < HIGH for system in fair)
        ]  # fmt: skip

    def power(self, system: str) -> float | None:
        """Return how often a system finds the cells that count within a week."""
        cells = [of for of in self.counting(WITHIN["7d"]) if system in of]
        return float(np.mean([of[system].within(WITHIN["7d"]) for of in cells])) if cells else None

    def delay_h(self, system: str) -> float | None:
        """Return the median hours until a system found what it did of those cells."""
        cells = [of for of in self.counting(WITHIN["7d"]) if system in of]
        known = [delay for of in cells for delay in of[system].delays if delay is not None]
        return float(np.median(known)) if known else None

    def won(self, name: str) -> tuple[int, int, int]:
        """Return how many cells count within a wait, and on how many we are at least as good.

        First as the one tuned peer that finds most, then as the best tuned peer of each cell.
        """
        hours = WITHIN[name]
        cells = self.counting(hours)
        single = sum(of[OURS].within(hours) >= of[self.best[name]].within(hours) for of in cells)
        every = sum(
            of[OURS].within(hours) >= max(of[system].within(hours) for system in TUNED)
            for of in cells
        )
        return len(cells), single, every


def gathered(arm: str, ours: Iterable[Line], theirs: Iterable[Line]) -> Results:
    """Count what the lines of an arm say.

    Where the peers were counted, what was found is compared on what both were tried on.
    """
    mine, others = ({(of["seed"], of["part"]): of for of in lines} for lines in (ours, theirs))
    pairs = [(mine[at], others[at]) for at in sorted(set(mine) & set(others))]
    most = [(of, peer["most"]) for of, peer in pairs if of["part"] == walk.RATES]
    incidents = sum(of["incidents"] for of, _ in most)
    bars = {
        name: threshold([np.array(by[name]) for _, by in most], incidents)
        for name in (TUNED.values() if most else ())
    }
    tried = pairs if others else [(mine[at], None) for at in sorted(mine)]
    return Results(
        arm=arm,
        rates=(*_rates(arm, mine.values(), others.values()), *_tuned(arm, most, bars)),
        found=_found(tried, bars),
    )


def _rates(arm: str, ours: Iterable[Line], theirs: Iterable[Line]) -> list[Rate]:
    """Return our rate, and those of the peers at their defaults."""
    found = []
    mine, others = (
        [line for line in lines if line["part"] == walk.RATES] for lines in (ours, theirs)
    )
    said = {OURS: [(line["days"], line) for line in mine]}
    for system, name in DEFAULTS.items():
        said[system] = [(line["days"], line["defaults"][name]) for line in others]
    for system, lines in said.items():
        if lines:
            days = sum(of for of, _ in lines)
            counted = {
                key: sum(of[key] for _, of in lines) for key in ("incidents", "open_days", "alerts")
            }
            found.append(
                Rate(
                    arm=arm, system=system, models=len(lines), months=days / MONTH,
                    incidents=counted["incidents"], open_share=counted["open_days"] / days,
                    alerts=counted["alerts"],
                )
            )  # fmt: skip
    return found


def _tuned(
    arm: str, most: Sequence[tuple[Line, Line]], bars: Mapping[str, float]
) -> Iterator[Rate]:
    for system, name in TUNED.items() if bars else ():
        flags = [np.array(by[name]) > bars[name] for _, by in most]
        days = sum(len(of) for of in flags)
        yield Rate(
            arm=arm, system=system, models=len(flags), months=days / MONTH,
            incidents=sum(map(_incidents, flags)),
            open_share=sum(int(of.sum()) for of in flags) / days, alerts=None,
        )  # fmt: skip


def _found(
    tried: Sequence[tuple[Line, Line | None]], bars: Mapping[str, float]
) -> dict[Cell, dict[str, Found]]:
    delays: dict[Cell, dict[str, list[float | None]]] = {}
    heads: dict[Cell, list[Line]] = {}
    for ours, theirs in tried:
        for i, of in enumerate(ours.get("cells", ())):
            cell = Cell(shape=of["shape"], target=of["target"], w=of["w"])
            said = {OURS: of["delay_h"]} | _said(theirs and theirs["cells"][i], bars)
            for system, delay in said.items():
                delays.setdefault(cell, {}).setdefault(system, []).append(delay)
            if of["delay_h"] is not None:
                heads.setdefault(cell, []).append(of)
    return {
        cell: {
            system: Found(
                cell=cell, system=system, delays=tuple(each),
                heads=tuple(heads.get(cell, ())) if system == OURS else (),
            )
            for system, each in by.items()
        }
        for cell, by in delays.items()
    }  # fmt: skip


def _said(of: Line | None, bars: Mapping[str, float]) -> dict[str, float | None]:
    """Return when each peer found a cell."""
    if of is None:
        return {}
    said = {system: of["defaults"].get(name) for system, name in DEFAULTS.items()}
    for system, name in TUNED.items() if bars else ():
        bar, records = bars[name], of["records"].get(name, ())
        said[system] = next((since for since, value in records if value > bar), None)
    return said

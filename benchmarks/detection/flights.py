"""Plant faults in the real flights of the demo, and count which are found, and how soon.

    python -m benchmarks.detection.flights --folder demo

Makes the demo's log and store where they are not there yet, walks the stored past with the
product's own watch, and from twelve noons on lets a copy of it see rows that something happened to.
"""

from __future__ import annotations

import argparse
import copy
import csv
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Engine

from benchmarks.detection.flights_faults import NAMES, Fault, Named, faults
from benchmarks.detection.flights_peers import TOOLS, alerts, said, table
from monitor.config import Config, load
from monitor.history import Clock, Past, clock_of, days_of, feed, past_of, watch_of
from monitor.sources import open_baseline, open_log
from monitor.store import results
from monitor.store.engine import open_store
from monitor.store.results import StoredProfile
from profiles.baseline import Baseline
from profiles.counting import profile_windows, seen_in
from profiles.detection.watch import Watch
from profiles.profile import Profile
from profiles.repeats import Once
from profiles.windows import Window

HERE = Path(__file__).parents[1]
MODEL = "flight-delay"
SEED = 2013
FROM, NOON = date(2013, 6, 1), 12
ORDINARY, WEEKEND = 8, 4  # dates
CLEAR = 2  # days on either side of a holiday without a date
LATER = 2  # days after the first on which is looked for a fault
SELDOM = 0.005  # share of missing values under which a column is hardly ever without
COLUMNS = (
    "fault", "planted", "date", "found", "first", "delay_h", "lane", "stream",
    "evidently", "nannyml",
)  # fmt: skip
Windows = Sequence[Sequence[StoredProfile]]


@dataclass(frozen=True, kw_only=True)
class Log:
    """A model's log, and what is stored of it."""

    config: Config
    name: str
    engine: Engine
    past: Past
    clock: Clock

    @property
    def times(self) -> str:
        return self.config.models[self.name].log.time

    def at(self, day: int, hour: int = 0) -> datetime:
        midnight = datetime.combine(self.clock.date(day), datetime.min.time())
        return midnight.replace(hour=hour, tzinfo=self.clock.zone)

    def eves(self, days: Collection[int]) -> Iterator[tuple[int, Watch]]:
        """Walk the past; yield some days, each with a watch that has seen all days before it."""
        first = self.clock.monday(self.past.span.start)
        watch = watch_of(self.config, self.name, self.past.baseline, self.clock, day=first)
        for day, _ in days_of(self.engine, self.past, self.clock, watch):
            if day + 1 in days:
                eve = copy.deepcopy(watch)
                eve.close()
                yield day + 1, eve
            if day + 1 >= max(days, default=0):
                return

    def stored(self, span: Window) -> Windows:
        dimensions = [part.dimension for part in self.past.baseline.profiles]
        of = (self.engine, self.past.name, self.past.baseline_id, dimensions, span)
        return list(results.together(*of))

    def rows(self, span: Window) -> list[pa.RecordBatch]:
        with open_log(self.config.models[self.name]) as source:
            return [batch.rows for batch in source.batches(span) if batch.rows.num_rows]

    def trained(self) -> pd.DataFrame:
        with open_baseline(self.config.models[self.name]) as source:
            return self.table(source)

    def table(self, rows: Iterable[pa.RecordBatch]) -> pd.DataFrame:
        return table(rows, time=self.times, zone=str(self.clock.zone))


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of one fault on one date.

    Attributes
    ----------
    named : Named or None
        The first right stream that an alert named and would not have named without the fault; None
        where there was none.
    first : bool
        Whether it was what a person read first.
    delay_h : float or None
        Hours from noon until then.
    peers : mapping from tool to str
        What its default rule says of the column on that day and the next; see `said`.
    """

    fault: str
    planted: str
    date: date
    named: Named | None
    first: bool
    delay_h: float | None
    peers: Mapping[str, str] = field(default_factory=dict)


def opened(folder: Path) -> Log:
    """Open the demo of a folder; where there is none, it is made, which takes minutes."""
    subprocess.run(
        [sys.executable, "-m", "monitor", "demo", "--once", "--dir", str(folder)],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return log_of(load(folder / "monitor.yaml"), MODEL)


def log_of(config: Config, name: str) -> Log:
    engine = open_store(config.store)
    return Log(
        config=config, name=name, engine=engine, past=past_of(engine, name),
        clock=clock_of(config, name),
    )  # fmt: skip


def dates(clock: Clock, first: date, last: date) -> list[int]:
    """Draw eight ordinary days and four of weekends, none near a holiday, in order.

    The generator is seeded with 2013, and draws of all such days without putting any back, first
    the ordinary ones.
    """
    start, _ = clock.place(datetime.combine(first, datetime.min.time(), clock.zone))
    clear = [
        day
        for day in range(start, start + (last - first).days + 1)
        if not any(clock.is_off(day + off) for off in range(-CLEAR, CLEAR + 1))
    ]
    rng = np.random.default_rng(SEED)
    of_weekend = [[day for day in clear if (day % 7 >= 5) is weekend] for weekend in (False, True)]
    drawn = [
        rng.choice(days, many, replace=False)
        for days, many in zip(of_weekend, (ORDINARY, WEEKEND), strict=True)
    ]
    return sorted(np.concatenate(drawn).tolist())


def seldom_missing(baseline: Baseline) -> list[str]:
    """Return the columns that are hardly ever without a value in the training rows."""
    whole = baseline.profiles[0]
    return [
        column
        for column, grid in baseline.plan.grids.items()
        if whole.columns[column].counts[0, grid.missing] < SELDOM * whole.rows[0]
    ]


def run(
    log: Log, days: Sequence[int], wanted: Collection[str] = NAMES, *,
    reference: pd.DataFrame | None = None,
) -> Iterator[Result]:  # fmt: skip
    """Plant each fault on each day, and look for it; with training rows the peers do as well."""
    every = faults(seldom_missing(log.past.baseline))
    for day, eve in log.eves(days):
        noon = log.at(day, NOON)
        windows = log.stored(Window(start=log.at(day), end=log.at(day + LATER + 1)))
        rows = log.rows(Window(start=log.at(day), end=log.at(day + 2)))
        usual = dict(looks(log, eve, day, windows))
        width = windows[0][0].window.end - windows[0][0].window.start
        for at, fault in enumerate(every):
            if fault.name not in wanted:
                continue
            # whole windows, for they are counted anew
            span = Window(start=noon, end=noon + max(width, timedelta(hours=fault.hours)))
            rng = np.random.default_rng([SEED, day, at])
            changed, others = _happened(fault, rows, log.times, span, rng)
            seen = looks(log, eve, day, planted(log, changed, windows, span))
            result = result_of(fault, log.clock.date(day), seen, usual)
            if reference is not None and fault.column is not None:
                before, now = (log.table(of) for of in (rows, [*others, *changed]))
                found = {of.name: said(of, reference, before, now, fault.column) for of in TOOLS}
                result = replace(result, peers=found)
            yield result


def _happened(
    fault: Fault, rows: Sequence[pa.RecordBatch], time: str, span: Window, rng: np.random.Generator
) -> tuple[list[pa.RecordBatch], list[pa.RecordBatch]]:
    """Return the rows of a span, changed, and all others."""
    changed, others = [], []
    start, end = (pa.scalar(of, pa.timestamp("us", "UTC")) for of in (span.start, span.end))
    for batch in rows:
        at = batch.column(time)
        within = pc.and_(pc.greater_equal(at, start), pc.less(at, end))
        if (of_span := batch.filter(within)).num_rows:
            changed.append(fault.change(of_span, rng))
        others.append(batch.filter(pc.invert(within)))
    return changed, others


def planted(
    log: Log, rows: Sequence[pa.RecordBatch], windows: Windows, span: Window
) -> list[Sequence[StoredProfile]]:
    """Return windows as they would have been stored, had these been the rows of a span."""
    of_span = [each[0].window for each in windows if span.start <= each[0].window.start < span.end]
    of = dict(zip(of_span, _profiled(log, rows, of_span), strict=True))
    return [
        [
            replace(part, profile=its, read=of[part.window][1], rejected=of[part.window][2])
            for part in parts
            for its in of[part.window][0]
            if its.dimension == part.profile.dimension
        ]
        if parts[0].window in of
        else parts
        for parts in windows
    ]


def _profiled(
    log: Log, rows: Sequence[pa.RecordBatch], windows: Sequence[Window]
) -> Iterator[tuple[Sequence[Profile], int, Mapping[str, int]]]:
    """Count rows as the product does: profiles, rows read, and rows turned away of each window."""
    names = log.config.models[log.name].log
    once = None
    if names.id is not None:
        seen = seen_in(rows, windows, time=names.time, ids=names.id)
        once = Once(names.id, len(windows), expected=seen.repeated())
    parts = profile_windows(log.past.baseline.plan, rows, windows, time=names.time, once=once)
    for at, of_window in enumerate(parts):
        rejected = {} if once is None else dict(once.rejected[at])
        yield of_window, int(of_window[0].rows.sum()) + sum(rejected.values()), rejected


def looks(log: Log, eve: Watch, day: int, windows: Windows) -> Iterator[tuple[float, list[Named]]]:
    """Yield after each step from noon on, of three days, what alerts name in the order it is read.

    A step is told by the hours from noon to its end.
    """
    clock = log.clock
    watch, hours = copy.deepcopy(eve), 24 / clock.steps
    of_day: dict[int, list[Sequence[StoredProfile]]] = {}
    for parts in windows:
        of_day.setdefault(clock.place(parts[0].window.start)[0], []).append(parts)
    for each in range(day, day + LATER + 1):
        for parts in of_day.get(each, ()):
            feed(watch, clock, parts, log.past.baseline)
        for step in range(clock.steps):
            since = (each - day) * 24 + (step + 1) * hours - NOON
            if since > 0:
                yield since, named(watch, step)
        watch.close()


def named(watch: Watch, step: int) -> list[Named]:
    """Return the streams that alerts name: facts first, then the highest over their bar."""
    broken = [
        Named(
            lane="checks", column=of.column, what=of.check, dimension=of.dimension, group=of.group
        )
        for of in watch.broken(step)
    ]
    over = [
        (
            -odd.today / verdict.bar,
            Named(
                lane=verdict.lane.name, column=odd.stream.column, what=odd.stream.kind,
                dimension=odd.stream.dimension, group=odd.stream.group,
            ),
        )
        for verdict in watch.verdicts(step)
        for odd in verdict.over
    ]  # fmt: skip
    return [*sorted(broken), *(each for _, each in sorted(over))]


def result_of(
    fault: Fault,
    at: date,
    seen: Iterator[tuple[float, list[Named]]],
    usual: Mapping[float, Sequence[Named]],
) -> Result:
    """Say when an alert first named what is right, and would not have without the fault."""
    for since, names in seen:
        new = [of for of in names if of not in usual[since]]
        right = [of for of in new if fault.right(of)]
        if right:
            return Result(
                fault=fault.name, planted=fault.planted, date=at, named=right[0],
                first=new[0] == right[0], delay_h=since,
            )  # fmt: skip
    return Result(
        fault=fault.name, planted=fault.planted, date=at, named=None, first=False, delay_h=None
    )


def write(out: Path, found: Sequence[Result]) -> None:
    lines = (
        (
            of.fault, of.planted, of.date, int(of.named is not None), int(of.first),
            "" if of.delay_h is None else f"{of.delay_h:g}",
            "" if of.named is None else of.named.lane, of.named or "",
            *(of.peers.get(tool.name, "") for tool in TOOLS),
        )
        for of in found
    )  # fmt: skip
    _csv(out, COLUMNS, lines)


def _csv(out: Path, columns: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *lines])


def tell(found: Sequence[Result]) -> Iterator[str]:
    """Say for each fault how often it was found, at all and within a day, first, and how soon."""
    for fault, what in dict.fromkeys((of.fault, of.planted) for of in found):
        each = [of for of in found if (of.fault, of.planted) == (fault, what)]
        delays = sorted(of.delay_h for of in each if of.delay_h is not None)
        within = sum(delay <= 24 for delay in delays)
        took = f", median {np.median(delays):g} h, longest {delays[-1]:g} h" if delays else ""
        yield (
            f"{fault} ({what}): found {len(delays)} of {len(each)}, {within} within a day, "
            f"first {sum(of.first for of in each)}{took}{_peers(each)}"
        )


def _peers(found: Sequence[Result]) -> str:
    words = [
        f"{tool.name} {sum(of.peers.get(tool.name) == 'found' for of in found)} and "
        f"{sum(of.peers.get(tool.name) == 'anyway' for of in found)} where it alerts anyway"
        for tool in TOOLS
        if any(of.peers for of in found)
    ]
    return "".join(f"; {word}" for word in words)


def main() -> int:
    asked = _arguments()
    began = perf_counter()
    log = opened(asked.folder)
    last = log.clock.place(log.past.span.end - timedelta(seconds=1))[0] - LATER
    days = dates(log.clock, FROM, log.clock.date(last))
    print(", ".join(f"{log.clock.date(day):%a %-d %b}" for day in days))
    reference, found = log.trained(), []
    for of in run(log, days, asked.only, reference=reference):
        found.append(of)
        took = "not found" if of.delay_h is None else f"{of.delay_h:g} h, {of.named}"
        print(f"{of.date} {of.fault} ({of.planted}): {took}{' (first)' * of.first}", flush=True)
    write(asked.out, found)
    print(*tell(found), sep="\n")
    _tell_peers(log, reference, asked.out.with_name(f"{asked.out.stem}_peers.csv"))
    print(f"{perf_counter() - began:.0f} s")
    return 0


def _tell_peers(log: Log, reference: pd.DataFrame, out: Path) -> None:
    """Say on how many days the peers alert, with nothing planted."""
    columns = list(log.past.baseline.plan.grids)
    found = alerts(reference, log.table(log.rows(log.past.span)), columns)
    lines = ((*of, len(days), sum(days.values())) for of, days in found.items())
    _csv(out, ("tool", "column", "days", "alerts"), lines)
    for tool in TOOLS:
        every = [day for (name, _), days in found.items() if name == tool.name
                 for day, drifted in days.items() if drifted]  # fmt: skip
        print(f"{tool.name}, nothing planted: {len(every):,} alerts on {len(set(every))} days")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.detection.flights", description=__doc__
    )
    parser.add_argument("--folder", type=Path, default=HERE / ".data" / "flights")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES), metavar="FAULT")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "flights.csv")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

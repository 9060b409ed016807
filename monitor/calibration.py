"""What a budget of false alarms means for a model: its lanes, and its past walked as if live."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from monitor.config import Config
from monitor.history import clock_of, days_of, past_of, watch_of
from monitor.store import decisions
from profiles.detection.attribution import Odd, Stream
from profiles.detection.checks import Breach
from profiles.detection.lanes import MONTH, Lane, opens_after
from profiles.detection.watch import Verdict, rate_between, spells
from profiles.windows import Window

MOST_TOLD = 5


@dataclass(frozen=True, kw_only=True)
class Page:
    """An incident that would have been opened.

    Attributes
    ----------
    lane : str
        That opened it; ``checks`` where something happened that never had.
    moved : tuple of Odd
        On the first day, oddest first.
    broken : tuple of Breach
    """

    first: date
    last: date
    lane: str
    moved: tuple[Odd, ...]
    broken: tuple[Breach, ...]
    counts: bool  # whether the budget was kept by then


@dataclass(frozen=True, kw_only=True)
class Sight:
    """The smallest effect that would page today, by itself; None where rows are too few."""

    stream: Stream
    hours: int
    effect: float | None


@dataclass(frozen=True, kw_only=True)
class RuleRate:
    """How often a classic rule was beyond its threshold on the past, real changes among them.

    Attributes
    ----------
    alarms : int
        Times that some stream of it was beyond for as many windows in a row as the rule says.
    months : float
        In which it was judged.
    keeps : float or None
        The threshold that would have kept the budget there; None where none would.
    """

    rule: str
    statistic: str
    threshold: float
    alarms: int
    months: float
    keeps: float | None

    @property
    def a_month(self) -> float:
        return self.alarms / self.months

    @property
    def between(self) -> tuple[float, float]:
        """The 95 % interval of that rate."""
        return rate_between(self.alarms, self.months)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A model's past, walked as if live.

    Attributes
    ----------
    lanes : tuple of Lane
        As today's history allows; empty while it is too short.
    judged : int
        Days that could page.
    pages : tuple of Page
    open_days : int
    sights : tuple of Sight
        Of every stream at every scale; none while the history is too short.
    rules : tuple of RuleRate
        The classic rules that have judged something.
    """

    model: str
    budget: float
    first: date
    days: int
    lanes: tuple[Lane, ...]
    judged: int
    pages: tuple[Page, ...]
    open_days: int
    sights: tuple[Sight, ...]
    rules: tuple[RuleRate, ...]

    @property
    def opens_after(self) -> int:
        """How many days have to be stored before anything can page."""
        return opens_after(self.budget)

    @property
    def counted(self) -> int:
        """Pages on days that could page, those of checks among them."""
        return sum(page.counts for page in self.pages)

    @property
    def a_month(self) -> float | None:
        """Pages a month over the days that could page; None where none could."""
        return self.counted / self.judged * MONTH if self.judged else None

    @property
    def between(self) -> tuple[float, float] | None:
        """The 95 % interval of that rate."""
        return rate_between(self.counted, self.judged / MONTH) if self.judged else None

    @property
    def holds(self) -> bool:
        """Whether the past leaves the promise possible."""
        return self.between is None or self.between[0] <= self.budget


def calibrate(
    engine: Engine, config: Config, name: str, *, until: datetime | None = None
) -> Calibration:
    """Walk the stored past of a model as if live, each day judged by the days before it alone.

    Raises
    ------
    StoreError
        If nothing is stored.
    ConfigError
        If a day is no whole number of the model's windows.
    """
    clock = clock_of(config, name)
    past = past_of(engine, name, until=until)
    first = clock.monday(past.span.start)
    watch = watch_of(config, name, past.baseline, clock, day=first)
    found: dict[int, Page] = {}  # by the days that are no holidays, which interrupt nothing
    judged, open_days, step, ordinary = 0, 0, 0, 0
    for day, step in days_of(engine, past, clock, watch):
        off = clock.is_off(day)
        ordinary += not off
        verdicts = [] if off else watch.verdicts(step)
        counts = bool(watch.lanes()) and not off
        page = _page_of(clock.date(day), verdicts, watch.broken_by(step), counts=counts)
        judged += counts
        if page is not None:
            found.setdefault(ordinary, page)
            open_days += counts
    return Calibration(
        model=name,
        budget=watch.budget,
        first=clock.date(first),
        days=watch.day + 1 - first,
        lanes=watch.lanes(),
        judged=judged,
        pages=tuple(
            replace(found[start], last=found[end].last) for start, end in spells(list(found))
        ),
        open_days=open_days,
        sights=tuple(
            Sight(stream=stream, hours=scale.hours, effect=None if math.isnan(least) else least)
            for stream, scale, least in watch.sights(step)
        ),
        rules=rule_rates(engine, config, name, past.span),
    )


def _page_of(
    day: date, verdicts: Sequence[Verdict], broken: Sequence[Breach], *, counts: bool
) -> Page | None:
    """Return what a day pages by itself, None where nothing."""
    alerting = [verdict for verdict in verdicts if verdict.alerts]
    if not alerting and not broken:
        return None
    worst = max(alerting, key=lambda of: of.odd[0].height / of.bar, default=None)
    return Page(
        first=day,
        last=day,
        lane="checks" if broken or worst is None else worst.lane.name,
        moved=() if worst is None else worst.over[:MOST_TOLD],
        broken=tuple(broken[:MOST_TOLD]),
        counts=counts,
    )


def rule_rates(engine: Engine, config: Config, name: str, span: Window) -> tuple[RuleRate, ...]:
    """Count how often each classic rule of a model was beyond its threshold on its past."""
    past = decisions.peaks(engine, name, span)
    budget, width = config.alerts.budget or 1.0, config.models[name].window
    found = []
    for rule in config.alerts.rules:
        seen = [peaks[rule.name] for peaks in past if rule.name in peaks]
        ratios = np.array([0.0 if ratio is None else ratio for ratio in seen])
        if len(ratios) < rule.windows:
            continue
        months = len(ratios) * (width / timedelta(days=MONTH))
        # so long a row of windows is as far as its nearest
        rows = np.lib.stride_tricks.sliding_window_view(ratios, rule.windows).min(axis=1)
        found.append(
            RuleRate(
                rule=rule.name,
                statistic=rule.statistic,
                threshold=rule.threshold,
                alarms=_runs(rows, 1.0),
                months=months,
                keeps=_keeping(rows, budget * months, rule.threshold),
            )
        )
    return tuple(found)


def _runs(values: npt.NDArray[np.float64], limit: float) -> int:
    """Return how many times values rise over a limit."""
    over = values > limit
    return int(over[0]) + int((over[1:] & ~over[:-1]).sum())


def _keeping(rows: npt.NDArray[np.float64], most: float, threshold: float) -> float | None:
    """Return the smallest threshold that is risen over no more often than so many times."""
    for limit in np.unique(np.quantile(rows, np.linspace(0.5, 1, 501))).tolist():
        if _runs(rows, limit) <= most:
            return float(limit * threshold) if limit > 0 else None
    return None

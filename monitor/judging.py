"""What every rule sees of a window: its streams, judged on the merged windows before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from alerts.rules import Reading, Rule
from monitor import config
from monitor.store import results
from profiles.baseline import Baseline, position
from profiles.comparison import ORDERED, compare, present
from profiles.distances import Statistic
from profiles.grids import CategoricalGrid, NumericGrid
from profiles.profile import EVERYBODY, Dimension, Group
from profiles.rolling import RollingCounts
from profiles.windows import Window

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A rule, and the columns and dimensions it looks at."""

    rule: Rule
    statistic: Statistic
    columns: tuple[str, ...]
    dimensions: tuple[Dimension, ...]


def rules_of(settings: config.Config, name: str, baseline: Baseline) -> tuple[Judged, ...]:
    """Return the rules that hold for a model, on the columns its baseline has."""
    model = settings.models[name]
    singles = tuple(d for d in baseline.plan.dimensions if len(d) == 1)
    return tuple(
        Judged(
            rule=Rule(
                name=rule.name,
                statistic=rule.statistic,
                threshold=rule.threshold,
                over=max(rule.over or model.window, model.window),
                windows=rule.windows,
                min_rows=rule.min_rows,
            ),
            statistic=rule.statistic,
            columns=_columns(rule, model, baseline),
            dimensions=(EVERYBODY, *singles) if rule.cohorts else (EVERYBODY,),
        )
        for rule in settings.alerts.rules
        if rule.models is None or name in rule.models
    )


class Judge:
    """Judges the windows of one model in order.

    It keeps the sums of the last windows between calls. They are a function of the store: where
    the window asked for does not follow the last one, or somebody has replaced a window that the
    sums hold, they are read anew.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        baseline_id: str,
        baseline: Baseline,
        rules: Sequence[Judged],
    ) -> None:
        self._engine, self._name = engine, name
        self._baseline_id, self._baseline, self._rules = baseline_id, baseline, tuple(rules)
        self._at: Window | None = None
        self._held: dict[datetime, int] = {}  # start → revision of what the sums are made of
        self._sums = self._empty()

    def readings(self, windows: Sequence[Window]) -> Iterator[tuple[Reading, ...]]:
        """Yield what every rule sees in each window, unknown values with their reason.

        Parameters
        ----------
        windows : sequence of Window
            One after another; nobody may replace one of them or of those before meanwhile.
        """
        for window in self._follow(windows):
            found: list[Reading] = []
            for judged in self._rules:
                for dimension in judged.dimensions:
                    sums = self._sums[dimension, judged.rule.over]
                    sums.forget(window.end - judged.rule.over)
                    for column in judged.columns:
                        if column not in dimension:
                            found.extend(self._judge(judged, column, dimension, sums))
            yield tuple(found)

    def _empty(self) -> dict[tuple[Dimension, timedelta], RollingCounts]:
        sums: dict[tuple[Dimension, timedelta], RollingCounts] = {}
        for judged in self._rules:
            for dimension in judged.dimensions:
                key = (dimension, judged.rule.over)
                columns = {c for j in self._rules if j.rule.over == key[1] for c in j.columns}
                sums[key] = RollingCounts(dimension, sorted(columns), judged.rule.over)
        return sums

    def _follow(self, windows: Sequence[Window]) -> Iterator[Window]:
        """Yield the windows, with the sums brought up to each."""
        first = windows[0]
        at, self._at = self._at, None  # where reading breaks off, the next call begins anew
        follows = at is not None and at.end == first.start and self._unchanged_before(first)
        if not follows:
            self._sums, self._held = self._empty(), {}
        start = first.start if follows else min(first.start, first.end - self._longest)
        span = Window(start=start, end=windows[-1].end)
        dimensions = list(dict.fromkeys(dimension for dimension, _ in self._sums))
        stored = results.together(
            self._engine, self._name, self._baseline_id, dimensions, span
        ) if dimensions else iter(())  # fmt: skip
        found = next(stored, None)
        for window in windows:
            while found is not None and found[0].window.end <= window.end:
                for part in found:
                    self._add(part)
                found = next(stored, None)
            yield window
            self._at = window

    def _add(self, part: results.StoredProfile) -> None:
        for (dimension, _), sums in self._sums.items():
            if dimension == part.profile.dimension:
                sums.push(part.window, part.profile)
        self._held[part.window.start] = part.revision

    @property
    def _longest(self) -> timedelta:
        return max((judged.rule.over for judged in self._rules), default=timedelta(0))

    def _unchanged_before(self, window: Window) -> bool:
        first = window.end - self._longest
        self._held = {start: held for start, held in self._held.items() if start >= first}
        if first >= window.start:
            return True
        before = Window(start=first, end=window.start)
        stored = results.revisions(self._engine, self._name, self._baseline_id, before)
        return stored == self._held

    def _judge(
        self, judged: Judged, column: str, dimension: Dimension, sums: RollingCounts
    ) -> Iterator[Reading]:
        counts = sums.counts(column)
        if counts is None:
            return
        grid = self._baseline.plan.grids[column]
        n = present(grid, counts)
        against, known = self._against(column, dimension, sums.groups)
        distance = compare(grid, counts, against, [judged.statistic])[judged.statistic].distance
        rule = judged.rule
        for i, group in enumerate(sums.groups):
            if n[i] == 0:  # groups of the past must not leave a trace, or a restart would show
                continue
            reason = _reason(int(n[i]), rule.min_rows, known=bool(known[i]))
            value = None if reason else float(distance[i])
            beyond = value is not None and value > rule.threshold
            now, was, label = None, None, ""
            if beyond and isinstance(grid, NumericGrid):
                now, was, label = *self._means(column, group, sums), "mean"
            elif beyond and isinstance(grid, CategoricalGrid):
                now, was, label = _most_moved(grid, counts[i], against[i])
            yield Reading(
                rule=rule.name,
                column=column,
                cohort=tuple(zip(dimension, group, strict=True)),
                statistic=rule.statistic,
                value=value,
                threshold=rule.threshold,
                n=int(n[i]),
                reason=reason,
                now=now,
                was=was,
                label=label,
            )

    def _against(
        self, column: str, dimension: Dimension, groups: Sequence[Group]
    ) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Return the baseline's counts [G, B] of the same groups, and which of them it has."""
        part = self._baseline.along(dimension)
        stored = part.columns[column].counts
        places = [position(part, group) for group in groups]
        known = np.array([place is not None for place in places], bool)
        rows = np.array([place or 0 for place in places], np.intp)
        return np.where(known[:, None], stored[rows], 0), known

    def _means(
        self, column: str, group: Group, sums: RollingCounts
    ) -> tuple[float | None, float | None]:
        """Return the mean of a numeric column now and in the baseline."""
        part = self._baseline.along(sums.dimension)
        at, moments = position(part, group), part.columns[column].moments
        here = sums.moments(column, group)
        was = None if at is None or moments is None else float(moments.mean[at])
        # what rounding leaves in the last digits depends on how rows came in batches
        return (None if here is None else float(f"{here.mean[0]:.12g}")), was


def _most_moved(grid: CategoricalGrid, x: Ints, y: Ints) -> tuple[float, float, str]:
    """Return the share of the category that moved most, now and in the baseline, and its name."""
    p, q = (v[: grid.values] / max(1, int(v[: grid.values].sum())) for v in (x, y))
    at = int(np.argmax(np.abs(p - q)))
    names = (*grid.categories, "other values", "unseen values")
    return float(p[at]), float(q[at]), f"share of {names[at]}"


def _columns(rule: config.Rule, model: config.Model, baseline: Baseline) -> tuple[str, ...]:
    have = baseline.plan.grids
    wanted = rule.columns or tuple(c for c in have if model.role(c) != "context")
    ordered = rule.statistic in ORDERED
    return tuple(
        c for c in wanted if c in have and not (ordered and not isinstance(have[c], NumericGrid))
    )


def _reason(n: int, min_rows: int, *, known: bool) -> str | None:
    if not known:
        return "not in the baseline"
    return f"too few rows, {n} of {min_rows}" if n < min_rows else None

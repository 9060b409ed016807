"""What every rule sees of a window: its streams, judged on the merged windows before it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from alerts.rules import Cohort, Moved, Readings, Rule, StreamKey
from monitor import config
from monitor.store import approvals, results
from profiles.baseline import Baseline
from profiles.comparison import ORDERED, compare, present
from profiles.distances import Statistic
from profiles.grids import CategoricalGrid, NumericGrid
from profiles.profile import EVERYBODY, Dimension, Group, Profile
from profiles.rolling import RollingCounts, moments_of
from profiles.windows import Window

Ints = npt.NDArray[np.int64]

CELLS_AT_ONCE = 1 << 20  # counts of 8 bytes, and as many again in the profiles they are of


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A rule, and the columns and dimensions it looks at."""

    rule: Rule
    statistic: Statistic
    columns: tuple[str, ...]
    dimensions: tuple[Dimension, ...]


@dataclass(frozen=True, kw_only=True)
class _Span:
    """The sums of one dimension at the end of a window, and the profiles they are of."""

    groups: tuple[Group, ...]
    counts: Mapping[str, Ints]  # [G, B]
    parts: tuple[Profile, ...]

    @property
    def size(self) -> int:
        return sum(counts.size for counts in self.counts.values())


_Spans = dict[tuple[Dimension, timedelta], _Span]


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """One column along one dimension in W windows, as one rule sees it."""

    streams: tuple[StreamKey, ...]  # [G]
    value: npt.NDArray[np.float64]  # [W, G], NaN where unknown
    n: Ints  # [W, G]
    known: npt.NDArray[np.bool_]  # [G]
    moved: Mapping[int, Mapping[int, Moved]]


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

    A window is compared with the reference that was in force when it began, which a person has
    approved, or with its training baseline where there is none.

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

    def readings(self, windows: Sequence[Window]) -> Iterator[tuple[Readings, ...]]:
        """Yield what every rule sees in each window, unknown values with their reason.

        Parameters
        ----------
        windows : sequence of Window
            One after another; nobody may replace one of them or of those before meanwhile.
        """
        approved = approvals.of_model(self._engine, self._name)
        spans: list[_Spans] = []
        against = self._baseline
        for window in self._follow(windows):
            before, against = against, self._against(approved, window)
            if spans and against is not before:
                yield from self._judged(spans, before)
                spans = []
            spans.append(self._spans(window))
            if sum(span.size for of in spans for span in of.values()) >= CELLS_AT_ONCE:
                yield from self._judged(spans, against)
                spans = []
        if spans:
            yield from self._judged(spans, against)

    def _against(self, approved: Sequence[approvals.Approval], window: Window) -> Baseline:
        """Return what a window is compared with."""
        found = approvals.in_force(approved, self._baseline_id, window.start)
        return self._baseline if found is None else approvals.load(self._engine, found.id)

    def _spans(self, window: Window) -> _Spans:
        """Return what the rules see at the end of a window."""
        found: _Spans = {}
        for (dimension, over), sums in self._sums.items():
            sums.forget(window.end - over)
            found[dimension, over] = _Span(
                groups=sums.groups, counts=sums.counts(), parts=sums.parts()
            )
        return found

    def _judged(self, spans: Sequence[_Spans], against: Baseline) -> list[tuple[Readings, ...]]:
        """Return what every rule sees in each of some windows, all of them compared at once."""
        stacks = {
            (dimension, over): _Stack(
                [of[dimension, over] for of in spans], against.along(dimension)
            )
            for dimension, over in self._sums
        }
        of_rule = [self._of_rule(judged, stacks, len(spans)) for judged in self._rules]
        return list(zip(*of_rule, strict=True)) if of_rule else [() for _ in spans]

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

    def _of_rule(
        self, judged: Judged, stacks: Mapping[tuple[Dimension, timedelta], _Stack], windows: int
    ) -> list[Readings]:
        rule = judged.rule
        parts = [
            self._compared(judged, column, stacks[dimension, rule.over])
            for dimension in judged.dimensions
            for column in judged.columns
            if column not in dimension
        ]
        value, n, known = (
            np.concatenate([getattr(part, name) for part in parts], axis=-1)
            for name in ("value", "n", "known")
        )
        streams = tuple(key for part in parts for key in part.streams)
        starts = np.cumsum([0, *(len(part.streams) for part in parts)]).tolist()
        return [
            Readings(
                rule=rule, streams=streams, value=value[at], n=n[at], known=known,
                moved={
                    start + row: moved
                    for start, part in zip(starts, parts, strict=False)
                    for row, moved in part.moved.get(at, {}).items()
                },
            )
            for at in range(windows)
        ]  # fmt: skip

    def _compared(self, judged: Judged, column: str, stack: _Stack) -> _Compared:
        """Compare one column of all groups and windows with the reference."""
        grid, rule = self._baseline.plan.grids[column], judged.rule
        counts, against = stack.counts(column, grid.bins), stack.against(column)
        n = present(grid, counts)
        value = compare(grid, counts, against, [judged.statistic])[judged.statistic].distance
        value = np.where(stack.known & (n >= max(1, rule.min_rows)), value, np.nan)
        moved: dict[int, dict[int, Moved]] = {}
        for at, row in np.argwhere(value > rule.threshold).tolist():
            moved.setdefault(at, {})[row] = (
                _most_moved(grid, counts[at, row], against[row])
                if isinstance(grid, CategoricalGrid)
                else stack.means(column, at, row)
            )
        return _Compared(
            streams=tuple(
                StreamKey(rule=rule.name, column=column, cohort=cohort) for cohort in stack.cohorts
            ),
            value=value,
            n=n,
            known=stack.known,
            moved=moved,
        )


class _Stack:
    """The sums of one dimension at the end of each of W windows, beside the reference's.

    Attributes
    ----------
    groups : list of group [G]
        All that were seen, sorted.
    known : bool [G]
        Which of them the reference has.
    """

    def __init__(self, spans: Sequence[_Span], reference: Profile) -> None:
        self._spans, self._reference = spans, reference
        self.groups = sorted({group for span in spans for group in span.groups})
        place = {group: at for at, group in enumerate(self.groups)}
        self._rows = [[place[group] for group in span.groups] for span in spans]
        of_reference = {group: at for at, group in enumerate(reference.groups)}
        self._at = np.array([of_reference.get(group, -1) for group in self.groups], np.intp)
        self.known = self._at >= 0

    @property
    def cohorts(self) -> list[Cohort]:
        dimension = self._reference.dimension
        return [tuple(zip(dimension, group, strict=True)) for group in self.groups]

    def counts(self, column: str, bins: int) -> Ints:
        """Return the counts [W, G, B] of a column."""
        found = np.zeros((len(self._spans), len(self.groups), bins), np.int64)
        for at, span in enumerate(self._spans):
            if column in span.counts:
                found[at, self._rows[at]] = span.counts[column]
        return found

    def against(self, column: str) -> Ints:
        """Return the reference's counts [G, B]; zeros of the groups it has not."""
        stored = self._reference.columns[column].counts
        found: Ints = np.where(self.known[:, None], stored[self._at], 0)
        return found

    def means(self, column: str, at: int, row: int) -> Moved:
        """Return the mean of a numeric column in one window and group, and in the reference."""
        here = moments_of(self._spans[at].parts, column, self.groups[row])
        was = self._reference.columns[column].moments
        return Moved(
            # what rounding leaves in the last digits depends on how rows came in batches
            now=None if here is None else _finite(float(f"{here.mean[0]:.12g}")),
            was=None if was is None else _finite(float(was.mean[self._at[row]])),
            label="mean",
        )


def _most_moved(grid: CategoricalGrid, x: Ints, y: Ints) -> Moved:
    """Return the share of the category that moved most, now and in the reference."""
    p, q = (v[: grid.values] / max(1, int(v[: grid.values].sum())) for v in (x, y))
    at = int(np.argmax(np.abs(p - q)))
    names = (*grid.categories, "other values", "unseen values")
    return Moved(now=float(p[at]), was=float(q[at]), label=f"share of {names[at]}")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _columns(rule: config.Rule, model: config.Model, baseline: Baseline) -> tuple[str, ...]:
    have = baseline.plan.grids
    wanted = rule.columns or tuple(c for c in have if model.role(c) != "context")
    ordered = rule.statistic in ORDERED
    return tuple(
        c for c in wanted if c in have and not (ordered and not isinstance(have[c], NumericGrid))
    )

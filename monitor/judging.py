"""What every rule sees of a window: its streams, judged on the merged windows before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from alerts.rules import Cohort, Moved, Readings, Rule, StreamKey
from monitor import config
from monitor.config.against import ROOM, Against, Version, spans_beside, whole
from monitor.store import approvals, results
from profiles.baseline import Baseline
from profiles.beside import Seen, Span, Trained
from profiles.comparison import ORDERED, compare, present
from profiles.distances import Statistic
from profiles.grids import CategoricalGrid, NumericGrid
from profiles.profile import EVERYBODY, Dimension, Group
from profiles.rolling import RollingCounts
from profiles.spans import Kept, Sums
from profiles.windows import Window

Ints = npt.NDArray[np.int64]

CELLS_AT_ONCE = 1 << 20  # counts of 8 bytes, and as many again in the profiles they are of


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A rule, the columns and dimensions it looks at, and what it compares with.

    Attributes
    ----------
    against : Against or None
        None for the reference in force.
    version : str or None
        The column of the model's version, where the rule compares with one.
    """

    rule: Rule
    statistic: Statistic
    columns: tuple[str, ...]
    dimensions: tuple[Dimension, ...]
    against: Against | None = None
    version: str | None = None
    zone: ZoneInfo

    def beside(self, dimension: Dimension, group: Group) -> Group:
        """Return the group that one is compared with."""
        if not isinstance(self.against, Version):
            return group
        return tuple(
            self.against.name if column == self.version else value
            for column, value in zip(dimension, group, strict=True)
        )


_Key = tuple[Dimension, timedelta, Against | None]  # without against it is what is judged
_Spans = dict[_Key, Span]


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
            dimensions=_dimensions(rule, model, baseline),
            against=model.beside(rule),
            version=model.log.version,
            zone=ZoneInfo(settings.timezone),
        )
        for rule in settings.alerts.rules
        if rule.models is None or name in rule.models
    )


class Judge:
    """Judges the windows of one model in order.

    A window is compared with the reference that was in force when it began, which a person has
    approved, or with its training baseline where there is none; or with what was stored before it
    or comes from another version, where a rule says so.

    It keeps the sums of the last windows between calls, and the windows that references of the
    past are made of. They are a function of the store: where the window asked for does not follow
    the last one, or somebody has replaced a window that they hold, they are read anew.
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
        self._clear()

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
        """Return what the rules see at the end of a window, and what stands beside it."""
        found: _Spans = {}
        for (dimension, over), sums in self._sums.items():
            sums.forget(window.end - over)
            parts = sums.parts()
            found[dimension, over, None] = Span(
                groups=sums.groups, counts=sums.counts(), parts=parts,
                enough=2 * len(parts) * window.width >= whole(over, window.width),
            )  # fmt: skip
        for key, asked in self._asked(window).items():
            beside = self._beside[key]
            beside.move(asked)
            wanted = sum((span.width for span in asked), timedelta(0))
            found[key] = Span(
                groups=beside.groups, counts=beside.counts(), parts=beside.parts(),
                enough=2 * beside.windows * window.width >= wanted,
            )  # fmt: skip
        since = self._since(window)
        for kept in self._kept.values():
            kept.forget(since)
        return found

    def _asked(self, window: Window) -> dict[_Key, tuple[Window, ...]]:
        """Return the spans that every reference of stored windows is made of."""
        width = window.width
        found: dict[_Key, tuple[Window, ...]] = {}
        for judged in self._rules:
            if judged.against is None or isinstance(judged.against, Version):
                continue
            over = judged.rule.over
            span = Window(start=window.end - whole(over, width), end=window.end)
            of_rule = spans_beside(judged.against, span, width, judged.zone)
            found |= {(dimension, over, judged.against): of_rule for dimension in judged.dimensions}
        return found

    def _since(self, window: Window) -> datetime:
        """Return when the first window begins that is needed to judge one."""
        starts = [window.end - judged.rule.over for judged in self._rules]
        starts += [of.start - ROOM for asked in self._asked(window).values() for of in asked]
        return min(starts, default=window.start)

    def _judged(self, spans: Sequence[_Spans], against: Baseline) -> list[tuple[Readings, ...]]:
        """Return what every rule sees in each of some windows, all of them compared at once."""
        stacks: dict[_Key, _Stack] = {}
        for judged in self._rules:
            for dimension in judged.dimensions:
                key = (dimension, judged.rule.over, judged.against)
                if key not in stacks:
                    stacks[key] = self._stack(judged, dimension, spans, against)
        of_rule = [self._of_rule(judged, stacks, len(spans)) for judged in self._rules]
        return list(zip(*of_rule, strict=True)) if of_rule else [() for _ in spans]

    def _stack(
        self, judged: Judged, dimension: Dimension, spans: Sequence[_Spans], against: Baseline
    ) -> _Stack:
        """Put the windows along one dimension beside what a rule compares them with."""
        over = judged.rule.over
        seen = [of[dimension, over, None] for of in spans]
        groups = sorted({group for span in seen for group in span.groups})
        if judged.against is None:
            was: Trained | Seen = Trained(against.along(dimension), groups)
        elif isinstance(judged.against, Version):
            groups = [group for group in groups if judged.beside(dimension, group) != group]
            of_version = [judged.beside(dimension, group) for group in groups]
            was = Seen([of.if_enough for of in seen], of_version)
        else:
            stored = [of[dimension, over, judged.against].if_enough for of in spans]
            was = Seen(stored, groups)
        return _Stack(dimension=dimension, groups=groups, now=Seen(seen, groups), was=was)

    def _clear(self, first: Window | None = None) -> None:
        """Forget all windows; the next that will be judged is `first`."""
        self._first = datetime.max.replace(tzinfo=UTC) if first is None else first.end
        self._sums: dict[tuple[Dimension, timedelta], RollingCounts] = {}
        self._kept: dict[Dimension, Kept] = {}
        self._beside: dict[_Key, Sums] = {}
        for judged in self._rules:
            for dimension in judged.dimensions:
                over = judged.rule.over
                columns = {c for j in self._rules if j.rule.over == over for c in j.columns}
                self._sums[dimension, over] = RollingCounts(dimension, sorted(columns), over)
                if judged.against is None or isinstance(judged.against, Version):
                    continue
                if dimension not in self._kept:
                    self._kept[dimension] = Kept(dimension, self._bins_beside(dimension))
                key = (dimension, over, judged.against)
                self._beside[key] = Sums(self._kept[dimension])

    def _bins_beside(self, dimension: Dimension) -> dict[str, int]:
        """Return the columns that some rule compares with stored windows, and their bins."""
        columns = {
            column
            for judged in self._rules
            if judged.against is not None and dimension in judged.dimensions
            for column in judged.columns
        }
        return {column: self._baseline.plan.grids[column].bins for column in sorted(columns)}

    def _follow(self, windows: Sequence[Window]) -> Iterator[Window]:
        """Yield the windows, with the sums brought up to each."""
        first = windows[0]
        at, self._at = self._at, None  # where reading breaks off, the next call begins anew
        follows = at is not None and at.end == first.start and self._unchanged_before(first)
        if not follows:
            self._held = {}
            self._clear(first)
        start = first.start if follows else min(first.start, self._since(first))
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
            judged = part.window.start >= self._first - sums.over
            if judged and dimension == part.profile.dimension:
                sums.push(part.window, part.profile)
        if part.profile.dimension in self._kept:
            self._kept[part.profile.dimension].push(part.window, part.profile)
        self._held[part.window.start] = part.revision

    def _unchanged_before(self, window: Window) -> bool:
        first = self._since(window)
        self._held = {start: held for start, held in self._held.items() if start >= first}
        if first >= window.start:
            return True
        before = Window(start=first, end=window.start)
        stored = results.revisions(self._engine, self._name, self._baseline_id, before)
        return stored == self._held

    def _of_rule(
        self, judged: Judged, stacks: Mapping[_Key, _Stack], windows: int
    ) -> list[Readings]:
        rule = judged.rule
        parts = [
            self._compared(judged, column, stacks[dimension, rule.over, judged.against])
            for dimension in judged.dimensions
            for column in judged.columns
            if column not in dimension
        ]
        if not parts:  # the baseline has none of its columns
            nothing = np.zeros(0, np.int64)
            empty = Readings(rule=rule, streams=(), value=np.zeros(0), n=nothing, known=nothing > 0)
            return [empty] * windows
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
        """Compare one column of all groups and windows with what stands beside them."""
        grid, rule = self._baseline.plan.grids[column], judged.rule
        counts, against = stack.now.counts(column, grid.bins), stack.was.counts(column, grid.bins)
        n, least = present(grid, counts), max(1, rule.min_rows)
        known = stack.was.known & (n >= least)
        if judged.against is not None:
            known &= present(grid, against) >= least
        value = compare(grid, counts, against, [judged.statistic])[judged.statistic].distance
        value = np.where(known, value, np.nan)
        was, moved = np.broadcast_to(against, counts.shape), dict[int, dict[int, Moved]]()
        for at, row in np.argwhere(value > rule.threshold).tolist():
            moved.setdefault(at, {})[row] = (
                stack.means(column, at, row)
                if isinstance(grid, NumericGrid)
                else _most_moved(grid, counts[at, row], was[at, row])
            )
        return _Compared(
            streams=tuple(
                StreamKey(rule=rule.name, column=column, cohort=cohort) for cohort in stack.cohorts
            ),
            value=value,
            n=n,
            known=stack.was.known,
            moved=moved,
        )


@dataclass(frozen=True, kw_only=True)
class _Stack:
    """One dimension at the end of each of W windows, beside what it is compared with."""

    dimension: Dimension
    groups: Sequence[Group]
    now: Seen
    was: Seen | Trained

    @property
    def cohorts(self) -> list[Cohort]:
        return [tuple(zip(self.dimension, group, strict=True)) for group in self.groups]

    def means(self, column: str, at: int, row: int) -> Moved:
        """Return the mean of a numeric column in one window and group, and beside it."""
        now, was = (of.mean(column, at, row) for of in (self.now, self.was))
        return Moved(now=now, was=was, label="mean")


def _most_moved(grid: CategoricalGrid, x: Ints, y: Ints) -> Moved:
    """Return the share of the category that moved most, now and in the reference."""
    p, q = (v[: grid.values] / max(1, int(v[: grid.values].sum())) for v in (x, y))
    at = int(np.argmax(np.abs(p - q)))
    names = (*grid.categories, "other values", "unseen values")
    return Moved(now=float(p[at]), was=float(q[at]), label=f"share of {names[at]}")


def _columns(rule: config.Rule, model: config.Model, baseline: Baseline) -> tuple[str, ...]:
    have = baseline.plan.grids
    wanted = rule.columns or tuple(c for c in have if model.role(c) != "context")
    ordered = rule.statistic in ORDERED
    return tuple(
        c for c in wanted if c in have and not (ordered and not isinstance(have[c], NumericGrid))
    )


def _dimensions(
    rule: config.Rule, model: config.Model, baseline: Baseline
) -> tuple[Dimension, ...]:
    """Return what a rule looks along: versions only where it compares with one of them."""
    version, have = model.log.version, baseline.plan.dimensions
    if isinstance(model.beside(rule), Version):
        return tuple(d for d in have if version in d and (rule.cohorts or len(d) == 1))
    return (EVERYBODY, *(d for d in have if len(d) == 1)) if rule.cohorts else (EVERYBODY,)

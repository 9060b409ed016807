"""One window's way through the house: rows, profiles, readings, a decision, messages to send."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from itertools import groupby, repeat
from typing import Any

import pyarrow as pa
import structlog
from sqlalchemy import Engine

from alerts.decide import Decision, decide
from alerts.incident import Incident, Transition
from alerts.notification import Notification
from alerts.rules import Readings
from monitor import judging
from monitor.clock import Clock, system_clock
from monitor.columns import columns_seen
from monitor.config import Baseline as Rows
from monitor.config import Config, Limits, Model
from monitor.errors import ConfigError, SourceError, reason
from monitor.sources import TIMELESS, Batch, LogSource, open_baseline
from monitor.store import baselines, decisions, runs
from monitor.store import readings as stored_readings
from monitor.store.engine import UNUSABLE, lease_clock
from monitor.store.incidents import state_before
from monitor.watching import Watching, lane_rules
from profiles.baseline import Baseline, accept, cut_of
from profiles.changes import Looked
from profiles.counting import profile_windows, seen_in, windows_at, windows_of
from profiles.errors import InvalidGrid
from profiles.limits import USUAL
from profiles.repeats import Once
from profiles.windows import Window, format_width

log = structlog.get_logger()

LEASE = timedelta(minutes=2)  # renewed while a window is read; what protects it is the fence
ROWS_AT_ONCE = 1_000_000
ROWS_WITH_REPEATS = 250_000  # for those whose ids come again are held in memory
WINDOWS_AT_ONCE = 256
CELLS_AT_ONCE = 1 << 23  # counts of 8 bytes
DECIDED_AT_ONCE = 64
IN_A_ROW = 3  # windows that fail one after another: it is hardly they that are wrong


class Stopped(Exception):
    """The process was asked to stop in the middle of a window; the window is given back."""


class Fenced(Exception):
    """Another worker has taken a window over, while this one was frozen or slow."""


class Mixed(Exception):
    """Rows without a readable time, of which it cannot be told in which of several windows."""


@dataclass
class Lately:
    """What the windows before were like: how the next are read depends on it, never their result.

    Attributes
    ----------
    repeats : bool
        Ids came again, so they are looked at before all else is read.
    """

    repeats: bool = False


@dataclass(frozen=True, kw_only=True)
class Run:
    """What is needed to work on the windows of one model.

    Attributes
    ----------
    source : LogSource
        The open log.
    judge : Judge
        Sees what the rules see; keeps the last windows between calls.
    watching : Watching
        Sees what the budget sees; knows all windows before.
    earlier : dict from baseline to Judge
        The same for windows that were profiled on an earlier baseline.
    leases : callable
        The clock that leases and retries are judged by: that of a PostgreSQL that has the results.
    stopping : callable
        Says whether the process was asked to stop; looked at between batches.
    """

    engine: Engine
    config: Config
    name: str
    baseline_id: str
    baseline: Baseline
    source: LogSource
    judge: judging.Judge
    watching: Watching
    rules: tuple[judging.Judged, ...]
    earlier: dict[str, judging.Judge] = field(default_factory=dict)
    clock: Clock = system_clock
    leases: Clock = system_clock
    stopping: Callable[[], bool] = field(default=lambda: False)
    lately: Lately = field(default_factory=Lately)

    @property
    def model(self) -> Model:
        return self.config.models[self.name]


@dataclass(frozen=True, kw_only=True)
class WindowDone:
    """What came of one window; it is not clean where it failed, or times were unreadable."""

    window: Window
    rows: int
    ok: bool
    clean: bool = False
    read: int = 0  # rows, with those that were rejected
    error: str | None = None  # why it failed


def prepare(
    engine: Engine,
    config: Config,
    name: str,
    source: LogSource,
    *,
    clock: Clock = system_clock,
    stopping: Callable[[], bool] = lambda: False,
) -> Run:
    """Get a model ready: register it, and accept its baseline if it has not been before.

    What the configuration says of the baseline names it; while that stays the same, so does the
    baseline, also when the table behind it grows.

    Raises
    ------
    ConfigError
        If stored windows have another width, or a cohort is no column of the baseline.
    SourceError
        If the baseline cannot be read.
    Stopped
        If told to stop while it is read.
    """
    model = config.models[name]
    stored = runs.register(engine, name, model.window)
    if stored != model.window:
        raise ConfigError(
            f"models.{name}.window is {format_width(model.window)}, but results are stored at "
            f"{format_width(stored)}; give the model another name or keep the width"
        )
    baseline_id = _baseline_id(name, model, config.limits)
    if not baselines.exists(engine, baseline_id):
        before = baselines.current(engine, name)
        baseline = accept_baseline(model, name, source, config.limits, stopping=stopping)
        baselines.accept(engine, name, baseline_id, baseline, now=clock())
        log.info(
            "baseline replaced; earlier windows keep the old one until they are backfilled"
            if before
            else "baseline accepted",
            action="baseline.accepted",
            model=name,
            rows=baseline.rows,
            columns=len(baseline.plan.grids),
        )
    elif baselines.current(engine, name) != baseline_id:
        baselines.use(engine, name, baseline_id)
    baseline = baselines.load(engine, baseline_id)
    source.expect(baseline.kinds)
    rules = judging.rules_of(config, name, baseline)
    return Run(
        engine=engine,
        config=config,
        name=name,
        baseline_id=baseline_id,
        baseline=baseline,
        source=source,
        judge=judging.Judge(engine, name, baseline_id=baseline_id, baseline=baseline, rules=rules),
        watching=Watching(engine, config, name, baseline_id, baseline),
        rules=rules,
        clock=clock,
        leases=lease_clock(engine) if clock is system_clock else clock,
        stopping=stopping,
    )


def work(
    run: Run, *, within: Window | None = None, decides: bool = True
) -> Generator[WindowDone, None, None]:
    """Do every window that can be worked on, oldest first, until told to stop.

    Windows of few rows are read many at once: as many as the last ones let expect a million rows
    of, and as their counts fit in little memory.

    Parameters
    ----------
    decides : bool
        Where not, windows are profiled only, and somebody else decides them.

    Raises
    ------
    Stopped
        If told to stop in the middle; what was not done is given back.
    """
    if decides:
        decide_ready(run)  # what a killed process had profiled and not decided
    most, limit = 1, _fitting(run)
    while not run.stopping():
        claims = runs.claim(
            run.engine, run.name, now=run.leases(), lease=LEASE, within=within, most=most
        )
        if not claims:
            return
        done = run_windows(run, claims) if decides else _profiled(run, claims)
        yield from done
        read = sum(each.read for each in done) / len(done)
        clean = all(each.clean for each in done)
        memory = run.config.limits.memory
        wanted = min(ROWS_AT_ONCE, memory >> 10)
        if run.lately.repeats:
            wanted = min(ROWS_WITH_REPEATS, memory >> 12)
        most = max(1, min(limit, int(wanted / max(read, 1)))) if clean else 1


def _fitting(run: Run) -> int:
    """Return how many windows may be counted together."""
    bins = sum(grid.bins for grid in run.baseline.plan.grids.values())
    cohorts = sum(len(part.groups) for part in run.baseline.profiles)
    cells = min(CELLS_AT_ONCE, run.config.limits.memory >> 7)
    return max(1, min(WINDOWS_AT_ONCE, cells // max(1, bins * cohorts)))


def run_windows(run: Run, claims: Sequence[runs.Claim]) -> list[WindowDone]:
    """Do claimed windows of one model: read them, profile them, and decide what is ready.

    They are read in one pass; where that fails, or times are unreadable, each is read by itself, so
    that what is wrong with one is told of that one. Two steps, a transaction each. A crash in the
    first leaves the windows to whoever claims them when their lease ends; a crash in the second
    leaves them undecided, and the next decision makes it.
    """
    done = _profiled(run, claims)
    decide_ready(run)
    return done


def _profiled(run: Run, claims: Sequence[runs.Claim]) -> list[WindowDone]:
    try:
        finished = _read(run, claims)
    except Stopped:
        runs.give_back(run.engine, claims)
        raise
    except UNUSABLE:  # of the store: nobody can write down what came of them till it is back
        raise
    except Exception as error:  # noqa: BLE001 - the edge of a window: one that fails stops no other
        if run.stopping():  # and has ended the statement that ran
            runs.give_back(run.engine, claims)
            raise Stopped from None
        if len(claims) == 1:
            return [_not_done(run, claims[0], error)]
        return _one_by_one(run, claims)
    written = runs.finish(run.engine, finished, baseline=run.baseline_id, now=run.leases())
    return [_done(run, each, written=each.claim in written) for each in finished]


def _one_by_one(run: Run, claims: Sequence[runs.Claim]) -> list[WindowDone]:
    """Do each window by itself; after some that failed in a row the rest is left for later."""
    done: list[WindowDone] = []
    for at, claimed in enumerate(claims):
        try:
            done += _profiled(run, [claimed])
        except Stopped:
            runs.give_back(run.engine, claims[at + 1 :])
            raise
        if len(done) >= IN_A_ROW and not any(each.ok for each in done[-IN_A_ROW:]):
            runs.give_back(run.engine, claims[at + 1 :])
            break
    return done


def _read(run: Run, claims: Sequence[runs.Claim]) -> list[runs.Finished]:
    """Read and profile windows in one pass, or in two where ids come again unexpectedly.

    Raises
    ------
    Mixed
        If several windows have rows without a readable time.
    """
    started = time.monotonic()
    windows = [claimed.window for claimed in claims]
    once = _sieve(run, claims)
    looked = Looked(run.baseline, len(claims), apart=run.model.unwatched)
    while True:
        rejected, cut = ([Counter[str]() for _ in claims] for _ in range(2))
        parts = profile_windows(
            run.baseline.plan,
            _rows(run, claims, rejected, cut, looked),
            windows,
            time=run.model.log.time,
            once=once,
        )
        again = None if once is None else once.again()
        if again is None:
            break
        once = again
    if once is not None:
        run.lately.repeats = once.expects
        for its, repeats in zip(rejected, once.rejected, strict=True):
            its.update(repeats)
    certain = run.source.is_certain
    changes = [looked.of(at, found[0], certain=certain) for at, found in enumerate(parts)]
    took_ms = int((time.monotonic() - started) * 1000 / len(claims))
    return [
        runs.Finished(
            claim=claimed,
            parts=found,
            rejected=its,
            took_ms=took_ms,
            changes=changed,
            cut={
                **cut_of(found, run.baseline.plan.grids),
                **{limit: {run.model.log.payload or "": rows} for limit, rows in shortened.items()},
            },
        )
        for claimed, found, its, changed, shortened in zip(
            claims, parts, rejected, changes, cut, strict=True
        )
    ]


def _sieve(run: Run, claims: Sequence[runs.Claim]) -> Once | None:
    """Return what lets one row of each id through, None where rows have no id."""
    log_, windows = run.model.log, [claimed.window for claimed in claims]
    memory = run.config.limits.memory >> 2
    if log_.id is None:
        return None
    if not run.lately.repeats:
        return Once(log_.id, len(windows), memory=memory)
    batches = (batch.rows for batch in _batches(run, claims, run.source.ids))
    seen = seen_in(batches, windows, time=log_.time, ids=log_.id)
    return Once(log_.id, len(windows), expected=seen.repeated(), memory=memory)


def _rows(
    run: Run,
    claims: Sequence[runs.Claim],
    rejected: Sequence[Counter[str]],
    cut: Sequence[Counter[str]],
    looked: Looked,
) -> Iterator[pa.RecordBatch]:
    """Read the rows of windows, count those that are rejected or cut, and look at the columns."""
    windows = [claimed.window for claimed in claims]
    for batch in _batches(run, claims, run.source.batches):
        for why, count in batch.rejected.items():
            if why in batch.rejected_at:
                for window in windows_at(windows, batch.rejected_at[why]).tolist():
                    rejected[window][why] += 1
            elif len(claims) > 1:
                raise Mixed
            else:
                rejected[0][why] += count
        if batch.rows.num_rows:
            at = windows_of(batch.rows, windows, time=run.model.log.time)
            looked.look(batch.rows, at, batch.absent)
        for limit, moments in batch.cut_at.items():
            for window in windows_at(windows, moments).tolist():
                cut[window][limit] += 1
        yield batch.rows


def _batches(
    run: Run, claims: Sequence[runs.Claim], read: Callable[[Window], Iterator[Batch]]
) -> Iterator[Batch]:
    """Read windows, each unbroken run of them as one span, holding on to the lease."""
    renewed = run.leases()
    for span in _spans([claimed.window for claimed in claims]):
        for batch in read(span):
            if run.stopping():
                raise Stopped
            if not renewed <= (now := run.leases()) < renewed + LEASE / 4:  # also where set back
                if not runs.renew(run.engine, claims, until=now + LEASE):
                    raise Fenced
                renewed = now
            yield batch


def _spans(windows: Sequence[Window]) -> list[Window]:
    spans = [windows[0]]
    for window in windows[1:]:
        if window.start == spans[-1].end:
            spans[-1] = Window(start=spans[-1].start, end=window.end)
        else:
            spans.append(window)
    return spans


def _not_done(run: Run, claimed: runs.Claim, error: Exception) -> WindowDone:
    if isinstance(error, Fenced):
        return _fenced(run, claimed)
    why = reason(error)
    runs.fail(run.engine, claimed, error=why, now=run.leases())
    log.warning(
        "a window could not be read", action="window.failed", model=run.name,
        start=claimed.window.start.isoformat(), attempt=claimed.attempts, reason=why,
    )  # fmt: skip
    return WindowDone(window=claimed.window, rows=0, ok=False, error=why)


def _done(run: Run, finished: runs.Finished, *, written: bool) -> WindowDone:
    window = finished.claim.window
    if not written:
        return _fenced(run, finished.claim)
    log.debug(
        "window done", action="window.done", model=run.name, rows=finished.rows,
        ms=finished.took_ms, start=window.start.isoformat(),
    )  # fmt: skip
    clean = TIMELESS.isdisjoint(finished.rejected)
    read = finished.rows + sum(finished.rejected.values())
    return WindowDone(window=window, rows=finished.rows, ok=True, clean=clean, read=read)


def _fenced(run: Run, claimed: runs.Claim) -> WindowDone:
    log.warning(
        "another worker has taken this window over; its result stands", action="window.fenced",
        model=run.name, start=claimed.window.start.isoformat(),
    )  # fmt: skip
    return WindowDone(window=claimed.window, rows=0, ok=True)


def decide_ready(run: Run) -> int:
    """Decide every window that is ready, in order, until told to stop; return how many."""
    decided = 0
    first = decisions.next_ready(run.engine, run.name)
    if first is not None:
        run.watching.catch_up(first, stopping=run.stopping)
    while not run.stopping():
        done = _decide_next(run)
        decided += done
        if done < DECIDED_AT_ONCE:
            break
    return decided


def _decide_next(run: Run) -> int:
    """Decide the oldest undecided windows, up to the first unfinished, in one transaction."""
    with decisions.deciding(run.engine, run.name) as connection:
        ready = decisions.ready(connection, run.name, most=DECIDED_AT_ONCE)
        if not ready:
            return 0
        state = state_before(connection, run.name, ready[0].window.start)
        decided: list[decisions.Decided] = []
        for each, readings in _judged(run, ready):
            decision = decide(
                model=run.name,
                window=each.window,
                rules=[*(judged.rule for judged in run.rules), *lane_rules(run.config, run.name)],
                readings=readings,
                state=state,
                columns=columns_seen(run.model, each.changes, each.rows),
            )
            state = decision.state
            decided.append(
                decisions.Decided(
                    window=each.window,
                    decision=decision,
                    readings=stored_readings.encode(readings),
                    peaks=stored_readings.peaks(readings),
                )
            )
        decisions.write(connection, run.name, decided)
        for each, of in zip(ready, decided, strict=True):
            decisions.enqueue(
                connection,
                list(_notifications(run, of.decision)),
                routes=[route.name for route in run.config.alerts.routes],
                now=run.clock(),
                held=None if each.notify else "history: backfilled without --notify",
            )
    for transition in (t for of in decided for t in of.decision.transitions):
        log.info(
            transition.text, action=f"incident.{transition.after}", model=run.name,
            incident=transition.incident_id, at=transition.at.isoformat(),
        )  # fmt: skip
    return len(decided)


def _judged(
    run: Run, ready: Sequence[decisions.Ready]
) -> Iterator[tuple[decisions.Ready, tuple[Readings, ...]]]:
    """Yield each window with what the rules see in it: nothing where it has failed."""
    for (baseline, failed), group in groupby(ready, key=lambda each: (each.baseline, each.failed)):
        of_one = list(group)
        if failed:
            yield from ((each, ()) for each in of_one)
            continue
        windows = [each.window for each in of_one]
        by_rule = _judge_on(run, baseline).readings(windows)
        # what was profiled on another baseline cannot be put beside the weeks before
        same = baseline in (None, run.baseline_id)
        by_lane = run.watching.readings(windows) if same else repeat((), len(windows))
        for each, rules, lanes in zip(of_one, by_rule, by_lane, strict=True):
            yield each, (*rules, *lanes)


def _judge_on(run: Run, baseline_id: str | None) -> judging.Judge:
    """Return who judges a window that was profiled on a baseline, which need not be today's."""
    if baseline_id is None or baseline_id == run.baseline_id:
        return run.judge
    if baseline_id not in run.earlier:
        baseline = baselines.load(run.engine, baseline_id)
        run.earlier[baseline_id] = judging.Judge(
            run.engine,
            run.name,
            baseline_id=baseline_id,
            baseline=baseline,
            rules=judging.rules_of(run.config, run.name, baseline),
        )
    return run.earlier[baseline_id]


@dataclass(frozen=True)
class _Until:
    """The rows of a baseline, as often as asked, until told to stop."""

    stopping: Callable[[], bool]
    rows: Iterable[pa.RecordBatch]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self.rows:
            if self.stopping():
                raise Stopped
            yield batch


def accept_baseline(
    model: Model,
    name: str,
    log_: LogSource,
    limits: Limits,
    *,
    stopping: Callable[[], bool] = lambda: False,
) -> Baseline:
    """Read a model's baseline and make its grids.

    Columns that the log does not have are left out: the label would be missing for ever.

    Raises
    ------
    ConfigError
        If a cohort is no column of the baseline.
    SourceError
        If it cannot be read, or has no rows.
    """
    overrides = {c: column.kind for c, column in model.columns.items() if column.kind is not None}
    try:
        with open_baseline(model, limits) as source, log_.beside(source):
            # else keys that training has could be crowded out by any number of others
            log_.expect(source.names())
            baseline = accept(
                _Until(stopping, source),
                overrides=overrides,
                skip=model.apart,
                only=log_.columns() or None,
                dimensions=model.cohorts,
                time=model.log.time,
                keep=model.named,
                limits=limits.of_baseline,
            )
    except InvalidGrid as error:
        raise SourceError(f"models.{name}.baseline: {error}") from error
    for dimension in model.cohorts:
        for column in dimension:
            if column not in baseline.kinds:
                raise ConfigError(f"models.{name}.cohorts: the baseline has no column {column!r}")
    return baseline


def _notifications(run: Run, decision: Decision) -> Iterator[tuple[str, Notification]]:
    incidents = {of.id: of for of in (*decision.state.open, *decision.incidents)}
    for transition in decision.transitions:
        if transition.notify and transition.incident_id is not None:
            incident = incidents[transition.incident_id]
            yield transition.id, notification(run.config, run.name, transition, incident)


def notification(
    config: Config, name: str, transition: Transition, incident: Incident
) -> Notification:
    """Put a transition of a model into the words that are sent."""
    return Notification.of(
        transition,
        incident,
        noun=config.models[name].noun,
        timezone=config.timezone,
        link=f"{config.web.address}/incidents/{incident.id}",
    )


def _rows_of(baseline: Rows) -> dict[str, Any]:
    """Return what says of which rows a baseline is made: of words, that there are any."""
    asked = baseline.model_dump(mode="json", exclude={"against"})
    return asked if baseline.against is None else {**asked, "newest": True}


def _baseline_id(name: str, model: Model, limits: Limits) -> str:
    asked = {
        "model": name,
        "baseline": _rows_of(model.baseline),
        "cohorts": model.cohorts,
        "kinds": {c: column.kind for c, column in sorted(model.columns.items()) if column.kind},
        "skip": model.apart,
    }
    if limits.of_baseline != USUAL:  # else its name is what it was before there were limits
        asked["limits"] = asdict(limits.of_baseline)
    text = json.dumps(asked, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()

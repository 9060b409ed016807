"""The daemon: looks at the logs, works on what is due, sends what waits, until told to stop."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Container, Mapping
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers import SchedulerNotRunningError
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from alerts.channels import channels_of
from alerts.deliver import Channel, deliver_due
from alerts.errors import BadRoute
from monitor.clock import Clock, system_clock
from monitor.config import Config
from monitor.due import due
from monitor.errors import ConfigError, reason
from monitor.heartbeat import Heartbeat
from monitor.pipeline import IN_A_ROW, Run, Stopped, WindowDone, notification, prepare, work
from monitor.recount import Lookout
from monitor.retry import wait_after
from monitor.sources import LogSource, open_log
from monitor.sources.log import CANCEL_EVERY_S
from monitor.store import blind, runs
from monitor.store.engine import UNUSABLE, in_short, try_writing
from monitor.store.outbox import StoredOutbox
from monitor.vitals import Health, Vitals
from profiles.windows import Window, floor

log = structlog.get_logger()

DELIVERY_EVERY = timedelta(seconds=5)
TURN = timedelta(minutes=1)  # of catching up, then the other models have theirs
AT_ONCE = timedelta(0)
OWN = ("delivery", "pulse", "watch", "heartbeat")  # each has a thread that nothing else can hold


class ModelWorker:
    """Works on one model: one look at its log, then the windows that are due, for a turn.

    Attributes
    ----------
    wait : timedelta
        After which the next look is to begin.
    """

    def __init__(
        self,
        engine: Engine,
        config: Config,
        name: str,
        *,
        clock: Clock,
        stop: threading.Event,
        vitals: Vitals | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.busy = False
        self.wait = AT_ONCE
        self._engine, self._config, self._clock, self._stop = engine, config, clock, stop
        self._vitals, self._chance = vitals or Vitals([name]), chance
        self._failures = 0  # looks in a row that failed
        self._began = clock()
        self._planned_to: datetime | None = None
        self._source: LogSource | None = None
        self._run: Run | None = None
        self._lookout = Lookout(engine, name, config.models[name], stopping=self._stopping)

    def look(self) -> int:
        """Look at the log once and do what is due; return the windows done.

        A source or a store that does not answer, or holds what cannot be read, ends the look, not
        the daemon: the reason is written down, the connection is made anew next time, and nothing
        is skipped. After each look that fails the next waits twice as long.
        """
        if self._stop.is_set():
            return 0
        self._began = self._clock()
        self.busy = True
        self._vitals.looks(self.name)
        try:
            return self._look()
        except Stopped:
            return 0
        except UNUSABLE as error:  # of the store: what a source raises is a SourceError
            self._vitals.store_fails(self.name, in_short(error))
            self.wait = self._config.daemon.poll
            self.close()
            return 0
        except Exception as error:  # noqa: BLE001 - the edge of a job: no model stops another
            if not self._stop.is_set():  # else it was ended by us
                self._fail(reason(error), since=self._began)
            return 0
        finally:
            self._vitals.looked(self.name, ok=self._failures == 0, wait=self.wait)
            self.busy = False

    def cancel(self) -> None:
        """End what is being read, from another thread."""
        source = self._source
        if source is not None:
            source.cancel()

    def hangs(self, after: timedelta) -> None:
        """Write down that a look has given no sign for so long, from another thread."""
        silent = self._vitals.silent_for(self.name)
        if silent is not None and silent >= after:
            now = self._clock()
            blind.troubled(self._engine, self.name, since=now - silent, now=now,
                           why="the log has not answered since it was last asked")  # fmt: skip

    def close(self) -> None:
        if self._source is not None:
            self._source.close()
        self._source = self._run = None

    def _look(self) -> int:
        model = self._config.models[self.name]
        if self._source is None:
            runs.register(self._engine, self.name, model.window)  # seen, even where nothing opens
            self._source = open_log(model, self._config.limits)
        watermark, now = self._source.latest(), self._clock()
        runs.looked(self._engine, self.name, now=now, watermark=watermark)
        self._vitals.watermark(self.name, watermark)
        if watermark is None:
            self._succeed(more=False)
            return 0
        if self._run is None:
            self._run = prepare(
                self._engine, self._config, self.name, self._source,
                clock=self._clock, stopping=self._stopping,
            )  # fmt: skip
        self._plan(now, watermark)
        self._lookout.look(self._source, watermark=min(watermark, now), now=now)
        return self._work(self._run)

    def _stopping(self) -> bool:
        """Whether to stop; asked between batches of rows, so it is a sign of life too."""
        self._vitals.beat(self.name)
        return self._stop.is_set()

    def _plan(self, now: datetime, watermark: datetime) -> None:
        """Write down what has closed since the last look.

        The first look of all begins with the window of the moment, or where a backfill has just
        ended; history before it is left to backfill. The first of a process goes back to there:
        a backfill may have planned later windows while no daemon ran.
        """
        model = self._config.models[self.name]
        known: Container[datetime] = ()
        if self._planned_to is None:
            self._planned_to = self._begins(now, watermark)
            if self._planned_to < now:
                span = Window(start=self._planned_to, end=now)
                known = runs.known(self._engine, self.name, span)
        windows = due(
            now=now, watermark=watermark, first=self._planned_to, done=known,
            width=model.window, lateness=model.lateness,
        )  # fmt: skip
        if windows:
            runs.plan(self._engine, self.name, windows, notify=True)
            self._planned_to = windows[-1].end

    def _begins(self, now: datetime, watermark: datetime) -> datetime:
        model = self._config.models[self.name]
        known = runs.last_planned(self._engine, self.name)
        first = floor(min(watermark, now), model.window)
        if known is not None and first - known <= model.lateness + 2 * model.window:
            first = known
        return runs.starts_at(self._engine, self.name, first)

    def _work(self, run: Run) -> int:
        """Work until nothing is due, the turn is over, or windows have failed in a row."""
        done, failed, since = 0, list[WindowDone](), self._began
        more = False
        with closing(work(run)) as results:
            for result in results:
                self._vitals.beat(self.name)
                done += result.ok
                if result.ok:
                    failed, since = [], self._clock()
                    self._vitals.store_works(self.name)
                else:
                    failed.append(result)
                more = self._clock() - self._began >= TURN
                if more or len(failed) >= IN_A_ROW:
                    break
        if failed:
            last = failed[-1]
            self._fail(f"the window from {last.window.start:%Y-%m-%d %H:%M} UTC could not be read: "
                       f"{last.error}", since=since)  # fmt: skip
        else:
            self._succeed(more=more)
        return done

    def _fail(self, why: str, *, since: datetime) -> None:
        """Write down why, wait longer before the next look, and begin it with a new connection."""
        self._failures += 1
        poll = self._config.daemon.poll
        self.wait = wait_after(self._failures, poll=poll, chance=self._chance())
        log.warning("the model could not be worked on", action="look.failed", model=self.name,
                    reason=why, again_s=round(self.wait.total_seconds(), 1))  # fmt: skip
        try:
            blind.troubled(self._engine, self.name, since=since, why=why, now=self._clock())
            self._vitals.store_works(self.name)
        except UNUSABLE as error:
            self._vitals.store_fails(self.name, in_short(error))
        self.close()

    def _succeed(self, *, more: bool) -> None:
        now, poll = self._clock(), self._config.daemon.poll
        well = blind.well(self._engine, self.name, now=now)
        self._vitals.store_works(self.name)
        if not well:  # the log answers, and its windows still fail
            failures = max(1, self._failures)
            self.wait = wait_after(failures, poll=poll, chance=self._chance())
            return
        if self._failures:
            log.info("the model can be worked on again", action="look.recovered", model=self.name)
        self._failures = 0
        self.wait = AT_ONCE if more else poll


class Daemon:
    """Everything that runs: looks at each model, messages, and an eye on all that.

    Its truth is in the results database; the scheduler keeps jobs in memory only and can be thrown
    away at any moment. A look that ends puts the next one behind those that wait, so models take
    turns on the threads there are.
    """

    def __init__(
        self,
        engine: Engine,
        config: Config,
        *,
        clock: Clock = system_clock,
        channels: Mapping[str, Channel] | None = None,
    ) -> None:
        self._engine, self._config, self._clock = engine, config, clock
        self._stop = threading.Event()
        self._channels = _channels(config) if channels is None else channels
        self._vitals = Vitals(config.models, poll=config.daemon.poll)
        self._workers = [
            ModelWorker(engine, config, name, clock=clock, stop=self._stop, vitals=self._vitals)
            for name in config.models
        ]
        url = config.daemon.heartbeat
        self._heartbeat = None if url is None else Heartbeat(url.get_secret_value(), clock=clock)
        pools = {"default": config.daemon.workers, **dict.fromkeys(OWN, 1)}
        self.scheduler = BackgroundScheduler(
            timezone=UTC,
            # many models that catch up at once must not keep messages from being sent
            executors={name: ThreadPoolExecutor(threads) for name, threads in pools.items()},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def run(self, ready: threading.Event | None = None) -> None:
        """Run until `stop`; the window in work is finished or given back, then this returns."""
        with ExitStack() as stack:
            self._vitals.began()
            for worker in self._workers:
                stack.callback(worker.close)
                self._soon(self._cycle, worker)
            poll = self._config.daemon.poll
            self._every(DELIVERY_EVERY, self._deliver, on="delivery")
            self._every(poll, self._vitals.pulse, on="pulse")
            self._every(poll, self.watch, on="watch")
            self.scheduler.start()
            stack.callback(self._end)
            log.info("the daemon runs", action="daemon.started", models=len(self._workers))
            if ready is not None:
                ready.set()
            self._stop.wait()
            log.info("the daemon stops", action="daemon.stopping")

    def stop(self) -> None:
        self._stop.set()

    @property
    def busy(self) -> bool:
        """Whether a look is under way."""
        return any(worker.busy for worker in self._workers)

    def health(self) -> Health:
        """Say whether it is alive; asks no database."""
        return self._vitals.health()

    def _end(self) -> None:
        """Let nothing that is being read hold the end up, and wait for what is being written."""
        pause = threading.Event()
        while self.busy:
            for worker in self._workers:
                if worker.busy:
                    worker.cancel()
            pause.wait(CANCEL_EVERY_S)
        with suppress(SchedulerNotRunningError):
            self.scheduler.shutdown(wait=True)

    def _cycle(self, worker: ModelWorker) -> None:
        try:
            worker.look()
        finally:
            if not self._stop.is_set():
                self._soon(self._cycle, worker, after=worker.wait)

    def watch(self) -> None:
        """Look after ourselves: the store, models that cannot be read, the heartbeat."""
        try:
            try_writing(self._engine)
            for worker in self._workers:
                worker.hangs(self._config.daemon.blind_after)
                self._settle(worker.name)
        except UNUSABLE as error:
            self._vitals.store_fails("watch", in_short(error))
            self._engine.dispose()  # SQLite keeps a connection read-only that began so
            return
        except Exception as error:  # noqa: BLE001 - the edge of a job: it is to run again
            log.warning("the daemon cannot look after itself", action="watch.failed",
                        reason=reason(error))  # fmt: skip
            return
        self._vitals.store_works("watch")
        if self._heartbeat is not None and self._vitals.round_done():
            self._soon(self._heartbeat.send, on="heartbeat", name="heartbeat")

    def _settle(self, name: str) -> None:
        told = blind.settle(
            self._engine,
            name,
            after=self._config.daemon.blind_after,
            now=self._clock(),
            words=lambda transition, incident: notification(
                self._config, name, transition, incident
            ),
            routes=[route.name for route in self._config.alerts.routes],
        )
        if told is not None:
            log.warning(told.text, action=f"incident.{told.after}", model=name,
                        incident=told.incident_id, at=told.at.isoformat())  # fmt: skip

    def _deliver(self) -> None:
        try:
            deliver_due(
                StoredOutbox(self._engine, self._channels),
                self._channels,
                now=self._clock(),
                stopping=self._stop.is_set,
            )
        except UNUSABLE as error:
            self._vitals.store_fails("delivery", in_short(error))
        except SQLAlchemyError as error:
            log.warning("the outbox cannot be read", action="delivery.failed",
                        reason=type(error).__name__)  # fmt: skip
        else:
            self._vitals.store_works("delivery")

    def _soon(
        self,
        job: Callable[..., None],
        *args: object,
        after: timedelta = AT_ONCE,
        on: str = "default",
        name: str | None = None,
    ) -> None:
        """Run a job once; one of a name that has not begun is put off for it."""
        at = datetime.now(UTC) + after
        self.scheduler.add_job(
            job, "date", args=args, run_date=at, executor=on, id=name, replace_existing=True
        )

    def _every(self, interval: timedelta, job: Callable[..., None], *, on: str) -> None:
        self.scheduler.add_job(
            job,
            "interval",
            seconds=interval.total_seconds(),
            next_run_time=datetime.now(UTC),
            executor=on,
        )


def _channels(config: Config) -> Mapping[str, Channel]:
    try:
        return channels_of(config.alerts.routes)
    except BadRoute as error:
        raise ConfigError(f"alerts.routes: {error}") from error

"""The daemon: looks at the logs, works on what is due, sends what waits, until told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
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
from monitor.pipeline import Run, Stopped, prepare, work
from monitor.sources import LogSource, open_log
from monitor.store import runs
from monitor.store.outbox import StoredOutbox
from profiles.windows import Window, floor

log = structlog.get_logger()

DELIVERY_EVERY = timedelta(seconds=5)
LONGEST_WINDOW = timedelta(minutes=15)  # nothing heard for longer than this: it hangs
THREADS = {"default": 10, "delivery": 1}


class ModelWorker:
    """Works on one model: one look at its log, then every window that is due."""

    def __init__(
        self,
        engine: Engine,
        config: Config,
        name: str,
        *,
        clock: Clock,
        stop: threading.Event,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self._engine, self._config, self._clock, self._stop = engine, config, clock, stop
        self._beat = beat  # called after every window: a long catch-up is alive
        self._planned_to: datetime | None = None
        self._source: LogSource | None = None
        self._run: Run | None = None

    def look(self) -> int:
        """Look at the log once and do what is due; return the windows done.

        A source or a store that does not answer, or holds what cannot be read, ends the look, not
        the daemon: the reason is written down, the connection is made anew next time, and nothing
        is skipped.
        """
        try:
            return self._look()
        except Stopped:
            return 0
        except Exception as error:  # noqa: BLE001 - the edge of a job: no model stops another
            why = reason(error)
            log.warning("the model could not be worked on", action="look.failed", model=self.name,
                        reason=why)  # fmt: skip
            self._note_error(why)
            self.close()
            return 0

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
        runs.looked(self._engine, self.name, now=now, watermark=watermark, error=None)
        if watermark is None:
            return 0
        if self._run is None:
            self._run = prepare(
                self._engine, self._config, self.name, self._source,
                clock=self._clock, stopping=self._stop.is_set,
            )  # fmt: skip
        self._plan(now, watermark)
        return self._work(self._run)

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
        done = 0
        for result in work(run):
            done += result.ok
            self._beat()
        return done

    def _note_error(self, why: str) -> None:
        try:
            runs.looked(self._engine, self.name, now=self._clock(), watermark=None, error=why)
        except SQLAlchemyError:
            log.exception("the store cannot be written", action="store.failed", model=self.name)


class Daemon:
    """Everything that runs: a job for each model, and one that sends messages.

    Its truth is in the results database; the scheduler keeps jobs in memory only and can be thrown
    away at any moment.
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
        self._workers = [
            ModelWorker(engine, config, name, clock=clock, stop=self._stop, beat=self._beat)
            for name in config.models
        ]
        self.last_cycle: datetime | None = None

    def run(self, ready: threading.Event | None = None) -> None:
        """Run until `stop`; the window in work is finished or given back, then this returns."""
        scheduler = BackgroundScheduler(
            timezone=UTC,
            # many models that catch up at once must not keep messages from being sent
            executors={name: ThreadPoolExecutor(threads) for name, threads in THREADS.items()},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        with ExitStack() as stack:
            for worker in self._workers:
                stack.callback(worker.close)
                _every(scheduler, self._config.daemon.poll, self._cycle, worker)
            _every(scheduler, DELIVERY_EVERY, self._deliver, executor="delivery")
            scheduler.start()
            stack.callback(scheduler.shutdown, wait=True)
            log.info("the daemon runs", action="daemon.started", models=len(self._workers))
            if ready is not None:
                ready.set()
            self._stop.wait()
            log.info("the daemon stops", action="daemon.stopping")

    def stop(self) -> None:
        self._stop.set()

    def healthy(self) -> bool:
        """Whether a window or a cycle ended lately: the scheduler is alive."""
        if self.last_cycle is None:
            return False
        return self._clock() - self.last_cycle < 2 * self._config.daemon.poll + LONGEST_WINDOW

    def _cycle(self, worker: ModelWorker) -> None:
        worker.look()
        self._beat()

    def _beat(self) -> None:
        self.last_cycle = self._clock()

    def _deliver(self) -> None:
        try:
            deliver_due(
                StoredOutbox(self._engine, self._channels),
                self._channels,
                now=self._clock(),
                stopping=self._stop.is_set,
            )
        except SQLAlchemyError as error:
            log.warning("the outbox cannot be read", action="delivery.failed",
                        reason=type(error).__name__)  # fmt: skip


def _channels(config: Config) -> Mapping[str, Channel]:
    try:
        return channels_of(config.alerts.routes)
    except BadRoute as error:
        raise ConfigError(f"alerts.routes: {error}") from error


def _every(
    scheduler: BackgroundScheduler,
    interval: timedelta,
    job: Callable[..., None],
    *args: object,
    executor: str = "default",
) -> None:
    scheduler.add_job(
        job,
        "interval",
        args=args,
        seconds=interval.total_seconds(),
        next_run_time=datetime.now(UTC),
        executor=executor,
    )

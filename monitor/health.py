"""The daemon's small HTTP face: /healthz, /readyz and /metrics."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import make_wsgi_app
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from waitress.server import create_server

from monitor.clock import Clock
from monitor.config import Config
from monitor.errors import MonitorError
from monitor.store import queries
from monitor.vitals import Health

WSGI = Callable[[dict[str, Any], Any], Iterable[bytes]]


class StoreCollector(Collector):
    """Reads what there is to measure from the results database when it is asked."""

    def __init__(self, engine: Engine, config: Config, clock: Clock) -> None:
        self._engine, self._config, self._clock = engine, config, clock

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        windows = GaugeMetricFamily(
            "driftline_windows", "Windows by state.", labels=["model", "state"]
        )
        lag = GaugeMetricFamily(
            "driftline_lag_seconds",
            "Newest event time in the log minus the end of the last decided window.",
            labels=["model"],
        )
        incidents = GaugeMetricFamily(
            "driftline_open_incidents", "Incidents that are open.", labels=["model"]
        )
        late = GaugeMetricFamily(
            "driftline_late_rows", "Rows that came too late and are in no result.", labels=["model"]
        )
        blind = GaugeMetricFamily(
            "driftline_blind", "1 while an incident says that the log is unread.", labels=["model"]
        )
        for status in queries.statuses(self._engine, self._config, now=self._clock()):
            for state in ("pending", "running", "done", "failed", "dirty"):
                windows.add_metric([status.name, state], getattr(status.windows, state))
            lag.add_metric([status.name], status.lag_s)
            incidents.add_metric([status.name], status.open_incidents)
            late.add_metric([status.name], 0 if status.late is None else status.late.rows)
            blind.add_metric([status.name], int(status.blind))
        yield from (windows, lag, incidents, late, blind)


@contextmanager
def served(
    engine: Engine, config: Config, *, health: Callable[[], Health], clock: Clock
) -> Iterator[int]:
    """Serve the health pages while the block runs; yields the port.

    Raises
    ------
    MonitorError
        If the port is taken.
    """
    registry = CollectorRegistry()
    registry.register(StoreCollector(engine, config, clock))
    app = _app(make_wsgi_app(registry), health, clock)
    host, port = config.daemon.host, config.daemon.port
    try:
        server = create_server(app, host=host, port=port, threads=2, ident=None)
    except OSError as error:
        raise MonitorError(
            f"daemon: {host}:{port} cannot be listened on ({error.strerror}); "
            "set daemon.port to a free one"
        ) from error
    thread = threading.Thread(target=server.run, name="health", daemon=True)
    thread.start()
    try:
        yield int(server.effective_port)
    finally:
        server.close()
        thread.join(timeout=5)


def _app(metrics: WSGI, health: Callable[[], Health], clock: Clock) -> WSGI:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path == "/metrics":
            return metrics(environ, start_response)
        if path not in {"/healthz", "/readyz"}:
            start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"not found\n"]
        found = health()
        ok = found.alive if path == "/healthz" else found.ready
        status = "200 OK" if ok else "503 Service Unavailable"
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(health_record(found, ok=ok, now=clock())).encode() + b"\n"]

    return app


def health_record(health: Health, *, ok: bool, now: datetime) -> dict[str, Any]:
    """Write what the health pages answer: ages in seconds, null where nothing is known yet."""
    return {
        "status": "ok" if ok else "failing",
        "why": health.why,
        "scheduler_age_s": health.scheduler_age_s,
        "store_age_s": health.store_age_s,
        "models": {
            of.name: {
                "look_age_s": of.look_age_s,
                "watermark_age_s": None
                if of.watermark is None
                else round((now - of.watermark).total_seconds(), 1),
                "readable": of.readable,
            }
            for of in health.models
        },
    }

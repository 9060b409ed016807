"""Imported by the server of warm processes before it forks: a whole cycle, and all it needs."""

from __future__ import annotations

import importlib
import logging

import structlog

from monitor.store.engine import connect
from tests.faults import cycle
from tests.support.databases import databases

NEEDED = (
    "monitor.backfill",
    "monitor.cli.progress",
    "monitor.cli.running",
    "monitor.health",
    "monitor.sources.copying",
    "monitor.sources.native.copied",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
)


def _once() -> None:
    for name in NEEDED:
        importlib.import_module(name)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with databases("sqlite") as kind:
        log, nobody = kind.fresh(), "http://127.0.0.1:9/"
        cycle.write_rows(log)
        config = cycle.Place(log=log, store=cycle.empty_store(kind), receiver=nobody).config()
        engine = connect(config.store)
        cycle.run(engine, config)
        engine.dispose()


_once()

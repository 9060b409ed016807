"""The dashboard's command: web."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from monitor.cli.options import ConfigPath


def register(app: typer.Typer) -> None:
    app.command()(web)


def web(
    config: ConfigPath = None,
    host: Annotated[str | None, typer.Option(help="Listen here; default: web.host.")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Listen on this port; default: web.port.")
    ] = None,
) -> None:
    """Serve the dashboard until SIGTERM or Ctrl-C; beyond this machine only with a password."""
    from monitor import logs
    from monitor.config import load
    from monitor.store.engine import open_store
    from web.app import serve

    logs.set_up()
    settings = load(config)
    changes = {"host": host, "port": port}
    chosen = {key: value for key, value in changes.items() if value is not None}
    settings = settings.model_copy(update={"web": settings.web.model_copy(update=chosen)})
    for caught in (signal.SIGTERM, signal.SIGINT):
        signal.signal(caught, lambda *_: sys.exit(0))
    engine = open_store(settings.store)
    serve(
        settings, engine=engine, on_ready=lambda: typer.echo(f"Driftline: {settings.web.address}")
    )

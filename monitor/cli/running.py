"""Commands that work: run, backfill, db upgrade."""

from __future__ import annotations

import signal
import threading
from datetime import timedelta
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from monitor.cli.options import ConfigPath, From, ModelName, To, moment, one_model


def register(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(backfill)
    db = typer.Typer(help="The results database.", no_args_is_help=True)
    db.command()(upgrade)
    app.add_typer(db, name="db")


def run(
    config: ConfigPath = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Also log every window.")] = False,
) -> None:
    """Run the daemon until SIGTERM: watch the logs, profile windows, decide, send alerts."""
    from monitor import health, logs
    from monitor.clock import system_clock
    from monitor.config import load
    from monitor.daemon import Daemon
    from monitor.store.engine import open_store

    logs.set_up(verbose=verbose)
    settings = load(config)
    engine = open_store(settings.store)
    daemon = Daemon(engine, settings)
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: daemon.stop())
    with health.served(engine, settings, healthy=daemon.healthy, clock=system_clock):
        daemon.run()


def backfill(
    config: ConfigPath = None,
    model: ModelName = None,
    start: From = None,
    end: To = None,
    reprocess: Annotated[
        Literal["none", "failed", "all"],
        typer.Option(help="Which windows that have a result are done again."),
    ] = "none",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    notify: Annotated[
        bool, typer.Option("--notify", help="Send alerts for history; else they are kept unsent.")
    ] = False,
) -> None:
    """Work through the past: every due window of a span that has no result yet.

    Can be killed at any point and started again; it goes on where it stopped.
    """
    from monitor import logs
    from monitor.backfill import Progress as Step
    from monitor.backfill import backfill as work
    from monitor.config import load
    from monitor.store.engine import open_store

    logs.set_up()
    settings = load(config)
    name = one_model(settings, model)
    engine = open_store(settings.store)
    stop = threading.Event()
    for caught in (signal.SIGTERM, signal.SIGINT):
        signal.signal(caught, lambda *_: stop.set())
    console = Console()
    with _bar(console) as bar:
        task = bar.add_task(name, total=None, rate="", at="")

        def show(step: Step) -> None:
            elapsed = bar.tasks[task].elapsed or 0.0
            rate = f"{step.rows / elapsed:,.0f} rows/s" if elapsed > 1 else ""
            at = "" if step.at is None else f"{step.at:%d %b %Y %H:%M}"
            bar.update(task, total=step.total, completed=step.done, rate=rate, at=at)

        done = work(
            engine,
            settings,
            name,
            start=moment(start, "--from"),
            end=moment(end, "--to"),
            reprocess=reprocess,
            notify=notify,
            dry_run=dry_run,
            progress=show,
            stopping=stop.is_set,
        )
        elapsed = timedelta(seconds=round(bar.tasks[task].elapsed or 0))
    verb = "would be done" if dry_run else "done"
    console.print(
        f"{name}: {done.windows:,} windows {verb}, {done.failed:,} failed, "
        f"{done.skipped:,} had a result; {done.rows:,} {settings.models[name].noun} in {elapsed}",
        highlight=False,
    )
    if done.stopped:
        console.print("Stopped; the same command goes on from here.")
    if done.failed:
        raise typer.Exit(3)


def upgrade(config: ConfigPath = None) -> None:
    """Bring the results database to this program's schema; does nothing where it is there."""
    from monitor.config import load
    from monitor.store import engine as stores

    settings = load(config)
    engine = stores.connect(settings.store)
    before = stores.revision(engine)
    stores.migrate(engine)
    after = stores.revision(engine)
    typer.echo(
        f"The results database is at {after} already."
        if before == after
        else f"The results database went from {before or 'empty'} to {after}."
    )


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TextColumn("windows"),
        TextColumn("{task.fields[at]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
        console=console,
    )

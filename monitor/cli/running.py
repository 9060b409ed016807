"""Commands that work: run, backfill, db upgrade."""

from __future__ import annotations

import signal
from datetime import timedelta
from time import perf_counter
from typing import Annotated, Literal

import typer
from rich.console import Console

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
    with health.served(engine, settings, health=daemon.health, clock=system_clock):
        daemon.run()


def backfill(
    config: ConfigPath = None,
    model: ModelName = None,
    start: From = None,
    end: To = None,
    reprocess: Annotated[
        Literal["none", "failed", "late", "all"],
        typer.Option(
            help="Which windows that have a result are done again; late: those that hold other "
            "rows by now."
        ),
    ] = "none",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    jobs: Annotated[
        int,
        typer.Option(min=1, max=64, help="How many processes read and profile at once."),
    ] = 1,
    notify: Annotated[
        bool, typer.Option("--notify", help="Send alerts for history; else they are kept unsent.")
    ] = False,
) -> None:
    """Work through the past: every due window of a span that has no result yet.

    Can be killed at any point and started again; it goes on where it stopped.
    """
    from monitor import logs
    from monitor.backfill import backfill as work
    from monitor.cli.progress import backfill_bar
    from monitor.cli.together import stopping_by_signal
    from monitor.config import load
    from monitor.store.engine import open_store

    logs.set_up()
    settings = load(config)
    name = one_model(settings, model)
    engine = open_store(settings.store)
    console = Console()
    started = perf_counter()
    with stopping_by_signal() as stopping, backfill_bar(console, name) as progress:
        done = work(
            engine,
            settings,
            name,
            start=moment(start, "--from"),
            end=moment(end, "--to"),
            reprocess=reprocess,
            notify=notify,
            dry_run=dry_run,
            jobs=jobs,
            progress=progress,
            stopping=stopping,
        )
    elapsed = timedelta(seconds=round(perf_counter() - started))
    verb = "would be done" if dry_run else "done"
    console.print(
        f"{name}: {done.windows:,} windows {verb}, {done.failed:,} failed, "
        f"{done.skipped:,} had a result; {done.rows:,} {settings.models[name].noun} in {elapsed}",
        highlight=False,
    )
    if done.stopped:
        console.print("Stopped; the same command goes on from here.")
    elif done.left:
        console.print(
            f"{done.left:,} windows are claimed by another process; "
            "if it is gone, the same command takes them when its lease ends, in two minutes."
        )
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

"""`monitor demo`: a real log, its whole past, and then the daemon and the dashboard over it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.errors import ConfigError

if TYPE_CHECKING:  # what is below costs seconds; the other commands need not wait for it
    from rich.console import Console
    from sqlalchemy import Engine

    from monitor.backfill import Backfilled
    from monitor.config import Config
    from monitor.demo.log import Loaded, Stage

MODEL = "flight-delay"
SHOWN = 12  # incidents in the summary


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Load, backfill, print a summary and end.")
    ] = False,
    source: Annotated[
        str | None, typer.Option(help="Where to write the log; default: SQLite in the folder.")
    ] = None,
    store: Annotated[
        str | None, typer.Option(help="Where to keep results; default: SQLite in the folder.")
    ] = None,
    folder: Annotated[Path, typer.Option("--dir", help="The demo's folder.")] = Path("demo"),
    port: Annotated[
        int, typer.Option(help="The dashboard's; the daemon takes the next one.", min=1, max=65534)
    ] = 8050,
) -> None:
    """See it at work: New York's flights of 2013 as a log, backfilled, then daemon and dashboard.

    What is there already is not done again.
    """
    from rich.console import Console

    from monitor import logs
    from monitor.cli.together import need_free, run_together, stopping_by_signal
    from monitor.config import load
    from monitor.demo.log import Stage
    from monitor.store.engine import open_store

    console = Console(highlight=False, soft_wrap=True)
    logs.set_up()
    _keep_quiet()
    if not once:
        need_free(port, port + 1)
    place = _place(folder, source, store)
    loaded = _load(console, place)
    _write_settings(console, place, loaded, port)
    settings = load(place.settings, place.environ)
    engine = open_store(settings.store)
    with stopping_by_signal() as stopping:
        done, backfill_s = _backfill(console, engine, settings, stopping)
        if done.stopped:
            console.print("Stopped; the same command goes on from here.")
            raise typer.Exit(130)
    stages = [*loaded.stages, Stage(name="backfilling", seconds=backfill_s)]
    _sum_up(console, engine, settings, place, loaded, stages)
    engine.dispose()
    if done.failed:
        raise typer.Exit(3)
    if once:
        for variable in place.exported:
            console.print(f"\nexport {variable}=…   # the URL with its password")
        console.print(f"\nTo look at it:  monitor web --config {place.settings}")
        return
    raise typer.Exit(run_together(console, settings, config=place.settings, environ=place.environ))


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the demo keeps what: URLs to use, and how `monitor.yaml` is to say them."""

    folder: Path
    source_url: str
    source_said: str
    store_said: str
    own_store: Path | None  # the results file, where it is the demo's own
    environ: Mapping[str, str]

    @property
    def settings(self) -> Path:
        return self.folder / "monitor.yaml"

    @property
    def exported(self) -> list[str]:
        """Variables that `monitor.yaml` needs and that only this process has."""
        said = (self.source_said, self.store_said)
        return [text.strip("${}") for text in said if text.startswith("${")]


def _keep_quiet() -> None:
    """Leave the terminal to the bar: each incident of ten months would be a line of the log."""
    import logging

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def _place(folder: Path, source: str | None, store: str | None) -> Place:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--dir {folder}: it cannot be made ({error.strerror})") from None
    environ = dict(os.environ)
    own_store = folder / "driftline.db" if store is None else None
    return Place(
        folder=folder,
        source_url=_absolute(source or f"sqlite:///{folder / 'flights.db'}", "--source"),
        source_said=_said(source, "sqlite:///flights.db", "DEMO_SOURCE", environ, "--source"),
        store_said=_said(store, "sqlite:///driftline.db", "DEMO_STORE", environ, "--store"),
        own_store=own_store,
        environ=environ,
    )


def _said(
    url: str | None, default: str, variable: str, environ: dict[str, str], option: str
) -> str:
    """Return what the file says; a URL with a password stays out of it, in the environment."""
    if url is None:
        return default
    from sqlalchemy import make_url

    url = _absolute(url, option)
    if make_url(url).password is None:
        return url
    environ[variable] = url
    return f"${{{variable}}}"


def _absolute(url: str, option: str) -> str:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(
            f"{option}: this is no database URL; "
            "write it like sqlite:///file.db or postgresql+psycopg://user@host/database"
        ) from None
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        parsed = parsed.set(database=str(Path(parsed.database).absolute()))
    return parsed.render_as_string(hide_password=False)


def _load(console: Console, place: Place) -> Loaded:
    from monitor.demo.log import load as load_log

    with console.status("looking at the log") as status:
        loaded = load_log(place.source_url, progress=lambda stage: status.update(f"{stage} …"))
    for stage in loaded.stages:
        console.print(f"{stage.seconds:7.1f} s  {stage.name}")
    if not loaded.stages:
        console.print("The log is there already.")
    elif place.own_store is not None:
        for suffix in ("", "-wal", "-shm"):  # results of a log that has just been replaced
            place.own_store.with_name(place.own_store.name + suffix).unlink(missing_ok=True)
    return loaded


def _write_settings(console: Console, place: Place, loaded: Loaded, port: int) -> None:
    from monitor.demo.settings import write_settings

    changed = write_settings(
        place.settings,
        source=place.source_said,
        store=place.store_said,
        threshold=loaded.threshold,
        port=port,
        daemon_port=port + 1,
    )
    if changed:
        console.print(f"{place.settings} said something else; it is kept as {place.settings}.bak")


def _backfill(
    console: Console, engine: Engine, settings: Config, stopping: Callable[[], bool]
) -> tuple[Backfilled, float]:
    from monitor.backfill import backfill
    from monitor.cli.progress import backfill_bar

    start = perf_counter()
    with backfill_bar(console, MODEL) as progress:
        done = backfill(engine, settings, MODEL, progress=progress, stopping=stopping)
    return done, perf_counter() - start


def _sum_up(
    console: Console,
    engine: Engine,
    settings: Config,
    place: Place,
    loaded: Loaded,
    stages: list[Stage],
) -> None:
    from alerts.message import incident_sentence, plain
    from monitor.clock import system_clock
    from monitor.store.queries import records, statuses

    (status,) = statuses(engine, settings, now=system_clock())
    windows = status.windows
    found = records(engine, model=MODEL)
    console.print(
        f"\n[b]{MODEL}[/b]\n"
        f"log        {loaded.predictions:,} predictions, {loaded.outcomes:,} outcomes, "
        f"{loaded.training_rows:,} training rows\n"
        f"scores     AUC {loaded.auc_out_of_fold:.3f} on the training rows, out of fold "
        f"(in sample it would have been {loaded.auc_in_sample:.3f})\n"
        f"windows    {windows.done:,} done, {windows.failed:,} failed, "
        f"{windows.pending + windows.running:,} waiting\n"
        f"time       {', '.join(f'{stage.name} {stage.seconds:.0f} s' for stage in stages)}\n"
        f"incidents  {len(found)}"
    )
    shown = found[-SHOWN:]
    if len(shown) < len(found):
        console.print(f"  the last {SHOWN}; all: monitor incidents --config {place.settings}")
    for number, incident in enumerate(shown, start=len(found) - len(shown) + 1):
        sentence = incident_sentence(incident, noun="flights", timezone=settings.timezone)
        console.print(f"  {number:2}  {incident.state}: {plain(sentence)}", markup=False)

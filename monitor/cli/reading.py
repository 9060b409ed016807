"""Commands that only read: status, drift, incidents."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from alerts.message import duration, plain, promise_sentence
from monitor.cli.options import (
    ConfigPath,
    From,
    Json,
    ModelName,
    To,
    cohort,
    compared,
    moment,
    one_model,
    width,
)

if TYPE_CHECKING:
    from monitor.store.queries import ModelStatus


def register(app: typer.Typer) -> None:
    app.command()(status)
    app.command()(drift)
    app.command()(incidents)


def status(config: ConfigPath = None, as_json: Json = False) -> None:
    """Where every model stands: windows, watermark, open incidents."""
    from monitor.clock import system_clock
    from monitor.config import load
    from monitor.reading import status_record
    from monitor.store.engine import open_store
    from monitor.store.queries import statuses

    settings = load(config)
    now = system_clock()
    found = statuses(open_store(settings.store), settings, now=now)
    if as_json:
        _line(status_record(found))
        return
    table = Table("model", "state", "done up to (UTC)", "behind", "windows", "incidents", box=None)
    for at in found:
        table.add_row(
            escape(at.name),
            _standing(at),
            "–" if at.watermark is None else f"{at.watermark:%Y-%m-%d %H:%M}",
            "–" if at.watermark is None else f"{at.lag_s / 3600:.1f} h",
            _windows(at),
            f"{at.open_incidents} open" if at.open_incidents else "none open",
        )
    console = Console()
    console.print(table)
    # what is wrong stands before what was promised
    lines = [f"{at.name}: {line}" for at in found for line in _wrong(at, now)]
    lines += [
        f"{at.name}: {plain(promise_sentence(**vars(at.promise)))}"
        for at in found
        if at.promise is not None
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _standing(at: ModelStatus) -> str:
    """Say in a word or two how a model is; that nothing can be read comes before all else."""
    if at.failing_since is not None:
        return "blind" if at.blind else "failing to read"
    behind = at.windows.pending + at.windows.running + at.windows.dirty
    if at.state in {"normal", "starting"} and behind > 1:
        return "catching up"
    return at.state


def _windows(at: ModelStatus) -> str:
    counts = {
        "done": at.windows.done,
        "to do": at.windows.pending,
        "in work": at.windows.running,
        "to do again": at.windows.dirty,
        "failed": at.windows.failed,
    }
    return ", ".join(f"{n:,} {what}" for what, n in counts.items() if n or what == "done")


def _wrong(at: ModelStatus, now: datetime) -> Iterator[str]:
    """Yield a line for each thing that a person has to know of, with what to do."""
    if at.failing_since is not None:
        lasting = duration(now - at.failing_since)
        yield (
            f"nothing could be read since {at.failing_since:%Y-%m-%d %H:%M} UTC ({lasting}): "
            f"{at.last_error}"
        )
    elif at.last_error and not at.given_up:
        yield f"a window could not be read and is tried again: {at.last_error}"
    elif at.last_error:
        yield f"a window could not be read: {at.last_error}"
    if at.given_up:
        many = f"{at.given_up:,} windows are" if at.given_up > 1 else "1 window is"
        yield (
            f"{many} given up and not tried again; "
            f"monitor backfill --model {shlex.quote(at.name)} --reprocess failed does"
        )
    if at.late is not None:
        yield (
            f"{at.late.rows:,} {at.noun} came too late; to take them in: {at.late.command(at.name)}"
        )
    yield from at.limits


def drift(
    config: ConfigPath = None,
    model: ModelName = None,
    start: From = None,
    end: To = None,
    column: Annotated[str | None, typer.Option(help="One column only.")] = None,
    group: Annotated[
        str | None, typer.Option("--cohort", help="One cohort only, like origin=JFK.")
    ] = None,
    window: Annotated[str | None, typer.Option(help="Merge to this width: 1h, 1d, 7d.")] = None,
    step: Annotated[
        str | None, typer.Option(help="A window of that width ends at every step, as every 1h.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Compare all windows with the approved reference (reference), the training "
            "baseline (training), or as a rule may: previous, 'trailing 28d', 'weeks 8', "
            "'version v1'; default: with what was in force at each, as rules do."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Every stored distance from the reference or baseline, by window, column and cohort."""
    from monitor.config import load
    from monitor.reading import drift_records
    from monitor.store.engine import open_store

    settings = load(config)
    name = one_model(settings, model)
    records = drift_records(
        open_store(settings.store),
        settings,
        name,
        start=moment(start, "--from"),
        end=moment(end, "--to"),
        column=column,
        cohort=cohort(group),
        width=width(window, "--window"),
        step=width(step, "--step"),
        against=compared(against),
    )
    if as_json:
        for record in records:
            _line(record)
        return
    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table(
        "window (UTC)", "cohort", "column", "n", "missing", "mean", "KS", "PSI", "JS", box=None
    )
    for record in records:
        table.add_row(
            record["window"]["start"].removesuffix("Z"),
            ", ".join(f"{k}={v}" for k, v in record["cohort"].items()) or "everybody",
            record["column"],
            f"{record['n']:,}",
            _short(record["missing_fraction"]),
            _short(record["mean"]),
            *(_short(record["statistics"][s]["distance"]) for s in ("ks", "psi", "js")),
        )
    console.print(table)


def incidents(config: ConfigPath = None, model: ModelName = None, as_json: Json = False) -> None:
    """Incidents, oldest first: what moved, since when, whether it is over."""
    from alerts.message import incident_sentence, plain
    from monitor.config import load
    from monitor.reading import incident_record
    from monitor.store.engine import open_store
    from monitor.store.queries import records

    settings = load(config)
    name = None if model is None else one_model(settings, model)
    found = records(open_store(settings.store), model=name)
    if as_json:
        for incident in found:
            _line(incident_record(incident))
        return
    console = Console()
    if not found:
        console.print("No incidents.")
    for number, incident in enumerate(found, start=1):
        known = settings.models.get(incident.model)
        noun = "rows" if known is None else known.noun
        text = plain(incident_sentence(incident, noun=noun, timezone=settings.timezone))
        console.print(f"[b]{number}[/b]  {incident.model}, {incident.state}", highlight=False)
        console.print(f"   {text}", markup=False, highlight=False)


def _line(record: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"

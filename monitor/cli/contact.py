"""Commands of the first minutes: init and check."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from monitor.cli.options import ConfigPath
from monitor.errors import ConfigError, SourceError, StoreError

if TYPE_CHECKING:
    from monitor.contact import CohortCheck, IdsCheck, ModelCheck, Report

_SHOWN_GROUPS = 8
_URL_VARIABLE = "SERVING_URL"
_PASSWORDS = {"password", "passfile", "sslpassword", "passwd", "pwd"}


def register(app: typer.Typer) -> None:
    app.command()(init)
    app.command()(check)


def init(
    url: Annotated[
        str,
        typer.Option(
            "--from",
            help="Its database: sqlite:///log.db, postgresql://…, or files: file:logs/*.parquet",
        ),
    ],
    table: Annotated[
        str | None, typer.Argument(help="The table or view of predictions; not for files.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The file to write.")] = Path("monitor.yaml"),
    force: Annotated[
        bool, typer.Option("--force", help="Write over a file that is there.")
    ] = False,
) -> None:
    """Look at a table of logged predictions and write a first monitor.yaml."""
    from pydantic import SecretStr

    from monitor.contact import first_look, in_short, render
    from profiles.derived import PARTS

    if out.exists() and not force:
        raise ConfigError(f"{out} is there already; give another --out, or --force to replace it")
    if not out.absolute().parent.is_dir():
        raise ConfigError(f"there is no folder {out.absolute().parent} to write {out.name} into")
    source, secret = _source(url, out)
    look = first_look(SecretStr(url), table)
    out.write_text(render(look, source=source), encoding="utf-8")
    console = Console()
    found = f"{look.first:%Y-%m-%d} to {look.last:%Y-%m-%d}, times in {look.time}"
    what = "files" if look.in_files else f"table {look.table}"
    console.print(f"wrote {out}: {what}, {found}", markup=False, soft_wrap=True)
    for column, kind in look.derived.items():
        names = in_short([f"{column}.{part}" for part in PARTS[kind]])
        console.print(f"{column}: {kind}, watched as {names}", markup=False, soft_wrap=True)
    if secret:
        console.print(
            f"the URL holds a password, so the file names a variable; first: "
            f"export {_URL_VARIABLE}='…the URL…'",
            markup=False,
            soft_wrap=True,
        )
    named = "" if out == Path("monitor.yaml") else f" --config {shlex.quote(str(out))}"
    console.print(f"next: monitor check{named}", markup=False, soft_wrap=True)


def _source(url: str, out: Path) -> tuple[str, bool]:
    """Return what to write at `source`, and whether the URL itself has to stay out."""
    import sqlalchemy as sa

    from monitor.contact.template import scalar

    for begins in ("file:", "duckdb:///"):
        if url.startswith(begins):
            path = url.removeprefix(begins)
            return scalar(begins + (path if path.startswith("/") else _placed(path, out))), False
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        return f"${{{_URL_VARIABLE}}}", True  # looking at it will say what is wrong
    if parsed.password is not None or _PASSWORDS & set(parsed.query):
        return f"${{{_URL_VARIABLE}}}", True
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        parsed = parsed.set(database=_placed(parsed.database, out))
    return scalar(parsed.render_as_string()), False


def _placed(path: str, out: Path) -> str:
    """Let a relative path start at the file that is written, not at where the command ran."""
    place, folder = Path(path).absolute(), out.absolute().parent
    return str(place.relative_to(folder) if place.is_relative_to(folder) else place)


def check(
    config: ConfigPath = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Connect to everything that is configured and show what will be watched, and every problem."""
    from monitor.config import load
    from monitor.contact import check as look

    report = look(load(config))
    if as_json:
        sys.stdout.write(json.dumps(_plain(asdict(report)), allow_nan=False) + "\n")
    else:
        _show(report)
    if report.problems:
        _fail(report)


def _fail(report: Report) -> None:
    """End with every problem and the exit code of the first kind."""
    lines = [problem.text for problem in report.problems]
    kind = report.problems[0].kind
    if kind == "config":
        raise ConfigError(*lines)
    raise (SourceError if kind == "source" else StoreError)("\n".join(lines))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value


def _show(report: Report) -> None:
    # Without a terminal, lines are as long as they are.
    console = Console() if sys.stdout.isatty() else Console(width=200)
    for model in report.models:
        _show_model(console, model)
    console.print(f"store: {escape(report.store)}", soft_wrap=True)
    if not report.problems:
        console.print("no problems found; next: monitor backfill, monitor run, monitor web")


def _show_model(console: Console, model: ModelCheck) -> None:
    console.print(f"[bold]{escape(model.name)}[/bold]")
    if model.first is not None and model.last is not None:
        indexed = {True: ", indexed", False: ", not indexed", None: ""}[model.time_indexed]
        console.print(
            f"  log       {model.first:%Y-%m-%d %H:%M} to {model.last:%Y-%m-%d %H:%M} UTC "
            f"({model.time_writing}{indexed}), read by {model.path}"
        )
    if model.ids is not None:
        console.print(f"  ids       {_ids_line(model.ids)}")
    if model.late is not None:
        console.print(f"  late      {escape(model.late)}")
    if model.baseline_rows is not None:
        console.print(f"  baseline  {model.baseline_rows:,} rows")
    for reason, count in model.rejected.items():
        console.print(f"  rejected  {count:,} rows of those looked at: {escape(reason)}")
    for note in model.notes:
        console.print(f"  note      {escape(note)}")
    if model.columns:
        console.print(_column_table(model))
    for cohort in model.cohorts:
        console.print(f"  cohort    {_cohort_line(cohort)}")
    console.print()


def _ids_line(ids: IdsCheck) -> str:
    missing = f", {ids.missing:,} missing" if ids.missing else ""
    return (
        f"{escape(ids.column)}, {ids.repeated:,} repeated within a window{missing}, "
        f"of {ids.rows:,} looked at"
    )


def _column_table(model: ModelCheck) -> Table:
    table = Table("column", "kind", "role", box=None, padding=(0, 2), header_style="dim")
    table.add_column("missing", justify="right")
    table.add_column("distinct", justify="right")
    table.add_column("values")
    for column in model.columns:
        ignored = column.kind == "ignored"
        table.add_row(
            escape(column.name),
            column.kind,
            "" if column.role == "none" else column.role,
            "" if column.missing is None else f"{column.missing:.1%}",
            "" if column.distinct is None else f"{column.distinct:,}",
            escape(column.reason if ignored else column.summary),
            style="dim" if ignored else "",
        )
    return table


def _cohort_line(cohort: CohortCheck) -> str:
    shown = [
        f"{escape(' × '.join(group))} {size:,}" for group, size in cohort.sizes[:_SHOWN_GROUPS]
    ]
    more = len(cohort.sizes) - len(shown)
    rest = f", and {more:,} more" if more else ""
    return f"{escape(' × '.join(cohort.columns))}: {', '.join(shown)}{rest}"

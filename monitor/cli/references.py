"""Commands on what windows are compared with: approve a range, list and show, skew."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from monitor.cli.options import ConfigPath, From, Json, ModelName, To, moment, one_model
from monitor.errors import ConfigError

if TYPE_CHECKING:
    from monitor.store.approvals import Approval
    from monitor.store.queries import ColumnSummary, Reference, ReferenceView, Skew
    from profiles.effects import Effect

FURTHEST = 3  # columns that are named when a range is accepted
MOST_COHORTS = 12  # that are shown to people, largest first

Id = Annotated[
    str | None,
    typer.Argument(metavar="[ID]", help="Its id, or how it begins; default: what is in force."),
]


def register(app: typer.Typer) -> None:
    baseline = typer.Typer(
        help="What windows are compared with: training, or what was approved since.",
        no_args_is_help=True,
    )
    baseline.command()(accept)
    baseline.command("list")(listed)
    baseline.command()(show)
    app.add_typer(baseline, name="baseline")
    app.command()(skew)


def accept(
    config: ConfigPath = None,
    model: ModelName = None,
    start: From = None,
    end: To = None,
    note: Annotated[str | None, typer.Option(help="Why, for those who look later.")] = None,
) -> None:
    """Approve what was seen in a range as the new normal, from now on."""
    from monitor.clock import system_clock
    from monitor.config import load
    from monitor.store import approvals
    from monitor.store.engine import open_store
    from profiles.windows import Window

    settings = load(config)
    name = one_model(settings, model)
    first, last = moment(start, "--from"), moment(end, "--to")
    if first is None or last is None:
        raise ConfigError("say which range is the new normal with --from and --to")
    if last <= first:
        raise ConfigError(f"--from {first} does not lie before --to {last}")
    accepted = approvals.accept(
        open_store(settings.store),
        name,
        Window(start=first, end=last),
        note=note,
        now=system_clock(),
    )
    for line in _told(accepted):
        typer.echo(line)


def listed(config: ConfigPath = None, model: ModelName = None, as_json: Json = False) -> None:
    """Training baselines and approved references, oldest first, and which is in force."""
    from monitor.config import load
    from monitor.reading import reference_record
    from monitor.store.engine import open_store
    from monitor.store.queries import references

    settings = load(config)
    names = list(settings.models) if model is None else [one_model(settings, model)]
    engine = open_store(settings.store)
    found = [of for name in names for of in references(engine, name)]
    if as_json:
        for of in found:
            _line(reference_record(of))
        return
    console = Console(width=None if sys.stdout.isatty() else 140)
    if not found:
        console.print("No baseline is accepted yet; the first window does it.")
        return
    table = Table("id", "model", "what", "range (UTC)", "rows", "accepted (UTC)", "", box=None)
    for of in found:
        table.add_row(
            of.id[:8], escape(of.model), _what(of), _range(of.approval), f"{of.rows:,}",
            _when(of.accepted_at), _standing(of),
        )  # fmt: skip
    console.print(table)


def show(
    reference: Id = None,
    config: ConfigPath = None,
    model: ModelName = None,
    as_json: Json = False,
) -> None:
    """One of them: its columns and cohorts, and how far all has come from training."""
    from monitor.config import load
    from monitor.reading import reference_view_record
    from monitor.store.engine import open_store
    from monitor.store.queries import reference_view

    settings = load(config)
    name = one_model(settings, model)
    view = reference_view(open_store(settings.store), name, reference)
    if as_json:
        _line(reference_view_record(view))
        return
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    _shown(view, console)


def skew(config: ConfigPath = None, model: ModelName = None, as_json: Json = False) -> None:
    """How far the first stored week is from training, the furthest column first."""
    from monitor.config import load
    from monitor.reading import skew_record
    from monitor.store import queries
    from monitor.store.engine import open_store

    settings = load(config)
    found = queries.skew(open_store(settings.store), one_model(settings, model))
    if as_json:
        _line(skew_record(found))
        return
    _skewed(found, Console(width=None if sys.stdout.isatty() else 140, highlight=False))


def _told(of: Approval) -> list[str]:
    said = [
        f"approved {of.id[:8]}: {of.rows:,} rows of {_days(of.days)}, {_range(of)} UTC",
        f"in force for windows from {_when(of.since)} UTC on; decisions until then stay",
    ]
    if of.provisional:
        from monitor.store.approvals import ENOUGH_DAYS

        said.append(f"provisional: {ENOUGH_DAYS} days are needed to hold the ways of a month")
    known = [(column, effect) for column, effect in of.effects.items() if effect is not None]
    furthest = sorted(known, key=lambda each: -each[1].effect)[:FURTHEST]
    if furthest:
        columns = "; ".join(f"{column} {_effect(effect)}" for column, effect in furthest)
        said.append(f"furthest from training (Cohen's w): {columns}")
    return said


def _shown(view: ReferenceView, console: Console) -> None:
    of = view.reference
    console.print(f"{_what(of)} {of.id} of {of.model}: {of.rows:,} rows", markup=False)
    console.print(f"  accepted  {_when(of.accepted_at)} UTC, {_standing(of) or 'not in force'}")
    if of.approval is not None:
        console.print(f"  range     {_range(of.approval)} UTC, {_days(of.approval.days)}")
        console.print(f"  since     {_when(of.approval.since)} UTC, on the grids of {of.baseline}")
        if of.approval.note:
            console.print(f"  note      {of.approval.note}", markup=False)
    largest = sorted((c for c in view.cohorts if c[0]), key=lambda c: -c[1])
    if largest:
        named = [
            f"{', '.join(f'{k}={v}' for k, v in cohort)} {rows:,}"
            for cohort, rows in largest[:MOST_COHORTS]
        ]
        more = len(largest) - len(named)
        said = "; ".join(named) + (f"; and {more:,} more" if more else "")
        console.print(f"  cohorts   {said}", markup=False)
    table = Table("column", "kind", "missing", box=None)
    if of.approval is not None:
        table.add_column("since training (w)")
    if view.lately is not None:
        table.add_column(f"to {_when(view.lately.end)}, last seven days (w)")
    for column in view.columns:
        cells = [escape(column.column), _kind(column), _percent(column.missing)]
        cells += [_effect(column.effect)] if of.approval is not None else []
        cells += [_effect(column.lately)] if view.lately is not None else []
        table.add_row(*cells)
    console.print(table)


def _skewed(found: Skew, console: Console) -> None:
    from monitor.store.queries.references import TOLERATED

    first = "the first week" if found.whole else "the first days, not yet a week,"
    console.print(
        f"{found.model}: {first} from {_when(found.span.start)} UTC on, against training",
        markup=False,
    )
    table = Table("column", "Cohen's w, 95 %", "rows", f"over {TOLERATED:g}", box=None)
    for column, of in found.columns:
        perhaps = "perhaps" if of.effect > TOLERATED else ""
        over = "over" if found.over(of) else perhaps
        table.add_row(escape(column), _effect(of), f"{of.rows:,}", over)
    console.print(table)
    if found.unknown:
        console.print(f"too few rows or days: {', '.join(found.unknown)}", markup=False)


def _what(of: Reference) -> str:
    return "training baseline" if of.kind == "training" else "approved reference"


def _standing(of: Reference) -> str:
    said = ["in force"] if of.in_force else []
    said += ["makes the grids"] if of.grids else []
    said += ["provisional"] if of.approval is not None and of.approval.provisional else []
    return ", ".join(said)


def _range(of: Approval | None) -> str:
    return "–" if of is None else f"{_when(of.span.start)} to {_when(of.span.end)}"


def _kind(of: ColumnSummary) -> str:
    from profiles.grids import CategoricalGrid

    if isinstance(of.grid, CategoricalGrid):
        return f"{len(of.grid.categories) + len(of.grid.known):,} categories"
    return f"numbers in {of.grid.values:,} bins"


def _effect(of: Effect | None) -> str:
    return "–" if of is None else f"{of.effect:.2f} ({of.low:.2f} to {of.high:.2f})"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _days(days: int) -> str:
    return f"{days:,} day{'s' if days != 1 else ''}"


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _line(record: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")

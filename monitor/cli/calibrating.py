"""The command that says what the budget of false alarms means for a model."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from monitor.cli.options import ConfigPath, Json, ModelName, To, moment, one_model

if TYPE_CHECKING:
    from monitor.calibration import Calibration, Page, RuleRate
    from profiles.detection.attribution import Odd
    from profiles.detection.checks import Breach

_KINDS = {
    "body": "",
    "level": ", its level",
    "beyond": ", values not in the baseline",
    "faults": ", missing or wrong",
    "volume": "",
}


def register(app: typer.Typer) -> None:
    app.command()(calibrate)


def calibrate(
    config: ConfigPath = None,
    model: ModelName = None,
    until: To = None,
    placebo: Annotated[
        bool, typer.Option("--placebo", help="List each page, with what had moved.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what a budget of false alarms would have paged on the past, and what it can see."""
    from monitor import calibration
    from monitor.config import load
    from monitor.reading import calibration_record
    from monitor.store.engine import open_store

    settings = load(config)
    name = one_model(settings, model)
    found = calibration.calibrate(
        open_store(settings.store), settings, name, until=moment(until, "--to")
    )
    if as_json:
        record = calibration_record(found)
        sys.stdout.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
        return
    _tell(found, Console(highlight=False), placebo=placebo)


def _tell(found: Calibration, console: Console, *, placebo: bool) -> None:
    many = "s" if found.budget > 1 else ""
    console.print(
        f"[b]{found.model}[/b]: at most {found.budget:.3g} false incident{many} a month, if what "
        "comes wanders as it has lately"
    )
    console.print(f"  stored   {found.days} days from {found.first}")
    for rule in found.rules:
        console.print(f"  {_rule(rule)}", markup=False)
    if not found.lanes:
        console.print(
            f"  provisional: nothing pages by the budget before {found.opens_after} stored days; "
            "35 to learn what is usual, the rest to be compared with"
        )
        return
    for lane in found.lanes:
        unit = "day" if lane.days == 1 else "week"
        console.print(
            f"  lane     {lane.name}: the {lane.most} oddest of {lane.beside + 1} {unit}s, "
            f"{lane.a_month:.2f} a month"
        )
    low, high = found.between or (0.0, 0.0)
    console.print(
        f"  past     {found.counted} pages in {found.judged} days: {found.a_month:.2f} a month "
        f"(95 %: {low:.2f} to {high:.2f}), open on {found.open_days} days"
    )
    if not found.holds:
        console.print(
            "  [b]The promise does not hold on this past[/b]: it trends, or was often really odd; "
            "look at the pages with --placebo"
        )
    if placebo:
        for page in found.pages:
            console.print(f"  {_page(page)}", markup=False)
    console.print()
    console.print(_sights(found))


def _rule(rule: RuleRate) -> str:
    low, high = rule.between
    said = (
        f"rule     {rule.rule}, {rule.statistic} over {rule.threshold:.3g}: {rule.a_month:.2f} "
        f"alarms a month on this past (95 %: {low:.2f} to {high:.2f}), real changes among them"
    )
    return said if rule.keeps is None else f"{said}; over {rule.keeps:.3g} it kept the budget"


def _page(page: Page) -> str:
    span = f"{page.first}" if page.first == page.last else f"{page.first} to {page.last}"
    told = [*map(_broken, page.broken[:3]), *map(_moved, page.moved[:3])]
    early = "" if page.counts else " (before the promise began, or on a holiday)"
    return f"{span}: {'; '.join(told[:3])}{early}"


def _broken(of: Breach) -> str:
    where = " × ".join(of.group) or "everybody"
    return f"{of.column}: {of.check} in {where}"


def _moved(of: Odd) -> str:
    where = " × ".join(of.stream.group) or "everybody"
    return f"{of.stream.column}{_KINDS[of.stream.kind]} in {where} ({of.scale.hours} h)"


def _sights(found: Calibration) -> Table:
    """Show the smallest effect that would page today, of everybody, by column and scale."""
    scales = sorted({sight.hours for sight in found.sights})
    table = Table("smallest shift that pages (Cohen's w)", *(f"{h} h" for h in scales), box=None)
    effects: dict[str, dict[int, float | None]] = {}
    for sight in found.sights:
        if sight.stream.dimension == () and sight.stream.kind in {"body", "volume"}:
            effects.setdefault(sight.stream.column, {})[sight.hours] = sight.effect
    for column, of in effects.items():
        known = [of.get(hours) for hours in scales]
        table.add_row(column, *("–" if effect is None else f"{effect:.2f}" for effect in known))
    return table

"""The bar of a backfill: windows, the time reached, rows a second, time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from monitor.backfill import Progress as Step


@contextmanager
def backfill_bar(console: Console, name: str) -> Iterator[Callable[[Step], None]]:
    """Show a bar while the block runs; yields what a backfill tells its progress to."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TextColumn("windows"),
        TextColumn("{task.fields[at]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(name, total=None, rate="", at="")

        def show(step: Step) -> None:
            elapsed = bar.tasks[task].elapsed or 0.0
            rate = f"{step.rows / elapsed:,.0f} rows/s" if elapsed > 1 else ""
            at = "" if step.at is None else f"{step.at:%d %b %Y %H:%M}"
            bar.update(task, total=step.total, completed=step.done, rate=rate, at=at)

        yield show

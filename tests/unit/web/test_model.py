from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from monitor.store.queries.views import TooLate
from tests.support.views import END, status
from web.pages.model import _late

LATE = TooLate(rows=1_204, windows=3, start=END - timedelta(days=2), end=END - timedelta(days=1))


def test_rows_that_came_too_late_are_told_with_the_command_that_takes_them_in() -> None:
    shown = str(_late(replace(status("a b"), late=LATE)))
    assert "1,204 flights came too late." in shown
    assert LATE.command("a b") in shown
    assert "--model 'a b' --reprocess late --from " in LATE.command("a b")


def test_nothing_is_said_where_no_row_came_too_late() -> None:
    assert _late(status()) is None

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from monitor.store.queries.views import IncidentView
from tests.support.dashboard import configured
from tests.support.views import END, SeededReader, incident_rows, incident_view
from web.desk import Desk
from web.pages import incident as page


class Blind(SeededReader):
    """Has one incident, of the monitor's own kind."""

    resolved = False

    def incident_view(self, incident_id: str) -> IncidentView | None:
        first = replace(
            incident_rows()[0], kind="monitor", title="The monitor is blind", streams=0,
            state="resolved" if self.resolved else "firing",
            resolved=END + timedelta(days=1) if self.resolved else None,
        )  # fmt: skip
        return replace(incident_view(first), streams=())


def shown(reader: SeededReader) -> str:
    desk = Desk(config=configured(), reader=reader, clock=lambda: END)
    return str(page._page(desk, "i", None, narrow=False))


def test_a_blind_monitor_shows_what_to_do_and_nothing_that_moved() -> None:
    text = shown(Blind())
    assert "monitor check" in text
    assert "Nothing is lost" in text
    for absent in ("What moved", "when-graph", "here to stay"):
        assert absent not in text


def test_one_that_sees_again_says_what_became_of_it() -> None:
    reader: Any = Blind()
    reader.resolved = True
    text = shown(reader)
    assert "read in order, and decided" in text
    assert "monitor check" not in text

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dash.development.base_component import Component

from monitor.store.queries.views import ModelView
from tests.support.dashboard import configured
from tests.support.views import END, SeededReader, model_view
from web.address import Query
from web.controls import Shown
from web.desk import Desk
from web.pages.model_sheet import sheet_of


def drawn(view: ModelView, *, narrow: bool = False, **query: Any) -> list[Component]:
    desk = Desk(config=configured(), reader=SeededReader(), clock=lambda: END)
    shown = Shown(
        query=Query(**query),
        start=view.start,
        end=view.end,
        extent=(view.start, view.end),
        zone=ZoneInfo("America/New_York"),
        timezone="America/New_York",
    )
    return [part for top in sheet_of(desk, view, shown, narrow=narrow) for part in walk(top)]


def walk(part: Any) -> Iterator[Component]:
    if isinstance(part, list | tuple):
        for child in part:
            yield from walk(child)
    elif isinstance(part, Component):
        yield part
        yield from walk(getattr(part, "children", None))


def having(parts: list[Component], class_name: str) -> list[Component]:
    return [p for p in parts if class_name in (getattr(p, "className", None) or "").split()]


@pytest.mark.parametrize("narrow", [False, True])
def test_a_sheet_without_an_incident_has_no_tag(narrow: bool) -> None:
    parts = drawn(replace(model_view(), incidents=()), narrow=narrow)
    assert having(parts, "tag") == []
    assert having(parts, "failed") == []


def test_each_incident_is_a_link_named_in_full_for_screen_readers() -> None:
    tags = having(drawn(model_view()), "tag")
    assert [tag.href for tag in tags] == ["/incidents/b17e20", "/incidents/a3f09c"]
    assert all("score" in label or "dest" in label for label in (tag.title for tag in tags))


def test_lanes_lead_to_their_feature_with_the_same_range() -> None:
    parts = drawn(model_view(), statistic="psi")
    links = [p.children.href for p in having(parts, "row-lane") if hasattr(p.children, "href")]
    assert "/models/flight-delay/features/carrier?stat=psi" in links


def test_a_part_that_cannot_be_drawn_fails_alone_and_tells_no_value() -> None:
    view = model_view()
    assert view.score is not None
    broken = replace(view, score=replace(view.score, quantiles=view.score.quantiles[:1]))
    parts = drawn(broken)
    assert len(having(parts, "failed")) == 1
    assert having(parts, "as-table")


def test_a_model_without_score_or_cohorts_still_has_its_lanes() -> None:
    parts = drawn(replace(model_view(), score=None, by_cohort=None, distance={}))
    assert having(parts, "failed") == []
    assert len(having(parts, "row-lane")) > 10

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tests.support.views import (
    BOLD,
    END,
    HOSTILE,
    feature_view,
    incident_view,
    model_view,
    overview,
)
from web.figures import marks, scale
from web.figures.bands import band, lone_points
from web.figures.incident import when
from web.figures.path import through_time, time_plan
from web.figures.plan import plan
from web.figures.readout import readout
from web.figures.sheet import sheet
from web.figures.spread import distribution
from web.figures.timeaxis import ruling
from web.theme import DARK, LIGHT

NEW_YORK = ZoneInfo("America/New_York")


def hours(n: int) -> Any:
    return np.datetime64("2013-12-01T00:00", "us") + np.arange(n) * np.timedelta64(1, "h")


def strings(part: Any) -> list[str]:
    if isinstance(part, dict):
        return [text for value in part.values() for text in strings(value)]
    if isinstance(part, list | tuple):
        return [text for value in part for text in strings(value)]
    return [part] if isinstance(part, str) else []


def test_a_band_is_one_polygon_for_each_stretch_of_known_values() -> None:
    high = np.array([1.0, 2.0, np.nan, 3.0, 4.0])
    drawn = band(hours(5), high - 1, high, colour="fan-80", axis="y")
    assert [k for k, y in enumerate(drawn.y) if y is None] == [4, 9]
    assert drawn.fill == "toself"


def test_a_value_alone_between_gaps_is_a_dot() -> None:
    y = np.array([1.0, np.nan, 2.0, np.nan, 3.0, 4.0])
    dots = lone_points(hours(6), y, colour="accent", axis="y")
    assert dots is not None
    assert list(dots.y) == [1.0, 2.0]


def test_cells_within_normal_are_blank_and_unknown_ones_are_not() -> None:
    values = np.array([[0.1, 0.25, 0.9, np.nan]])
    levels = scale.beyond_normal(values, np.array([0.2]))
    assert levels[0][:3].tolist() == [0, 1, 5]
    assert np.isnan(levels[0][3])


def test_a_difference_within_its_sampling_error_is_blank() -> None:
    values = np.array([[0.02, -0.07, 0.5]])
    levels = scale.differences(values, np.full((1, 3), 0.03), 0.05)
    assert levels[0].tolist() == [0, -2, 4]


def test_days_are_labelled_in_their_middle_also_when_a_day_has_25_hours() -> None:
    start = datetime(2013, 11, 2, 4, tzinfo=UTC)
    ruled = ruling(start, start + timedelta(days=5), NEW_YORK)
    assert [text for _, text in ruled.labels][:3] == ["Sat 2 Nov", "Sun 3", "Mon 4"]
    assert ruled.rules[1] - ruled.rules[0] == timedelta(hours=25)


@pytest.mark.parametrize("days", [1, 3, 7, 14, 30, 90, 400])
def test_an_axis_never_has_more_labels_than_asked(days: int) -> None:
    ruled = ruling(END - timedelta(days=days), END, NEW_YORK, most=8)
    assert 1 <= len(ruled.labels) <= 9


@pytest.mark.parametrize("narrow", [False, True])
def test_rows_of_the_sheet_do_not_overlap(narrow: bool) -> None:
    rows = plan(model_view(), narrow=narrow).rows
    assert all(a.bottom <= b.top for a, b in pairwise(rows))


def test_mixed_cohorts_are_folded_until_they_are_opened() -> None:
    folded = plan(model_view())
    opened = plan(model_view(), opened=("origin,carrier",))
    assert len([r for r in opened.rows if r.kind == "cohort"]) == 12 + len(
        [r for r in folded.rows if r.kind == "cohort"]
    )


def test_every_colour_of_a_figure_is_a_token() -> None:
    view = model_view()
    drawn = [
        sheet(view, plan(view), NEW_YORK),
        distribution(feature_view()),
        distribution(feature_view("carrier", kind="categorical")),
        through_time(feature_view(), time_plan(), NEW_YORK),
        through_time(feature_view("carrier", kind="categorical"), time_plan(), NEW_YORK),
        when(incident_view(), NEW_YORK),
    ]
    for figure in drawn:
        figure.layout.template = None
        texts = strings(figure.to_plotly_json())
        assert not [text for text in texts if text.startswith(("#", "rgb("))]
        named = {t[6:-1] for t in texts if t.startswith("var(--")}
        assert named <= LIGHT.keys() & DARK.keys()


def test_names_that_plotly_would_read_as_markup_are_escaped() -> None:
    texts = strings(distribution(feature_view("carrier", kind="categorical")).to_plotly_json())
    assert any("&lt;img src=x" in text for text in texts)
    assert not [text for text in texts if "<img" in text or "<a " in text or "<b>" in text]


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_a_window_without_rows_is_still_drawn(kind: str) -> None:
    view = feature_view("x", kind=kind)
    nothing = np.full(len(view.times), np.nan)
    bare = replace(
        view,
        n=0,
        bars=replace(view.bars, window=np.zeros_like(view.bars.window)),
        window_quantiles=None,
        quantiles=None if view.quantiles is None else np.full((5, len(view.times)), np.nan),
        missing=nothing,
    )
    distribution(bare)
    through_time(bare, time_plan(), NEW_YORK)


def test_a_sheet_without_a_single_known_value_is_still_drawn() -> None:
    view = model_view()
    assert view.score is not None
    gone = replace(
        view,
        rows=np.zeros_like(view.rows),
        score=replace(
            view.score,
            mean=view.score.mean * np.nan,
            quantiles=view.score.quantiles * np.nan,
            expected=None,
            threshold=None,
        ),
        distance={rule: values * np.nan for rule, values in view.distance.items()},
    )
    sheet(gone, plan(gone), NEW_YORK)
    json.dumps(readout(gone, plan(gone), timezone="UTC"), allow_nan=False)


def test_the_readout_has_a_row_for_each_row_of_the_sheet_and_no_nan() -> None:
    view = model_view()
    laid = plan(view)
    said = readout(view, laid, timezone="UTC")
    assert len(said["rows"]) == len([r for r in laid.rows if r.kind != "heading"])
    assert HOSTILE in json.dumps(said, allow_nan=False, ensure_ascii=False)
    assert BOLD in [row.get("name") for row in said["rows"]]


def test_a_spark_leaves_a_gap_where_nothing_is_known() -> None:
    row = overview().models[0]
    drawn = marks.spark(row, label="score")
    lines = [e for e in drawn[2] if e[1].get("class") == "m-line"]
    assert len(lines) == 2


def test_a_value_far_beyond_its_threshold_points_out_of_the_picture() -> None:
    classes = [shape[1]["class"] for shape in marks.ratio(7.5)[2]]
    assert "m-arrow" in classes
    assert "m-alarm" in classes

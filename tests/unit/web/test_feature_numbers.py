"""The words beside a feature's numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from profiles.effects import Effect
from profiles.resolution import CoarseBin
from tests.support.views import feature_view, status
from web.pages.feature_numbers import coarse, distances, facts


def text_of(part: Any) -> str:
    """All that a part of the page says."""
    if isinstance(part, str):
        return part
    children = getattr(part, "children", None) or []
    return "".join(map(text_of, children if isinstance(children, list) else [children]))


@pytest.mark.parametrize(
    ("low", "high", "where"),
    [
        (120.0, 340.0, "from 120 to 340"),
        (340.0, None, "above 340"),
        (None, -2.0, "below −2"),
        (None, None, "in categories that have no bin of their own"),
    ],
)
def test_a_grid_that_is_too_coarse_says_so_in_a_line_with_the_way_out(
    low: float | None, high: float | None, where: str
) -> None:
    full = CoarseBin(low=low, high=high, share=0.412, baseline=0.004)
    view = replace(feature_view(), coarse=full, ks_shortfall=0.39)
    line = coarse(view)
    assert line is not None
    assert line.className == "note"
    said = text_of(line).replace("\u202f", " ")
    assert said == (
        f"Grid too coarse here: 41.2 % of the values lie {where}, in the baseline 0.4 %. "
        "What moves within that bin is not seen, and KS may be short by 0.39. For a finer grid "
        "give baseline rows that have such values, then "
        "monitor backfill --model flight-delay --reprocess all."
    )


def test_a_command_can_be_copied_whatever_the_model_is_called() -> None:
    full = CoarseBin(low=None, high=None, share=0.5, baseline=0)
    view = replace(feature_view(), status=status("night flights"), coarse=full)
    assert "--model 'night flights' --reprocess all." in text_of(coarse(view))


def test_where_the_grid_will_do_nothing_is_said() -> None:
    assert coarse(feature_view()) is None
    assert coarse(feature_view(kind="categorical")) is None


def test_the_resolution_of_a_numeric_column_is_stated() -> None:
    assert "the binned KS is short by at most 0.006" in text_of(facts(feature_view()))
    unknown = replace(feature_view(), ks_shortfall=None)
    assert "its order is not seen" in text_of(facts(unknown))


@pytest.mark.parametrize(
    ("categories", "said"),
    [
        ((94, 0), "Categories94each is a bin of its own"),
        ((256, 4_000), "Categories4,256256 of them with a bin of their own"),
    ],
)
def test_the_categories_are_all_that_the_baseline_has(
    categories: tuple[int, int], said: str
) -> None:
    view = replace(feature_view(), kind="categorical", categories=categories)
    assert said in text_of(facts(view))


def test_how_far_a_range_is_from_training_is_said_in_one_number() -> None:
    far = replace(feature_view(), since_training=Effect(effect=0.214, low=0.178, high=0.2, rows=9))
    said = text_of(distances(far)).replace("\u202f", " ")
    assert "this range against the baseline, since training: w 0.21 (0.18 to 0.20)" in said
    assert "since training" not in text_of(distances(feature_view()))

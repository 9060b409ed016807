"""A budget is kept by rank: what the lanes promise, and that units which are alike keep it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.detection.lanes import (
    BODIES,
    FAULTS,
    LEAST_UNIT,
    LEAST_UNITS,
    MONTH,
    Beside,
    Lane,
    Placed,
    lanes,
)
from profiles.detection.scores import FAST, SLOW

Doubles = npt.NDArray[np.float64]

BESIDE, CELLS, RUNS = 14, 120, 6_000
PROMISED = 1 / (BESIDE + 1)
ERROR = np.sqrt(PROMISED * (1 - PROMISED) / RUNS)


def place(units: Doubles) -> Placed:
    """Put the last unit beside those before it."""
    return Beside(units[:-1]).place(units[-1])


@given(stored=st.integers(0, 3_000), budget=st.floats(1e-3, 100))
def test_lanes_together_never_promise_more_than_the_budget(stored: int, budget: float) -> None:
    found = lanes(stored, budget)
    assert sum(lane.a_month for lane in found) <= budget * (1 + 1e-9)
    for lane in found:
        assert 1 <= lane.most <= lane.beside
        assert lane.beside >= LEAST_UNITS
        assert lane.beside * lane.days <= stored


@given(stored=st.integers(0, 3_000), budget=st.floats(1e-3, 100))
def test_every_kind_of_stream_is_judged_once_at_every_quick_scale(
    stored: int, budget: float
) -> None:
    found = lanes(stored, budget)
    judged = [(kind, scale) for lane in found for kind in lane.kinds for scale in lane.scales]
    assert len(judged) == len(set(judged))
    quick = {(kind, scale) for kind in (*FAULTS, *BODIES) for scale in FAST}
    slow = {(kind, scale) for kind in (*FAULTS, *BODIES) for scale in SLOW}
    if len(found) == 3:
        assert set(judged) == quick | slow
    elif found:
        assert set(judged) == quick


@given(budget=st.floats(0.02, 10), stored=st.integers(0, 2_000), more=st.integers(0, 500))
def test_what_can_page_once_can_page_with_more_days_too(
    budget: float, stored: int, more: int
) -> None:
    assert len(lanes(stored, budget)) <= len(lanes(stored + more, budget))


@given(budget=st.floats(0.05, 5))
def test_of_a_long_history_most_of_the_budget_is_spent(budget: float) -> None:
    assert sum(lane.a_month for lane in lanes(5_000, budget)) > budget / 2


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (0, ()),
        (29, ()),
        (30, (("day", 1, 30, 1),)),
        (61, (("day", 1, 61, 2),)),
        (97, (("day", 1, 97, 3),)),
        (98, (("faults", 1, 98, 1), ("fast", 1, 98, 1), ("slow", 7, 14, 1))),
        (400, (("faults", 1, 98, 1), ("fast", 1, 98, 1), ("slow", 7, 14, 1))),
    ],
)
def test_one_false_incident_a_month_opens_lanes_as_the_history_allows(
    stored: int, expected: tuple[tuple[str, int, int, int], ...]
) -> None:
    found = lanes(stored, 1.0)
    assert tuple((lane.name, lane.days, lane.beside, lane.most) for lane in found) == expected


def test_faults_quick_shifts_and_slow_ones_have_about_a_third_of_the_budget_each() -> None:
    for lane, share in zip(lanes(200, 1.0), (0.31, 0.31, 0.38), strict=True):
        assert lane.a_month == pytest.approx(MONTH / lane.days * lane.most / (lane.beside + 1))
        assert share / 2 < lane.a_month <= share


def test_a_small_budget_waits_for_as_many_days_as_it_needs() -> None:
    opens = next(n for n in range(10_000) if lanes(n, 0.1))
    assert opens == 304  # one of 305 days is 0.0998 a month
    (merged,) = lanes(opens, 0.1)
    assert merged == Lane(
        name="day",
        kinds=(*FAULTS, *BODIES),
        scales=FAST,
        days=1,
        beside=304,
        most=1,
        a_month=MONTH / 305,
    )


@pytest.mark.parametrize("budget", [11.0, 13.0, 31.0, 100.0])
def test_a_budget_of_more_than_every_unit_still_compares_with_stored_ones(budget: float) -> None:
    for stored in (0, 1, 5, 200):
        for lane in lanes(stored, budget):
            units = np.random.default_rng(1).gamma(2, 2, (lane.beside + 1, 3))
            assert np.isfinite(place(units).bar(lane.most))


def units_of(rng: np.random.Generator, *, units: int = BESIDE + 1, cells: int = CELLS) -> Doubles:
    """Draw units that are alike: cells of one unit go together, those of one bundle the more."""
    bundle = rng.normal(size=(units, 30)).repeat(cells // 30, axis=1)
    each = rng.normal(size=(units, cells))
    shared = rng.normal(size=(units, 1))
    return 3 * np.exp(0.5 * (0.3 * shared + 0.5 * bundle + 0.7 * each))


@given(seed=st.integers(0, 2**32 - 1), stored=st.integers(4, 40), cells=st.integers(1, 12))
def test_the_order_of_the_stored_units_does_not_matter(seed: int, stored: int, cells: int) -> None:
    rng = np.random.default_rng(seed)
    units = rng.gamma(1, 4, (stored + 1, cells))
    one = place(units)
    order = rng.permutation(stored)
    other = place(np.concatenate((units[order], units[-1:])))
    assert other.heights.tobytes() == one.heights.tobytes()
    assert other.stored.tobytes() == one.stored[order].tobytes()


@given(seed=st.integers(0, 2**32 - 1), stored=st.integers(4, 40), constant=st.floats(-1, 1e4))
def test_cells_that_are_always_the_same_make_no_alert_and_hide_none_that_is_odd(
    seed: int, stored: int, constant: float
) -> None:
    rng = np.random.default_rng(seed)
    units = rng.gamma(1, 4, (stored + 1, 5))
    one = place(units)
    other = place(np.column_stack((units, np.full((stored + 1, 3), constant))))
    assert (other.heights[:5] == one.heights).all()
    assert other.heights[5:].max() <= 1
    assert (other.stored == np.maximum(one.stored, min(1, constant / LEAST_UNIT))).all()
    for most in (1, 2):
        over = other.heights > other.bar(most)
        assert not over[5:].any()
        if one.heights.max() > 1:
            assert over.any() == (one.heights > one.bar(most)).any()


@given(seed=st.integers(0, 2**32 - 1), stored=st.integers(4, 40))
def test_a_cell_goes_by_its_third_largest_of_all_units(seed: int, stored: int) -> None:
    units = np.random.default_rng(seed).gamma(2, 5, (stored + 1, 6))
    placed = place(units)
    third = np.maximum(LEAST_UNIT, np.sort(units, axis=0)[-3])
    np.testing.assert_allclose(placed.unit, third)
    np.testing.assert_allclose(placed.heights, units[-1] / third)
    np.testing.assert_allclose(placed.stored, (units[:-1] / third).max(axis=1))


def test_scores_that_are_nothing_unusual_are_compared_as_they_are() -> None:
    units = np.random.default_rng(3).uniform(-1, LEAST_UNIT, (20, 4))
    np.testing.assert_allclose(place(units).unit, LEAST_UNIT)


def test_a_running_unit_that_ties_with_all_stored_ones_is_not_odd() -> None:
    for score in (-1.0, 0.0, 4.0):
        placed = place(np.full((31, 3), score))
        assert not (placed.heights > placed.bar(1)).any()


@pytest.mark.parametrize("most", [1, 2, 5])
def test_the_bar_is_what_the_running_unit_has_to_be_over_to_be_among_the_largest(most: int) -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        placed = place(rng.gamma(1, 3, (21, 4)))
        height = float(placed.heights.max())
        assert (height > placed.bar(most)) == among(placed.stored, height, most)


def among(stored: Doubles, running: float, most: int) -> bool:
    return int((stored >= running).sum()) < most


def without_the_running_unit(units: Doubles) -> tuple[Doubles, float]:
    """Bring units to one scale by the stored ones alone: the leak that `place` does not have."""
    unit = np.maximum(LEAST_UNIT, np.sort(units[:-1], axis=0)[-3])
    return (units[:-1] / unit).max(axis=1), float((units[-1] / unit).max())


def beyond_a_gumbel_tail(stored: Doubles, running: float, share: float) -> bool:
    """Fit a law of maxima to the stored heights: the leak of a tail that is believed."""
    scale = stored.std() * np.sqrt(6) / np.pi
    at = stored.mean() - np.euler_gamma * scale
    return bool(running > at - scale * np.log(-np.log(1 - share)))


@pytest.fixture(scope="module")
def rates() -> dict[str, float]:
    """Share of runs that alert, of units that are alike and of cells that strongly go together."""
    rng = np.random.default_rng(12)
    found = dict.fromkeys(("ours", "two largest", "without the running unit", "gumbel"), 0)
    for _ in range(RUNS):
        units = units_of(rng)
        placed = place(units)
        height = float(placed.heights.max())
        found["ours"] += among(placed.stored, height, 1)
        found["two largest"] += among(placed.stored, height, 2)
        past, running = without_the_running_unit(units)
        found["without the running unit"] += among(past, running, 1)
        found["gumbel"] += beyond_a_gumbel_tail(past, running, PROMISED)
    return {name: hits / RUNS for name, hits in found.items()}


@pytest.mark.parametrize(("name", "most"), [("ours", 1), ("two largest", 2)])
def test_units_that_are_alike_alert_as_often_as_promised_however_cells_go_together(
    rates: dict[str, float], name: str, most: int
) -> None:
    promised = most / (BESIDE + 1)
    error = np.sqrt(promised * (1 - promised) / RUNS)
    assert abs(rates[name] - promised) < 3 * error


def test_bringing_to_scale_without_the_running_unit_would_break_the_promise(
    rates: dict[str, float],
) -> None:
    assert rates["without the running unit"] > PROMISED + 5 * ERROR
    assert rates["without the running unit"] > 1.4 * rates["ours"]


def test_a_fitted_tail_in_place_of_ranks_would_break_the_promise(rates: dict[str, float]) -> None:
    assert rates["gumbel"] > PROMISED + 5 * ERROR
    assert rates["gumbel"] > 1.4 * rates["ours"]


def test_looking_every_day_of_a_running_week_alerts_no_more_often() -> None:
    rng = np.random.default_rng(9)
    weeks, any_look, last_look = 14, 0, 0
    for _ in range(1_500):
        days = units_of(rng, units=(weeks + 1) * 7, cells=30).reshape(weeks + 1, 7, 30)
        past = days[:-1].max(axis=1)
        hits = []
        for day in range(1, 8):
            placed = place(np.concatenate((past, days[-1:, :day].max(axis=1))))
            hits.append(among(placed.stored, float(placed.heights.max()), 1))
        any_look += any(hits)
        last_look += hits[-1]
    promised = 1_500 / (weeks + 1)
    assert any_look <= 1.03 * last_look
    assert abs(any_look - promised) < 3 * np.sqrt(promised)


def test_where_nothing_was_ever_odd_nothing_is_not_odd() -> None:
    """Streams of too few rows score less than nothing on all days."""
    units = np.full((99, 3), -1.0)
    placed = Beside(units[:-1]).place(units[-1])
    assert placed.bar(1) > 0
    assert placed.heights.max() <= placed.bar(1)

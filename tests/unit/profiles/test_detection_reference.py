"""A day is expected from the eight weeks before it, and from nothing that it is judged with."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.detection.reference import (
    DAYS,
    FLAT,
    LAGS,
    SLOTS,
    Reference,
    Slot,
    Sums,
    VolumeReference,
)
from profiles.detection.scores import FAST, SLOW, Scale
from tests.support.streams import Ints, counted, even_shares, volumes_of

KIND: dict[Slot, list[int]] = {
    "none": [0] * 7,
    "hour": [0] * 7,
    "weekend": [0, 0, 0, 0, 0, 1, 1],
    "week": [0, 1, 2, 3, 4, 5, 6],
}
STEPS = 4


def drawn(seed: int, *, days: int, values: int = 3, a_step: float = 50) -> Ints:
    """Draw a column day by day [D, P, H, C, 1]."""
    rng = np.random.default_rng(seed)
    rows = volumes_of(rng, days=days, a_step=a_step, steps=STEPS)
    return by_day(counted(rng, rows, even_shares(values)))


def by_day(counts: Ints) -> Ints:
    """Put days and places first: [C, D, H, P] to [D, P, H, C, 1]."""
    return counts.transpose(1, 3, 2, 0)[..., None]


def new_reference(*, day: int = 0) -> Reference:
    return Reference(day, (5, STEPS, 4, 1), np.ones((5, 1), bool))


def reference_after(counts: Ints, *, first: int = 0) -> Reference:
    found = new_reference(day=first)
    for of_day in counts:
        found.close(of_day)
    return found


@pytest.mark.parametrize("first", [0, 3, 20_412])
@pytest.mark.parametrize("lag", LAGS)
def test_the_weeks_before_are_the_sum_of_eight_weeks_of_the_same_slot(first: int, lag: int) -> None:
    counts = drawn(1, days=150)
    sums = Sums(first, (5, STEPS, 4, 1))
    for day in range(150):
        for slot in SLOTS:
            before = np.zeros((5, STEPS, 4, 1), np.int64)
            for back in range(max(0, day - lag - DAYS), day - lag):
                if KIND[slot][(first + back) % 7] == KIND[slot][(first + day) % 7]:
                    before += counts[back]
            if slot == "none":
                before = before.sum(axis=1, keepdims=True)
            assert (sums.before(slot, lag=lag) == before).all(), (day, slot)
        sums.close(counts[day])


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), days=st.integers(2, 130), lag=st.sampled_from(LAGS))
def test_the_days_that_are_looked_at_do_not_move_what_is_expected_of_them(
    seed: int, days: int, lag: int
) -> None:
    counts = drawn(1, days=days)
    other = counts.copy()
    other[-lag:] = np.random.default_rng(seed).integers(0, 500, other[-lag:].shape)
    one, changed = reference_after(counts), reference_after(other)
    for slot in SLOTS:
        before = one.sums.before(slot, lag=lag)
        assert (changed.sums.before(slot, lag=lag) == before).all()
    if one.seasons == changed.seasons:
        assert one.shares(lag=lag).tobytes() == changed.shares(lag=lag).tobytes()


@pytest.mark.parametrize("scale", [*FAST, *SLOW])
@pytest.mark.parametrize("steps", [24, 8, 2, 1])
def test_no_look_shares_a_row_with_the_reference_of_any_of_its_hours(
    scale: Scale, steps: int
) -> None:
    """The leak of windows that straddle: a look's last hour must not be explained by its first."""
    found = scale.steps(steps)
    if found is None:
        return
    length, stride = found
    for ends in range(stride, steps + 1, stride):
        first_day = (ends - length) // steps  # of the look, the running day being 0
        assert -scale.lag - 1 < first_day  # the reference of the running day ends before


@pytest.mark.parametrize("lag", LAGS)
def test_the_expectation_of_a_day_needs_no_later_one(lag: int) -> None:
    """A season is chosen from closed days, so days that come later cannot change what was said."""
    counts, other = drawn(5, days=140), drawn(6, days=140)
    other[:90] = counts[:90]
    one, changed = new_reference(), new_reference()
    for day in range(91):
        assert one.shares(lag=lag).tobytes() == changed.shares(lag=lag).tobytes()
        one.close(counts[day])
        changed.close(other[day])


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("days", [0, 1, 5, 30, 70])
def test_shares_add_to_one(days: int, lag: int) -> None:
    shares = reference_after(drawn(2, days=days)).shares(lag=lag)
    np.testing.assert_allclose(shares.sum(axis=0), 1, rtol=1e-5)
    assert (shares > 0).all()


def test_with_nothing_before_all_places_are_even() -> None:
    shares = reference_after(drawn(2, days=0)).shares(lag=1)
    np.testing.assert_allclose(shares, 1 / 5, rtol=1e-6)


def test_a_cohort_without_rows_is_expected_to_be_like_everybody() -> None:
    counts = drawn(3, days=20)
    counts[..., 0, :] -= counts[..., 2, :]
    counts[..., 2, :] = 0
    shares = reference_after(counts).shares(lag=1)
    np.testing.assert_allclose(shares[:, :, 2], shares[:, :, 0], rtol=0.01)


def test_a_cohort_with_rows_is_expected_to_be_like_itself() -> None:
    counts = drawn(3, days=20, a_step=500)
    counts[:, 0, :, [0, 2]] += 1_000
    shares = reference_after(counts).shares(lag=1)
    seen = counts[:19, :, :, 2, 0].sum(axis=(0, 2))
    np.testing.assert_allclose(shares[:, 0, 2, 0], seen / seen.sum(), rtol=0.02)


def with_season(kind: Slot, *, days: int) -> Ints:
    """Draw a column of which three rows in ten change place with the slot [D, P, H, C, 1]."""
    rng = np.random.default_rng(8)
    rows = volumes_of(rng, days=days, a_step=400, steps=STEPS)
    slots = np.array([[KIND[kind][d % 7] * STEPS + h for h in range(STEPS)] for d in range(days)])
    one = (slots * 7 % 3)[..., None] == np.arange(3)
    shares = np.concatenate((0.3 * one + 0.67 / 3, np.full((days, STEPS, 2), 0.015)), axis=-1)
    return by_day(counted(rng, rows, shares / shares.sum(axis=-1, keepdims=True)))


@pytest.mark.parametrize("kind", ["hour", "weekend", "week"])
def test_a_column_with_a_clear_season_gets_a_slot_that_has_it(kind: Slot) -> None:
    (found,) = reference_after(with_season(kind, days=70)).seasons
    assert SLOTS.index(found.slot) >= SLOTS.index(kind)
    shares = reference_after(with_season(kind, days=70)).shares(lag=1)
    assert np.ptp(shares[:3], axis=1).max(axis=0).min() > 0.2


def test_a_column_without_a_season_has_none_or_is_drawn_heavily_to_its_whole() -> None:
    for seed in range(5):
        (found,) = reference_after(drawn(seed, days=70, a_step=200)).seasons
        assert found == FLAT or found.shrinkage >= 2_000


def test_a_season_is_chosen_after_four_weeks_and_not_before() -> None:
    counts = with_season("hour", days=40)
    reference = new_reference()
    for day in range(40):
        assert (reference.seasons == [FLAT]) == (day < 28), day
        reference.close(counts[day])


def test_every_column_has_a_season_of_its_own_and_shares_as_if_it_were_alone() -> None:
    counts = [with_season("week", days=70), drawn(1, days=70), with_season("hour", days=70)]
    together = Reference(0, (5, STEPS, 4, 3), np.ones((5, 3), bool))
    for of_day in np.concatenate(counts, axis=-1):
        together.close(of_day)
    single = [reference_after(each) for each in counts]
    assert together.seasons == [each.seasons[0] for each in single]
    for lag in LAGS:
        apart = np.concatenate([each.shares(lag=lag) for each in single], axis=-1)
        assert together.shares(lag=lag).tobytes() == apart.tobytes()


def volumes_after(rows: Ints, seen: Ints) -> VolumeReference:
    streams, days, steps = rows.shape
    found = VolumeReference(0, (streams, steps))
    for day in range(days):
        found.close(rows[:, day], seen[day])
    return found


def steady(days: int = 77) -> tuple[Ints, Ints]:
    """Rows that are the same each week [1, D, H], different in every hour of it."""
    week = 600 + 100 * np.arange(7 * STEPS).reshape(7, STEPS)
    rows = np.tile(week, (days // 7, 1))[None]
    return rows, np.ones(rows.shape[1:], np.int64)


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("days", [28, 77])
def test_the_rows_of_an_hour_are_expected_to_be_the_mean_of_the_same_hour_of_the_week(
    days: int, lag: int
) -> None:
    rows, seen = steady(days)
    expected = volumes_after(rows, seen).rows(seen[0], lag=lag)
    np.testing.assert_allclose(expected, rows[:, 0], rtol=0.01)


@pytest.mark.parametrize("lag", LAGS)
def test_the_hours_of_a_week_keep_their_proportions(lag: int) -> None:
    rows, seen = steady()
    expected = volumes_after(rows, seen).rows(seen[0], lag=lag)
    np.testing.assert_allclose(expected / expected.sum(), rows[:, 0] / rows[:, 0].sum(), rtol=0.01)


def test_an_hour_that_was_not_seen_expects_no_rows_and_one_seen_twice_twice_as_many() -> None:
    rows, seen = steady()
    reference = volumes_after(rows, seen)
    once = reference.rows(np.ones(STEPS, int), lag=1)
    now = reference.rows(np.array([1, 0, 2, 1]), lag=1)
    np.testing.assert_allclose(now, once * [1, 0, 2, 1], rtol=1e-6)


def test_a_week_that_was_not_seen_does_not_lower_what_is_expected() -> None:
    rows, seen = steady()
    full = volumes_after(rows, seen).rows(seen[0], lag=1)
    rows[:, 63:70], seen[63:70] = 0, 0
    gone = volumes_after(rows, seen).rows(seen[0], lag=1)
    np.testing.assert_allclose(gone, full, rtol=0.02)


def test_an_hour_that_came_twice_counts_as_two() -> None:
    rows, seen = steady()
    full = volumes_after(rows, seen).rows(seen[0], lag=1)
    rows[:, 63, 1] *= 2
    seen[63, 1] = 2
    np.testing.assert_allclose(volumes_after(rows, seen).rows(seen[0], lag=1), full, rtol=0.02)

"""What a watch lists of an alert, and what it calls it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.detection.attribution import Odd, listed_from
from profiles.detection.watch import Verdict, Watch
from profiles.profile import EVERYBODY, ColumnProfile, Dimension, Group, Profile
from tests.support.streams import places

Ints = npt.NDArray[np.int64]

STEPS, DAYS = 4, 68
NAMES = ("north", "south")
GROUPS: dict[Dimension, tuple[Group, ...]] = {
    EVERYBODY: ((),),
    ("region",): tuple((name,) for name in NAMES),
}
# four values, then missing and wrong
SHARES = np.array([[0.6, 0.2, 0.1, 0.08, 0.01, 0.01], [0.1, 0.2, 0.3, 0.38, 0.01, 0.01]])
OTHER = np.array([[0.3, 0.3, 0.2, 0.18, 0.01, 0.01], [0.05, 0.1, 0.3, 0.53, 0.01, 0.01]])
HALF = np.array([[0.3, 0.1, 0.05, 0.045, 0.495, 0.01], [0.05, 0.1, 0.15, 0.195, 0.495, 0.01]])


def watch() -> Watch:
    """Return a watch that opens after sixty-five days."""
    of = {name: places(4) for name in ("a", "b", "c")}
    return Watch(of, GROUPS, budget=1.0, day=0, steps=STEPS)


def rows_of(*sizes: int) -> Ints:
    return np.tile(np.array(sizes)[:, None], STEPS)


class Days:
    """Days of three columns in two regions, all as usual but for what is asked for."""

    def __init__(self, seed: int = 3) -> None:
        self._rng, self.watch = np.random.default_rng(seed), watch()

    def put(self, rows: Ints, shares: dict[str, Any] | None = None) -> list[Verdict]:
        came = self._rng.poisson(rows)
        counts = {
            name: self._drawn(came, (shares or {}).get(name, SHARES)) for name in ("a", "b", "c")
        }
        self.watch.put(
            counts, np.concatenate((came.sum(axis=0, keepdims=True), came)), np.ones(STEPS, int)
        )
        return self.watch.verdicts(STEPS - 1)

    def _drawn(self, rows: Ints, shares: Any) -> Ints:
        found = np.stack([self._rng.multinomial(rows[c], shares[c]).T for c in range(2)])
        return np.concatenate((found.sum(axis=0, keepdims=True), found))


@pytest.fixture(scope="module")
def usual() -> Days:
    days = Days()
    for _ in range(DAYS):
        days.put(rows_of(1_000, 1_000))
        days.watch.close()
    return days


def moved(verdicts: list[Verdict]) -> list[Odd]:
    return [odd for verdict in verdicts for odd in verdict.moved]


def of_everybody(found: list[Odd], column: str) -> list[Odd]:
    return [of for of in found if of.stream.column == column and not of.stream.dimension]


def test_a_change_of_who_came_is_called_mix(usual: Days) -> None:
    """Simpson's case: everybody moves, while every region stays as it was."""
    found = moved(usual.put(rows_of(1_600, 400)))
    for column in ("a", "b", "c"):
        (odd, *_) = of_everybody(found, column)
        assert odd.mix is not None
        assert odd.mix.dimension == ("region",)
        assert odd.mix.share > 0.95
    assert any(of.stream.column == "rows" and of.stream.dimension for of in found)


def test_a_change_within_regions_is_not_called_mix(usual: Days) -> None:
    found = moved(usual.put(rows_of(1_000, 1_000), {"b": OTHER}))
    (odd, *_) = of_everybody(found, "b")
    assert odd.mix is not None
    assert odd.mix.share < 0.2
    assert {of.stream.column for of in found} == {"b"}


def test_all_that_moved_is_listed_with_its_effect_and_what_changed(usual: Days) -> None:
    found = moved(usual.put(rows_of(1_000, 1_000), {"b": OTHER}))
    assert {of.stream.group for of in found} == {(), ("north",), ("south",)}
    for of in found:
        assert 0.1 < of.low < of.effect < of.high
        assert of.change is not None
        assert of.change.now > of.change.was


def test_more_missing_values_are_told_beside_what_was_usual(usual: Days) -> None:
    """That half is missing does not change what was usual, two in a hundred."""
    found = moved(usual.put(rows_of(1_000, 1_000), {"c": HALF}))
    faults = [of for of in found if (of.stream.column, of.stream.kind) == ("c", "faults")]
    assert faults
    for of in faults:
        assert of.change is not None
        assert of.change.was < 0.04
        assert of.change.now > 0.45


def test_of_a_quiet_day_nothing_has_moved(usual: Days) -> None:
    for verdict in usual.put(rows_of(1_000, 1_000)):
        if not verdict.alerts:
            assert verdict.moved == ()


COLUMNS = np.repeat(np.arange(40), 5)


@given(st.integers(0, 10_000))
def test_chance_alone_seldom_lists_anything(seed: int) -> None:
    rng = np.random.default_rng(seed)
    listed = sum(
        bool(
            np.isfinite(
                listed_from(rng.gamma(2, 1, 200), rng.gamma(2, 1, (98, 200)), COLUMNS)
            ).any()
        )
        for _ in range(20)
    )
    assert listed <= 8


def test_of_columns_that_moved_together_few_others_are_listed() -> None:
    """A column that moved in all its cells brings no neighbour with it; nine in ten are right."""
    rng, wrong, right = np.random.default_rng(9), 0, 0
    for _ in range(50):
        stored, now = rng.gamma(2, 1, (98, 200)), rng.gamma(2, 1, 200)
        now[:50] = 40 + rng.random(50)
        from_ = listed_from(now, stored, COLUMNS)
        listed = {int(column) for column in COLUMNS[now >= from_]}
        assert listed >= set(range(10))
        right, wrong = right + 10, wrong + len(listed) - 10
    assert wrong / (right + wrong) < 0.15


def profile_of(counts: Ints) -> list[Profile]:
    """Return the profiles of one window [C + 1, P], everybody first."""
    return [
        Profile(
            dimension=dimension,
            groups=groups,
            rows=counts[part].sum(axis=1),
            columns={
                name: ColumnProfile(grid=name, counts=counts[part], moments=None)
                for name in ("a", "b", "c")
            },
        )
        for (dimension, groups), part in zip(
            GROUPS.items(), (slice(0, 1), slice(1, None)), strict=True
        )
    ]


def test_before_there_is_a_past_a_day_is_put_beside_the_training_rows() -> None:
    rng = np.random.default_rng(4)

    def window(rows: int, shares: Any = SHARES) -> list[Profile]:
        found = np.stack([rng.multinomial(rows, shares[c]) for c in range(2)])
        return profile_of(np.concatenate((found.sum(axis=0, keepdims=True), found)))

    of = {name: places(4) for name in ("a", "b", "c")}
    first = Watch(of, GROUPS, budget=1.0, day=0, steps=STEPS, trained=window(50_000))
    for step in range(STEPS):
        first.add(step, window(500))
        (verdict,) = first.verdicts(step) or [None]
        if step < STEPS - 1:
            assert verdict is None  # hours are alike only over a whole day
    assert verdict is not None
    assert (verdict.lane.name, verdict.alerts) == ("first", False)
    first.close()
    for step in range(STEPS):
        first.add(step, window(500, OTHER))
    (verdict,) = first.verdicts(STEPS - 1)
    assert verdict.alerts
    assert verdict.odd[0].low > 0.2
    assert verdict.odd[0].change is not None


def test_a_first_day_that_is_there_at_once_is_judged_as_if_it_had_come_hour_by_hour() -> None:
    rng = np.random.default_rng(5)
    rows = [np.stack([rng.multinomial(500, of[c]) for c in range(2)]) for of in [OTHER] * STEPS]
    of = {name: places(4) for name in ("a", "b", "c")}
    trained = profile_of(np.concatenate((rows[0].sum(axis=0, keepdims=True), rows[0])))
    at_once = Watch(of, GROUPS, budget=1.0, day=0, steps=STEPS, trained=trained)
    for step, found in enumerate(rows):
        at_once.add(step, profile_of(np.concatenate((found.sum(axis=0, keepdims=True), found))))
    assert [len(at_once.verdicts(step)) for step in range(STEPS)] == [0] * (STEPS - 1) + [1]

"""Effects: nothing where nothing has changed, what was planted where something was."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from profiles.effects import Effect, effect

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NUMBERS = np.array([0.001, *[0.1] * 9, 0.077, 0.001, 0.02, 0.001])  # ends, tenths, missing, wrong
NAMES = np.array([*(1 / np.arange(1, 19) ** 1.5 / 2.2), 0.02, 0.001, 0.01, 0.0005])
LAST = slice(-7, None)
COUNTS = arrays.arrays(np.int64, 6, elements=st.integers(0, 400))
DAYS = arrays.arrays(
    np.int64, st.tuples(st.integers(2, 20), st.just(6)), elements=st.integers(0, 60)
)


def turned(shares: Floats, along: Floats, w: float) -> Floats:
    """Move shares by an effect, along a direction of their roots."""
    root = np.sqrt(shares)
    side = along - (along @ root) * root
    angle = 2 * math.asin(w / 4)
    found: Floats = (math.cos(angle) * root + math.sin(angle) * side / np.linalg.norm(side)) ** 2
    return found / found.sum()


def level(shares: Floats) -> Floats:
    """The direction in which the places of many rows change as a whole."""
    found: Floats = np.where(shares > 0.005, np.linspace(-1, 1, len(shares)), 0) * np.sqrt(shares)
    return found


def wandering(rng: np.random.Generator, days: int, size: float, memory: float) -> Floats:
    """Draw effects by day that go up and down, each like the day before by `memory`."""
    found, at = np.empty(days), rng.normal()
    for day in range(days):
        at = memory * at + math.sqrt(1 - memory**2) * rng.normal()
        found[day] = size * at
    return found


def covered(
    shares: Floats,
    *,
    rows: int,
    trained: int,
    days: int,
    span: slice,
    wander: float = 0.0,
    memory: float = 0.0,
    w: float = 0.0,
    times: int = 100,
) -> float:
    """Draw training and days again and again; return how often the interval holds the effect."""
    rng = np.random.default_rng(4)
    shares = shares / shares.sum()
    held = 0
    for _ in range(times):
        moved = turned(shares, rng.normal(size=len(shares)) * np.sqrt(shares), w)
        way = wandering(rng, days, wander, memory)
        drawn = np.array(
            [rng.multinomial(rng.poisson(rows), turned(moved, level(moved), by)) for by in way]
        )
        found = effect(rng.multinomial(trained, shares), drawn, span)
        assert found is not None
        planted = 2 * float(np.linalg.norm(np.sqrt(moved) - np.sqrt(shares)))
        held += found.low <= planted <= found.high
    return held / times


@pytest.mark.parametrize("shares", [NUMBERS, NAMES], ids=["numbers", "names"])
@pytest.mark.parametrize(("rows", "trained"), [(500, 20_000), (60, 3_000), (5_000, 2_000)])
def test_without_drift_the_interval_holds_nothing(shares: Floats, rows: int, trained: int) -> None:
    assert covered(shares, rows=rows, trained=trained, days=28, span=LAST) >= 0.93


@pytest.mark.parametrize(
    ("days", "span", "memory"),
    [(56, LAST, 0.0), (56, LAST, 0.7), (90, slice(0, 90), 0.7), (7, LAST, 0.0)],
)
def test_days_that_wander_by_themselves_are_no_drift(days: int, span: slice, memory: float) -> None:
    kept = {"rows": 500, "trained": 20_000, "wander": 0.15, "memory": memory}
    assert covered(NUMBERS, days=days, span=span, **kept) >= 0.92  # type: ignore[arg-type]


@pytest.mark.parametrize("w", [0.1, 0.2, 0.5, 1.5])
@pytest.mark.parametrize("wander", [0.0, 0.1])
def test_a_planted_effect_is_inside_the_interval(w: float, wander: float) -> None:
    for shares in (NUMBERS, NAMES):
        kept = {"rows": 500, "trained": 20_000, "days": 28, "span": LAST, "times": 60}
        assert covered(shares, w=w, wander=wander, **kept) >= 0.93  # type: ignore[arg-type]


def test_a_pattern_of_the_week_is_no_wander_of_weeks() -> None:
    rng = np.random.default_rng(3)
    shares = NUMBERS / NUMBERS.sum()
    by = [turned(shares, level(shares), -0.1 if day % 7 < 5 else 0.25) for day in range(56)]
    drawn = np.array([rng.multinomial(2_000, of) for of in by])
    trained = 100 * drawn[:7].sum(axis=0)
    week, weekend = effect(trained, drawn, LAST), effect(trained, drawn, slice(5, 7))
    assert week is not None
    assert weekend is not None
    assert week.low == 0
    assert week.high < 0.1
    assert weekend.high - weekend.low > 2 * (week.high - week.low)


@pytest.mark.parametrize("ago", [7, 14, 28, 42])
def test_what_changed_once_and_stayed_is_no_wander(ago: int) -> None:
    rng = np.random.default_rng(6)
    shares = NUMBERS / NUMBERS.sum()
    moved = turned(shares, level(shares), 0.5)
    days = np.array([rng.multinomial(500, moved if 56 - d <= ago else shares) for d in range(56)])
    found = effect(rng.multinomial(20_000, shares), days, LAST)
    assert found is not None
    assert 0.2 < found.low < 0.5 < found.high < 0.9


def test_the_effect_is_as_large_however_many_rows_show_it() -> None:
    shares = np.array([0.5, 0.3, 0.2])
    moved = turned(shares, np.array([1.0, -1.0, 0.0]), 0.4)
    widths = []
    for rows in (100, 1_000, 10_000):
        days = np.tile(np.round(rows * moved).astype(np.int64), (14, 1))
        found = effect(np.round(50_000 * shares).astype(np.int64), days)
        assert found is not None
        assert found.effect == pytest.approx(0.4, abs=0.02)
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)


def test_a_place_that_training_left_empty_counts_and_stays_bounded() -> None:
    days = np.tile(np.array([90, 0, 10]), (14, 1))
    found = effect(np.array([9_000, 1_000, 0]), days)
    assert found is not None
    assert 0.8 < found.effect < 1
    apart = effect(np.array([9_000, 0]), np.tile(np.array([0, 100]), (14, 1)))
    assert apart is not None
    assert apart.effect == pytest.approx(2 * math.sqrt(2), abs=0.01)


@pytest.mark.parametrize(
    ("training", "days"),
    [
        ([5, 4], [[50, 50]] * 7),
        ([500, 400], [[1, 0]] * 7),
        ([500, 400], [[50, 50]]),
        ([500, 400], [[50, 50], [0, 0], [0, 0]]),
        ([0, 0], [[0, 0]] * 7),
    ],
    ids=["no training", "few rows", "one day", "one day with rows", "nothing"],
)
def test_of_few_rows_or_a_single_day_nothing_is_said(
    training: list[int], days: list[list[int]]
) -> None:
    assert effect(np.array(training), np.array(days)) is None


def test_other_days_widen_the_interval_only() -> None:
    rng = np.random.default_rng(8)
    shares = NUMBERS / NUMBERS.sum()
    quiet = rng.multinomial(1_000, shares, size=7)
    trained = rng.multinomial(20_000, shares)
    wild = np.array(
        [
            rng.multinomial(1_000, turned(shares, level(shares), by))
            for by in wandering(rng, 28, 0.3, 0.8)
        ]
    )
    calm = effect(trained, np.concatenate((rng.multinomial(1_000, shares, size=28), quiet)), LAST)
    restless = effect(trained, np.concatenate((wild, quiet)), LAST)
    assert calm is not None
    assert restless is not None
    assert restless.rows == calm.rows
    assert restless.high > 2 * calm.high


@given(training=COUNTS, days=DAYS)
def test_the_effect_lies_in_its_interval(training: Ints, days: Ints) -> None:
    found = effect(training, days)
    if found is None:
        return
    assert 0 <= found.low <= found.effect <= found.high < math.inf
    assert found.effect <= 2 * math.sqrt(2) + 1e-9
    assert found.rows == days.sum()


@given(training=COUNTS, days=DAYS, order=st.permutations(range(6)))
def test_the_order_of_places_is_no_matter(training: Ints, days: Ints, order: list[int]) -> None:
    assert _close(effect(training, days), effect(training[order], days[:, order]))


@given(training=COUNTS, days=DAYS)
def test_time_backwards_gives_the_same(training: Ints, days: Ints) -> None:
    assert _close(effect(training, days), effect(training, days[::-1]))


@given(training=COUNTS, days=DAYS)
def test_places_without_rows_change_nothing(training: Ints, days: Ints) -> None:
    wider = np.pad(days, ((0, 0), (0, 2)))
    assert _close(effect(training, days), effect(np.pad(training, (0, 2)), wider))


def _close(one: Effect | None, other: Effect | None) -> bool:
    if one is None or other is None:
        return one is other
    pairs = [(getattr(one, name), getattr(other, name)) for name in ("effect", "low", "high")]
    return all(a == pytest.approx(b, rel=1e-6, abs=1e-6) for a, b in pairs)

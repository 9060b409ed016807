"""A score means the same of few and many rows, of two places and of twenty, and of any stream."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from profiles.detection.column import Kind
from profiles.detection.scores import (
    FAST,
    FIRST_SCORED,
    SLOW,
    TOLERATED,
    Looks,
    Scale,
    Wander,
    alone,
    last,
    level,
    spread_out,
)
from tests.support.streams import (
    Days,
    Ints,
    counted,
    even_shares,
    kinds_and_hours,
    places,
    scores_of,
    seen_of_column,
    seen_of_columns,
    seen_of_rows,
    series,
    volumes_of,
    with_everybody,
)

SCALES = (*FAST, *SLOW)
SETTLED = 70  # days after which eight weeks of reference stand behind all scales
LEAST: dict[Kind, float] = {"volume": 5}  # rows under which nothing is said
KINDS: tuple[Kind, ...] = ("body", "level", "beyond", "faults")


def known_scores(
    found: Days, kind: Kind, hours: int, *, after: int = SETTLED
) -> npt.NDArray[np.float32]:
    """Return the scores of looks with enough rows, of days after so many."""
    seen = series(found, kind, hours)[after:]
    return np.concatenate([of.scores[of.rows >= LEAST.get(kind, 10)] for of in seen])


def steady(
    seed: int, *, days: int, a_step: float, values: int = 6, steps: int = 24, clump: int = 1
) -> Ints:
    rng = np.random.default_rng(seed)
    rows = volumes_of(rng, days=days, a_step=a_step, steps=steps)
    return counted(rng, rows, even_shares(values), clump=clump)


@pytest.mark.parametrize("steps", [24, 8, 3])
@pytest.mark.parametrize("scale", SCALES)
def test_a_look_sums_the_last_hours_as_a_plain_loop_does(scale: Scale, steps: int) -> None:
    shape = (2, 3, 8, steps, 2, 1)
    values = np.random.default_rng(steps).integers(0, 50, shape).astype(np.float32)
    of_day = scale.steps(steps)
    if of_day is None:
        assert 24 % steps or scale.hours * steps % 24
        return
    length, stride = of_day
    found = last(values, length, stride)
    assert found.shape == (2, 3, steps // stride, 2, 1)
    for k in range(steps // stride):
        end = 7 * steps + (k + 1) * stride
        plain = values.reshape(2, 3, -1, 2, 1)[:, :, end - length : end].sum(axis=2)
        assert (found[:, :, k] == plain).all()


def test_a_look_that_reaches_before_the_first_day_sums_what_there_is() -> None:
    values = np.arange(1, 9, dtype=np.float32).reshape(1, 1, 2, 4, 1, 1)
    assert last(values, 8, 2).ravel().tolist() == [1 + 2 + 3 + 4 + 5 + 6, 36]
    assert last(values[:, :, :1], 8, 2).ravel().tolist() == [3, 10]


@pytest.mark.parametrize("a_place", [0.1, 3, 400])
def test_distances_and_their_means_agree_with_a_plain_loop(a_place: float) -> None:
    rng = np.random.default_rng(1)
    came = rng.poisson(a_place, (5, 3, 4)).astype(np.float32)
    expected = (a_place * rng.gamma(2, 0.5, (5, 3, 4))).astype(np.float32)
    distance, mean = spread_out(came, expected)
    by_itself, of_one = alone(came[0], expected[0])
    moved, usual = level(came, expected)
    for c, k in np.ndindex(3, 4):
        o, e = came[:, c, k].tolist(), expected[:, c, k].tolist()
        roots = [4 * (math.sqrt(x) - math.sqrt(y)) ** 2 for x, y in zip(o, e, strict=True)]
        assert distance[c, k] == pytest.approx(sum(roots), rel=1e-3, abs=1e-4)
        assert by_itself[c, k] == pytest.approx(roots[0], rel=1e-3, abs=1e-4)
        means = [min(1, 4 * y) * (1 - y / sum(e)) for y in e]
        assert mean[c, k] == pytest.approx(max(sum(means), 0.25), rel=1e-4)
        assert of_one[c, k] == pytest.approx(min(1, max(4 * e[0], 0.25)), rel=1e-4)
        ranks = [(sum(e[:i]) + e[i] / 2) / sum(e) - 0.5 for i in range(5)]
        variance = sum(y / sum(e) * rank**2 for y, rank in zip(e, ranks, strict=True))
        shift = sum(x * rank for x, rank in zip(o, ranks, strict=True))
        plain = shift**2 / (sum(o) * variance) if sum(o) else 0
        assert moved[c, k] == pytest.approx(plain, rel=1e-2, abs=1e-3)
        assert usual[c, k] == 1


@pytest.mark.parametrize("places_of", [2, 6, 20])
@pytest.mark.parametrize("a_place", [0.2, 1, 20, 2_000])
def test_the_mean_of_a_distance_is_what_rows_drawn_as_expected_give(
    a_place: float, places_of: int
) -> None:
    """Where a place expects about one row roots are worst: it is up to 1.8 times what is stated."""
    rng = np.random.default_rng(3)
    shares = rng.dirichlet(np.full(places_of, 8))
    rows = max(10, int(a_place * places_of))
    came = rng.multinomial(rows, shares, 8_000).astype(np.float32).T
    expected = np.broadcast_to((rows * shares).astype(np.float32)[:, None], came.shape)
    for found, mean in (spread_out(came, expected), level(came, expected)):
        assert 0.6 < float(found.mean()) / float(mean.mean()) < 1.8
    distance, mean = spread_out(came, expected)
    if a_place >= 20:
        assert float(distance.mean()) == pytest.approx(float(mean.mean()), rel=0.07)
        assert float(np.sqrt(distance).var()) == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (24, {1: (1, 1), 6: (6, 1), 24: (24, 3), 72: (72, 12), 168: (168, 24)}),
        (12, {6: (3, 1), 24: (12, 1), 72: (36, 6), 168: (84, 12)}),
        (8, {6: (2, 1), 24: (8, 1), 72: (24, 4), 168: (56, 8)}),
        (4, {6: (1, 1), 24: (4, 1), 72: (12, 2), 168: (28, 4)}),
        (3, {24: (3, 1), 72: (9, 1), 168: (21, 3)}),
        (2, {24: (2, 1), 72: (6, 1), 168: (14, 2)}),
        (1, {24: (1, 1), 72: (3, 1), 168: (7, 1)}),
    ],
)
def test_scales_that_are_no_whole_number_of_steps_are_left_out(
    steps: int, expected: dict[int, tuple[int, int]]
) -> None:
    found = {scale.hours: scale.steps(steps) for scale in SCALES}
    assert {hours: of for hours, of in found.items() if of is not None} == expected
    counts = steady(1, days=10, a_step=30, steps=steps)
    seen = seen_of_column(counts, places(6))
    assert kinds_and_hours(seen) == [
        (kind, hours)
        for scales in (FAST, SLOW)
        for hours in (scale.hours for scale in scales)
        for kind in KINDS
        if hours in expected
    ]
    for of in seen[-1]:
        assert of.scores.shape == (4, steps // expected[of.scale.hours][1])


@pytest.mark.parametrize("steps", [24, 8])
@pytest.mark.parametrize("values", [2, 6, 20])
@pytest.mark.parametrize("a_step", [3, 30, 300, 3_000])
def test_where_nothing_has_changed_scores_are_about_zero_whatever_rows_and_places(
    a_step: float, values: int, steps: int
) -> None:
    """Over these cases means are at most 0.20, spreads above zero 0.97, the largest 6.4.

    Very many rows score far below zero, as what is tolerated is much of what chance makes there.
    """
    counts = steady(1, days=98, a_step=a_step, values=values, steps=steps)
    found = seen_of_column(counts, places(values))
    for kind, hours in kinds_and_hours(found):
        seen = known_scores(found, kind, hours)
        if len(seen) >= 100:
            assert seen.mean() < 0.5, (kind, hours)
            assert np.maximum(seen, 0).std() < 1, (kind, hours)
            assert seen.max() < 8, (kind, hours)


@pytest.mark.parametrize("a_step", [3, 30, 300, 3_000])
def test_volumes_that_come_as_they_did_score_about_zero(a_step: float) -> None:
    rng = np.random.default_rng(2)
    found = seen_of_rows(with_everybody(volumes_of(rng, days=119, a_step=a_step, steps=8)))
    for kind, hours in kinds_and_hours(found):
        seen = known_scores(found, kind, hours, after=98)
        if len(seen) >= 100:
            assert seen.mean() < 0.5, hours
            assert np.maximum(seen, 0).std() < 1, hours


def test_a_column_without_order_has_no_level() -> None:
    found = seen_of_column(steady(1, days=2, a_step=30, steps=8), places(6, ordered=False))
    assert {kind for kind, _ in kinds_and_hours(found)} == {"body", "beyond", "faults"}


def shift_of(found: Days, hours: int) -> npt.NDArray[np.float64]:
    """Return how much each stream wanders in the end, as it is spread."""
    look = series(found, "body", hours)[-1]
    return look.of(look.seen.wander.shift)


def test_rows_in_clumps_show_as_wander_and_score_no_higher() -> None:
    single, clumped = (
        seen_of_column(steady(3, days=126, a_step=400, steps=8, clump=clump), places(6))
        for clump in (1, 20)
    )
    for hours in (6, 24):
        alone_is, together = (shift_of(found, hours) for found in (single, clumped))
        assert (together > 20 * alone_is).all()
        rows = np.median(series(clumped, "body", hours)[-1].rows, axis=1)
        ratio = together / (19 * 5 / rows)  # a clump of 20 varies as one row does
        assert (ratio > 0.7).all()
        assert (ratio < 1.8).all()
    for kind, hours in kinds_and_hours(clumped):
        seen = known_scores(clumped, kind, hours, after=84)
        assert seen.mean() < 0.5, (kind, hours)
        assert np.maximum(seen, 0).std() < 1, (kind, hours)


def test_a_cohort_wanders_much_as_the_others_do() -> None:
    found = seen_of_column(steady(4, days=98, a_step=400, steps=8, clump=20), places(6))
    shift = shift_of(found, 24)
    assert shift[1:].max() < 3 * shift[1:].min()


def moved(counts: Ints, *, day: int, step: int, w: float) -> Ints:
    """Move a share of everybody and the first cohort between the first two places by Cohen's w."""
    rng = np.random.default_rng(7)
    shares = even_shares(counts.shape[-1] - 2)
    move = w / math.sqrt(1 / shares[0] + 1 / shares[1])
    assert move < shares[0]
    drawn = rng.multinomial(int(counts[1, day, step].sum()), shares + move * np.eye(len(shares))[0]
                            - move * np.eye(len(shares))[1])  # fmt: skip
    found = counts.copy()
    found[0, day, step] += drawn - found[1, day, step]
    found[1, day, step] = drawn
    return found


def test_half_an_effect_in_two_thousand_rows_an_hour_stands_out_in_that_hour() -> None:
    counts = moved(steady(5, days=80, a_step=4_000, values=2), day=79, step=10, w=0.5)
    found = seen_of_column(counts, places(2))
    seen = series(found, "body", 1)[-1]
    assert seen.scores[1, 10] > 15
    assert np.delete(seen.scores[1], 10).max() < 4
    effect, low, high = seen.effect(1, 10)
    assert effect == pytest.approx(0.5, abs=0.1)
    assert 0.4 < low < effect < high < 0.6
    six = scores_of(found, "body", 6)[1, -1]
    assert six[10:16].min() > 3
    assert six[:10].max() < 3


def test_what_can_be_seen_is_the_effect_that_reaches_the_score() -> None:
    found = seen_of_column(steady(6, days=98, a_step=2_000, steps=8, clump=20), places(6))
    for hours in (6, 24, 72):
        look = series(found, "body", hours)[-1]
        seen, wander = look.seen, look.seen.wander
        rows, mean = seen.looks.usual
        for wanted in (1.0, 4.0):
            least = wander.visible(seen.looks, wanted)
            distance = mean + rows * (least**2 + wander.shift)
            looks = Looks(distance=distance[None], mean=mean[None], rows=rows[None], stride=1)
            np.testing.assert_allclose(look.of(wander.score(looks)), wanted, rtol=1e-3)
            reached = [
                wander.effect(looks, (0, look.number, c, look.column))[0]
                for c in range(len(look.of(least)))
            ]
            np.testing.assert_allclose(reached, look.of(least), rtol=1e-3)


def test_of_few_rows_and_of_no_reference_nothing_is_said() -> None:
    found = seen_of_column(steady(7, days=60, a_step=8), places(6))
    hour = series(found, "body", 1)[-1]
    few = hour.rows < 10
    assert few.any()
    assert (hour.scores[few] == -1).all()
    assert np.isnan(hour.of(hour.seen.wander.visible(hour.seen.looks, 1.0))[3])
    for day, seen in enumerate(found):
        for of in seen:
            if day < of.scale.first_day:
                assert (of.scores == -1).all()
    assert (series(found, "body", 24)[FAST[2].first_day].scores != -1).all()


def test_the_first_day_with_all_scores_is_a_monday_after_five_weeks() -> None:
    assert FIRST_SCORED == 35


def looks_of(distance: float, mean: float, rows: float) -> Looks:
    found = (np.full((1, 1, 1, 1), value, np.float32) for value in (distance, mean, rows))
    return Looks(**dict(zip(("distance", "mean", "rows"), found, strict=True)), stride=1)


def test_in_endless_rows_a_tolerated_shift_scores_zero_and_twice_of_it_very_high() -> None:
    wander = Wander((1, 1, 1), FAST[2], least=10)
    for day in range(FIRST_SCORED):
        wander.close(looks_of(5, 5, 1_000), day)
    rows = 1e7
    for times, expected in ((0, -86), (1, 0), (2, 89)):
        looks = looks_of(5 + rows * (times * TOLERATED) ** 2, 5, rows)
        assert wander.score(looks).item() == pytest.approx(expected, abs=2), times


def same_bytes(one: Days, other: Days) -> bool:
    """Tell whether scores and all they are made of are the same bits."""
    return all(
        a.scores.tobytes() == b.scores.tobytes() and a.distance.tobytes() == b.distance.tobytes()
        for day, of in zip(one, other, strict=True)
        for a, b in zip(day, of, strict=True)
    )


def test_scores_of_past_days_are_the_same_to_the_byte_when_later_days_come() -> None:
    counts = steady(8, days=120, a_step=60, steps=8, clump=3)
    rows = counts.sum(axis=-1)
    for days in (50, 113):
        longer, shorter = (seen_of_column(c, places(6)) for c in (counts, counts[:, :days]))
        assert same_bytes(longer[:days], shorter)
        longer, shorter = (seen_of_rows(r) for r in (rows, rows[:, :days]))
        assert same_bytes(longer[:days], shorter)


def test_scores_are_the_same_to_the_byte_whichever_week_the_history_begins_in() -> None:
    """As far as it reaches: 26 weeks of how alike wander is, each after 26 weeks of how large.

    Before them are looks that go a week back, each with eight weeks of reference that end a week
    before it, and a season that was learnt from up to 16 weeks with a reference: 78 in all.
    """
    later, settled = 7 * 5, 7 * 78
    counts = steady(9, days=later + settled + 21, a_step=200, steps=2)
    counts[:, :, 0, 0] *= 3
    rows = counts.sum(axis=-1)
    columns = (
        seen_of_column(counts, places(6)),
        seen_of_column(counts[:, later:], places(6), day=later),
    )
    volumes = seen_of_rows(rows), seen_of_rows(rows[:, later:], day=later)
    for whole, part in (columns, volumes):
        assert same_bytes(whole[later + settled :], part[settled:])
        assert not same_bytes(whole[later + 56 : later + 63], part[56:63])


def test_columns_score_the_same_to_the_byte_alone_and_together() -> None:
    """Of any number of places: where one has fewer than another, nothing is added."""
    values = (9, 4, 6, 9)
    counts = [steady(20 + v, days=70, a_step=60, values=v, steps=8) for v in values]
    for ordered in (True, False):
        of = [places(v, ordered=ordered) for v in values]
        together = seen_of_columns(counts, of)
        for each, one, found in zip(counts, of, together, strict=True):
            assert same_bytes(seen_of_column(each, one), found)

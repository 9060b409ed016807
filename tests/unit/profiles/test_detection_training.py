"""Without a past: the last day beside the training rows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from profiles.detection.training import GATE, LEAST, Apart, Training
from profiles.detection.watched import Watched
from tests.support.streams import even_shares, places

Ints = npt.NDArray[np.int64]

VALUES = 8
SHARES = even_shares(VALUES)
LOOKS = 730


def training(
    *, rows: int = 50_000, of: Watched | None = None, faults_only: Collection[str] = ()
) -> Training:
    counts = np.stack([rows * SHARES, rows * SHARES / 5]).round().astype(np.int64)
    watched = {"x": of or places(VALUES)}
    parts = {"x": slice(0, VALUES + 2)}
    return Training(watched, parts, counts, faults_only=faults_only, a_month=1.0, looks=LOOKS)


def drawn(rng: np.random.Generator, rows: int, shares: Any = SHARES) -> Ints:
    return rng.multinomial([rows, rows // 5], shares).astype(np.int64)


def moved(w: float) -> Any:
    """Move the values' shares by Cohen's w, as far up as down."""
    values = SHARES[:VALUES].copy()
    way = np.where(np.arange(VALUES) % 2, 1.0, -1.0) * values.sum() * w / VALUES
    return np.append(values + way, SHARES[VALUES:])


def highest(found: list[Apart]) -> float:
    return max(float(of.heights.max()) for of in found)


def test_a_month_of_chance_alerts_nobody() -> None:
    rng, of = np.random.default_rng(1), training()
    assert max(highest(of.apart(drawn(rng, 3_000))) for _ in range(LOOKS)) < 1


def test_a_large_shift_is_told_of_the_stream_that_moved() -> None:
    came = drawn(np.random.default_rng(2), 3_000)
    came[1] = np.random.default_rng(3).multinomial(600, moved(0.5))
    found = {of.kind: of for of in training().apart(came)}
    body = found["body"]
    assert body.heights[1] > 1 > body.heights[0]
    assert body.low[1] < 0.5 < body.high[1]
    assert abs(body.effects[1] - 0.5) < 0.1
    assert found["faults"].heights.max() < 1


def test_a_certain_shift_that_is_small_is_no_news() -> None:
    """A million rows make any shift certain; one under the gate pages nobody."""
    came = drawn(np.random.default_rng(4), 1_000_000, moved(GATE / 2))
    found = {of.kind: of for of in training(rows=1_000_000).apart(came)}
    assert found["body"].effects[0] > 0.09
    assert found["body"].heights[0] < 1


def test_a_few_training_rows_are_no_certainty() -> None:
    """What was drawn from two hundred rows is not known to be elsewhere."""
    came = drawn(np.random.default_rng(5), 100_000, moved(0.3))
    assert highest(training(rows=50_000).apart(came)) > 1
    assert highest(training(rows=200).apart(came)) < 1


def test_a_day_of_few_rows_says_nothing() -> None:
    came = np.zeros((2, VALUES + 2), np.int64)
    came[0, 0] = LEAST - 1
    assert highest(training().apart(came)) == 0


def test_missing_values_and_values_out_of_range_are_told_by_kind() -> None:
    came = drawn(np.random.default_rng(6), 4_000)
    came[0, VALUES] += 800
    came[0, :VALUES] = came[0, :VALUES] * 8 // 10
    found = {of.kind: of for of in training().apart(came)}
    assert found["faults"].heights[0] > 1
    assert found["body"].heights[0] < 1


def test_of_context_only_faults_are_looked_at() -> None:
    came = drawn(np.random.default_rng(7), 3_000, moved(0.8))
    assert [of.kind for of in training(faults_only={"x"}).apart(came)] == ["faults"]

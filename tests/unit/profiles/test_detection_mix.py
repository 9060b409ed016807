"""A change of everybody is split exactly into who came and how they changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.detection.mix import split

Doubles = npt.NDArray[np.float64]


@st.composite
def tables(draw: st.DrawFn) -> tuple[Doubles, Doubles, Doubles]:
    """Draw what came [G, P], what was expected [G, P], and how many rows [G] were."""
    groups, places = draw(st.integers(1, 5)), draw(st.integers(2, 6))
    counts = st.integers(0, 1_000)

    def table(*shape: int) -> Doubles:
        size = int(np.prod(shape))
        drawn = draw(st.lists(counts, min_size=size, max_size=size))
        return np.array(drawn, float).reshape(shape)

    came, expected, rows = table(groups, places), table(groups, places) + 1, table(groups) + 1
    came[0, 0] += 1
    return came, expected, rows


def shares(counts: Any) -> Any:
    return counts / counts.sum(axis=-1, keepdims=True)


@given(tables())
def test_mix_and_within_add_up_to_the_whole_change(of: tuple[Doubles, Doubles, Doubles]) -> None:
    came, expected, rows = of
    found = split(came, expected, rows)
    before = shares(rows) @ shares(expected)
    np.testing.assert_allclose(
        found.mix + found.within, shares(came.sum(axis=0)) - before, atol=1e-12
    )
    assert 0 <= found.share_of_mix <= 1


@given(tables(), st.lists(st.integers(1, 50), min_size=5, max_size=5))
def test_where_every_cohort_stays_as_it_was_all_is_mix(
    of: tuple[Doubles, Doubles, Doubles], sizes: list[int]
) -> None:
    _, expected, rows = of
    came = expected * np.array(sizes[: len(expected)])[:, None]
    found = split(came, expected, rows)
    np.testing.assert_allclose(found.within, 0, atol=1e-12)


@given(tables())
def test_where_the_cohorts_keep_their_shares_nothing_is_mix(
    of: tuple[Doubles, Doubles, Doubles],
) -> None:
    came, expected, _ = of
    came = came + 1
    found = split(came, expected, came.sum(axis=1))
    np.testing.assert_allclose(found.mix, 0, atol=1e-12)


def test_a_cohort_of_which_nothing_came_changes_only_the_mix() -> None:
    expected = np.array([[50.0, 50.0], [90.0, 10.0]])
    found = split(np.array([[70.0, 70.0], [0.0, 0.0]]), expected, np.array([100.0, 100.0]))
    np.testing.assert_allclose(found.within, 0, atol=1e-12)
    assert found.share_of_mix == pytest.approx(1)


def test_a_mix_and_a_change_that_undo_each_other_are_told_apart() -> None:
    """Simpson's way round: the value becomes more frequent in every cohort, and not for all."""
    expected = np.array([[80.0, 20.0], [20.0, 80.0]])
    came = np.array([[67.5, 22.5], [1.5, 8.5]])
    found = split(came, expected, np.array([80.0, 20.0]))
    assert found.within[1] > 0.02
    assert found.mix[1] < -0.02

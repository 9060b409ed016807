from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.baseline import accept
from profiles.counting import profile
from profiles.profile import ColumnProfile, Plan, Profile, merge
from profiles.rolling import moments_of
from profiles.spans import FEW, Kept, Sums
from profiles.windows import Window

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURS = 12


def batch(rng: np.random.Generator, rows: int, carriers: str) -> pa.RecordBatch:
    return pa.record_batch(
        {"score": rng.normal(size=rows), "carrier": rng.choice(list(carriers), rows)}
    )


def made() -> tuple[Plan, list[Profile]]:
    rng = np.random.default_rng(5)
    plan = accept([batch(rng, 500, "ABC")], dimensions=(("carrier",),)).plan
    sizes = [(20, "AB"), (0, "A"), (400, "C"), (30, "ABC"), (9, "D"), (70_000, "A")] * 2
    return plan, [profile(plan, [batch(rng, n, names)])[1] for n, names in sizes]


PLAN, PARTS = made()
BINS = {name: grid.bins for name, grid in PLAN.grids.items()}


def span(first: int, last: int) -> Window:
    return Window(start=START + first * HOUR, end=START + last * HOUR)


def kept(missing: frozenset[int] = frozenset()) -> Kept:
    found = Kept(("carrier",), BINS)
    for hour, part in enumerate(PARTS):
        if hour not in missing:
            found.push(span(hour, hour + 1), part)
    return found


cuts = st.lists(st.integers(0, HOURS), min_size=2, max_size=6, unique=True)


def spans_of(at: list[int]) -> list[Window]:
    """Pair cuts into spans that do not overlap, newest first."""
    pairs = list(zip(sorted(at)[::2], sorted(at)[1::2], strict=False))
    return [span(*pair) for pair in pairs][::-1]


@given(moves=st.lists(cuts, min_size=1, max_size=5), missing=st.frozensets(st.integers(0, 11)))
def test_sums_are_merges_wherever_the_spans_were_before(
    moves: list[list[int]], missing: frozenset[int]
) -> None:
    sums = Sums(kept(missing))
    for at in moves:
        sums.move(spans_of(at))
        inside = [
            part
            for hour, part in enumerate(PARTS)
            if hour not in missing
            and any(of.start <= START + hour * HOUR < of.end for of in spans_of(at))
        ]
        assert sums.windows == len(inside) == len(sums.parts())
        for column, counts in sums.counts().items():
            expected = np.zeros_like(counts)
            for part in inside:
                rows = [sums.groups.index(group) for group in part.groups]
                expected[rows] += part.columns[column].counts
            np.testing.assert_array_equal(counts, expected)


def test_moments_are_those_of_the_windows_in_the_spans() -> None:
    sums = Sums(kept())
    sums.move([span(8, 9), span(2, 4)])
    merged = merge([PARTS[at] for at in (2, 3, 8)])
    found, expected = moments_of(sums.parts(), "score", ("C",)), merged.columns["score"].moments
    assert found is not None
    assert expected is not None
    at = merged.groups.index(("C",))
    assert found.n[0] == expected.n[at]
    assert found.mean[0] == pytest.approx(expected.mean[at], rel=1e-12)


def test_what_is_forgotten_after_the_spans_have_left_it_changes_nothing() -> None:
    held = kept()
    sums = Sums(held)
    sums.move([span(2, 6)])
    sums.move([span(4, 8)])
    held.forget(START + 4 * HOUR)
    sums.move([span(8, 10)])
    assert sum(sums.counts()["score"].sum(axis=1)) == PARTS[8].rows.sum() + PARTS[9].rows.sum()


def test_cohorts_that_went_are_forgotten_and_the_sums_stay() -> None:
    found = Kept(("carrier",), {"x": 3})
    sums, wide = Sums(found), Sums(found)
    for at in range(300):
        counts = np.array([[at + 1, 0, 2], [1, 1, 1]])
        groups = ((f"carrier {at}",), ("usual",))
        of_x = ColumnProfile(grid="g", counts=counts, moments=None)
        rows = counts.sum(axis=1)
        part = Profile(dimension=("carrier",), groups=groups, rows=rows, columns={"x": of_x})
        found.push(span(at, at + 1), part)
        sums.move([span(max(0, at - 1), at + 1)])
        wide.move([span(max(0, at - 3), at + 1)])
        found.forget(START + (at - 4) * HOUR)
        last = dict(zip(sums.groups, sums.counts()["x"].tolist(), strict=True))
        assert last["carrier " + str(at),] == [at + 1, 0, 2]
        assert last["usual",] == [min(2, at + 1)] * 3
        assert (
            dict(zip(wide.groups, wide.counts()["x"].tolist(), strict=True))["usual",]
            == [min(4, at + 1)] * 3
        )
    assert len(found.place) <= FEW + 6

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from profiles.baseline import accept
from profiles.counting import profile
from profiles.profile import Profile, merge
from profiles.rolling import RollingCounts, Sliding, moments_of, rolled
from profiles.spans import FEW
from profiles.windows import Window
from tests.support.profiles import assert_same

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
COLUMNS = ("score", "carrier")


def batch(rng: np.random.Generator, rows: int, carriers: str) -> pa.RecordBatch:
    return pa.record_batch(
        {
            "score": rng.normal(size=rows),
            "carrier": rng.choice(list(carriers), rows),
        }
    )


@pytest.fixture(scope="module")
def hours() -> list[Profile]:
    """Windows by carrier: some empty, carriers that come and go."""
    rng = np.random.default_rng(5)
    baseline = accept([batch(rng, 500, "ABC")], dimensions=(("carrier",),))
    sizes = [(20, "AB"), (0, "A"), (15, "C"), (30, "ABC"), (9, "D"), (0, "A"), (12, "A")]
    return [profile(baseline.plan, [batch(rng, n, names)])[1] for n, names in sizes]


def window(hour: int) -> Window:
    return Window(start=START + hour * HOUR, end=START + (hour + 1) * HOUR)


def test_sums_are_those_of_the_windows_within_the_span(hours: list[Profile]) -> None:
    rolling = RollingCounts(("carrier",), COLUMNS, 3 * HOUR)
    for hour, part in enumerate(hours):
        rolling.push(window(hour), part)
        merged = merge(hours[max(0, hour - 2) : hour + 1])
        for column in COLUMNS:
            counts = rolling.counts()[column]
            for group, row in zip(rolling.groups, counts, strict=True):
                at = merged.groups.index(group) if group in merged.groups else None
                expected = np.zeros_like(row) if at is None else merged.columns[column].counts[at]
                np.testing.assert_array_equal(row, expected)


def test_moments_are_pooled_from_the_windows_within_the_span(hours: list[Profile]) -> None:
    rolling = RollingCounts(("carrier",), COLUMNS, 2 * HOUR)
    for hour, part in enumerate(hours[:4]):
        rolling.push(window(hour), part)
    merged = merge(hours[2:4])
    found = moments_of(rolling.parts(), "score", ("C",))
    expected = merged.columns["score"].moments
    assert found is not None
    assert expected is not None
    at = merged.groups.index(("C",))
    assert found.n[0] == expected.n[at]
    assert found.mean[0] == pytest.approx(expected.mean[at], rel=1e-12)


def test_a_window_that_is_missing_leaves_the_span_shorter(hours: list[Profile]) -> None:
    rolling = RollingCounts(("carrier",), COLUMNS, 2 * HOUR)
    rolling.push(window(0), hours[0])
    rolling.push(window(3), hours[3])
    assert rolling.counts()["score"].sum() == hours[3].rows.sum()


def test_forgetting_everything_leaves_zeros(hours: list[Profile]) -> None:
    rolling = RollingCounts(("carrier",), COLUMNS, 3 * HOUR)
    for hour, part in enumerate(hours):
        rolling.push(window(hour), part)
    rolling.forget(START + 100 * HOUR)
    assert not rolling.counts()["carrier"].any()
    assert rolling.parts() == ()
    assert moments_of(rolling.parts(), "score", ("A",)) is None


def test_nothing_is_known_before_the_first_window() -> None:
    rolling = RollingCounts((), COLUMNS, HOUR)
    assert rolling.counts() == {}
    assert rolling.groups == ()


@pytest.mark.parametrize("over", [1, 2, 3, 100])
def test_a_sliding_merge_is_the_merge_of_the_windows_within_the_span(
    hours: list[Profile], over: int
) -> None:
    at = [0, 1, 2, 3, 4, 9, 10]  # hours 5 to 8 are not there
    sliding = Sliding(over * HOUR)
    for place, (hour, part) in enumerate(zip(at, hours, strict=True)):
        within = [p for h, p in zip(at[: place + 1], hours, strict=False) if h > hour - over]
        assert_same(sliding.push(window(hour), part), merge(within))


@pytest.mark.parametrize("width", [1, 3, 7, 50])
def test_prefix_sums_are_the_sums_of_the_last_entries(width: int) -> None:
    counts = np.random.default_rng(6).integers(0, 9, (20, 2, 3))
    found = rolled(counts, width)
    for at in range(20):
        np.testing.assert_array_equal(found[at], counts[max(0, at - width + 1) : at + 1].sum(0))


def test_cohorts_that_came_once_are_forgotten() -> None:
    rolling = RollingCounts(("carrier",), (), 2 * HOUR)
    for at in range(300):
        profile = Profile(
            dimension=("carrier",), groups=((f"carrier {at}",),), rows=np.ones(1, np.int64),
            columns={},
        )  # fmt: skip
        rolling.push(Window(start=START + at * HOUR, end=START + (at + 1) * HOUR), profile)
    assert len(rolling.groups) <= FEW + 1
    assert ("carrier 299",) in rolling.groups

"""One row of each id of a window counts, the same one in whatever order and batches rows come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles import ids, repeats
from profiles.baseline import accept
from profiles.contents import contents
from profiles.counting import profile_windows, seen_in
from profiles.errors import TooManyRepeats
from profiles.profile import Profile
from profiles.repeats import CONFLICT, DUPLICATE, Once
from profiles.windows import Window
from tests.support.profiles import assert_same, union

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURS = [Window(start=START + k * HOUR, end=START + (k + 1) * HOUR) for k in (0, 1)]

Row = tuple[int, Any, Any, Any]  # minutes, id, amount, colour


def batch_of(rows: Sequence[Row]) -> pa.RecordBatch:
    at, its, amounts, colours = zip(*rows, strict=True) if rows else ((), (), (), ())
    return pa.record_batch(
        {
            "at": pa.array([START + timedelta(minutes=m) for m in at], pa.timestamp("us", "UTC")),
            "id": pa.array(its, pa.string()),
            "amount": pa.array(amounts, pa.float64()),
            "colour": pa.array(colours, pa.string()),
        }
    )


BASE = accept([batch_of([(0, None, k % 5, "abc"[k % 3]) for k in range(300)])], skip=["at", "id"])


def counted(
    batches: Sequence[pa.RecordBatch], *, looked: bool = False
) -> tuple[list[tuple[Profile, ...]], list[Counter[str]], int]:
    """Profile rows, each id once, as often as that takes; returns how often as well."""
    seen = seen_in(batches, HOURS, time="at", ids="id").repeated() if looked else np.zeros(0, "u8")
    once, passes = Once("id", len(HOURS), expected=seen), 0
    while True:
        passes += 1
        parts = profile_windows(BASE.plan, batches, HOURS, time="at", once=once)
        again = once.again()
        if again is None:
            return parts, once.rejected, passes
        once = again


def expected(rows: Sequence[Row]) -> tuple[list[tuple[Profile, ...]], list[Counter[str]]]:
    """Do the same row by row: group by window and id, and take the smallest content of each."""
    groups: dict[Any, list[Row]] = {}
    for number, row in enumerate(rows):
        no_id = row[1] in (None, "")
        groups.setdefault((row[0] // 60, number if no_id else row[1], no_id), []).append(row)
    kept, rejected = [], [Counter[str](), Counter[str]()]
    for (window, *_), copies in groups.items():
        found = [
            tuple(int(of[0]) for of in contents(batch_of([row]), apart="id")) for row in copies
        ]
        best = min(found)
        kept.append(copies[found.index(best)])
        rejected[window][DUPLICATE] += found.count(best) - 1
        rejected[window][CONFLICT] += len(found) - found.count(best)
    parts = profile_windows(BASE.plan, [batch_of(kept)], HOURS, time="at")
    return parts, [+of for of in rejected]


def assert_alike(one: Iterable[tuple[Profile, ...]], other: Iterable[tuple[Profile, ...]]) -> None:
    for parts, others in zip(one, other, strict=True):
        for part, against in zip(parts, others, strict=True):
            assert_same(part, against)


rows_ = st.lists(
    st.tuples(
        st.integers(0, 119),
        st.sampled_from([None, "", "a", "b", "c", "7", "07"]),
        st.sampled_from([None, 0.0, -0.0, 1.0, 2.5, float("nan"), float("inf")]),
        st.sampled_from([None, "a", "b", "new"]),
    ),
    max_size=30,
)


@given(rows_, st.integers(1, 8), st.booleans(), st.randoms(use_true_random=False))
def test_any_order_and_any_batches_give_what_row_by_row_gives(
    rows: list[Row], size: int, looked: bool, random: Any
) -> None:
    wanted, rejected = expected(rows)
    random.shuffle(rows)
    batches = [batch_of(rows[at : at + size]) for at in range(0, len(rows), size)]
    parts, found, _ = counted(batches, looked=looked)
    assert_alike(parts, wanted)
    assert [+of for of in found] == rejected
    profiled = sum(int(each[0].rows.sum()) for each in parts)
    assert profiled + sum(of.total() for of in found) == len(rows)


@given(rows_, st.integers(1, 8), st.randoms(use_true_random=False))
def test_it_is_the_same_where_little_memory_is_given(
    rows: list[Row], size: int, random: Any
) -> None:
    wanted, rejected = expected(rows)
    random.shuffle(rows)
    batches = [batch_of(rows[at : at + size]) for at in range(0, len(rows), size)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "OFTEN", 1)
        patch.setattr(repeats, "TOGETHER", 2)
        parts, found, _ = counted(batches)
    assert_alike(parts, wanted)
    assert [+of for of in found] == rejected


def test_rows_are_read_once_where_no_id_comes_again_or_those_that_do_are_known() -> None:
    different = [batch_of([(k, f"p{k}", 1, "a") for k in range(100)])]
    assert counted(different)[2] == 1
    again = [*different, batch_of([(7, "p7", 1, "a")])]
    assert counted(again)[2] == 2
    assert counted(again, looked=True)[2] == 1


def test_a_row_that_came_between_two_readings_is_found_by_a_third() -> None:
    first = [batch_of([(1, "p", 1, "a"), (2, "p", 1, "a"), (3, "q", 1, "a")])]
    once = Once("id", 2)
    profile_windows(BASE.plan, first, HOURS, time="at", once=once)
    second = once.again()
    assert second is not None
    late = [*first, batch_of([(4, "q", 1, "a"), (5, "p", 1, "a")])]
    profile_windows(BASE.plan, late, HOURS, time="at", once=second)
    third = second.again()
    assert third is not None
    (parts, _) = profile_windows(BASE.plan, late, HOURS, time="at", once=third)
    assert third.again() is None
    assert parts[0].rows.tolist() == [2]


def test_the_same_id_in_two_windows_is_no_repeat() -> None:
    parts, rejected, _ = counted([batch_of([(59, "p", 1, "a"), (60, "p", 1, "a")])])
    assert [int(each[0].rows[0]) for each in parts] == [1, 1]
    assert not any(rejected)


def test_different_ids_with_the_same_bits_are_both_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def all_alike(column: pa.Array) -> Any:
        return np.zeros(len(column), np.uint64), np.ones(len(column), bool)

    monkeypatch.setattr(ids, "keys", all_alike)
    parts, rejected, _ = counted([batch_of([(0, name, 1, "a") for name in "ppq"])])
    assert parts[0][0].rows.tolist() == [2]
    assert rejected[0] == {DUPLICATE: 1}


def test_rows_that_do_not_fit_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "OFTEN", 1_000)
    monkeypatch.setattr(repeats, "MOST_HELD", 10_000)
    rows: list[Row] = [(0, f"p{k}", k, "a") for k in range(2_000)]
    with pytest.raises(TooManyRepeats, match=r"share their 'id'.*make the windows shorter"):
        counted([batch_of(rows), batch_of(rows)])
    few = [batch_of([(0, "p", k, "a") for k in range(100)])] * 60
    _, (rejected, _), _ = counted(few)
    assert rejected == {DUPLICATE: 59, CONFLICT: 60 * 99}


def of(columns: dict[str, Any]) -> list[tuple[int, int]]:
    first, second = contents(pa.record_batch(columns), apart="id")
    return list(zip(first.tolist(), second.tolist(), strict=True))


def test_a_content_does_not_depend_on_types_order_of_columns_or_columns_without_values() -> None:
    mixed = union([1, 2.5, "x", True, None])
    assert of({"a": mixed})[:1] == of({"a": [1]}) == of({"a": [1.0]})
    assert of({"a": mixed})[1:2] == of({"a": [2.5]})
    assert (
        of({"a": mixed})[2:3] == of({"a": ["x"]}) == of({"a": pa.array(["x"]).dictionary_encode()})
    )
    assert of({"a": mixed})[3:4] == of({"a": [True]})
    assert of({"a": mixed})[4:] == of({"a": pa.nulls(1)}) == of({"b": [None], "id": ["p"]})
    assert of({"a": [1], "b": ["x"]}) == of({"b": ["x"], "c": pa.nulls(1), "a": [1.0]})
    assert of({"a": [0.0]}) == of({"a": [-0.0]})
    assert of({"a": [float("nan")]}) == of({"a": [-float("nan")]})


def test_different_contents_differ() -> None:
    values: list[Any] = [
        0, 1, -1, 0.5, float("nan"), float("inf"), -float("inf"), 2**53, 2**63 - 1,
        "", "0", "1", "true", "nan", "x" * 128, "x" * 129, "x" * 130, True, False, None,
        [1, 2], [2, 1], datetime(2026, 1, 1, tzinfo=UTC),
    ]  # fmt: skip
    found = [of({"a": pa.array([value])})[0] for value in values]
    found += [of({"b": [1]})[0], of({"a": [1], "b": [1]})[0], of({"a": [1], "b": [2]})[0],
              of({"a": [2], "b": [1]})[0]]  # fmt: skip
    assert len(set(found)) == len(found)
    assert len({first for first, _ in found}) == len({second for _, second in found}) == len(found)


def test_a_content_is_the_same_in_every_process() -> None:
    found = of({"amount": [1.5], "colour": ["red"], "late": [True]})
    assert found == [(3092642635092257722, 8131574317171200574)]

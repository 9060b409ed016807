"""The laws of merging, held on rows of every type."""

from __future__ import annotations

import math
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.codec import decode, encode
from profiles.counting import profile
from profiles.errors import GridMismatch
from profiles.names import MAX_NAMES
from profiles.profile import (
    EVERYBODY,
    MAX_NEW_GROUPS,
    OTHERS,
    Plan,
    Profile,
    merge,
    nothing,
)
from tests.support.profiles import assert_same, categories_of, grid_of, union

WORDS = ["", "red", "green", "🦆", "שלום", "None", "nan", "1"]
PLAN = Plan(
    grids={
        "amount": grid_of(np.random.default_rng(1).normal(0, 1e3, 2_000)),
        "visits": grid_of(np.arange(12.0)),
        "colour": categories_of(pa.array(["red", "green", ""]), "string"),
        "plan": categories_of(pa.array(["1", "nan"]), "string"),
        "mixed": grid_of([0.0, 1.0, 2.0]),
        "code": categories_of(pa.array([1, 2]), "number"),
        "flag": categories_of(pa.array([True]), "boolean"),
    },
    dimensions=(("region",), ("region", "device")),
)
FLOATS = st.none() | st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf, -0.0])
MIXED = st.none() | st.integers(-3, 3) | st.floats(-3, 3) | st.sampled_from(WORDS) | st.booleans()
ROW = st.fixed_dictionaries(
    {
        "amount": FLOATS,
        "visits": st.none() | st.integers(-1, 14),
        "colour": st.none() | st.sampled_from(WORDS),
        "plan": st.none() | st.sampled_from(WORDS),
        "mixed": MIXED,
        "code": MIXED,
        "flag": st.none() | st.booleans(),
        "region": st.none() | st.sampled_from(["north", "south", "(missing)"]),
        "device": MIXED,
    }
)
ROWS = st.lists(ROW, max_size=12)
ABSENT = st.sets(st.sampled_from(sorted(PLAN.grids)), max_size=4)
MODEST = settings(max_examples=25, deadline=None)


def batch_of(rows: list[dict[str, Any]], absent: set[str] | frozenset[str] = frozenset()) -> Any:
    columns = {name: [row[name] for row in rows] for name in (*PLAN.grids, "region", "device")}
    arrays = {
        "amount": pa.array(columns["amount"], pa.float64()),
        "visits": pa.array(columns["visits"], pa.int16()),
        "colour": pa.array(columns["colour"], pa.large_string()),
        "plan": pa.array(columns["plan"], pa.string()).dictionary_encode(),
        "mixed": union(columns["mixed"]),
        "code": union(columns["code"]),
        "flag": pa.array(columns["flag"], pa.bool_()),
        "region": pa.array(columns["region"], pa.string()).dictionary_encode(),
        "device": union(columns["device"]),
    }
    kept = {name: array for name, array in arrays.items() if name not in absent}
    return pa.RecordBatch.from_arrays(list(kept.values()), list(kept))


@st.composite
def batches(draw: st.DrawFn) -> Any:
    return batch_of(draw(ROWS), draw(ABSENT))


def each(*made: Any) -> list[tuple[Profile, ...]]:
    """Profiles of each batch, grouped by dimension."""
    return list(zip(*(profile(PLAN, [batch]) for batch in made), strict=True))


@MODEST
@given(batches(), batches(), batches())
def test_merging_is_associative_and_commutative(one: Any, two: Any, three: Any) -> None:
    for a, b, c in each(one, two, three):
        assert_same((a + b) + c, a + (b + c))
        assert_same(a + b, b + a)
        assert_same(merge((c, a, b)), a + b + c)


@MODEST
@given(batches())
def test_nothing_is_the_identity(batch: Any) -> None:
    for part in profile(PLAN, [batch]):
        none = nothing(PLAN, part.dimension)
        assert_same(part + none, part, moments="exact")
        assert_same(none + part, part, moments="exact")


@MODEST
@given(ROWS, ABSENT, st.lists(st.integers(0, 12), max_size=4))
def test_a_split_anywhere_equals_one_pass(
    rows: list[dict[str, Any]], absent: set[str], cuts: list[int]
) -> None:
    whole = batch_of(rows, absent)
    ends = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    slices = [whole.slice(start, end - start) for start, end in pairwise(ends)]
    copies = [batch_of(rows[start:end], absent) for start, end in pairwise(ends)]
    one_pass = profile(PLAN, [whole])
    for split in (slices, copies, copies[::-1]):
        for a, b in zip(profile(PLAN, split), one_pass, strict=True):
            assert_same(a, b)


@MODEST
@given(batches(), batches())
def test_the_codec_keeps_all_and_merging_goes_on_after_it(one: Any, two: Any) -> None:
    for a, b in each(one, two):
        data = encode(a)
        assert_same(decode(data), a, moments="exact")
        assert encode(decode(data)) == data
        assert encode(decode(data) + decode(encode(b))) == encode(a + b)


@MODEST
@given(batches())
def test_the_bins_always_sum_to_the_rows(batch: Any) -> None:
    for part in profile(PLAN, [batch]):
        assert int(part.rows.sum()) == batch.num_rows
        for column in part.columns.values():
            assert column.counts.sum(axis=1).tolist() == part.rows.tolist()


@MODEST
@given(batches())
def test_the_groups_of_a_dimension_sum_to_everybody(batch: Any) -> None:
    everybody, *others = profile(PLAN, [batch])
    for part in others:
        for name, column in part.columns.items():
            total = column.counts.sum(axis=0)
            assert total.tolist() == everybody.columns[name].counts.sum(axis=0).tolist()


def test_many_windows_pool_to_the_moments_of_all_their_rows() -> None:
    values = np.random.default_rng(2).normal(1e3, 1.0, 6_000)
    plan = Plan(grids={"x": grid_of(values)})
    parts = [profile(plan, [pa.record_batch({"x": v})])[0] for v in np.split(values, 60)]
    for merged in (merge(parts), reduce(Profile.__add__, parts)):
        moments = merged.columns["x"].moments
        assert moments is not None
        assert moments.std()[0] == pytest.approx(np.std(values, ddof=1), rel=1e-12)
        assert moments.mean[0] == pytest.approx(np.mean(values), rel=1e-12)


def test_a_column_that_a_part_lacks_is_missing_in_its_rows() -> None:
    with_both = Plan(grids={"x": PLAN.grids["visits"], "y": PLAN.grids["flag"]})
    with_x = Plan(grids={"x": PLAN.grids["visits"]})
    rows = pa.record_batch({"x": [1, 2], "y": [True, None]})
    merged = profile(with_both, [rows])[0] + profile(with_x, [rows])[0]
    assert merged.rows.tolist() == [4]
    assert merged.columns["y"].counts[0, PLAN.grids["flag"].missing] == 3


def test_counts_on_different_grids_are_not_added() -> None:
    rows = pa.record_batch({"x": [1.0]})
    one, other = (profile(Plan(grids={"x": grid_of([value])}), [rows])[0] for value in (1.0, 2.0))
    with pytest.raises(GridMismatch, match="column 'x'"):
        merge((one, other))


def test_profiles_of_different_dimensions_are_not_added() -> None:
    with pytest.raises(GridMismatch, match="dimensions"):
        merge((nothing(PLAN, EVERYBODY), nothing(PLAN, ("region",))))


def test_unseen_names_are_sampled_the_same_in_one_pass_and_in_many() -> None:
    names = [f"new {i:05}" for i in np.random.default_rng(3).permutation(3 * MAX_NAMES)]
    plan = Plan(grids={"plan": PLAN.grids["plan"]})
    whole = pa.record_batch({"plan": [*names, *names]})
    one = profile(plan, [whole])[0]
    pieces = [profile(plan, [whole.slice(i, 500)])[0] for i in range(0, len(whole), 500)]
    many = reduce(lambda a, b: a + b, pieces[::-1])
    found = one.unseen["plan"]
    assert found.sampled
    assert len(found.rows) == MAX_NAMES
    assert set(found.rows.values()) == {2}
    assert found.distinct == pytest.approx(3 * MAX_NAMES, rel=0.1)
    assert_same(one, many)


def test_cohorts_beyond_the_limit_are_put_together_the_same_in_one_pass_and_in_many() -> None:
    rng = np.random.default_rng(4)
    users = [f"user {i}" for i in rng.integers(0, 5 * MAX_NEW_GROUPS, 4_000)]
    batch = pa.record_batch({"region": users, "visits": rng.integers(0, 12, 4_000)})
    known = frozenset({("user 7",), ("user 8",)})
    plan = Plan(
        grids={"visits": PLAN.grids["visits"]},
        dimensions=(("region",),),
        known={("region",): known},
    )
    everybody, whole = profile(plan, [batch])
    assert len(whole.new) == MAX_NEW_GROUPS
    assert set(whole.groups) == known | whole.new | {(OTHERS,)}
    assert whole.rows.sum() == everybody.rows[0] == 4_000
    for step in (100, 900):
        parts = [batch.slice(i, step) for i in range(0, 4_000, step)]
        assert_same(profile(plan, parts)[1], whole)
        pieces = [profile(plan, [part])[1] for part in parts]
        assert_same(reduce(lambda a, b: a + b, pieces), whole)
        assert_same(merge([decode(encode(piece)) for piece in pieces[::-1]]), whole)

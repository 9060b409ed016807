"""Hostile columns are read, marked and counted; none is coerced and none raises."""

from __future__ import annotations

import decimal
import math
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.counting import profile
from profiles.grids import numeric_grid
from profiles.profile import Plan
from profiles.values import (
    MAX_LABEL,
    MISMATCH,
    MISSING,
    NON_FINITE,
    PRESENT,
    labels,
    numbers,
    type_of,
)
from tests.support.profiles import categories_of, read, union

DENORMAL = math.nextafter(0.0, 1.0)
LARGEST = sys.float_info.max
HOSTILE = [0.0, -0.0, 1e308, -1e308, LARGEST, -LARGEST, 2.0**63, DENORMAL, -DENORMAL, math.pi]
MARKED = [math.nan, math.inf, -math.inf, None]


def names_of(array: pa.Array, of: Any) -> list[str | None]:
    found = labels(array, of)
    return [
        found.names[code] if mark == PRESENT else None
        for code, mark in zip(found.codes.tolist(), found.mark.tolist(), strict=True)
    ]


def test_null_and_nan_are_missing_and_infinities_are_non_finite() -> None:
    found = read([1.0, None, math.nan, math.inf, -math.inf, -0.0])
    assert found.mark.tolist() == [PRESENT, MISSING, MISSING, NON_FINITE, NON_FINITE, PRESENT]
    assert found.values.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "array",
    [
        pa.array([True, False]),
        pa.array(["1", "2.5"]),
        pa.array([b"1", b"2"]),
        pa.array([[1], [2]]),
        pa.array([1, 2], pa.timestamp("us", "UTC")),
        pa.array(["1", "2"]).dictionary_encode(),
    ],
    ids=lambda array: str(array.type),
)
def test_what_is_no_number_is_a_mismatch_and_never_coerced(array: pa.Array) -> None:
    assert numbers(array).mark.tolist() == [MISMATCH, MISMATCH]


@pytest.mark.parametrize(
    "kind",
    [pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.decimal32(5, 2), pa.decimal256(76, 2)],
    ids=str,
)
def test_every_number_type_is_read_as_numbers_and_as_labels(kind: pa.DataType) -> None:
    one = decimal.Decimal(1) if pa.types.is_decimal(kind) else 1
    array = pa.array([one, None, 2 * one], kind)
    assert numbers(array).values.tolist() == [1.0, 0.0, 2.0]
    assert names_of(array, "number") == ["1", None, "2"]


def test_integers_past_the_floats_are_still_numbers() -> None:
    found = numbers(pa.array([2**63, 2**64 - 1], pa.uint64()))
    assert found.values.tolist() == [2.0**63, 2.0**64]


def test_a_value_has_one_label_whatever_type_holds_it() -> None:
    as_decimals = pa.array([decimal.Decimal("1.00"), decimal.Decimal("2.50")])
    assert names_of(as_decimals, "number") == ["1", "2.5"]
    assert names_of(pa.array([1.0, 2.5]), "number") == ["1", "2.5"]
    assert names_of(pa.array([0.0, -0.0, math.nan, None]), "number") == ["0", "0", None, None]
    huge = decimal.Decimal("1" * 74 + ".25")
    assert names_of(pa.array([huge]), "number") == [str(huge)]


def test_text_that_looks_like_nothing_is_text() -> None:
    words = ["", "nan", "None", "null", "NaN", "🦆", "שלום", "\u202egnp", "\x00"]
    assert names_of(pa.array(words), "string") == words


def test_a_dictionary_may_hold_values_twice_or_null() -> None:
    array = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None]), pa.array(["a", "a", None]))
    assert names_of(array, "string") == ["a", "a", None, None]
    assert labels(array, "string").names == ("a",)


def test_an_empty_dictionary_is_all_missing() -> None:
    array = pa.array([None, None], pa.dictionary(pa.int8(), pa.string()))
    assert labels(array, "string").mark.tolist() == [MISSING, MISSING]


def test_a_full_dictionary_of_narrow_indices_still_has_room_for_missing() -> None:
    indices = pa.array([*range(128), None], pa.int8())
    array = pa.DictionaryArray.from_arrays(indices, pa.array([str(i) for i in range(128)]))
    assert names_of(array, "string") == [*map(str, range(128)), None]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_lone_surrogates_in_arrow_text_are_escaped(kind: pa.DataType) -> None:
    offsets = np.array([0, 3, 4], np.int64 if kind == pa.large_string() else np.int32)
    raw = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"\xed\xa0\x80a")]
    assert names_of(pa.Array.from_buffers(kind, 2, raw), "string") == [r"\xed\xa0\x80", "a"]


def test_a_long_text_is_named_by_its_beginning_and_its_hash() -> None:
    long = "x" * 10_000_000
    one, other, short = names_of(pa.array([long, long + "y", "x" * MAX_LABEL]), "string")
    assert one is not None
    assert other is not None
    assert len(one) == len(other) == MAX_LABEL
    assert one != other
    assert one.startswith("xxx")
    assert short == "x" * MAX_LABEL


def test_a_union_is_read_by_the_type_of_each_value() -> None:
    array = union([1, "1", 2.5, None, True, 1.0, math.inf])
    assert numbers(array).values.tolist() == [1.0, 0.0, 2.5, 0.0, 0.0, 1.0, 0.0]
    assert numbers(array).mark.tolist() == [0, MISMATCH, 0, MISSING, MISMATCH, 0, NON_FINITE]
    assert names_of(array, "number") == ["1", None, "2.5", None, None, "1", "inf"]
    assert names_of(array, "string") == [None, "1", None, None, None, None, None]
    assert names_of(array, "boolean") == [None, None, None, None, "true", None, None]


@pytest.mark.parametrize("start", range(5))
def test_a_slice_of_a_union_holds_its_own_values(start: int) -> None:
    values = [1, "a", 2.5, "b", 3]
    numeric = [float(v) if not isinstance(v, str) else 0.0 for v in values]
    assert numbers(union(values).slice(start)).values.tolist() == numeric[start:]


def test_sparse_unions_and_unions_with_their_own_type_codes_are_read() -> None:
    arms = [pa.array([1, 2, 3]), pa.array(["a", "b", "c"])]
    sparse = pa.UnionArray.from_sparse(pa.array([0, 1, 0], pa.int8()), arms)
    assert numbers(sparse.slice(1)).values.tolist() == [0.0, 3.0]
    codes = pa.array([7, 5], pa.int8())
    own = pa.UnionArray.from_dense(codes, pa.array([0, 2], pa.int32()), arms, ["n", "s"], [5, 7])
    assert names_of(own, "string") == ["a", None]
    assert numbers(own).values.tolist() == [0.0, 3.0]


def test_a_type_is_a_number_a_text_a_truth_value_or_nothing() -> None:
    assert type_of(pa.dictionary(pa.int8(), pa.string_view())) == "string"
    assert type_of(pa.bool_()) == "boolean"
    assert type_of(pa.decimal128(5, 2)) == "number"
    assert type_of(pa.date32()) is None
    assert type_of(pa.null()) is None


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from(HOSTILE) | st.floats(width=64, allow_nan=False, allow_infinity=False),
        min_size=1,
        max_size=30,
    ),
    st.lists(st.sampled_from(HOSTILE + MARKED) | st.floats(), max_size=30),
)
def test_no_float_overflows_and_every_row_has_a_bin(base: list[float], rows: list[Any]) -> None:
    grid = numeric_grid([read(base)])
    assert np.isfinite(grid.edges).all()
    assert (grid.edges[1:] > grid.edges[:-1]).all()
    assert np.isfinite(grid.centres).all()
    plan = Plan(grids={"x": grid})
    for values in (base, rows):
        (found,) = profile(plan, [pa.record_batch({"x": pa.array(values, pa.float64())})])
        column = found.columns["x"]
        assert int(column.counts.sum()) == len(values)
        assert column.moments is not None
        assert np.isfinite(column.moments.mean).all()
        assert not np.isnan(column.moments.m2).any()


def test_the_extremes_of_the_floats_have_a_mean() -> None:
    plan = Plan(grids={"x": numeric_grid([read([1e308, -1e308])])})
    batch = pa.record_batch({"x": [1e308, 1e308, -1e308]})
    for batches in ([batch], [batch.slice(0, 1), batch.slice(1)]):
        moments = profile(plan, batches)[0].columns["x"].moments
        assert moments is not None
        assert moments.mean[0] == pytest.approx(1e308 / 3, rel=1e-12)
        assert moments.m2[0] == math.inf  # it is past the largest float


@pytest.mark.parametrize("value", [0.1, 1e308, LARGEST, -1e200, DENORMAL, 1e16 + 2])
def test_a_constant_has_no_spread_however_it_is_split(value: float) -> None:
    plan = Plan(grids={"x": numeric_grid([read([value])])})
    batch = pa.record_batch({"x": [value] * 7})
    for batches in ([batch], [batch.slice(0, 3), batch.slice(3, 1), batch.slice(4)]):
        moments = profile(plan, batches)[0].columns["x"].moments
        assert moments is not None
        assert (moments.mean[0], moments.m2[0], moments.std()[0]) == (value, 0.0, 0.0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.none() | st.text(max_size=8), max_size=30))
def test_any_text_has_a_bin(words: list[str | None]) -> None:
    grid = categories_of(pa.array(["a", ""]), "string")
    batch = pa.record_batch({"w": pa.array(words, pa.string())})
    counts = profile(Plan(grids={"w": grid}), [batch])[0].columns["w"].counts
    assert int(counts.sum()) == len(words)
    assert counts[0, grid.missing] == words.count(None)

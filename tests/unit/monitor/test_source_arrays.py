from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sources.arrays import TIMESTAMP, array_of
from monitor.sources.payload import (
    PAYLOAD_MISSING,
    PAYLOAD_NOT_JSON,
    PAYLOAD_NOT_OBJECT,
    flatten,
    loads,
    read_payloads,
)

NAIVE = datetime(2013, 3, 1)  # noqa: DTZ001 - as drivers give what has no zone
SURROGATE = json.loads('"\\ud83d"')


@pytest.mark.parametrize(
    ("values", "of", "read"),
    [
        ([None, None], pa.null(), [None, None]),
        ([True, None], pa.bool_(), [True, None]),
        ([1, None, -(2**63)], pa.int64(), [1, None, -(2**63)]),
        ([1, 2.5], pa.float64(), [1.0, 2.5]),
        ([2**63, None], pa.float64(), [2.0**63, None]),
        ([10**400, -(10**400), 1], pa.float64(), [math.inf, -math.inf, 1.0]),
        ([10**400, 0.5], pa.float64(), [math.inf, 0.5]),
        ([math.inf, -0.0], pa.float64(), [math.inf, -0.0]),
        ([Decimal("1.5"), 2], pa.float64(), [1.5, 2.0]),
        (["a", None, "é🛫\u202e"], pa.string(), ["a", None, "é🛫\u202e"]),
        ([SURROGATE], pa.string(), ["\\ud83d"]),
        ([b"\x00\xff"], pa.binary(), [b"\x00\xff"]),
        ([memoryview(b"x")], pa.binary(), [b"x"]),
        ([date(2013, 3, 1)], TIMESTAMP, [datetime(2013, 3, 1, tzinfo=UTC)]),
        (
            [datetime(2013, 3, 1, 1, tzinfo=timezone(timedelta(hours=1))), NAIVE],
            TIMESTAMP,
            [datetime(2013, 3, 1, tzinfo=UTC)] * 2,
        ),
        ([timedelta(minutes=1)], pa.float64(), [60.0]),
        ([[1, {"a": 2}], None], pa.string(), ['[1, {"a": 2}]', None]),
    ],
)
def test_values_of_one_kind_are_one_arrow_type(values: Any, of: pa.DataType, read: Any) -> None:
    array = array_of(values)
    assert array.type == of
    assert array.to_pylist() == read
    array.validate(full=True)


def test_values_of_several_kinds_stay_what_they_are() -> None:
    array = array_of([1, "x", None, True, 2.5, 10**400, b"\xff", [1]])
    assert array.type == pa.dense_union(
        [
            pa.field("number", pa.float64()),
            pa.field("text", pa.string()),
            pa.field("truth", pa.bool_()),
        ]
    )
    assert array.to_pylist() == [1.0, "x", None, True, 2.5, math.inf, "\\xff", "[1]"]
    array.validate(full=True)


def test_not_a_number_is_not_missing() -> None:
    array = array_of([math.nan, None])
    assert array.null_count == 1
    assert math.isnan(array[0].as_py())


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=[]))
)
payloads = st.dictionaries(
    st.text(st.characters(exclude_categories=[]), max_size=5),
    st.recursive(
        leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
    ),
    max_size=5,
)


@given(st.lists(payloads, max_size=8))
def test_whatever_json_holds_becomes_columns_of_one_length(objects: list[dict[str, Any]]) -> None:
    texts = [json.dumps(each) for each in objects]
    read = read_payloads(texts, parsed=False)
    assert not read.rejected
    for values in flatten(read.objects, taken=(), payload="p").columns.values():
        assert len(values) == len(objects)
        array_of(values).validate(full=True)


def test_nested_keys_are_dotted_and_a_taken_name_gets_the_payloads_own() -> None:
    columns = flatten(
        [{"score": 1, "weather": {"temp": 2.5, "wind": {"dir": 9}}}, {"weather": None}],
        taken={"score"},
        payload="features",
    ).columns
    assert columns == {
        "features.score": [1, None],
        "weather.temp": [2.5, None],
        "weather.wind.dir": [9, None],
    }


def test_an_object_beside_a_plain_value_gives_both_columns() -> None:
    columns = flatten([{"a": {"b": 1}}, {"a": 2}, {"a.b": 3}], taken=(), payload="p").columns
    assert columns == {"a.b": [1, None, 3], "a": [None, 2, None]}


def test_what_is_no_object_is_rejected_with_its_reason() -> None:
    read = read_payloads(
        ['{"a": 1}', None, "{", "[1]", '"{}"', "", "[" * 100_000, b'{"a": 2}'], parsed=False
    )
    assert read.objects == [{"a": 1}, {"a": 2}]
    assert read.kept == [True, False, False, False, False, False, False, True]
    assert read.rejected == {PAYLOAD_MISSING: 1, PAYLOAD_NOT_JSON: 3, PAYLOAD_NOT_OBJECT: 2}


def test_numbers_beyond_what_python_converts_are_infinite() -> None:
    assert loads(f'{{"a": {"9" * 5_000}, "b": -{"9" * 5_000}, "c": 1}}') == {
        "a": math.inf,
        "b": -math.inf,
        "c": 1,
    }


def test_what_an_object_that_is_null_could_hold_is_null_and_not_absent() -> None:
    objects = [{"sky": None}, {"sky": {"wind": {"speed": 3}}}, {}]
    flat = flatten(objects, taken=(), payload="p")
    assert flat.columns["sky.wind.speed"] == [None, 3, None]
    assert flat.absent["sky.wind.speed"].tolist() == [False, False, True]


def test_an_object_500_deep_is_read() -> None:
    text = '{"a":' * 500 + "1" + "}" * 500
    flat = flatten(read_payloads([text], parsed=False).objects, taken=(), payload="p")
    (name,) = flat.columns
    assert flat.deep == [0]
    assert name.startswith("a.a.a")

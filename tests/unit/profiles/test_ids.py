"""Ids are one where they are written alike, and what is no id is no repeat of another."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.ids import keys, texts, written

whole = st.integers(-(2**63), 2**63 - 1)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=140) | st.from_regex(
    r"-?[0-9]{1,30}", fullmatch=True
)


def bits(values: Any, of: pa.DataType | None = None) -> list[int]:
    found, known = keys(pa.array(values, of))
    assert known.all()
    return [int(each) for each in found]


@given(st.lists(whole, min_size=1))
def test_a_whole_number_is_the_same_id_as_its_text(values: list[int]) -> None:
    as_text = [str(value) for value in values]
    assert bits(values) == bits(as_text) == bits([text.encode() for text in as_text])
    assert texts(pa.array(values)).to_pylist() == texts(pa.array(as_text)).to_pylist()


@given(st.lists(st.integers(-(2**52), 2**52), min_size=1))
def test_whole_doubles_are_whole_numbers(values: list[int]) -> None:
    assert bits([float(value) for value in values]) == bits(values)


@given(st.lists(names.filter(bool), min_size=1, max_size=30))
def test_texts_have_the_same_bits_in_any_company_and_in_codes(values: list[str]) -> None:
    alone = [bits([value])[0] for value in values]
    assert bits(values) == alone
    codes = pa.array(values).dictionary_encode()
    assert keys(codes)[0].tolist() == alone
    padded = pa.array(["before", *values, "after"]).slice(1, len(values))
    assert keys(padded)[0].tolist() == alone


@given(st.lists(names.filter(bool), min_size=1, max_size=60, unique=True))
def test_different_texts_have_different_bits(values: list[str]) -> None:
    assert len(set(bits(values))) == len(values)


def test_what_is_written_otherwise_is_another_id() -> None:
    texts_ = ["7", "07", "007", "-7", "+7", "7-", "-", "-0", "0", "00000007", "7.0", "７", "7 "]
    texts_ += ["a" * n for n in (127, 128, 129)] + ["1" * n for n in range(17, 30)]
    assert len(set(bits(texts_))) == len(texts_)


def test_a_million_ids_of_every_kind_have_different_bits() -> None:
    numbers = np.arange(200_000) * 7919 + 10**17
    for column in (pa.array(numbers), pa.array([f"p{n}" for n in numbers.tolist()])):
        assert len(np.unique(keys(column)[0])) == len(numbers)


@pytest.mark.parametrize(
    "column",
    [
        pa.nulls(3),
        pa.array([None, "", None], pa.string()),
        pa.array([None, float("nan"), None]),
        pa.array([None, b"", None], pa.binary()),
        pa.array([None, "", None], pa.string()).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([None] * 3, pa.int32()), pa.array([], pa.string())),
    ],
)
def test_null_nan_and_the_empty_text_are_no_ids(column: pa.Array) -> None:
    assert not keys(column)[1].any()


def test_an_id_of_another_type_is_taken_as_it_is_written() -> None:
    assert bits([0.5, 7.0]) == bits(["0.5", "7"])
    assert bits([Decimal("7.00"), Decimal("1.50")]) == bits(["7", "1.5"])
    assert bits([2**64 - 1], pa.uint64()) == bits([str(2**64 - 1)])
    assert bits([True, False]) == bits(["true", "false"])
    assert [written(v) for v in (Decimal("1E+3"), 1e3, 10**30)] == ["1000", "1000", f"{10**30}"]

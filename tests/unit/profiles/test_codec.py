"""What is not a stored profile is refused with one error, in bounded memory."""

from __future__ import annotations

import json
import math
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles import codec
from profiles.baseline import accept
from profiles.codec import MAGIC, MAX_CONTENT, decode, encode, pack, unpack
from profiles.counting import profile
from profiles.errors import CodecError
from profiles.grids import CategoricalGrid, from_dict
from profiles.profile import ColumnProfile, Plan, Profile
from tests.support.profiles import assert_same, grid_of

DATA = Path(__file__).parents[2] / "data"
PLAN = Plan(
    grids={"x": grid_of(np.arange(150.0)), "w": CategoricalGrid(categories=("a",))},
    dimensions=(("w",),),
)
BATCH = pa.record_batch({"x": np.arange(40.0), "w": [*"ab" * 19, None, "🦆"]})
PARTS = profile(PLAN, [BATCH])
VALID = [encode(part) for part in PARTS]
FEW = settings(max_examples=80, deadline=None)


def header_of(data: bytes) -> tuple[dict[str, Any], bytes]:
    return unpack(data)


def blob(content: bytes, *, magic: bytes = MAGIC, claims: int | None = None) -> bytes:
    length = len(content) if claims is None else claims
    head = struct.pack("<4sI", magic, length)
    if magic == b"DLP2":
        return head + zlib.compress(content)
    return (
        head + struct.pack("<I", zlib.crc32(content)) + pa.compress(content, "zstd", asbytes=True)
    )


def deflated(data: bytes) -> bytes:
    """Write a profile as version 2 did: counts of wide integers, without a checksum."""
    header, body = header_of(data)
    kinds, reader = header.pop("kinds"), codec.Reader(body)
    rows = reader.take("<i8", len(header["groups"]))
    gaps, sizes = (reader.take(kind, header["filled"]) for kind in kinds)
    counts = gaps.astype("<u4").tobytes() + sizes.astype("<u8").tobytes()
    rest = body[rows.nbytes + gaps.nbytes + sizes.nbytes :]
    text = json.dumps(header).encode()
    content = struct.pack("<I", len(text)) + text + rows.tobytes() + counts + rest
    return blob(content, magic=b"DLP2")


def refused(data: bytes) -> str:
    with pytest.raises(CodecError) as caught:
        decode(data)
    return str(caught.value)


@pytest.mark.parametrize("part", PARTS, ids=["everybody", "by w"])
def test_a_profile_survives(part: Profile) -> None:
    assert_same(decode(encode(part)), part, moments="exact")
    assert encode(decode(encode(part))) == encode(part)


def test_equal_profiles_are_equal_bytes_whatever_the_order_of_columns() -> None:
    other = Plan(grids=dict(reversed(PLAN.grids.items())), dimensions=PLAN.dimensions)
    assert [encode(part) for part in profile(other, [BATCH])] == VALID


def test_some_columns_can_be_read_alone() -> None:
    assert list(decode(VALID[1], columns=["w"]).columns) == ["w"]
    assert list(decode(VALID[1], columns=[]).columns) == []
    only = decode(VALID[1], columns={"x"}).columns["x"]
    assert only.counts.tolist() == PARTS[1].columns["x"].counts.tolist()


def test_counts_past_32_bits_survive() -> None:
    counts = np.array([[2**40, 0, 5]])
    column = ColumnProfile(grid="g", counts=counts, moments=None)
    part = Profile(dimension=(), groups=((),), rows=counts.sum(axis=1), columns={"x": column})
    assert_same(decode(encode(part)), part)


def test_a_grid_is_packed_by_its_content() -> None:
    for grid in PLAN.grids.values():
        assert from_dict(unpack(pack(grid.to_dict(), b""))[0]).id == grid.id


@pytest.mark.parametrize("data", [*VALID, deflated(VALID[1])])
def test_a_profile_cut_anywhere_is_refused(data: bytes) -> None:
    for end in range(len(data)):
        refused(data[:end])


def test_something_after_the_end_is_refused() -> None:
    refused(VALID[0] + b"\0")
    assert "follows its end" in refused(deflated(VALID[0]) + b"\0")


@FEW
@given(st.sampled_from(VALID), st.lists(st.tuples(st.integers(0), st.integers(1, 255)), min_size=1))
def test_flipped_bytes_are_refused_or_change_nothing(
    data: bytes, flips: list[tuple[int, int]]
) -> None:
    damaged = bytearray(data)
    for at, bits in flips:
        damaged[at % len(damaged)] ^= bits
    try:
        found = decode(bytes(damaged))
    except CodecError:
        return
    assert encode(found) == data  # the compression level in its header says nothing


@FEW
@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_are_refused(data: bytes, with_head: bool) -> None:
    refused(struct.pack("<4sI", MAGIC, len(data)) + data if with_head else data)


@FEW
@given(st.binary(max_size=200))
def test_random_content_is_refused(content: bytes) -> None:
    for magic in (MAGIC, b"DLP2"):
        refused(blob(content, magic=magic))
        refused(blob(struct.pack("<I", len(content)) + content, magic=magic))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
FIELDS = ["dimension", "groups", "columns", "unseen"]
COLUMN_FIELDS = ["name", "grid", "bins", "filled", "moments"]


@FEW
@given(st.sampled_from(VALID), st.sampled_from(FIELDS + COLUMN_FIELDS), JSON, st.booleans())
def test_a_header_that_lies_raises_no_other_error(
    data: bytes, field: str, value: Any, drop: bool
) -> None:
    header, body = header_of(data)
    at = header if field in FIELDS else header["columns"][0]
    at[field] = value
    if drop:
        del at[field]
    text = json.dumps(header).encode()
    try:
        found = decode(blob(struct.pack("<I", len(text)) + text + body))
    except CodecError:
        return
    assert decode(encode(found)).groups == found.groups  # it may well be so


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bins", 10**9),
        ("bins", -1),
        ("bins", True),
        ("bins", 2.0),
        ("name", "x"),
    ],
)
def test_columns_that_cannot_be_are_refused(field: str, value: Any) -> None:
    header, body = header_of(VALID[0])
    header["columns"][0][field] = value
    refused(pack(header, body))


@pytest.mark.parametrize("filled", [-1, 10**30, True, 1.0, None])
def test_numbers_of_counts_that_cannot_be_are_refused(filled: Any) -> None:
    header, body = header_of(VALID[0])
    refused(pack({**header, "filled": filled}, body))


def test_counts_that_lie_twice_in_one_bin_are_refused() -> None:
    header, body = header_of(VALID[0])
    rows = len(header["groups"]) * 8
    assert header["filled"] > 1
    assert header["kinds"][0] == "|u1"
    deltas = bytearray(body)
    deltas[rows + 1] = 0
    refused(pack(header, bytes(deltas)))


@pytest.mark.parametrize("kinds", [["<u4"], ["<f4", "<u8"], ["O", "O"], [1, 2], None, {}])
def test_counts_of_no_known_kind_are_refused(kinds: Any) -> None:
    header, body = header_of(VALID[0])
    refused(pack({**header, "kinds": kinds}, body))


@pytest.mark.parametrize("gaps", [[10**9, 1], [3, 0]], ids=["no bin", "twice in one"])
def test_counts_lie_in_a_bin_and_once(gaps: list[int]) -> None:
    column = {"name": "x", "grid": "g", "bins": 5, "moments": False}
    header = {"dimension": [], "groups": [[]], "columns": [column], "filled": 2, "unseen": {}}
    body = struct.pack("<q2I2Q", 2, *gaps, 1, 1)
    refused(pack(header, body))
    refused(pack(header | {"columns": []}, body))
    assert decode(pack(header, struct.pack("<q2I2Q", 2, 0, 4, 1, 1))).rows == 2


def test_groups_that_are_not_once_each_and_sorted_are_refused() -> None:
    header, body = header_of(VALID[1])
    header["groups"] = [header["groups"][0]] * len(header["groups"])
    refused(pack(header, body))


def test_other_bytes_and_newer_versions_are_named() -> None:
    assert "begin with b'PAR1'" in refused(blob(b"{}", magic=b"PAR1"))
    assert "version '4'; this program reads 1, 2, 3" in refused(blob(b"{}", magic=b"DLP4"))
    assert "too short" in refused(b"")


def test_a_bomb_is_refused_in_little_memory() -> None:
    zeros = bytes(50_000_000)
    bombs = [
        blob(content, magic=magic, claims=claims)
        for magic in (MAGIC, b"DLP2")
        for content, claims in ((zeros, 1_000), (b"", MAX_CONTENT))
    ]
    huge = blob(b"", claims=MAX_CONTENT + 1)
    tracemalloc.start()
    try:
        for bomb in bombs:
            refused(bomb)
        assert "at most" in refused(huge)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_many_columns_that_are_each_within_the_limit_are_refused_together() -> None:
    columns = [
        {"name": str(i), "grid": "g", "bins": codec.MAX_CELLS // 2, "moments": False}
        for i in range(3)
    ]
    header = {"dimension": [], "groups": [[]], "columns": columns, "filled": 0, "unseen": {}}
    assert "damaged" in refused(pack(header, bytes(8)))


def test_deep_nesting_is_refused() -> None:
    text = b"[" * 100_000
    refused(blob(struct.pack("<I", len(text)) + text))


def test_what_is_too_large_to_be_read_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("MAX_CELLS", "MAX_HEADER", "MAX_CONTENT"):
        with monkeypatch.context() as patched:
            patched.setattr(codec, limit, 10)
            with pytest.raises(CodecError, match="over the limit of 10"):
                encode(PARTS[1])


@pytest.mark.parametrize("version", [1, 2])
def test_a_profile_of_an_earlier_version_is_read_as_its_rows_are_profiled_today(
    version: int,
) -> None:
    rows = {"amount": [1.0, 2.0, 4.0, None], "colour": ["red", "green", "red", None]}
    base = accept([pa.record_batch({**rows, "region": ["n", "s", "n", None]})],
                  dimensions=(("region",),))  # fmt: skip
    window = {"amount": [2.0, math.inf, 9.5, None], "colour": ["red", "blue", "blue", None]}
    today = profile(base.plan, [pa.record_batch({**window, "region": ["n", "s", "n", None]})])
    for part, name in zip(today, ("everybody", "by-region"), strict=True):
        stored = (DATA / f"profile-{name}-{version}.bin").read_bytes()
        assert stored.startswith(f"DLP{version}".encode())
        assert_same(decode(stored), part)
        assert_same(decode(encode(decode(stored))), part)

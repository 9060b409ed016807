"""Derived columns: text, lists, times and images in numbers."""

from __future__ import annotations

import json
import struct
import sys
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.baseline import accept
from profiles.counting import profile
from profiles.derived import PARTS, Derived, Recipe, derive, from_dict, images
from profiles.errors import ProfileError
from profiles.kinds import Kind, recipes_of
from profiles.values import MISMATCH, MISSING, NON_FINITE, PRESENT, numbers
from tests.support.images import an_image
from tests.support.profiles import assert_same, union

EVENT = datetime(2013, 3, 31, tzinfo=UTC)
MOMENT = pa.timestamp("us", "UTC")


def recipe(column: str, of: Derived, against: str | None = None) -> Recipe:
    return Recipe(column=column, of=of, parts=PARTS[of], against=against)


def derived(column: pa.Array, of: Derived) -> dict[str, list[float | int]]:
    """The parts of a column: a number where there is one, else the mark as a negative one."""
    batch = pa.RecordBatch.from_arrays(
        [column, pa.array([EVENT] * len(column), MOMENT)], ["c", "at"]
    )
    made = derive(batch, [recipe("c", of, "at")])
    assert made.schema.names == ["c", "at", *(f"c.{part}" for part in PARTS[of])]
    found = {}
    for part in PARTS[of]:
        made.column(f"c.{part}").validate(full=True)
        read = numbers(made.column(f"c.{part}"))
        found[part] = [
            v if m == PRESENT else -int(m)
            for v, m in zip(read.values.tolist(), read.mark.tolist(), strict=True)
        ]
    return found


def in_plain_python(text: str) -> dict[str, float]:
    """What the parts of a text mean."""
    letters = sum(unicodedata.category(c)[0] in "LM" for c in text)
    digits = sum(unicodedata.category(c) == "Nd" for c in text)
    spaces = sum(c.isspace() for c in text)
    words = text.split()
    return {
        "length": len(text),
        "digits": digits,
        "letters": letters,
        "special": len(text) - letters - digits - spaces,
        "words": len(words),
        "word_length": sum(map(len, words)) / len(words) if words else 0.0,
    }


def test_a_text_is_described_by_its_characters_and_words() -> None:
    texts = ["Gate B12, closed!", "", None, " नमस्ते　世界 ", "👩‍🚀 x"]
    found = derived(pa.array(texts), "text")
    assert found["length"] == [17, 0, -MISSING, 11, 5]
    assert found["digits"] == [2, 0, -MISSING, 0, 0]
    assert found["letters"] == [11, 0, -MISSING, 8, 1]
    assert found["special"] == [2, 0, -MISSING, 0, 3]
    assert found["words"] == [3, 0, -MISSING, 2, 2]
    assert found["word_length"] == [5, 0, -MISSING, 4, 2]


@given(
    st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), max_size=30),
    st.sampled_from([pa.string(), pa.large_string(), pa.string_view()]),
    st.integers(0, 5),
)
def test_a_text_has_the_parts_that_a_loop_over_its_characters_finds(
    texts: list[str | None], of: pa.DataType, skipped: int
) -> None:
    array = pa.array(texts, of).slice(skipped)
    expected = [None if text is None else in_plain_python(text) for text in texts[skipped:]]
    found = derived(array, "text")
    for part in PARTS["text"]:
        assert found[part] == [-MISSING if e is None else e[part] for e in expected]


@pytest.mark.parametrize("unit", ["word ", "wört ", "x", "　", "1"])
def test_texts_of_any_length_are_counted_whole(unit: str) -> None:
    texts = [unit * 20_000, "", unit, unit * 300, unit * 51]
    found = derived(pa.array(texts), "text")
    for part in PARTS["text"]:
        assert found[part] == [in_plain_python(text)[part] for text in texts]


def test_ten_megabytes_of_text_are_one_value() -> None:
    found = derived(pa.array(["late again " * 1_000_000, "ok"]), "text")
    assert found["length"] == [11_000_000, 2]
    assert found["words"] == [2_000_000, 1]


def test_bytes_that_are_no_utf_8_are_spelled_out_and_leave_their_neighbours_alone() -> None:
    raw = pa.array([b"a\xe3", b"\x80\x80b", b"ok", b"\xed\xa0\x80", None])
    text = pa.Array.from_buffers(pa.string(), 5, raw.buffers(), null_count=1)
    found = derived(text, "text")
    assert found["length"] == [5, 9, 2, 12, -MISSING]
    assert found["letters"] == [3, 3, 2, 6, -MISSING]


def test_entries_are_counted_in_lists_of_every_type() -> None:
    lists = [[1, 2], [], None, [3]]
    for of in (pa.list_, pa.large_list, pa.list_view, pa.large_list_view):
        assert derived(pa.array(lists, of(pa.int64())), "list") == {"count": [2, 0, -MISSING, 1]}
        sliced = pa.array(lists, of(pa.int64())).slice(1, 3)
        assert derived(sliced, "list") == {"count": [0, -MISSING, 1]}
    fixed = pa.array([[1, 2], None], pa.list_(pa.int64(), 2))
    assert derived(fixed, "list") == {"count": [2, -MISSING]}


@given(st.lists(st.none() | st.lists(st.text() | st.floats() | st.lists(st.booleans()))))
def test_a_list_written_as_json_has_as_many_entries(lists: list[list[Any] | None]) -> None:
    texts = [None if entries is None else json.dumps(entries) for entries in lists]
    counts = [-MISSING if entries is None else len(entries) for entries in lists]
    array = pa.array(texts, pa.string())
    assert derived(array, "list") == {"count": counts}
    assert derived(array.dictionary_encode(), "list") == {"count": counts}


def test_text_that_is_no_json_list_is_a_mismatch() -> None:
    texts = ["[1", "1]", "1", "{}", '{"a": [1]}', "[a]", "", "null", "[1] [2]", " [1, 2] "]
    assert derived(pa.array(texts), "list")["count"] == [-MISMATCH] * 9 + [2]


def test_hostile_lists_are_counted_or_mismatches_and_never_an_error() -> None:
    raw = pa.array([b'["\xff"]', b"[\xff]"])
    texts = ["[" * 500 + "]" * 500, "[" * 100_000, f"[{'9' * 10_000}]", r'["\ud800"]']
    assert derived(pa.array(texts), "list")["count"] == [1, -MISMATCH, 1, 1]
    invalid = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    assert derived(invalid, "list")["count"] == [1, -MISMATCH]
    deep: list[Any] = []
    of = pa.list_(pa.int64())
    for _ in range(30):
        deep, of = [deep], pa.list_(of)
    assert derived(pa.array([deep], of), "list")["count"] == [1]


MOMENTS = [EVENT - timedelta(days=30), None, EVENT + timedelta(hours=6)]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(MOMENTS, MOMENT),
        pa.array(MOMENTS, pa.timestamp("s")),
        pa.array(MOMENTS, pa.timestamp("ns", "Asia/Tokyo")),
        pa.array(MOMENTS, pa.timestamp("ms")).dictionary_encode(),
        pa.array(["2013-03-01", None, "2013-03-31T06:00"]),
        pa.array(["2013-03-01T00:00:00Z", None, "2013-03-31 08:00:00.000+02"]),
        pa.array(["2013-02-28 19:00:00 -0500", None, "2013-03-31t06:00:00z"]),
        union(["2013-03-01", None, "2013-03-31T06:00:00"]),
    ],
)
def test_an_age_is_counted_in_days_before_the_event(column: pa.Array) -> None:
    assert derived(column, "time") == {"age": [30, -MISSING, -0.25]}


def test_dates_are_their_midnight_in_utc() -> None:
    for of in (pa.date32(), pa.date64()):
        assert derived(pa.array([date(2013, 3, 30)], of), "time") == {"age": [1]}


@given(st.lists(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), min_size=1))  # noqa: DTZ001
def test_a_time_written_as_text_is_that_time_to_the_microsecond(moments: list[datetime]) -> None:
    native = derived(pa.array(moments, pa.timestamp("us")), "time")
    assert native["age"] == [
        (EVENT - at.replace(tzinfo=UTC)) // timedelta(microseconds=1) / 86_400e6 for at in moments
    ]
    for separator in ("T", " "):
        written = [at.isoformat(separator, timespec="microseconds") for at in moments]
        assert derived(pa.array(written), "time") == native
        assert derived(pa.array([f"{text}000+00:00" for text in written]), "time") == native


def test_text_that_is_no_time_is_a_mismatch() -> None:
    texts = [
        "2013-02-29", "2013-00-01", "2013-04-31", "0000-01-01", "2013-03-01T24:00",
        "2013-03-01T05", "2013-03-01T05:60", "2013-03-01T05:30+25:00", "x2013-03-01",
        "2013-03-01\n", "20130301", "2013-03-01x", "", "٢٠١٣-03-01",
    ]  # fmt: skip
    assert derived(pa.array(texts), "time") == {"age": [-MISMATCH] * len(texts)}
    assert derived(pa.array(["2012-02-29", "2000-02-29"]), "time")["age"] == [396, 4779]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_moment_beyond_the_calendar_is_not_finite(unit: str) -> None:
    ends = pa.array([2**63 - 1, -(2**63), 0], pa.int64()).cast(pa.timestamp(unit))
    found = derived(ends, "time")["age"]
    beyond = unit != "ns"  # nanoseconds end in the year 2262
    assert (found[0] == -NON_FINITE) == (found[1] == -NON_FINITE) == beyond
    assert found[2] == 15_795


def test_an_age_without_an_event_time_is_missing() -> None:
    batch = pa.record_batch({"c": pa.array([EVENT] * 2), "at": ["2013-03-31", "soon"]})
    read = numbers(derive(batch, [recipe("c", "time", "at")]).column("c.age"))
    assert read.mark.tolist() == [PRESENT, MISSING]
    lacking = derive(batch.select(["c"]), [recipe("c", "time", "at")])
    assert lacking.column("c.age").null_count == 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_an_image_is_described_by_its_size_and_channels(kind: str) -> None:
    found = derived(pa.array([an_image(kind), None]), "image")
    assert found.pop("width") == [30, -MISSING]
    assert found.pop("height") == [20, -MISSING]
    assert found.pop("aspect") == [1.5, -MISSING]
    for part, mean in (("red", 250), ("green", 100), ("blue", 10)):
        assert found[part] == [pytest.approx(mean, abs=2), -MISSING]


@pytest.mark.parametrize(
    ("mode", "colour", "means"),
    [
        ("L", 7, [7, 7, 7]),
        ("LA", (7, 0), [7, 7, 7]),
        ("RGBA", (1, 2, 3, 0), [1, 2, 3]),
        ("1", 1, [255, 255, 255]),
        ("I;16", 25_700, [100, 100, 100]),
        ("CMYK", (10, 20, 30, 0), [245, 235, 225]),
    ],
)
def test_images_of_every_mode_have_three_means(mode: str, colour: Any, means: list[int]) -> None:
    raw = an_image("TIFF", mode=mode, colour=colour)
    found = derived(pa.array([raw], pa.large_binary()), "image")
    assert [found[part][0] for part in ("red", "green", "blue")] == means


def test_a_large_photo_keeps_its_size_and_its_means() -> None:
    found = derived(pa.array([an_image("JPEG", size=(3_000, 2_000))]), "image")
    assert (found["width"], found["height"]) == ([3_000], [2_000])
    assert found["red"] == [pytest.approx(250, abs=2)]


def a_bomb(width: int, height: int) -> bytes:
    """A PNG of some hundred bytes that claims to be enormous."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1_000))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_hostile_images_are_mismatches_and_never_an_error() -> None:
    whole = an_image("JPEG", size=(64, 64))
    hostile = [
        b"", b"junk", whole[:100], whole[:20], b"\x89PNG\r\n\x1a\n", b"RIFF\x00\x00\x00\x00WEBP",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"II*\x00\x08\x00\x00\x00\xff\xff",
        a_bomb(100_000, 100_000), a_bomb(2**31 - 1, 1), a_bomb(9_000, 9_000),
    ]  # fmt: skip
    found = derived(pa.array(hostile), "image")
    assert all(part == [-MISMATCH] * len(hostile) for part in found.values())


@given(st.lists(st.binary(max_size=200) | st.binary(max_size=99).map(lambda b: an_image() + b)))
def test_any_bytes_are_an_image_or_a_mismatch(values: list[bytes]) -> None:
    derived(pa.array(values, pa.binary()), "image")


def test_without_pillow_images_cannot_be_counted_and_the_error_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    column = pa.array([an_image()])
    monkeypatch.setitem(sys.modules, "PIL", None)
    images._pillow.cache_clear()
    with pytest.raises(ProfileError, match=r"pip install 'driftline\[images\]'"):
        derived(column, "image")
    assert derived(pa.nulls(2, pa.binary()), "image")["width"] == [-MISSING] * 2
    found = accept([pa.RecordBatch.from_arrays([column], ["photo"])], overrides={"photo": "image"})
    assert (found.kinds["photo"].name, found.recipes) == ("ignored", ())
    assert "driftline[images]" in found.kinds["photo"].reason


EVERY: Sequence[Derived] = ("text", "list", "time", "image")
ODD = {
    "number": pa.array([1.5, None]),
    "truth": pa.array([True, None]),
    "duration": pa.array([1, None], pa.duration("s")),
    "struct": pa.array([{"a": 1}, None]),
    "decimal": pa.array([1, None], pa.decimal128(3, 0)),
    "union": union([7, None]),
    "encoded": pa.array([1, None]).dictionary_encode(),
}


@pytest.mark.parametrize("of", EVERY)
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_value_of_another_kind_is_a_mismatch_and_a_null_is_missing(
    odd: pa.Array, of: Derived
) -> None:
    for part in derived(odd, of).values():
        assert part == [-MISMATCH, -MISSING]


@pytest.mark.parametrize("of", EVERY)
def test_text_lists_times_and_images_are_not_each_other(of: Derived) -> None:
    columns: dict[Derived, pa.Array] = {
        "text": pa.array(["words", None]),
        "list": pa.array([[1], None]),
        "time": pa.array([EVENT, None]),
        "image": pa.array([an_image(), None]),
    }
    for other, column in columns.items():
        expected = PRESENT if other == of else MISMATCH
        for part in derived(column, of).values():
            assert (part[0] >= 0) == (expected == PRESENT)
            assert part[1] == -MISSING


@pytest.mark.parametrize("of", EVERY)
def test_no_rows_and_no_column_are_no_error(of: Derived) -> None:
    for column in (pa.nulls(0), pa.array([], pa.string()), union([])):
        assert all(part == [] for part in derived(column, of).values())
    lacking = derive(pa.record_batch({"x": [1, 2]}), [recipe("c", of)])
    assert [lacking.column(name).null_count for name in recipe("c", of).names] == (
        [2] * len(PARTS[of])
    )


def test_mixed_and_encoded_columns_say_the_same_as_plain_ones() -> None:
    texts = ["one two", None, "x", "one two"]
    plain = derived(pa.array(texts), "text")
    assert derived(union(texts), "text") == plain
    assert derived(pa.array(texts).dictionary_encode(), "text") == plain
    assert derived(union([*texts, 5, True]).slice(1, 4), "text")["words"] == [
        -MISSING, 1, 2, -MISMATCH,
    ]  # fmt: skip
    large = pa.array([f"text {i}" for i in range(99)]).dictionary_encode()
    assert derived(large.slice(3, 1), "text")["length"] == [6]
    with_null = pa.DictionaryArray.from_arrays([0, 1, None], ["a", None])
    assert derived(with_null, "text")["length"] == [1, -MISSING, -MISSING]


def test_without_recipes_a_batch_stays_what_it_is() -> None:
    batch = pa.record_batch({"x": [1]})
    assert derive(batch, ()) is batch


def test_a_derived_column_takes_the_place_of_one_that_has_its_name() -> None:
    batch = pa.record_batch({"c.length": ["odd"], "c": ["four"]})
    made = derive(batch, [recipe("c", "text")])
    assert made.column("c.length").to_pylist() == [4.0]
    again = derive(made, [recipe("c", "text")])
    assert again.equals(made)


def test_a_recipe_is_read_back_as_it_was_written() -> None:
    for of in EVERY:
        made = recipe("c", of, "at" if of == "time" else None)
        assert from_dict(json.loads(json.dumps(made.to_dict()))) == made


def rows(count: int, *, seed: int = 1, words: int = 20) -> pa.RecordBatch:
    rng = np.random.default_rng(seed)
    vocabulary = np.array(["late", "again", "gate", "B12", "closed,", "sorry!"])
    return pa.RecordBatch.from_pydict(
        {
            "at": pa.array([EVENT + timedelta(minutes=i) for i in range(count)], MOMENT),
            "comment": [
                None if i % 50 == 7 else " ".join(rng.choice(vocabulary, rng.integers(2, words)))
                for i in range(count)
            ],
            "tags": [json.dumps(["t"] * int(rng.integers(0, 5))) for _ in range(count)],
            "signup": [
                (EVENT - timedelta(days=int(rng.integers(0, 400)))).isoformat()
                for _ in range(count)
            ],
            "photo": [an_image(size=(30 + i % 3, 20)) for i in range(count)],
            "x": rng.normal(size=count),
        }
    )


BASELINE = accept([rows(300), rows(200, seed=2)], skip=["at"], time="at")


def test_a_baseline_has_grids_of_what_is_derived_and_none_of_the_column_itself() -> None:
    assert {name: kind.name for name, kind in BASELINE.kinds.items()} == {
        "comment": "text", "tags": "list", "signup": "time", "photo": "image", "x": "numeric",
    }  # fmt: skip
    names = [name for recipe in BASELINE.recipes for name in recipe.names]
    assert set(BASELINE.plan.grids) == {"x", *names}
    assert names[:2] == ["comment.length", "comment.digits"]
    everybody = BASELINE.profiles[0]
    for part in PARTS["text"]:
        grid = BASELINE.plan.grids[f"comment.{part}"]
        assert everybody.columns[f"comment.{part}"].counts[0, grid.missing] == 10
    age = everybody.columns["signup.age"].moments
    assert age is not None
    assert 150 < age.mean[0] < 250


def test_what_is_derived_can_be_told_from_the_stored_kinds_and_grids() -> None:
    stored = json.loads(json.dumps({name: asdict(kind) for name, kind in BASELINE.kinds.items()}))
    kinds = {name: Kind(**kind) for name, kind in stored.items()}
    assert kinds == BASELINE.kinds
    assert recipes_of(kinds, list(BASELINE.plan.grids)) == BASELINE.recipes


def test_a_window_is_counted_on_the_grids_of_what_is_derived() -> None:
    longer = derive(rows(100, seed=3, words=60), BASELINE.recipes)
    (window,) = profile(BASELINE.plan, [longer])
    moments = window.columns["comment.words"].moments
    before = BASELINE.profiles[0].columns["comment.words"].moments
    assert moments is not None
    assert before is not None
    assert moments.mean[0] > 2 * before.mean[0]
    parts = [derive(longer.slice(k, 20), BASELINE.recipes) for k in range(0, 100, 20)]
    assert_same(profile(BASELINE.plan, parts)[0], window)


def test_a_column_of_the_log_goes_before_a_derived_one_of_its_name() -> None:
    batch = rows(300).append_column("comment.length", pa.array(["short", "long"] * 150))
    found = accept([batch], skip=["at"], time="at")
    assert found.kinds["comment.length"].name == "categorical"
    assert found.recipes[0].parts == PARTS["text"][1:]
    assert found.profiles[0].columns["comment.length"].counts[0, :2].tolist() == [150, 150]


def test_a_person_may_turn_derived_columns_off_and_on() -> None:
    batch = rows(300).append_column("note", pa.array(["few", "values"] * 150))
    found = accept(
        [batch],
        skip=["at"],
        overrides={
            "tags": "ignore", "comment.digits": "ignore", "note": "text", "x": "list",
            "signup": "categorical", "photo": "ignore",
        },
        time="at",
    )  # fmt: skip
    assert found.kinds["tags"].reason == "ignored by the configuration"
    assert found.kinds["note"] == Kind(name="text", reason="text, by the configuration")
    assert found.kinds["x"] == Kind(
        name="ignored", reason="no row of the baseline holds a value of kind list"
    )
    assert found.kinds["signup"].name == "categorical"
    assert {recipe.column: recipe.parts for recipe in found.recipes} == {
        "comment": tuple(part for part in PARTS["text"] if part != "digits"),
        "note": PARTS["text"],
    }


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        (None, "times, written as text; the baseline has no event time to age against"),
        ("when", "times, written as text; the baseline has no event time 'when' to age against"),
        ("x", "times, written as text; the baseline has no event time 'x' to age against"),
    ],
)
def test_a_time_beside_no_event_time_is_ignored_with_the_reason(
    time: str | None, reason: str
) -> None:
    found = accept([rows(100)], skip=["at"], time=time)
    assert found.kinds["signup"] == Kind(name="ignored", reason=reason)
    assert "signup.age" not in found.plan.grids

"""What a column is taken for."""

from __future__ import annotations

import hashlib
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from profiles.derived import Recipe
from profiles.kinds import Kind, infer_kind, recipes_of
from tests.support.images import an_image
from tests.support.profiles import union

IDS = [f"id {i}" for i in range(300)]
DAY = datetime(2013, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("column", "name", "reason"),
    [
        (pa.array([1.5, None]), "numeric", "numbers"),
        (pa.array([1, 1, 2]), "numeric", "numbers"),
        (pa.array([1]).cast(pa.decimal128(19, 0)), "numeric", "numbers"),
        (pa.array([True, None]), "categorical", "true or false"),
        (pa.array(["a", "b", "a"]), "categorical", "text of 2 values"),
        (pa.array(["a", None]).dictionary_encode(), "categorical", "text of 1 value"),
        (pa.array(IDS[:100]), "categorical", "text of 100 values"),
        (pa.array(IDS), "ignored", "an identifier: 300 values in 300 rows"),
        (pa.array(IDS * 2), "categorical", "text of 300 values"),
        (pa.array([None, None], pa.string()), "ignored", "every value is missing"),
        (pa.nulls(3), "ignored", "every value is missing"),
        (union([None, None]), "ignored", "every value is missing"),
        (pa.chunked_array([], pa.string()), "ignored", "every value is missing"),
        (pa.array([1], pa.duration("s")), "ignored", "values of type duration[s] are not profiled"),
        (union([1, "a", 2.5, None]), "numeric", "numbers"),
        (union([1, "a", "b"]), "categorical", "text of 2 values"),
        (union([True, False, 1]), "categorical", "true or false"),
        (pa.chunked_array([["a"], ["b"]]), "categorical", "text of 2 values"),
        ([pa.array([1, 2]), pa.array(["a", "b", "c"]), pa.array([1.5, 2.5])], "numeric", "numbers"),
        ([pa.array(IDS[:150]), pa.array(IDS[:150])], "categorical", "text of 150 values"),
        (
            [pa.array(IDS[:150]), pa.array(IDS[150:])],
            "ignored",
            "an identifier: 300 values in 300 rows",
        ),
        ([pa.nulls(9), pa.array(["a"])], "categorical", "text of 1 value"),
        ([], "ignored", "every value is missing"),
    ],
)
def test_a_column_is_what_most_of_its_values_are(column: object, name: str, reason: str) -> None:
    kind = infer_kind(column)  # type: ignore[arg-type]
    assert (kind.name, kind.reason) == (name, reason)
    assert (kind.values is None) == (name == "ignored")


def test_categories_that_do_not_occur_are_not_counted() -> None:
    array = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(IDS))
    assert infer_kind(array).reason == "text of 2 values"
    assert infer_kind(pa.array(IDS).dictionary_encode().slice(7, 3)).reason == "text of 3 values"


def sentences(
    count: int, words: Sequence[str] = ("the", "flight", "was", "late", "no")
) -> list[str]:
    rng = np.random.default_rng(1)
    return [" ".join(rng.choice(words, rng.integers(3, 20))) for _ in range(count)]


@pytest.mark.parametrize(
    "texts",
    [
        sentences(300),
        sentences(300, ["рейс", "задержан", "на", "час"]),
        ["航班" * (i % 9) + chr(0x4E00 + i) for i in range(300)],  # a script that parts no words
        [*sentences(300), *[""] * 200],
    ],
)
def test_words_that_hardly_repeat_are_free_text(texts: list[str]) -> None:
    kind = infer_kind(pa.array(texts))
    assert kind.name == kind.derived == "text"
    assert kind.reason.startswith("free text: ")
    assert infer_kind(pa.array(texts).dictionary_encode()) == kind
    assert infer_kind([pa.array(texts[:99]), union([*texts[99:], 7, None])]) == kind


@pytest.mark.parametrize(
    "texts",
    [
        [str(uuid.UUID(int=i * 7919)) for i in range(300)],
        [hashlib.sha256(str(i).encode()).hexdigest() for i in range(300)],
        [f"user-{i}" for i in range(300)],
        [f"order {i} of March" for i in range(300)],  # numbered: it names something
        [f"AB {chr(65 + i % 26)}{chr(65 + i // 26)}{i:03}" for i in range(300)],
        [f"https://example.org/{'x' * (i % 40)}{i}" for i in range(300)],
    ],
)
def test_what_names_a_row_is_an_identifier_and_ignored(texts: list[str]) -> None:
    kind = infer_kind(pa.array(texts))
    assert (kind.name, kind.reason) == ("ignored", "an identifier: 300 values in 300 rows")
    assert kind.derived is None


@pytest.mark.parametrize(
    ("column", "name", "reason"),
    [
        (pa.array([[1], [], None]), "list", "lists"),
        (pa.array([[1]], pa.large_list(pa.int64())), "list", "lists"),
        (pa.array([[1, 2]], pa.list_(pa.int64(), 2)), "list", "lists"),
        (pa.array(['["a", "b"]', "[]", None, "other"]), "list", "lists, written as JSON"),
        (pa.array([" [1, [2, {}]]"]).dictionary_encode(), "list", "lists, written as JSON"),
        (union(["[1]", "[2]", 7]), "list", "lists, written as JSON"),
        (pa.array(["[redacted]", "[none]"]), "categorical", "text of 2 values"),
        (pa.array(["[1]", "a", "b", "b"]), "categorical", "text of 3 values"),
        (pa.array([DAY, None]), "time", "times"),
        (pa.array([date(2013, 3, 1)]), "time", "times"),
        ([pa.array([date(2013, 3, 1)]), pa.array([DAY])], "time", "times"),
        (pa.array(["2013-03-01", "2013-03-02"]), "time", "times, written as text"),
        (pa.array(["2013-03-01T05:30:00.5+02:00"] * 2 + [""]), "time", "times, written as text"),
        (pa.array(["2013-02-30", "2013-13-01"]), "categorical", "text of 2 values"),
        (pa.array(["2013-03", "05:30"]), "categorical", "text of 2 values"),
        (pa.array([b"\x00\x01", None]), "ignored", "bytes that are no images"),
        (pa.array([an_image(), an_image("JPEG"), b"junk"]), "image", "images"),
        (pa.array([an_image("WEBP")], pa.large_binary()), "image", "images"),
    ],
)
def test_lists_times_and_images_are_told_however_they_are_written(
    column: object, name: str, reason: str
) -> None:
    kind = infer_kind(column)  # type: ignore[arg-type]
    assert (kind.name, kind.reason) == (name, reason)
    assert (kind.values is None) == (name != "categorical")


def test_the_rows_decide_and_not_the_different_values() -> None:
    days = [(DAY + timedelta(days=i)).date().isoformat() for i in range(50)]
    assert infer_kind(pa.array(days + ["none"] * 49)).name == "time"
    assert infer_kind(pa.array(days + ["none"] * 51)).name == "categorical"


def test_without_pillow_images_are_ignored_and_say_what_they_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = pa.array([an_image()])
    monkeypatch.setitem(sys.modules, "PIL", None)
    kind = infer_kind(images)
    assert (kind.name, kind.reason) == (
        "ignored",
        "images need Pillow: pip install 'driftline[images]'",
    )


@pytest.mark.parametrize("of", [pa.string(), pa.large_string(), pa.string_view()])
def test_text_is_told_in_every_type_that_holds_it(of: pa.DataType) -> None:
    assert infer_kind(pa.array(sentences(300), of)).name == "text"
    assert infer_kind(pa.array(["[1]"], of)).name == "list"
    assert infer_kind(pa.array(["2013-03-01"], of)).name == "time"


def test_hostile_text_is_told_without_an_error() -> None:
    raw = pa.array([b"\xff\xfe words and more", b"\xed\xa0\x80", b"[\xff", b"2013-03-\xff"])
    text = pa.Array.from_buffers(pa.string(), 4, raw.buffers())
    assert infer_kind(text).name == "categorical"
    assert infer_kind(pa.array(["[" * 100_000 + "]" * 100_000])).name == "categorical"
    assert infer_kind(pa.array(["x" * 10_000_000, "[" + "9" * 10_000 + "]"] * 2)).name == (
        "categorical"
    )


KINDS = {
    "comment": Kind(name="text", reason=""),
    "comment.words": Kind(name="numeric", reason="", values="number"),
    "signup": Kind(name="time", reason="", against="at"),
    "x": Kind(name="numeric", reason="", values="number"),
    "tags": Kind(name="list", reason=""),
}


def test_what_is_derived_follows_from_the_kinds_and_the_grids() -> None:
    grids = ["comment.length", "comment.words", "signup.age", "x", "x.age"]
    assert recipes_of(KINDS, grids) == (
        Recipe(column="comment", of="text", parts=("length",)),
        Recipe(column="signup", of="time", parts=("age",), against="at"),
    )

"""What a column is, judged from its values in the baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from profiles.buffers import truths_of, values_of
from profiles.derived import DERIVED, PARTS, Derived, Recipe
from profiles.derived.images import NEEDS_PILLOW, available, is_bytes, looks_like_images
from profiles.derived.lists import is_list, length_of
from profiles.derived.measures import read
from profiles.derived.texts import TEXT, is_text
from profiles.derived.times import TIME, is_time
from profiles.values import PRESENT, ValueType, labels, numbers, type_of, union_arms

KindName = Literal["numeric", "categorical", "text", "list", "time", "image", "ignored"]

MAX_TEXT_SHARE = 0.5
MIN_TEXT_VALUES = 100
_LOOKED_AT = 10_000  # texts that show what all of them are
_IMAGES_LOOKED_AT = 100

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a column is profiled as.

    Attributes
    ----------
    name : str
        ``numeric`` and ``categorical`` columns have a grid of their own. Of ``text``, ``list``,
        ``time`` and ``image`` only derived columns have one. The others are ``ignored``.
    reason : str
        Why, for a person: ``"numbers"``, ``"text of 16 values"``, ``"every value is missing"``.
    values : "number", "string", "boolean" or None
        The type of value that is expected from now on; None where the column has no grid.
    against : str or None
        For a time the column with the event time, which its age is counted against.
    """

    name: KindName
    reason: str
    values: ValueType | None = None
    against: str | None = None

    @property
    def derived(self) -> Derived | None:
        """What its derived columns are made as; None where it has none."""
        return self.name if self.name in DERIVED else None


_PLAIN: dict[str, Kind] = {
    "number": Kind(name="numeric", reason="numbers", values="number"),
    "boolean": Kind(name="categorical", reason="true or false", values="boolean"),
    "list": Kind(name="list", reason="lists"),
    "time": Kind(name="time", reason="times"),
}


def infer_kind(column: pa.Array | pa.ChunkedArray | Sequence[pa.Array]) -> Kind:
    """Say what a column is, from its values in one array or in batches.

    Numbers are numeric, also where they take few values (their grid is then exact). Truth values
    and text are categorical, with these exceptions. Text that is a JSON list is a list, and text
    that is an ISO 8601 date or time is a time. Text whose values hardly repeat (more than 100 of
    them, and more than half of the rows) is free text where it looks like words and differs in
    length, else an identifier, which is ignored. Where types are mixed, within a batch or between
    batches, the commonest decides and the others will count as type mismatches.
    """
    parts = _parts(column)
    tally: Counter[str] = Counter()
    for part in parts:
        tally.update(_present(part))
    if not tally.total():
        return Kind(name="ignored", reason="every value is missing")
    commonest = tally.most_common(1)[0][0]
    if commonest == "string":
        return _text_kind(parts)
    if commonest == "bytes":
        return _bytes_kind(parts)
    unprofiled = Kind(name="ignored", reason=f"values of type {commonest} are not profiled")
    return _PLAIN.get(commonest, unprofiled)


def recipes_of(kinds: Mapping[str, Kind], grids: Container[str]) -> tuple[Recipe, ...]:
    """Return what is derived from which column: a function of the kinds and of what has a grid.

    A derived column is one that has a grid and is none of the columns that were found: where the
    log has a column of that name itself, that one is profiled.
    """
    recipes = []
    for column, kind in kinds.items():
        of = kind.derived
        if of is None:
            continue
        names = {part: f"{column}.{part}" for part in PARTS[of]}
        parts = tuple(p for p, name in names.items() if name in grids and name not in kinds)
        if parts:
            recipes.append(Recipe(column=column, of=of, parts=parts, against=kind.against))
    return tuple(recipes)


def _text_kind(parts: Sequence[pa.Array]) -> Kind:
    values, rows = _distinct([text for part in parts for text in _texts(part)])
    n, distinct = int(rows.sum()), len(values)
    if 2 * rows[_lists(values)].sum() > n:
        return Kind(name="list", reason="lists, written as JSON")
    if 2 * rows[_times(values)].sum() > n:
        return Kind(name="time", reason="times, written as text")
    counted = f"{distinct:,} value{'s' * (distinct != 1)}"
    if distinct <= MIN_TEXT_VALUES or distinct <= MAX_TEXT_SHARE * n:
        return Kind(name="categorical", reason=f"text of {counted}", values="string")
    if _is_written(values.slice(0, _LOOKED_AT)):
        return Kind(name="text", reason=f"free text: {counted} in {n:,} rows")
    return Kind(name="ignored", reason=f"an identifier: {counted} in {n:,} rows")


def _lists(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Tell which texts begin like JSON lists; none, where most of those looked at are no lists."""
    begins = pc.starts_with(pc.ascii_ltrim_whitespace(values), "[")
    raw = values.filter(begins).slice(0, _LOOKED_AT).cast(pa.large_binary()).to_pylist()
    lists = sum(length_of(text) is not None for text in raw)
    return truths_of(begins) if 2 * lists > len(raw) else np.zeros(len(values), bool)


def _times(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Tell which texts are times; none is looked at closely where none begins like a date."""
    maybe = truths_of(pc.match_like(values, "____-__-__%"))
    return read(values, TIME).mark == PRESENT if maybe.any() else maybe


def _is_written(texts: pa.Array) -> bool:
    """Tell free text from identifiers, by texts that all are different.

    Free text has several words, or letters of scripts that write none apart, and is not of one
    length. Texts that differ in their digits only are numbered, and name something.
    """
    measured = read(texts, TEXT).values
    length, words = measured[TEXT.parts.index("length")], measured[TEXT.parts.index("words")]
    several = np.mean(words > 1) > 0.5
    scripted = np.mean(values_of(pc.binary_length(texts), np.int64) > 2 * length) > 0.5
    shapes = len(pc.unique(pc.replace_substring_regex(texts, r"\d+", "0")))
    same_length = np.bincount(length.astype(np.int64)).max() > 0.9 * len(texts)
    return bool((several or scripted) and not same_length and 2 * shapes > len(texts))


def _bytes_kind(parts: Sequence[pa.Array]) -> Kind:
    held = (value.as_py() for part in parts if is_bytes(part.type) for value in part.drop_null())
    if not looks_like_images(islice(held, _IMAGES_LOOKED_AT)):
        return Kind(name="ignored", reason="bytes that are no images")
    if not available():
        return Kind(name="ignored", reason=NEEDS_PILLOW)
    return Kind(name="image", reason="images")


def _parts(column: pa.Array | pa.ChunkedArray | Sequence[pa.Array]) -> Sequence[pa.Array]:
    if isinstance(column, pa.ChunkedArray):
        return list(column.chunks)
    return [column] if isinstance(column, pa.Array) else column


def _present(array: pa.Array) -> dict[str, int]:
    """Return how many values there are of each type, those that are not profiled by their name."""
    of = array.type
    if pa.types.is_union(of):
        return {
            "number": int(np.count_nonzero(numbers(array).mark == PRESENT)),
            "string": int(np.count_nonzero(labels(array, "string").mark == PRESENT)),
            "boolean": int(np.count_nonzero(labels(array, "boolean").mark == PRESENT)),
        }
    if pa.types.is_dictionary(of):
        of = of.value_type
    return {_called(of): len(array) - array.null_count}


def _called(of: pa.DataType) -> str:
    for name, is_one in (("list", is_list), ("time", is_time), ("bytes", is_bytes)):
        if is_one(of):
            return name
    return type_of(of) or str(of)


def _texts(array: pa.Array) -> list[pa.Array]:
    """Return the text in a column, in arrays of a plain type."""
    if pa.types.is_union(array.type):
        return [text for _, arm in union_arms(array) for text in _texts(arm)]
    if pa.types.is_dictionary(array.type):
        if not is_text(array.type.value_type):
            return []
        array = array.dictionary_decode()
    return [array.cast(pa.large_string(), safe=False)] if is_text(array.type) else []


def _distinct(texts: Sequence[pa.Array]) -> tuple[pa.Array, Ints]:
    """Return the different texts, and how many rows have each."""
    counts = pc.value_counts(pa.chunked_array(texts, pa.large_string()).drop_null())
    return counts.field("values"), values_of(counts.field("counts"), np.int64)

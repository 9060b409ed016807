"""What is derived from which column, and the step that adds it to a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import pyarrow as pa

from profiles.buffers import column_of
from profiles.derived import images, lists, texts, times
from profiles.derived.measures import Measures, Reader, as_arrow, read

Derived = Literal["text", "list", "time", "image"]
DERIVED: tuple[Derived, ...] = get_args(Derived)

_READERS: dict[Derived, Reader] = {
    "text": texts.TEXT,
    "list": lists.LIST,
    "time": times.TIME,
    "image": images.IMAGE,
}
PARTS: dict[Derived, tuple[str, ...]] = {of: reader.parts for of, reader in _READERS.items()}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the derived columns of one column are made. Fixed when a baseline is accepted.

    What a part means never changes: a better definition would get a name of its own, so that counts
    of a stored baseline and of a new window stay comparable.

    Attributes
    ----------
    column : str
        The column they are made of.
    of : "text", "list", "time" or "image"
        What its values are; others are mismatches.
    parts : tuple of str
        Those of `PARTS` that are made, each as a column named ``column.part``.
    against : str or None
        For a time the column with the event time, which its age is counted against.
    """

    column: str
    of: Derived
    parts: tuple[str, ...]
    against: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.column}.{part}" for part in self.parts)

    def to_dict(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "of": self.of,
            "parts": list(self.parts),
            "against": self.against,
        }


def from_dict(content: dict[str, Any]) -> Recipe:
    """Rebuild a recipe from `Recipe.to_dict`."""
    return Recipe(
        column=content["column"],
        of=content["of"],
        parts=tuple(content["parts"]),
        against=content["against"],
    )


def derive(batch: pa.RecordBatch, recipes: Sequence[Recipe]) -> pa.RecordBatch:
    """Add the derived columns to a batch.

    They are float64: null where the value is null or the batch lacks the column, infinite where a
    time lies beyond the calendar. A value of another kind is a truth value in a union with the
    numbers, so that every numeric grid counts it as a type mismatch. A column of the batch that has
    the name of a derived one gives way to it.

    Raises
    ------
    ProfileError
        If images are to be read and Pillow is not installed.
    """
    if not recipes:
        return batch
    made: dict[str, pa.Array] = {}
    for recipe in recipes:
        found = _measures(batch, recipe)
        at = PARTS[recipe.of]
        for name, part in zip(recipe.names, recipe.parts, strict=True):
            made[name] = as_arrow(found.values[at.index(part)], found.mark)
    columns = dict(zip(batch.schema.names, batch.columns, strict=True)) | made
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _measures(batch: pa.RecordBatch, recipe: Recipe) -> Measures:
    found = read(column_of(batch, recipe.column), _READERS[recipe.of])
    if recipe.of != "time":
        return found
    event = pa.nulls(len(batch)) if recipe.against is None else column_of(batch, recipe.against)
    return times.ages(found, read(event, times.TIME))

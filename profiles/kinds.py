"""What a column is, judged from its values in the baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import pyarrow as pa

from profiles.values import PRESENT, ValueType, labels, numbers, type_of

KindName = Literal["numeric", "categorical", "ignored"]

MAX_TEXT_SHARE = 0.5
MIN_TEXT_VALUES = 100


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a column is profiled as.

    Attributes
    ----------
    name : "numeric", "categorical" or "ignored"
    reason : str
        Why, for a person: ``"numbers"``, ``"text of 16 values"``, ``"every value is missing"``.
    values : "number", "string", "boolean" or None
        The type of value that is expected from now on; None where the column is ignored.
    """

    name: KindName
    reason: str
    values: ValueType | None = None


def infer_kind(column: pa.Array | pa.ChunkedArray | Sequence[pa.Array]) -> Kind:
    """Say what a column is, from its values in one array or in batches.

    Numbers are numeric, also where they take few values (their grid is then exact). Truth values
    and text are categorical, but text whose values hardly repeat (more than 100 of them, and more
    than half of the rows) is free text or an identifier, and ignored. Where types are mixed, within
    a batch or between batches, the commonest decides and the others will count as type mismatches.
    """
    parts = _parts(column)
    tally: Counter[str] = Counter()
    for part in parts:
        tally.update(_present(part))
    if not tally.total():
        return Kind(name="ignored", reason="every value is missing")
    commonest = tally.most_common(1)[0][0]
    if commonest not in ("number", "string", "boolean"):
        return Kind(name="ignored", reason=f"values of type {commonest} are not profiled")
    of = cast("ValueType", commonest)
    if of == "number":
        return Kind(name="numeric", reason="numbers", values=of)
    if of == "boolean":
        return Kind(name="categorical", reason="true or false", values=of)
    return _text_kind(parts)


def _text_kind(parts: Sequence[pa.Array]) -> Kind:
    seen: set[str] = set()
    n = 0
    for part in parts:
        read = labels(part, "string")
        codes = read.codes[read.mark == PRESENT]
        seen.update(read.names[code] for code in np.unique(codes).tolist())
        n += len(codes)
    distinct = len(seen)
    if distinct > MIN_TEXT_VALUES and distinct > MAX_TEXT_SHARE * n:
        return Kind(
            name="ignored", reason=f"free text or an identifier: {distinct:,} values in {n:,} rows"
        )
    return Kind(
        name="categorical",
        reason=f"text of {distinct:,} value{'s' * (distinct != 1)}",
        values="string",
    )


def _parts(column: pa.Array | pa.ChunkedArray | Sequence[pa.Array]) -> Sequence[pa.Array]:
    if isinstance(column, pa.ChunkedArray):
        return list(column.chunks)
    return [column] if isinstance(column, pa.Array) else column


def _present(array: pa.Array) -> dict[str, int]:
    """Return how many values there are of each type, those that are not profiled by their name."""
    if not pa.types.is_union(array.type):
        return {type_of(array.type) or str(array.type): len(array) - array.null_count}
    return {
        "number": int(np.count_nonzero(numbers(array).mark == PRESENT)),
        "string": int(np.count_nonzero(labels(array, "string").mark == PRESENT)),
        "boolean": int(np.count_nonzero(labels(array, "boolean").mark == PRESENT)),
    }

"""A log's ids as exact as they are written: a double would make one of many."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from monitor.sources.arrays import Column
from profiles.ids import written


def exact(column: Column, *, number: bool = False) -> Column:
    """Write ids out that a batch has no type for: large and broken numbers, and mixed types.

    Parameters
    ----------
    number
        The texts are numbers, as a database writes its decimals: 1.50 is the id 1.5.
    """
    if isinstance(column, pa.Array):
        odd = number and pc.any(pc.match_substring_regex(column.cast(pa.string()), "[.N]")).as_py()
        return [_number(text) for text in column.to_pylist()] if odd else column
    if number:
        return [_number(text) for text in column]
    types = set(map(type, column)) - {type(None)}
    if types == {int} and all(-(2**63) <= v < 2**63 for v in column if v is not None):
        return column
    if len(types) <= 1 and types.isdisjoint({int, Decimal}):
        return column
    return [_text(written(value)) for value in column]


def exact_array(column: pa.Array) -> pa.Array:
    """Write out whole numbers of 64 bits without a sign and decimals, which become doubles else."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.type == pa.uint64() or (pa.types.is_decimal(column.type) and not column.type.scale):
        return column.cast(pa.string())
    if pa.types.is_decimal(column.type):
        return pa.array([_text(written(value)) for value in column.to_pylist()], pa.string())
    return column


def _number(text: str | None) -> str | None:
    return None if text is None else _text(written(Decimal(text)))


def _text(value: str | bytes | None) -> str | None:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value

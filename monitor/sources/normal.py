"""Arrow columns of any type, as files and DuckDB have them, in the types that a batch has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from monitor.sources.arrays import TIMESTAMP, Column
from monitor.sources.ids import exact_array

_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
_BYTES = (
    pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary,
    pa.types.is_binary_view,
)  # fmt: skip


def normal(
    columns: Mapping[str, pa.Array], *, apart: str | None = None, ids: str | None = None
) -> dict[str, Column]:
    """Bring columns to a batch's types; the fields of a struct become columns with dotted names.

    Parameters
    ----------
    apart
        A column that is left as it is: the payload.
    ids
        A column that stays exact.
    """
    return {
        inner: part if name == apart else _normal(exact_array(part) if inner == ids else part)
        for name, column in columns.items()
        for inner, part in ([(name, column)] if name == apart else _parts(name, column))
    }


def names(schema: pa.Schema, *, apart: str | None = None) -> frozenset[str]:
    """Return the columns that `normal` makes of a schema."""
    found: set[str] = set()
    todo = [(field.name, field.type) for field in schema]
    while todo:
        name, of = todo.pop()
        if pa.types.is_struct(of) and name != apart:
            todo += [(f"{name}.{field.name}", field.type) for field in of]
        else:
            found.add(name)
    return frozenset(found)


def _parts(name: str, column: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    if pa.types.is_struct(column.type):
        for field, part in zip(column.type, column.flatten(), strict=True):
            yield from _parts(f"{name}.{field.name}", part)
    else:
        yield name, column


def _normal(column: pa.Array) -> Column:
    if isinstance(column, pa.ExtensionArray):
        return _normal(column.storage)
    of = column.type
    if pa.types.is_dictionary(of):
        if of.value_type == pa.string():
            return column
        if any(is_text(of.value_type) for is_text in _TEXTS):
            return pa.DictionaryArray.from_arrays(
                column.indices, column.dictionary.cast(pa.string())
            )
        return _normal(column.dictionary_decode())
    target = _target(of)
    if target is None:
        return column if any(is_list(of) for is_list in _LISTS) else column.to_pylist()
    return column if of == target else column.cast(target, safe=False)


def _target(of: pa.DataType) -> pa.DataType | None:
    """Return the type that a batch has for a type, None where Python has to convert."""
    is_ = pa.types
    if is_.is_null(of) or is_.is_boolean(of):
        return of
    if is_.is_integer(of) and of != pa.uint64():
        return pa.int64()
    if is_.is_floating(of) or is_.is_decimal(of) or of == pa.uint64():
        return pa.float64()
    if any(is_text(of) for is_text in _TEXTS):
        return pa.string()
    if is_.is_timestamp(of) or is_.is_date(of):
        return TIMESTAMP
    return pa.binary() if any(is_bytes(of) for is_bytes in _BYTES) else None

"""JSON payloads, flattened into columns with dotted names."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

PAYLOAD_MISSING = "payload_missing"
PAYLOAD_NOT_JSON = "payload_not_json"
PAYLOAD_NOT_OBJECT = "payload_not_object"

_DEEPEST = 32  # an object nested deeper than this stays one text


@dataclass(frozen=True)
class Unreadable:
    """Stands in a column of payloads for one that is not JSON."""


_UNREADABLE = Unreadable()


@dataclass(frozen=True, kw_only=True)
class Payloads:
    """The payloads of some rows that are objects, in order, and what became of the rest."""

    objects: list[dict[str, Any]]
    kept: list[bool] | None  # None: every row
    reasons: list[str]  # of the rest, in order

    @property
    def rejected(self) -> Counter[str]:
        return Counter(self.reasons)


def loads(text: str | bytes) -> Any:
    """Read JSON without ever raising: what cannot be read is an `Unreadable`."""
    try:
        return json.loads(text)
    except RecursionError:
        return _UNREADABLE
    except ValueError:
        try:  # an integer of more digits than Python converts is JSON all the same
            return json.loads(text, parse_int=_integer)
        except (ValueError, RecursionError):
            return _UNREADABLE


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:
        return -math.inf if digits.startswith("-") else math.inf


def read_payloads(values: Sequence[Any], *, parsed: bool) -> Payloads:
    """Take the objects out of a column of payloads.

    Parameters
    ----------
    values
        JSON text, or what the driver has made of it already.
    parsed
        True where the column is of the database's own JSON type, so that a text is a JSON text and
        not yet to be read.
    """
    read = values if parsed else [loads(v) if isinstance(v, str | bytes) else v for v in values]
    if all(type(value) is dict for value in read):
        return Payloads(objects=list(read), kept=None, reasons=[])
    kept = [isinstance(value, dict) for value in read]
    reasons = [_reason(value) for value in read if not isinstance(value, dict)]
    objects = [value for value in read if isinstance(value, dict)]
    return Payloads(objects=objects, kept=kept, reasons=reasons)


def _reason(value: Any) -> str:
    if value is None:
        return PAYLOAD_MISSING
    return PAYLOAD_NOT_JSON if isinstance(value, Unreadable) else PAYLOAD_NOT_OBJECT


@dataclass(frozen=True, kw_only=True)
class Flat:
    """Objects as columns.

    Attributes
    ----------
    columns : dict from name to list
        A key that an object lacks is None there.
    absent : dict from name to bool [n]
        Which objects lack a key, where some do: null is a value here.
    """

    columns: dict[str, list[Any]] = field(default_factory=dict)
    absent: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)


def flatten(objects: Sequence[dict[str, Any]], *, taken: Container[str], payload: str) -> Flat:
    """Make columns of objects.

    A nested object's keys follow its own with a dot. A name that the table has a column of
    (`taken`) is put after the payload's own name and a dot.
    """
    flat = Flat()
    _flatten(objects, "", flat, 0)
    own = {name: f"{payload}.{name}" if name in taken else name for name in flat.columns}
    return Flat(
        columns={own[name]: values for name, values in flat.columns.items()},
        absent={own[name]: rows for name, rows in flat.absent.items()},
    )


def _flatten(objects: Sequence[dict[str, Any]], prefix: str, flat: Flat, depth: int) -> None:
    # Column by column: one pass of C code a key, in place of a Python step a value.
    keys = dict.fromkeys(chain.from_iterable(objects))
    all_there = sum(map(len, objects)) == len(keys) * len(objects)
    for key in keys:
        values = [row.get(key) for row in objects]
        lacking = None if all_there else np.array([key not in row for row in objects], bool)
        name = prefix + key
        if dict in set(map(type, values)) and depth < _DEEPEST:
            inner = [value if type(value) is dict else {} for value in values]
            _flatten(inner, f"{name}.", flat, depth + 1)
            values = [None if type(value) is dict else value for value in values]
            if not any(value is not None for value in values):
                continue
        earlier = flat.columns.get(name)
        if earlier is not None:  # "a.b" beside {"a": {"b": …}}: the one that is there counts
            values = [old if new is None else new for old, new in zip(earlier, values, strict=True)]
            lacking = _both(flat.absent.pop(name, None), lacking)
        flat.columns[name] = values
        if lacking is not None and lacking.any():
            flat.absent[name] = lacking


def _both(
    one: npt.NDArray[np.bool_] | None, other: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_] | None:
    return None if one is None or other is None else one & other

"""JSON payloads, flattened into columns with dotted names."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from profiles.limits import ROW_TOO_LARGE
from profiles.names import smallest

PAYLOAD_MISSING = "payload_missing"
PAYLOAD_NOT_JSON = "payload_not_json"
PAYLOAD_NOT_OBJECT = "payload_not_object"

_DEEPEST = 32  # an object nested deeper than this stays one text, if nothing else is said
_COLUMNS = 2_000  # of a payload that nobody expects, likewise


@dataclass(frozen=True)
class Unreadable:
    """Stands in a column of payloads for one that is not JSON."""


_UNREADABLE = Unreadable()


@dataclass(frozen=True, kw_only=True)
class TooLarge:
    """Stands in a column for a text that was not taken in."""

    size: int  # bytes


@dataclass(frozen=True, kw_only=True)
class Payloads:
    """The payloads of some rows that are objects, in order, and what became of the rest."""

    objects: list[dict[str, Any]]
    kept: list[bool] | None  # None: every row
    reasons: list[str]  # of the rest, in order

    @property
    def rejected(self) -> Counter[str]:
        return Counter(self.reasons)


def loads(text: str | bytes, *, most: int | None = None) -> Any:
    """Read JSON without ever raising: what cannot be read is an `Unreadable`.

    With a number of bytes, a longer text is not read.
    """
    if most is not None and len(text) > most:
        return TooLarge(size=len(text))
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
    if isinstance(value, TooLarge):
        return ROW_TOO_LARGE
    return PAYLOAD_NOT_JSON if isinstance(value, Unreadable) else PAYLOAD_NOT_OBJECT


@dataclass(frozen=True, kw_only=True)
class Flat:
    """Payloads as columns.

    Attributes
    ----------
    columns : dict from name to list [n]
        A key that an object lacks is None there.
    absent : dict from name to bool [n]
        Which objects lack a key, where some do: null is a value here.
    deep : sorted list of int
        The rows of which an object was nested too deep and stayed one text.
    """

    columns: dict[str, list[Any]]
    absent: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    deep: list[int] = field(default_factory=list)


def flatten(
    objects: Sequence[dict[str, Any]],
    *,
    taken: Container[str],
    payload: str,
    deepest: int = _DEEPEST,
    expected: Collection[str] = (),
    others: int = _COLUMNS,
) -> Flat:
    """Make columns of objects.

    A payload may have any keys, and another one in each row: of those that are not expected only so
    many `others` are taken, those with the smallest hashes.

    A nested object's keys follow its own with a dot. A name that the table has a column of
    (`taken`) is put after the payload's own name and a dot.
    """
    plain = {name.removeprefix(f"{payload}.") for name in expected}
    flattening = _Flattening(deepest, {*expected, *plain}, others)
    flattening.take(objects, "", 0)
    own = {name: f"{payload}.{name}" if name in taken else name for name in flattening.columns}
    return Flat(
        columns={own[name]: values for name, values in flattening.columns.items()},
        absent={own[name]: rows for name, rows in flattening.absent.items()},
        deep=sorted(flattening.deep),
    )


def _both(
    one: npt.NDArray[np.bool_] | None, other: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_] | None:
    return None if one is None or other is None else one & other


# Stands for an object that is null: all that it could hold is there, and null.
_NULL: dict[str, Any] = {}


def _within(
    objects: Sequence[dict[str, Any]], key: str, values: Sequence[Any]
) -> list[dict[str, Any]]:
    """Return the objects under a key; one without anything where there is none."""
    return [
        value
        if type(value) is dict
        else _NULL
        if value is None and (key in row or row is _NULL)
        else {}
        for row, value in zip(objects, values, strict=True)
    ]


class _Flattening:
    def __init__(self, deepest: int, expected: Collection[str], others: int) -> None:
        self._deepest, self._room = deepest, others
        ends = [(name, at) for name in expected for at, sign in enumerate(name) if sign == "."]
        self._expected = {*expected, *(name[:at] for name, at in ends)}
        self.columns: dict[str, list[Any]] = {}
        self.absent: dict[str, npt.NDArray[np.bool_]] = {}
        self.deep: set[int] = set()

    def take(self, objects: Sequence[dict[str, Any]], prefix: str, depth: int) -> None:
        # Column by column: one pass of C code a key, in place of a Python step a value.
        kept = self._kept(objects, prefix, depth)
        all_there = all(len(row) == len(kept) for row in objects)
        for key in kept:
            values = [row.get(key) for row in objects]
            lacking = (
                None
                if all_there
                else np.array([key not in row and row is not _NULL for row in objects], bool)
            )
            name = prefix + key
            if dict in set(map(type, values)):
                if depth < self._deepest:
                    self.take(_within(objects, key, values), f"{name}.", depth + 1)
                    values = [None if type(value) is dict else value for value in values]
                    if not any(value is not None for value in values):
                        continue
                else:
                    self.deep.update(at for at, of in enumerate(values) if type(of) is dict)
            earlier = self.columns.get(name)
            if earlier is not None:  # "a.b" beside {"a": {"b": …}}: the one that is there counts
                values = [
                    old if new is None else new for old, new in zip(earlier, values, strict=True)
                ]
                lacking = _both(self.absent.pop(name, None), lacking)
            self.columns[name] = values
            if lacking is not None and lacking.any():
                self.absent[name] = lacking

    def _kept(self, objects: Sequence[dict[str, Any]], prefix: str, depth: int) -> dict[str, None]:
        """Return the keys that are taken of some objects."""
        keys = dict.fromkeys(chain.from_iterable(objects))
        if len(keys) <= self._room:
            self._room -= sum(1 for key in keys if prefix + key not in self._expected)
            return keys
        others = [key for key in keys if prefix + key not in self._expected]
        kept = smallest(others, self._room)
        self._room -= len(kept)
        taken = {key: None for key in keys if key in kept or prefix + key in self._expected}
        for at, row in enumerate(objects):  # which keys are taken depends on the rows beside
            if any(key not in taken and self._is_deep(of, depth) for key, of in row.items()):
                self.deep.add(at)
        return taken

    def _is_deep(self, value: Any, depth: int) -> bool:
        if type(value) is not dict:
            return False
        return depth >= self._deepest or any(
            self._is_deep(inner, depth + 1) for inner in value.values()
        )

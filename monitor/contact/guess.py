"""What the columns of an unknown table probably are, from their names and some of their values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from monitor.errors import SourceError
from monitor.sources import times

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")

_TIME = (
    "event",
    "predicted",
    "prediction",
    "scored",
    "logged",
    "timestamp",
    "ts",
    "time",
    "created",
)
_NOT_THE_TIME = ("observed", "updated", "deleted", "modified", "label", "birth", "expires", "end")
_ID = ("prediction_id", "request_id", "event_id", "row_id", "uuid", "guid", "id")
_PAYLOAD = ("features", "payload", "inputs", "input", "request", "data", "attributes")
_SCORE = (
    "score", "prediction_score", "probability", "proba", "prob", "prediction", "predicted",
    "y_pred", "y_hat", "yhat", "pred", "output",
)  # fmt: skip
_LABEL = (
    "label",
    "target",
    "y_true",
    "actual",
    "truth",
    "ground_truth",
    "outcome",
    "observed",
    "y",
)
_VERSION = ("model_version", "version", "model", "model_id", "model_name", "release")

_EARLIEST, _LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_CLOCK = {"second", "minute", "hour", "day", "weekday", "dow", "week", "month", "quarter", "season"}
MOST_COHORTS = 30  # values that a column may have to be offered as a cohort
_OFTEN_THERE = 0.95


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """A column with some of its values, in any order."""

    name: str
    values: Sequence[Any]
    indexed: bool = False  # an index begins with it

    @property
    def present(self) -> list[Any]:
        return [value for value in self.values if value is not None]

    @property
    def distinct(self) -> int:
        return len(set(map(repr, self.present)))

    @property
    def is_unique(self) -> bool:
        return len(self.present) == len(self.values) == self.distinct

    def holds(self, *types: type) -> bool:
        """Tell whether there are values, and all are of these types; a truth value is no number."""
        present = self.present
        return bool(present) and all(
            isinstance(v, types) and (bool in types or not isinstance(v, bool)) for v in present
        )


def payload(columns: Iterable[Sampled]) -> str | None:
    """Find the column that holds a JSON object in every row."""
    found = [column.name for column in columns if _objects(column)]
    return _best(found, _PAYLOAD)


def _objects(column: Sampled) -> bool:
    return column.holds(str, dict) and all(map(_is_object, column.present))


def _is_object(value: Any) -> bool:
    if isinstance(value, dict):
        return True
    if not value.lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(value), dict)
    except (ValueError, RecursionError):
        return False


def event_time(columns: Iterable[Sampled]) -> str | None:
    """Find the column that says when a prediction was made."""
    ranks = {column.name: _time_rank(column) for column in columns}
    found = {name: rank for name, rank in ranks.items() if rank is not None}
    return max(found, key=lambda name: found[name]) if found else None


def _time_rank(column: Sampled) -> tuple[int, bool, bool] | None:
    """Return how likely a column is the event time, None where it cannot be."""
    values = column.present
    if not values or len(values) < _OFTEN_THERE * len(column.values):
        return None
    try:
        writing = times.recognise(values, column=column.name)
    except SourceError:
        return None
    moments = [writing.read(value) for value in values]
    if not all(isinstance(at, datetime) and _EARLIEST <= at < _LATEST for at in moments):
        return None
    words = _words(column.name)
    named = sum(word in _TIME for word in words) - 2 * sum(word in _NOT_THE_TIME for word in words)
    if isinstance(values[0], int | float) and named <= 0:
        return None  # any number of the right size would do
    return named, column.indexed, not writing.name.startswith("dates")


def identifier(columns: Iterable[Sampled]) -> str | None:
    """Find the column whose values tell the rows apart."""
    found = [
        column.name
        for column in columns
        if column.is_unique and column.holds(str, int) and _is_named_id(column.name)
    ]
    return _best(found, _ID)


def _is_named_id(name: str) -> bool:
    return bool({"id", "uuid", "guid", "key"} & set(_words(name)))


def version(columns: Iterable[Sampled]) -> str | None:
    """Find the column that says which model made the prediction."""
    found = [
        c.name for c in columns if c.name.casefold() in _VERSION and c.distinct <= MOST_COHORTS
    ]
    return _best(found, _VERSION)


@dataclass(frozen=True, kw_only=True)
class Score:
    column: str
    kind: Literal["binary", "multiclass", "regression"]


def score(columns: Mapping[str, Sampled]) -> Score | None:
    """Find the column with the model's answer, and what kind of model gives such ones."""
    found = [name for name, c in columns.items() if _is_called(name, _SCORE) and c.present]
    name = _best(found, _SCORE)
    if name is None:
        return None
    values = columns[name]
    if values.holds(str, bool):
        return Score(column=name, kind="multiclass")
    if not values.holds(int, float):
        return None
    is_share = all(0 <= value <= 1 for value in values.present)
    return Score(column=name, kind="binary" if is_share else "regression")


def label(columns: Mapping[str, Sampled]) -> str | None:
    """Find the column with the truth, which is no feature."""
    return _best([name for name in columns if _is_called(name, _LABEL)], _LABEL)


def cohorts(columns: Iterable[Sampled]) -> list[str]:
    """List the columns of few values that rows could be grouped by, those of fewest first.

    What the clock says is no cohort: each of its groups would be there in some windows only.
    """
    found = [
        (column.distinct, column.name)
        for column in columns
        if column.holds(str)
        and not _CLOCK & set(_words(column.name))
        and 2 <= column.distinct <= MOST_COHORTS
        and column.distinct < len(column.present) / 2
    ]
    return [name for _, name in sorted(found)]


def _is_called(name: str, known: Sequence[str]) -> bool:
    return name.casefold() in known or name.casefold().rsplit(".", 1)[-1] in known


def _best(found: Iterable[str], known: Sequence[str]) -> str | None:
    """Choose the name that stands first among the known ones, else the first that was found."""
    places = {name: place for place, name in enumerate(known)}

    def place(name: str) -> int:
        return places.get(name.casefold(), len(known))

    return min(found, key=place, default=None)


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _WORDS.findall(name)]

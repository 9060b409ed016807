"""What each column of a baseline looks like, without showing a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.config import Model
from profiles.baseline import Baseline
from profiles.buffers import column_of
from profiles.kinds import Kind
from profiles.values import MISSING, PRESENT, labels, numbers

Role = Literal["time", "id", "version", "prediction", "context", "feature", "none"]

_SHOWN_CATEGORIES = 4
_LONGEST_NAME = 24


@dataclass(frozen=True, kw_only=True)
class ColumnCheck:
    """A column as it will be watched.

    Attributes
    ----------
    kind, reason
        As `profiles.kinds` infers them or the configuration says.
    missing : float or None
        Share of the baseline's rows without a value; None where the baseline lacks the column.
    distinct : int or None
        Different values in the baseline; None where they are not counted.
    summary : str
        The range of numbers, the commonest categories, or what is derived.
    derived : tuple of str
        The columns that are made of this one, which are what is watched of it.
    """

    name: str
    kind: str
    reason: str
    role: Role
    missing: float | None
    distinct: int | None
    summary: str
    derived: tuple[str, ...] = ()


def describe_columns(
    model: Model,
    baseline: Baseline,
    rows: Sequence[pa.RecordBatch],
    *,
    log: frozenset[str],
) -> tuple[ColumnCheck, ...]:
    """Describe the baseline's columns in its order, then those that only the log has."""
    found = []
    kinds = baseline.kinds
    derived = {recipe.column: recipe.names for recipe in baseline.recipes}
    for name, inferred in kinds.items():
        lacking = log and name not in log
        kind = Kind(name="ignored", reason="the log has no such column") if lacking else inferred
        parts = [column_of(batch, name) for batch in rows]
        found.append(_describe(model, name, kind, parts, () if lacking else derived.get(name, ())))
    special = {
        model.log.ingested: "says when a row was written",
        model.log.id: "tells rows apart",
        model.log.time: "says when",
    }
    for name in sorted(log - kinds.keys()):
        reason = special.get(name, "the baseline has no such column")
        found.append(
            ColumnCheck(
                name=name,
                kind="ignored",
                reason=reason,
                role=_role(model, name, watched=False),
                missing=None,
                distinct=None,
                summary="",
            )
        )
    return tuple(found)


def _describe(
    model: Model, name: str, kind: Kind, parts: Sequence[pa.Array], derived: tuple[str, ...]
) -> ColumnCheck:
    distinct, summary = None, in_short(derived)
    if kind.name == "numeric":
        read = [numbers(part) for part in parts]
        marks = np.concatenate([part.mark for part in read])
        values = np.concatenate([part.values for part in read])[marks == PRESENT]
        distinct, summary = len(np.unique(values)), _range(values)
    elif kind.values is not None:
        named = [labels(part, kind.values) for part in parts]
        marks = np.concatenate([part.mark for part in named])
        counts: dict[str, int] = {}
        for part in named:
            codes, each = np.unique(part.codes[part.mark == PRESENT], return_counts=True)
            for code, count in zip(codes.tolist(), each.tolist(), strict=True):
                counts[part.names[code]] = counts.get(part.names[code], 0) + count
        distinct, summary = len(counts), _commonest(counts)
    else:
        marks = np.concatenate([labels(part, "boolean").mark for part in parts])
    return ColumnCheck(
        name=name,
        kind=kind.name,
        reason=kind.reason,
        role=_role(model, name, watched=kind.name != "ignored"),
        missing=float(np.mean(marks == MISSING)) if len(marks) else None,
        distinct=distinct,
        summary=summary,
        derived=derived,
    )


def in_short(names: Sequence[str]) -> str:
    """Write the first name whole, of the others what is their own."""
    return ", ".join([*names[:1], *(f".{name.rpartition('.')[2]}" for name in names[1:])])


def _role(model: Model, name: str, *, watched: bool) -> Role:
    log = model.log
    if model.prediction is not None and name == model.prediction.score:
        return "prediction"
    for role, column in (("time", log.time), ("id", log.id), ("version", log.version)):
        if name == column and not watched:
            return role  # type: ignore[return-value]
    if not watched:
        return "none"
    return model.columns[name].role if name in model.columns else "feature"


def _range(values: npt.NDArray[np.float64]) -> str:
    if not len(values):
        return ""
    low, high = float(values.min()), float(values.max())
    return f"{low:.4g}" if low == high else f"{low:.4g} … {high:.4g}"


def _commonest(counts: Mapping[str, int]) -> str:
    names = sorted(counts, key=lambda name: (-counts[name], name))
    shown = [
        name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
        for name in names[:_SHOWN_CATEGORIES]
    ]
    return ", ".join(shown) + (", …" if len(names) > _SHOWN_CATEGORIES else "")

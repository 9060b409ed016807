"""What the rules saw in a window, as one versioned blob; never a row a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from alerts.rules import Cohort, Moved, Reading, Readings, Rule, StreamKey
from profiles.codec import Reader, pack, unpack

_BODY = ("<u4", "<u4", "<i8", "<f8", "u1")  # column and cohort by number, n, value, known
_FIELDS = (
    "rule", "column", "cohort", "statistic", "value", "threshold", "n", "reason", "now", "was",
    "label",
)  # fmt: skip


def peaks(readings: Sequence[Readings]) -> dict[str, float | None]:
    """Return the largest value over its threshold for each rule; None where all is unknown."""
    found: dict[str, float | None] = {}
    for of in readings:
        if not of.streams:
            continue  # it judged nothing, or nothing was worth telling
        known = of.value[np.isfinite(of.value)]
        found[of.rule.name] = float(known.max()) / of.rule.threshold if len(known) else None
    return found


def encode(readings: Sequence[Readings]) -> bytes:
    """Write the readings of a window as one blob; of streams without rows nothing is kept."""
    columns: dict[str, int] = {}
    cohorts: dict[Cohort, int] = {}
    at: list[tuple[int, int]] = []
    rules, moved = [], []
    arrays: list[list[npt.NDArray[Any]]] = [[], [], []]
    for of in readings:
        seen = np.flatnonzero(of.n)
        rules.append(
            {
                "name": of.rule.name,
                "statistic": of.rule.statistic,
                "threshold": of.rule.threshold,
                "over": of.rule.over.total_seconds(),
                "windows": of.rule.windows,
                "min_rows": of.rule.min_rows,
                "streams": len(seen),
            }
        )
        for row in seen.tolist():
            if row in of.moved:
                told = of.moved[row]
                moved.append([len(at), told.now, told.was, told.label])
            key = of.streams[row]
            at.append(
                (
                    columns.setdefault(key.column, len(columns)),
                    cohorts.setdefault(key.cohort, len(cohorts)),
                )
            )
        for kept, values in zip(arrays, (of.n, of.value, of.known), strict=True):
            kept.append(values[seen])
    header = {"rules": rules, "columns": list(columns), "cohorts": list(cohorts), "moved": moved}
    parts = [*np.array(at, int).reshape(-1, 2).T, *map(np.concatenate, arrays)] if rules else []
    body = b"".join(part.astype(kind).tobytes() for part, kind in zip(parts, _BODY, strict=False))
    return pack(header, body)


def decode(data: bytes) -> tuple[Reading, ...]:
    """Read what `encode` wrote, and what it wrote while each reading was a row of JSON.

    Raises
    ------
    CodecError
        If the bytes are no readings, or are damaged.
    """
    header, content = unpack(data)
    if "readings" in header:
        return tuple(
            Reading(**{**dict(zip(_FIELDS, row, strict=True)), "cohort": _cohort(row[2])})
            for row in header["readings"]
        )
    return tuple(reading for of in _tables(header, Reader(content)) for reading in of.each())


def _tables(header: dict[str, Any], body: Reader) -> Iterator[Readings]:
    total = sum(rule["streams"] for rule in header["rules"])
    column, cohort, n, value, known = (body.take(kind, total) for kind in _BODY)
    body.finish()
    columns, cohorts = header["columns"], [_cohort(parts) for parts in header["cohorts"]]
    moved = {row: Moved(now=now, was=was, label=label) for row, now, was, label in header["moved"]}
    first = 0
    for rule in header["rules"]:
        last = first + rule.pop("streams")
        rule["over"] = timedelta(seconds=rule["over"])
        yield Readings(
            rule=Rule(**rule),
            streams=tuple(
                StreamKey(rule=rule["name"], column=columns[c], cohort=cohorts[g])
                for c, g in zip(column[first:last].tolist(), cohort[first:last], strict=True)
            ),
            value=value[first:last],
            n=n[first:last],
            known=known[first:last].astype(bool),
            moved={row - first: moved[row] for row in moved if first <= row < last},
        )
        first = last


def _cohort(parts: Sequence[Sequence[str]]) -> Cohort:
    return tuple((name, value) for name, value in parts)

"""What the rules saw in a window, as one versioned blob; never a row a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alerts.rules import Reading
from profiles.codec import pack, unpack


def peaks(readings: Sequence[Reading]) -> dict[str, float | None]:
    """Return the largest value over its threshold for each rule; None where all is unknown."""
    found: dict[str, float | None] = {}
    for reading in readings:
        ratio, best = reading.ratio, found.setdefault(reading.rule, None)
        if ratio is not None and (best is None or ratio > best):
            found[reading.rule] = ratio
    return found


def encode(readings: Sequence[Reading]) -> bytes:
    """Write the readings of a window as one blob; the order of the readings does not matter."""
    rows: list[list[Any]] = [
        [
            r.rule,
            r.column,
            [list(part) for part in r.cohort],
            r.statistic,
            r.value,
            r.threshold,
            r.n,
            r.reason,
            r.now,
            r.was,
            r.label,
        ]
        for r in readings
    ]
    rows.sort(key=lambda row: (row[:4], row[4] is None, row[4] or 0.0))  # by what names a stream
    return pack({"readings": rows}, b"")


def decode(data: bytes) -> tuple[Reading, ...]:
    """Read what `encode` wrote."""
    names = (
        "rule", "column", "cohort", "statistic", "value", "threshold", "n", "reason", "now", "was",
        "label",
    )  # fmt: skip
    return tuple(
        Reading(**{**dict(zip(names, row, strict=True)), "cohort": tuple(map(tuple, row[2]))})
        for row in unpack(data)[0]["readings"]
    )

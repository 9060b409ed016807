"""Rows made of the counts that a tool's rule is checked on; runs in the environment of the tool."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

PLACES = "abcdefghijklm"
RNG = np.random.default_rng(1)


@dataclass(frozen=True)
class Series:
    """Windows of two columns, numbers `x` and categories `y`, that follow one another."""

    name: str
    hours: int
    reference: list[pd.DataFrame]
    windows: list[pd.DataFrame]

    @property
    def whole(self) -> pd.DataFrame:
        return pd.concat(self.reference, ignore_index=True)


def series() -> Iterator[Series]:
    with np.load(sys.argv[1]) as asked:
        for name in asked["names"].tolist():
            yield Series(
                name=name,
                hours=int(asked[f"{name}.hours"]),
                reference=_tables(asked, name, "reference"),
                windows=_tables(asked, name, "windows"),
            )


def timed(tables: list[pd.DataFrame], hours: int, begin: str) -> pd.DataFrame:
    """Give each table a time within its own window."""
    first, width = pd.Timestamp(begin), pd.Timedelta(hours=hours)
    times = [
        first + i * width + pd.to_timedelta(np.linspace(0, hours * 3600 - 1, len(table)), unit="s")
        for i, table in enumerate(tables)
    ]
    whole = pd.concat(tables, ignore_index=True)
    whole["time"] = np.concatenate([of.to_numpy() for of in times])
    return whole


def answer(verdicts: dict[str, dict[str, list[bool]]]) -> None:
    print(json.dumps(verdicts))


def _tables(asked: np.lib.npyio.NpzFile, name: str, part: str) -> list[pd.DataFrame]:
    columns = (asked[f"{name}.x.{part}"], asked[f"{name}.y.{part}"])
    return [_rows(x, y) for x, y in zip(*columns, strict=True)]


def _rows(x: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    """Write out counts of places, the last of which is of what is missing."""
    numbers = np.repeat([*range(len(PLACES)), np.nan], x)
    names = np.repeat(np.array([*PLACES, None], dtype=object), y)
    return pd.DataFrame({"x": RNG.permutation(numbers), "y": RNG.permutation(names)})

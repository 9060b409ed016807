"""Readings of a few streams, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import groupby

import numpy as np

from alerts.rules import UNCLEAR, Cohort, Moved, Readings, Rule, StreamKey

DAY = Rule(
    name="day", statistic="js", threshold=0.1, over=timedelta(days=1), windows=3, min_rows=200
)


def reading(
    value: float | None,
    *,
    column: str = "score",
    cohort: Cohort = (),
    rule: Rule = DAY,
    n: int = 1_000,
    known: bool = True,
    moved: Moved = UNCLEAR,
) -> Readings:
    """Return what a rule saw of one stream."""
    return Readings(
        rule=rule,
        streams=(StreamKey(rule=rule.name, column=column, cohort=cohort),),
        value=np.array([np.nan if value is None else value]),
        n=np.array([n]),
        known=np.array([known]),
        moved={0: moved},
    )


def together(readings: Iterable[Readings]) -> list[Readings]:
    """Put what each rule saw into one table, in the order given."""
    ordered = sorted(readings, key=lambda of: of.rule.name)
    return [
        Readings(
            rule=parts[0].rule,
            streams=tuple(key for of in parts for key in of.streams),
            value=np.concatenate([of.value for of in parts]),
            n=np.concatenate([of.n for of in parts]),
            known=np.concatenate([of.known for of in parts]),
            moved={at: of.moved[0] for at, of in enumerate(parts)},
        )
        for _, same in groupby(ordered, key=lambda of: of.rule.name)
        for parts in [list(same)]
    ]

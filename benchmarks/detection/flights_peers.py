"""What Evidently's and NannyML's default rules say of the flights, day by day.

Windows are days by the local clock, of everybody; the reference are the training rows. They look at
values only: what is missing, how many rows came and whether ids repeat is not among these rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pandas.api.types import is_numeric_dtype

from benchmarks.detection.rules import Bools, Series, evidently, nannyml

Verdicts = Mapping[date, bool]  # of each day
Codes = npt.NDArray[np.int64]
_STEPS = 10_000  # of the range of a column, for distances that need numbers


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A rule, and the places that it counts numbers in."""

    name: str
    rule: Callable[[Series], Bools]
    places: Callable[[pd.Series, pd.Series], tuple[Codes, Codes]]


def _evenly(reference: pd.Series, window: pd.Series) -> tuple[Codes, Codes]:
    """Put numbers on even steps, so that a distance along places is one along numbers."""
    both = [of.to_numpy(np.float64) for of in (reference, window)]
    low = min(of.min() for of in both if len(of))
    step = max((max(of.max() for of in both if len(of)) - low) / _STEPS, 1e-12)
    first, second = (np.rint((of - low) / step).astype(np.int64) for of in both)
    return first, second


def _in_bins(reference: pd.Series, window: pd.Series) -> tuple[Codes, Codes]:
    """Put numbers in the bins that numpy chooses for the reference by Doane's rule.

    All that is beyond them is one more.
    """
    edges = np.histogram_bin_edges(reference.to_numpy(np.float64), bins="doane")
    first, second = (_bins(of.to_numpy(np.float64), edges) for of in (reference, window))
    return first, second


def _bins(values: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]) -> Codes:
    last = len(edges) - 1
    at = np.searchsorted(edges, values, "right") - 1
    at[values == edges[-1]] = last - 1
    at[(at < 0) | (at >= last)] = last
    return at.astype(np.int64)


TOOLS = (
    Tool(name="Evidently", rule=evidently, places=_evenly),
    Tool(name="NannyML", rule=nannyml, places=_in_bins),
)


def table(rows: Iterable[pa.RecordBatch], *, time: str, zone: str) -> pd.DataFrame:
    """Return rows as a table; `day` is that of the local clock."""
    found: pd.DataFrame = pd.concat([batch.to_pandas() for batch in rows], ignore_index=True)
    at = pd.to_datetime(found[time], utc=True).dt.tz_convert(zone)
    found = found.drop(columns=time)
    found["day"] = at.dt.date
    return found


def verdicts(tool: Tool, reference: pd.DataFrame, windows: pd.DataFrame, column: str) -> Verdicts:
    """Say of each day whether a tool would call a column drifted."""
    before, now = (of[["day", column]].dropna() for of in (reference, windows))
    if is_numeric_dtype(before[column]):
        first, second = tool.places(before[column], now[column])
    else:
        codes = pd.factorize(pd.concat([before[column], now[column]]).astype(str))[0]
        first, second = codes[: len(before)], codes[len(before) :]
    places = int(max(first.max(initial=0), second.max(initial=0))) + 1
    days = sorted(set(now["day"]))
    of_before, of_now = (
        _counts(codes, of["day"], places) for codes, of in ((first, before), (second, now))
    )
    none = np.zeros((1, 1))
    series = Series(
        reference=of_before, windows=of_now, ordered=is_numeric_dtype(before[column]), columns=1,
        missing_before=np.broadcast_to(none, (1, of_before.shape[2])),
        missing=np.broadcast_to(none, (1, of_now.shape[2])),
    )  # fmt: skip
    return dict(zip(days, tool.rule(series)[0].tolist(), strict=True))


def _counts(codes: Codes, day: pd.Series, places: int) -> npt.NDArray[np.float64]:
    """Count places [1, P, D]."""
    at, days = pd.factorize(day, sort=True)
    cells = np.bincount(codes * len(days) + at, minlength=places * len(days))
    return cells.reshape(1, places, len(days)).astype(np.float64)


def said(
    tool: Tool, reference: pd.DataFrame, usual: pd.DataFrame, changed: pd.DataFrame, column: str
) -> str:
    """Say whether a tool finds a fault: ``found``, ``anyway`` if it alerts without, or ``no``."""
    without, found = (verdicts(tool, reference, of, column) for of in (usual, changed))
    if any(drifted and not without.get(day, False) for day, drifted in found.items()):
        return "found"
    return "anyway" if any(found.values()) else "no"


def alerts(
    reference: pd.DataFrame, windows: pd.DataFrame, columns: Sequence[str]
) -> dict[tuple[str, str], Verdicts]:
    """Return the verdicts of each tool on each column."""
    return {
        (tool.name, column): verdicts(tool, reference, windows, column)
        for tool in TOOLS
        for column in columns
    }

"""All that is watched of one column: its values, what is missing or wrong, what was never there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from profiles.detection.expectation import Counts, Expectation, Floats, Season, volumes
from profiles.detection.scores import FAST, SLOW, Days, Scale, daily, look
from profiles.detection.watched import Watched

Kind = Literal["body", "beyond", "faults", "volume"]


@dataclass(frozen=True, kw_only=True)
class DayScores:
    """Every stream of one kind of one column, at one scale.

    Attributes
    ----------
    kind : str
        ``body`` of how values are spread, ``beyond`` of those that the baseline did not hold,
        ``faults`` of what is missing or of the wrong type, ``volume`` of rows.
    days : Days [C, D]
    """

    kind: Kind
    scale: Scale
    days: Days


def column_scores(counts: Counts, of: Watched) -> tuple[list[DayScores], dict[int, Season]]:
    """Score every day of a column, each from earlier days alone.

    Parameters
    ----------
    counts : int [C, D, H, P]
        Rows in the places of `of`, in D days of H steps from a Monday on; of everybody first, then
        of cohorts.

    Returns
    -------
    scores : list of DayScores
    seasons : dict from first day to Season
    """
    expectation = Expectation(counts)
    rows = counts.sum(axis=-1)
    found: list[DayScores] = []
    for scales in (FAST, SLOW):
        shares = expectation.shares(lag=scales[0].lag)
        for kind, came, expected, of_rows in _kinds(counts, rows, shares, of):
            for scale in scales:
                looks = look(came, expected, of_rows, scale, shape=kind == "body")
                if looks is not None:
                    found.append(DayScores(kind=kind, scale=scale, days=daily(looks, scale)))
    return found, expectation.seasons


def volume_scores(rows: Counts, seen: Counts) -> list[DayScores]:
    """Score the rows themselves.

    Parameters
    ----------
    rows : int [C, D, H]
    seen : int [D, H]
        How often each hour was seen: 0 where it was not, 2 where the clock was put back.
    """
    found: list[DayScores] = []
    for scales in (FAST, SLOW):
        expected = volumes(rows, seen, lag=scales[0].lag)
        came = np.where(seen > 0, rows, 0)[..., None]
        for scale in scales:
            looks = look(came, expected[..., None], expected, scale, shape=False)
            if looks is not None:
                found.append(DayScores(kind="volume", scale=scale, days=daily(looks, scale)))
    return found


def _kinds(
    counts: Counts, rows: Counts, shares: Floats, of: Watched
) -> Iterator[tuple[Kind, Counts, Floats, Floats]]:
    """Yield what came, what was expected, and of how many rows, for each kind of stream."""
    values, beyond = slice(0, of.values), slice(of.values - of.beyond, of.values)
    present = counts[..., values].sum(axis=-1).astype(np.float32)
    whole = shares[..., values].sum(axis=-1, keepdims=True)
    body = shares[..., values] / np.maximum(whole, np.float32(1e-9))
    body *= present[..., None]
    yield "body", counts[..., values], body, present
    yield "beyond", counts[..., beyond], body[..., beyond], present
    every = rows.astype(np.float32)
    yield "faults", counts[..., of.values :], shares[..., of.values :] * every[..., None], every

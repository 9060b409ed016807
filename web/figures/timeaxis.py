"""Where a time axis is ruled and labelled: at midnights and hours of the zone people read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise

import numpy as np

from monitor.store.queries.views import Times

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """Instants of rules, and labels with the instants they are centred on; all in UTC."""

    rules: tuple[datetime, ...]
    labels: tuple[tuple[datetime, str], ...]


def plain(moment: datetime) -> str:
    """Write an instant the way plotly reads it as UTC.

    >>> plain(datetime(2013, 12, 3, 17, tzinfo=UTC))
    '2013-12-03 17:00:00'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def instants(times: Times) -> list[datetime]:
    return [t.replace(tzinfo=UTC) for t in times.astype("datetime64[us]").tolist()]


def epoch_ms(times: Times) -> list[int]:
    return [int(t) for t in times.astype("datetime64[ms]").astype(np.int64)]


def ruling(start: datetime, end: datetime, zone: tzinfo, *, most: int = 14) -> Ruling:
    """Rule ``[start, end)`` by days, or by hours where there are few, with at most `most` labels.

    The first label and each first of a month carry the month, so that no label needs another.
    """
    if end - start <= timedelta(days=3.5):
        return _by_hours(start, end, zone, most=most)
    midnights = list(_midnights(start, end, zone))
    every = next(k for k in (1, 2, 3, 7, 14, 28, 91, 182, 364, 3660) if len(midnights) <= most * k)
    labels: list[tuple[datetime, str]] = []
    for k, (day, following) in enumerate(pairwise([*midnights, midnights[-1] + DAY])):
        centre = day + (following - day) / 2
        if k % every == 0 and start <= centre < end:
            first = not labels or (labels and day.day <= every)
            labels.append(
                (centre.astimezone(UTC), _day(day, month=bool(first), weekday=every == 1))
            )
    rules = [m.astimezone(UTC) for m in midnights[::every] if start < m < end]
    return Ruling(rules=tuple(rules), labels=tuple(labels))


def _by_hours(start: datetime, end: datetime, zone: tzinfo, *, most: int) -> Ruling:
    wanted = (end - start) / timedelta(hours=1)
    every = next((h for h in (1, 2, 3, 6, 12, 24) if wanted / h <= most), 24)
    rules, labels = [], []
    for midnight in _midnights(start - DAY, end, zone):
        for hour in range(0, 24, every):
            at = (midnight.replace(hour=hour)).astimezone(UTC)
            if not start <= at < end:
                continue
            rules.append(at)
            local = at.astimezone(zone)
            labels.append((at, _day(local, month=True) if hour == 0 else f"{local:%H:%M}"))
    return Ruling(rules=tuple(rules), labels=tuple(labels))


def _midnights(start: datetime, end: datetime, zone: tzinfo) -> Iterator[datetime]:
    day = start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    while day < end:
        yield day
        day = (day.replace(tzinfo=None) + DAY).replace(tzinfo=zone)


def _day(day: datetime, *, month: bool, weekday: bool = True) -> str:
    parts = [f"{day:%a}"] if weekday else []
    parts.append(str(day.day))
    if month or not weekday:
        parts.append(f"{day:%b}")
    return " ".join(parts)


def segments(known: np.ndarray) -> list[slice]:
    """Return the runs of True.

    >>> segments(np.array([True, True, False, True]))
    [slice(0, 2, None), slice(3, 4, None)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], known, [False])).astype(np.int8)))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]

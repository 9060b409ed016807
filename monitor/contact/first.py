"""Looking at a table that nothing is known about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from pydantic import SecretStr

from monitor.config import Log, Model
from monitor.config.models import Baseline
from monitor.contact import guess
from monitor.contact.guess import Sampled, Score
from monitor.errors import SourceError
from monitor.sources import LogSource, RawLook, look_at, open_log, plain_values
from profiles.derived import Derived
from profiles.kinds import infer_kind

_DAY = timedelta(days=1)
_FEW_ROWS = 30  # an hour with fewer says little; windows are days then
_PROBE = Baseline(range=(datetime(1970, 1, 1, tzinfo=UTC), datetime(1971, 1, 1, tzinfo=UTC)))


@dataclass(frozen=True, kw_only=True)
class FirstLook:
    """What a first configuration says about a table, or about files."""

    table: str  # its name, or one made of the files'
    schema: str | None
    time: str
    time_indexed: bool | None  # None: a view, which hides it
    payload: str | None
    id: str | None
    version: str | None
    score: Score | None
    label: str | None
    cohorts: tuple[str, ...]
    more_cohorts: tuple[str, ...]  # would do as well
    baseline: tuple[datetime, datetime]
    first: datetime
    last: datetime
    window: timedelta
    derived: Mapping[str, Derived] = field(default_factory=dict)  # watched by what is made of them
    in_files: bool = False


def first_look(url: SecretStr, table: str | None) -> FirstLook:
    """Look at a table, read-only, and guess what its columns are.

    Parameters
    ----------
    table
        Its name, or ``schema.name``; None where the URL names files.

    Raises
    ------
    SourceError
        If it cannot be read, is empty, or has no column with a time.
    """
    raw = look_at(url, table)
    if not raw.columns or not raw.rows:
        raise SourceError(f"{_what(raw)} is empty: there is nothing to look at yet")
    sampled = [
        Sampled(name=c.name, values=values, indexed=c.name in raw.indexed)
        for c, values in zip(raw.columns, raw.values, strict=True)
    ]
    time = guess.event_time(sampled)
    if time is None:
        names = ", ".join(repr(column.name) for column in raw.columns[:20])
        raise SourceError(
            f"{_what(raw)} has no column that looks like the time of a prediction (it has "
            f"{names}); it needs timestamps, ISO text in UTC, or seconds since 1970"
        )
    payload = guess.payload(sampled)
    name = None if raw.in_files else raw.name
    log = Log(table=name, time=time, payload=payload, db_schema=raw.schema)
    with open_log(Model(source=url, log=log, baseline=_PROBE)) as source:
        return _second_look(source, log, sampled, raw)


def _what(raw: RawLook) -> str:
    return "the log in these files" if raw.in_files else f"table {raw.name!r}"


def _second_look(source: LogSource, log: Log, raw: list[Sampled], of: RawLook) -> FirstLook:
    """Look again, now that the payload's keys are columns too."""
    first, last = source.earliest(), source.latest()
    if first is None or last is None:
        raise SourceError(f"{_what(of)} has no row with a time in {log.time!r}")
    plain = {column.name: column for column in raw}
    batches = [batch.rows for batch in source.sample()]
    columns = {**plain, **_sampled(batches)}
    columns.pop(log.payload or "", None)
    identifier = guess.identifier(column for column in raw if column.name != log.time)
    version = guess.version(plain.values())
    rest = {name: c for name, c in columns.items() if name not in {log.time, identifier, version}}
    score = guess.score(rest)
    if score is not None:
        rest.pop(score.column)
    label = guess.label(rest)
    groups = guess.cohorts(c for name, c in rest.items() if name != label)
    return FirstLook(
        table=of.name,
        in_files=of.in_files,
        schema=log.db_schema,
        time=log.time,
        time_indexed=source.time_indexed(),
        payload=log.payload,
        id=identifier,
        version=version,
        score=score,
        label=label,
        cohorts=tuple(groups[:2]),
        more_cohorts=tuple(groups[2:8]),
        baseline=first_part(first, last),
        first=first,
        last=last,
        window=_window(source, last),
        derived=_derived(batches, [name for name in rest if name != label]),
    )


def _sampled(batches: Sequence[pa.RecordBatch]) -> dict[str, Sampled]:
    values: dict[str, list[object]] = {}
    count = 0
    for batch in batches:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            held = values.setdefault(name, [])
            held += [None] * (count - len(held)) + plain_values(column)
        count += batch.num_rows
    return {
        name: Sampled(name=name, values=held + [None] * (count - len(held)))
        for name, held in values.items()
    }


def _derived(batches: Sequence[pa.RecordBatch], columns: Sequence[str]) -> dict[str, Derived]:
    kinds = {
        name: infer_kind([b.column(name) for b in batches if name in b.schema.names])
        for name in columns
    }
    return {name: kind.derived for name, kind in kinds.items() if kind.derived is not None}


def first_part(first: datetime, last: datetime) -> tuple[datetime, datetime]:
    """Return the part of a log to compare with: four weeks, at most its first third.

    Bounds lie on midnights in UTC where the part is at least a day long.
    """
    third = (last - first) / 3
    if third < _DAY:
        start = first.replace(microsecond=0)
        return start, start + max(timedelta(seconds=int(third.total_seconds())), _SECOND)
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return start, start + min(28 * _DAY, (third // _DAY) * _DAY)


_SECOND = timedelta(seconds=1)


def _window(source: LogSource, last: datetime) -> timedelta:
    """Choose hours where they hold rows enough, else days."""
    rows = source.count_since(last - 7 * _DAY)
    return timedelta(hours=1) if rows is None or rows / (7 * 24) >= _FEW_ROWS else _DAY

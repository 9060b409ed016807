"""What the reading commands print: plain records for scripts and people.

Times are ISO-8601 with Z, windows half-open; there is no NaN, an unknown number is null.
The JSON Schemas in docs/schemas/ hold for these records; fields are only ever added.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from itertools import chain, groupby
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Engine

from alerts.incident import Incident
from monitor.calibration import Calibration
from monitor.config import Config, Model
from monitor.config.against import WEEK, Against, Previous, Trailing, Version, Weeks
from monitor.errors import ConfigError, StoreError
from monitor.store import approvals, baselines, results
from monitor.store.beside import Beside, of_version
from monitor.store.queries import (
    ColumnSummary,
    ModelStatus,
    Promise,
    Reference,
    ReferenceKind,
    ReferenceView,
    Skew,
)
from monitor.store.queries.references import TOLERATED
from profiles.baseline import Baseline, position
from profiles.changes import Changes, counted_of
from profiles.comparison import STATISTICS, compare
from profiles.detection.attribution import Stream
from profiles.effects import Effect
from profiles.grids import CategoricalGrid, Grid, NumericGrid
from profiles.profile import Dimension, Group, Profile, merge
from profiles.resolution import ks_shortfall
from profiles.rolling import Sliding
from profiles.windows import Window, floor, format_width

MOST_NAMED = 10
TOO_LITTLE = "too little to compare with yet"


def status_record(statuses: Sequence[ModelStatus]) -> dict[str, Any]:
    return {
        "models": {
            status.name: {
                "state": status.state,
                "windows": {
                    "pending": status.windows.pending,
                    "running": status.windows.running,
                    "done": status.windows.done,
                    "failed": status.windows.failed,
                    "dirty": status.windows.dirty,
                },
                "watermark": _time(status.watermark),
                "lag_s": status.lag_s,
                "open_incidents": status.open_incidents,
                "last_error": status.last_error,
                "failing_since": None
                if status.failing_since is None
                else _time(status.failing_since),
                "blind": status.blind,
                "given_up": status.given_up,
                "promise": _promise_record(status.promise),
                "late": _late_record(status),
                "limits": list(status.limits),
            }
            for status in statuses
        }
    }


def _promise_record(promise: Promise | None) -> dict[str, Any] | None:
    if promise is None:
        return None
    low, high = promise.between or (None, None)
    return {
        "budget": promise.budget,
        "incidents": promise.incidents,
        "months": promise.months,
        "low": low,
        "high": high,
        "holds": promise.holds,
        "days": promise.days,
        "begins_after": promise.begins_after,
    }


def _late_record(status: ModelStatus) -> dict[str, Any] | None:
    late = status.late
    if late is None:
        return None
    return {
        "rows": late.rows,
        "windows": late.windows,
        "from": _time(late.start),
        "to": _time(late.end),
        "command": late.command(status.name),
    }


def incident_record(incident: Incident) -> dict[str, Any]:
    """Write one incident; a classic rule's effect is its distance, which has no bounds."""
    return {
        "id": incident.id,
        "model": incident.model,
        "kind": incident.kind,
        "state": incident.state,
        "opened": _time(incident.opened),
        "resolved": _time(incident.resolved),
        "since": _time(incident.since),
        "streams": [
            {
                "column": stream.column,
                "cohort": dict(stream.cohort),
                "lane": stream.rule,
                "statistic": stream.statistic,
                "label": stream.label,
                "effect": stream.value if stream.effect is None else stream.effect,
                "low": stream.low,
                "high": stream.high,
                "mix": stream.mix,
                "mix_of": stream.mix_of,
                "value": stream.value,
                "threshold": stream.threshold,
                "n": stream.n,
            }
            for stream in incident.streams
        ],
    }


def calibration_record(found: Calibration) -> dict[str, Any]:
    """Write what `monitor calibrate` found; `a_month` is null while nothing could have paged."""
    low, high = found.between or (None, None)
    return {
        "model": found.model,
        "budget": found.budget,
        "first": found.first.isoformat(),
        "days": found.days,
        "judged_days": found.judged,
        "opens_after": found.opens_after,
        "lanes": [
            {
                "name": lane.name,
                "hours": [scale.hours for scale in lane.scales],
                "unit_days": lane.days,
                "beside": lane.beside,
                "most": lane.most,
                "a_month": lane.a_month,
            }
            for lane in found.lanes
        ],
        "a_month": found.a_month,
        "low": low,
        "high": high,
        "holds": found.holds,
        "open_days": found.open_days,
        "pages": [
            {
                "first": page.first.isoformat(),
                "last": page.last.isoformat(),
                "lane": page.lane,
                "counts": page.counts,
                "broken": [
                    {
                        "check": of.check,
                        "column": of.column,
                        "cohort": dict(zip(of.dimension, of.group, strict=True)),
                        "rows": of.rows,
                        "now": of.now,
                        "was": of.was,
                    }
                    for of in page.broken
                ],
                "streams": [
                    {
                        **_stream_record(of.stream, of.scale.hours),
                        "height": of.height,
                        "effect": of.effect,
                    }
                    for of in page.moved
                ],
            }
            for page in found.pages
        ],
        "rules": [
            {
                "name": of.rule,
                "statistic": of.statistic,
                "threshold": of.threshold,
                "alarms": of.alarms,
                "months": of.months,
                "a_month": of.a_month,
                "low": of.between[0],
                "high": of.between[1],
                "keeps": of.keeps,
            }
            for of in found.rules
        ],
        "visible": [
            {**_stream_record(of.stream, of.hours), "effect": of.effect} for of in found.sights
        ],
    }


def _stream_record(stream: Stream, hours: int) -> dict[str, Any]:
    return {
        "column": stream.column,
        "kind": stream.kind,
        "cohort": dict(zip(stream.dimension, stream.group, strict=True)),
        "hours": hours,
    }


def reference_record(of: Reference) -> dict[str, Any]:
    """Write one training baseline or approved reference, without what it holds."""
    approval = of.approval
    return {
        "model": of.model,
        "id": of.id,
        "kind": of.kind,
        "baseline": of.baseline,
        "accepted_at": _time(of.accepted_at),
        "rows": of.rows,
        "in_force": of.in_force,
        "grids": of.grids,
        "range": None if approval is None else _span(approval.span),
        "days": None if approval is None else approval.days,
        "since": None if approval is None else _time(approval.since),
        "provisional": approval is not None and approval.provisional,
        "note": None if approval is None else approval.note,
    }


def reference_view_record(view: ReferenceView) -> dict[str, Any]:
    """Write one reference with its columns and cohorts."""
    return {
        **reference_record(view.reference),
        "lately": None if view.lately is None else _span(view.lately),
        "columns": [_column_record(of) for of in view.columns],
        "cohorts": [{"cohort": dict(cohort), "rows": rows} for cohort, rows in view.cohorts],
    }


def _column_record(of: ColumnSummary) -> dict[str, Any]:
    grid = of.grid
    named = isinstance(grid, CategoricalGrid)
    return {
        "column": of.column,
        "kind": grid.kind,
        "bins": None if named else grid.values,
        "categories": len(grid.categories) + len(grid.known)
        if isinstance(grid, CategoricalGrid)
        else None,
        "missing_fraction": of.missing,
        "effect": _effect_record(of.effect),
        "lately": _effect_record(of.lately),
    }


def skew_record(found: Skew) -> dict[str, Any]:
    """Write how far the first week is from training, the furthest column first."""
    return {
        "model": found.model,
        "baseline": found.baseline,
        "window": _span(found.span),
        "days": found.days,
        "whole": found.whole,
        "tolerated": TOLERATED,
        "columns": [
            {"column": column, "effect": _effect_record(of), "over": found.over(of)}
            for column, of in found.columns
        ],
        "unknown": list(found.unknown),
    }


def _effect_record(of: Effect | None) -> dict[str, Any] | None:
    if of is None:
        return None
    return {"w": of.effect, "low": of.low, "high": of.high, "n": of.rows}


def drift_records(
    engine: Engine,
    config: Config,
    name: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    column: str | None = None,
    cohort: tuple[tuple[str, str], ...] | None = None,
    width: timedelta | None = None,
    step: timedelta | None = None,
    against: ReferenceKind | Against | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield one record for each window, group and column, oldest first.

    A width wider than the stored one merges stored windows; the last may be partly filled. With a
    step, windows of the width end at every step and overlap; the first is the first full one.

    Windows are compared as rules do that say nothing of it: with what was in force at their end, or
    with what the words of the baseline say. With `against`, all of them are compared with the
    training baseline, with the approved reference that is in force now, or with what was stored
    before them or comes from another version.

    Raises
    ------
    StoreError
        If nothing is stored for the model.
    ConfigError
        If a name is unknown, the width or the step is no multiple of the stored width, or a
        reference is asked for and none is approved, or versions and they are no cohort.
    """
    baseline_id = baselines.current(engine, name)
    extent = results.extent(engine, name)
    if baseline_id is None or extent is None:
        raise StoreError(f"nothing is stored for {name} yet; run: monitor backfill --model {name}")
    baseline = baselines.load(engine, baseline_id)
    stored = config.models[name].window
    width = width or stored
    _check_widths(stored, width, step or width)
    columns = _columns(baseline, column)
    dimensions = _dimensions(baseline, cohort)
    against = against or config.models[name].baseline.against
    _check_against(config.models[name], name, against, width)
    if isinstance(against, Version):
        dimensions = _of_versions(config.models[name], dimensions)
    only = None if cohort is None else tuple(dict(cohort)[name] for name in dimensions[0])
    first, last = _asked_span(start, end, extent, stored)
    span, keep = Window(start=first, end=last), frozenset(columns)
    references: _References | _Past | _Versions
    if isinstance(against, Version):
        references = _Versions(config.models[name], baseline, against)
    elif isinstance(against, Previous | Trailing | Weeks):
        at = floor(first, width)
        beside = Beside(
            engine, name, baseline_id, baseline, dimensions=dimensions, columns=columns,
            against=against, zone=ZoneInfo(config.timezone), width=stored,
            first=Window(start=at, end=at + width), last=span,
        )  # fmt: skip
        references = _Past(beside, baseline, against)
    else:
        references = _References(engine, name, baseline_id, against, stored)
    read = results.together(engine, name, baseline_id, dimensions, span, columns=keep)
    changed = _Changed(results.changes(engine, name, baseline_id, span), baseline)
    found = False
    merged = _merged(read, step or width)
    for window, profiles in merged if step is None else _slid(merged, width, first):
        for reference, named, profile in references.beside(window, profiles):
            for record in _records(
                name,
                reference,
                window,
                profile,
                columns=columns,
                only=only,
                named=named,
                changed=changed,
            ):
                found = True
                yield record
    if only is not None and not found:
        _refuse_unknown(baseline, dimensions[0], only)


class _Changed:
    """Which columns were gone, or came as another type, in which windows."""

    def __init__(self, changes: Mapping[datetime, Changes], baseline: Baseline) -> None:
        self._starts = list(changes)
        self._gone, self._retyped = (
            [counted_of(baseline, columns) for columns in of]
            for of in (
                [each.missing for each in changes.values()],
                [each.retyped for each in changes.values()],
            )
        )

    def why(self, window: Window, column: str) -> str | None:
        """Say why a column has no value in a window, where it had changed in some of it."""
        first, last = (bisect_left(self._starts, at) for at in (window.start, window.end))
        if any(column in of for of in self._gone[first:last]):
            return "the column is gone"
        if any(column in of for of in self._retyped[first:last]):
            return "the column came as another type"
        return None


_Beside = Iterator[tuple[Baseline, dict[str, str], Profile]]  # what, its name, and for which


class _References:
    """References of their own that windows of a model are compared with."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        baseline_id: str,
        against: ReferenceKind | None,
        width: timedelta,
    ) -> None:
        self._engine, self._baseline_id, self._against = engine, baseline_id, against
        self._width = width
        self._approved = () if against == "training" else approvals.of_model(engine, name)
        if against == "reference" and approvals.in_force(self._approved, baseline_id) is None:
            raise ConfigError(
                f"--against reference: none is approved on the baseline of {name}; "
                f"run: monitor baseline accept --model {name} --from T --to T"
            )

    def beside(self, window: Window, profiles: Sequence[Profile]) -> _Beside:
        """Yield what was in force when the last stored window of one began."""
        at = None if self._against == "reference" else window.end - self._width
        found = approvals.in_force(self._approved, self._baseline_id, at)
        if found is None:
            reference = baselines.load(self._engine, self._baseline_id)
            named = {"kind": "training", "id": self._baseline_id}
        else:
            reference = approvals.load(self._engine, found.id)
            named = {"kind": "reference", "id": found.id}
        yield from ((reference, named, profile) for profile in profiles)


class _Past:
    """What was stored before each window."""

    def __init__(self, beside: Beside, baseline: Baseline, against: Against) -> None:
        self._beside, self._baseline = beside, baseline
        self._named = {"kind": str(against).split()[0], "id": str(against)}

    def beside(self, window: Window, profiles: Sequence[Profile]) -> _Beside:
        reference = replace(self._baseline, profiles=tuple(self._beside.at(window)))
        yield from ((reference, self._named, profile) for profile in profiles)


class _Versions:
    """The rows of one version in each window, for the others."""

    def __init__(self, model: Model, baseline: Baseline, against: Version) -> None:
        assert model.log.version is not None
        self._column, self._version, self._baseline = model.log.version, against.name, baseline
        self._named = {"kind": "version", "id": str(against)}

    def beside(self, _: Window, profiles: Sequence[Profile]) -> _Beside:
        for profile in profiles:
            others, same = of_version(profile, self._column, self._version)
            yield replace(self._baseline, profiles=(same,)), self._named, others


def _check_widths(stored: timedelta, width: timedelta, step: timedelta) -> None:
    for flag, given in (("--window", width), ("--step", step)):
        if given % stored:
            raise ConfigError(
                f"{flag} {format_width(given)} is no multiple of the stored {format_width(stored)}"
            )
    if width % step:
        raise ConfigError(
            f"--window {format_width(width)} is no multiple of --step {format_width(step)}"
        )


def _asked_span(
    start: datetime | None,
    end: datetime | None,
    extent: tuple[datetime, datetime],
    width: timedelta,
) -> tuple[datetime, datetime]:
    """Return the span that is asked for; before what is stored there is nothing to look for."""
    first, last = floor(start or extent[0], width), end or extent[1]
    if last <= first:
        raise ConfigError(f"--from {first} does not lie before --to {last}")
    return (max(first, floor(extent[0], width)) if extent[0] < last else first), last


def _check_against(
    model: Model, name: str, against: ReferenceKind | Against | None, width: timedelta
) -> None:
    if isinstance(against, Weeks) and width > WEEK:
        raise ConfigError(
            f"--window {format_width(width)} is wider than the week before; take 7d at most, or "
            "--against previous"
        )
    needed = model.lacks_version(name) if isinstance(against, Version) else None
    if needed is not None:
        raise ConfigError(f"--against {against}: {needed}")


def _of_versions(model: Model, dimensions: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
    """Return the dimensions that versions are told apart in."""
    found = tuple(of for of in dimensions if model.log.version in of)
    if not found:
        raise ConfigError(
            f"--against a version compares versions; name one with --cohort {model.log.version}=…"
        )
    return found


def _columns(baseline: Baseline, column: str | None) -> tuple[str, ...]:
    have = tuple(baseline.plan.grids)
    if column is None:
        return have
    if column not in have:
        raise ConfigError(f"--column {column!r} is none of {', '.join(have)}")
    return (column,)


def _dimensions(
    baseline: Baseline, cohort: tuple[tuple[str, str], ...] | None
) -> tuple[Dimension, ...]:
    have = tuple(part.dimension for part in baseline.profiles)
    if cohort is None:
        return have
    wanted = {name for name, _ in cohort}
    found = tuple(d for d in have if set(d) == wanted)
    if not found:
        known = ", ".join(" × ".join(d) for d in have if d) or "none"
        raise ConfigError(
            f"--cohort {sorted(wanted)} is no cohort of this model; there are {known}"
        )
    return found


def _refuse_unknown(baseline: Baseline, dimension: Dimension, group: Group) -> None:
    known = baseline.along(dimension).groups
    if group not in known:
        names = ["×".join(values) for values in known]
        near = get_close_matches("×".join(group), names, n=1) or names[:MOST_NAMED]
        raise ConfigError(
            f"--cohort {' × '.join(dimension)} = {' × '.join(group)} has rows neither here nor in "
            f"the baseline; there is {', '.join(near)}"
        )


def _merged(
    stored: Iterator[list[results.StoredProfile]], width: timedelta
) -> Iterator[tuple[Window, list[Profile]]]:
    """Merge consecutive windows that lie on the same tick of `width`, each dimension by itself."""
    for start, parts in groupby(stored, key=lambda of: floor(of[0].window.start, width)):
        of_dimension: dict[Dimension, list[Profile]] = {}
        for part in chain.from_iterable(parts):
            of_dimension.setdefault(part.profile.dimension, []).append(part.profile)
        window = Window(start=start, end=start + width)
        yield window, [p[0] if len(p) == 1 else merge(p) for p in of_dimension.values()]


def _slid(
    merged: Iterator[tuple[Window, list[Profile]]], width: timedelta, first: datetime
) -> Iterator[tuple[Window, list[Profile]]]:
    """Merge what lies in the `width` that ends with each step, each dimension by itself."""
    sliding: dict[Dimension, Sliding] = {}
    for step, profiles in merged:
        window = Window(start=step.end - width, end=step.end)
        found = [
            sliding.setdefault(part.dimension, Sliding(width)).push(step, part) for part in profiles
        ]
        if window.start >= first:
            yield window, found


def _records(
    name: str,
    baseline: Baseline,
    window: Window,
    profile: Profile,
    *,
    columns: Sequence[str],
    only: Group | None,
    named: dict[str, str],
    changed: _Changed,
) -> Iterator[dict[str, Any]]:
    part = baseline.along(profile.dimension)
    keep = [i for i, group in enumerate(profile.groups) if only is None or group == only]
    if not keep:
        return
    places = [position(part, profile.groups[i]) for i in keep]
    for column in columns:
        grid = baseline.plan.grids[column]
        found = profile.columns.get(column)
        if found is None:
            continue
        against = part.columns[column].counts
        nothing = np.zeros(grid.bins, np.int64)
        y = np.array([against[p] if p is not None else nothing for p in places])
        x = found.counts[keep]
        distances = compare(grid, x, y)
        short = ks_shortfall(grid, x, y) if isinstance(grid, NumericGrid) else None
        std = None if found.moments is None else found.moments.std()
        for row, i in enumerate(keep):
            has_values = bool(x[row, : grid.values].any())
            yield {
                "model": name,
                "window": _span(window),
                "against": named,
                "cohort": dict(zip(profile.dimension, profile.groups[i], strict=True)),
                "column": column,
                "kind": grid.kind,
                "n": int(x[row].sum()),
                "n_baseline": int(y[row].sum()),
                "missing_fraction": _missing(grid, x[row]),
                "mean": _number(found.moments.mean[i], known=int(found.moments.n[i]) > 0)
                if found.moments is not None
                else None,
                "std": None if std is None else _number(std[i]),
                "statistics": {
                    statistic: {
                        "distance": _number(distances[statistic].distance[row]),
                        "p": _optional(distances[statistic].p, row),
                        "no_drift": _optional(distances[statistic].no_drift, row),
                        "effect": _optional(distances[statistic].effect, row),
                    }
                    for statistic in STATISTICS
                },
                "ks_shortfall": _optional(short, row),
                **_why(
                    grid,
                    x[row],
                    y[row],
                    named["kind"],
                    None if has_values else changed.why(window, column),
                ),
            }


def _why(
    grid: Grid,
    x: np.ndarray[Any, Any],
    y: np.ndarray[Any, Any],
    kind: str,
    changed: str | None,
) -> dict[str, str]:
    """Say why the distances are null, where they are."""
    if not x[: grid.values].any():
        return {"reason": changed or "no rows with a value in this window"}
    if not y[: grid.values].any():
        own = kind in ("training", "reference")
        return {"reason": "no rows with a value in the baseline" if own else TOO_LITTLE}
    return {}


def _missing(grid: Grid, counts: np.ndarray[Any, Any]) -> float | None:
    total = int(counts.sum())
    return int(counts[grid.missing]) / total if total else None


def _optional(values: np.ndarray[Any, Any] | None, row: int) -> float | None:
    return None if values is None else _number(values[row])


def _number(value: float, *, known: bool = True) -> float | None:
    return float(value) if known and math.isfinite(value) else None


def _span(window: Window) -> dict[str, str | None]:
    return {"start": _time(window.start), "end": _time(window.end)}


def _time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")

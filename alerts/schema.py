"""Deciding on the columns of a log: from what a window shows of them to one incident of their own.

A column that is gone, whose values are of another type, or that is new is a fact of the log, not a
distance, so it neither waits for nor hides what moved in the other columns. Pure, as all deciding.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from alerts.changed import MISSING, NEW, RULES, TYPE, listing
from alerts.incident import (
    PERSISTENT,
    QUIET_WINDOWS,
    Change,
    ColumnChange,
    Incident,
    IncidentStream,
    SchemaState,
    Transition,
    incident_id,
    lasting_of,
    resolved_of,
)
from alerts.rules import SCHEMA
from profiles.windows import Window

KIND = "schema"
MOST_KNOWN = 1_000  # new columns that are remembered as told; later ones are not told any more
RULE_OF: Mapping[Change, str] = {"missing": MISSING, "type": TYPE, "new": NEW}


@dataclass(frozen=True, kw_only=True)
class ColumnsSeen:
    """What a window with rows shows of its columns, by what is to become of each.

    Attributes
    ----------
    rows : int
        Of the window.
    frozen, accepted : mapping from ColumnChange to str
        What opens an incident and what is told once, each with what became of the column, as
        `alerts.changed.label` says it.
    unsure : frozenset of ColumnChange
        What the window leaves open.
    """

    rows: int
    frozen: Mapping[ColumnChange, str] = field(default_factory=dict)
    accepted: Mapping[ColumnChange, str] = field(default_factory=dict)
    unsure: frozenset[ColumnChange] = frozenset()


def after(
    *, model: str, window: Window, state: SchemaState, seen: ColumnsSeen | None
) -> tuple[SchemaState, tuple[Incident, ...], tuple[Transition, ...]]:
    """Return the state after a window, the incident if it is open or ended, and the transitions.

    The first window in which a column has changed opens the incident; columns that change later
    join it, each with a message. It ends when each of them was as the baseline has it for three
    windows in a row; where that cannot be told, a window does not count. What the first window of
    all has beside the baseline's columns is as it is, and no news. A new column is new once.
    """
    if seen is None:
        return state, (() if state.incident is None else (state.incident,)), ()
    known = state.accepted
    if not state.begun:
        known |= {of for of in (*seen.frozen, *seen.accepted) if of.change == "new"}
    frozen = {of: label for of, label in seen.frozen.items() if of not in _new(known)}
    told: list[Transition] = []
    incident, quiet = state.incident, dict(state.quiet)
    if incident is not None:
        quiet = {of: _quiet(of, n, frozen, seen.unsure) for of, n in quiet.items()}
        incident, told = _continued(incident, frozen, quiet, seen, at=window.end)
    elif frozen:
        incident, told = _opened(model, window, frozen, seen)
    ended = incident is None or incident.resolved is not None
    if ended:
        known |= _new(quiet)  # a new column that comes and goes is new once
        quiet = {}
    else:
        quiet |= dict.fromkeys(frozen, 0)
    fresh = {of: label for of, label in seen.accepted.items() if of not in known}
    room = MOST_KNOWN - len(_new(known))
    kept = set(sorted(_new(fresh))[: max(0, room)])
    fresh = {of: label for of, label in fresh.items() if of.change != "new" or of in kept}
    if fresh:
        told.append(_accepted(model, window.end, fresh, seen.rows))
    accepted = frozenset(
        of
        for of in known | fresh.keys()
        if of.change == "new" or of in seen.accepted or of in seen.unsure
    )
    state = SchemaState(
        incident=None if ended else incident,
        quiet=MappingProxyType(quiet),
        accepted=accepted,
        begun=True,
    )
    return state, (() if incident is None else (incident,)), tuple(told)


def _new(of: Collection[ColumnChange]) -> frozenset[ColumnChange]:
    return frozenset(each for each in of if each.change == "new")


def _quiet(
    of: ColumnChange,
    windows: int,
    frozen: Collection[ColumnChange],
    unsure: Collection[ColumnChange],
) -> int:
    if of in frozen:
        return 0
    return windows if of in unsure else windows + 1


def _opened(
    model: str, window: Window, frozen: Mapping[ColumnChange, str], seen: ColumnsSeen
) -> tuple[Incident, list[Transition]]:
    streams = _streams(frozen, seen.rows, window.end)
    incident = Incident(
        id=incident_id(model=model, kind=KIND, opened=window.end),
        model=model,
        kind=KIND,
        opened=window.end,
        since=window.start,
        state="firing",
        resolved=None,
        streams=streams,
        reason="the columns of the log are not those of the baseline",
    )
    fired = Transition.of(
        model=model,
        incident=incident.id,
        at=window.end,
        before="ok",
        after="firing",
        reason=incident.reason,
        text=f"{listing(streams)}, firing",
        notify=True,
    )
    return incident, [fired]


def _continued(
    incident: Incident,
    frozen: Mapping[ColumnChange, str],
    quiet: Mapping[ColumnChange, int],
    seen: ColumnsSeen,
    *,
    at: datetime,
) -> tuple[Incident, list[Transition]]:
    told: list[Transition] = []
    joined = {of: label for of, label in frozen.items() if of not in quiet}
    if joined:
        streams = _streams(joined, seen.rows, at)
        told.append(
            Transition.of(
                model=incident.model,
                incident=incident.id,
                at=at,
                before=incident.state,
                after=incident.state,
                reason=incident.reason,
                text=listing(streams, too=" too"),
                notify=True,
            )
        )
        incident = replace(incident, streams=_in_order((*incident.streams, *streams)))
    elif min(quiet.values(), default=QUIET_WINDOWS) >= QUIET_WINDOWS:
        reason = f"no column differs in {QUIET_WINDOWS} windows in a row"
        incident, resolved = resolved_of(incident, at=at, reason=reason)
        return incident, [resolved]
    if incident.state == "firing" and at - incident.opened >= PERSISTENT:
        incident, lasting = lasting_of(incident, at=at)
        told.append(lasting)
    return incident, told


def _accepted(model: str, at: datetime, fresh: Mapping[ColumnChange, str], rows: int) -> Transition:
    """Tell what the configuration accepts; nobody is paged, and the model stays as it is."""
    return Transition.of(
        of="accepted",
        model=model,
        at=at,
        before="ok",
        after="ok",
        reason="accepted, for its schema is to evolve",
        text=listing(_streams(fresh, rows, at)),
    )


def _streams(of: Mapping[ColumnChange, str], rows: int, at: datetime) -> tuple[IncidentStream, ...]:
    return _in_order(
        IncidentStream(
            column=each.column,
            cohort=(),
            rule=RULE_OF[each.change],
            statistic=SCHEMA,
            value=1.0,  # it has no distance
            threshold=1.0,
            n=rows,
            now=None,
            was=None,
            label=label,
            joined=at,
        )
        for each, label in of.items()
    )


def _in_order(streams: Iterable[IncidentStream]) -> tuple[IncidentStream, ...]:
    return tuple(sorted(streams, key=lambda s: (RULES.index(s.rule), s.column)))

"""Deciding: from what the rules saw in one window to incidents and transitions.

Pure: the same state and readings give the same decision, in any order of the readings, so that a
decision can be replayed from any window whose state was kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

import numpy as np

from alerts import moved
from alerts.errors import DuplicateReading, OutOfOrder, UnknownRule
from alerts.incident import (
    PERSISTENT,
    QUIET_WINDOWS,
    Incident,
    IncidentStream,
    State,
    Streak,
    Transition,
    TransitionState,
    incident_id,
    lasting_of,
    ranked,
    resolved_of,
)
from alerts.rules import CHECK, UNCLEAR, Readings, Rule, StreamKey
from alerts.schema import ColumnsSeen
from alerts.schema import after as schema_after
from profiles.windows import Window

KIND = "drift"
QUIET_RATIO = 0.9  # a stream at its threshold must not open and close an incident by turns

Streaks = Mapping[StreamKey, Streak]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What one window changed."""

    state: State
    incidents: tuple[Incident, ...]  # that are new or have changed
    transitions: tuple[Transition, ...]  # in order


def decide(
    *,
    model: str,
    window: Window,
    rules: Sequence[Rule],
    readings: Sequence[Readings],
    state: State,
    columns: ColumnsSeen | None = None,
) -> Decision:
    """Decide one window of one model.

    A stream is beyond where its value is over its threshold, and quiet under 90 % of it; where
    the value is unknown or the rows too few it is neither, and its row of windows goes on.
    A rule opens an incident once a stream has been beyond for ``rule.windows`` windows in a row.
    While it is open, further streams join it after as many; it ends when each that joined has
    been quiet for ``max(rule.windows, 3)`` windows in a row. After a week it is *persistent*: its
    columns are set aside, so that something else can open another.

    Parameters
    ----------
    model
        Name of the model.
    window
        The window that ends the spans the rules judged. Must come after the last decided one.
    rules
        All rules of the model. A stream whose rule is gone is forgotten.
    readings
        At most one of each rule, in any order.
    state
        What the decision of the window before gave.
    columns
        What the window shows of the columns of the log, which have an incident of their own, as
        `alerts.schema` says; None where it shows nothing. What rules see of those that are gone
        or of another type is unknown while that incident is open.

    Raises
    ------
    OutOfOrder
        If the window does not come after the last decided one.
    UnknownRule
        If a reading names a rule that was not given.
    DuplicateReading
        If a rule was read twice, or a stream by one rule.
    """
    if state.at is not None and window.end <= state.at:
        raise OutOfOrder(f"{model}: window to {window.end} is not after {state.at}, decided before")
    by_name = {rule.name: rule for rule in rules}
    seen = _by_rule(readings, by_name)
    schema, changed, told_schema = schema_after(
        model=model, window=window, state=state.schema, seen=columns
    )
    hidden = state.schema.columns | schema.columns
    streaks = _advance(state, seen, by_name, window, hidden)
    every = [
        stream
        for of in seen.values()
        for stream in _streams(of, window.end)
        if not _is_hidden(stream.column, hidden)
    ]
    aside, told_aside = _set_aside(state, every, streaks, by_name, at=window.end)
    beyond = [s for s in every if not state.is_aside(s.key)]
    ripe = [s for s in beyond if streaks[s.key].beyond >= by_name[s.rule].windows]

    if state.incident is not None:
        incident, told = _continued(
            incident=state.incident,
            ripe=ripe,
            beyond=beyond,
            streaks=streaks,
            rules=by_name,
            at=window.end,
        )
        if incident.resolved is None and window.end - incident.opened >= PERSISTENT:
            incident, lasting = lasting_of(incident, at=window.end)
            told = (*told, lasting)
    elif ripe:
        incident, told = _opened(
            model=model, at=window.end, ripe=ripe, streaks=streaks, rules=by_name
        )
    else:
        incident, told = None, ()

    found = [*aside, *([] if incident is None else [incident])]
    still_open = [of for of in found if of.resolved is None]
    known = {before.id: before for before in state.open}
    found += changed
    after = State(
        at=window.end,
        streaks=_kept(streaks, still_open),
        incident=next((of for of in still_open if of.state == "firing"), None),
        persistent=tuple(of for of in still_open if of.state == "persistent"),
        schema=schema,
    )
    return Decision(
        state=after,
        incidents=tuple(of for of in found if of != known.get(of.id)),
        transitions=(
            *told_aside,
            *_in_order(model, state.name, after, beyond, told),
            *told_schema,
        ),
    )


def _by_rule(readings: Sequence[Readings], rules: Mapping[str, Rule]) -> dict[str, Readings]:
    seen: dict[str, Readings] = {}
    for of in readings:
        name = of.rule.name
        if name not in rules:
            raise UnknownRule(f"a reading names rule {name!r}, not given")
        if name in seen or len(set(of.streams)) < len(of.streams):
            raise DuplicateReading(f"a stream was read twice for rule {name!r}")
        seen[name] = of
    return seen


def _advance(
    state: State,
    seen: Mapping[str, Readings],
    rules: Mapping[str, Rule],
    window: Window,
    hidden: Collection[str],
) -> dict[StreamKey, Streak]:
    """Go on with the rows of windows of the streams that have one, and begin those of others."""
    streaks = {k: s for k, s in state.streaks.items() if k.rule in rules}
    watched = {*streaks, *(stream.key for of in state.open for stream in of.streams)}
    for of in seen.values():
        place = {key: at for at, key in enumerate(of.streams)}
        judged, beyond = of.judged, of.beyond
        for key in (key for key in watched if key.rule == of.rule.name):
            if _is_hidden(key.column, hidden):
                continue
            at = place.get(key)
            if at is None:
                quiet = True if of.complete else None
            elif judged[at] and not beyond[at]:
                quiet = bool(of.value[at] < QUIET_RATIO * of.rule.threshold)
            else:
                quiet = None
            if quiet is not None:
                before = streaks.get(key, Streak())
                streaks[key] = Streak(quiet=before.quiet + 1 if quiet else 0)
        for at in np.flatnonzero(beyond).tolist():
            if _is_hidden(of.streams[at].column, hidden):
                continue
            before = streaks.get(of.streams[at], Streak())
            first = before.since or window.end - of.rule.over
            streaks[of.streams[at]] = Streak(beyond=before.beyond + 1, since=first)
    return streaks


def _is_hidden(column: str, hidden: Collection[str]) -> bool:
    """Whether a column, or the one it is derived of, is in the incident of the log's columns."""
    return column in hidden or column.rpartition(".")[0] in hidden


def _opened(
    *,
    model: str,
    at: datetime,
    ripe: Sequence[IncidentStream],
    streaks: Streaks,
    rules: Mapping[str, Rule],
) -> tuple[Incident, tuple[Transition, ...]]:
    streams = ranked(ripe)
    worst = streams[0]
    incident = Incident(
        id=incident_id(model=model, kind=KIND, opened=at),
        model=model,
        kind=KIND,
        opened=at,
        since=streaks[worst.key].since or at,
        state="firing",
        resolved=None,
        streams=streams,
        reason=moved.opened_reason(worst, rule=worst.rule, windows=rules[worst.rule].windows),
    )
    fired = Transition.of(
        model=model,
        incident=incident.id,
        at=at,
        before="pending",
        after="firing",
        reason=incident.reason,
        text=f"{moved.title(streams)}, firing",
        notify=True,
    )
    return incident, (fired,)


def _set_aside(
    state: State,
    beyond: Sequence[IncidentStream],
    streaks: Streaks,
    rules: Mapping[str, Rule],
    *,
    at: datetime,
) -> tuple[list[Incident], list[Transition]]:
    """Go on with the persistent incidents, each with what moves in its columns."""
    found: list[Incident] = []
    told: list[Transition] = []
    for incident in state.persistent:
        columns = {s.column for s in incident.streams}
        own = [s for s in beyond if s.column in columns and state.is_aside(s.key)]
        ripe = [s for s in own if streaks[s.key].beyond >= rules[s.rule].windows]
        incident, transitions = _continued(  # noqa: PLW2901 - as it is after the window
            incident=incident, ripe=ripe, beyond=own, streaks=streaks, rules=rules, at=at
        )
        found.append(incident)
        told += transitions
    return found, told


def _continued(
    *,
    incident: Incident,
    ripe: Sequence[IncidentStream],
    beyond: Sequence[IncidentStream],
    streaks: Streaks,
    rules: Mapping[str, Rule],
    at: datetime,
) -> tuple[Incident, tuple[Transition, ...]]:
    known = {s.key for s in incident.streams}
    joined = [s for s in ripe if s.key not in known]
    told: list[Transition] = []
    grown = replace(incident, streams=ranked([*_at_worst(incident, beyond), *joined]))
    if joined:
        # A cohort of a column that moved before is no news to wake anybody for.
        new_columns = {s.column for s in joined} - {s.column for s in incident.streams}
        worsened = Transition.of(
            model=incident.model,
            incident=incident.id,
            at=at,
            before=incident.state,
            after=incident.state,
            reason=moved.pending_reason(ranked(joined)[0]),
            text=moved.joined_text(joined, known=incident.streams),
            notify=bool(new_columns) or any(s.statistic == CHECK for s in joined),
        )
        told.append(worsened)
    quiet = _quiet_for(grown, streaks, rules)
    if quiet is not None:
        reason = moved.resolved_reason(quiet) if quiet else "its rules are gone"
        grown, resolved = resolved_of(grown, at=at, reason=reason)
        told.append(resolved)
    return grown, tuple(told)


def _at_worst(incident: Incident, beyond: Sequence[IncidentStream]) -> Iterator[IncidentStream]:
    now = {s.key: s for s in beyond}
    for stream in incident.streams:
        latest = now.get(stream.key, stream)
        yield replace(latest, joined=stream.joined) if latest.ratio > stream.ratio else stream


def _quiet_for(incident: Incident, streaks: Streaks, rules: Mapping[str, Rule]) -> int | None:
    """Return for how many windows all was quiet, 0 if no rule judges it any more, else None."""
    asked = 0
    for stream in incident.streams:
        if stream.rule not in rules:
            continue
        rule = rules[stream.rule]
        windows = rule.quiet or max(rule.windows, QUIET_WINDOWS)
        if streaks.get(stream.key, Streak()).quiet < windows:
            return None
        asked = max(asked, windows)
    return asked


def _kept(streaks: Streaks, incidents: Iterable[Incident]) -> Streaks:
    joined = {s.key for incident in incidents for s in incident.streams}
    return MappingProxyType({k: s for k, s in streaks.items() if s.beyond or k in joined})


def _in_order(
    model: str,
    before: TransitionState,
    after: State,
    beyond: Sequence[IncidentStream],
    told: tuple[Transition, ...],
) -> tuple[Transition, ...]:
    assert after.at is not None
    fired = any(t.before == "pending" for t in told)
    ended = any(t.after in {"resolved", "persistent"} for t in told)
    if fired and before == "ok":  # a rule of a single window still passes through pending
        return (_pending(model, after.at, beyond), *told)
    if after.name == "pending" and (before == "ok" or ended):
        return (*told, _pending(model, after.at, beyond))
    if after.name == "ok" and before == "pending":
        calmed = Transition.of(
            model=model,
            at=after.at,
            before="pending",
            after="ok",
            reason="no stream is beyond its threshold any more",
            text="back to normal before an incident opened",
        )
        return (calmed,)
    return told


def _pending(model: str, at: datetime, beyond: Sequence[IncidentStream]) -> Transition:
    streams = ranked(beyond)
    # With none, the row of windows began earlier, and this window could not be judged.
    reason = moved.pending_reason(streams[0]) if streams else "beyond when last judged"
    return Transition.of(
        model=model,
        at=at,
        before="ok",
        after="pending",
        reason=reason,
        text=f"{moved.title(streams)}, pending" if streams else "pending",
    )


def _streams(of: Readings, at: datetime) -> Iterator[IncidentStream]:
    """Yield the streams beyond the threshold."""
    for row in np.flatnonzero(of.beyond).tolist():
        moved = of.moved.get(row, UNCLEAR)
        yield IncidentStream(
            column=of.streams[row].column,
            cohort=of.streams[row].cohort,
            rule=of.rule.name,
            statistic=of.rule.statistic,
            value=float(of.value[row]),
            threshold=of.rule.threshold,
            n=int(of.n[row]),
            now=moved.now,
            was=moved.was,
            label=moved.label,
            joined=at,
            effect=moved.effect,
            low=moved.low,
            high=moved.high,
            mix=moved.mix,
            mix_of=moved.mix_of,
        )

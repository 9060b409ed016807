"""The monitor's own incident: a model's log could not be read, so nothing is known of it.

It is told like any other, and is no part of what drift is decided on: it goes by the wall clock,
not by windows, and no replay of decisions touches it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerts.incident import Incident, Transition, incident_id, resolved_of
from alerts.text import Span, Spans, duration, moment, name, place

KIND = "monitor"
TITLE = "The monitor is blind"
MOST_WHY = 300  # characters of a reason


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Why a model's log, or its windows, cannot be read, and since when."""

    since: datetime
    why: str


def decide(
    *,
    model: str,
    trouble: Trouble | None,
    incident: Incident | None,
    after: timedelta,
    now: datetime,
) -> tuple[Incident, Transition] | None:
    """Open the incident of a model that is in trouble for long, or end the one that is open.

    Parameters
    ----------
    model
        Name of the model.
    trouble
        None where all can be read.
    incident
        The one that is open.
    after
        How long trouble may last before anybody is told.
    now
        The time of the change, should there be one.
    """
    if incident is not None:
        if trouble is not None and trouble.since == incident.since:
            return None
        return _resolved(incident, now)
    if trouble is None or now - trouble.since < after:
        return None
    return _opened(model, trouble, now)


def sentence(incident: Incident, *, timezone: str) -> Spans:
    """Say since when nothing is known, and why."""
    spans = [
        Span("Since "),
        Span(moment(incident.since, timezone), strong=True),
        Span(f" ({place(timezone)}) the rows of {name(incident.model)} could not be read"),
        Span(f": {incident.reason}."),
    ]
    if incident.resolved is None:
        spans.append(Span(" What happens there is unknown; what is missed is read in order later."))
    else:
        spans += [
            Span(" They can be read again since "),
            Span(moment(incident.resolved, timezone), strong=True),
            Span(f", after {duration(incident.resolved - incident.since)}."),
        ]
    return tuple(spans)


def _opened(model: str, trouble: Trouble, now: datetime) -> tuple[Incident, Transition]:
    incident = Incident(
        id=incident_id(model=model, kind=KIND, opened=trouble.since),
        model=model,
        kind=KIND,
        opened=now,
        since=trouble.since,
        state="firing",
        resolved=None,
        streams=(),
        reason=_in_short(trouble.why),
    )
    transition = Transition.of(
        model=model,
        incident=incident.id,
        at=now,
        before="ok",
        after="firing",
        reason=incident.reason,
        text=f"{TITLE}, firing",
        notify=True,
    )
    return incident, transition


def _resolved(incident: Incident, now: datetime) -> tuple[Incident, Transition]:
    resolved, told = resolved_of(incident, at=now, reason="its rows can be read again")
    return replace(resolved, reason=incident.reason), told  # its sentence says why they could not


def _in_short(why: str) -> str:
    clean = " ".join(why.split()).rstrip(".")
    return clean if len(clean) <= MOST_WHY else clean[: MOST_WHY - 1].rstrip() + "…"

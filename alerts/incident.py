"""Incidents, the streams that joined them, and the state from which the next window is decided."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

from alerts.errors import BadRecord
from alerts.rules import NEVER_BEFORE, Cohort, StreamKey

IncidentState = Literal["firing", "persistent", "resolved"]
Change = Literal["missing", "type", "new"]
TransitionState = Literal["ok", "pending", "firing", "persistent", "resolved"]

QUIET_WINDOWS = 3  # an incident ends no sooner than this, however short its rule
PERSISTENT = timedelta(days=7)  # an incident that is open for so long is set aside
_VERSION = 3
_LATER = ("effect", "low", "high", "mix", "mix_of")  # what the first records of streams lack


@dataclass(frozen=True, kw_only=True)
class IncidentStream:
    """A stream that joined an incident, at its worst while the incident is open."""

    column: str
    cohort: Cohort
    rule: str
    statistic: str
    value: float
    threshold: float
    n: int
    now: float | None
    was: float | None
    label: str
    joined: datetime  # end of the window in which it joined
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    mix: float | None = None
    mix_of: str = ""

    @cached_property
    def key(self) -> StreamKey:
        return StreamKey(rule=self.rule, column=self.column, cohort=self.cohort)

    @property
    def ratio(self) -> float:
        return self.value / self.threshold


@dataclass(frozen=True, kw_only=True)
class Incident:
    """A span in which one model was beyond normal; a model has at most one of a kind that fires."""

    id: str
    model: str
    kind: str = "drift"  # or "schema"
    opened: datetime  # end of the window that opened it
    since: datetime  # start of the span the opening rule judged on
    state: IncidentState
    resolved: datetime | None  # end of the window that resolved it
    streams: tuple[IncidentStream, ...]  # worst first
    reason: str


@dataclass(frozen=True, kw_only=True)
class Transition:
    """A change of a model's or an incident's state, or streams that joined (firing → firing)."""

    id: str
    incident_id: str | None  # None while nothing has opened: ok → pending, pending → ok
    model: str
    at: datetime  # end of the window that was decided
    before: TransitionState
    after: TransitionState
    reason: str
    text: str
    notify: bool  # whether people are told; else it is only kept in the timeline

    @classmethod
    def of(
        cls,
        *,
        model: str,
        incident: str | None = None,
        at: datetime,
        before: TransitionState,
        after: TransitionState,
        reason: str,
        text: str,
        notify: bool = False,
        of: str = "transition",
    ) -> Transition:
        """Make a transition with its name, which is the same whenever it is decided again.

        Of one `of` an incident, or where there is none the model, enters a state once a window.
        """
        return cls(
            id=_digest(of, incident or model, _time(at), after),
            incident_id=incident,
            model=model,
            at=at,
            before=before,
            after=after,
            reason=reason,
            text=text,
            notify=notify,
        )

    @property
    def worsened(self) -> bool:
        return self.before == "firing" and self.after == "firing"


@dataclass(frozen=True, kw_only=True)
class Streak:
    """How many windows in a row a stream was beyond its threshold, or quiet.

    Windows in which the stream is unknown neither count nor break a row.
    """

    beyond: int = 0
    quiet: int = 0
    since: datetime | None = None  # start of the span judged in the first window beyond


@dataclass(frozen=True, kw_only=True, order=True)
class ColumnChange:
    """A column that is gone (*missing*), whose values are of another *type*, or that is *new*."""

    change: Change
    column: str


@dataclass(frozen=True, kw_only=True)
class SchemaState:
    """What later windows need to know of the columns of a log.

    Attributes
    ----------
    incident : Incident or None
        That is open.
    quiet : mapping from ColumnChange to int
        Of the changes that joined it: in how many windows in a row they were not seen.
    accepted : frozenset of ColumnChange
        Told already, and the columns beside the baseline's that the first window had.
    begun : bool
        Whether a window with rows has been decided.
    """

    incident: Incident | None = None
    quiet: Mapping[ColumnChange, int] = field(default_factory=lambda: MappingProxyType({}))
    accepted: frozenset[ColumnChange] = frozenset()
    begun: bool = False

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the open incident of which nothing is known."""
        return frozenset(of.column for of in self.quiet if of.change != "new")

    def to_record(self) -> dict[str, Any]:
        """Turn the state into plain JSON values."""
        return {
            "incident": None if self.incident is None else incident_record(self.incident),
            "quiet": [[of.change, of.column, n] for of, n in sorted(self.quiet.items())],
            "accepted": [[of.change, of.column] for of in sorted(self.accepted)],
            "begun": self.begun,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> SchemaState:
        """Read what `to_record` made."""
        incident = record["incident"]
        return cls(
            incident=None if incident is None else incident_from(incident),
            quiet=MappingProxyType(
                {ColumnChange(change=of, column=column): n for of, column, n in record["quiet"]}
            ),
            accepted=frozenset(
                ColumnChange(change=of, column=column) for of, column in record["accepted"]
            ),
            begun=record["begun"],
        )


@dataclass(frozen=True, kw_only=True)
class State:
    """All that a decision needs to know of earlier windows of one model.

    Only streams that are beyond, or have joined an open incident, have a streak.
    """

    at: datetime | None = None  # end of the last decided window
    streaks: Mapping[StreamKey, Streak] = field(default_factory=lambda: MappingProxyType({}))
    incident: Incident | None = None  # that fires
    persistent: tuple[Incident, ...] = ()  # still open, and set aside; oldest first
    schema: SchemaState = field(default_factory=SchemaState)

    @property
    def open(self) -> tuple[Incident, ...]:
        """Every incident that is open, of whatever kind."""
        others = (self.incident, self.schema.incident)
        return (*self.persistent, *(of for of in others if of is not None))

    @property
    def aside(self) -> frozenset[str]:
        """The columns of persistent incidents, which open no other."""
        return frozenset(s.column for incident in self.persistent for s in incident.streams)

    def is_aside(self, key: StreamKey) -> bool:
        """Whether a stream opens no incident; a fact does, but the one that is known."""
        if key.rule == NEVER_BEFORE:
            return any(key == s.key for incident in self.persistent for s in incident.streams)
        return key.column in self.aside

    @property
    def name(self) -> Literal["ok", "pending", "firing"]:
        if self.incident is not None:
            return "firing"
        return "pending" if any(s.beyond for s in self._fresh) else "ok"

    @property
    def since(self) -> datetime | None:
        """Start of the firing or pending state; None while all is ok."""
        if self.incident is not None:
            return self.incident.since
        return min((s.since for s in self._fresh if s.since is not None), default=None)

    @property
    def _fresh(self) -> list[Streak]:
        return [streak for key, streak in self.streaks.items() if not self.is_aside(key)]

    def to_json(self) -> str:
        """Write the state; equal states give equal text."""
        return _dump(
            {
                "version": _VERSION,
                "at": _time(self.at),
                "streaks": [
                    [*_plain_key(key), streak.beyond, streak.quiet, _time(streak.since)]
                    for key, streak in sorted(self.streaks.items())
                ],
                "incident": None if self.incident is None else incident_record(self.incident),
                "persistent": [incident_record(incident) for incident in self.persistent],
                "schema": self.schema.to_record(),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> State:
        """Read what `to_json` wrote.

        Raises
        ------
        BadRecord
            If the text is no state, or was written by a newer version.
        """
        try:
            record = json.loads(text)
            if record["version"] > _VERSION:
                raise BadRecord(
                    f"state of version {record['version']} was written by a newer program; "
                    f"this one reads up to {_VERSION}"
                )
            incident = record["incident"]
            return cls(
                at=_parse(record["at"]),
                streaks=MappingProxyType(
                    {
                        StreamKey(rule=rule, column=column, cohort=_cohort(cohort)): Streak(
                            beyond=beyond, quiet=quiet, since=_parse(since)
                        )
                        for rule, column, cohort, beyond, quiet, since in record["streaks"]
                    }
                ),
                incident=None if incident is None else incident_from(incident),
                persistent=tuple(map(incident_from, record.get("persistent", ()))),
                schema=SchemaState.from_record(record["schema"])
                if "schema" in record
                else SchemaState(),
            )
        except (KeyError, TypeError, ValueError) as e:
            if isinstance(e, BadRecord):
                raise
            raise BadRecord(f"stored alert state cannot be read ({type(e).__name__})") from None


def incident_id(*, model: str, kind: str, opened: datetime) -> str:
    """Name an incident by model, kind and the end of its opening window, always the same."""
    return _digest("incident", model, kind, _time(opened))


def lasting_of(incident: Incident, *, at: datetime) -> tuple[Incident, Transition]:
    """Set an incident aside: it stays open, and what moved in it opens no other."""
    persistent = replace(incident, state="persistent")
    transition = Transition.of(
        model=incident.model,
        incident=incident.id,
        at=at,
        before="firing",
        after="persistent",
        reason=f"open for {PERSISTENT.days} days",
        text=f"persistent after {PERSISTENT.days} days; what moved is set aside",
    )
    return persistent, transition


def resolved_of(incident: Incident, *, at: datetime, reason: str) -> tuple[Incident, Transition]:
    """End an incident, and tell people."""
    resolved = replace(incident, state="resolved", resolved=at, reason=reason)
    transition = Transition.of(
        model=incident.model,
        incident=incident.id,
        at=at,
        before=incident.state,
        after="resolved",
        reason=reason,
        text="resolved",
        notify=True,
    )
    return resolved, transition


def ranked(streams: Iterable[IncidentStream]) -> tuple[IncidentStream, ...]:
    """Order streams worst first, facts before distances, and by name where equally bad."""
    return tuple(sorted(streams, key=lambda s: (s.statistic != "check", -s.ratio, s.key)))


def incident_record(incident: Incident) -> dict[str, Any]:
    """Turn an incident into plain JSON values."""
    return {
        "id": incident.id,
        "model": incident.model,
        "kind": incident.kind,
        "opened": _time(incident.opened),
        "since": _time(incident.since),
        "state": incident.state,
        "resolved": _time(incident.resolved),
        "reason": incident.reason,
        "streams": [stream_record(s) for s in incident.streams],
    }


def incident_from(record: Mapping[str, Any]) -> Incident:
    """Read what `incident_record` made."""
    return Incident(
        **{k: record[k] for k in ("id", "model", "kind", "state", "reason")},
        opened=_required(record["opened"]),
        since=_required(record["since"]),
        resolved=_parse(record["resolved"]),
        streams=tuple(map(stream_from, record["streams"])),
    )


def stream_record(stream: IncidentStream) -> dict[str, Any]:
    """Turn a stream into plain JSON values."""
    return {
        "column": stream.column,
        "cohort": [list(part) for part in stream.cohort],
        "rule": stream.rule,
        "statistic": stream.statistic,
        "value": stream.value,
        "threshold": stream.threshold,
        "n": stream.n,
        "now": stream.now,
        "was": stream.was,
        "label": stream.label,
        "joined": _time(stream.joined),
        **{key: getattr(stream, key) for key in _LATER},
    }


def stream_from(record: Mapping[str, Any]) -> IncidentStream:
    """Read what `stream_record` made."""
    plain = ("column", "rule", "statistic", "value", "threshold", "n", "now", "was", "label")
    return IncidentStream(
        **{k: record[k] for k in plain},
        **{key: record[key] for key in _LATER if key in record},
        cohort=_cohort(record["cohort"]),
        joined=_required(record["joined"]),
    )


def _plain_key(key: StreamKey) -> tuple[str, str, list[list[str]]]:
    return key.rule, key.column, [list(part) for part in key.cohort]


def _cohort(parts: Iterable[Iterable[str]]) -> Cohort:
    return tuple((str(k), str(v)) for k, v in parts)


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _required(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _parse(text: str | None) -> datetime | None:
    return None if text is None else _required(text)


def _dump(record: object) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest(*parts: str | None) -> str:
    return hashlib.sha256(_dump(parts).encode()).hexdigest()[:20]

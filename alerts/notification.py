"""What is told of a transition, the same for every channel; the body of the JSON webhook."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from alerts.errors import BadRecord
from alerts.incident import Incident, IncidentState, IncidentStream, Transition
from alerts.message import Span, Spans, incident_sentence, incident_title, plain
from alerts.rules import Cohort

VERSION = 1
MOST_STREAMS = 100  # of an incident of thousands the worst are told, and how many there are

Event = Literal["incident.firing", "incident.worsened", "incident.resolved"]


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A stream of an incident, at its worst when this was told."""

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
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    mix: float | None = None
    mix_of: str = ""

    @property
    def ratio(self) -> float:
        return self.value / self.threshold


@dataclass(frozen=True, kw_only=True)
class Notification:
    """What is told of one transition of an incident, and only what was known then."""

    type: Event
    timestamp: datetime  # end of the window that was decided
    id: str  # of the incident
    model: str
    kind: str
    state: IncidentState
    opened: datetime
    since: datetime
    resolved: datetime | None
    title: str  # "score rose"
    sentence: Spans
    change: str  # what this transition changed: "humidity moved too"
    reason: str
    link: str | None  # where a person reads more
    streams: tuple[Moved, ...]  # worst first
    stream_count: int  # of the incident, of which `streams` holds the worst
    noun: str  # what a row is: "flights"

    @property
    def text(self) -> str:
        return plain(self.sentence)

    @classmethod
    def of(
        cls,
        transition: Transition,
        incident: Incident,
        *,
        noun: str,
        timezone: str,
        link: str | None,
    ) -> Notification:
        """Put a transition of an incident into words.

        Parameters
        ----------
        transition
            One with an incident: opened, worsened or resolved.
        incident
            As the transition left it.
        noun
            What a row is, in the plural.
        timezone
            In which times are told.
        link
            Where a person reads more.
        """
        sentence = incident_sentence(incident, noun=noun, timezone=timezone)
        event: Event = "incident.firing"
        if transition.after == "resolved":
            event = "incident.resolved"
        elif transition.worsened:
            event = "incident.worsened"
        return cls(
            type=event,
            timestamp=transition.at,
            id=incident.id,
            model=incident.model,
            kind=incident.kind,
            state=incident.state,
            opened=incident.opened,
            since=incident.since,
            resolved=incident.resolved,
            title=incident_title(incident.kind, incident.streams),
            sentence=_spans(plain(sentence), _strong(sentence)),  # pieces as read back
            change=transition.text,
            reason=transition.reason,
            link=link,
            streams=tuple(_moved(s) for s in incident.streams[:MOST_STREAMS]),
            stream_count=len(incident.streams),
            noun=noun,
        )

    def to_json(self) -> str:
        """Write the body of the webhook; its schema is docs/schemas/webhook.schema.json.

        ASCII, so that every byte is what was signed, and without lone surrogates, which not every
        reader of JSON takes.
        """
        data = {
            "version": VERSION,
            "id": self.id,
            "model": self.model,
            "kind": self.kind,
            "state": self.state,
            "opened": _time(self.opened),
            "since": _time(self.since),
            "resolved": None if self.resolved is None else _time(self.resolved),
            "title": self.title,
            "text": self.text,
            "strong": _strong(self.sentence),
            "change": self.change,
            "reason": self.reason,
            "link": self.link,
            "noun": self.noun,
            "stream_count": self.stream_count,
            "streams": [_stream_record(s) for s in self.streams],
        }
        record = {"type": self.type, "timestamp": _time(self.timestamp), "data": data}
        return json.dumps(_clean(record), separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Notification:
        """Read what `to_json` wrote, by this version or an earlier one.

        Raises
        ------
        BadRecord
            If the text is no notification, or was written by a newer program.
        """
        try:
            record = json.loads(text)
            data = record["data"]
            version = data["version"]
            if version <= VERSION:
                return cls(
                    type=record["type"],
                    timestamp=_parse(record["timestamp"]),
                    opened=_parse(data["opened"]),
                    since=_parse(data["since"]),
                    resolved=None if data["resolved"] is None else _parse(data["resolved"]),
                    sentence=_spans(data["text"], data["strong"]),
                    streams=tuple(_stream_from(s) for s in data["streams"]),
                    **{key: data[key] for key in _PLAIN},
                )
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise BadRecord(f"stored notification cannot be read ({type(e).__name__})") from None
        raise BadRecord(
            f"notification of version {version} was written by a newer program; "
            f"this one reads up to {VERSION}"
        )


_PLAIN = (
    "id",
    "model",
    "kind",
    "state",
    "title",
    "change",
    "reason",
    "link",
    "noun",
    "stream_count",
)
_STREAM = ("column", "rule", "statistic", "value", "threshold", "n", "now", "was", "label")


_LATER = ("effect", "low", "high", "mix", "mix_of")  # what the first messages lack


def _moved(stream: IncidentStream) -> Moved:
    return Moved(**{key: getattr(stream, key) for key in (*_STREAM, *_LATER)}, cohort=stream.cohort)


def _stream_record(stream: Moved) -> dict[str, Any]:
    keys = (*_STREAM, *_LATER)
    return {**{key: getattr(stream, key) for key in keys}, "cohort": dict(stream.cohort)}


def _stream_from(record: Mapping[str, Any]) -> Moved:
    cohort = tuple(record["cohort"].items())
    later = {key: record[key] for key in _LATER if key in record}
    return Moved(**{key: record[key] for key in _STREAM}, **later, cohort=cohort)


def _strong(spans: Spans) -> list[list[int]]:
    """Return where the emphasised pieces of the text begin and end, in characters."""
    places, at = [], 0
    for span in spans:
        if span.strong:
            places.append([at, at + len(span.text)])
        at += len(span.text)
    return places


def _spans(text: str, strong: list[list[int]]) -> Spans:
    spans, at = [], 0
    for start, end in strong:
        spans += [Span(text[at:start]), Span(text[start:end], strong=True)]
        at = end
    return tuple(span for span in [*spans, Span(text[at:])] if span.text)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() if not value.isascii() else value
    if isinstance(value, list):
        return [_clean(v) for v in value]
    if isinstance(value, dict):
        return {_clean(k): _clean(v) for k, v in value.items()}
    return value


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _parse(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)

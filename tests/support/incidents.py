"""Incidents, and what is told of them, for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from alerts.deliver import Outgoing
from alerts.incident import Incident, IncidentStream, Transition, incident_id
from alerts.notification import Notification
from alerts.rules import Cohort

OPENED = datetime(2013, 12, 4, 1, tzinfo=UTC)
SINCE = datetime(2013, 12, 3, 22, tzinfo=UTC)  # Tue 3 Dec 17:00 in New York
EV: Cohort = (("carrier", "EV"),)
HOSTILE = (
    "<!channel>",
    "<https://evil.example|click>",
    "<@U012AB3CD>",
    "a&amp;b<c>",
    "*bold* _it_ `code`",
    "line\nbreak\u202e\x00",
    "\ud800",
    "https://evil.example",
    "<img src=x onerror=alert(1)>",
    "",
    "&" * 500,
    "名" * 500,
)


def stream(
    column: str = "score",
    *,
    cohort: Cohort = (),
    value: float = 0.17,
    n: int = 6_634,
    now: float | None = 0.2771,
    was: float | None = 0.2103,
    label: str = "mean",
) -> IncidentStream:
    return IncidentStream(
        column=column,
        cohort=cohort,
        rule="shift",
        statistic="js",
        value=value,
        threshold=0.1,
        n=n,
        now=now,
        was=was,
        label=label,
        joined=OPENED,
    )


def incident(
    *streams: IncidentStream, model: str = "flight-delay", resolved: datetime | None = None
) -> Incident:
    return Incident(
        id=incident_id(model=model, kind="drift", opened=OPENED),
        model=model,
        opened=OPENED,
        since=SINCE,
        state="firing" if resolved is None else "resolved",
        resolved=resolved,
        streams=streams or (stream(),),
        reason="rule shift, score: Jensen–Shannon distance 0.17, threshold 0.1",
    )


def told(
    of: Incident | None = None, *, link: str | None = "http://x.test/incidents/1"
) -> Notification:
    of = of or incident()
    opened = Transition.of(
        model=of.model,
        incident=of.id,
        at=of.opened,
        before="pending",
        after="firing",
        reason=of.reason,
        text="score rose, firing",
        notify=True,
    )
    closed = replace(opened, before="firing", after="resolved", at=of.resolved or of.opened)
    transition = opened if of.resolved is None else closed
    return Notification.of(transition, of, noun="flights", timezone="America/New_York", link=link)


def outgoing(
    id: str = "msg_1",  # noqa: A002
    *,
    route: str = "hook",
    attempts: int = 0,
    notification: Notification | None = None,
) -> Outgoing:
    return Outgoing(
        id=id,
        route=route,
        webhook_id=id,
        notification=notification or told(),
        attempts=attempts,
    )

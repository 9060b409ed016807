"""The monitor's own incident, decided on since when nothing could be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from alerts.blind import Trouble, decide
from alerts.incident import Incident
from alerts.message import incident_sentence, plain
from alerts.notification import Notification

SINCE = datetime(2026, 3, 3, 12, tzinfo=UTC)
AFTER = timedelta(minutes=30)
TROUBLE = Trouble(since=SINCE, why="cannot read postgresql://h/db: connection refused.")


def opened() -> Incident:
    made = decide(model="m", trouble=TROUBLE, incident=None, after=AFTER, now=SINCE + AFTER)
    assert made is not None
    return made[0]


def test_trouble_opens_an_incident_once_it_has_lasted() -> None:
    early = SINCE + AFTER - timedelta(seconds=1)
    assert decide(model="m", trouble=TROUBLE, incident=None, after=AFTER, now=early) is None
    assert decide(model="m", trouble=None, incident=None, after=AFTER, now=early) is None
    assert opened().since == SINCE


def test_its_name_is_of_the_model_and_when_it_began_and_not_of_who_noticed_when() -> None:
    later = decide(
        model="m", trouble=TROUBLE, incident=None, after=AFTER, now=SINCE + timedelta(days=1)
    )
    assert later is not None
    assert later[0].id == opened().id
    other = decide(model="n", trouble=TROUBLE, incident=None, after=AFTER, now=SINCE + AFTER)
    assert other is not None
    assert other[0].id != opened().id


def test_it_lasts_as_long_as_the_trouble_and_ends_with_it() -> None:
    now = SINCE + timedelta(hours=2)
    incident = opened()
    assert decide(model="m", trouble=TROUBLE, incident=incident, after=AFTER, now=now) is None
    for trouble in (None, Trouble(since=now, why="another")):  # in between it could be read
        ended = decide(model="m", trouble=trouble, incident=incident, after=AFTER, now=now)
        assert ended is not None
        assert (ended[0].state, ended[0].resolved, ended[1].after) == ("resolved", now, "resolved")
        assert ended[1].notify


def test_it_is_told_in_plain_words() -> None:
    incident = opened()
    said = plain(incident_sentence(incident, noun="flights", timezone="UTC"))
    assert said == (
        "Since Tue 3 Mar 12:00 (UTC) the rows of m could not be read: cannot read "
        "postgresql://h/db: connection refused. What happens there is unknown; what is missed is "
        "read in order later."
    )
    now = SINCE + timedelta(hours=2)
    ended = decide(model="m", trouble=None, incident=incident, after=AFTER, now=now)
    assert ended is not None
    said = plain(incident_sentence(ended[0], noun="flights", timezone="UTC"))
    assert said.endswith("They can be read again since Tue 3 Mar 14:00, after 2\u202fh.")
    told = Notification.of(ended[1], ended[0], noun="flights", timezone="UTC", link=None)
    assert (told.type, told.kind, told.title) == (
        "incident.resolved", "monitor", "The monitor is blind",
    )  # fmt: skip
    assert Notification.from_json(told.to_json()) == told

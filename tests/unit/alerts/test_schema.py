"""Deciding on the columns of a log, beside what moved in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.changed import label, listing
from alerts.channels.slack import payload
from alerts.decide import Decision, decide
from alerts.incident import ColumnChange, State
from alerts.message import incident_sentence, plain, title
from alerts.notification import Notification
from alerts.rules import CHECK, NEVER_BEFORE, Readings, Rule
from alerts.schema import MOST_KNOWN, ColumnsSeen
from profiles.windows import Window
from tests.support.incidents import HOSTILE
from tests.support.readings import DAY as SHIFT
from tests.support.readings import reading, together

HOUR = timedelta(hours=1)
START = datetime(2013, 12, 3, tzinfo=UTC)
FACT = Rule(name=NEVER_BEFORE, statistic=CHECK, threshold=0.5, over=HOUR, windows=1, min_rows=0)
WORDS = {
    "missing": label("missing column"),
    "type": label("changed type", was="a number", now=["text"]),
    "new": label("new column"),
}
SCHEMA = json.loads(Path("docs/schemas/webhook.schema.json").read_text(encoding="utf-8"))


def of(*texts: str) -> dict[ColumnChange, str]:
    """Read changes such as ``missing temp``."""
    found: dict[ColumnChange, str] = {}
    for text in texts:
        change, column = text.split(" ", 1)
        found[ColumnChange(change=change, column=column)] = WORDS[change]  # type: ignore[arg-type]
    return found


def seen(*frozen: str, accepted: Sequence[str] = (), unsure: Sequence[str] = ()) -> ColumnsSeen:
    return ColumnsSeen(
        rows=40, frozen=of(*frozen), accepted=of(*accepted), unsure=frozenset(of(*unsure))
    )


AS_BEFORE = seen()


def run(
    windows: Sequence[ColumnsSeen | None],
    readings: Sequence[Sequence[Readings]] = (),
    *,
    rules: tuple[Rule, ...] = (),
    step: timedelta = HOUR,
    state: State | None = None,
) -> list[Decision]:
    """Decide windows one after the other, each from the stored text of the state before."""
    state, decisions = state or State(), []
    for at, columns in enumerate(windows):
        decisions.append(
            decide(
                model="m",
                window=Window(start=START + at * step, end=START + (at + 1) * step),
                rules=rules,
                readings=together(readings[at]) if readings else (),
                state=State.from_json(state.to_json()),
                columns=columns,
            )
        )
        state = decisions[-1].state
    return decisions


def told(decisions: Sequence[Decision]) -> list[tuple[str, str, bool]]:
    return [(t.after, t.text, t.notify) for d in decisions for t in d.transitions]


def test_the_first_window_that_shows_it_opens_one_incident_that_lists_the_columns():
    decisions = run([AS_BEFORE, seen("missing temp", "type fare", "new fare_eur")])
    (incident,) = decisions[1].incidents
    words = "temp is gone; fare came as text and was a number; new: fare_eur"
    assert (incident.kind, incident.state, title(incident.streams)) == ("schema", "firing", words)
    assert told(decisions) == [("firing", f"{words}, firing", True)]
    assert (incident.since, incident.opened) == (START + HOUR, START + 2 * HOUR)


def test_it_grows_by_what_changes_later_and_tells_only_that():
    decisions = run([seen("missing temp"), seen("missing temp", "missing humid", "type fare")])
    assert told(decisions)[1:] == [
        ("firing", "humid is gone too; fare came as text and was a number too", True)
    ]
    assert title(decisions[1].incidents[0].streams) == (
        "humid and temp are gone; fare came as text and was a number"
    )


def test_it_ends_once_every_column_was_back_for_three_windows_in_a_row():
    some = seen("missing temp")
    both = seen("missing temp", "missing humid")
    decisions = run([both, some, AS_BEFORE, some, AS_BEFORE, AS_BEFORE, AS_BEFORE])
    assert [d.state.schema.incident is not None for d in decisions] == [True] * 6 + [False]
    assert told(decisions)[-1] == ("resolved", "resolved", True)
    assert decisions[-1].incidents[0].resolved == START + 7 * HOUR


@pytest.mark.parametrize("unknown", [None, seen(unsure=["missing temp", "type temp"])])
def test_a_window_that_cannot_tell_does_not_count(unknown):
    decisions = run([seen("missing temp"), AS_BEFORE, unknown, AS_BEFORE, unknown, AS_BEFORE])
    assert [d.state.schema.incident is not None for d in decisions] == [True] * 5 + [False]


def test_a_column_that_is_gone_says_nothing_of_its_type():
    gone = seen("missing fare", unsure=["type fare"])
    decisions = run([seen("type fare"), *[gone] * 5])
    assert title(decisions[-1].state.open[0].streams) == (
        "fare is gone; fare came as text and was a number"
    )
    assert decisions[-1].state.schema.quiet[ColumnChange(change="type", column="fare")] == 0


def test_after_seven_days_it_is_persistent_and_still_tells_what_changes():
    day = timedelta(days=1)
    windows = [seen("missing temp")] * 9 + [seen("missing temp", "missing humid")]
    decisions = run(windows, step=day)
    assert [d.state.schema.incident.state for d in decisions if d.state.schema.incident] == [
        *["firing"] * 7, *["persistent"] * 3,
    ]  # fmt: skip
    assert [t[1] for t in told(decisions)][-1] == "humid is gone too"
    assert told(decisions)[-1][2]


# What is accepted


def test_what_may_evolve_is_told_once_and_pages_nobody():
    news = seen(accepted=["new fare_eur"])
    decisions = run([AS_BEFORE, news, news, AS_BEFORE, news])
    assert told(decisions) == [("ok", "new: fare_eur", False)]
    assert all(d.incidents == () for d in decisions)


def test_what_the_first_window_has_beside_the_baseline_is_no_news():
    both = ["new request", "new session"]
    assert told(run([seen(accepted=both), seen(accepted=both)])) == []
    assert told(run([seen(*both), seen(*both), seen(*both, "new more")])) == [
        ("firing", "new: more, firing", True)
    ]


def test_a_column_that_was_back_is_told_again():
    gone = seen(accepted=["missing temp"])
    decisions = run([AS_BEFORE, gone, gone, AS_BEFORE, gone])
    assert [text for _, text, _ in told(decisions)] == ["temp is gone"] * 2


def test_a_new_column_that_comes_and_goes_opens_one_incident():
    rare = seen("new tip")
    decisions = run([AS_BEFORE, rare, *[AS_BEFORE] * 3, rare, rare])
    assert [after for after, _, _ in told(decisions)] == ["firing", "resolved"]


def test_names_without_end_are_remembered_up_to_a_number():
    each = [seen(accepted=[f"new {i}-{k}" for k in range(100)]) for i in range(15)]
    decisions = run([AS_BEFORE, *each])
    assert len(decisions[-1].state.schema.accepted) == MOST_KNOWN
    assert len(told(decisions)) == MOST_KNOWN // 100


def test_what_is_frozen_after_it_was_accepted_opens_an_incident():
    decisions = run([seen(accepted=["missing temp"]), seen("missing temp")])
    assert [after for after, _, _ in told(decisions)] == ["ok", "firing"]


def test_what_is_accepted_after_it_was_frozen_ends_the_incident():
    decisions = run([seen("missing temp"), *[seen(accepted=["missing temp"])] * 3])
    assert [after for after, _, _ in told(decisions)] == ["firing", "ok", "resolved"]


# Beside what moved


def test_neither_blocks_the_other():
    loud, calm = [reading(0.2)], [reading(0.0)]
    decisions = run(
        [AS_BEFORE, AS_BEFORE, AS_BEFORE, *[seen("missing temp")] * 6],
        [loud] * 5 + [calm] * 4,
        rules=(SHIFT,),
    )
    assert [(i.kind, i.state) for d in decisions for i in d.incidents] == [
        ("drift", "firing"), ("schema", "firing"), ("drift", "resolved"),
    ]  # fmt: skip
    alone = run([None] * 9, [loud] * 5 + [calm] * 4, rules=(SHIFT,))
    drift = [t for d in decisions for t in d.transitions if t.text != "temp is gone, firing"]
    assert drift == [t for d in alone for t in d.transitions]


def test_a_fact_of_a_column_that_is_gone_opens_no_second_incident():
    missing = [reading(1.0, rule=FACT, column="temp"), reading(1.0, rule=FACT, column="temp.age")]
    decisions = run([seen("missing temp")] * 3, [missing] * 3, rules=(FACT,))
    assert [i.kind for d in decisions for i in d.incidents] == ["schema"]
    assert decisions[-1].state.name == "ok"


def test_facts_of_other_columns_still_do():
    missing = [reading(1.0, rule=FACT, column="humid")]
    decisions = run([seen("missing temp")] * 2, [missing] * 2, rules=(FACT,))
    assert sorted(i.kind for i in decisions[0].incidents) == ["drift", "schema"]


# Words


def test_the_sentence_lists_the_columns_and_says_when_it_ended():
    decisions = run([seen("missing temp"), *[AS_BEFORE] * 3])
    said = incident_sentence(decisions[-1].incidents[0], noun="rows", timezone="UTC")
    assert plain(said) == (
        "Since Tue 3 Dec 00:00 (UTC) temp is gone. As it was again by Tue 3 Dec 04:00, "
        "after 4\u202fh."
    )


def test_of_many_columns_some_are_named():
    decisions = run([seen(*(f"missing f{i:02}" for i in range(60)))])
    (incident,) = decisions[0].incidents
    assert title(incident.streams) == "f00, f01 and 58 more are gone"
    assert "f18 and 41 more are gone" in plain(
        incident_sentence(incident, noun="rows", timezone="UTC")
    )


@pytest.mark.parametrize("name", ["temp", *HOSTILE])
def test_every_channel_tells_the_kind_and_the_list(name):
    columns = {ColumnChange(change=change, column=name): WORDS[change] for change in WORDS}
    (decision,) = run([ColumnsSeen(rows=40, frozen={**columns, **of("missing x")})])
    (incident,), (fired,) = decision.incidents, decision.transitions
    notification = Notification.of(fired, incident, noun="rows", timezone="UTC", link=None)
    record: dict[str, Any] = json.loads(notification.to_json())
    jsonschema.Draft202012Validator(SCHEMA).validate(record)
    assert record["data"]["kind"] == "schema"
    assert {s["statistic"] for s in record["data"]["streams"]} == {"schema"}
    assert Notification.from_json(notification.to_json()).to_json() == notification.to_json()
    text = json.dumps(payload(notification))
    assert "What changed" in text
    assert "x: gone" in text
    assert "its threshold" not in text
    assert "<!channel>" not in text


def test_the_same_became_of_several_is_said_once():
    (decision,) = run([seen("type a", "type b", "type c", "type d")])
    assert listing(decision.incidents[0].streams) == "a, b and 2 more came as text and was a number"


# Purity


CHANGES = st.sets(st.sampled_from(["missing a", "missing b", "type a", "type b"]))
WINDOWS = st.lists(
    st.none()
    | st.builds(
        lambda frozen, accepted, unsure: seen(*frozen, accepted=sorted(accepted), unsure=[*unsure]),
        CHANGES, st.sets(st.sampled_from(["new x", "new y"])), CHANGES,
    ),
    max_size=12,
)  # fmt: skip


@given(WINDOWS, st.integers(0, 12))
def test_a_replay_from_any_window_gives_the_same(windows, cut):
    decisions = run(windows)
    assert run(windows) == decisions
    state = State()
    for at, columns in enumerate(windows):
        again = decide(
            model="m",
            window=Window(start=START + at * HOUR, end=START + (at + 1) * HOUR),
            rules=(),
            readings=(),
            state=State.from_json(state.to_json()) if at == cut else state,
            columns=columns,
        )
        assert again == decisions[at]
        assert State.from_json(again.state.to_json()) == again.state
        state = again.state


@given(WINDOWS)
def test_at_most_one_is_open_and_every_one_that_ended_was_told(windows):
    decisions = run(windows)
    fired = sum(t.after == "firing" and t.before == "ok" for d in decisions for t in d.transitions)
    ended = sum(t.after == "resolved" for d in decisions for t in d.transitions)
    open_now = len(decisions[-1].state.open) if decisions else 0
    assert fired - ended == open_now <= 1
    ids = [t.id for d in decisions for t in d.transitions]
    assert len(set(ids)) == len(ids)

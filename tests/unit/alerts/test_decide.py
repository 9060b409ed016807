"""Deciding: from what rules saw, window by window, to incidents and transitions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.decide import Decision, decide
from alerts.errors import BadRecord, DuplicateReading, OutOfOrder, UnknownRule
from alerts.incident import State
from alerts.moved import joined_text
from alerts.rules import CHECK, NEVER_BEFORE, Readings, Rule
from profiles.windows import Window
from tests.support.incidents import stream
from tests.support.readings import DAY as SHIFT
from tests.support.readings import reading, together

HOUR = timedelta(hours=1)
START = datetime(2013, 12, 3, tzinfo=UTC)
JUMP = Rule(name="jump", statistic="ks", threshold=0.2, over=HOUR, windows=1, min_rows=50)


def window(i: int) -> Window:
    return Window(start=START + i * HOUR, end=START + (i + 1) * HOUR)


def run(
    rows: Iterable[Iterable[Readings]],
    rules: tuple[Rule, ...] = (SHIFT,),
    state: State | None = None,
) -> list[Decision]:
    """Decide windows one after the other, each from the stored text of the state before."""
    state = state or State()
    decisions = []
    for i, readings in enumerate(rows):
        state = State.from_json(state.to_json())
        decisions.append(
            decide(
                model="m", window=window(i), rules=rules, readings=together(readings), state=state
            )
        )
        state = decisions[-1].state
    return decisions


def steps(decisions: Iterable[Decision]) -> list[tuple[str, str]]:
    return [(t.before, t.after) for d in decisions for t in d.transitions]


def test_an_incident_opens_in_the_window_that_completes_the_row():
    decisions = run([[reading(0.05)], [reading(0.2)], [reading(0.3)], [reading(0.25)]])
    assert [d.state.name for d in decisions] == ["ok", "pending", "pending", "firing"]
    assert steps(decisions) == [("ok", "pending"), ("pending", "firing")]
    (incident,) = decisions[-1].incidents
    assert incident.opened == window(3).end
    assert incident.since == window(1).end - SHIFT.over
    assert [(s.column, s.value) for s in incident.streams] == [("score", 0.25)]
    assert decisions[-1].transitions[-1].incident_id == incident.id
    assert decisions[-1].transitions[-1].notify


def test_exactly_the_threshold_is_not_beyond():
    assert run([[reading(0.1)]] * 5)[-1].state == State(at=window(4).end)


def test_one_window_below_breaks_the_row():
    decisions = run([[reading(v)] for v in (0.2, 0.2, 0.09, 0.2, 0.2)])
    assert steps(decisions) == [("ok", "pending"), ("pending", "ok"), ("ok", "pending")]


@pytest.mark.parametrize(
    "unknown",
    [
        [reading(None)],
        [reading(0.9, n=199)],
        [reading(0.0, n=199)],
        [reading(float("nan"))],
        [reading(float("inf"))],
        [],
    ],
    ids=["no value", "few rows beyond", "few rows below", "nan", "inf", "no reading"],
)
def test_a_window_in_which_a_stream_is_unknown_neither_counts_nor_breaks_the_row(unknown):
    decisions = run([[reading(0.2)], unknown, [reading(0.2)], unknown, [reading(0.2)]])
    assert [d.state.name for d in decisions] == ["pending"] * 4 + ["firing"]


def test_an_unknown_window_does_not_end_an_incident_either():
    opened = [[reading(0.2)]] * 3
    quiet, unknown = [reading(0.01)], [reading(None)]
    decisions = run([*opened, quiet, unknown, quiet, unknown, quiet])
    assert [d.state.name for d in decisions[2:]] == ["firing"] * 5 + ["ok"]
    assert [incident.resolved for incident in decisions[-1].incidents] == [window(7).end]


def test_just_below_the_threshold_is_not_quiet():
    decisions = run([[reading(0.2)]] * 3 + [[reading(0.095)]] * 10)
    assert decisions[-1].state.name == "firing"


def test_a_rule_of_one_window_still_passes_through_pending_and_needs_three_quiet_ones():
    loud, quiet = reading(0.5, rule=JUMP), reading(0.0, rule=JUMP)
    decisions = run([[loud], [quiet], [quiet], [quiet]], rules=(JUMP,))
    assert steps(decisions) == [("ok", "pending"), ("pending", "firing"), ("firing", "resolved")]
    assert {t.at for t in decisions[0].transitions} == {window(0).end}


def test_further_streams_join_the_open_incident_each_after_its_own_row():
    ev = (("carrier", "EV"),)
    rows = [
        [reading(0.2), reading(0.2, column="humidity"), reading(0.0, column="score", cohort=ev)],
        [reading(0.2), reading(0.0, column="humidity"), reading(0.3, column="score", cohort=ev)],
        [reading(0.2), reading(0.2, column="humidity"), reading(0.3, column="score", cohort=ev)],
        [reading(0.2), reading(0.4, column="humidity"), reading(0.3, column="score", cohort=ev)],
        [reading(0.2), reading(0.3, column="humidity"), reading(0.3, column="score", cohort=ev)],
    ]
    decisions = run(rows)
    ids = {incident.id for d in decisions for incident in d.incidents}
    assert len(ids) == 1
    last = decisions[-1].state.incident
    assert last is not None
    joined = {(s.column, s.cohort): s.joined for s in last.streams}
    assert joined == {
        ("score", ()): window(2).end,
        ("score", ev): window(3).end,
        ("humidity", ()): window(4).end,
    }
    cohort, column = decisions[3].transitions[0], decisions[4].transitions[0]
    assert (cohort.worsened, cohort.notify) == (True, False)
    assert (column.worsened, column.notify) == (True, True)
    assert cohort.text == "carrier EV moved too"
    assert column.text == "humidity moved too"


def test_a_second_rule_over_the_same_stream_is_told_as_such():
    known = [stream("score")]
    assert joined_text([stream("score")], known=known) == "score beyond another rule too"


def test_a_stream_is_kept_at_its_worst_while_the_incident_is_open():
    decisions = run([[reading(v)] for v in (0.2, 0.2, 0.2, 0.7, 0.3)])
    last = decisions[-1].state.incident
    assert last is not None
    assert [s.value for s in last.streams] == [0.7]
    assert decisions[-1].incidents == ()  # nothing changed in the last window
    assert last.streams[0].joined == window(2).end


def test_an_incident_ends_only_when_every_joined_stream_is_quiet():
    both = [reading(0.2), reading(0.2, column="humidity")]
    half = [reading(0.0), reading(0.2, column="humidity")]
    none = [reading(0.0), reading(0.0, column="humidity")]
    decisions = run([both] * 3 + [half] * 6 + [none] * 3)
    assert [d.state.name for d in decisions[3:]] == ["firing"] * 8 + ["ok"]


def test_a_row_begun_while_another_incident_ends_is_pending_at_once():
    rows = [[reading(0.2)]] * 3 + [[reading(0.0)]] * 2
    rows += [[reading(0.0), reading(0.2, column="humidity")]]
    decisions = run(rows)
    assert steps(decisions[-1:]) == [("firing", "resolved"), ("ok", "pending")]
    assert decisions[-1].state.name == "pending"


def test_a_second_incident_has_another_name():
    rows = ([[reading(0.2)]] * 3 + [[reading(0.0)]] * 3) * 2
    ids = [t.incident_id for d in run(rows) for t in d.transitions if t.after == "firing"]
    assert len(set(ids)) == 2


def test_a_rule_that_is_gone_no_longer_holds_an_incident_open():
    opened = run([[reading(0.2)]] * 3)[-1].state
    decision = decide(model="m", window=window(3), rules=(), readings=(), state=opened)
    (incident,) = decision.incidents
    assert incident.state == "resolved"
    assert incident.reason == "its rules are gone"


WEEK = 7 * 24
LONG = [[reading(0.2)]] * (WEEK + 2)  # opens in the third window, and stays


def test_an_incident_that_is_open_for_a_week_is_set_aside():
    decisions = run([*LONG, [reading(0.2)]])
    assert steps(decisions) == [("ok", "pending"), ("pending", "firing"), ("firing", "persistent")]
    lasting = decisions[-1].transitions[-1]
    assert lasting.text == "persistent after 7 days; what moved is set aside"
    assert not lasting.notify
    assert [(i.state, i.resolved) for i in decisions[-1].incidents] == [("persistent", None)]
    assert decisions[-1].state.name == "ok"


def test_something_else_opens_an_incident_beside_a_persistent_one():
    both = [reading(0.2), reading(0.3, column="humidity")]
    decisions = run([*LONG, [reading(0.2)], *[both] * 3])
    first, second = decisions[-1].state.open
    assert [i.state for i in (first, second)] == ["persistent", "firing"]
    assert [[s.column for s in i.streams] for i in (first, second)] == [["score"], ["humidity"]]
    assert first.id != second.id


def test_a_further_cohort_of_a_column_that_is_set_aside_joins_in_silence():
    more = [reading(0.2), reading(0.4, cohort=(("carrier", "EV"),))]
    decisions = run([*LONG, [reading(0.2)], *[more] * 5])
    assert decisions[-1].state.incident is None
    (incident,) = decisions[-1].state.persistent
    assert {s.cohort for s in incident.streams} == {(), (("carrier", "EV"),)}
    told = [t for d in decisions[-5:] for t in d.transitions]
    assert [(t.before, t.after, t.notify) for t in told] == [("persistent", "persistent", False)]


def test_a_persistent_incident_ends_when_it_is_quiet_and_people_are_told():
    quiet = [reading(0.0)]
    decisions = run([*LONG, [reading(0.2)], *[quiet] * 3, *[[reading(0.2)]] * 3])
    resolved = decisions[WEEK + 5].transitions[0]
    assert (resolved.before, resolved.after, resolved.notify) == ("persistent", "resolved", True)
    assert [i.state for i in decisions[WEEK + 5].incidents] == ["resolved"]
    assert decisions[-1].state.name == "firing"  # what comes back is a new incident


def test_a_state_of_before_there_were_persistent_incidents_is_read():
    state = run([[reading(0.2)]] * 3)[-1].state
    old = json.loads(state.to_json())
    del old["persistent"]
    assert State.from_json(json.dumps(old | {"version": 1})) == state


def test_a_window_that_was_decided_is_refused():
    state = run([[reading(0.2)]])[-1].state
    with pytest.raises(OutOfOrder, match="not after"):
        decide(model="m", window=window(0), rules=(SHIFT,), readings=(), state=state)


def test_a_reading_of_an_unknown_rule_is_refused():
    with pytest.raises(UnknownRule, match="'jump'"):
        run([[reading(0.2, rule=JUMP)]])


def test_a_stream_read_twice_is_refused():
    with pytest.raises(DuplicateReading, match="day"):
        run([[reading(0.2), reading(0.3)]])


def test_a_state_of_a_newer_program_is_refused():
    with pytest.raises(BadRecord, match="newer program"):
        State.from_json('{"version": 99}')


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', "null"])
def test_a_damaged_state_gives_one_clear_error(text):
    with pytest.raises(BadRecord):
        State.from_json(text)


values = st.one_of(st.none(), st.sampled_from([0.0, 0.05, 0.095, 0.1, 0.11, 0.3, 2.0]))
streams = st.sampled_from(
    [
        (rule, column, cohort)
        for rule in (SHIFT, JUMP)
        for column in ("score", "humidity", "\ud800")
        for cohort in ((), (("carrier", "EV"),))
    ]
)
histories = st.lists(
    st.dictionaries(streams, st.tuples(values, st.sampled_from([10, 100, 1_000])), max_size=6),
    max_size=25,
)


def readings(row):
    return [
        reading(value, rule=rule, column=column, cohort=cohort, n=n)
        for (rule, column, cohort), (value, n) in row.items()
    ]


@given(histories, st.randoms(use_true_random=False))
def test_replaying_gives_the_same_bytes_in_any_order_of_readings(rows, random):
    once = run(map(readings, rows), rules=(SHIFT, JUMP))
    shuffled = []
    for row in map(readings, rows):
        random.shuffle(row)
        shuffled.append(row)
    again = run(shuffled, rules=(JUMP, SHIFT))
    assert [d.transitions for d in again] == [d.transitions for d in once]
    assert [d.state.to_json() for d in again] == [d.state.to_json() for d in once]


@given(histories)
def test_states_follow_each_other_as_promised(rows):
    allowed = {
        "ok": {"pending"},
        "pending": {"ok", "firing"},
        "firing": {"firing", "resolved"},
        "resolved": {"pending"},
    }
    before, open_id, ids, names = "ok", None, set(), set()
    for i, decision in enumerate(run(map(readings, rows), rules=(SHIFT, JUMP))):
        for t in decision.transitions:
            assert t.after in allowed[before]
            assert t.before == ("ok" if before == "resolved" else before)
            assert t.at == window(i).end
            assert t.id not in ids
            ids.add(t.id)
            if t.after == "firing" and t.before == "pending":
                assert open_id is None
                assert t.incident_id not in names
                open_id = t.incident_id
                names.add(open_id)
            elif t.before == "firing":
                assert t.incident_id == open_id
            if t.after == "resolved":
                open_id = None
            before = t.after
        incident = decision.state.incident
        assert (incident.id if incident else None) == open_id
        assert decision.state.name == ("ok" if before == "resolved" else before)


@given(histories)
def test_a_decision_can_be_replayed_from_any_stored_window(rows):
    rows = [readings(r) for r in rows]
    live = run(rows, rules=(SHIFT, JUMP))
    for i in range(1, len(rows)):
        stored = State.from_json(live[i - 1].state.to_json())
        replayed = decide(
            model="m",
            window=window(i),
            rules=(SHIFT, JUMP),
            readings=together(rows[i]),
            state=stored,
        )
        assert replayed == live[i]


def test_streams_that_moved_with_one_over_the_threshold_are_listed_with_it():
    """Alone they are nothing; beside it they are part of the story."""
    row = [reading(0.3, rule=JUMP), reading(0.15, rule=JUMP, column="humidity")]
    row += [reading(0.05, rule=JUMP, column="wind")]
    (together_,) = together(row)
    (decision,) = run_readings([replace(together_, listed=np.array([True, True, False]))])
    (incident,) = decision.incidents
    assert [(s.column, s.ratio > 1) for s in incident.streams] == [
        ("score", True), ("humidity", False)
    ]  # fmt: skip
    (alone,) = together(row[1:])
    (decision,) = run_readings([replace(alone, listed=np.array([True, False]))])
    assert decision.incidents == ()


def run_readings(rows: Iterable[Readings]) -> list[Decision]:
    return [
        decide(model="m", window=window(i), rules=(JUMP,), readings=(of,), state=State())
        for i, of in enumerate(rows)
    ]


FACT = Rule(
    name=NEVER_BEFORE, statistic=CHECK, threshold=0.5, over=HOUR, windows=1, min_rows=0, quiet=3
)


def fact(column: str = "score") -> Readings:
    return reading(1.0, rule=FACT, column=column)


def test_a_fact_about_a_column_that_is_set_aside_opens_an_incident():
    """What stays far from normal must not hide that its values are gone."""
    decisions = run([*LONG, [reading(0.2)], [reading(0.2), fact()]], rules=(SHIFT, FACT))
    first, second = decisions[-1].state.open
    assert [i.state for i in (first, second)] == ["persistent", "firing"]
    assert [s.rule for s in second.streams] == [NEVER_BEFORE]
    assert [t.notify for t in decisions[-1].transitions if t.after == "firing"] == [True]


def test_a_fact_about_a_column_that_moved_already_is_told():
    decisions = run([[reading(0.2)]] * 3 + [[reading(0.2), fact()]], rules=(SHIFT, FACT))
    (worse,) = decisions[-1].transitions
    assert (worse.worsened, worse.notify) == (True, True)


def test_a_fact_that_lasts_becomes_persistent_and_opens_no_other():
    decisions = run([[fact()]] * (WEEK + 20), rules=(SHIFT, FACT))
    assert [i.state for i in decisions[-1].state.open] == ["persistent"]
    assert decisions[-1].state.name == "ok"

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.rules import Moved, Reading, Readings
from monitor.store.readings import decode, encode, peaks
from profiles.codec import pack
from profiles.errors import CodecError
from tests.support.readings import DAY, reading, together

HOUR = replace(DAY, name="hour", statistic="ks", over=timedelta(hours=1), min_rows=1)
numbers = st.none() | st.floats(0, 10)
names = st.text(alphabet="aé\ud83d<\x00", max_size=3)
readings = st.builds(
    reading,
    numbers | st.just(float("inf")),
    column=st.text(max_size=5),
    cohort=names.map(lambda name: (("origin", name),) if name else ()),
    rule=st.sampled_from([DAY, HOUR]),
    n=st.integers(0, 2**40),
    known=st.booleans(),
    moved=st.builds(Moved, now=numbers, was=numbers, label=names),
)


def seen(readings: list[Readings]) -> list[Reading]:
    return [one for of in readings for one in of.each()]


@given(st.lists(readings, max_size=6).map(together))
def test_readings_survive_the_blob(found: list[Readings]) -> None:
    assert list(decode(encode(found))) == seen(found)


def test_streams_without_rows_leave_no_trace() -> None:
    gone = reading(0.3, column="gone", cohort=(("origin", "ZRH"),), n=0)
    assert encode(together([gone, reading(0.2), gone])) == encode([reading(0.2)])


def test_why_a_value_is_unknown_is_told() -> None:
    found = seen([reading(None, n=3), reading(None, known=False), reading(0.2), reading(1.0, n=0)])
    assert [one.reason for one in found] == ["too few rows, 3 of 200", "not in the baseline", None]


def test_a_blob_that_is_cut_off_is_refused() -> None:
    with pytest.raises(CodecError):
        decode(encode([reading(0.2)])[:-3])


def test_readings_that_were_stored_as_rows_are_read() -> None:
    row = ["day", "score", [["origin", "JFK"]], "js", 0.2, 0.1, 300, None, 1.5, 1.0, "mean"]
    few = [*row[:4], None, 0.1, 3, "too few rows, 3 of 200", None, None, ""]
    found = decode(pack(json.loads(json.dumps({"readings": [row, few]})), b""))
    assert [one.value for one in found] == [0.2, None]
    assert found[0].cohort == (("origin", "JFK"),)
    assert found[1].reason == "too few rows, 3 of 200"


def test_the_peak_of_a_rule_is_its_largest_value_over_its_threshold() -> None:
    found = [reading(0.05, column="a"), reading(0.3, column="b"), reading(None, column="c")]
    assert peaks(together(found)) == {"day": pytest.approx(3.0)}


def test_the_peak_is_none_where_every_value_is_unknown() -> None:
    assert peaks(together([reading(None, column="a"), reading(None, column="b")])) == {"day": None}
    assert peaks([]) == {}


def test_each_rule_has_a_peak_of_its_own() -> None:
    found = [reading(0.1, rule=HOUR), reading(0.2)]
    assert peaks(found) == {"hour": pytest.approx(1.0), "day": pytest.approx(2.0)}

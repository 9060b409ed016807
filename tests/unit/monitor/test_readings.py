from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.rules import Reading
from monitor.store.readings import decode, encode, peaks
from profiles.errors import CodecError


def reading(
    column: str = "score", value: float | None = 0.2, *, rule: str = "day", cohort: str = ""
) -> Reading:
    return Reading(
        rule=rule,
        column=column,
        cohort=(("origin", cohort),) if cohort else (),
        statistic="js",
        value=value,
        threshold=0.1,
        n=300,
        reason=None if value is not None else "too few rows, 3 of 200",
        now=1.5 if value else None,
        was=1.0,
        label="mean",
    )


readings = st.builds(
    reading,
    column=st.text(max_size=5),
    value=st.none() | st.floats(0, 10),
    cohort=st.text(alphabet="aé\ud83d<\x00", max_size=3),
)


@given(st.lists(readings, max_size=6))
def test_readings_survive_the_blob(found: list[Reading]) -> None:
    assert sorted(decode(encode(found)), key=repr) == sorted(found, key=repr)


def test_equal_readings_give_equal_bytes_in_any_order() -> None:
    found = [reading(c, v, cohort=o) for c in "ab" for v in (None, 0.3) for o in ("", "JFK")]
    shuffled = random.Random(3).sample(found, len(found))
    assert encode(shuffled) == encode(found)


def test_a_blob_that_is_cut_off_is_refused() -> None:
    with pytest.raises(CodecError):
        decode(encode([reading()])[:-3])


def test_the_peak_of_a_rule_is_its_largest_value_over_its_threshold() -> None:
    found = [reading("a", 0.05), reading("b", 0.3), reading("c", None)]
    assert peaks(found) == {"day": pytest.approx(3.0)}


def test_the_peak_is_none_where_every_value_is_unknown() -> None:
    assert peaks([reading("a", None), reading("b", None)]) == {"day": None}
    assert peaks([]) == {}


def test_each_rule_has_a_peak_of_its_own() -> None:
    found = [reading(value=0.1, rule="hour"), reading(value=0.2, rule="day")]
    assert peaks(found) == {"hour": pytest.approx(1.0), "day": pytest.approx(2.0)}

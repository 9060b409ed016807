from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import SourceError
from monitor.sources.times import recognise

MOMENT = datetime(2013, 3, 1, 5, 30, tzinfo=UTC)
FIRST, LAST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
SECONDS = int(MOMENT.timestamp())

WRITINGS = {
    "%Y-%m-%d %H:%M:%S": "ISO text with a space",
    "%Y-%m-%dT%H:%M:%S": "ISO text with T",
    "%Y-%m-%dT%H:%M:%SZ": "ISO text with T",
    "%Y-%m-%dT%H:%M:%S+00:00": "ISO text with T",
    "%Y-%m-%d %H:%M:%S.%f": "ISO text with a space",
    "%Y-%m-%dT%H:%M:%S.%fZ": "ISO text with T",
    "%Y-%m-%dT%H:%MZ": "ISO text with T",
    "%Y-%m-%d %H:%M": "ISO text with a space",
}


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        *((MOMENT.strftime(writing), name) for writing, name in WRITINGS.items()),
        (MOMENT, "timestamps with a zone"),
        (MOMENT.replace(tzinfo=None), "timestamps without a zone, read as UTC"),
        (SECONDS, "seconds since 1970"),
        (float(SECONDS), "seconds since 1970"),
        (SECONDS * 1_000, "milliseconds since 1970"),
        (SECONDS * 1_000_000, "microseconds since 1970"),
        (SECONDS * 1_000_000_000, "nanoseconds since 1970"),
    ],
)
def test_a_writing_is_recognised_and_read_back(stored: Any, name: str) -> None:
    writing = recognise([stored, None, stored], column="t")
    assert writing.name == name
    assert writing.read(stored) == MOMENT
    first, last = writing.span()
    assert first <= stored < last


@given(
    at=st.datetimes(*(moment.replace(tzinfo=None) for moment in (FIRST, LAST))),
    minute=st.integers(-3, 3),
    form=st.sampled_from(sorted(WRITINGS)),
)
def test_text_sorts_against_a_bound_as_moments_do(at: datetime, minute: int, form: str) -> None:
    stored = at.strftime(form)
    writing = recognise([stored], column="t")
    moment = writing.read(stored)
    assert isinstance(moment, datetime)
    bound = moment.replace(second=0, microsecond=0) + timedelta(minutes=minute)
    assert (stored >= writing.bound(bound)) == (moment >= bound)
    assert (stored < writing.bound(bound)) == (moment < bound)


def test_a_day_is_its_midnight() -> None:
    for stored in (date(2013, 3, 1), "2013-03-01"):
        writing = recognise([stored], column="t")
        assert writing.read(stored) == datetime(2013, 3, 1, tzinfo=UTC)
        assert stored >= writing.bound(datetime(2013, 3, 1, tzinfo=UTC))
        assert stored < writing.bound(datetime(2013, 3, 1, 1, tzinfo=UTC))


def test_a_zone_is_turned_into_utc_where_the_database_knows_it() -> None:
    stored = datetime(2013, 3, 1, tzinfo=timezone(timedelta(hours=-5)))
    assert recognise([stored], column="t").read(stored) == datetime(2013, 3, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        (["2013-03-01T05:30:00-05:00"], "at the offset -05:00"),
        (["yesterday canary"], "no ISO 8601 time"),
        (["01/03/2013 05:30"], "no ISO 8601 time"),
        (["2013-03-01 05:30", "2013-03-01T05:30"], "several ways (ISO text with T and ISO text"),
        ([SECONDS, SECONDS * 1000], "several ways (milliseconds since 1970 and seconds"),
        ([b"canary"], "values of type bytes"),
        ([float("nan")], "not finite"),
    ],
)
def test_what_is_no_time_is_told_without_its_value(stored: list[Any], told: str) -> None:
    with pytest.raises(SourceError) as caught:
        recognise(stored, column="at")
    assert told in str(caught.value)
    assert "'at'" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_value_that_is_no_time_gives_a_reason() -> None:
    text = recognise(["2013-03-01 05:30"], column="t")
    assert text.read("n/a") == "time_unreadable"
    assert text.read(None) == "time_missing"
    assert text.read("2013-03-01T05:30:00+02:00") == "time_not_utc"
    assert recognise([SECONDS], column="t").read("soon") == "time_unreadable"
    assert recognise([SECONDS], column="t").read(10**30) == "time_unreadable"

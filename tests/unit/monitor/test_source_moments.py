from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.sources.arrays import TIMESTAMP, Far, array_of
from monitor.sources.moments import extent, fetched, timed
from monitor.sources.times import ALL_TIME, Writing, native, recognise
from profiles.windows import Window

MOMENT = datetime(2013, 3, 1, 5, 30, tzinfo=UTC)
SECONDS = int(MOMENT.timestamp())
HOUR = Window(start=MOMENT, end=MOMENT + timedelta(hours=1))


def one_by_one(values: list[Any], writing: Writing, window: Window) -> tuple[list[Any], Any]:
    """Read times as `Writing.read` does, which is what every column has to agree with."""
    read = [writing.read(value) for value in values]
    inside = [at for at in read if isinstance(at, datetime) and window.start <= at < window.end]
    reasons = [why for why in read if isinstance(why, str)]
    return inside, {why: reasons.count(why) for why in reasons}


def all_at_once(values: Any, writing: Writing, window: Window) -> tuple[list[Any], Any]:
    found = timed(values, writing, window)
    assert found.moments.type == TIMESTAMP
    return found.moments.to_pylist(), dict(found.rejected)


FORMS = [
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S+00:00", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%S+0000", "%Y-%m-%dT%H:%M:%S.%f-00:00", "%Y-%m-%d %H:%M:%S+00",
]  # fmt: skip

ODD = ["", "n/a", "2013-03-01", "2013-03-01T05", "2013-03-01 25:00:00", "2013-02-30 00:00:00",
       "2013-03-01 05:30:60", "2013-03-01 24:00:00", "2013-03-01 05:30:00.123456789",
       "2013-03-01 05:30:00,5", "2013-03-01 05:30:00.", " 2013-03-01 05:30:00", "20130301",
       "2013-W09-5", "2013-060", "0000-01-01 00:00:00", "9999-12-31 23:59:59.999999",
       "10000-01-01 00:00:00", "+2013-03-01 05:30:00", "2013-03-01T05:30:00+02:00",
       "2013-03-01T05:30:00-00:30", "2013-03-01t05:30:00z", "2013-03-01T05:30:00 Z", "é",
       "2013-03-01 05:30:00\0", "2013-3-1 05:30:00", "2013-03-01_05:30:00"]  # fmt: skip

moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))  # noqa: DTZ001


@given(
    form=st.sampled_from(FORMS),
    at=st.lists(moments | st.none(), min_size=1, max_size=12),
    odd=st.lists(st.sampled_from(ODD) | st.text(max_size=8), max_size=2),
)
@example(form=FORMS[0], at=[datetime(2013, 3, 1)], odd=ODD[:1])  # noqa: DTZ001
def test_texts_are_read_together_as_each_by_itself(
    form: str, at: list[datetime | None], odd: list[str]
) -> None:
    writing = recognise([MOMENT.strftime(form)], column="t")
    values = [None if one is None else one.strftime(form) for one in at] + odd
    expected = one_by_one(values, writing, ALL_TIME)
    assert all_at_once(values, writing, ALL_TIME) == expected
    assert all_at_once(pa.array(values, pa.string()), writing, ALL_TIME) == expected


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("form", FORMS)
def test_one_odd_text_does_not_change_how_the_others_are_read(form: str, odd: str) -> None:
    writing = recognise([MOMENT.strftime(form)], column="t")
    for values in ([odd], [MOMENT.strftime(form), odd], [odd, MOMENT.strftime(form), None]):
        expected = one_by_one(values, writing, ALL_TIME)
        assert all_at_once(pa.array(values, pa.string()), writing, ALL_TIME) == expected


numbers = st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**6), 10**6)


@given(
    unit=st.sampled_from([1, 10**3, 10**6, 10**9]),
    values=st.lists(numbers, max_size=12),
)
def test_whole_numbers_are_read_together_as_each_by_itself(
    unit: int, values: list[int | None]
) -> None:
    writing = recognise([SECONDS * unit], column="t")
    values = [None if value is None else SECONDS * unit + value for value in values]
    values = [value for value in values if value is None or -(2**63) <= value < 2**63]
    expected = one_by_one(values, writing, ALL_TIME)
    assert all_at_once(values, writing, ALL_TIME) == expected
    assert all_at_once(pa.array(values, pa.int64()), writing, ALL_TIME) == expected


@given(
    unit=st.sampled_from([1, 10**3, 10**6, 10**9]),
    values=st.lists(st.none() | st.floats() | st.floats(-1e6, 1e6), max_size=12),
)
def test_fractions_are_read_together_as_each_by_itself(
    unit: int, values: list[float | None]
) -> None:
    writing = recognise([float(SECONDS * unit)], column="t")
    values = [None if value is None else SECONDS * unit + value for value in values]
    expected = one_by_one(values, writing, ALL_TIME)
    assert all_at_once(values, writing, ALL_TIME) == expected
    assert all_at_once(pa.array(values, pa.float64()), writing, ALL_TIME) == expected


@given(st.lists(st.none() | st.booleans() | numbers | st.floats() | st.text(max_size=4)))
def test_values_of_several_types_are_read_each_by_itself(values: list[Any]) -> None:
    for stored in (SECONDS, MOMENT.strftime(FORMS[0])):
        writing = recognise([stored], column="t")
        assert all_at_once(values, writing, ALL_TIME) == one_by_one(values, writing, ALL_TIME)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_native_times_of_any_unit_are_moments_in_utc(unit: str, zone: str | None) -> None:
    column = pa.array([MOMENT, None], TIMESTAMP).cast(pa.timestamp(unit, "UTC"))
    column = column.cast(pa.timestamp(unit, zone)) if zone else column.cast(pa.timestamp(unit))
    assert all_at_once(column, native(aware=bool(zone)), HOUR) == ([MOMENT], {"time_missing": 1})


def test_a_moment_beyond_all_years_is_unreadable() -> None:
    column = array_of([MOMENT, Far.AHEAD])
    assert all_at_once(column, native(aware=True), ALL_TIME) == ([MOMENT], {"time_unreadable": 1})


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (["2013-03-01 05:29", "2013-03-01 05:30", "2013-03-01 06:29x", "n/a", None], [1, 2]),
        ([SECONDS - 1, SECONDS, SECONDS + 3_600, None], [1]),
        ([SECONDS + 0.5, float("nan"), float("inf"), None], [0]),
        ([MOMENT, MOMENT + timedelta(hours=1), None], [0]),
    ],
)
def test_rows_are_fetched_as_a_database_would(values: list[Any], kept: list[int]) -> None:
    writing = recognise(values[:1], column="t")
    inside = fetched(array_of(values), writing, HOUR)
    assert [at for at, is_in in enumerate(inside) if is_in] == kept


def test_an_extent_says_whether_every_value_is_a_moment() -> None:
    writing = recognise([SECONDS], column="t")
    parts = [pa.array([SECONDS, None]), pa.array([SECONDS + 5]), pa.nulls(1).cast(pa.int64())]
    found = extent(parts, writing)
    assert found is not None
    assert (found.first, found.last, found.clean) == (SECONDS * 10**6, (SECONDS + 5) * 10**6, True)
    soiled = extent([*parts, pa.array([2**62])], writing)
    assert soiled is not None
    assert not soiled.clean
    assert extent([], writing) is None

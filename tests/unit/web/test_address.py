from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.address import (
    Query,
    feature_path,
    incident_path,
    model_path,
    read_cohort,
    read_path,
    read_query,
    write_cohort,
    write_query,
)

NAMES = st.text(min_size=1, max_size=20).filter(lambda s: s.encode("utf-8", "ignore").decode() == s)


@given(model=NAMES, column=NAMES)
def test_a_path_leads_back_to_the_names_it_was_made_of(model: str, column: str) -> None:
    place = read_path(feature_path(model, column))
    assert (place.kind, place.model, place.column) == ("feature", model, column)


def test_names_with_slashes_stay_one_step_of_the_path() -> None:
    assert model_path("a/b?c") == "/models/a%2Fb%3Fc"
    assert read_path(incident_path("x/y")).incident == "x/y"


@pytest.mark.parametrize("path", ["/models", "/models/a/b", "/incidents/1/2", "/x"])
def test_a_path_that_leads_nowhere_is_missing(path: str) -> None:
    assert read_path(path).kind == "missing"


@given(st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=3))
def test_a_cohort_leads_back_to_its_names(pairs: list[tuple[str, str]]) -> None:
    cohort = tuple(pairs)
    assert read_query(write_query(Query(cohort=cohort))).cohort == cohort
    assert read_cohort(write_cohort(cohort)) == cohort


def test_an_address_keeps_everything_but_what_changes() -> None:
    query = read_query("?from=2013-12-03T17:00Z&to=2013-12-05T00:00Z&cohort=origin:JFK&stat=psi")
    assert write_query(query, statistic="js") == (
        "?from=2013-12-03T17:00Z&to=2013-12-05T00:00Z&cohort=origin:JFK"
    )


def test_a_relative_range_ends_with_the_last_result() -> None:
    end = datetime(2013, 12, 11, tzinfo=UTC)
    extent = (datetime(2013, 3, 1, tzinfo=UTC), end)
    assert read_query("?range=7d").resolve(extent) == (end - timedelta(days=7), end)
    assert read_query("").resolve(extent) == (end - timedelta(days=14), end)


def test_dates_without_a_zone_are_told_in_the_zone_of_the_page() -> None:
    query = read_query("?from=2013-12-03&to=2013-12-04", zone=ZoneInfo("America/New_York"))
    assert query.start == datetime(2013, 12, 3, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "search",
    [
        "?from=yesterday&to=today",
        "?from=2013-12-05&to=2013-12-03",
        "?from=0001-01-01&to=9999-12-31",
        "?range=0d",
        "?range=999999999999d",
        "?tz=No/Where&stat=nonsense",
        "?cohort=nonsense",
        "?%ff%00&&==",
    ],
)
def test_what_cannot_be_understood_is_left_at_its_default(search: str) -> None:
    assert read_query(search) == Query()

"""The sentences, as people will read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.incident import ranked
from alerts.message import (
    GAP,
    Span,
    duration,
    incident_sentence,
    model_sentence,
    moment,
    name,
    number,
    overview_sentence,
    pair,
    percent,
    plain,
    promise_sentence,
    title,
)
from alerts.moved import opened_reason
from tests.support.incidents import EV, HOSTILE, OPENED, SINCE, incident, stream

B6 = (("carrier", "B6"),)
UA = (("carrier", "UA"),)
HUMIDITY = {"value": 0.3, "now": 79.0, "was": 56.2}
VISIBILITY = {"value": 0.5, "now": 6.8, "was": 9.7}


def sentence(*streams, resolved=None):
    told = incident(*streams, resolved=resolved)
    return plain(incident_sentence(told, noun="flights", timezone="America/New_York"))


@pytest.mark.parametrize(
    ("streams", "expected"),
    [
        ([stream()], "score rose"),
        ([stream("visibility", **VISIBILITY)], "visibility fell"),
        ([stream(), stream("visibility", **VISIBILITY)], "visibility fell, score rose"),
        ([stream(), stream("humidity", **HUMIDITY)], "humidity and score rose"),
        ([stream("carrier", now=0.18, was=0.12, label="share of EV")], "carrier moved"),
        ([stream("wind", now=None, was=None)], "wind moved"),
        ([stream("wind", now=10.0001, was=10.0)], "wind moved"),
        ([stream(c) for c in "edcba"], "a and 4 more moved"),
        ([stream(), stream(cohort=EV, value=0.9)], "score rose"),
        ([stream(cohort=EV, value=0.9), stream("humidity", **HUMIDITY)], "humidity and score rose"),
        ([], "nothing moved"),
    ],
)
def test_a_title_says_what_moved_worst_first(streams, expected):
    assert title(streams) == expected


def test_an_incident_is_one_sentence_that_can_be_read_aloud():
    assert sentence(stream()) == (
        "Since Tue 3 Dec 17:00 (New York) the mean score rose from 0.21 to 0.28 "
        "over all 6,634 flights."
    )


def test_other_columns_and_cohorts_follow():
    cohorts = [stream(cohort=c, value=v) for c, v in ((B6, 0.2), (EV, 0.4), (UA, 0.15))]
    assert sentence(stream(), stream("humidity", **HUMIDITY), *cohorts) == (
        "Since Tue 3 Dec 17:00 (New York) the mean humidity rose from 56 to 79 "
        "over all 6,634 flights; score rose too; carrier EV and 2 more cohorts moved too."
    )


def test_a_cohort_alone_is_named_with_its_rows():
    assert sentence(stream(cohort=EV, n=512)) == (
        "Since Tue 3 Dec 17:00 (New York) the mean score rose from 0.21 to 0.28 "
        "over 512 flights with carrier EV."
    )


def test_a_share_is_told_in_per_cent():
    assert (f"the share of EV in carrier fell from 18{GAP}% to 12{GAP}% over") in sentence(
        stream("carrier", now=0.12, was=0.18, label="share of EV")
    )


def test_where_the_mean_stayed_the_distance_is_told():
    assert "the distribution of score moved (Jensen–Shannon distance 0.17, threshold 0.1)" in (
        sentence(stream(now=0.2, was=0.2))
    )


def test_a_resolved_incident_says_until_when_and_how_long():
    text = sentence(stream(), resolved=SINCE + timedelta(days=7, hours=5))
    assert text.endswith(f" All quiet again by Tue 10 Dec 22:00, after 7{GAP}d 5{GAP}h.")


def test_times_and_numbers_are_the_strong_parts():
    spans = incident_sentence(incident(), noun="flights", timezone="America/New_York")
    assert [s.text for s in spans if s.strong] == ["Tue 3 Dec 17:00", "0.21 to 0.28"]


def test_the_overview_names_the_model_that_needs_a_look_first():
    models = [
        ("flight-delay", "firing", timedelta(days=7)),
        ("churn", "pending", timedelta(hours=2)),
        ("ad-click", "stale", timedelta(hours=6)),
        *[(f"other-{i}", "normal", None) for i in range(3)],
    ]
    assert plain(overview_sentence(models)) == (
        f"One model needs a look: flight-delay, for 7{GAP}d now. "
        "One source is silent, one is pending, three are as usual."
    )


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ([], "No model is configured yet."),
        ([("a", "normal", None)], "a is as usual."),
        ([("a", "stale", None)], "a has had no new rows for a while."),
        ([("a", "normal", None)] * 6, "All six models are as usual."),
        (
            [("a", "pending", None), ("b", "normal", None)],
            "No model is firing. One is pending, one is as usual.",
        ),
        (
            [("a", "firing", None), ("b", "firing", None)],
            "Two models need a look: a and b.",
        ),
    ],
)
def test_the_overview_says_how_the_models_are(models, expected):
    assert plain(overview_sentence(models)) == expected


@pytest.mark.parametrize(
    ("state", "moved", "expected"),
    [
        ("normal", (), "Nothing is beyond its threshold."),
        (
            "pending",
            ("humidity",),
            (
                "humidity has been beyond the threshold since Tue 3 Dec 17:00 (New York), "
                "not yet for long enough to open an incident."
            ),
        ),
        (
            "firing",
            ("humidity", "visibility"),
            (
                "An incident is open since Tue 3 Dec 17:00 (New York); "
                "now humidity and visibility have moved."
            ),
        ),
        (
            "firing",
            (),
            (
                "An incident is open since Tue 3 Dec 17:00 (New York); "
                "nothing is beyond its threshold now."
            ),
        ),
        (
            "stale",
            (),
            (
                "No new flights have come in since Tue 3 Dec 17:00 (New York); "
                "what happened then is unknown."
            ),
        ),
        (
            "failed",
            (),
            (
                "Nothing could be read since Tue 3 Dec 17:00 (New York); "
                "what happened then is unknown."
            ),
        ),
        ("starting", (), "No window has been decided yet."),
    ],
)
def test_a_model_opens_with_its_state(state, moved, expected):
    spans = model_sentence(
        state=state, since=SINCE, noun="flights", timezone="America/New_York", moved=moved
    )
    assert plain(spans) == expected


def test_a_model_tells_its_mean_with_its_error_and_what_was_expected():
    text = plain(
        model_sentence(
            state="normal",
            since=None,
            noun="flights",
            timezone="UTC",
            score="score",
            now=0.2771,
            was=0.2103,
            half_width=0.0041,
        )
    )
    assert text.endswith(" The mean score is 0.28 ± 0.004, expected 0.21.")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (-0.0, "0"),
        (0.2, "0.2"),
        (0.21049, "0.21"),
        (9.96, "9.96"),
        (999.6, "1,000"),
        (-1234567.8, "−1,234,568"),
        (1e-9, "1.00e−09"),
        (3.2e18, "3.20e+18"),
        (float("nan"), "–"),
        (float("-inf"), "–"),
    ],
)
def test_numbers_are_written_to_three_significant_digits(value, expected):
    assert number(value) == expected


def test_two_numbers_are_written_so_that_their_difference_shows():
    assert pair(0.2103, 0.2771) == ("0.21", "0.28")
    assert pair(9.7, 6.8) == ("9.7", "6.8")
    assert pair(-0.001, 0.001) == ("−0.0010", "0.0010")
    assert pair(56.2, 79) == ("56", "79")
    assert pair(0, 0) == ("0.0", "0.0")


def test_per_cent_has_a_narrow_gap():
    assert percent(0.479) == f"48{GAP}%"
    assert percent(None) == "–"


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (timedelta(seconds=38), "38 s"),
        (timedelta(minutes=20, seconds=59), "20 min"),
        (timedelta(hours=6, minutes=20), "6 h 20 min"),
        (timedelta(days=7), "7 d"),
        (timedelta(seconds=-3), "0 s"),
    ],
)
def test_a_duration_has_two_units_at_most(span, expected):
    assert duration(span).replace(GAP, " ") == expected


def test_a_moment_names_weekday_and_zone_and_follows_summer_time():
    assert moment(OPENED, "America/New_York", zone=True) == "Tue 3 Dec 20:00 (New York)"
    assert moment(OPENED, "UTC", year=True) == "Wed 4 Dec 2013 01:00"
    summer = OPENED.replace(month=7)
    assert moment(summer, "America/New_York") == "Wed 3 Jul 21:00"


@pytest.mark.parametrize("timezone", ["Mars/Olympus", "", "../../etc/passwd", "\x00"])
def test_an_unknown_zone_is_read_and_named_as_utc(timezone):
    assert moment(OPENED, timezone, zone=True) == "Wed 4 Dec 01:00 (UTC)"


@pytest.mark.parametrize("foreign", HOSTILE)
def test_a_foreign_name_stays_one_short_line_of_valid_text(foreign):
    shown = name(foreign)
    shown.encode()
    assert 0 < len(shown) <= 60
    assert shown.isprintable()


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, finite)
def test_any_two_numbers_can_be_written(was, now):
    for text in pair(was, now):
        assert "-" not in text
        assert text not in {"−0", "−0.0", "−0.00"}


@given(st.lists(st.tuples(st.text(), st.text(), finite, finite), min_size=1, max_size=6))
def test_any_incident_can_be_told(rows):
    streams = [
        stream(column, cohort=(("c", who),) if who else (), now=now, was=was)
        for column, who, now, was in rows
    ]
    text = sentence(*streams)
    assert text.startswith("Since Tue 3 Dec 17:00")
    assert text.endswith(".")
    assert "\n" not in text
    assert isinstance(Span(text), Span)


def test_a_change_that_is_mostly_who_came_is_called_mix() -> None:
    mixed = replace(stream("score"), mix=0.97, mix_of="carrier")
    told = plain(incident_sentence(incident(mixed), noun="flights", timezone="UTC"))
    assert "; 97\u202f% of that is another mix of carrier." in told
    assert title([mixed]) == "another mix of carrier"
    assert title([mixed, stream("carrier", label="share of EV")]) == "another mix of carrier"
    assert title([mixed, stream("humidity")]) == "humidity and score rose"


def test_a_change_within_cohorts_is_not_called_mix() -> None:
    within = replace(stream("score"), mix=0.3, mix_of="carrier")
    told = plain(incident_sentence(incident(within), noun="flights", timezone="UTC"))
    assert "mix" not in told
    assert title([within]) == "score rose"


def test_a_fact_is_told_before_any_distance() -> None:
    fact = replace(stream("temp", value=1.0, label="share of missing"), statistic="check")
    far = stream("score", value=9.0)
    of = incident(*ranked([far, fact]))
    assert [s.column for s in of.streams] == ["temp", "score"]
    assert title(of.streams).startswith("temp")
    assert opened_reason(fact, rule="never before", windows=1) == (
        "never before, temp: the share of missing in temp rose from 21\u202f% to 28\u202f%"
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {},
            (
                "Promised: at most 1 false incident a month. Of all kinds, 7 opened in 8 months "
                "(0.88 a month, 0.35 to 1.8)."
            ),
        ),
        (
            {"budget": 2.0, "incidents": 40, "between": (3.6, 6.8)},
            (
                "The promise of at most 2 false incidents a month does not hold here: 40 opened "
                "in 8 months (5 a month, 3.6 to 6.8). What comes may wander more than it did "
                "before."
            ),
        ),
        (
            {"between": None, "months": 0.0, "incidents": 0, "days": 12},
            (
                "The promise of at most 1 false incident a month begins in 53 days: 12 of 65 "
                "days are stored."
            ),
        ),
    ],
    ids=["holds", "does not hold", "has not begun"],
)
def test_the_promise_is_told_with_what_came_of_it(changes, told) -> None:
    given: dict[str, Any] = {
        "budget": 1.0, "incidents": 7, "months": 8.0, "between": (0.35, 1.8), "days": 305,
        "begins_after": 65,
    }  # fmt: skip
    assert plain(promise_sentence(**given | changes)) == told

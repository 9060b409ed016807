from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from monitor.demo.flights import FEATURES, read_flights


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return read_flights()


def test_every_flight_of_the_year_is_there_once(flights: pd.DataFrame) -> None:
    assert len(flights) == 336_776
    assert flights["id"].is_unique
    assert flights["event_time"].is_monotonic_increasing


def test_scheduled_departures_are_put_into_utc_in_winter_and_summer(flights: pd.DataFrame) -> None:
    winter = flights.set_index("id").loc["2013-01-01-UA1545-EWR"]
    july = flights[flights["id"].str.startswith("2013-07-04") & (flights["hour"] < 20)]
    assert winter["event_time"] == pd.Timestamp("2013-01-01T10:15Z")
    assert (july["event_time"].dt.hour == july["hour"] + 4).all()


def test_a_flight_across_time_zones_lands_when_the_clock_there_says(
    flights: pd.DataFrame,
) -> None:
    to_houston = flights.set_index("id").loc["2013-01-01-UA1545-EWR"]
    assert to_houston["dest"] == "IAH"
    assert to_houston["observed_at"] == pd.Timestamp("2013-01-01T14:30Z")  # 8:30 in Houston
    assert to_houston["late"] == 0


def test_the_truth_comes_after_departure_and_only_for_flights_that_landed(
    flights: pd.DataFrame,
) -> None:
    landed = flights["late"].notna()
    assert (~landed).sum() == 9_430
    assert (flights["observed_at"].notna() == landed).all()
    flight = (flights["observed_at"] - flights["event_time"])[landed]
    assert flight.min() > pd.Timedelta(0)
    assert flight.max() < pd.Timedelta(days=1, hours=12)


def test_holes_in_the_weather_stay_holes(flights: pd.DataFrame) -> None:
    december = flights[flights["event_time"].dt.month == 12]
    missing = december["weather.temp"].isna()
    assert 500 < missing.sum() < 1_500
    assert december.loc[missing, "weather.visib"].isna().all()
    assert not flights[[name for name in FEATURES if "." not in name]].isna().any(axis=None)
    assert np.isfinite(flights["weather.visib"].dropna()).all()

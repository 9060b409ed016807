"""Rows of a part of the log, for the peers: they hold in memory what they work on."""

from datetime import datetime, timedelta

import pandas as pd
from task import ASKED


def rows(first: datetime, last: datetime, names: list[str]) -> pd.DataFrame:
    """Read some columns of the log from an instant to before another."""
    time = ASKED["time"]
    return pd.read_parquet(
        ASKED["rows"], columns=[time, *names], filters=[(time, ">=", first), (time, "<", last)]
    )


def day(number: int) -> datetime:
    """Return the beginning of a day of the log."""
    return datetime.fromisoformat(ASKED["start"]) + timedelta(days=number)


def cohorts(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each cohort."""
    return dict(iter(table.groupby(ASKED["cohort"], observed=True)))

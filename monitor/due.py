"""Which windows are due: a pure function, so that the wall clock decides when to look, not what."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime, timedelta

from profiles.windows import Window, ceil, tile


def due(
    *,
    now: datetime,
    watermark: datetime | None,
    first: datetime,
    done: Container[datetime],
    width: timedelta,
    lateness: timedelta,
) -> list[Window]:
    """Return the windows that have closed and are not known yet, oldest first.

    A window closes when the log has moved `lateness` past its end. How far the log has moved is
    its newest event time, the `watermark`; a time in the future counts as now. A silent log
    closes nothing: no rows yet is not no rows.

    Parameters
    ----------
    now : datetime
        Caps event times that lie in the future.
    watermark : datetime or None
        Newest event time in the log; None where it has no rows.
    first : datetime
        No window that starts before it is due.
    done : container of datetime
        Starts of windows that are known already.
    width, lateness : timedelta
        Of the model's configuration.
    """
    if watermark is None:
        return []
    closed = min(watermark, now) - lateness
    if closed <= first:
        return []
    start = ceil(first, width)
    return [window for window in tile(start, closed, width) if window.start not in done]

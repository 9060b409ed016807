"""Where rows come from: the prediction log and the baseline."""

from monitor.sources.arrays import plain_values
from monitor.sources.baseline import BaselineSource, open_baseline
from monitor.sources.batch import Batch
from monitor.sources.log import LogSource, SourceColumn, ended_by, open_log
from monitor.sources.look import RawLook, look_at
from monitor.sources.payload import (
    PAYLOAD_MISSING,
    PAYLOAD_NOT_JSON,
    PAYLOAD_NOT_OBJECT,
)
from monitor.sources.times import TIME_MISSING, TIME_NOT_UTC, TIME_UNREADABLE, TIMELESS
from profiles.limits import ROW_TOO_LARGE

__all__ = [
    "PAYLOAD_MISSING",
    "PAYLOAD_NOT_JSON",
    "PAYLOAD_NOT_OBJECT",
    "ROW_TOO_LARGE",
    "TIMELESS",
    "TIME_MISSING",
    "TIME_NOT_UTC",
    "TIME_UNREADABLE",
    "BaselineSource",
    "Batch",
    "LogSource",
    "RawLook",
    "SourceColumn",
    "ended_by",
    "look_at",
    "open_baseline",
    "open_log",
    "plain_values",
]

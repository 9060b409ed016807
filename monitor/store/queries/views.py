"""What the dashboard reads: one frozen record for each picture.

Times are aware datetimes in UTC, or `datetime64[us]` arrays that mean UTC. In float arrays NaN
means *nothing is known here* (no rows, or too few) and is drawn as a gap, never as zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from shlex import quote
from typing import Literal

import numpy as np
import numpy.typing as npt

from alerts.incident import IncidentState, IncidentStream
from alerts.text import Span
from profiles.effects import Effect
from profiles.resolution import CoarseBin

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Times = npt.NDArray[np.datetime64]
Cohort = tuple[tuple[str, str], ...]  # () is everybody; (("origin", "JFK"),) is one cohort

Role = Literal["prediction", "feature", "context"]
ModelState = Literal["firing", "pending", "normal", "stale", "failed", "starting"]


@dataclass(frozen=True, kw_only=True)
class WindowCounts:
    pending: int
    running: int
    done: int
    failed: int
    dirty: int


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A budget of false incidents, and how many it has opened, real ones among them."""

    budget: float  # a month
    incidents: int
    months: float  # in which it could open one
    between: tuple[float, float] | None  # 95 % interval of the rate a month; None before the first
    days: int  # that are stored
    begins_after: int  # days

    @property
    def holds(self) -> bool:
        return self.between is None or self.between[0] <= self.budget


@dataclass(frozen=True, kw_only=True)
class TooLate:
    """Rows that came too late for their windows to be done again by themselves."""

    rows: int
    windows: int
    start: datetime  # of the first of these windows
    end: datetime  # of the last

    def command(self, model: str) -> str:
        """Return the command that takes them in."""
        start, end = (f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (self.start, self.end))
        of = f"monitor backfill --model {quote(model)} --reprocess late"
        return f"{of} --from {start} --to {end}"


@dataclass(frozen=True, kw_only=True)
class ModelStatus:
    """One model at a glance, without reading a profile."""

    name: str
    noun: str  # what a row is: "flights"
    state: ModelState
    since: datetime | None  # start of the firing, pending, stale or failed state
    windows: WindowCounts
    width: timedelta
    first: datetime | None  # start of the first window with a result
    watermark: datetime | None  # end of the last window up to which everything is decided
    lag_s: float  # newest event time in the log minus watermark, 0 where one is not known
    open_incidents: int
    last_error: str | None
    promise: Promise | None = None  # None where the budget is off
    late: TooLate | None = None  # None where none are known
    failing_since: datetime | None = None  # nothing could be read since; None where it can
    blind: bool = False  # for so long that people were told
    given_up: int = 0  # of the failed windows, those that are not tried again
    limits: tuple[str, ...] = ()  # those that were reached of late, in words


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A column in a cohort, as judged by one rule in one window."""

    column: str
    cohort: Cohort
    rule: str
    statistic: str
    value: float | None  # None with a reason, never NaN
    threshold: float
    n: int
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class OverviewRow:
    status: ModelStatus
    prediction: str | None  # name of the score column
    times: Times  # [T] starts of equal steps over the range
    mean: Floats  # [T] mean score
    expected: Floats  # [T] mean score of the four weeks before, of the baseline without them
    band: Floats  # [T] half width of what nine in ten of the days before stayed in
    latest: float | None  # mean score over the last day
    latest_half_width: float | None  # 95 % sampling error
    worst: Stream | None  # largest value over threshold in the last decided window


@dataclass(frozen=True, kw_only=True)
class MonitorHealth:
    windows_done_24h: int
    windows_due_24h: int
    oldest_watermark: datetime | None
    messages_waiting: int
    dead_letters: int
    store: str  # "SQLite" or "PostgreSQL"


@dataclass(frozen=True, kw_only=True)
class IncidentRow:
    id: str
    number: int  # 1, 2, … by opening time over the whole store, for people
    model: str
    kind: str  # "drift", or "monitor" where the monitor is blind
    state: IncidentState
    opened: datetime  # end of the window that opened it
    since: datetime  # start of what moved
    resolved: datetime | None
    title: str  # "score moved", from alerts.message
    streams: int


@dataclass(frozen=True, kw_only=True)
class Overview:
    models: tuple[OverviewRow, ...]  # worst first
    incidents: tuple[IncidentRow, ...]  # newest first
    health: MonitorHealth


@dataclass(frozen=True, kw_only=True)
class ScoreSeries:
    column: str
    mean: Floats  # [T]
    half_width: Floats  # [T] 95 % sampling error of the mean
    quantiles: Floats  # [5, T] at 10, 25, 50, 75, 90 %
    above: Floats | None  # [T] share of rows at or above the decision threshold
    expected: float | None  # baseline mean
    threshold: float | None  # decision threshold


@dataclass(frozen=True, kw_only=True)
class FeatureLanes:
    """The chosen statistic of each column against the baseline, through time."""

    columns: tuple[str, ...]  # what matters first: score, features by worst, then context
    roles: tuple[Role, ...]
    values: Floats  # [F, T]
    normal: Floats  # [F] a cell is blank up to here: 90 % of the four weeks before were under it
    now: Floats  # [F, T] mean (numeric) or share of the largest category (categorical)
    was: Floats  # [F] the same in the baseline
    labels: tuple[str, ...]  # [F] what `now` is: "mean", or the category's name


@dataclass(frozen=True, kw_only=True)
class CohortLanes:
    """Mean score of each cohort, minus its mean in the four weeks before the span.

    With fewer than 14 days before the span, minus the cohort's mean in the baseline.
    """

    cohorts: tuple[Cohort, ...]  # grouped by cohort column, largest first
    values: Floats  # [C, T] difference of means
    half_width: Floats  # [C, T] the larger of the 95 % sampling error and its usual wander
    n: Ints  # [C, T]


@dataclass(frozen=True, kw_only=True)
class MissingLanes:
    columns: tuple[str, ...]  # only columns in which something is missing, worst first
    fraction: Floats  # [M, T]
    usual: Floats  # [M] in the baseline


@dataclass(frozen=True, kw_only=True)
class IncidentSpan:
    id: str
    number: int
    start: datetime
    end: datetime | None  # None while open
    title: str


@dataclass(frozen=True, kw_only=True)
class ModelView:
    status: ModelStatus
    cohort: Cohort
    cohorts: tuple[Cohort, ...]  # all that can be chosen
    statistic: str
    start: datetime
    end: datetime
    times: Times  # [T] starts of equal steps
    step: timedelta
    over: timedelta  # width of the merged window behind each cell of features and cohorts
    score_over: timedelta  # the same for the score
    rows: Ints  # [T]
    score: ScoreSeries | None
    distance: dict[str, Floats]  # rule name → [T] largest value over threshold among its streams
    features: FeatureLanes
    by_cohort: CohortLanes | None
    missing: MissingLanes
    incidents: tuple[IncidentSpan, ...]


@dataclass(frozen=True, kw_only=True)
class Bars:
    """A distribution for drawing: numeric bins by edges, or categories by name."""

    edges: Floats | None  # [B + 1] finite, for numeric columns
    names: tuple[str, ...] | None  # [B] for categorical columns, largest in the baseline first
    window: Floats  # [B] shares of the rows present, sum to 1 (or 0 without rows)
    baseline: Floats  # [B]


@dataclass(frozen=True, kw_only=True)
class DistanceRow:
    name: str  # "psi"
    title: str  # "Population stability index, 10 bins, +½ a bin"
    value: float | None
    p: float | None
    no_drift: float | None  # what this n and m would show on average with nothing drifted
    meaning: str  # one sentence
    trail: Floats  # the same distance in earlier spans of the same width, NaN where unknown


@dataclass(frozen=True, kw_only=True)
class FeatureView:
    status: ModelStatus
    column: str
    kind: Literal["numeric", "categorical"]
    role: Role
    cohort: Cohort
    cohorts: tuple[Cohort, ...]
    start: datetime
    end: datetime
    n: int
    n_baseline: int
    mean: float | None
    mean_baseline: float | None
    bars: Bars
    window_quantiles: tuple[float, ...] | None  # 10, 50, 90 % in the window; numeric only
    baseline_quantiles: tuple[float, ...] | None
    times: Times  # [T]
    step: timedelta
    over: timedelta
    quantiles: Floats | None  # [5, T] numeric
    shares: Floats | None  # [K, T] categorical: share of each of the first K of bars.names
    missing: Floats  # [T]
    missing_fraction: float
    missing_baseline: float
    categories: tuple[int, int]  # that the baseline has: with a bin of their own, and further ones
    unseen: int  # rows with a value the baseline does not know
    out_of_range: int  # rows beyond the ends of the baseline; numeric only
    mismatched: int  # rows of the wrong type
    largest_bin: float  # share of the window in its largest bin that is not a single value
    ks_shortfall: float | None  # the exact KS is at most so much larger; numeric only
    coarse: CoarseBin | None  # the bin that holds more of the window than its grid was made for
    distances: tuple[DistanceRow, ...]
    incidents: tuple[IncidentSpan, ...]
    since_training: Effect | None = None  # of the range; None where it holds too little


@dataclass(frozen=True, kw_only=True)
class TimelineEntry:
    at: datetime
    text: str
    state: str


@dataclass(frozen=True, kw_only=True)
class DeliveryRow:
    route: str
    kind: str
    state: Literal["waiting", "sent", "dead", "held"]
    attempts: int
    last: datetime | None
    detail: str | None  # "HTTP 503", or why it was held back


@dataclass(frozen=True, kw_only=True)
class IncidentView:
    row: IncidentRow
    sentence: str  # from alerts.message; plain text
    spans: tuple[Span, ...]  # the same, with what stands out marked
    streams: tuple[IncidentStream, ...]  # worst first
    times: Times  # from a week before the opening on
    distance: dict[str, Floats]  # rule → largest value over threshold
    timeline: tuple[TimelineEntry, ...]
    deliveries: tuple[DeliveryRow, ...]

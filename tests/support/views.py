"""Dashboard records made from a seed: flights that stop at night, one storm, one incident."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from alerts.incident import IncidentStream
from alerts.message import Span
from monitor.store.queries.views import (
    Bars,
    Cohort,
    CohortLanes,
    DeliveryRow,
    DistanceRow,
    FeatureLanes,
    FeatureView,
    IncidentRow,
    IncidentSpan,
    IncidentView,
    MissingLanes,
    ModelStatus,
    ModelView,
    MonitorHealth,
    Overview,
    OverviewRow,
    Promise,
    ScoreSeries,
    Stream,
    TimelineEntry,
    WindowCounts,
)

END = datetime(2013, 12, 11, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
ORIGINS = ("EWR", "JFK", "LGA")
CARRIERS = ("UA", "B6", "EV", "DL", "AA", "MQ", "US", "WN", "9E", "VX")
HOSTILE = "<img src=x onerror=alert(1)>"
BOLD = '<b>bold</b><a href="https://example.org">x</a>'
CONTEXT = ("weather.visib", "weather.humid", "weather.temp", "weather.wind_speed", HOSTILE)
FEATURES = ("carrier", "origin", "dest", "distance", "hour", BOLD)
COHORTS: tuple[Cohort, ...] = (
    *((("origin", o),) for o in ORIGINS),
    *((("carrier", c),) for c in CARRIERS),
    *((("origin", o), ("carrier", c)) for o in ORIGINS for c in CARRIERS[:4]),
)


def stamps(start: datetime, end: datetime, step: timedelta = HOUR) -> np.ndarray:
    first, last = (
        np.datetime64(t.astimezone(UTC).replace(tzinfo=None), "us") for t in (start, end)
    )
    return np.arange(first, last, np.timedelta64(step))


def storm(times: np.ndarray) -> np.ndarray:
    """How far from normal each instant is, between 0 and 1: two bumps and a plateau."""
    hours = (times - np.datetime64("2013-12-05T20:00")) / np.timedelta64(1, "h")
    late = (times - np.datetime64("2013-12-09T15:00")) / np.timedelta64(1, "h")
    return np.clip(np.exp(-((hours / 16) ** 2)) + 0.8 * np.exp(-((late / 22) ** 2)), 0, 1)


def flying(times: np.ndarray) -> np.ndarray:
    hour = (times.astype("datetime64[h]").astype(int) - 5) % 24
    return (hour >= 5) & (hour <= 22)


def status(name: str = "flight-delay", **changes: object) -> ModelStatus:
    made = ModelStatus(
        name=name,
        noun="flights",
        state="firing",
        since=datetime(2013, 12, 3, 22, tzinfo=UTC),
        windows=WindowCounts(pending=0, running=0, done=6744, failed=0, dirty=0),
        width=HOUR,
        first=datetime(2013, 3, 1, 5, tzinfo=UTC),
        watermark=END,
        lag_s=38.0,
        open_incidents=1,
        last_error=None,
        promise=Promise(
            budget=1.0, incidents=7, months=8.0, between=(0.35, 1.8), days=305, begins_after=65
        ),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def spans() -> tuple[IncidentSpan, ...]:
    return (
        IncidentSpan(
            id="a3f09c",
            number=12,
            start=datetime(2013, 12, 3, 22, tzinfo=UTC),
            end=None,
            title="score rose",
        ),
        IncidentSpan(
            id="b17e20",
            number=11,
            start=datetime(2013, 11, 27, 9, tzinfo=UTC),
            end=datetime(2013, 11, 28, 4, tzinfo=UTC),
            title="dest and 2 more moved",
        ),
    )


def score(times: np.ndarray, rng: np.random.Generator) -> ScoreSeries:
    hour = (times.astype("datetime64[h]").astype(int) - 5) % 24
    mean = 0.14 + 0.006 * (hour - 5) + 0.3 * storm(times) + rng.normal(0, 0.012, len(times))
    mean = np.where(flying(times), mean, np.nan)
    spread = 0.06 + 0.3 * mean
    return ScoreSeries(
        column="score",
        mean=mean,
        half_width=0.02 + 0 * mean,
        quantiles=np.stack([mean + spread * k for k in (-0.75, -0.45, -0.08, 0.4, 1.1)]),
        above=np.clip(mean * 1.8 - 0.1, 0, 1),
        expected=0.21,
        threshold=0.245,
    )


def feature_lanes(times: np.ndarray, rng: np.random.Generator) -> FeatureLanes:
    columns = ("score", *FEATURES, *CONTEXT)
    roles = ("prediction", *["feature"] * len(FEATURES), *["context"] * len(CONTEXT))
    normal = np.full(len(columns), 0.12)
    size = np.linspace(0.5, 0.05, len(columns))[:, None]
    values = 0.05 + size * storm(times) + 0.03 * rng.random((len(columns), len(times)))
    values[-4] += 0.5 * storm(times + np.timedelta64(7, "D"))
    values = np.where(flying(times), values, np.nan)
    return FeatureLanes(
        columns=columns,
        roles=roles,  # type: ignore[arg-type]
        values=values,
        normal=normal,
        now=0.2 + values,
        was=np.full(len(columns), 0.21),
        labels=tuple(
            "EWR" if c == "origin" else "UA" if c == "carrier" else "mean" for c in columns
        ),
    )


def cohort_lanes(times: np.ndarray, rng: np.random.Generator) -> CohortLanes:
    shape = (len(COHORTS), len(times))
    values = 0.22 * storm(times) * rng.uniform(0.4, 1.1, (shape[0], 1))
    values = values + rng.normal(0, 0.008, shape)
    return CohortLanes(
        cohorts=COHORTS,
        values=np.where(flying(times), values, np.nan),
        half_width=np.full(shape, 0.02),
        n=rng.integers(20, 400, shape),
    )


def model_view(
    *,
    start: datetime = END - timedelta(days=14),
    end: datetime = END,
    cohort: Cohort = (),
    statistic: str = "js",
    seed: int = 7,
    state: ModelStatus | None = None,
) -> ModelView:
    rng = np.random.default_rng(seed)
    times = stamps(start, end)
    wet = np.clip(storm(times) - 0.3, 0, 1)
    return ModelView(
        status=state or status(),
        cohort=cohort,
        cohorts=COHORTS,
        statistic=statistic,
        start=start,
        end=end,
        times=times,
        step=HOUR,
        over=timedelta(hours=24),
        score_over=timedelta(hours=6),
        rows=np.where(flying(times), rng.integers(30, 90, len(times)), 0),
        score=score(times, rng),
        distance={
            "score far from baseline": 0.5 + 2.2 * storm(times),
            "features far from baseline": 0.3 + 0.8 * storm(times) + 0.1 * rng.random(len(times)),
        },
        features=feature_lanes(times, rng),
        by_cohort=cohort_lanes(times, rng) if cohort == () else None,
        missing=MissingLanes(
            columns=("weather.pressure", "weather.wind_gust"),
            fraction=np.stack([0.1 + 0.6 * wet, 0.75 + 0.1 * wet]),
            usual=np.array([0.1, 0.75]),
        ),
        incidents=spans(),
    )


def distance_rows() -> tuple[DistanceRow, ...]:
    def row(
        name: str, title: str, value: float, p: float | None, none: float, says: str
    ) -> DistanceRow:
        trail = np.array([0.3, 0.4, np.nan, 0.5, 0.35, 0.6]) * value
        return DistanceRow(
            name=name, title=title, value=value, p=p, no_drift=none, meaning=says, trail=trail
        )

    return (
        row(
            "wasserstein", "Wasserstein-1", 22.3, None, 0.4, "On average a value moved by 22 units."
        ),
        row(
            "ks",
            "Kolmogorov–Smirnov",
            0.46,
            1e-200,
            0.01,
            "At the worst cut, 46 % of the flights changed sides.",
        ),
        row(
            "js",
            "Jensen–Shannon distance, base 2",
            0.52,
            None,
            0.03,
            "0 is the same, 1 has nothing in common.",
        ),
        row(
            "psi",
            "Population stability index, 10 bins, +½ a bin",
            2.46,
            0.0,
            0.002,
            "Much mass has moved.",
        ),
        row(
            "tv",
            "Total variation",
            0.46,
            None,
            0.02,
            "Share of the flights that would have to change bins.",
        ),
        row("hellinger", "Hellinger", 0.47, None, 0.02, "0 is the same, 1 has nothing in common."),
        row("linf", "L-infinity", 0.09, None, 0.005, "The largest change of any one bin."),
        replace(
            row("chi2", "Two-sample chi-square", 4012.0, 0.0, 198.0, "Bins compared."), value=None
        ),
    )


def feature_view(
    column: str = "weather.humid",
    *,
    kind: str = "numeric",
    start: datetime = END - timedelta(days=14),
    end: datetime = END,
    cohort: Cohort = (),
    seed: int = 11,
) -> FeatureView:
    rng = np.random.default_rng(seed)
    times = stamps(start, end)
    numeric = kind == "numeric"
    edges = np.linspace(15, 100, 60)
    names = (*CARRIERS, HOSTILE, BOLD)
    size = len(edges) - 1 if numeric else len(names)
    place = np.arange(size) / size
    was = np.exp(-(((place - 0.45) / 0.25) ** 2)) if numeric else np.linspace(1, 0.1, size)
    now = np.exp(-(((place - 0.75) / 0.15) ** 2)) if numeric else np.linspace(0.3, 0.7, size)
    now = now * rng.uniform(0.5, 1.5, size)
    middle = np.where(flying(times), 54 + 35 * storm(times) + rng.normal(0, 3, len(times)), np.nan)
    shares = rng.dirichlet(np.linspace(20, 4, 6), len(times)).T * 0.9
    return FeatureView(
        status=status(),
        column=column,
        kind="numeric" if numeric else "categorical",
        role="context" if column.startswith("weather") else "feature",
        cohort=cohort,
        cohorts=COHORTS,
        start=start,
        end=end,
        n=6634,
        n_baseline=51955,
        mean=78.6 if numeric else None,
        mean_baseline=56.1 if numeric else None,
        bars=Bars(
            edges=edges if numeric else None,
            names=None if numeric else names,
            window=now / now.sum(),
            baseline=was / was.sum(),
        ),
        window_quantiles=(44.0, 84.0, 96.0) if numeric else None,
        baseline_quantiles=(33.0, 54.0, 83.0) if numeric else None,
        times=times,
        step=HOUR,
        over=timedelta(hours=24),
        quantiles=np.stack([middle + k for k in (-20, -9, 0, 7, 13)]) if numeric else None,
        shares=None if numeric else np.where(flying(times), shares, np.nan),
        missing=np.where(flying(times), np.clip(storm(times) - 0.6, 0, 1), np.nan),
        missing_fraction=0.02,
        missing_baseline=0.0,
        unseen=0 if numeric else 14,
        out_of_range=3 if numeric else 0,
        mismatched=0,
        categories=(0, 0),
        largest_bin=0.013,
        ks_shortfall=0.006 if numeric else None,
        coarse=None,
        distances=distance_rows(),
        incidents=spans(),
    )


def incident_rows() -> tuple[IncidentRow, ...]:
    rows = [
        IncidentRow(
            id="a3f09c",
            number=12,
            model="flight-delay",
            kind="drift",
            state="firing",
            opened=datetime(2013, 12, 3, 22, tzinfo=UTC),
            since=datetime(2013, 12, 2, 22, tzinfo=UTC),
            resolved=None,
            title="score rose",
            streams=5,
        )
    ]
    for k in range(11, 0, -1):
        opened = datetime(2013, 11, 27, 9, tzinfo=UTC) - timedelta(days=9 * (11 - k), hours=5 * k)
        rows.append(
            IncidentRow(
                id=f"b17e{k:02}",
                number=k,
                model="flight-delay",
                kind="drift",
                state="resolved",
                opened=opened,
                since=opened - timedelta(days=1),
                resolved=opened + timedelta(hours=7 + 3 * k),
                title="dest and 2 more moved" if k % 2 else f"{HOSTILE} moved",
                streams=k,
            )
        )
    return tuple(rows)


def incident_view(row: IncidentRow | None = None) -> IncidentView:
    row = row or incident_rows()[0]
    times = stamps(row.since - timedelta(days=6), row.resolved or END)

    def stream(column: str, cohort: Cohort, value: float, was: float, now: float) -> IncidentStream:
        return IncidentStream(
            column=column,
            cohort=cohort,
            rule="score far from baseline",
            statistic="js",
            value=value,
            threshold=0.15,
            n=963,
            now=now,
            was=was,
            label="mean",
            joined=row.opened,
            effect=0.4 * value,
            low=0.3 * value,
            high=0.5 * value,
            mix=0.9 * was if cohort else 0.82,
            mix_of="carrier",
        )

    return IncidentView(
        row=row,
        sentence="Since Tue 3 Dec 17:00 the mean score rose from 0.21 to 0.28 for everybody; "
        "carrier EV and 3 more cohorts moved too.",
        spans=(
            Span("Since "),
            Span("Tue 3 Dec 17:00", strong=True),
            Span(" the mean score rose from "),
            Span("0.21 to 0.28", strong=True),
            Span(" for everybody; carrier EV and 3 more cohorts moved too."),
        ),
        streams=(
            stream("score", (), 0.52, 0.21, 0.34),
            stream("score", (("carrier", "EV"),), 0.41, 0.24, 0.44),
            stream("score", (("origin", "EWR"),), 0.33, 0.23, 0.35),
            stream(BOLD, (), 0.21, 0.4, 0.31),
            stream("dest", (("origin", "JFK"), ("carrier", "B6")), 0.16, 0.1, 0.12),
        ),
        times=times,
        distance={"score far from baseline": 0.5 + 2.2 * storm(times)},
        timeline=(
            TimelineEntry(
                at=row.opened - timedelta(hours=5),
                text="score crossed its threshold",
                state="pending",
            ),
            TimelineEntry(
                at=row.opened, text="score beyond its threshold for 6 windows", state="firing"
            ),
            TimelineEntry(
                at=row.opened + timedelta(days=2), text="carrier EV joined", state="firing"
            ),
        ),
        deliveries=(
            DeliveryRow(
                route="ml-oncall",
                kind="slack",
                state="sent",
                attempts=1,
                last=row.opened,
                detail=None,
            ),
            DeliveryRow(
                route="pager",
                kind="webhook",
                state="dead",
                attempts=10,
                last=row.opened + timedelta(hours=76),
                detail="HTTP 503",
            ),
        ),
    )


def overview(*, models: int = 3) -> Overview:
    rng = np.random.default_rng(3)
    times = stamps(END - timedelta(days=14), END, timedelta(hours=6))
    rows = []
    states = ("firing", "pending", "stale", "failed", "normal", "starting")
    for k in range(models):
        mean = 0.2 + 0.1 * storm(times) / (k + 1) + rng.normal(0, 0.01, len(times))
        mean[5:8] = np.nan
        name = "flight-delay" if k == 0 else f"sample-{k}"
        rows.append(
            OverviewRow(
                status=status(name, state=states[k % 6], open_incidents=int(k == 0)),
                prediction="score",
                times=times,
                mean=mean,
                expected=np.full(len(times), 0.21),
                band=np.full(len(times), 0.02),
                latest=float(mean[-1]),
                latest_half_width=0.011,
                worst=Stream(
                    column="score",
                    cohort=(("carrier", "EV"),) if k else (),
                    rule="score far from baseline",
                    statistic="js",
                    value=0.41 / (k + 1),
                    threshold=0.15,
                    n=963,
                    reason=None,
                ),
            )
        )
    return Overview(
        models=tuple(rows),
        incidents=incident_rows()[:4],
        health=MonitorHealth(
            windows_done_24h=24,
            windows_due_24h=24,
            oldest_watermark=END,
            messages_waiting=0,
            dead_letters=1,
            store="SQLite",
        ),
    )


@dataclass(kw_only=True)
class SeededReader:
    """What the dashboard asks of the results database, answered from a seed."""

    models: int = 3
    empty: bool = False
    changes: int = 0
    broken: tuple[str, ...] = ()
    now: datetime = field(default=END)

    def _check(self, name: str) -> None:
        if name in self.broken:
            raise RuntimeError(f"{name} is broken on purpose")

    def statuses(self) -> tuple[ModelStatus, ...]:
        if self.empty:
            nothing = WindowCounts(pending=2, running=0, done=0, failed=0, dirty=0)
            return (
                status(
                    state="starting", since=None, windows=nothing, first=None, watermark=None,
                    open_incidents=0,
                ),
            )  # fmt: skip
        return tuple(row.status for row in overview(models=self.models).models)

    def extent(self, model: str) -> tuple[datetime, datetime] | None:
        return None if self.empty else (datetime(2013, 3, 1, 5, tzinfo=UTC), END)

    def overview(self, *, start: datetime, end: datetime) -> Overview:
        self._check("overview")
        full = overview(models=self.models)
        if not self.empty:
            return full
        nothing = np.zeros(0)
        rows = tuple(
            OverviewRow(
                status=status,
                prediction="score",
                times=nothing.astype("datetime64[us]"),
                mean=nothing,
                expected=nothing,
                band=nothing,
                latest=None,
                latest_half_width=None,
                worst=None,
            )
            for status in self.statuses()
        )
        return replace(full, models=rows, incidents=())

    def model_view(
        self, model: str, *, start: datetime, end: datetime, cohort: Cohort, statistic: str
    ) -> ModelView:
        self._check("model_view")
        named = {s.name: s for s in self.statuses()}
        return model_view(
            start=start, end=end, cohort=cohort, statistic=statistic, state=named[model]
        )

    def feature_view(
        self, model: str, column: str, *, start: datetime, end: datetime, cohort: Cohort
    ) -> FeatureView:
        self._check("feature_view")
        kind = "categorical" if column in {"carrier", "origin", "dest", BOLD} else "numeric"
        return feature_view(column, kind=kind, start=start, end=end, cohort=cohort)

    def incidents(self, *, model: str | None = None) -> tuple[IncidentRow, ...]:
        return () if self.empty else incident_rows()

    def incident_view(self, incident_id: str) -> IncidentView | None:
        rows = {row.id: row for row in self.incidents()}
        return incident_view(rows[incident_id]) if incident_id in rows else None

    def columns(self, model: str) -> tuple[str, ...]:
        return () if self.empty else ("score", *FEATURES, *CONTEXT)

    def revision(self) -> str:
        return str(self.changes)

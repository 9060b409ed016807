"""Everything the dashboard and the reading commands ask of the results database."""

from alerts.incident import IncidentStream
from monitor.store.queries.feature import feature_view
from monitor.store.queries.incidents import incident_view, listed, records
from monitor.store.queries.model import choices, model_view
from monitor.store.queries.overview import overview
from monitor.store.queries.status import revision, status, statuses
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
    ModelState,
    ModelStatus,
    ModelView,
    MonitorHealth,
    Overview,
    OverviewRow,
    Promise,
    Role,
    ScoreSeries,
    Stream,
    TimelineEntry,
    WindowCounts,
)
from monitor.store.results import extent

__all__ = [
    "Bars",
    "Cohort",
    "CohortLanes",
    "DeliveryRow",
    "DistanceRow",
    "FeatureLanes",
    "FeatureView",
    "IncidentRow",
    "IncidentSpan",
    "IncidentStream",
    "IncidentView",
    "MissingLanes",
    "ModelState",
    "ModelStatus",
    "ModelView",
    "MonitorHealth",
    "Overview",
    "OverviewRow",
    "Promise",
    "Role",
    "ScoreSeries",
    "Stream",
    "TimelineEntry",
    "WindowCounts",
    "choices",
    "extent",
    "feature_view",
    "incident_view",
    "listed",
    "model_view",
    "overview",
    "records",
    "revision",
    "status",
    "statuses",
]

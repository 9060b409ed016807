"""What the dashboard asks of the results database, and the one who asks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Engine

from monitor.config import Config
from monitor.store import queries
from monitor.store.queries.views import (
    Cohort,
    FeatureView,
    IncidentRow,
    IncidentView,
    ModelStatus,
    ModelView,
    Overview,
)


class Reader(Protocol):
    """Every question a page asks; None stands for *there is no such thing*."""

    def statuses(self) -> tuple[ModelStatus, ...]: ...
    def extent(self, model: str) -> tuple[datetime, datetime] | None: ...
    def overview(self, *, start: datetime, end: datetime) -> Overview: ...
    def model_view(
        self, model: str, *, start: datetime, end: datetime, cohort: Cohort, statistic: str
    ) -> ModelView | None: ...
    def feature_view(
        self, model: str, column: str, *, start: datetime, end: datetime, cohort: Cohort
    ) -> FeatureView | None: ...
    def incidents(self, *, model: str | None = None) -> tuple[IncidentRow, ...]: ...
    def incident_view(self, incident_id: str) -> IncidentView | None: ...
    def columns(self, model: str) -> tuple[str, ...]: ...
    def revision(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class StoreReader:
    """Asks the results database through `monitor.store.queries`, and nothing else."""

    engine: Engine
    config: Config
    clock: Callable[[], datetime]

    def statuses(self) -> tuple[ModelStatus, ...]:
        return queries.statuses(self.engine, self.config, now=self.clock())

    def extent(self, model: str) -> tuple[datetime, datetime] | None:
        return queries.extent(self.engine, model)

    def overview(self, *, start: datetime, end: datetime) -> Overview:
        return queries.overview(self.engine, self.config, start=start, end=end, now=self.clock())

    def model_view(
        self, model: str, *, start: datetime, end: datetime, cohort: Cohort, statistic: str
    ) -> ModelView | None:
        return queries.model_view(
            self.engine,
            self.config,
            model,
            start=start,
            end=end,
            cohort=cohort,
            statistic=statistic,  # type: ignore[arg-type]  # the address knows only these
            now=self.clock(),
        )

    def feature_view(
        self, model: str, column: str, *, start: datetime, end: datetime, cohort: Cohort
    ) -> FeatureView | None:
        return queries.feature_view(
            self.engine,
            self.config,
            model,
            column,
            start=start,
            end=end,
            cohort=cohort,
            now=self.clock(),
        )

    def incidents(self, *, model: str | None = None) -> tuple[IncidentRow, ...]:
        return queries.listed(self.engine, model=model)

    def incident_view(self, incident_id: str) -> IncidentView | None:
        return queries.incident_view(self.engine, self.config, incident_id)

    def columns(self, model: str) -> tuple[str, ...]:
        """Name the columns with results, as the sheet of the last window lists them."""
        extent = self.extent(model)
        if extent is None:
            return ()
        width = self.config.models[model].window
        start = max(extent[1] - width, extent[0])
        view = self.model_view(model, start=start, end=extent[1], cohort=(), statistic="js")
        return () if view is None else view.features.columns

    def revision(self) -> str:
        return queries.revision(self.engine)

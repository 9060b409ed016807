"""What windows are compared with, and how far a model has come from its training."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Engine

from monitor.errors import ConfigError, StoreError
from monitor.store import approvals, baselines, results
from monitor.store.approvals import Approval
from monitor.store.effects import AROUND, LATELY, Effects, days_within
from monitor.store.queries.views import Cohort
from profiles.baseline import Baseline
from profiles.effects import Effect
from profiles.grids import Grid
from profiles.windows import Window

TOLERATED = 0.1  # Cohen's w: what is usually called small
SHOWS_WANDER = timedelta(weeks=4)  # from the first window on, around the first week

ReferenceKind = Literal["training", "reference"]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A training baseline, or a range that was approved on its grids."""

    id: str
    model: str
    kind: ReferenceKind
    baseline: str  # on whose grids it is counted: its own id where it is one
    accepted_at: datetime
    rows: int
    in_force: bool  # rules compare the next windows with it
    grids: bool  # the next windows are counted on its grids
    approval: Approval | None  # None of a training baseline


@dataclass(frozen=True, kw_only=True)
class ColumnSummary:
    """One column of a reference, of everybody."""

    column: str
    grid: Grid
    missing: float | None  # share of the rows; None without rows
    effect: Effect | None  # of the reference against training; None of training itself
    lately: Effect | None  # of the last seven days against training


@dataclass(frozen=True, kw_only=True)
class ReferenceView:
    reference: Reference
    columns: tuple[ColumnSummary, ...]
    cohorts: tuple[tuple[Cohort, int], ...]  # each with its rows, everybody first
    lately: Window | None  # the last seven days, as far as they are stored on the same grids


@dataclass(frozen=True, kw_only=True)
class Skew:
    """How far the first week that was stored is from training."""

    model: str
    baseline: str
    span: Window
    days: int  # of the span on which rows came
    columns: tuple[tuple[str, Effect], ...]  # furthest first
    unknown: tuple[str, ...]  # columns of too few rows

    @property
    def whole(self) -> bool:
        return self.span.width >= LATELY

    @staticmethod
    def over(effect: Effect) -> bool:
        """Whether an effect is surely over the tolerated one."""
        return effect.low > TOLERATED


def references(engine: Engine, model: str) -> tuple[Reference, ...]:
    """Return every training baseline and approval of a model, oldest first."""
    current = baselines.current(engine, model)
    approved = approvals.of_model(engine, model)
    in_force = None if current is None else approvals.in_force(approved, current)
    found = [
        Reference(
            id=of.id, model=model, kind="training", baseline=of.id, accepted_at=of.accepted_at,
            rows=of.rows, in_force=of.id == current and in_force is None, grids=of.id == current,
            approval=None,
        )
        for of in baselines.of_model(engine, model)
    ] + [
        Reference(
            id=of.id, model=model, kind="reference", baseline=of.baseline,
            accepted_at=of.accepted_at, rows=of.rows, in_force=of is in_force, grids=False,
            approval=of,
        )
        for of in approved
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda of: of.accepted_at))


def reference_view(engine: Engine, model: str, beginning: str | None = None) -> ReferenceView:
    """Read one reference of a model: the one in force, or whose id begins so.

    Raises
    ------
    StoreError
        If the model has none.
    ConfigError
        If none of them, or several, begin so.
    """
    found = references(engine, model)
    if not found:
        raise StoreError(
            f"nothing is stored for {model} yet; run: monitor backfill --model {model}"
        )
    if beginning is None:
        chosen = next(of for of in found if of.in_force)
    else:
        fitting = [of for of in found if of.id.startswith(beginning)]
        if len(fitting) != 1:
            known = ", ".join(of.id for of in fitting or found)
            raise ConfigError(
                f"{beginning!r} is the beginning of {len(fitting) or 'none'} of the references of "
                f"{model}; there {'is' if len(fitting or found) == 1 else 'are'} {known}"
            )
        (chosen,) = fitting
    approval = chosen.approval
    baseline = (
        baselines.load(engine, chosen.id)
        if approval is None
        else approvals.load(engine, approval.id)
    )
    lately, recent = _lately(engine, model, chosen.baseline)
    return ReferenceView(
        reference=chosen,
        columns=tuple(
            ColumnSummary(
                column=column,
                grid=grid,
                missing=_missing(baseline, column),
                effect=None if approval is None else approval.effects.get(column),
                lately=recent.get(column),
            )
            for column, grid in baseline.plan.grids.items()
        ),
        cohorts=tuple(
            (tuple(zip(part.dimension, group, strict=True)), rows)
            for part in baseline.profiles
            for group, rows in zip(part.groups, part.rows.tolist(), strict=True)
        ),
        lately=lately,
    )


def skew(engine: Engine, model: str) -> Skew:
    """Compare the first seven days that are stored with training.

    Raises
    ------
    StoreError
        If nothing is stored.
    """
    baseline_id = baselines.current(engine, model)
    extent = None if baseline_id is None else results.extent(engine, model, baseline_id)
    if baseline_id is None or extent is None:
        raise StoreError(
            f"nothing is stored for {model} yet; run: monitor backfill --model {model}"
        )
    first, last = extent
    span = Window(start=first, end=min(last, first + LATELY))
    around = Window(start=first, end=min(last, first + SHOWS_WANDER))
    days = days_within(engine, model, baseline_id, around)
    found = days.effects(span)
    known = [(column, of) for column, of in found.items() if of is not None]
    return Skew(
        model=model,
        baseline=baseline_id,
        span=span,
        days=days.known(span),
        columns=tuple(sorted(known, key=lambda of: -of[1].effect)),
        unknown=tuple(column for column, of in found.items() if of is None),
    )


def _lately(engine: Engine, model: str, baseline_id: str) -> tuple[Window | None, Effects]:
    """Return the last seven days on the grids of a baseline, and how far they are from it."""
    extent = results.extent(engine, model, baseline_id)
    if extent is None:
        return None, {}
    first, last = extent
    around = Window(start=last - min(AROUND, _whole_days(last - first)), end=last)
    span = Window(start=max(first, last - LATELY), end=last)
    return span, days_within(engine, model, baseline_id, around).effects(span)


def _whole_days(width: timedelta) -> timedelta:
    """Round up to days, so that days end where a span ends."""
    return -(-width // timedelta(days=1)) * timedelta(days=1)


def _missing(baseline: Baseline, column: str) -> float | None:
    counts = baseline.profiles[0].columns[column].counts[0]
    rows = int(counts.sum())
    return int(counts[baseline.plan.grids[column].missing]) / rows if rows else None

"""Where each row of the model's sheet lies, in pixels: figure, names and readout share it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from monitor.store.queries.views import Cohort, ModelView

RowKind = Literal["confidence", "distance", "heading", "feature", "cohort", "volume", "missing"]
GroupKind = Literal["feature", "cohort", "missing"]

FEATURES_SHOWN = 20
COHORTS_SHOWN = 10
NARROW_SHOWN = 6


@dataclass(frozen=True, kw_only=True)
class Row:
    kind: RowKind
    top: int
    height: int
    title: str = ""
    note: str = ""
    index: int = -1  # of the column or cohort within its lanes
    more: str | None = None  # a heading that hides rows: the name under which to open it
    hidden: int = 0
    shown: int = 0

    @property
    def bottom(self) -> int:
        return self.top + self.height


@dataclass(frozen=True, kw_only=True)
class Group:
    """Lanes that are drawn as one heatmap: `members` index their lanes, from the top."""

    kind: GroupKind
    members: tuple[int, ...]
    top: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    rows: tuple[Row, ...]
    groups: tuple[Group, ...]
    height: int
    left: int
    right: int
    narrow: bool

    def panel(self, kind: RowKind) -> Row | None:
        return next((row for row in self.rows if row.kind == kind), None)


class _Stack:
    """Rows from the top down."""

    def __init__(self, *, narrow: bool) -> None:
        self.narrow = narrow
        self.lane = 24 if narrow else 16
        self.at = 54 if narrow else 30  # under the time labels
        self.rows: list[Row] = []
        self.groups: list[Group] = []

    def panel(self, kind: RowKind, height: int, title: str, note: str, *, gap: int) -> None:
        if self.narrow and self.rows:
            self.at += 26  # its name stands over it
        self.rows.append(Row(kind=kind, top=self.at, height=height, title=title, note=note))
        self.at += height + gap

    def heading(self, title: str, note: str, *, more: str | None, hidden: int, shown: int) -> None:
        self.rows.append(
            Row(
                kind="heading",
                top=self.at,
                height=24,
                title=title,
                note=note,
                more=more,
                hidden=hidden,
                shown=shown,
            )
        )
        self.at += 24

    def lanes(self, kind: GroupKind, members: list[int], *, gap: int) -> None:
        if not members:
            return
        height = self.lane * len(members)
        self.groups.append(Group(kind=kind, members=tuple(members), top=self.at, height=height))
        for k, index in enumerate(members):
            top = self.at + k * self.lane
            self.rows.append(Row(kind=kind, top=top, height=self.lane, index=index))
        self.at += height + gap


def plan(view: ModelView, *, narrow: bool = False, opened: tuple[str, ...] = ()) -> Plan:
    """Stack the rows of a model's sheet: what matters first, context and mixed cohorts apart."""
    stack = _Stack(narrow=narrow)
    hours = f"{view.score_over.total_seconds() / 3600:g} h"
    if view.score is not None:
        note = f"mean score, last {hours}"
        stack.panel("confidence", 150, "Confidence", note, gap=26)
    if view.distance:
        stack.panel("distance", 86, "Distance from normal", "times the threshold", gap=14)
    _features(stack, view, opened)
    _cohorts(stack, view, opened)
    stack.at += 6
    stack.panel("volume", 40, "Volume", f"{view.status.noun} {_per(view)}", gap=8)
    if view.missing.columns:
        most = NARROW_SHOWN if narrow else FEATURES_SHOWN
        stack.lanes("missing", list(range(min(most, len(view.missing.columns)))), gap=0)
    return Plan(
        rows=tuple(stack.rows),
        groups=tuple(stack.groups),
        height=stack.at + 30,
        left=104 if narrow else 204,
        right=8 if narrow else 216,
        narrow=narrow,
    )


def _features(stack: _Stack, view: ModelView, opened: tuple[str, ...]) -> None:
    roles = view.features.roles
    judged = [k for k, role in enumerate(roles) if role != "context"]
    context = [k for k, role in enumerate(roles) if role == "context"]
    over = f"{view.over.total_seconds() / 3600:g} h"
    for title, members, name, note in (
        ("Features", judged, "features", f"{over} · blank means normal"),
        ("Context", context, "context", "drawn and listed; only missing values alarm"),
    ):
        if not members:
            continue
        shown = members if name in opened else members[: _most(stack, FEATURES_SHOWN)]
        hidden = len(members) - len(shown)
        stack.heading(title, note, more=name if hidden else None, hidden=hidden, shown=len(shown))
        stack.lanes("feature", shown, gap=6)


def _cohorts(stack: _Stack, view: ModelView, opened: tuple[str, ...]) -> None:
    if view.by_cohort is None or not view.by_cohort.cohorts:
        return
    numbered = list(enumerate(view.by_cohort.cohorts))
    over = f"{view.over.total_seconds() / 3600:g} h"
    for k, (names, found) in enumerate(groupby(numbered, key=lambda c: _names(c[1]))):
        members = [index for index, _ in found]
        name = ",".join(names)
        many = _most(stack, COHORTS_SHOWN if len(names) == 1 else 0)
        shown = members if name in opened else members[:many]
        hidden = len(members) - len(shown)
        note = f"mean score against the 4 weeks before, {over}" if k == 0 else ""
        title = "Cohorts" if k == 0 else ""
        label = " × ".join(names)
        stack.heading(
            title,
            f"{label} · {note}" if note else label,
            more=name if hidden else None,
            hidden=hidden,
            shown=len(shown),
        )
        stack.lanes("cohort", shown, gap=2)


def _names(cohort: Cohort) -> tuple[str, ...]:
    return tuple(name for name, _ in cohort)


def _most(stack: _Stack, wide: int) -> int:
    return min(NARROW_SHOWN, wide) if stack.narrow else wide


def _per(view: ModelView) -> str:
    hours = view.step.total_seconds() / 3600
    return "an hour" if hours == 1 else "a day" if hours == 24 else f"in {hours:g} h"

"""What becomes of columns that have changed, as the configuration says."""

from __future__ import annotations

from collections.abc import Iterator

from alerts.changed import label
from alerts.incident import ColumnChange
from alerts.schema import RULE_OF, ColumnsSeen
from monitor.config import Model
from profiles.changes import Changes


def columns_seen(model: Model, changes: Changes, rows: int) -> ColumnsSeen | None:
    """Say what a window shows of the columns of a model's log; None where it has no row."""
    if not rows:
        return None
    frozen: dict[ColumnChange, str] = {}
    accepted: dict[ColumnChange, str] = {}
    for each, became in _changes(changes):
        policy = model.policy(each.change, each.column)
        if policy != "discard":
            (frozen if policy == "freeze" else accepted)[each] = became
    # what is gone has no type
    unsure = {
        ColumnChange(change="type", column=name) for name in (*changes.missing, *changes.unsure)
    }
    unsure |= {ColumnChange(change="missing", column=name) for name in changes.unsure}
    return ColumnsSeen(rows=rows, frozen=frozen, accepted=accepted, unsure=frozenset(unsure))


def _changes(changes: Changes) -> Iterator[tuple[ColumnChange, str]]:
    for name in changes.missing:
        yield ColumnChange(change="missing", column=name), label(RULE_OF["missing"])
    for name, of in changes.retyped.items():
        yield (
            ColumnChange(change="type", column=name),
            label(RULE_OF["type"], was=of.was, now=of.now),
        )
    for name in changes.new:
        yield ColumnChange(change="new", column=name), label(RULE_OF["new"])

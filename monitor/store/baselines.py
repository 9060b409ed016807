"""Accepted baselines: their kinds, grids and counts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Connection, Engine, select, update

from monitor.store.engine import insert_missing, writing
from monitor.store.tables import baseline_profiles, baselines, grids, models
from profiles import grids as grid_types
from profiles.baseline import Baseline, cut_in
from profiles.codec import decode, encode, pack, unpack
from profiles.kinds import Kind, recipes_of
from profiles.limits import COHORTS_NEW, Cut
from profiles.profile import Dimension, Plan


def dimension_key(dimension: Dimension) -> str:
    """Write a cohort dimension as the text it is stored under."""
    return json.dumps(dimension, ensure_ascii=False)


def accept(
    engine: Engine, model: str, baseline_id: str, baseline: Baseline, *, now: datetime
) -> None:
    """Store a baseline and make it the one the model's next windows are profiled on.

    One transaction. Windows that were profiled on an earlier baseline keep it until they are
    backfilled.
    """
    found = baseline.plan.grids
    with writing(engine) as connection:
        insert_missing(
            connection,
            grids,
            [{"id": g.id, "content": pack(g.to_dict(), b"")} for g in found.values()],
        )
        insert_missing(
            connection,
            baselines,
            [
                {
                    "id": baseline_id,
                    "model": model,
                    "accepted_at": now,
                    "rows": baseline.rows,
                    "kinds": {name: asdict(kind) for name, kind in baseline.kinds.items()},
                    "plan": {
                        "grids": {name: grid.id for name, grid in found.items()},
                        "dimensions": baseline.plan.dimensions,
                        "new_groups": baseline.plan.new_groups,
                        "cut": cut_in(baseline),
                    },
                }
            ],
        )
        insert_missing(
            connection,
            baseline_profiles,
            [
                {
                    "baseline": baseline_id,
                    "dimension": dimension_key(part.dimension),
                    "profile": encode(part),
                }
                for part in baseline.profiles
            ],
        )
        connection.execute(
            update(models).where(models.c.name == model).values(baseline=baseline_id)
        )


def current(engine: Engine, model: str) -> str | None:
    """Return the id of the model's baseline, None where none is accepted."""
    with engine.connect() as connection:
        return connection.scalar(select(models.c.baseline).where(models.c.name == model))


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A training baseline without its profiles."""

    id: str
    accepted_at: datetime
    rows: int


def of_model(engine: Engine, model: str) -> tuple[Accepted, ...]:
    """Return every training baseline that a model has had, oldest first."""
    wanted = (
        select(baselines.c.id, baselines.c.accepted_at, baselines.c.rows)
        .where(baselines.c.model == model)
        .order_by(baselines.c.accepted_at, baselines.c.id)
    )
    with engine.connect() as connection:
        return tuple(Accepted(**row._mapping) for row in connection.execute(wanted))


def cut(connection: Connection, model: str) -> Cut:
    """Return what a model's baseline has beyond a limit, as `profiles.baseline.cut_in` tells it."""
    plan = connection.scalar(
        select(baselines.c.plan)
        .join(models, models.c.baseline == baselines.c.id)
        .where(models.c.name == model)
    )
    found: Cut = (plan or {}).get("cut", {})
    return found


def exists(engine: Engine, baseline_id: str) -> bool:
    with engine.connect() as connection:
        wanted = select(baselines.c.id).where(baselines.c.id == baseline_id)
        return connection.scalar(wanted) is not None


@lru_cache(maxsize=64)
def load(engine: Engine, baseline_id: str) -> Baseline:
    """Read a baseline; it never changes, so it is read once in a process."""
    with engine.connect() as connection:
        row = connection.execute(select(baselines).where(baselines.c.id == baseline_id)).one()
        wanted = select(grids).where(grids.c.id.in_(set(row.plan["grids"].values())))
        content = {g.id: unpack(bytes(g.content))[0] for g in connection.execute(wanted)}
        parts = connection.execute(
            select(baseline_profiles.c.profile).where(baseline_profiles.c.baseline == baseline_id)
        )
        found = [decode(bytes(part.profile)) for part in parts]
    dimensions = tuple(tuple(d) for d in row.plan["dimensions"])
    order = ((), *dimensions)
    kinds = {name: Kind(**kind) for name, kind in row.kinds.items()}
    return Baseline(
        kinds=kinds,
        plan=Plan(
            grids={n: grid_types.from_dict(content[g]) for n, g in row.plan["grids"].items()},
            dimensions=dimensions,
            derived=recipes_of(kinds, row.plan["grids"]),
            known={part.dimension: frozenset(part.groups) for part in found if part.dimension},
            new_groups=row.plan.get("new_groups", COHORTS_NEW),  # older plans do not say
        ),
        profiles=tuple(sorted(found, key=lambda part: order.index(part.dimension))),
    )


def use(engine: Engine, model: str, baseline_id: str) -> None:
    """Make a baseline that was accepted before the model's current one again."""
    with writing(engine) as connection:
        connection.execute(
            update(models).where(models.c.name == model).values(baseline=baseline_id)
        )

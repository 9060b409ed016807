"""The tables of the results database, the only state there is.

What a column means is said beside it. Times are aware and in UTC. Blobs are written by
`profiles.codec`. The migrations in `migrations/` build the same tables; a test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC also where the database knows no zones (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone; the store keeps instants only")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        read: datetime = value
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

grids = Table(
    "grids",
    metadata,
    Column("id", String(24), primary_key=True),  # hash of the content
    Column("content", LargeBinary, nullable=False),
)

baselines = Table(
    "baselines",
    metadata,
    Column("id", String(24), primary_key=True),  # hash of what the configuration asks for
    Column("model", String(200), nullable=False, index=True),
    Column("accepted_at", UtcDateTime, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("kinds", JSON, nullable=False),  # column → {name, reason, values}
    Column("plan", JSON, nullable=False),  # {grids: {column: grid id}, dimensions: [[…]]}
)

baseline_profiles = Table(
    "baseline_profiles",
    metadata,
    Column("baseline", ForeignKey(baselines.c.id), primary_key=True),
    Column("dimension", String(500), primary_key=True),  # JSON list of cohort columns
    Column("profile", LargeBinary, nullable=False),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", String(24), primary_key=True),  # hash of the model, the range and when
    Column("model", String(200), nullable=False, index=True),
    Column("baseline", ForeignKey(baselines.c.id), nullable=False),  # on whose grids it is counted
    Column("start", UtcDateTime, nullable=False),  # of its first window
    Column("end", UtcDateTime, nullable=False),  # of its last one
    Column("days", Integer, nullable=False),  # on which rows came
    Column("rows", BigInteger, nullable=False),
    Column("note", Text),
    Column("accepted_at", UtcDateTime, nullable=False),
    Column("since", UtcDateTime, nullable=False),  # windows from here on are compared with it
    Column("effects", JSON, nullable=False),  # column → {effect, low, high, rows} or null
)

approval_profiles = Table(
    "approval_profiles",
    metadata,
    Column("approval", ForeignKey(approvals.c.id), primary_key=True),
    Column("dimension", String(500), primary_key=True),  # JSON list of cohort columns
    Column("profile", LargeBinary, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("baseline", ForeignKey(baselines.c.id)),
    Column("width_s", BigInteger, nullable=False),
    Column("starts_at", UtcDateTime),  # live windows begin here; null before the first look
    Column("watermark", UtcDateTime),  # newest event time seen in the log
    Column("watermark_at", UtcDateTime),  # when it was first seen there
    Column("looked_at", UtcDateTime),  # when the log was last asked
    Column("source_error", Text),  # why it or a window could not be read, null when it could
    Column("source_error_since", UtcDateTime),
    Column("counted_to", UtcDateTime),  # watermark when late rows were last looked for
    Column("ingest", JSON),  # monitor.late.Marks: how far log.ingested has been followed
)

windows = Table(
    "windows",
    metadata,
    Column("model", ForeignKey(models.c.name), primary_key=True),
    Column("start", UtcDateTime, primary_key=True),
    Column("end", UtcDateTime, nullable=False),
    Column("state", String(10), nullable=False),
    Column("notify", Boolean, nullable=False),  # false: history, nobody is paged for it
    Column("decided", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt", UtcDateTime),
    Column("fence", BigInteger, nullable=False, default=0),  # grows with every claim
    Column("lease_until", UtcDateTime),
    Column("revision", Integer, nullable=False, default=0),  # grows when the result changes
    Column("baseline", ForeignKey(baselines.c.id)),
    Column("rows_read", BigInteger),
    Column("rows_profiled", BigInteger),
    Column("rejected", JSON),  # reason → rows
    Column("late", BigInteger),  # rows that came too late; null where none are known
    Column("changes", JSON(none_as_null=True)),  # of its columns: profiles.changes; null if none
    Column("took_ms", Integer),
    Column("finished_at", UtcDateTime),
    Column("error", Text),
    CheckConstraint("state IN ('pending','running','done','failed','dirty')", name="state"),
    Index("ix_windows_state", "model", "state", "start"),
    Index("ix_windows_undecided", "model", "decided", "start"),
)

profiles = Table(
    "profiles",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("dimension", String(500), primary_key=True),
    Column("start", UtcDateTime, primary_key=True),
    Column("profile", LargeBinary, nullable=False),
)

scores = Table(
    "scores",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("start", UtcDateTime, primary_key=True),
    Column("readings", LargeBinary, nullable=False),  # every stream as every rule saw it
    Column("peaks", JSON, nullable=False),  # rule → largest value over its threshold
    Column("state", Text, nullable=False),  # alerts.State after the window: what a replay needs
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", String(40), primary_key=True),  # from model, detector and opening window
    Column("model", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("state", String(12), nullable=False),  # firing, resolved, retracted by corrected data
    Column("opened", UtcDateTime, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("resolved", UtcDateTime),
    Column("reason", Text, nullable=False),
    Index("ix_incidents_model_opened", "model", "opened"),
)

incident_streams = Table(
    "incident_streams",
    metadata,
    Column("incident", ForeignKey(incidents.c.id), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("stream", JSON, nullable=False),  # one alerts.IncidentStream
)

transitions = Table(
    "transitions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("incident", ForeignKey(incidents.c.id), index=True),  # null while nothing has opened
    Column("model", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),  # end of the window that was decided
    Column("before", String(12), nullable=False),
    Column("after", String(12), nullable=False),
    Column("reason", Text, nullable=False),
    Column("text", Text, nullable=False),
    Index("ix_transitions_model_at", "model", "at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", String(80), primary_key=True),  # the webhook-id: the same on every attempt
    Column("route", String(200), nullable=False),
    Column("incident", String(40), nullable=False, index=True),
    Column("notification", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("state", String(8), nullable=False),  # waiting, sent, dead, held
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt", UtcDateTime),
    Column("last_at", UtcDateTime),
    Column("reason", Text),
    CheckConstraint("state IN ('waiting','sent','dead','held')", name="state"),
    Index("ix_outbox_due", "state", "next_attempt"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("outbox", ForeignKey(outbox.c.id), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("outcome", String(10), nullable=False),  # sent, retry, dead
    Column("reason", Text),
)

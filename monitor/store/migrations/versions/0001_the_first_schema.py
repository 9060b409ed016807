"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.tables import UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "baselines",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("accepted_at", UtcDateTime(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_baselines"),
    )
    op.create_index("ix_baselines_model", "baselines", ["model"], unique=False)

    op.create_table(
        "grids",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_grids"),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("opened", UtcDateTime(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("resolved", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
    )
    op.create_index("ix_incidents_model_opened", "incidents", ["model", "opened"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("route", sa.String(length=200), nullable=False),
        sa.Column("incident", sa.String(length=40), nullable=False),
        sa.Column("notification", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt", UtcDateTime(), nullable=True),
        sa.Column("last_at", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('waiting','sent','dead','held')", name="ck_outbox_state"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_due", "outbox", ["state", "next_attempt"], unique=False)
    op.create_index("ix_outbox_incident", "outbox", ["incident"], unique=False)

    op.create_table(
        "profiles",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("dimension", sa.String(length=500), nullable=False),
        sa.Column("start", UtcDateTime(), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("model", "dimension", "start", name="pk_profiles"),
    )
    op.create_table(
        "scores",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("start", UtcDateTime(), nullable=False),
        sa.Column("readings", sa.LargeBinary(), nullable=False),
        sa.Column("peaks", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("model", "start", name="pk_scores"),
    )
    op.create_table(
        "baseline_profiles",
        sa.Column("baseline", sa.String(length=24), nullable=False),
        sa.Column("dimension", sa.String(length=500), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["baseline"], ["baselines.id"], name="fk_baseline_profiles_baseline"
        ),
        sa.PrimaryKeyConstraint("baseline", "dimension", name="pk_baseline_profiles"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("outbox", sa.String(length=80), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["outbox"], ["outbox.id"], name="fk_deliveries_outbox"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_outbox", "deliveries", ["outbox"], unique=False)

    op.create_table(
        "incident_streams",
        sa.Column("incident", sa.String(length=40), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("stream", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident"], ["incidents.id"], name="fk_incident_streams_incident"
        ),
        sa.PrimaryKeyConstraint("incident", "place", name="pk_incident_streams"),
    )
    op.create_table(
        "models",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("baseline", sa.String(length=24), nullable=True),
        sa.Column("width_s", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", UtcDateTime(), nullable=True),
        sa.Column("watermark", UtcDateTime(), nullable=True),
        sa.Column("watermark_at", UtcDateTime(), nullable=True),
        sa.Column("looked_at", UtcDateTime(), nullable=True),
        sa.Column("source_error", sa.Text(), nullable=True),
        sa.Column("source_error_since", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["baseline"], ["baselines.id"], name="fk_models_baseline"),
        sa.PrimaryKeyConstraint("name", name="pk_models"),
    )
    op.create_table(
        "transitions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("incident", sa.String(length=40), nullable=True),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("before", sa.String(length=12), nullable=False),
        sa.Column("after", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incidents.id"], name="fk_transitions_incident"),
        sa.PrimaryKeyConstraint("id", name="pk_transitions"),
    )
    op.create_index("ix_transitions_incident", "transitions", ["incident"], unique=False)
    op.create_index("ix_transitions_model_at", "transitions", ["model", "at"], unique=False)

    op.create_table(
        "windows",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("start", UtcDateTime(), nullable=False),
        sa.Column("end", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("notify", sa.Boolean(), nullable=False),
        sa.Column("decided", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt", UtcDateTime(), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("baseline", sa.String(length=24), nullable=True),
        sa.Column("rows_read", sa.BigInteger(), nullable=True),
        sa.Column("rows_profiled", sa.BigInteger(), nullable=True),
        sa.Column("rejected", sa.JSON(), nullable=True),
        sa.Column("took_ms", sa.Integer(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending','running','done','failed','dirty')", name="ck_windows_state"
        ),
        sa.ForeignKeyConstraint(["baseline"], ["baselines.id"], name="fk_windows_baseline"),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name="fk_windows_model"),
        sa.PrimaryKeyConstraint("model", "start", name="pk_windows"),
    )
    op.create_index("ix_windows_state", "windows", ["model", "state", "start"], unique=False)
    op.create_index("ix_windows_undecided", "windows", ["model", "decided", "start"], unique=False)

"""Ranges that a person approved as the new normal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.tables import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("baseline", sa.String(length=24), nullable=False),
        sa.Column("start", UtcDateTime(), nullable=False),
        sa.Column("end", UtcDateTime(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("accepted_at", UtcDateTime(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("effects", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["baseline"], ["baselines.id"], name="fk_approvals_baseline"),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
    )
    op.create_index("ix_approvals_model", "approvals", ["model"], unique=False)

    op.create_table(
        "approval_profiles",
        sa.Column("approval", sa.String(length=24), nullable=False),
        sa.Column("dimension", sa.String(length=500), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["approval"], ["approvals.id"], name="fk_approval_profiles_approval"
        ),
        sa.PrimaryKeyConstraint("approval", "dimension", name="pk_approval_profiles"),
    )

"""What late rows, changed columns and a blind monitor need to be remembered by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.tables import UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("models", sa.Column("counted_to", UtcDateTime(), nullable=True))
    op.add_column("models", sa.Column("ingest", sa.JSON(), nullable=True))
    op.add_column("windows", sa.Column("late", sa.BigInteger(), nullable=True))
    op.add_column("windows", sa.Column("changes", sa.JSON(none_as_null=True), nullable=True))

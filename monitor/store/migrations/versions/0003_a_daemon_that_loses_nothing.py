"""What late rows, changed columns and a blind monitor need to be remembered by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("windows", sa.Column("cut", sa.JSON(), nullable=True))

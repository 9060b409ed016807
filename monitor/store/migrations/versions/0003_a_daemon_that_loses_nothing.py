"""What late rows, changed columns and a blind monitor need to be remembered by."""

from __future__ import annotations

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    pass

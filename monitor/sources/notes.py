"""Log lines of the sources, for commands that have set up a log: else structlog fills stdout."""

from __future__ import annotations

import sys
from typing import Any


def debug(text: str, **named: Any) -> None:
    """Note what only somebody who looks for it wants to know."""
    _note("debug", text, named)


def info(text: str, **named: Any) -> None:
    """Note what somebody may want to know later."""
    _note("info", text, named)


def _note(level: str, text: str, named: dict[str, Any]) -> None:
    structlog = sys.modules.get("structlog")  # who has set it up has imported it
    if structlog is not None and structlog.is_configured():
        getattr(structlog.get_logger(), level)(text, **named)

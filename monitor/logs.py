"""Structured logs: a human sentence, a stable action, ids. Never a URL, never a payload value."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog


def set_up(style: Literal["auto", "json", "console"] = "auto", *, verbose: bool = False) -> None:
    """Send logs to stderr, as JSON lines unless a person is looking."""
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.DEBUG if verbose else logging.INFO
        ),
        # asked each time: what stderr is may change, as under a test runner
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # other people's loggers: what goes wrong, not what goes on
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    logging.getLogger("apscheduler").setLevel(logging.ERROR)

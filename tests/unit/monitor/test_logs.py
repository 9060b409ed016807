from __future__ import annotations

import io
from contextlib import redirect_stderr

import pytest
import structlog

from monitor import logs


def test_what_is_logged_follows_stderr_also_when_the_first_one_is_closed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    closed = io.StringIO()
    with redirect_stderr(closed):
        logs.set_up("json")
        structlog.get_logger().info("first", action="test")
    closed.close()
    structlog.get_logger().info("second", action="test")
    assert '"event": "second"' in capsys.readouterr().err

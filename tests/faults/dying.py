"""Where a process may die: at each statement, each COMMIT and each request, before it and after.

A process counts these points as it reaches them and, at the one that is asked for, is gone: no
handler runs, nothing is flushed, no connection is closed.
"""

from __future__ import annotations

import os
import threading
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from alerts.deliver import Channel, Outcome, Outgoing

DIED = 86


class Points:
    """Counts the points of a process, and ends it at one of them.

    Attributes
    ----------
    reached : list of str
        What each point was that has been passed.
    """

    def __init__(self, *, die_at: int | None = None) -> None:
        self.reached: list[str] = []
        self._die_at, self._lock = die_at, threading.Lock()

    def reach(self, what: str) -> None:
        with self._lock:
            self.reached.append(what)
            if len(self.reached) == self._die_at:
                os._exit(DIED)

    def watch(self, engine: sa.Engine) -> None:
        """Count the statements and the COMMITs of an engine."""

        def before(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            self.reach(f"before {_short(statement)}")

        def after(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            self.reach(f"after {_short(statement)}")

        commit = engine.dialect.do_commit

        def committed(connection: Any) -> None:
            self.reach("before COMMIT")
            commit(connection)
            self.reach("after COMMIT")

        sa.event.listen(engine, "before_cursor_execute", before)
        sa.event.listen(engine, "after_cursor_execute", after)
        engine.dialect.do_commit = committed  # type: ignore[method-assign]


class Watched:
    """A channel whose requests are points: before one is made, and when its answer is there."""

    def __init__(self, channel: Channel, points: Points) -> None:
        self._channel, self._points = channel, points

    def send(self, message: Outgoing, *, now: datetime) -> Outcome:
        self._points.reach("before a request")
        outcome = self._channel.send(message, now=now)
        self._points.reach("after an answer")
        return outcome


def _short(statement: str) -> str:
    return " ".join(statement.split())[:60]

"""What the pages share: the configuration, the reader, the clock, and the edge for failures."""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from monitor.config import Config
from web.address import DEFAULT_RANGE, Query, read_query
from web.components import failed
from web.controls import Shown
from web.reader import Reader

log = structlog.get_logger(__name__)


@dataclass
class Part:
    """A part of a page: what it shows, or that it could not be drawn."""

    shown: Any = None

    def show(self, children: Any) -> None:
        self.shown = children


def _where(error: BaseException) -> str:
    """Name the line that failed; a whole traceback or message could hold a payload value."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno} in {last.name}"


@dataclass(frozen=True, kw_only=True)
class Desk:
    config: Config
    reader: Reader
    clock: Callable[[], datetime]
    signed: bool = False  # whether people sign in here

    @contextmanager
    def edge(self, what: str) -> Iterator[Part]:
        """Let a part fail alone: the page shows a word and an id, the log says why."""
        part = Part()
        try:
            yield part
        except Exception as error:  # noqa: BLE001 - the edge of a callback
            reference = secrets.token_hex(3)
            log.error(  # noqa: TRY400 - a traceback could hold a payload value
                f"{what} could not be drawn",
                action="panel-failed",
                reference=reference,
                error=type(error).__name__,
                where=_where(error),
            )
            part.show(failed(what, reference))

    def revision(self) -> str:
        """Ask whether there is anything new; `unknown` where the store does not answer."""
        try:
            return self.reader.revision()
        except Exception as error:  # noqa: BLE001 - the edge of a callback
            log.error(  # noqa: TRY400 - as above
                "The store does not answer", action="revision-failed", error=type(error).__name__
            )
            return "unknown"

    def zone(self, query: Query) -> tuple[str, tzinfo]:
        name = query.zone or self.config.timezone
        return name, ZoneInfo(name)

    def query(self, search: str | None) -> Query:
        return read_query(search, zone=ZoneInfo(self.config.timezone))

    def shown(self, search: str | None, extent: tuple[datetime, datetime] | None) -> Shown:
        """Resolve the range of a page; without results it ends now."""
        query = self.query(search)
        timezone, zone = self.zone(query)
        now = self.clock().astimezone(UTC)
        known = extent or (now - DEFAULT_RANGE, now)
        start, end = query.resolve(known)
        return Shown(
            query=query,
            start=start,
            end=max(end, start + timedelta(minutes=1)),
            extent=known,
            zone=zone,
            timezone=timezone,
        )

"""The dead man's switch: a request after each round, so that somebody else notices our silence."""

from __future__ import annotations

import structlog

from alerts.deliver import Delivered
from alerts.errors import BadRoute
from alerts.http import check_url, get, outcome
from monitor.clock import Clock
from monitor.errors import ConfigError

log = structlog.get_logger()


class Heartbeat:
    """Asks one address, and says once where it does not answer.

    A plain GET, which every service of the kind takes; there is no request for *failed*, for the
    services differ in it, and what failed is an incident. The address is a credential: it is
    never told.

    Raises
    ------
    ConfigError
        If the address cannot be used.
    """

    def __init__(self, url: str, *, clock: Clock) -> None:
        try:
            self._url = check_url(url, route="heartbeat")
        except BadRoute:
            raise ConfigError(
                "daemon.heartbeat: it is no web address; write it like https://host/path"
            ) from None
        self._clock = clock
        self._failing = False

    def send(self) -> None:
        """Ask once, within the time limit of every request."""
        came = outcome(get(self._url), now=self._clock())
        if isinstance(came, Delivered):
            if self._failing:
                log.info("the heartbeat is taken again", action="heartbeat.recovered")
            self._failing = False
            return
        if not self._failing:
            log.warning(
                "the heartbeat was not taken", action="heartbeat.failed", reason=came.reason
            )
        self._failing = True

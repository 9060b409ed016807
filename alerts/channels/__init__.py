"""Channels, one module each, and how a configured route becomes one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol

from alerts.channels.slack import SlackChannel
from alerts.channels.webhook import WebhookChannel
from alerts.deliver import Channel
from alerts.errors import BadRoute


class Secret(Protocol):
    """A text that does not show itself by accident."""

    def get_secret_value(self) -> str: ...


class WebhookRoute(Protocol):
    @property
    def kind(self) -> Literal["webhook"]: ...
    @property
    def name(self) -> str: ...
    @property
    def url(self) -> Secret: ...
    @property
    def secret(self) -> Secret: ...


class SlackRoute(Protocol):
    @property
    def kind(self) -> Literal["slack"]: ...
    @property
    def name(self) -> str: ...
    @property
    def url(self) -> Secret: ...


def channels_of(routes: Iterable[WebhookRoute | SlackRoute]) -> dict[str, Channel]:
    """Make a channel of each configured route, by its name.

    Raises
    ------
    BadRoute
        If a name comes twice, or a URL or secret cannot be used.
    """
    channels: dict[str, Channel] = {}
    for route in routes:
        if route.name in channels:
            raise BadRoute(f"two routes are named {route.name!r}; give each its own name")
        channels[route.name] = _channel(route)
    return channels


def _channel(route: WebhookRoute | SlackRoute) -> Channel:
    url = route.url.get_secret_value()
    if route.kind == "webhook":
        return WebhookChannel(name=route.name, url=url, secret=route.secret.get_secret_value())
    return SlackChannel(name=route.name, url=url)

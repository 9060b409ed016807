"""From configured routes to channels."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from alerts.channels import channels_of
from alerts.channels.slack import SlackChannel
from alerts.channels.webhook import WebhookChannel
from alerts.errors import BadRoute
from monitor.config import Slack, Webhook

SECRET = "whsec_Q0FOQVJZLWNhbmFyeS1DQU5BUlktY2FuYXJ5IQ=="
HOOK = Webhook(
    kind="webhook",
    name="hook",
    url=SecretStr("https://hooks.example/CANARY"),
    secret=SecretStr(SECRET),
)
CHAT = Slack(kind="slack", name="chat", url=SecretStr("https://hooks.example/CANARY"))


def test_each_route_becomes_the_channel_of_its_kind():
    channels = channels_of([HOOK, CHAT])
    assert {name: type(c) for name, c in channels.items()} == {
        "hook": WebhookChannel,
        "chat": SlackChannel,
    }
    assert "CANARY" not in repr(channels)
    assert SECRET not in repr(channels)


def test_two_routes_of_one_name_are_refused():
    with pytest.raises(BadRoute, match="two routes are named 'chat'"):
        channels_of([CHAT, CHAT])


@pytest.mark.parametrize("padding", ["", "=="])
def test_a_secret_may_lack_its_padding(padding):
    text = SecretStr(SECRET.rstrip("=") + padding)
    assert channels_of([HOOK.model_copy(update={"secret": text})])

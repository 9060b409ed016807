"""The JSON webhook, signed as Standard Webhooks says."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime

from standardwebhooks import Webhook

from alerts.deliver import Outcome, Outgoing
from alerts.errors import BadRoute
from alerts.http import TIMEOUT_S, check_url, outcome, post

_PREFIX = "whsec_"
_SHORTEST_KEY = 24  # bytes; Standard Webhooks asks for 24 to 64
_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, kw_only=True)
class WebhookChannel:
    """Posts a notification as JSON with ``webhook-id``, ``-timestamp`` and ``-signature``.

    Raises
    ------
    BadRoute
        If the URL or the secret cannot be used. Neither is told.
    """

    name: str
    url: str = field(repr=False)
    secret: str = field(repr=False)  # whsec_ and base64
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        check_url(self.url, route=self.name)
        _check_secret(self.secret, route=self.name)

    def send(self, message: Outgoing, *, now: datetime) -> Outcome:
        body = message.notification.to_json()
        webhook_id = _header_id(message.webhook_id)
        headers = {
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(webhook_id, now, body),
        }
        answer = post(self.url, body=body.encode(), headers=headers, timeout_s=self.timeout_s)
        return outcome(answer, now=now)


def _header_id(webhook_id: str) -> str:
    """Keep an id that may stand in a header and before a full stop; name another by its hash."""
    if _SAFE_ID.fullmatch(webhook_id):
        return webhook_id
    return f"msg_{hashlib.sha256(webhook_id.encode('utf-8', 'replace')).hexdigest()[:32]}"


def _check_secret(secret: str, *, route: str) -> None:
    text = secret.removeprefix(_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        key = b""
    if len(key) < _SHORTEST_KEY:
        raise BadRoute(
            f"route {route!r}: its secret is not {_PREFIX} and at least "
            f"{_SHORTEST_KEY} bytes of base64; make one with: "
            f"python -c 'import base64, secrets; "
            f'print("{_PREFIX}" + base64.b64encode(secrets.token_bytes(32)).decode())\''
        )

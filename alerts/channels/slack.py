"""The Slack incoming webhook: one attachment of Block Kit for the colour bar."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from slack_sdk.models.attachments import BlockAttachment
from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ContextBlock,
    LinkButtonElement,
    MarkdownTextObject,
    SectionBlock,
)

from alerts.deliver import Outcome, Outgoing
from alerts.http import TIMEOUT_S, Answer, check_url, outcome, post
from alerts.message import GAP, SCHEMA, Span, became, change, cohort, name, number
from alerts.notification import Moved, Notification

MOST_TEXT = 3_000  # of a section and of a context element
MOST_FIELD = 2_000
MOST_URL = 3_000
MOST_LINES = 6

_COLOURS = {
    "incident.firing": "#B93815",
    "incident.worsened": "#B93815",
    "incident.resolved": "#8D9299",  # normal has no colour
}
_HEADS = {
    "incident.firing": "Firing",
    "incident.worsened": "Firing, more moved",
    "incident.resolved": "Resolved",
}
_ERROR_CODE = re.compile(rb"[a-z][a-z_]{0,39}")


@dataclass(frozen=True, kw_only=True)
class SlackChannel:
    """Posts a notification to an incoming webhook of Slack.

    Raises
    ------
    BadRoute
        If the URL cannot be used. It is not told.
    """

    name: str
    url: str = field(repr=False)  # whoever holds it can post
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        check_url(self.url, route=self.name)

    def send(self, message: Outgoing, *, now: datetime) -> Outcome:
        body = json.dumps(payload(message.notification), separators=(",", ":")).encode()
        headers = {"content-type": "application/json"}
        answer = post(self.url, body=body, headers=headers, timeout_s=self.timeout_s)
        return outcome(answer, now=now, detail=_error_code(answer))


def payload(notification: Notification) -> dict[str, Any]:
    """Build the body: a line of text, and an attachment with sentence, fields, button and reason.

    Raises
    ------
    slack_sdk.errors.SlackObjectFormationError
        If a block is beyond a limit of Slack; lengths are cut before, so none should be.
    """
    text = f"{_HEADS[notification.type]} · {name(notification.model)}: {notification.title}"
    blocks: list[Block] = [SectionBlock(text=_mrkdwn(notification.sentence, MOST_TEXT))]
    fields = [
        MarkdownTextObject(text=_lines(head, lines), verbatim=True)
        for head, lines in (
            ("What changed" if notification.kind == SCHEMA else "What moved", _moves(notification)),
            ("For whom", _groups(notification)),
        )
        if lines
    ]
    if fields:
        blocks.append(SectionBlock(fields=fields))
    link = notification.link
    if link is not None and len(link) <= MOST_URL and link.startswith(("http://", "https://")):
        button = LinkButtonElement(text="Open incident", url=link, action_id="open_incident")
        blocks.append(ActionsBlock(elements=[button]))
    context = f"{notification.change} · {notification.reason}"
    blocks.append(ContextBlock(elements=[_mrkdwn([Span(context)], MOST_TEXT)]))
    attachment = BlockAttachment(
        blocks=blocks, color=_COLOURS[notification.type], fallback=escaped(text, MOST_TEXT)
    )
    return {
        "text": escaped(text, MOST_TEXT),
        "parse": "none",  # or Slack makes links of names that look like addresses
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "attachments": [attachment.to_dict()],
    }


def escaped(text: str, most: int) -> str:
    """Escape what Slack reads as a mention or a link, and cut without breaking an escape.

    >>> escaped("<!channel> & co", 100)
    '&lt;!channel&gt; &amp; co'
    >>> escaped("a<b", 4)
    'a…'
    """
    signs = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
    pieces, length = [], 0
    for i, c in enumerate(text):
        piece = signs.get(c, c)
        left = most - length - (1 if i + 1 < len(text) else 0)  # room for the ellipsis
        if len(piece) > left:
            pieces.append("…")
            break
        pieces.append(piece)
        length += len(piece)
    return "".join(pieces)


def _mrkdwn(spans: Iterable[Span], most: int) -> MarkdownTextObject:
    text = ""
    for span in spans:
        # An asterisk within would end the emphasis early.
        mark = "*" if span.strong and "*" not in span.text else ""
        room = most - len(text) - 2 * len(mark)
        if room < 1:
            break
        text += f"{mark}{escaped(span.text, room)}{mark}"
    return MarkdownTextObject(text=text, verbatim=True)


def _lines(head: str, lines: Sequence[str]) -> str:
    text = f"*{head}*"
    shown = [escaped(line, 250) for line in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        shown.append(f"and {len(lines) - MOST_LINES:,} more")
    return "\n".join([text, *shown])


def _moves(notification: Notification) -> list[str]:
    """Return one line a column: everybody's stream, or else its worst."""
    if notification.kind == SCHEMA:
        return [f"{name(s.column)}: {became(s)}" for s in notification.streams]
    first: dict[str, Moved] = {}
    for stream in sorted(notification.streams, key=lambda s: bool(s.cohort)):
        first.setdefault(stream.column, stream)
    return [_line(name(s.column), s) for s in first.values()]


def _groups(notification: Notification) -> list[str]:
    if notification.kind == SCHEMA:  # it is so for everybody
        return []
    first: dict[str, Moved] = {}
    for stream in notification.streams:
        first.setdefault(cohort(stream.cohort), stream)
    return [
        f"{who}, {stream.n:,} {notification.noun}, {_times(stream)} its threshold"
        for who, stream in first.items()
    ]


def _line(what: str, stream: Moved) -> str:
    seen = change(stream)
    if seen is None:
        return f"{what}: {_times(stream)} its threshold"
    label = "" if stream.label == "mean" else f" ({name(stream.label)})"
    return f"{what}{label} {seen[0]} → {seen[1]}"


def _times(stream: Moved) -> str:
    return f"{number(stream.ratio, digits=2)}{GAP}×"


def _error_code(answer: object) -> str | None:
    """Return Slack's own word for an error, such as ``no_service``, and nothing else it says."""
    if isinstance(answer, Answer) and _ERROR_CODE.fullmatch(answer.body.strip()):
        return answer.body.strip().decode()
    return None

"""The Slack message: within Slack's limits, and deaf to names that look like its markup."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.attachments import BlockAttachment
from slack_sdk.models.blocks import Block

from alerts.channels.slack import MOST_FIELD, MOST_TEXT, escaped, payload
from tests.support.incidents import EV, HOSTILE, OPENED, SINCE, incident, stream, told


def texts(body):
    """Yield every text of a body with the length Slack allows it."""
    yield body["text"], 40_000
    (attachment,) = body["attachments"]
    for block in attachment["blocks"]:
        if "text" in block:
            yield block["text"]["text"], MOST_TEXT
        for field in block.get("fields", []):
            yield field["text"], MOST_FIELD
        for element in block.get("elements", []):
            if element["type"] == "mrkdwn":
                yield element["text"], MOST_TEXT


def check(body):
    """Take a body as Slack's own models do, and hold every documented limit."""
    body = json.loads(json.dumps(body))
    (attachment,) = body["attachments"]
    blocks = Block.parse_all(attachment["blocks"])
    again = BlockAttachment(blocks=blocks, color=attachment["color"]).to_dict()
    assert again["blocks"] == attachment["blocks"]
    assert len(blocks) <= 50
    for block in attachment["blocks"]:
        assert len(block.get("fields", [])) <= 10
        for text in [block.get("text"), *block.get("fields", [])]:
            assert text is None or text["verbatim"] is True
    for text, most in texts(body):
        assert 0 < len(text) <= most
        assert "<" not in text
        assert ">" not in text
        assert not re.search(r"&(?!amp;|lt;|gt;)", text)
        text.encode()


def test_the_message_of_an_opened_incident():
    body = payload(told(incident(stream(), stream(cohort=EV, n=512, value=0.15))))
    check(body)
    assert body["text"] == "Firing · flight-delay: score rose"
    (attachment,) = body["attachments"]
    assert attachment["color"] == "#B93815"
    sentence, fields, actions, context = attachment["blocks"]
    assert sentence["text"]["text"] == (
        "Since *Tue 3 Dec 17:00* (New York) the mean score rose from *0.21 to 0.28* "
        "over all 6,634 flights; carrier EV moved too."
    )
    assert [f["text"].replace("\u202f", " ") for f in fields["fields"]] == [
        "*What moved*\nscore 0.21 → 0.28",
        (
            "*For whom*\neverybody, 6,634 flights, 1.7 × its threshold\n"
            "carrier EV, 512 flights, 1.5 × its threshold"
        ),
    ]
    (button,) = actions["elements"]
    assert button["url"] == "http://x.test/incidents/1"
    assert button["text"]["text"] == "Open incident"
    assert context["elements"][0]["text"].startswith("score rose, firing · rule shift, score:")


def test_a_resolved_incident_has_no_alarm_colour():
    body = payload(told(incident(resolved=OPENED + timedelta(hours=5))))
    check(body)
    assert body["text"].startswith("Resolved · ")
    assert body["attachments"][0]["color"] == "#8D9299"


@pytest.mark.parametrize("link", [None, "javascript:alert(1)", "http://x.test/" + "a" * 3_000])
def test_without_a_link_that_slack_takes_there_is_no_button(link):
    body = payload(told(link=link))
    check(body)
    assert all(b["type"] != "actions" for b in body["attachments"][0]["blocks"])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_neither_pings_nor_links(name):
    streams = [stream(name), stream(f"{name}2", cohort=((name, name),), label=f"share of {name}")]
    body = payload(told(incident(*streams, model=name or "m")))
    check(body)
    assert (body["parse"], body["link_names"], body["unfurl_links"]) == ("none", False, False)


def test_thousands_of_streams_stay_within_the_limits():
    streams = [
        stream(f"{'&' * 60}{i}", cohort=(("<" * 60, f"{'>' * 60}{i}"),)) for i in range(2_000)
    ]
    check(payload(told(incident(*streams))))


@given(st.text(), st.text(), st.text(), st.text())
def test_any_names_make_a_valid_message(model, column, key, value):
    of = incident(stream(column), stream(value, cohort=((key, value),)), model=model)
    check(payload(told(of)))


@given(st.text(alphabet="&<>ab"), st.integers(min_value=1, max_value=40))
def test_cutting_never_breaks_an_escape(text, most):
    shown = escaped(text, most)
    assert len(shown) <= most
    assert not re.search(r"&(?!amp;|lt;|gt;)", shown)
    if len(shown) and not shown.endswith("…"):
        assert shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text


def test_the_since_is_told_in_the_zone_of_the_people():
    assert SINCE.hour == 22
    assert "17:00" in payload(told())["attachments"][0]["blocks"][0]["text"]["text"]

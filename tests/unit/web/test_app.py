from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

import web.theme
from monitor.errors import ConfigError
from tests.support.dashboard import configured
from tests.support.views import END, SeededReader
from web.app import create_app
from web.auth import ATTEMPTS, ATTEMPTS_WINDOW_S, Attempts

PASSWORD = "a long enough password"


def client(reader: SeededReader | None = None, **listening: Any) -> FlaskClient:
    app = create_app(configured(**listening), reader=reader or SeededReader(), clock=lambda: END)
    made: FlaskClient = app.server.test_client()
    return made


@pytest.fixture
def protected() -> Iterator[FlaskClient]:
    with client(host="0.0.0.0", password=PASSWORD) as made:
        yield made


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.4", "example.org"])
def test_it_refuses_to_listen_beyond_this_machine_without_a_password(host: str) -> None:
    with pytest.raises(ConfigError, match=r"web\.password must be set"):
        client(host=host)


def test_on_this_machine_nobody_has_to_sign_in() -> None:
    assert client().get("/_dash-layout").status_code == 200


def test_two_dashboards_live_in_one_process() -> None:
    for made in (client(), client()):
        wired = made.get("/_dash-dependencies").get_json()
        assert "page.children" in {w["output"] for w in wired}


@pytest.mark.parametrize("path", ["/", "/models/x", "/_dash-layout", "/assets/chart.js"])
def test_without_the_password_nothing_is_shown(protected: FlaskClient, path: str) -> None:
    answer = protected.get(path)
    assert answer.status_code in {302, 401}
    assert b"flight-delay" not in answer.data


def test_health_is_open_to_everybody(protected: FlaskClient) -> None:
    assert protected.get("/healthz").data == b"ok\n"


def test_the_password_opens_and_the_cookie_is_kept_from_scripts(protected: FlaskClient) -> None:
    answer = protected.post("/sign-in?next=/models/x", data={"password": PASSWORD})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/models/x")
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert "SameSite=Lax" in answer.headers["Set-Cookie"]
    assert protected.get("/_dash-layout").status_code == 200
    protected.post("/sign-out")
    assert protected.get("/_dash-layout").status_code == 401


def test_only_signing_in_sets_the_cookie_so_no_late_answer_can_undo_a_sign_out(
    protected: FlaskClient,
) -> None:
    protected.post("/sign-in", data={"password": PASSWORD})
    assert "Set-Cookie" not in protected.get("/_dash-layout").headers


@pytest.mark.parametrize("there", ["//evil.example", "https://evil.example", "/\\evil", "/a\nb"])
def test_signing_in_leads_to_no_other_site(protected: FlaskClient, there: str) -> None:
    answer = protected.post("/sign-in", query_string={"next": there}, data={"password": PASSWORD})
    assert answer.headers["Location"] == "/"


def test_a_wrong_password_is_refused_and_soon_made_to_wait(protected: FlaskClient) -> None:
    for _ in range(ATTEMPTS):
        assert protected.post("/sign-in", data={"password": "a guess"}).status_code == 401
    answer = protected.post("/sign-in", data={"password": PASSWORD})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= ATTEMPTS_WINDOW_S


def test_attempts_are_forgotten_after_a_minute_and_counted_by_address() -> None:
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    for _ in range(ATTEMPTS):
        attempts.wrong("a")
    assert attempts.wait_s("a") == ATTEMPTS_WINDOW_S
    assert attempts.wait_s("b") == 0
    now[0] = ATTEMPTS_WINDOW_S
    assert attempts.wait_s("a") == 0


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_write_from_another_site_is_refused(headers: dict[str, str]) -> None:
    answer = client().post("/_dash-update-component", json={}, headers=headers)
    assert answer.status_code == 403


def test_a_foreign_name_for_this_machine_is_refused() -> None:
    assert client().get("/", headers={"Host": "evil.example"}).status_code == 403
    assert client().get("/", headers={"Host": "localhost:8050"}).status_code == 200


def test_every_answer_forbids_scripts_and_frames_from_elsewhere() -> None:
    for path in ("/", "/healthz", "/_dash-layout", "/assets/tokens.css"):
        with client().get(path) as answer:
            policy = answer.headers["Content-Security-Policy"]
        scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
        assert "unsafe" not in scripts
        assert "http" not in policy
        assert "frame-ancestors 'none'" in policy


def test_the_stylesheet_has_the_tokens_of_the_theme() -> None:
    written = Path(web.theme.__file__).with_name("assets") / "tokens.css"
    assert written.read_text(encoding="utf-8") == web.theme.stylesheet()


@pytest.mark.parametrize("tokens", [web.theme.LIGHT, web.theme.DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ink", ["ink", "ink-2", "ink-3", "accent", "alarm", "warn"])
def test_text_is_readable_on_every_surface(tokens: dict[str, str], ink: str) -> None:
    own = {"alarm": ["alarm-tint"], "warn": ["warn-tint"]}.get(ink, ["sunk"])
    for surface in ["bg", "panel", *own]:
        assert contrast(tokens[ink], tokens[surface]) >= 4.5, surface


def contrast(a: str, b: str) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

"""Sign-in by one password, wherever the dashboard listens beyond this machine."""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Lock
from urllib.parse import quote

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from flask import Flask, Response, redirect, render_template_string, request, session
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

from monitor.config import Web
from monitor.errors import ConfigError

log = structlog.get_logger(__name__)

OPEN = ("/healthz", "/sign-in", "/assets/fonts/", "/assets/icons/", "/assets/head/")
OPEN_FILES = frozenset({"/assets/tokens.css", "/assets/base.css"})
SIGN_IN = Path(__file__).parent / "templates" / "sign_in.html"
ATTEMPTS = 5
ATTEMPTS_WINDOW_S = 60.0
SESSION = timedelta(hours=12)


class Operator(UserMixin):  # type: ignore[misc]
    """Whoever knows the password; there are no other people yet."""

    id = "operator"


class Attempts:
    """Counts wrong passwords: per address, and ten times as many from all together."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: dict[str, deque[float]] = {}
        self._lock = Lock()

    def wait_s(self, address: str) -> float:
        """Return how long this address has to wait before it may try again; 0 for not at all."""
        with self._lock:
            self._forget()
            waits = [
                times[-limit] + ATTEMPTS_WINDOW_S - self._clock()
                for times, limit in self._counted(address)
                if len(times) >= limit
            ]
            return max(waits, default=0.0)

    def wrong(self, address: str) -> None:
        with self._lock:
            self._wrong.setdefault(address, deque(maxlen=ATTEMPTS)).append(self._clock())

    def _counted(self, address: str) -> list[tuple[list[float], int]]:
        everyone = sorted(t for times in self._wrong.values() for t in times)
        return [(list(self._wrong.get(address, ())), ATTEMPTS), (everyone, 10 * ATTEMPTS)]

    def _forget(self) -> None:
        oldest = self._clock() - ATTEMPTS_WINDOW_S
        for address, times in list(self._wrong.items()):
            while times and times[0] <= oldest:
                times.popleft()
            if not times:
                del self._wrong[address]


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine only.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0"), is_loopback("")
    (True, False, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_needed(web: Web) -> bool:
    return web.password is not None or not is_loopback(web.host)


def check(web: Web) -> None:
    """Refuse to open the dashboard to others without a password.

    Raises
    ------
    ConfigError
        If the host is not loopback and there is no password, or an empty one.
    """
    if web.password is not None and not web.password.get_secret_value():
        raise ConfigError("web.password: is empty; give a password or leave it out")
    if web.password is None and not is_loopback(web.host):
        raise ConfigError(
            f"web.host: {web.host} is reachable from other machines, so web.password must be set "
            "(for instance with DRIFTLINE_PASSWORD_FILE)"
        )


def protect(server: Flask, web: Web) -> None:
    """Add `/healthz`, and sign-in where it is needed."""

    @server.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", mimetype="text/plain")

    if not is_needed(web) or web.password is None:
        return
    server.secret_key = secrets.token_bytes(32)  # of this process: a restart signs everybody out
    server.config.update(
        SESSION_COOKIE_NAME="driftline",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=bool(web.url and web.url.startswith("https:")),
        PERMANENT_SESSION_LIFETIME=SESSION,
        # Else an answer on its way while somebody signs out would sign them in again.
        SESSION_REFRESH_EACH_REQUEST=False,
        MAX_CONTENT_LENGTH=4 * 1024 * 1024,
    )
    manager = LoginManager(server)
    manager.session_protection = "basic"
    manager.user_loader(lambda user_id: Operator() if user_id == Operator.id else None)
    _guard(server)
    _doors(server, PasswordHasher(), web)


def _guard(server: Flask) -> None:
    @server.before_request
    def ask() -> Response | None:
        path = request.path
        if path.startswith(OPEN) or path in OPEN_FILES or current_user.is_authenticated:
            return None
        if path.startswith(("/_", "/assets/")) or request.method != "GET":
            return Response("sign in first\n", status=401, mimetype="text/plain")
        there = quote(request.full_path.rstrip("?"), safe="/")
        return redirect("/sign-in" if there == "/" else f"/sign-in?next={there}")  # type: ignore[return-value]


def _doors(server: Flask, hasher: PasswordHasher, web: Web) -> None:
    assert web.password is not None
    stored = hasher.hash(web.password.get_secret_value())
    attempts = Attempts()

    @server.get("/sign-in")
    def show() -> str:
        return _page()

    @server.post("/sign-in")
    def enter() -> Response | tuple[str, int] | tuple[str, int, dict[str, str]]:
        address = request.remote_addr or "unknown"
        wait = attempts.wait_s(address)
        if wait > 0:
            text = f"Too many attempts. Try again in {wait:.0f} seconds."
            return _page(text), 429, {"Retry-After": f"{wait:.0f}"}
        try:
            hasher.verify(stored, request.form.get("password", ""))
        except VerificationError:
            attempts.wrong(address)
            log.warning("A wrong password was given", action="sign-in-refused", address=address)
            return _page("This is not the password."), 401
        session.clear()
        session.permanent = True
        login_user(Operator())
        return redirect(_inside(request.args.get("next")), code=303)  # type: ignore[return-value]

    @server.post("/sign-out")
    def leave() -> Response:
        logout_user()
        session.clear()
        return redirect("/sign-in", code=303)  # type: ignore[return-value]


def _page(error: str | None = None) -> str:
    return render_template_string(SIGN_IN.read_text(encoding="utf-8"), error=error)


def _inside(target: str | None) -> str:
    """Return a path of this site, and nothing else that a browser could follow elsewhere."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return "/"
    return target if target.isprintable() else "/"

"""One HTTP request to a receiver, and what its answer means for a message."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx2

from alerts.deliver import Dead, Delivered, Outcome, Retry
from alerts.errors import BadRoute

TIMEOUT_S = 7.0  # a stop waits for the message under way, and has ten seconds
MOST_READ = 64 * 1024  # bytes of an answer
PASSING = frozenset({408, 425, 429})  # of the 4xx, those that a later attempt may not meet
LONGEST_REASON = 200

# At INFO these libraries log each request with its URL, which is a credential.
for _library in ("httpx2", "httpcore2"):
    logging.getLogger(_library).setLevel(logging.WARNING)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a receiver answered; `body` is its beginning."""

    status: int
    retry_after: str | None
    body: bytes


@dataclass(frozen=True, kw_only=True)
class NoAnswer:
    """Why there was none. Never holds the URL."""

    reason: str


def check_url(url: str, *, route: str) -> str:
    """Return the URL if it can be posted to.

    Raises
    ------
    BadRoute
        If it has no scheme of http or https, or no host. The URL is not told.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        httpx2.URL(url)
        _ = parts.port
    except (ValueError, httpx2.InvalidURL):
        usable = False
    if not usable:
        raise BadRoute(f"route {route!r}: its url is not a web address; begin it with https://")
    return url


def post(
    url: str, *, body: bytes, headers: Mapping[str, str], timeout_s: float = TIMEOUT_S
) -> Answer | NoAnswer:
    """Post a body and read the beginning of the answer, all within one time limit."""
    return _ask("POST", url, body=body, headers=headers, timeout_s=timeout_s)


def get(url: str, *, timeout_s: float = TIMEOUT_S) -> Answer | NoAnswer:
    """Get a page and read its beginning, all within one time limit."""
    return _ask("GET", url, body=None, headers={}, timeout_s=timeout_s)


def _ask(
    method: str, url: str, *, body: bytes | None, headers: Mapping[str, str], timeout_s: float
) -> Answer | NoAnswer:
    """Ask once and read the beginning of the answer.

    Redirects are not followed, as they would carry the message to another host. Of the
    environment, proxies and passwords are not used, the authorities in ``SSL_CERT_FILE`` are.
    A receiver that has sent its status has answered, even where its body breaks off. Only the
    look-up of the host's name has its own limit, that of the system's resolver.
    """
    limit = _Limit(timeout_s)
    try:
        with (
            limit,
            httpx2.Client(
                timeout=timeout_s,
                follow_redirects=False,
                trust_env=False,
                verify=_trusted(),
            ) as client,
            client.stream(
                method,
                url,
                content=body,
                headers={"user-agent": "driftline", "accept-encoding": "identity", **headers},
                extensions={"trace": limit.trace},
            ) as response,
        ):
            return Answer(
                status=response.status_code,
                retry_after=response.headers.get("retry-after"),
                body=_beginning(response.iter_raw()),
            )
    except (httpx2.HTTPError, httpx2.InvalidURL) as e:
        if limit.passed or isinstance(e, httpx2.TimeoutException):
            return NoAnswer(reason=f"no answer within {timeout_s:g} s")
        return NoAnswer(reason=_cause(e))


def outcome(answer: Answer | NoAnswer, *, now: datetime, detail: str | None = None) -> Outcome:
    """Decide what an answer means: taken, to be tried again, or never to be taken.

    Parameters
    ----------
    answer
        What came.
    now
        From which a date in ``Retry-After`` is counted.
    detail
        A word of the receiver that may stand in the reason.
    """
    if isinstance(answer, NoAnswer):
        return Retry(reason=answer.reason[:LONGEST_REASON])
    status = answer.status
    if 200 <= status < 300:
        return Delivered()
    reason = f"HTTP {status}"
    if 300 <= status < 400:
        reason += ", redirects are not followed"
    if detail:
        reason += f", {detail}"
    if 400 <= status < 500 and status not in PASSING:
        return Dead(reason=reason)
    after = _asked(answer.retry_after, now) if status in {429, 503} else None
    return Retry(reason=reason, after=after)


@cache
def _trusted() -> ssl.SSLContext:
    """Load the authorities once: it takes longer than a delivery."""
    return httpx2.create_ssl_context()


class _Limit:
    """Cuts the connection when the time is over.

    The client's own timeouts begin anew with each byte, so that a receiver which drips its answer
    would hold a route for hours.
    """

    def __init__(self, timeout_s: float) -> None:
        self.passed = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(timeout_s, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> _Limit:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()

    def trace(self, event: str, info: dict[str, Any]) -> None:
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                if self.passed:
                    self._shut()

    def _cut(self) -> None:
        with self._lock:
            self.passed = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            # Of the plain class: shutting a TLS socket down its own way would take its TLS layer
            # from under the thread that reads. It may have been closed meanwhile.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _beginning(chunks: Iterator[bytes]) -> bytes:
    body = b""
    with contextlib.suppress(httpx2.TransportError):
        for chunk in chunks:
            body += chunk
            if len(body) >= MOST_READ:
                break
    return body[:MOST_READ]


def _asked(text: str | None, now: datetime) -> timedelta | None:
    """Read ``Retry-After``, which is a number of seconds or a date."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:10]), 10**9))
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(at.replace(tzinfo=at.tzinfo or UTC) - now, timedelta(0))


def _cause(error: BaseException) -> str:
    """Name what went wrong without the text of the error, which may hold the address."""
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__ or link.__context__
    known = {
        ssl.SSLCertVerificationError: "its TLS certificate is not trusted",
        ssl.SSLError: "TLS failed",
        socket.gaierror: "its host name is not known",
        ConnectionRefusedError: "connection refused",
        ConnectionResetError: "connection reset",
        httpx2.RemoteProtocolError: "it closed the connection without an HTTP answer",
        httpx2.ConnectError: "no connection",
    }
    for kind, text in known.items():
        if any(isinstance(e, kind) for e in links):
            return text
    return f"transport failed ({type(error).__name__})"

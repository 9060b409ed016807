"""What every answer says about security, and which requests are refused outright."""

from __future__ import annotations

from urllib.parse import urlsplit

from dash import Dash
from flask import Flask, Response, abort, request

from monitor.config import Web
from web.auth import is_loopback

WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})

FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def protect(app: Dash, web: Web) -> None:
    """Set the headers on every answer; refuse foreign origins and, on loopback, foreign names."""
    server: Flask = app.server

    @server.before_request
    def refuse() -> None:
        if request.method in WRITING and not is_same_origin():
            abort(403)
        if is_loopback(web.host) and not _is_known_host(web):
            abort(403)  # a foreign name that resolves to this machine: DNS rebinding

    @server.after_request
    def set_headers(response: Response) -> Response:
        for header, value in FIXED.items():
            response.headers[header] = value
        response.headers["Content-Security-Policy"] = policy(app)
        if response.mimetype in {"text/html", "application/json"}:
            response.headers["Cache-Control"] = "no-store"
        return response


def policy(app: Dash) -> str:
    """Return the content policy. Hashes are those of the inline scripts known by now.

    Styles need 'unsafe-inline': Dash, Mantine and AG Grid set style attributes and elements.
    """
    scripts = " ".join(["'self'", *app.csp_hashes()])
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {scripts}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def is_same_origin() -> bool:
    """Whether a browser sent this from one of our own pages; other clients send no origin."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


def _is_known_host(web: Web) -> bool:
    name = urlsplit(f"//{request.host}").hostname or ""
    told = urlsplit(web.url).hostname if web.url else None
    return is_loopback(name) or name == told

"""The dashboard on a loopback port, and a browser to look at it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import waitress
from dash import Dash
from playwright.sync_api import Browser, Page, expect, sync_playwright

from monitor.config import Config
from tests.support.chromium import chromium_path

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)
PATIENCE_MS = 30_000


@contextmanager
def served(app: Dash) -> Iterator[str]:
    """Serve an application from a thread and yield its address."""
    server = waitress.create_server(app.server, host="127.0.0.1", port=0, threads=8)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        server.close()
        server.task_dispatcher.shutdown()
        thread.join(timeout=10)


@contextmanager
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(QUIET))
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page with all that went wrong on it."""

    page: Page
    base: str
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("dialog", self._asked)
        self.page.on("request", self._requested)

    def go(self, path: str) -> None:
        """Open a page and wait until its head and its pictures are drawn."""
        self.page.goto(self.base + path)
        self.settled()

    def settled(self) -> None:
        self.page.wait_for_selector(".head, .failed")
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('.dash-graph')]"
            ".every((graph) => graph.querySelector('.main-svg'))"
        )
        self.page.wait_for_function("() => !document.querySelector('[data-dash-is-loading]')")

    def _heard(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.wrong.append(f"console {message.type}: {message.text}")

    def _asked(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _requested(self, request: Any) -> None:
        if not request.url.startswith((self.base, "data:", "blob:")):
            self.wrong.append(f"request elsewhere: {request.url}")


@contextmanager
def visit(
    browser: Browser,
    base: str,
    *,
    theme: Literal["light", "dark"] = "light",
    width: int = 1440,
) -> Iterator[Visit]:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce"
    )
    try:
        yield Visit(page=context.new_page(), base=base)
    finally:
        context.close()


def configured(**web: Any) -> Config:
    """Return a configuration of one model, for a dashboard whose reader is a fake."""
    return Config.model_validate(
        {
            "timezone": "America/New_York",
            "models": {
                "flight-delay": {
                    "source": "sqlite:///unread.db",
                    "log": {"table": "predictions", "time": "event_time"},
                    "baseline": {"table": "training_rows"},
                    "noun": "flights",
                }
            },
            "web": web,
        }
    )

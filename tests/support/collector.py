"""A receiver of webhooks: a real HTTP server on loopback whose answers are scripted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """One answer. `delay_s` passes before it, `drip_s` between its bytes."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    delay_s: float = 0.0
    drip_s: float = 0.0
    raw: bytes | None = None  # sent instead of an HTTP answer


@dataclass(frozen=True, kw_only=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


class Collector:
    """Records what it receives; answers from `script` in turn, and then with `otherwise`."""

    def __init__(self, *script: Scripted, otherwise: Scripted | None = None) -> None:
        self.received: list[Received] = []
        self.script = deque(script)
        self.otherwise = otherwise or Scripted()
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        # Stopping waits for one poll, so that is short.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, request: Received) -> Scripted:
        with self._lock:
            self.received.append(request)
            return self.script.popleft() if self.script else self.otherwise


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for the answers under way, so that no socket is left

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some tests are about."""


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            request = Received(path=self.path, headers=dict(self.headers.items()), body=body)
            answer = collector.take(request)
            collector.closing.wait(answer.delay_s)
            self._write(_bytes(answer), answer.drip_s)

        def do_GET(self) -> None:
            self.do_POST()

        def _write(self, data: bytes, drip_s: float) -> None:
            self.close_connection = True
            if not drip_s:
                self.wfile.write(data)
                return
            for i in range(len(data)):
                if collector.closing.wait(drip_s):
                    return
                self.wfile.write(data[i : i + 1])

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    return Handler


def _bytes(answer: Scripted) -> bytes:
    if answer.raw is not None:
        return answer.raw
    headers = {"content-length": str(len(answer.body)), "connection": "close", **answer.headers}
    lines = [f"HTTP/1.1 {answer.status} Scripted", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + answer.body

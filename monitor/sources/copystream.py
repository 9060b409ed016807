"""A COPY that runs on a connection of psycopg's: libpq called past psycopg, row by row.

A COPY is one statement, however many windows it brings. So the time that a statement may take is
watched here, as the silence between two rows; the server's own limit is an hour while it runs.
"""

from __future__ import annotations

import ctypes
import select
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from monitor.sources import database as limits
from monitor.sources.rows import NOTHING, Rows, Unfit

if TYPE_CHECKING:
    from psycopg import Connection, Error
    from psycopg.pq.abc import PGresult

    from monitor.sources.native.cells import Cells

COPY_TIMEOUT_S = 3_600
_HEARTBEAT_S = 1.0  # who waits longer is given no rows, to be able to stop
_NAP_S = 0.0003  # lets the server send more at once: a tenth of the calls, and no slower
_UNKNOWN_TO_IT = {"42601", "0A000"}  # a syntax error, a feature that is not supported
_FUNCTIONS = ("PQgetCopyData", "PQfreemem", "PQconsumeInput")


class Copy:
    """A COPY that runs on a connection, which is not to be used otherwise meanwhile."""

    def __init__(self, connection: Connection, statement: bytes, *, row_bytes: int) -> None:
        from monitor.sources.native import copied

        self.ended, self._row_bytes = False, row_bytes
        self._connection, self._pgconn = connection, connection.pgconn
        self._native = copied
        library, own = libpq(), cast("Any", self._pgconn)
        assert library is not None  # as `can_copy` has said
        self._functions = copied.functions(library)
        self._address = np.uint64(own.pgconn_ptr or 0)
        self._message = np.zeros(3, np.uint64)
        self._silent_s = 0.0
        self._poll = select.poll()
        self._poll.register(self._pgconn.socket, select.POLLIN)
        self._pgconn.send_query(statement)
        while self._pgconn.flush():
            time.sleep(_NAP_S)

    def needed(self, columns: int) -> int:
        """Return the bytes of a block that has room for the next row."""
        return self._native.room(int(self._message[1]), self._row_bytes, columns)

    def begun(self) -> Iterator[Rows]:
        """Wait until the rows begin; yields nothing but heartbeats."""
        from psycopg.pq import ExecStatus

        while not self._answered():
            yield NOTHING
        answer = self._pgconn.get_result()
        if answer is not None and answer.status == ExecStatus.COPY_OUT:
            return
        self._finish(answer)

    def take(
        self, kinds: npt.NDArray[np.int8], cells: Cells, row: int, used: int
    ) -> tuple[int, int, int]:
        """Decode what has come; `ended` after the last row."""
        why, row, used = self._native.take(
            self._functions, self._address, self._message, kinds,
            cells.bits, cells.marks, cells.large, self._row_bytes, cells.block, row, used,
        )  # fmt: skip
        if why in (self._native.BROKEN, self._native.FAILED):
            raise _error(None, self._pgconn.get_error_message() or "the connection failed")
        if why == self._native.ENDED:
            self._finish(None)
        return why, row, used

    def waited(self) -> bool:
        """Wait for data; False where none has come for a heartbeat.

        Raises
        ------
        psycopg.Error
            If none has come for as long as a statement may take.
        """
        patience_s = min(_HEARTBEAT_S, limits.STATEMENT_TIMEOUT_S)
        if self._poll.poll(patience_s * 1_000):
            self._silent_s = 0.0
            time.sleep(_NAP_S)
            return True
        self._silent_s += patience_s
        if self._silent_s >= limits.STATEMENT_TIMEOUT_S:
            raise _error("57014", f"no row came for {self._silent_s:g} s (statement timeout)")
        return False

    def abandon(self) -> None:
        """End it on the server; the connection is of no use any more."""
        self._native.release(self._functions, self._message)
        with suppress(Exception):  # a server that is gone has nothing left to cancel
            self._connection.cancel_safe(timeout=limits.CONNECT_TIMEOUT_S)

    def _answered(self) -> bool:
        self._pgconn.consume_input()
        while self._pgconn.is_busy():
            if not self.waited():
                return False
            self._pgconn.consume_input()
        return True

    def _finish(self, answer: PGresult | None) -> None:
        """Take the server's last words; an error among them is raised."""
        from psycopg.pq import DiagnosticField, ExecStatus

        failed = answer
        while answer is not None or not self.ended:
            while not self._answered():
                pass
            answer = self._pgconn.get_result()
            self.ended = answer is None
            if answer is not None and answer.status == ExecStatus.FATAL_ERROR:
                failed = answer
        if failed is not None:
            state = failed.error_field(DiagnosticField.SQLSTATE) or b""
            if state.decode() in _UNKNOWN_TO_IT:
                raise Unfit
            text = failed.error_field(DiagnosticField.MESSAGE_PRIMARY) or b""
            raise _error(state.decode(), text.decode("utf-8", "replace"))


def _error(state: str | None, text: str) -> Error:
    from psycopg import OperationalError, errors

    with suppress(KeyError):
        return errors.lookup(state or "")(text)
    return OperationalError(text)


@cache
def libpq() -> ctypes.CDLL | None:
    """Return the libpq that psycopg itself calls, None where it cannot be had.

    Its functions are found through psycopg's own module, which is linked with it.
    """
    from psycopg import pq

    module = sys.modules.get({"binary": "psycopg_binary._psycopg", "c": "psycopg_c._psycopg"}.get(
        pq.__impl__, ""
    ))  # fmt: skip
    path = getattr(module, "__file__", None)
    if path is None:
        return None
    with suppress(OSError):
        library = ctypes.CDLL(path)
        if all(hasattr(library, name) for name in _FUNCTIONS):
            return library
    return None

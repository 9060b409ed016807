"""The SQLite library that Python's own `sqlite3` calls, called past it.

Another copy of SQLite in the same process, as other drivers bring it, would drop the locks of this
one when it closes a file that both have open (https://sqlite.org/howtocorrupt.html, 2.2), and the
results may lie in the same file as the log.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache
from typing import Any

_READ_ONLY, _BY_URI, _NO_MUTEX = 0x1, 0x40, 0x8000
FLAGS = _READ_ONLY | _BY_URI | _NO_MUTEX  # of a connection that one thread at a time uses
_TRANSIENT = ctypes.c_void_p(-1)  # a bound text is copied at once

_POINTER, _INT, _TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
_FUNCTIONS: dict[str, list[Any]] = {
    "open_v2": [_TEXT, ctypes.POINTER(_POINTER), _INT, _TEXT],
    "close_v2": [_POINTER],
    "busy_timeout": [_POINTER, _INT],
    "errmsg": [_POINTER],
    "prepare_v2": [_POINTER, _TEXT, _INT, ctypes.POINTER(_POINTER), _POINTER],
    "bind_int64": [_POINTER, _INT, ctypes.c_int64],
    "bind_double": [_POINTER, _INT, ctypes.c_double],
    "bind_text": [_POINTER, _INT, _TEXT, _INT, _POINTER],
    "finalize": [_POINTER],
    "interrupt": [_POINTER],
}
_IN_THE_LOOP = (
    "step", "column_value", "value_type", "value_int64", "value_double", "value_text",
    "value_blob", "value_bytes",
)  # fmt: skip


@cache
def sqlite() -> ctypes.CDLL | None:
    """Return the library, None where its functions cannot be found.

    They are found through the module that `sqlite3` is made of, which is linked with them; not
    where they are compiled into Python itself and hidden.
    """
    import _sqlite3

    path = getattr(_sqlite3, "__file__", None)
    if path is None:
        return None
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(path)
        for name, arguments in _FUNCTIONS.items():
            getattr(library, f"sqlite3_{name}").argtypes = arguments
        for name in _IN_THE_LOOP:
            getattr(library, f"sqlite3_{name}")
        library.sqlite3_errmsg.restype = ctypes.c_char_p
        return library
    return None


def bind(library: ctypes.CDLL, prepared: ctypes.c_void_p, at: int, value: object) -> None:
    """Give a value to a prepared statement."""
    if isinstance(value, int):
        library.sqlite3_bind_int64(prepared, at, value)
    elif isinstance(value, float):
        library.sqlite3_bind_double(prepared, at, value)
    else:
        text = str(value).encode()
        library.sqlite3_bind_text(prepared, at, text, len(text), _TRANSIENT)

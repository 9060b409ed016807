"""Memory and C functions by their address, for compiled code that calls a library.

Nothing here checks an address. The loops that use it bound every access by lengths that the
library has given.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_unpacked: Any = cgutils.unpack_tuple
_memcpy: Any = cgutils.raw_memcpy
_tuple: Any = types.Tuple

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile at the first call, and keep the result on disk where there is a place for it."""
    try:
        return cast("F", numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # no folder that can be written
        return cast("F", numba.njit(nogil=True)(function))


def address(library: ctypes.CDLL, name: str) -> np.uint64:
    """Return where a function of a library lies.

    Raises
    ------
    AttributeError
        If the library has no such function.
    """
    return np.uint64(ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0)


def foreign(result: Any, *arguments: Any) -> Any:
    """Return what calls a C function of this signature: ``call(address, (argument, …))``.

    An address is handed in at each call, for one that is compiled in could not be kept on disk.
    """

    @intrinsic
    def call(_context, _address, _values):  # type: ignore[no-untyped-def]
        def generate(context, builder, _signature, given):  # type: ignore[no-untyped-def]
            kind = ir.FunctionType(
                ir.VoidType() if result is types.void else context.get_value_type(result),
                [context.get_value_type(argument) for argument in arguments],
            )
            function = builder.inttoptr(given[0], kind.as_pointer())
            value = builder.call(function, _unpacked(builder, given[1]))
            return context.get_dummy_value() if result is types.void else value

        return result(types.uintp, _tuple(arguments)), generate

    return call


def _loader(result: Any, *, swapped: bool) -> Any:
    @intrinsic
    def load(_context, _address):  # type: ignore[no-untyped-def]
        def generate(context, builder, _signature, given):  # type: ignore[no-untyped-def]
            kind = context.get_value_type(result)
            value = builder.load(builder.inttoptr(given[0], kind.as_pointer()), align=1)
            return builder.bswap(value) if swapped else value

        return result(types.uintp), generate

    return load


# Whole numbers at an address: as the network sends them, and as they lie in memory. All machines
# that numba compiles for here keep the lowest byte first.
big_i16 = _loader(types.int16, swapped=True)
big_u16 = _loader(types.uint16, swapped=True)
big_i32 = _loader(types.int32, swapped=True)
big_i64 = _loader(types.int64, swapped=True)
byte = _loader(types.uint8, swapped=False)
word = _loader(types.uint64, swapped=False)


@intrinsic
def _copy(_context, _target, _source, _size):  # type: ignore[no-untyped-def]
    def generate(context, builder, _signature, given):  # type: ignore[no-untyped-def]
        target, source = (
            builder.inttoptr(given[at], ir.IntType(8).as_pointer()) for at in range(2)
        )
        _memcpy(builder, target, source, given[2], 1)
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp, types.int64), generate


@intrinsic
def _as_bits(_context, _double):  # type: ignore[no-untyped-def]
    def generate(_context, builder, _signature, given):  # type: ignore[no-untyped-def]
        return builder.bitcast(given[0], ir.IntType(64))

    return types.int64(types.float64), generate


copy: Any = _copy  # (target, source, size): bytes from one address to another
as_bits: Any = _as_bits  # a double as its 64 bits

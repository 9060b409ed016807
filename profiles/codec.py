"""Profiles and grids as bytes: versioned, size-limited, compressed, and the same for equal content.

Layout: 4 bytes magic with the version, 4 bytes length of the plain content, 4 bytes its CRC-32, the
content compressed by Zstandard. The content is a JSON header (lengths, names), then the arrays,
little-endian, in header order: rows; the places and then the sizes of the counts that are not 0,
all columns laid end to end, in the narrowest integers that hold them; n of every numeric column,
then their means, M2s, smallest and largest values. Few long arrays, because a dashboard reads
thousands of profiles. No pickle, and nothing is executed on reading.

Version 2 was deflated, without a CRC, with places of 4 bytes and sizes of 8. Version 1 had neither
new groups nor rare names, and names of unseen values without `sampled`.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Container, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from profiles.errors import CodecError
from profiles.moments import Moments
from profiles.names import MAX_NAMES, Names
from profiles.profile import ColumnProfile, Dimension, Group, Profile

MAGIC = b"DLP3"
_DEFLATED = (b"DLP1", b"DLP2")
READABLE = (*_DEFLATED, MAGIC)
MAX_CONTENT = 256 * 1024 * 1024
MAX_HEADER = 64 * 1024 * 1024  # read as JSON it takes many times its size
MAX_CELLS = 64 * 1024 * 1024  # groups × bins, of all columns together
_HEAD = struct.Struct("<4sI")
_CHECK = struct.Struct("<I")
_ZSTD = pa.Codec(
    "zstd", compression_level=3
)  # a fourth of the time of zlib, three quarters of the bytes
_LENGTH = struct.Struct("<I")
_COUNTS = ("|u1", "<u2", "<u4", "<u8")
_MOMENTS = ("mean", "m2", "low", "high")


def encode(profile: Profile) -> bytes:
    """Write a profile as bytes; equal profiles give equal bytes.

    Raises
    ------
    CodecError
        If it is too large to be read again.
    """
    cells = sum(column.counts.size for column in profile.columns.values())
    if cells > MAX_CELLS:
        raise CodecError(
            f"a profile of {len(profile.groups):,} groups has {cells:,} counts, over the limit of "
            f"{MAX_CELLS:,}; choose a cohort column of fewer values"
        )
    ordered = sorted(profile.columns.items())
    flat = np.concatenate([column.counts.ravel() for _, column in ordered] or [np.zeros(0, int)])
    places = np.flatnonzero(flat)
    gaps, amounts = _narrowed(np.diff(places, prepend=0)), _narrowed(flat[places])
    header: dict[str, Any] = {
        "dimension": profile.dimension,
        "groups": profile.groups,
        "columns": [
            {
                "name": name,
                "grid": column.grid,
                "bins": column.counts.shape[1],
                "moments": column.moments is not None,
            }
            for name, column in ordered
        ],
        "filled": len(places),
        "kinds": [gaps.dtype.str, amounts.dtype.str],
        "new": [at for at, group in enumerate(profile.groups) if group in profile.new],
        "unseen": _names(profile.unseen),
        "rare": _names(profile.rare),
    }
    moments = [column.moments for _, column in ordered if column.moments is not None]
    arrays = [
        profile.rows.astype("<i8"),
        gaps,
        amounts,
        *(m.n.astype("<i8") for m in moments),
        *(getattr(m, name).astype("<f8") for name in _MOMENTS for m in moments),
    ]
    return pack(header, b"".join(array.tobytes() for array in arrays))


def decode(data: bytes, columns: Container[str] | None = None) -> Profile:
    """Read a profile from bytes; with `columns`, those only.

    Raises
    ------
    CodecError
        If the bytes are not a profile, are damaged, too large, or of a newer version.
    """
    header, body = unpack(data)
    try:
        return _decode(header, Reader(body), columns)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError) as error:
        raise CodecError(f"the stored profile is damaged: {type(error).__name__}") from error


def pack(header: dict[str, Any], body: bytes) -> bytes:
    """Write a JSON header and a body of arrays as one versioned, compressed blob."""
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    if len(text) > MAX_HEADER:
        raise CodecError(f"a header of {len(text):,} bytes is over the limit of {MAX_HEADER:,}")
    content = _LENGTH.pack(len(text)) + text + body
    if len(content) > MAX_CONTENT:
        raise CodecError(f"a blob of {len(content):,} bytes is over the limit of {MAX_CONTENT:,}")
    check = _CHECK.pack(zlib.crc32(content))
    packed: bytes = _ZSTD.compress(content, asbytes=True)
    return _HEAD.pack(MAGIC, len(content)) + check + packed


def unpack(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Read what `pack` wrote, never more than its stated size."""
    if len(data) < _HEAD.size:
        raise CodecError(f"{len(data)} bytes are too short for a stored profile")
    magic, length = _HEAD.unpack_from(data)
    if magic[:3] != MAGIC[:3]:
        raise CodecError(f"these bytes are not a stored profile: they begin with {magic!r}")
    if magic not in READABLE:
        version, known = magic[3:].decode("latin-1"), ", ".join(m[3:].decode() for m in READABLE)
        raise CodecError(f"it is of version {version!r}; this program reads {known}")
    if not _LENGTH.size <= length <= MAX_CONTENT:
        raise CodecError(f"the stored profile claims {length:,} bytes, of at most {MAX_CONTENT:,}")
    plain = _inflate if magic in _DEFLATED else _decompress
    content = plain(memoryview(data)[_HEAD.size :], length)
    (size,) = _LENGTH.unpack_from(content)
    if size > min(MAX_HEADER, length - _LENGTH.size):
        raise CodecError(f"the stored profile claims a header of {size:,} bytes")
    try:
        header = json.loads(content[_LENGTH.size : _LENGTH.size + size])
    except (ValueError, RecursionError) as error:
        raise CodecError(f"the stored profile is damaged: {type(error).__name__}") from error
    if not isinstance(header, dict):
        raise CodecError("the stored profile is damaged: its header is not an object")
    return header, content[_LENGTH.size + size :]


def _decompress(data: memoryview, length: int) -> bytes:
    """Read compressed content whose length is known; never more is held."""
    try:
        (check,) = _CHECK.unpack_from(data)
        content = _ZSTD.decompress(data[_CHECK.size :], length)  # its pages are touched as it fills
    except (struct.error, OSError) as error:
        raise CodecError("the stored profile is damaged: it cannot be decompressed") from error
    if zlib.crc32(content) != check:
        raise CodecError("the stored profile is damaged: its checksum differs")
    return bytes(content)


def _inflate(data: memoryview, length: int) -> bytes:
    """Do the same for versions 1 and 2."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(data, length + 1)
    except zlib.error as error:
        raise CodecError(f"the stored profile is damaged: {error}") from error
    if len(content) != length:
        raise CodecError(f"the stored profile does not hold the {length:,} bytes it claims")
    if not stream.eof or stream.unused_data:  # the checksum is the end of the stream
        raise CodecError("the stored profile is cut off, or something follows its end")
    return content


def _narrowed(values: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Return counts in the narrowest integers that hold them."""
    largest = int(values.max(initial=0))
    return values.astype(next(kind for kind in _COUNTS if largest <= np.iinfo(kind).max))


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError("not a list")
    return tuple(_text(value) for value in values)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


class Reader:
    """Takes arrays one after another from the body of a blob."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def take(self, kind: str, count: int) -> npt.NDArray[Any]:
        array = np.frombuffer(self._body, kind, count, self._at)
        self._at += array.nbytes
        return array

    def finish(self) -> None:
        if self._at != len(self._body):
            raise ValueError("bytes are left over")


def _dimension(header: dict[str, Any]) -> tuple[Dimension, tuple[Group, ...]]:
    dimension = _texts(header["dimension"])
    groups = tuple(map(_texts, header["groups"]))
    if any(len(group) != len(dimension) for group in groups):
        raise ValueError("a group that is none of its dimension")
    if any(a >= b for a, b in pairwise(groups)):
        raise ValueError("groups that are not sorted, or not once each")
    return dimension, groups


def _check_columns(columns: list[dict[str, Any]], filled: object, groups: int) -> None:
    """Refuse sizes that would ask for more memory than a profile may take."""
    names = _texts([column["name"] for column in columns])
    if len(set(names)) < len(names):
        raise ValueError("a column that is there twice")
    sizes = [column["bins"] for column in columns]
    if any(type(size) is not int or size < 0 for size in (*sizes, filled)):
        raise ValueError("a size that is no number")
    if groups * sum(sizes) > MAX_CELLS:
        raise ValueError("too many bins")


def _decode(header: dict[str, Any], body: Reader, wanted: Container[str] | None) -> Profile:
    dimension, groups = _dimension(header)
    size, columns, filled = len(groups), header["columns"], header["filled"]
    _check_columns(columns, filled, size)
    rows = body.take("<i8", size).astype(np.int64)
    gaps, sizes = header.get("kinds", ("<u4", "<u8"))
    if gaps not in _COUNTS or sizes not in _COUNTS:
        raise ValueError("counts of no known kind")
    places = np.cumsum(body.take(gaps, filled), dtype=np.int64)
    amounts = body.take(sizes, filled)
    numeric = [column["name"] for column in columns if column["moments"]]
    n = body.take("<i8", len(numeric) * size).reshape(len(numeric), size)
    floats = body.take("<f8", 4 * len(numeric) * size).reshape(4, len(numeric), size)
    body.finish()

    ends = np.cumsum([size * column["bins"] for column in columns], dtype=np.int64)
    cuts = np.searchsorted(places, ends)
    if filled and (not columns or cuts[-1] != filled or (np.diff(places) <= 0).any()):
        raise ValueError("counts that lie in no bin, or twice in one")
    found: dict[str, ColumnProfile] = {}
    for i, column in enumerate(columns):
        if wanted is not None and column["name"] not in wanted:
            continue
        first, last = (cuts[i - 1] if i else 0), cuts[i]
        flat = np.zeros(size * column["bins"], np.int64)
        flat[places[first:last] - (ends[i] - len(flat))] = amounts[first:last]
        moments = None
        if column["moments"]:
            at = numeric.index(column["name"])
            mean, m2, low, high = floats[:, at]
            moments = Moments(n=n[at], mean=mean, m2=m2, low=low, high=high)
        found[column["name"]] = ColumnProfile(
            grid=_text(column["grid"]), counts=flat.reshape(size, column["bins"]), moments=moments
        )
    return Profile(
        dimension=dimension,
        groups=groups,
        rows=rows,
        columns=found,
        new=frozenset(groups[at] for at in _numbers(header.get("new", []))),
        unseen=_read_names(header["unseen"]),
        rare=_read_names(header.get("rare", {})),
    )


def _names(columns: Mapping[str, Names]) -> dict[str, Any]:
    return {
        column: {"rows": names.rows, "sampled": names.sampled} for column, names in columns.items()
    }


def _read_names(columns: dict[str, Any]) -> dict[str, Names]:
    """Read names; version 1 had the rows alone, and of more than 1,000 names the first."""
    found = {}
    for column, of in columns.items():
        old = "sampled" not in of or not isinstance(of["sampled"], bool)
        rows = of if old else of["rows"]
        if not {int}.issuperset(map(type, rows.values())):
            raise TypeError("rows that are no numbers")
        sampled = len(rows) >= MAX_NAMES if old else of["sampled"]
        found[column] = Names(rows=rows, sampled=sampled)
    return found


def _numbers(values: object) -> list[int]:
    if not isinstance(values, list) or any(type(value) is not int or value < 0 for value in values):
        raise TypeError("not a list of places")
    return values

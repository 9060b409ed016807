"""Text in numbers: characters by class, words, and the mean length of a word.

The bytes of many texts are classed by one table look-up and added up by row, so nothing here loops
over rows.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from profiles.derived.measures import Measures, Reader, marks
from profiles.values import PRESENT

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

PARTS = ("length", "digits", "letters", "special", "words", "word_length")

# The classes of bytes. All bytes of a character but its first are WITHIN, those of a space BLANK.
_SPECIAL, _LETTER, _DIGIT, _SPACE, _WITHIN, _BLANK = range(6)
_FIRST_OF_TWO = 0xC0  # from here on a byte begins a character of several
_PLANES = 0x40000  # characters beyond these planes are special
_CHUNK = 1 << 16  # bytes worked on at once: they and what is made of them stay in the cache
_SHORT = 255  # bytes whose flags add up within a byte


def measure(text: pa.Array) -> Measures:
    """Count the characters and words of every text.

    Letters are the Unicode categories L and M (marks belong to the letter they stand on), digits
    are Nd, white space is what Python's `str.isspace` says, and all other characters are special.
    A word is what stands between white space; a text without one has the mean word length 0.
    """
    text = _valid(text)
    length = pc.utf8_length(text).fill_null(0).to_numpy().astype(np.int64)
    letters, digits, spaces, words = _counts(text)
    mark = marks(text)
    values = np.zeros((len(PARTS), len(text)))
    values[0], values[1], values[2] = length, digits, letters
    values[3] = length - digits - letters - spaces
    values[4] = words
    values[5] = np.where(words > 0, (length - spaces) / np.maximum(words, 1), 0.0)
    values[:, mark != PRESENT] = 0.0
    return Measures(values=values, mark=mark)


def is_text(of: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(of) or pa.types.is_large_string(of) or pa.types.is_string_view(of)
    )


TEXT = Reader(parts=PARTS, takes=is_text, measure=measure)


def _valid(text: pa.Array) -> pa.Array:
    """Spell out bytes that are no UTF-8, which Arrow does not hold text to be."""
    raw = text.cast(pa.large_binary())
    try:
        return raw.cast(pa.large_string())
    except pa.ArrowInvalid:
        spelled = [
            None if value is None else value.decode("utf-8", "backslashreplace")
            for value in raw.to_pylist()
        ]
        return pa.array(spelled, pa.large_string())


def _counts(text: pa.Array) -> Ints:
    """Return letters, digits, spaces and words of every large string [4, n]."""
    counts = np.zeros((4, len(text)), np.int64)
    if not len(text):
        return counts
    _, places, data = text.buffers()
    at = np.frombuffer(places, np.int64)[text.offset : text.offset + len(text) + 1]
    held = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    for first, last in _chunks(at):
        part = held[at[first] : at[last]]
        if len(part):
            starts = at[first:last] - at[first]
            counts[:, first:last] = _count(part, starts)
    return counts


def _chunks(at: Ints) -> Iterator[tuple[int, int]]:
    """Part rows into runs of at most so many bytes; a longer row is a run of its own."""
    first, rows = 0, len(at) - 1
    while first < rows:
        last = int(np.searchsorted(at, at[first] + _CHUNK, side="right")) - 1
        last = min(max(last, first + 1), rows)
        yield first, last
        first = last


def _count(part: Bytes, starts: Ints) -> Ints:
    """Return letters, digits, spaces and words [4, r] of rows that begin at `starts`."""
    filled = np.diff(starts, append=len(part)) > 0
    at = starts[filled]
    classes = _classes(part)
    blank = (classes == _SPACE) | (classes == _BLANK)
    begins = ~blank
    begins[1:] &= blank[:-1]
    begins[at] = ~blank[at]
    # Bytes are added up as bytes, which is quickest, in pieces too short to overflow.
    pieces = np.union1d(at, np.arange(0, len(part), _SHORT))
    rows = np.searchsorted(pieces, at)
    counts = np.zeros((4, len(starts)), np.int64)
    for k, flags in enumerate((classes == _LETTER, classes == _DIGIT, classes == _SPACE, begins)):
        added = np.add.reduceat(flags.view(np.uint8), pieces, dtype=np.uint8)
        counts[k, filled] = np.add.reduceat(added.astype(np.int64), rows)
    return counts


def _classes(part: Bytes) -> Bytes:
    classes = np.frombuffer(bytearray(part.tobytes().translate(_of_bytes())), np.uint8)
    if part.max() < 0x80:
        return classes
    lead = np.flatnonzero(part >= _FIRST_OF_TWO)
    first = part[lead].astype(np.int32)
    following = [
        part[np.minimum(lead + k, len(part) - 1)].astype(np.int32) & 0x3F for k in (1, 2, 3)
    ]
    two, three = first < 0xE0, first < 0xF0
    point = np.where(two, first & 0x1F, np.where(three, first & 0x0F, first & 0x07))
    point = point << 6 | following[0]
    point = np.where(two, point, point << 6 | following[1])
    point = np.where(three, point, point << 6 | following[2])
    found = _of_characters()[np.minimum(point, _PLANES)]
    classes[lead] = found
    space = found == _SPACE
    if space.any():
        for k, wide in ((1, space), (2, space & ~two), (3, space & ~three)):
            inside = lead[wide] + k
            classes[inside[inside < len(part)]] = _BLANK
    return classes


@cache
def _of_bytes() -> bytes:
    return bytes([_class_of(chr(byte)) if byte < 0x80 else _WITHIN for byte in range(256)])


@cache
def _of_characters() -> Bytes:
    """Return the class of every character; made when the first text beyond ASCII is met."""
    return np.array([_class_of(chr(point)) for point in range(_PLANES)] + [_SPECIAL], np.uint8)


def _class_of(character: str) -> int:
    if character.isspace():
        return _SPACE
    category = unicodedata.category(character)
    if category[0] in "LM":
        return _LETTER
    return _DIGIT if category == "Nd" else _SPECIAL

"""Rows of one id within a window: one of them counts, the others are rejected.

Of copies that differ the one with the smallest content counts, so the outcome does not depend on
the order or the batches in which rows come. That an id comes again is known at the end only, and
nearly always none does; so rows are counted as they come, with eight bytes kept of each id. Where
one came again, the rows are read once more, and now those of the ids that do are held aside.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from profiles import ids
from profiles.buffers import column_of, values_of
from profiles.contents import contents
from profiles.errors import TooManyRepeats
from profiles.hashing import Words
from profiles.spill import PARTS, Spill

DUPLICATE, CONFLICT = "duplicate", "conflict"  # the same content as the row that counts, or another

MOST_HELD = 256 << 20  # bytes of rows aside, each of another id
OFTEN = 64 << 20  # bytes of rows aside after which those of one id are looked for
KEYS_HELD = 64 << 20  # bytes of ids; more go to a file
TOGETHER = 1 << 14  # rows that are handed back at once, where their columns are alike

Ints = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]

_NO_KEYS = np.zeros(0, np.uint64)
_WINDOW = np.uint64(0x9E3779B97F4A7C15)


class Once:
    """Lets one row of each id of a window through.

    Attributes
    ----------
    rejected : list of Counter
        What was turned away of each window; complete after `rest`.

    Parameters
    ----------
    column
        The ids. A row without one is no repeat of another.
    windows
        How many there are; an id in two of them is no repeat.
    expected : uint64 [k]
        The keys of the ids that are known to come again, sorted.
    memory : int or None
        Bytes of rows that may be held.
    """

    def __init__(
        self, column: str, windows: int, *, expected: Words = _NO_KEYS, memory: int | None = None
    ) -> None:
        self._column, self._windows = column, windows
        self._memory = MOST_HELD if memory is None else min(MOST_HELD, memory)
        self._expected = _Expected(expected)
        self._seen = Seen(column)
        self._held: list[_Held] = []
        self._size, self._limit = 0, min(OFTEN, self._memory)
        self.rejected = [Counter[str]() for _ in range(windows)]

    def sift(self, batch: pa.RecordBatch, window: Ints) -> tuple[pa.RecordBatch, Ints]:
        """Return the rows of a batch that can be counted; the others are held.

        Raises
        ------
        TooManyRepeats
            If those held take too much memory.
        """
        keys, known = keys_of(column_of(batch, self._column), window)
        aside = self._expected.among(keys)
        aside &= known
        if not aside.any():
            self._seen.add(keys, known)
            return batch, window
        if aside.all():
            self._hold(batch, window)
            return batch.slice(0, 0), window[:0]
        self._hold(batch.filter(_mask(aside)), window[aside])
        self._seen.add(keys, known & ~aside)
        return batch.filter(_mask(~aside)), window[~aside]

    def rest(self) -> Iterator[tuple[pa.RecordBatch, Ints]]:
        """Yield the rows that count among those held, when all rows have come."""
        self._settle()
        for held in self._held:
            twice = np.bincount(held.window, held.copies - 1, self._windows).astype(np.int64)
            self._reject(DUPLICATE, twice)
            yield held.rows, held.window
        self._held = []

    def again(self) -> Once | None:
        """Return what has to sift the same rows anew, None where no id came unexpectedly again."""
        missed = self._seen.repeated()
        if not len(missed):
            return None
        expected = np.union1d(self._expected.keys, missed)
        return Once(self._column, self._windows, expected=expected, memory=self._memory)

    @property
    def expects(self) -> bool:
        """Whether ids are known to come again."""
        return bool(len(self._expected.keys))

    def _hold(self, rows: pa.RecordBatch, window: Ints) -> None:
        self._held.append(_Held(rows=rows, window=window, copies=np.ones(len(window), np.int64)))
        self._size += self._held[-1].size
        if self._size > self._limit:
            self._settle()
            self._size = sum(held.size for held in self._held)
            self._limit = min(max(OFTEN, 2 * self._size), max(self._memory, self._size))
            if self._size > self._memory:
                raise TooManyRepeats(
                    f"rows that share their {self._column!r} with others of their window take more "
                    f"than {self._memory >> 20} MB; if it does not tell rows apart, name another "
                    "column as the log's id or none, else make the windows shorter"
                )

    def _settle(self) -> None:
        """Keep the row of each id that counts, of those held so far."""
        if not self._held:
            return
        held = _joined(self._held)
        best, copies, conflicts = _best(held, self._column, self._windows)
        self._reject(CONFLICT, conflicts)
        kept, at = [], 0
        while held:
            part = held.popleft()  # given up as soon as what counts of it is copied
            mine = slice(*np.searchsorted(best, (at, at + len(part.window))))
            at += len(part.window)
            if mine.start < mine.stop:
                kept.append(part.only(best[mine] - (at - len(part.window)), copies[mine]))
        self._held = kept

    def _reject(self, reason: str, rows: Ints) -> None:
        for window in np.flatnonzero(rows).tolist():
            self.rejected[window][reason] += int(rows[window])


class Seen:
    """The ids that have come, eight bytes each; where they are too many for memory, in a file."""

    def __init__(self, column: str) -> None:
        self._column = column
        self._keys: list[Words] = []
        self._size = 0
        self._spill = Spill()

    def look(self, batch: pa.RecordBatch, window: Ints) -> None:
        """Take in the ids of a batch."""
        self.add(*keys_of(column_of(batch, self._column), window))

    def add(self, keys: Words, known: Truths) -> None:
        self._keys.append(keys if known.all() else keys[known])
        self._size += self._keys[-1].nbytes
        if self._size > KEYS_HELD:
            self._spill.put(self._ordered())

    def repeated(self) -> Words:
        """Return the keys that came more than once, sorted; what was seen is forgotten."""
        if not self._spill.filled:
            return _twice(self._ordered())
        self._spill.put(self._ordered())
        found = []
        for at in range(PARTS):
            every = self._spill.part(at)
            every.sort()
            found.append(_twice(every))
        self._spill.close()
        return np.concatenate(found)

    def _ordered(self) -> Words:
        every = np.concatenate(self._keys) if self._keys else _NO_KEYS.copy()
        self._keys, self._size = [], 0
        every.sort()
        return every


def _twice(ordered: Words) -> Words:
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def keys_of(column: pa.Array, window: Ints) -> tuple[Words, Truths]:
    """Return a key for each row's id in its window, and which rows have an id."""
    keys, known = ids.keys(column)
    return keys + window.astype(np.uint64) * _WINDOW, known


class _Expected:
    """Words, and whether others are among them."""

    def __init__(self, keys: Words) -> None:
        self.keys = keys
        bits = min(24, 4 + len(keys).bit_length())  # most others are told by a look at one byte
        self._shift = np.uint64(64 - bits)
        self._may = np.zeros(1 << bits, bool)
        self._may[keys >> self._shift] = True

    def among(self, keys: Words) -> Truths:
        if not len(self.keys):
            return np.zeros(len(keys), bool)
        found: Truths = self._may[keys >> self._shift]
        rows = np.flatnonzero(found)
        at = np.searchsorted(self.keys, keys[rows])
        found[rows] = self.keys[np.minimum(at, len(self.keys) - 1)] == keys[rows]
        return found


@dataclass(frozen=True, kw_only=True)
class _Held:
    """Rows aside.

    Attributes
    ----------
    copies : int [n]
        How many rows with the same id and content a row stands for.
    """

    rows: pa.RecordBatch
    window: Ints
    copies: Ints

    @property
    def size(self) -> int:
        """Bytes; dictionaries aside, which batches mostly share."""
        values = sum(
            (column.indices if pa.types.is_dictionary(column.type) else column).nbytes
            for column in self.rows.columns
        )
        return int(values) + self.window.nbytes + self.copies.nbytes

    def only(self, at: Ints, copies: Ints) -> _Held:
        rows = self.rows.take(pa.Array.from_buffers(pa.int64(), len(at), [None, pa.py_buffer(at)]))
        return _Held(rows=rows, window=self.window[at], copies=copies)


def _joined(held: list[_Held]) -> deque[_Held]:
    """Put rows together whose columns are alike, for each batch costs by itself; empties `held`."""
    joined = deque[_Held]()
    gathered: dict[pa.Schema, list[_Held]] = {}
    while held:
        part = held.pop()
        parts = gathered.setdefault(part.rows.schema, [])
        parts.append(part)
        if sum(len(part.window) for part in parts) >= TOGETHER:
            joined.append(_join(gathered.pop(part.rows.schema)))
    joined.extend(map(_join, gathered.values()))
    return joined


def _join(parts: Sequence[_Held]) -> _Held:
    return _Held(
        rows=pa.concat_batches([part.rows for part in parts]),
        window=np.concatenate([part.window for part in parts]),
        copies=np.concatenate([part.copies for part in parts]),
    )


def _best(held: Iterable[_Held], column: str, windows: int) -> tuple[Ints, Ints, Ints]:
    """Find the row of each id that counts.

    Returns
    -------
    best, copies : int [ids]
        Its place among all rows, in order, and how many have its content.
    conflicts : int [windows]
        Rows with another content, by window.
    """
    window = np.concatenate([part.window for part in held])
    copies = np.concatenate([part.copies for part in held])
    number = _numbers([column_of(part.rows, column) for part in held])
    high, low = np.hstack([contents(part.rows, apart=column) for part in held])
    identity = number * windows + window
    order = np.lexsort((low, high, identity))
    new_id = _changes((identity,), order)
    new_content = new_id | _changes((high, low), order)
    first = np.flatnonzero(new_id)
    alike = np.flatnonzero(new_content)
    same = np.add.reduceat(copies[order], alike)[new_id[alike]]
    others = np.add.reduceat(copies[order], first) - same
    best = order[first]
    conflicts = np.bincount(window[best], others, windows).astype(np.int64)
    by_place = np.argsort(best)
    return best[by_place], same[by_place], conflicts


def _numbers(columns: Sequence[pa.Array]) -> Ints:
    """Give the same ids, and no others, the same number."""
    every = pa.concat_arrays([ids.texts(column) for column in columns]).dictionary_encode()
    return values_of(every.indices, np.int32).astype(np.int64)


def _changes(columns: tuple[Words | Ints, ...], order: npt.NDArray[np.intp]) -> Truths:
    """Tell which rows, put in order, differ from the row before; the first does."""
    changes = np.ones(len(order), bool)
    changes[1:] = False
    for column in columns:
        ordered = column[order]
        changes[1:] |= ordered[1:] != ordered[:-1]
    return changes


def _mask(truths: Truths) -> pa.Array:
    bits = pa.py_buffer(np.packbits(truths, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(truths), [None, bits])

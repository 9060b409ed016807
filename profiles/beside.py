"""Groups in the spans of many windows at once, and what stands beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from profiles.profile import Group, Profile
from profiles.rolling import moments_of

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Span:
    """The sums of one dimension at the end of a window, and the profiles they are of."""

    groups: tuple[Group, ...]
    counts: Mapping[str, Ints]  # [G, B]
    parts: tuple[Profile, ...]
    enough: bool  # half of the windows that it asks for are stored

    @property
    def size(self) -> int:
        return sum(counts.size for counts in self.counts.values())

    @property
    def if_enough(self) -> Span:
        """Itself, or nothing at all."""
        return self if self.enough else replace(self, groups=(), counts={}, parts=())


class Seen:
    """The sums of some groups [G] in W spans of stored windows."""

    def __init__(self, spans: Sequence[Span], groups: Sequence[Group]) -> None:
        self._spans, self._groups = spans, groups
        self.known = np.ones(len(groups), bool)
        self._rows: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]] = []
        for span in spans:
            place = {group: at for at, group in enumerate(span.groups)}
            rows = np.array([place.get(group, -1) for group in groups], np.intp)
            here = np.flatnonzero(rows >= 0)
            self._rows.append((here, rows[here]))

    def counts(self, column: str, bins: int) -> Ints:
        """Return the counts [W, G, B] of a column."""
        found = np.zeros((len(self._spans), len(self._groups), bins), np.int64)
        for at, (span, (here, rows)) in enumerate(zip(self._spans, self._rows, strict=True)):
            if column in span.counts:
                found[at, here] = span.counts[column][rows]
        return found

    def mean(self, column: str, at: int, row: int) -> float | None:
        """Return the mean of a numeric column in one span and group."""
        found = moments_of(self._spans[at].parts, column, self._groups[row])
        # what rounding leaves in the last digits depends on how rows came in batches
        return None if found is None else _finite(float(f"{found.mean[0]:.12g}"))


class Trained:
    """A reference of its own, the same for all windows.

    Attributes
    ----------
    known : bool [G]
        Which groups it has.
    """

    def __init__(self, reference: Profile, groups: Sequence[Group]) -> None:
        self._reference = reference
        place = {group: at for at, group in enumerate(reference.groups)}
        self._at = np.array([place.get(group, -1) for group in groups], np.intp)
        self.known = self._at >= 0

    def counts(self, column: str, _bins: int) -> Ints:
        """Return the counts [G, B] of a column; zeros of the groups it has not."""
        stored = self._reference.columns[column].counts
        found: Ints = np.where(self.known[:, None], stored[self._at], 0)
        return found

    def mean(self, column: str, _at: int, row: int) -> float | None:
        """Return the mean of a numeric column in one group."""
        moments = self._reference.columns[column].moments
        return None if moments is None else _finite(float(moments.mean[self._at[row]]))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

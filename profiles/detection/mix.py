"""Who came, or how they changed: a change of everybody's shares, split by cohort.

With π the shares of the cohorts and p those of the places within each, what everybody is, Σ π p,
changes by

    Σ (π − π⁰) (p + p⁰)/2   another mix of cohorts
  + Σ (π + π⁰)/2 (p − p⁰)   a change within cohorts

and by nothing else.

References
----------
.. [1] E. M. Kitagawa, "Components of a Difference Between Two Rates", Journal of the American
   Statistical Association 50 (1955).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Split:
    """A change of everybody's shares in two parts that add up to it.

    Attributes
    ----------
    mix, within : float64 [P]
    weight : float64 [P]
        Of a place: one over the mean of its shares.
    """

    mix: Doubles
    within: Doubles
    weight: Doubles

    @property
    def share_of_mix(self) -> float:
        """How much of the change is the mix, of 1; 0 where there is no change."""
        change = self.mix + self.within
        size = float((self.weight * change * change).sum())
        if size <= 0:
            return 0.0
        return float(np.clip((self.weight * change * self.mix).sum() / size, 0, 1))


def split(came: Doubles, expected: Doubles, rows: Doubles) -> Split:
    """Split what has changed for everybody.

    A cohort of which nothing came has changed nothing but the mix.

    Parameters
    ----------
    came : float64 [G, P]
        Rows of each cohort in each place.
    expected : float64 [G, P]
        In proportion to the shares that each cohort should have had.
    rows : float64 [G]
        In proportion to the rows that each cohort should have brought.
    """
    sizes = came.sum(axis=1)
    pi, pi0 = sizes / max(sizes.sum(), 1e-12), rows / max(rows.sum(), 1e-12)
    p0 = expected / np.maximum(expected.sum(axis=1, keepdims=True), 1e-12)
    p = np.where(sizes[:, None] > 0, came / np.maximum(sizes, 1e-12)[:, None], p0)
    mix = ((pi - pi0)[:, None] * (p + p0) / 2).sum(axis=0)
    within = ((pi + pi0)[:, None] / 2 * (p - p0)).sum(axis=0)
    mean = (pi @ p + pi0 @ p0) / 2
    return Split(mix=mix, within=within, weight=1 / np.maximum(mean, 1e-12) * (mean > 0))

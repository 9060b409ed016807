"""What is done once for every value: find its bin, count it, add it to the moments.

Two ways give the same bins and counts, row for row: `compiled`, by numba, and `plain`, by numpy
alone. Nothing else in the house loops over rows.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType


@cache
def kernel() -> ModuleType:
    """Return the quickest kernel there is. Importing numba takes time, so it is done at need."""
    try:
        from profiles.kernel import compiled
    except ImportError:
        from profiles.kernel import plain

        return plain
    return compiled

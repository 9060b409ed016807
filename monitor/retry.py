"""How long to wait before a model that failed is looked at again: pure, chance is handed in."""

from __future__ import annotations

from datetime import timedelta

LONGEST = timedelta(minutes=15)
SPREAD = 0.25  # of a wait, that chance adds: what failed together does not come back together


def wait_after(failures: int, *, poll: timedelta, chance: float) -> timedelta:
    """Return the wait after so many failures in a row.

    Parameters
    ----------
    failures : int
        In a row; without any it is the poll.
    poll : timedelta
        The wait after the first failure; each further one doubles it, up to 15 minutes or the poll.
    chance : float
        From 0 to 1.

    Examples
    --------
    >>> minute = timedelta(minutes=1)
    >>> [str(wait_after(n, poll=minute, chance=0)) for n in (0, 1, 2, 3, 9)]
    ['0:01:00', '0:01:00', '0:02:00', '0:04:00', '0:15:00']
    >>> str(wait_after(1, poll=minute, chance=1))
    '0:01:15'
    """
    if failures == 0:
        return poll
    doubled: timedelta = poll * 2 ** min(failures - 1, 20)
    return min(doubled, max(LONGEST, poll)) * (1 + SPREAD * chance)

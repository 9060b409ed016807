"""The nearest right name to a mistyped one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant, None where none is near.

    >>> nearest("event_tme", ["event_time", "score"])
    'event_time'
    """
    by_case = {right.casefold(): right for right in known}
    near = get_close_matches(name.casefold(), by_case, n=1, cutoff=0.6)
    return by_case[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, or what there is where none is near.

    >>> did_you_mean("scroe", ["event_time", "score"]), did_you_mean("x", ["event_time", "score"])
    ("did you mean 'score'?", "there is 'event_time', 'score'")
    """
    names = list(dict.fromkeys(known))
    near = nearest(name, names)
    if near is not None:
        return f"did you mean {near!r}?"
    if not names:
        return "there is none"
    shown = ", ".join(repr(right) for right in names[:12])
    return f"there is {shown}{', …' if len(names) > 12 else ''}"

"""What moved, in words: streams, and the reasons that decisions give."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import groupby
from typing import Protocol

from alerts.changed import listing
from alerts.rules import CHECK, SCHEMA, Cohort
from alerts.text import GAP, Span, Spans, cohort, listed, name, number, pair, plain

STATISTICS = {
    "ks": "Kolmogorov–Smirnov distance",
    "psi": "population stability index",
    "js": "Jensen–Shannon distance",
    "hellinger": "Hellinger distance",
    "wasserstein": "Wasserstein distance",
    "tv": "total variation",
    "linf": "largest difference of a share",
    "chi2": "chi-square statistic",
    "jsd": "Jensen–Shannon divergence",
    "kl": "Kullback–Leibler divergence",
    "g": "G statistic",
    "cramers_v": "Cramér's V",
    "cvm": "Cramér–von Mises statistic",
    "ad": "Anderson–Darling statistic",
    "wasserstein_sd": "Wasserstein distance in standard deviations",
    "energy": "energy distance",
    "fisher": "change of the commonest share",
    "oddness": "distance from normal",
    "check": "never before",
    "schema": "columns of the log",
}


FAIR = {CHECK, SCHEMA, "oddness"}  # that mean the same of few rows and of many
MIX = "another mix"
MOSTLY = 0.5  # of a change that is another mix of cohorts
NUMBERS = ("mean", "number of")  # labels of numbers; the others are of shares


class Moved(Protocol):
    """What a sentence needs to know of a stream."""

    @property
    def column(self) -> str: ...
    @property
    def cohort(self) -> Cohort: ...
    @property
    def rule(self) -> str: ...
    @property
    def statistic(self) -> str: ...
    @property
    def value(self) -> float: ...
    @property
    def threshold(self) -> float: ...
    @property
    def n(self) -> int: ...
    @property
    def now(self) -> float | None: ...
    @property
    def was(self) -> float | None: ...
    @property
    def label(self) -> str: ...
    @property
    def mix(self) -> float | None: ...
    @property
    def mix_of(self) -> str: ...


def short(key: str) -> str:
    """Name a statistic in a word or two, as it stands beside a number."""
    return {"oddness": "distance from normal", CHECK: "never before", SCHEMA: "columns"}.get(
        key, key
    )


def statistic(key: str) -> str:
    """Name a statistic in full; one that is unknown keeps its key."""
    return STATISTICS.get(key, key)


def change(stream: Moved) -> tuple[str, str] | None:
    """Write what a stream was and is, alike; None where unknown or where no change can be seen."""
    if stream.was is None or stream.now is None:
        return None
    if stream.label not in NUMBERS:
        was, now = (round(100 * x, 1) for x in (stream.was, stream.now))
        texts = tuple(f"{t}{GAP}%" for t in pair(was, now))
    else:
        texts = pair(stream.was, stream.now)
    return (texts[0], texts[1]) if texts[0] != texts[1] else None


def direction(stream: Moved) -> str:
    """Say ``rose`` or ``fell`` where a mean visibly did, else ``moved``."""
    if stream.label not in NUMBERS or change(stream) is None:
        return "moved"
    assert stream.now is not None
    assert stream.was is not None
    return "rose" if stream.now > stream.was else "fell"


def mix(stream: Moved) -> str | None:
    """Say how much of a change is who came, where it is most of it."""
    if stream.mix is None or stream.mix < MOSTLY:
        return None
    return f"{100 * stream.mix:.0f}{GAP}% of that is another mix of {name(stream.mix_of)}"


def title(streams: Iterable[Moved]) -> str:
    """Name an incident by what moved, worst first: ``visibility fell, humidity rose``.

    One of columns is named by what became of them: ``temp is gone; new: fare_eur``.
    """
    streams = tuple(streams)
    if streams and all(stream.statistic == SCHEMA for stream in streams):
        return listing(streams)
    columns = columns_of(streams)
    if not columns:
        return "nothing moved"
    mixes = {s.mix_of for s in columns if mix(s) is not None}
    if len(mixes) == 1 and all(mix(s) is not None or _of_mix(s, mixes) for s in columns):
        return f"{MIX} of {name(mixes.pop())}"
    if len(columns) > 2:
        return f"{listed([name(s.column) for s in columns])} moved"
    parts = [
        f"{' and '.join(name(s.column) for s in same)} {verb}"
        for verb, same in groupby(columns, key=direction)
    ]
    return ", ".join(parts)


def _of_mix(stream: Moved, mixes: Collection[str]) -> bool:
    """Whether a stream is itself what another mix of cohorts consists of."""
    return stream.column in mixes or (stream.column == "rows" and bool(stream.cohort))


def measured(stream: Moved) -> Spans:
    """Say how far a mean or share went, or where no change shows there, the distance."""
    seen = change(stream)
    column = name(stream.column)
    if seen is None and stream.statistic == CHECK:  # too few to show as a share
        new = name(stream.label.removeprefix("share of ")) or "something"
        return (Span(f"{new} came in {column} for the first time"),)
    if seen is None:
        what = Span(f"the distribution of {column} moved ({_distance(stream)})")
        return (what,)
    assert stream.now is not None
    assert stream.was is not None
    verb = "rose" if stream.now > stream.was else "fell"
    what = Span(
        f"the {stream.label} {column} {verb} from "
        if stream.label in NUMBERS
        else f"the {name(stream.label)} in {column} {verb} from "
    )
    return (what, Span(f"{seen[0]} to {seen[1]}", strong=True))


def pending_reason(stream: Moved) -> str:
    """Say which stream went beyond its threshold."""
    return f"{_whose(stream)}: {_distance(stream)}"


def opened_reason(stream: Moved, *, rule: str, windows: int) -> str:
    """Say which rule opened an incident, and on what."""
    row = f" in {windows:,} windows in a row" if windows > 1 else ""
    by = name(rule) if stream.statistic in FAIR else f"rule {name(rule)}"
    return f"{by}, {_whose(stream)}: {_distance(stream)}{row}"


def resolved_reason(windows: int) -> str:
    """Say why an incident ended."""
    return f"every stream under 90{GAP}% of its threshold in {windows:,} windows in a row"


def joined_text(streams: Iterable[Moved], *, known: Iterable[Moved]) -> str:
    """Say what joined an open incident: columns first, then cohorts of columns it already had."""
    joined, known = list(streams), list(known)
    before = {s.column for s in known}
    columns = [name(s.column) for s in columns_of(s for s in joined if s.column not in before)]
    if columns:
        return f"{listed(columns, most=3)} moved too"
    had = {(s.column, s.cohort) for s in known}
    if all((s.column, s.cohort) in had for s in joined):
        names = [name(s.column) for s in columns_of(joined)]
        return f"{listed(names, most=3)} beyond another rule too"
    whose = [cohort(s.cohort) for s in _worst_first(joined)]
    return f"{listed(list(dict.fromkeys(whose)), more='more cohorts')} moved too"


def _distance(stream: Moved) -> str:
    if stream.statistic == CHECK:
        return plain(measured(stream))
    value, threshold = number(stream.value), number(stream.threshold)
    return f"{statistic(stream.statistic)} {value}, threshold {threshold}"


def _whose(stream: Moved) -> str:
    column = name(stream.column)
    return f"{column} for {cohort(stream.cohort)}" if stream.cohort else column


def _worst_first(streams: Iterable[Moved]) -> list[Moved]:
    # By a plain distance everybody comes before any cohort, for a small cohort is far more easily.
    return sorted(
        streams,
        key=lambda s: (
            s.statistic != CHECK,
            bool(s.cohort) and s.statistic not in FAIR,
            -s.value / s.threshold,
            s.column,
            s.cohort,
        ),
    )


def columns_of(streams: Iterable[Moved]) -> list[Moved]:
    """Return one stream of each column, everybody's first, then worst first."""
    first: dict[str, Moved] = {}
    for stream in _worst_first(streams):
        first.setdefault(stream.column, stream)
    return list(first.values())


def other_cohorts(streams: Iterable[Moved], head: Moved) -> list[str]:
    """Name the cohorts that moved beside that of `head`, worst first."""
    named = (s.cohort for s in _worst_first(streams) if s.cohort and s.cohort != head.cohort)
    return [cohort(c) for c in dict.fromkeys(named)]

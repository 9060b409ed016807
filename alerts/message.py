"""All sentences, the same in the dashboard and in messages.

They say what was measured, never a cause, and only what was known when they were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from alerts import blind
from alerts.changed import MOST_IN_SENTENCE, NEW, became, listing
from alerts.incident import Incident, IncidentStream
from alerts.moved import (
    FAIR,
    MIX,
    NUMBERS,
    STATISTICS,
    Moved,
    change,
    columns_of,
    direction,
    measured,
    mix,
    other_cohorts,
    short,
    statistic,
    title,
)
from alerts.rules import CHECK, SCHEMA
from alerts.text import (
    GAP,
    MINUS,
    NOTHING,
    Span,
    Spans,
    capital,
    cohort,
    count,
    duration,
    fixed,
    listed,
    moment,
    name,
    number,
    pair,
    percent,
    place,
    plain,
)

MONITOR = blind.KIND

__all__ = [
    "CHECK",
    "FAIR",
    "GAP",
    "MINUS",
    "MONITOR",
    "NEW",
    "NOTHING",
    "NUMBERS",
    "SCHEMA",
    "STATISTICS",
    "Moved",
    "Span",
    "Spans",
    "became",
    "capital",
    "change",
    "cohort",
    "count",
    "direction",
    "duration",
    "fixed",
    "incident_sentence",
    "incident_title",
    "listed",
    "mix",
    "model_sentence",
    "moment",
    "name",
    "number",
    "overview_sentence",
    "pair",
    "percent",
    "place",
    "plain",
    "promise_sentence",
    "short",
    "statistic",
    "title",
]


def incident_sentence(incident: Incident, *, noun: str, timezone: str) -> Spans:
    """Say since when what moved, by how much, and for whom.

    Parameters
    ----------
    incident
        With at least one stream, or of the monitor's own kind.
    noun
        What a row is, in the plural: ``flights``.
    timezone
        In which times are told.
    """
    if incident.kind == blind.KIND:
        return blind.sentence(incident, timezone=timezone)
    since = (
        Span("Since "),
        Span(moment(incident.since, timezone), strong=True),
        Span(f" ({place(timezone)}) "),
    )
    if incident.kind == SCHEMA:
        spans = [*since, Span(listing(incident.streams, most=MOST_IN_SENTENCE), strong=True)]
        return (*spans, Span("."), *_ended(incident, "As it was", timezone))
    head, *others = columns_of(incident.streams)
    spans = [
        *since,
        *measured(head),
        Span(f" over {_rows(head, noun)}"),
    ]
    mixed = mix(head)
    if mixed is not None:
        spans.append(Span(f"; {mixed}"))
    if others:
        beside = title(others)
        spans.append(Span(f"; {beside}" if beside.startswith(MIX) else f"; {beside} too"))
    cohorts = other_cohorts(incident.streams, head)
    if cohorts:
        spans.append(Span(f"; {listed(cohorts, more='more cohorts')} moved too"))
    return (*spans, Span("."), *_ended(incident, "All quiet", timezone))


def _ended(incident: Incident, how: str, timezone: str) -> Spans:
    if incident.resolved is None:
        return ()
    return (
        Span(f" {how} again by "),
        Span(moment(incident.resolved, timezone), strong=True),
        Span(f", after {duration(incident.resolved - incident.since)}."),
    )


def incident_title(kind: str, streams: Sequence[IncidentStream]) -> str:
    """Name an incident in a few words."""
    return blind.TITLE if kind == blind.KIND else title(streams)


def model_sentence(
    *,
    state: str,
    since: datetime | None,
    noun: str,
    timezone: str,
    moved: Sequence[str] = (),
    score: str | None = None,
    now: float | None = None,
    was: float | None = None,
    half_width: float | None = None,
) -> Spans:
    """Open the page of a model.

    Parameters
    ----------
    state, since
        ``firing``, ``pending``, ``normal``, ``stale``, ``failed`` or ``starting``, and its start.
    noun
        What a row is, in the plural.
    timezone
        In which times are told.
    moved
        Columns beyond a threshold in the last decided window, worst first.
    score, now, was, half_width
        Name of the score, its last mean, its mean in the baseline, and the 95 % sampling error.
    """
    start = () if since is None else (Span(moment(since, timezone, zone=True), strong=True),)
    spans: list[Span] = list(_standing(state, start, moved, noun))
    if score is not None and now is not None:
        error = "" if half_width is None else f" ± {number(half_width, digits=1)}"
        shown, before = (number(now), None) if was is None else reversed(pair(was, now))
        last = "The last known mean" if state in {"stale", "failed"} else "The mean"
        spans += [Span(f" {last} {name(score)} is "), Span(shown or NOTHING, strong=True)]
        spans.append(Span(f"{error}." if before is None else f"{error}, expected {before}."))
    return tuple(spans)


def promise_sentence(
    *,
    budget: float,
    incidents: int,
    months: float,
    between: tuple[float, float] | None,
    days: int,
    begins_after: int,
) -> Spans:
    """Say what was promised of false incidents, and how many incidents there were.

    Parameters
    ----------
    budget
        False incidents a month.
    incidents, months, between
        What was opened, in how long, and the 95 % interval of the rate; None before the first.
    days, begins_after
        How many days are stored, and how many have to be.
    """
    promised = f"at most {number(budget)} false incident{'s' if budget > 1 else ''} a month"
    if between is None:
        left = begins_after - days
        when = f"in {left:,} days" if left > 1 else "within a day"
        learnt = f"{max(days, 0):,} of {begins_after:,} days are stored"
        return (Span(f"The promise of {promised} begins {when}: {learnt}."),)
    seen = f"{incidents:,} opened in {number(months, digits=2)} months"
    rate, low, high = (number(of, digits=2) for of in (incidents / months, *between))
    rate = f"{rate} a month, {low} to {high}"
    if between[0] > budget:
        return (
            Span(f"The promise of {promised} does not hold here", strong=True),
            Span(f": {seen} ({rate}). What comes may wander more than it did before."),
        )
    return (Span(f"Promised: {promised}. Of all kinds, {seen} ({rate})."),)


def overview_sentence(models: Sequence[tuple[str, str, timedelta | None]]) -> Spans:
    """Open the overview: which models need a look, and how the rest are.

    Parameters
    ----------
    models
        Name, state and for how long, of each model, worst first.
    """
    if not models:
        return (Span("No model is configured yet."),)
    firing = [(m, span) for m, state, span in models if state == "firing"]
    rest = [state for _, state, _ in models if state != "firing"]
    spans: list[Span] = []
    if len(firing) == 1:
        model, span = firing[0]
        spans.append(Span(f"One model needs a look: {name(model)}", strong=True))
        spans.append(Span("." if span is None else f", for {duration(span)} now."))
    elif firing:
        names = listed([name(m) for m, _ in firing], most=3)
        spans.append(Span(f"{capital(count(len(firing)))} models need a look: ", strong=True))
        spans.append(Span(f"{names}."))
    elif len(models) == 1:
        return (Span(name(models[0][0]), strong=True), Span(f" {_ALONE[models[0][1]]}."))
    elif set(rest) == {"normal"}:
        return (Span(f"All {count(len(rest))} models are as usual."),)
    else:
        spans.append(Span("No model is firing."))
    clauses = [
        f"{count(rest.count(state))} {words[rest.count(state) > 1]}"
        for state, words in _REST.items()
        if state in rest
    ]
    if clauses:
        spans.append(Span(f" {capital(', '.join(clauses))}."))
    return tuple(spans)


def _rows(stream: Moved, noun: str) -> str:
    if stream.cohort:
        return f"{stream.n:,} {noun} with {cohort(stream.cohort)}"
    return f"all {stream.n:,} {noun}"


def _standing(state: str, start: Spans, moved: Sequence[str], noun: str) -> Spans:
    since = (Span(" since "), *start) if start else ()
    have = "have" if len(moved) > 1 else "has"
    who = Span(listed([name(m) for m in moved]) if moved else "", strong=True)
    match state:
        case "firing" if moved:
            now = f" {have} moved."
            said = (Span("An incident is open"), *since, Span("; now "), who, Span(now))
        case "firing":
            quiet = Span("; nothing is beyond its threshold now.")
            said = (Span("An incident is open"), *since, quiet)
        case "pending":
            been = Span(f" {have} been beyond the threshold")
            soon = Span(", not yet for long enough to open an incident.")
            said = (who if moved else Span("Something"), been, *since, soon)
        case "stale":
            unknown = Span("; what happened then is unknown.")
            said = (Span(f"No new {noun} have come in"), *since, unknown)
        case "failed":
            unknown = Span("; what happened then is unknown.")
            said = (Span("Nothing could be read"), *since, unknown)
        case "starting":
            said = (Span("No window has been decided yet."),)
        case _:
            said = (Span("Nothing is beyond its threshold."),)
    return said


_REST = {  # what is said of one, and of several
    "failed": ("cannot be read", "cannot be read"),
    "stale": ("source is silent", "sources are silent"),
    "pending": ("is pending", "are pending"),
    "starting": ("is starting", "are starting"),
    "normal": ("is as usual", "are as usual"),
}
_ALONE = {
    "failed": "cannot be read",
    "stale": "has had no new rows for a while",
    "pending": "has moved, not yet for long enough to open an incident",
    "starting": "has no decided window yet",
    "normal": "is as usual",
}

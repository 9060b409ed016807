"""A first look as a commented `monitor.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

import yaml

from monitor.contact.first import FirstLook
from profiles.windows import format_width

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def render(look: FirstLook, *, source: str) -> str:
    """Write a configuration that `monitor check` accepts as it stands.

    Parameters
    ----------
    source
        What stands at `source`: a URL without a password, or the name of a variable as ``${NAME}``.
    """
    return "\n".join(_lines(look, source))


def _lines(look: FirstLook, source: str) -> Iterable[str]:
    model = re.sub(r"[^a-z0-9]+", "-", look.table.casefold()).strip("-") or "model"
    yield from (
        "# What to watch, and with what to compare it. Every key can be changed;",
        "# `monitor check` shows what came of it, and every mistake with its line.",
        "",
        "store: sqlite:///driftline.db  # where results are kept; PostgreSQL in production",
        "timezone: UTC  # for showing times, and for what is usual at an hour of the day",
        "",
        "models:",
        f"  {scalar(model)}:",
        f"    source: {source}  # only ever read: give it an account that can do no more",
        "    log:",
    )
    if not look.in_files:
        yield f"      table: {scalar(look.table)}"
    if look.schema is not None:
        yield f"      schema: {scalar(look.schema)}"
    yield f"      time: {scalar(look.time)}{_about_index(look)}"
    yield _key("id", look.id, "tells rows apart")
    yield _key("payload", look.payload, "a JSON object; nested keys are named with dots")
    yield _key("version", look.version, "which model made the prediction")
    yield "      # ingested: …  # when a row was written, or an id that only grows: finds late rows"
    yield from _baseline(look)
    yield from _prediction(look)
    yield from _cohorts(look)
    yield from _columns(look)
    yield from (
        f"    window: {format_width(look.window)}  # rows are counted in windows of this width",
        "    lateness: 0h  # how long after its end a window waits for late rows",
        f"    noun: {scalar(_noun(look.table))}  # what a row is, in messages",
        "",
        "alerts:",
        "  # False incidents a month. What is unusual is learnt from the weeks before, so this",
        "  # begins once some 65 days are stored; `monitor calibrate` says how it would have done.",
        "  # Until then the last day is put beside the baseline, and only large shifts are told.",
        "  budget: 1 per month",
        "  rules:  # thresholds by hand, which promise nothing; take them away or change them",
        "    - name: far from baseline",
        "      statistic: js  # Jensen-Shannon distance, from 0 to 1",
        "      threshold: 0.2",
        "      over: 1d  # the last day of rows is put beside the baseline,",
        "      windows: 3  # and has to be far from it that many windows in a row",
        "      min_rows: 200",
        "  # To be told, add a route:",
        "  # routes:",
        "  #   - {kind: slack, name: on-call, url_file: slack-url.txt}",
        "",
    )


def _about_index(look: FirstLook) -> str:
    if look.time_indexed is False and look.in_files:
        return "  # CSV files are read whole for every window; Parquet files are not"
    if look.time_indexed is False:
        return "  # has no index: every window reads the whole table until it has one"
    return "  # when the prediction was made"


def _key(key: str, value: str | None, comment: str) -> str:
    if value is None:
        return f"      # {key}: …  # {comment}; none was found"
    return f"      {key}: {scalar(value)}  # {comment}"


def _baseline(look: FirstLook) -> Iterable[str]:
    start, end = (_moment(bound) for bound in look.baseline)
    yield "    baseline:"
    yield "      # The first part of the log, for want of better: the rows that the model was"
    yield "      # trained on are a truer baseline. Give them as `table: …` or `file: ….parquet`."
    yield f"      range: [{start}, {end}]"


def _prediction(look: FirstLook) -> Iterable[str]:
    if look.score is None:
        yield "    # prediction: {kind: binary, score: …}  # no column looks like a score"
    else:
        yield f"    prediction: {{kind: {look.score.kind}, score: {scalar(look.score.column)}}}"


def _cohorts(look: FirstLook) -> Iterable[str]:
    if look.more_cohorts:
        yield f"    # These would do as cohorts too: {', '.join(map(scalar, look.more_cohorts))}"
    if look.cohorts:
        listed = ", ".join(map(scalar, look.cohorts))
        yield f"    cohorts: [{listed}]  # each value of these is watched for itself"
    else:
        yield "    # cohorts: []  # columns whose values are watched each for itself"


def _columns(look: FirstLook) -> Iterable[str]:
    if look.label is not None:
        yield "    columns:"
        yield f"      {scalar(look.label)}: {{kind: ignore}}  # the truth, which comes later"
    if look.derived:
        listed = ", ".join(f"{scalar(name)} ({kind})" for name, kind in look.derived.items())
        yield f"    # Watched by what is derived from them, like a text's length: {listed}"


def _noun(table: str) -> str:
    return table.casefold().replace("_", " ") if table.casefold().endswith("s") else "rows"


def _moment(at: datetime) -> str:
    text = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return text.removesuffix("T00:00:00Z")


def scalar(text: str) -> str:
    r"""Write a text so that YAML, and then the variables in it, read it back as it is.

    >>> scalar("event_time"), scalar("no"), scalar('a"b: ${x}')
    ('event_time', '"no"', '"a\\"b: $${x}"')
    """
    if _PLAIN.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    kept = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${")
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in kept) + '"'

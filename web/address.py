"""The address is the state: what a page shows, read from and written to its URL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode
from zoneinfo import ZoneInfo

from monitor.store.queries.views import Cohort
from profiles.windows import format_width, parse_width

STATISTICS = {
    "js": "Jensen–Shannon",
    "psi": "PSI",
    "ks": "Kolmogorov–Smirnov",
    "hellinger": "Hellinger",
    "wasserstein": "Wasserstein-1",
    "tv": "Total variation",
    "linf": "L-infinity",
    "chi2": "Chi-square",
    "jsd": "Jensen–Shannon divergence",
    "kl": "Kullback–Leibler",
    "g": "G",
    "cramers_v": "Cramér's V",
    "cvm": "Cramér–von Mises",
    "ad": "Anderson–Darling",
    "wasserstein_sd": "Wasserstein-1 over sd",
    "energy": "Energy distance",
    "fisher": "Fisher's exact",
}
DEFAULT_RANGE = timedelta(days=14)
LONGEST_RANGE = timedelta(days=3660)

Kind = Literal["overview", "model", "feature", "incidents", "incident", "missing"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which page a path names."""

    kind: Kind
    model: str | None = None
    column: str | None = None
    incident: str | None = None


@dataclass(frozen=True, kw_only=True)
class Query:
    """What a page shows: either two instants, or a width that ends with the last result."""

    start: datetime | None = None
    end: datetime | None = None
    width: timedelta | None = None
    cohort: Cohort = ()
    statistic: str = "js"
    zone: str | None = None
    opened: tuple[str, ...] = ()  # groups of rows that are shown in full
    model: str | None = None  # incidents of one model only

    def resolve(self, extent: tuple[datetime, datetime]) -> tuple[datetime, datetime]:
        """Return the instants to show, where results lie within `extent`."""
        if self.start is not None and self.end is not None:
            return self.start, self.end
        return extent[1] - (self.width or DEFAULT_RANGE), extent[1]


def read_path(pathname: str | None) -> Place:
    parts = [unquote(part) for part in (pathname or "/").split("/") if part]
    match parts:
        case []:
            return Place(kind="overview")
        case ["models", model]:
            return Place(kind="model", model=model)
        case ["models", model, "features", column]:
            return Place(kind="feature", model=model, column=column)
        case ["incidents"]:
            return Place(kind="incidents")
        case ["incidents", incident]:
            return Place(kind="incident", incident=incident)
    return Place(kind="missing")


def read_query(search: str | None, *, zone: tzinfo = UTC) -> Query:
    """Read a query leniently: what cannot be understood is left at its default.

    Times without a zone are told in `tz`, or else in `zone`.
    """
    given = dict(parse_qsl((search or "").lstrip("?")))
    told = _zone(given.get("tz"))
    start, end = (_moment(given.get(name), told or zone) for name in ("from", "to"))
    if start is None or end is None or not start < end <= start + LONGEST_RANGE:
        start = end = None
    statistic = given.get("stat", "js")
    return Query(
        start=start,
        end=end,
        width=None if start else _width(given.get("range")),
        cohort=read_cohort(given.get("cohort")),
        statistic=statistic if statistic in STATISTICS else "js",
        zone=given.get("tz") if told is not None else None,
        opened=tuple(name for name in given.get("open", "").split("~") if name),
        model=given.get("model"),
    )


def write_query(query: Query, **changes: Any) -> str:
    """Write a query with some of its fields changed; the default is the empty string.

    >>> write_query(Query(), width=timedelta(days=7), cohort=(("origin", "JFK"),))
    '?range=7d&cohort=origin:JFK'
    """
    query = replace(query, **changes)
    fields = {
        "from": _iso(query.start),
        "to": _iso(query.end),
        "range": _span(query.width) if query.width and query.start is None else None,
        "cohort": write_cohort(query.cohort),
        "stat": query.statistic if query.statistic != "js" else None,
        "tz": query.zone,
        "open": "~".join(query.opened),
        "model": query.model,
    }
    text = urlencode({name: v for name, v in fields.items() if v}, safe=":~,", quote_via=quote)
    return f"?{text}" if text else ""


def model_path(model: str) -> str:
    return f"/models/{quote(model, safe='')}"


def feature_path(model: str, column: str) -> str:
    return f"{model_path(model)}/features/{quote(column, safe='')}"


def incident_path(incident_id: str) -> str:
    return f"/incidents/{quote(incident_id, safe='')}"


def read_cohort(text: str | None) -> Cohort:
    """Read ``origin:JFK`` or ``origin:JFK,carrier:B6``; names hold %3A and %2C for : and ,.

    >>> read_cohort("origin:JFK,carrier:B6")
    (('origin', 'JFK'), ('carrier', 'B6'))
    """
    pairs = [part.partition(":") for part in (text or "").split(",") if part]
    if any(not sign or not name for name, sign, _ in pairs):
        return ()
    return tuple((unquote(name), unquote(value)) for name, _, value in pairs)


def write_cohort(cohort: Cohort) -> str:
    def safe(text: str) -> str:
        return text.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")

    return ",".join(f"{safe(name)}:{safe(value)}" for name, value in cohort)


def _zone(name: str | None) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):  # unknown, or no name of a zone at all
        return None


def _width(text: str | None) -> timedelta | None:
    try:
        width = parse_width(text) if text else None
    except (ValueError, OverflowError):
        return None
    return width if width is not None and width <= LONGEST_RANGE else None


def _span(width: timedelta) -> str:
    """Write days as days, the way the presets name them: 14d, not 2w."""
    days, rest = divmod(width, timedelta(days=1))
    return f"{days}d" if not rest else format_width(width)


def _moment(text: str | None, zone: tzinfo) -> datetime | None:
    """Read ISO 8601; without a zone it is told in `zone`."""
    try:
        moment = datetime.fromisoformat(text) if text else None
        if moment is None or not 1900 <= moment.year <= 2200:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except ValueError:
        return None


def _iso(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    text = moment.astimezone(UTC).isoformat(timespec="minutes" if moment.second == 0 else "seconds")
    return text.replace("+00:00", "Z")

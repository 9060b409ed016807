"""What the configuration holds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self, get_args
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from monitor.config.against import LONGEST, WEEK, Against, Version, Weeks, read_against
from monitor.config.calendar import holiday
from monitor.config.names import nearest
from profiles.errors import InvalidWindow
from profiles.windows import format_width, parse_width


def _width(value: object) -> object:
    if isinstance(value, timedelta) and value > timedelta(0):
        return value
    if isinstance(value, str):
        with suppress(InvalidWindow):  # its message repeats the value, which may be kept out
            return parse_width(value)
    raise ValueError("it is not a width of time; write it like 15m, 1h, 7d or 2w")


def _wait(value: object) -> object:
    none_at_all = value == timedelta(0) or (isinstance(value, int) and value == 0)
    if none_at_all or (isinstance(value, str) and value.strip() in {"0", "0s", "0m", "0h", "0d"}):
        return timedelta(0)
    return _width(value)


def _instant(value: object) -> object:
    """Read an ISO date or time; YAML hands some over as dates."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    raise ValueError("it is not an ISO date or time; write it like 2013-01-31 or 2013-01-31T06:00Z")


def _cohort(value: object) -> object:
    if isinstance(value, str) and value:
        return (value,)
    if isinstance(value, list | tuple) and value and all(isinstance(v, str) and v for v in value):
        if len(set(value)) < len(value):
            raise ValueError("it names a column twice")
        return tuple(value)
    raise ValueError("a cohort is the name of a column, or a list of names")


def _filled(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().strip():
        raise ValueError("it is empty")
    return secret


def _http(check: str) -> None:
    parts = urlsplit(check)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("it is no web address; write it like https://host/path")


def _http_secret(url: SecretStr) -> SecretStr:
    _http(url.get_secret_value())
    return url


def _as_list(of: str) -> Callable[[object], object]:
    def check(value: object) -> object:
        if isinstance(value, list | tuple):
            return value
        raise ValueError(f"it should be a list of {of}, in [ ] or a line each after a -")

    return check


def _calendar(value: object) -> object:
    """Read one country or day, or a list of them."""
    return value if isinstance(value, list | tuple) else [value]


def _written(against: Against | None) -> str | None:
    return None if against is None else str(against)


_WEEKS_OF_MONTH = 365.25 / 12 / 7

Width = Annotated[timedelta, BeforeValidator(_width)]
Wait = Annotated[timedelta, BeforeValidator(_wait)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Name = Annotated[str, Field(min_length=1)]
Port = Annotated[int, Field(ge=1, le=65_535)]
Secret = Annotated[SecretStr, AfterValidator(_filled)]
SecretAddress = Annotated[SecretStr, AfterValidator(_http_secret)]
Holiday = Annotated[str, BeforeValidator(holiday)]
Cohort = Annotated[tuple[str, ...], BeforeValidator(_cohort)]  # its columns
Policy = Literal["freeze", "evolve", "discard"]


class Strict(BaseModel):
    # Values are kept out of pydantic's own messages: one may be a password at the wrong key.
    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True
    )


class Log(Strict):
    """Where predictions are logged: one table, or files, one row a prediction."""

    table: Name | None = None  # of a database
    time: Name
    id: Name | None = None
    payload: Name | None = None
    version: Name | None = None
    ingested: Name | None = None  # when a row was written, or an id that only grows
    overlap: Wait = timedelta(hours=6)  # for so long after its closing a window takes late rows in
    db_schema: Name | None = Field(default=None, alias="schema")

    @field_validator("ingested")
    @classmethod
    def _other_than_the_time(cls, ingested: str | None, info: ValidationInfo) -> str | None:
        if ingested is not None and ingested == info.data.get("time"):
            raise ValueError(
                "it is log.time itself, by which a late row is as old as any; name the column "
                "that says when a row was written, or take it away"
            )
        return ingested


class Baseline(Strict):
    """What windows are compared with: exactly one of a table, a file, a range of the log, or words.

    The words are those of a rule's `against`: ``trailing 28d``, ``previous``, ``weeks 8``,
    ``version v1``. They name no rows, so the grids are made of the newest weeks of the log.
    """

    table: Name | None = None
    file: Path | None = None
    range: tuple[Instant, Instant] | None = None  # [from, to), in UTC where no zone is written
    against: Annotated[Against | None, BeforeValidator(read_against), PlainSerializer(_written)] = (
        None
    )
    payload: Name | None = None
    db_schema: Name | None = Field(default=None, alias="schema")

    @model_validator(mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return {"against": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        rows = ("table", "file", "range")
        given = [key for key in (*rows, "against") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(
                "baseline needs exactly one of table, file, range, or words such as trailing 28d; "
                + (f"it has {' and '.join(given)}" if given else "it has none")
            )
        return self

    @field_validator("range")
    @classmethod
    def _forwards(
        cls, bounds: tuple[datetime, datetime] | None
    ) -> tuple[datetime, datetime] | None:
        if bounds is not None and bounds[0] >= bounds[1]:
            raise ValueError("it ends before it begins; write [from, to]")
        return bounds


def files_of(source: SecretStr) -> str | None:
    """Return the path or the pattern that a source of files names, None for a database.

    Raises
    ------
    ValueError
        If it names a host.
    """
    text = source.get_secret_value()
    if not text.startswith("file:"):
        return None
    path = text.removeprefix("file:")
    if path.startswith("//"):
        host, slash, rest = path.removeprefix("//").partition("/")
        if host not in {"", "localhost"}:
            raise ValueError("it names a host; write file:logs/*.parquet or file:///logs/*.parquet")
        path = slash + rest
    if not path:
        raise ValueError("it names no file; write it like file:logs/*.parquet")
    return path


class Prediction(Strict):
    kind: Literal["binary", "multiclass", "regression"]
    score: Name
    threshold: float | None = Field(default=None, allow_inf_nan=False)


class Contract(Strict):
    """What becomes of a column that is gone, came as another type, or is new.

    ``freeze`` opens an incident, ``evolve`` accepts it and tells it once without a page, and
    ``discard`` ignores it. One word stands for all three.
    """

    missing: Policy | None = None
    type: Policy | None = None
    new: Policy | None = None

    @model_validator(mode="before")
    @classmethod
    def _all_three(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value not in get_args(Policy):
            raise ValueError("it should be freeze, evolve or discard, or keys missing, type, new")
        return dict.fromkeys(cls.model_fields, value)


USUAL = Contract(missing="freeze", type="freeze", new="evolve")


class Column(Strict):
    kind: Literal["numeric", "categorical", "text", "list", "time", "image", "ignore"] | None = None
    role: Literal["feature", "context"] = "feature"
    contract: Contract = Field(default=Contract(), alias="schema")


class Model(Strict):
    source: Secret
    log: Log
    baseline: Baseline
    prediction: Prediction | None = None
    cohorts: Annotated[tuple[Cohort, ...], BeforeValidator(_as_list("columns"))] = ()
    columns: dict[str, Column] = Field(default_factory=dict)
    contract: Contract = Field(default=Contract(), alias="schema")
    window: Width = timedelta(hours=1)
    lateness: Wait = timedelta(0)
    noun: Name = "rows"
    calendar: Annotated[tuple[Holiday, ...], BeforeValidator(_calendar)] = ()  # days like no other

    @field_validator("source")
    @classmethod
    def _no_host(cls, source: SecretStr) -> SecretStr:
        files_of(source)
        return source

    @field_validator("log")
    @classmethod
    def _table_of_a_database(cls, log: Log, info: ValidationInfo) -> Log:
        source = info.data.get("source")
        if source is None:
            return log  # what is wrong with it is said
        if files_of(source) is None:
            if log.table is None:
                raise ValueError("table is missing; this key is needed, for source is a database")
            return log
        if log.table is not None or log.db_schema is not None:
            raise ValueError("source names files, which have no table; take table and schema away")
        return log

    @field_validator("baseline")
    @classmethod
    def _baseline_of_files(cls, baseline: Baseline, info: ValidationInfo) -> Baseline:
        source = info.data.get("source")
        if baseline.table is not None and source is not None and files_of(source) is not None:
            raise ValueError("source names files, which have no table; give a file or a range")
        return baseline

    @property
    def files(self) -> str | None:
        """The path or the pattern of a log in files, None where it is in a database."""
        return files_of(self.source)

    @field_validator("cohorts")
    @classmethod
    def _each_once(cls, cohorts: tuple[Cohort, ...]) -> tuple[Cohort, ...]:
        if len({frozenset(cohort) for cohort in cohorts}) < len(cohorts):
            raise ValueError("it names a cohort twice")
        return cohorts

    @property
    def apart(self) -> tuple[str, ...]:
        """Columns that tell rows apart and are not watched; a version may still be a cohort."""
        is_cohort = any(self.log.version in cohort for cohort in self.cohorts)
        version = None if is_cohort else self.log.version
        special = (self.log.time, self.log.id, version, self.log.ingested)
        return tuple(dict.fromkeys(name for name in special if name))

    @property
    def unwatched(self) -> tuple[str, ...]:
        """Columns that are never news: those that tell rows apart, and those that hold others."""
        return tuple(name for name in (*self.apart, self.log.payload) if name)

    @property
    def unread(self) -> frozenset[str]:
        """Plain columns that nobody asks for, which need not be read."""
        used = {self.log.time, self.log.id, self.log.payload, self.log.version}
        if self.prediction is not None:
            used.add(self.prediction.score)
        for cohort in self.cohorts:
            used.update(cohort)
        ignored = {name for name, column in self.columns.items() if column.kind == "ignore"}
        if self.log.ingested is not None:  # it differs in every copy of a row
            ignored.add(self.log.ingested)
        return frozenset(ignored - used)

    def policy(self, change: Literal["missing", "type", "new"], column: str) -> Policy:
        """Return what becomes of a change of a column: by itself, by the model, or as usual."""
        own = self.columns[column].contract if column in self.columns else Contract()
        said: list[Policy | None] = [getattr(of, change) for of in (own, self.contract, USUAL)]
        return next(policy for policy in said if policy is not None)

    def lacks_version(self, name: str) -> str | None:
        """Say why the model's rows cannot be compared by version, None where they can."""
        version = self.log.version
        if version is not None and (version,) in self.cohorts:
            return None
        add = version or "its column as log.version, and"
        return f"the version of {name} is no cohort; add {add} to models.{name}.cohorts"

    def beside(self, rule: Rule) -> Against | None:
        """Return what a rule compares with here, None for the baseline's own rows."""
        return rule.against if "against" in rule.model_fields_set else self.baseline.against

    def role(self, column: str) -> Literal["prediction", "feature", "context"]:
        """Return what a column is to the model; a derived one is what its own column is."""
        if self.prediction is not None and column == self.prediction.score:
            return "prediction"
        if column == self.log.version:
            return "context"  # that a new version comes is expected
        for name in (column, column.rpartition(".")[0]):
            if name in self.columns:
                return self.columns[name].role
        return "feature"


class Rule(Strict):
    """A classic rule: a distance beyond a threshold for `windows` windows in a row."""

    name: Name
    statistic: Literal[
        "ks", "psi", "js", "hellinger", "wasserstein", "tv", "linf", "chi2", "jsd", "kl", "g",
        "cramers_v", "cvm", "ad", "wasserstein_sd", "energy", "fisher",
    ] = "js"  # fmt: skip
    threshold: float = Field(gt=0, allow_inf_nan=False)
    over: Width | None = None  # width of the merged window that is judged; default: the model's
    against: Annotated[Against | None, BeforeValidator(read_against), PlainSerializer(_written)] = (
        None  # None: the baseline
    )
    windows: int = Field(default=3, ge=1)
    min_rows: int = Field(default=200, ge=1)
    columns: Annotated[tuple[str, ...], BeforeValidator(_as_list("columns"))] | None = (
        None  # default: the score and every feature; never context
    )
    cohorts: bool = False  # also judge every single-column cohort
    models: Annotated[tuple[str, ...], BeforeValidator(_as_list("models"))] | None = None

    @field_validator("over")
    @classmethod
    def _within_reach(cls, over: timedelta | None) -> timedelta | None:
        if over is not None and over > LONGEST:
            raise ValueError("it is longer than ten years; nothing reaches back so far")
        return over

    @field_validator("against")
    @classmethod
    def _apart_from_itself(cls, against: Against | None, info: ValidationInfo) -> Against | None:
        over = info.data.get("over")
        if isinstance(against, Weeks) and over is not None and over > WEEK:
            raise ValueError(_among_itself(over))
        return against


def _among_itself(over: timedelta) -> str:
    return (
        f"over is {format_width(over)}, so the same hours of the week before would be among those "
        "that are judged; make over 7d at most, or write previous"
    )


class Webhook(Strict):
    kind: Literal["webhook"]
    name: Name
    url: SecretAddress
    secret: Secret


class Slack(Strict):
    kind: Literal["slack"]
    name: Name
    url: SecretAddress


Route = Annotated[Webhook | Slack, Field(discriminator="kind")]


def _rate(value: object) -> object:
    """Read a number of times a month, such as ``1 per month``; ``off`` is none."""
    if value is False or value in ("off", None):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        number, per, unit = [*value.split(maxsplit=2), "", ""][:3]
        days = {"month": 1.0, "week": _WEEKS_OF_MONTH, "year": 1 / 12}.get(unit)
        if per == "per" and days is not None:
            with suppress(ValueError):
                return float(number) * days
    raise ValueError("it is no rate; write it like 1 per month, 0.5 per week or 4 per year")


class Alerts(Strict):
    budget: Annotated[
        Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] | None, BeforeValidator(_rate)
    ] = 1.0  # false incidents a month that a model may open; None: only rules open any
    rules: tuple[Rule, ...] = ()
    routes: tuple[Route, ...] = ()


class Web(Strict):
    host: Name = "127.0.0.1"
    port: Port = 8050
    url: str | None = None  # how people reach the dashboard; default: http://host:port
    password: Secret | None = None

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        _http(url)
        return url.rstrip("/")

    @property
    def address(self) -> str:
        """The link that people open, without a slash at its end."""
        if self.url is not None:
            return self.url
        # What listens everywhere is reached at the machine's own name.
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::", "*"} else self.host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


class Daemon(Strict):
    host: Name = "127.0.0.1"
    port: Port = 8051
    poll: Width = timedelta(seconds=30)
    workers: int = Field(default=10, ge=1, le=100)  # models that are worked on at once
    blind_after: Width = timedelta(minutes=30)  # unreadable for so long, a model has an incident
    heartbeat: SecretAddress | None = None  # asked after each round, so that silence is noticed


def _check_against(rule: Rule, name: str, model: Model) -> None:
    against = model.beside(rule)
    needed = model.lacks_version(name) if isinstance(against, Version) else None
    if needed is not None:
        raise ValueError(f"rule {rule.name!r} compares with {against}; {needed}")
    if isinstance(against, Weeks) and rule.over is not None and rule.over > WEEK:
        raise ValueError(f"rule {rule.name!r} compares with {against}: {_among_itself(rule.over)}")


class Config(Strict):
    store: Secret = SecretStr("sqlite:///driftline.db")
    timezone: str = "UTC"
    models: dict[Name, Model] = Field(min_length=1)
    alerts: Alerts = Alerts()
    web: Web = Web()
    daemon: Daemon = Daemon()

    @field_validator("models")
    @classmethod
    def _compared_by_version(cls, models: dict[str, Model]) -> dict[str, Model]:
        for name, model in models.items():
            if isinstance(model.baseline.against, Version):
                needed = model.lacks_version(name)
                if needed is not None:
                    raise ValueError(f"the baseline of {name} is another version; {needed}")
        return models

    @field_validator("alerts")
    @classmethod
    def _rules_fit_models(cls, alerts: Alerts, info: ValidationInfo) -> Alerts:
        models: dict[str, Model] = info.data.get("models", {})  # none where they are wrong
        for rule in alerts.rules:
            for name in rule.models or models:
                if name in models:
                    _check_against(rule, name, models[name])
        return alerts

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        zones = available_timezones()
        if name not in zones:
            near = nearest(name, sorted(zones))
            hint = f"did you mean {near!r}?" if near else "write it like Europe/Berlin or UTC"
            raise ValueError(f"it is no time zone; {hint}")
        return name

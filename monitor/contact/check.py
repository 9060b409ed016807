"""Everything that a configuration names, looked at once, with every problem that is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from alerts.channels import channels_of
from alerts.errors import BadRoute
from alerts.text import listed
from monitor.config import Config, Model
from monitor.config.names import did_you_mean
from monitor.contact.columns import ColumnCheck, describe_columns
from monitor.errors import ConfigError, MonitorError, SourceError, StoreError
from monitor.history import clock_of
from monitor.sources import Batch, open_baseline, open_log
from monitor.store.engine import connect, open_store, revision
from profiles.baseline import Baseline, accept
from profiles.buffers import column_of, values_of
from profiles.derived import PARTS
from profiles.detection.lanes import opens_after
from profiles.errors import InvalidGrid
from profiles.hashing import Words
from profiles.repeats import keys_of
from profiles.survey import Survey
from profiles.windows import EPOCH, format_width

MANY_GROUPS = 200
_EPOCH = np.datetime64(EPOCH.replace(tzinfo=None), "us")

Kind = Literal["config", "source", "store"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that has to be put right before the monitor can run."""

    kind: Kind
    text: str

    @property
    def exit_code(self) -> int:
        errors = {"config": ConfigError, "source": SourceError, "store": StoreError}
        return errors[self.kind].exit_code


@dataclass(frozen=True, kw_only=True)
class CohortCheck:
    """The groups of one cohort in the baseline, the largest first."""

    columns: tuple[str, ...]
    sizes: tuple[tuple[tuple[str, ...], int], ...]


@dataclass(frozen=True, kw_only=True)
class IdsCheck:
    """What the ids of some rows of the log are like.

    Attributes
    ----------
    rows : int
        That were looked at: the newest, where an index makes that cheap.
    missing : int
        Rows without an id, which are no duplicate of another.
    repeated : int
        Rows whose id another row of their window has before them.
    """

    column: str
    rows: int
    missing: int
    repeated: int


@dataclass(frozen=True, kw_only=True)
class ModelCheck:
    """What a model's configuration comes to.

    Attributes
    ----------
    baseline_rows : int or None
        None where it could not be read.
    rejected : mapping from reason to rows
        Rows of the baseline, and of some of the log, that could not be understood.
    notes : tuple of str
        What is worth knowing and no problem.
    path : str or None
        How the log's rows are read, in one word; docs/sources.md lists them.
    ids : IdsCheck or None
        None where rows have no id, so that duplicates are not judged, or none could be read.
    late : str or None
        How rows that come late are found.
    """

    name: str
    noun: str
    columns: tuple[ColumnCheck, ...] = ()
    cohorts: tuple[CohortCheck, ...] = ()
    baseline_rows: int | None = None
    rejected: Mapping[str, int] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    time_writing: str | None = None
    time_indexed: bool | None = None
    notes: tuple[str, ...] = ()
    path: str | None = None
    ids: IdsCheck | None = None
    late: str | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    models: tuple[ModelCheck, ...]
    store: str  # where it is and how it stands
    problems: tuple[Problem, ...]


def check(config: Config) -> Report:
    """Look at every source, baseline, cohort, column, route and the store; changes nothing."""
    problems: list[Problem] = []
    models, looks = [], {}
    for name, model in config.models.items():
        look = looks[name] = _Look(name, model, problems)
        found = look.result()
        models.append(replace(found, notes=(*found.notes, *_about_budget(config, found))))
    _check_rules(config, looks, problems)
    _check_routes(config, problems)
    store = _check_store(config, problems)
    problems.sort(key=lambda problem: problem.exit_code)
    return Report(models=tuple(models), store=store, problems=tuple(problems))


class _Look:
    """One model: what can be read of it, and everything that cannot."""

    def __init__(self, name: str, model: Model, problems: list[Problem]) -> None:
        self._name = name
        self._model = model
        self._problems = problems
        self._notes: list[str] = []
        self._rejected: Counter[str] = Counter()
        self._log: _Log | None = None
        self._survey: Survey | None = None
        self._baseline: Baseline | None = None
        with self._noting("source", ""):
            self._log = self._read_log()
        with self._noting("source", ".baseline"):
            self._survey = self._read_baseline()
        self.names = self._known_names()
        with self._noting("source", ".baseline"):
            self._baseline = self._accept()
        self.derived = self._known_derived()

    def result(self) -> ModelCheck:
        model, survey, log = self._model, self._survey, self._log
        self._check_names()
        columns, cohorts = self._describe() if self._rows else ((), ())
        return ModelCheck(
            name=self._name,
            noun=model.noun,
            columns=columns,
            cohorts=cohorts,
            baseline_rows=None if survey is None else survey.rows,
            rejected=dict(self._rejected),
            first=log.first if log else None,
            last=log.last if log else None,
            time_writing=log.writing if log else None,
            time_indexed=log.indexed if log else None,
            path=log.path if log else None,
            ids=log.ids if log else None,
            late=_about_late(model) if log else None,
            notes=tuple(self._notes),
        )

    def _report(self, kind: Kind, place: str, text: str) -> None:
        self._problems.append(Problem(kind=kind, text=f"models.{self._name}{place}: {text}"))

    @contextmanager
    def _noting(self, kind: Kind, place: str) -> Iterator[None]:
        try:
            yield
        except MonitorError as error:
            for line in str(error).splitlines():
                self._report(kind, place, line)

    def _read_log(self) -> _Log:
        with open_log(self._model) as source:
            log = _Log(
                columns=source.columns(),
                first=source.earliest(),
                last=source.latest(),
                writing=source.time_writing(),
                indexed=source.time_indexed(),
                path=source.path(),
            )
            self._notes += source.notes()
            for newest in (False, True) if log.indexed else (False,):
                log = replace(log, ids=self._look_at(source.sample(newest=newest)))
            if source.ingest_indexed() is False:
                self._notes.append(
                    f"no index begins with {self._model.log.ingested!r}: every look for late rows "
                    f"reads the whole of {self._model.log.table!r}"
                )
        if self._model.log.id is None:
            self._notes.append("rows have no id (log.id), so duplicates are not judged")
        table, time = self._model.log.table, self._model.log.time
        what = "the log" if table is None else f"table {table!r}"
        if log.first is None:
            self._report("source", "", f"{what} is empty: no row has a time in {time!r}")
        elif log.indexed is False and table is None:
            self._notes.append(
                f"not every file tells the bounds of its {time!r}: files are read whole for every "
                "window; Parquet files with statistics are not"
            )
        elif log.indexed is False:
            self._notes.append(
                f"no index begins with {time!r}: every window reads the whole of {table!r}"
            )
        return log

    def _look_at(self, batches: Iterable[Batch]) -> IdsCheck | None:
        """Count the rows that are rejected, and the ids that come again within a window."""
        log, rows = self._model.log, 0
        keys: list[Words] = []
        for batch in batches:
            self._rejected.update(batch.rejected)
            if log.id is not None and batch.rows.num_rows:
                rows += batch.rows.num_rows
                at = values_of(batch.rows.column(log.time), "M8[us]")
                window = (at - _EPOCH) // np.timedelta64(self._model.window)
                found, known = keys_of(column_of(batch.rows, log.id), window)
                keys.append(found[known])
        if log.id is None or not rows:
            return None
        every = np.concatenate(keys)
        return IdsCheck(
            column=log.id,
            rows=rows,
            missing=rows - len(every),
            repeated=len(every) - len(np.unique(every)),
        )

    def _read_baseline(self) -> Survey:
        survey = Survey()
        with open_baseline(self._model) as source:
            for batch in source.batches():
                self._rejected.update(batch.rejected)
                survey.add(batch.rows)
        if not survey.rows:
            self._report("source", ".baseline", f"{_what(self._model)} has no rows")
        return survey

    @property
    def _rows(self) -> list[pa.RecordBatch]:
        """The rows that are looked at: those of the baseline, or a sample of too many."""
        return self._survey.sample if self._survey else []

    def _known_names(self) -> frozenset[str]:
        """Return the columns that are watched: those of the baseline that the log has too."""
        names = frozenset(name for batch in self._rows for name in batch.schema.names)
        if self._log is None or not self._log.columns:
            return names
        return names & self._log.columns if names else self._log.columns

    def _check_names(self) -> None:
        """Report what the configuration names and the data does not have."""
        model, log = self._model, self._log
        if not self.names:
            return  # nothing could be read; that is reported already
        wanted = [(".cohorts", name) for cohort in model.cohorts for name in cohort]
        wanted += [(".columns", name) for name in model.columns]
        if model.prediction is not None:
            wanted.append((".prediction.score", model.prediction.score))
        anywhere = self.names | (log.columns if log else frozenset())
        anywhere |= {name for batch in self._rows for name in batch.schema.names}
        derived = self._derivable()
        for place, name in dict.fromkeys(wanted):
            if name in self.names or (place == ".columns" and name in anywhere | derived):
                continue
            where = "log and baseline have"
            if name in anywhere:
                where = "the log has" if log and name not in log.columns else "the baseline has"
            known = self.names | derived if place == ".columns" else self.names
            hint = did_you_mean(name, sorted(known))
            self._report("config", place, f"{where} no column {name!r}; {hint}")

    def _accept(self) -> Baseline | None:
        if self._survey is None or self._survey.whole:
            return self._accepted(self._rows)
        with open_baseline(self._model) as source:
            return self._accepted(source)

    def _accepted(self, rows: Iterable[pa.RecordBatch]) -> Baseline | None:
        model = self._model
        try:
            return accept(
                rows,
                overrides={n: c.kind for n, c in model.columns.items() if c.kind is not None},
                skip=model.apart,
                dimensions=tuple(d for d in model.cohorts if self.names.issuperset(d)),
                time=model.log.time,
            )
        except InvalidGrid:
            return None

    def _known_derived(self) -> dict[str, tuple[str, ...]]:
        """Return what is derived from each column; without a baseline, all that might be."""
        if self._baseline is None:
            every = [part for parts in PARTS.values() for part in parts]
            return {name: tuple(f"{name}.{part}" for part in every) for name in self.names}
        return {r.column: r.names for r in self._baseline.recipes if r.column in self.names}

    def _derivable(self) -> frozenset[str]:
        """Return what may be derived, that which the configuration ignores too."""
        kinds = self._baseline.kinds if self._baseline else {}
        of = {name: kind.derived for name, kind in kinds.items() if name in self.names}
        return frozenset(f"{c}.{part}" for c, kind in of.items() if kind for part in PARTS[kind])

    def judged(self) -> frozenset[str]:
        """Return the columns that rules may name: those derived from a text in place of it."""
        kept = self.names if self._baseline is None else self.names - self.derived.keys()
        return kept.union(*self.derived.values())

    def _describe(self) -> tuple[tuple[ColumnCheck, ...], tuple[CohortCheck, ...]]:
        model, baseline = self._model, self._baseline
        if baseline is None:
            return (), ()
        log = self._log.columns if self._log else frozenset()
        cohorts = []
        for dimension in baseline.plan.dimensions:
            part = baseline.along(dimension)
            sizes = sorted(
                zip(part.groups, part.rows.tolist(), strict=True), key=lambda at: (-at[1], at[0])
            )
            cohorts.append(CohortCheck(columns=dimension, sizes=tuple(sizes)))
            if len(sizes) > MANY_GROUPS:
                self._notes.append(
                    f"cohort {' × '.join(dimension)} has {len(sizes):,} groups; most will be small"
                )
        columns = describe_columns(model, baseline, self._rows, log=log)
        return columns, tuple(cohorts)


@dataclass(frozen=True, kw_only=True)
class _Log:
    columns: frozenset[str]
    first: datetime | None
    last: datetime | None
    writing: str | None
    indexed: bool | None
    path: str
    ids: IdsCheck | None = None


def _about_late(model: Model) -> str:
    """Say how rows that come late are found."""
    log = model.log
    overlap = format_width(log.overlap) if log.overlap else None
    if log.ingested is None:
        if overlap is None:
            return "rows that come late are not looked for (log.overlap is 0)"
        return f"rows that come up to {overlap} late are found by counting again"
    if overlap is None:
        return f"rows that come late are found by {log.ingested} and only told (log.overlap is 0)"
    return (
        f"rows that come late are found by {log.ingested}: up to {overlap} late they are taken in, "
        "later ones are told"
    )


def _what(model: Model) -> str:
    baseline = model.baseline
    if baseline.table is not None:
        return f"table {baseline.table!r}"
    if baseline.against is not None:
        return "the newest weeks of the log"
    return f"file {baseline.file}" if baseline.file is not None else "that range of the log"


def _about_budget(config: Config, model: ModelCheck) -> Iterator[str]:
    """Say where the budget of false alarms cannot be kept, or not yet."""
    budget = config.alerts.budget
    if budget is None:
        return
    try:
        clock_of(config, model.name)
    except ConfigError as error:
        yield f"alerts.budget is not kept here: {error}"
        return
    if model.first is not None and model.last is not None:
        days, needed = (model.last - model.first).days + 1, opens_after(budget)
        if days < needed:
            yield (
                f"the budget of false alarms begins when {needed} days are stored; the log has "
                f"{days}, so until then a day is put beside the baseline, and rules are kept"
            )


def _check_rules(config: Config, looks: Mapping[str, _Look], problems: list[Problem]) -> None:
    for at, rule in enumerate(config.alerts.rules):
        judged = [looks[name] for name in rule.models or config.models if name in looks]
        if not judged or not all(look.names for look in judged):
            continue  # a model could not be read; that is reported already
        anywhere = frozenset[str]().union(*(look.judged() for look in judged))
        for column in sorted(set(rule.columns or ()) - anywhere):
            derived = [name for look in judged for name in look.derived.get(column, ())]
            hint = did_you_mean(column, sorted(anywhere))
            text = f"no model that it judges has a column {column!r}; {hint}"
            if derived:
                names = listed(list(dict.fromkeys(derived)), most=6)
                text = f"{column!r} is judged by what is derived from it; name {names}"
            problems.append(Problem(kind="config", text=f"alerts.rules[{at}].columns: {text}"))


def _check_routes(config: Config, problems: list[Problem]) -> None:
    for at, route in enumerate(config.alerts.routes):
        try:
            channels_of([route])
        except BadRoute as error:
            problems.append(Problem(kind="config", text=f"alerts.routes[{at}]: {error}"))


def _check_store(config: Config, problems: list[Problem]) -> str:
    """Say how the results database stands, without making one."""
    try:
        return _store(config)
    except StoreError as error:
        problems += [Problem(kind="store", text=line) for line in str(error).splitlines()]
        return "cannot be used"


def _store(config: Config) -> str:
    engine = connect(config.store)
    try:
        name = engine.url.render_as_string(hide_password=True)
        if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists():
            return f"{name}, made at the first run"
        if revision(engine) is None:
            return f"{name}, empty"
    finally:
        engine.dispose()
    open_store(config.store, upgrade=False).dispose()
    return f"{name}, ready"

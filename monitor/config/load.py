"""Reading `monitor.yaml`, with every problem found at once."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from monitor.config import environment
from monitor.config.document import Document, Place, lookup, read_document
from monitor.config.messages import describe, meant
from monitor.config.models import Config
from monitor.config.names import did_you_mean
from monitor.errors import ConfigError

DEFAULT = Path("monitor.yaml")


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the configuration.

    Parameters
    ----------
    path
        The file; default: what DRIFTLINE_CONFIG names, else ``monitor.yaml`` here. Relative paths
        within it start at its folder.
    environ
        The environment; default: the process's own.

    Raises
    ------
    ConfigError
        With a line for every problem: where, which value, what to do.
    """
    environ = os.environ if environ is None else environ
    path = _found(path, environ)
    document = read_document(path)
    folder = path.absolute().parent
    environment.fill_in(document, environ)
    environment.override(document, environ)
    environment.read_secrets(document, folder)
    _place_paths(document.values, folder)
    config = _validated(document)
    _check_names(document)
    _check_rule_models(document)
    if document.problems or config is None:
        raise ConfigError(*sorted(dict.fromkeys(document.problems), key=_line))
    return config


def _found(path: Path | None, environ: Mapping[str, str]) -> Path:
    told = environ.get("DRIFTLINE_CONFIG")
    chosen = path or (Path(told) if told else DEFAULT)
    if chosen.is_file():
        return chosen
    if path is None and not told:
        raise ConfigError(
            f"there is no {DEFAULT} in {Path.cwd()}; write one with "
            "`monitor init --from URL TABLE`, or name it with --config or DRIFTLINE_CONFIG"
        )
    by = " (DRIFTLINE_CONFIG)" if path is None else ""
    raise ConfigError(f"there is no configuration file {chosen}{by}")


def _line(problem: str) -> int:
    """Return the line that a problem names; those of the environment come last."""
    found = re.match(r"[^\s:]+:(\d+):", problem)
    return int(found[1]) if found else sys.maxsize


def _validated(document: Document) -> Config | None:
    try:
        return Config.model_validate(document.values)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        unsaid = document.spoiled | {meant(problem, document) for problem in problems}
        for problem in problems:
            place, text = describe(problem, document)
            if place not in unsaid:
                document.report(place, text)
        return None


def _place_paths(values: dict[str, Any], folder: Path) -> None:
    """Let relative paths start at the file's folder, wherever the program is started."""
    values.setdefault("store", Config.model_fields["store"].default.get_secret_value())
    _place_sqlite(values, "store", folder)
    models = values.get("models")
    for model in models.values() if isinstance(models, dict) else ():
        if isinstance(model, dict):
            _place_sqlite(model, "source", folder)
            _place_files(model, folder)
            file = lookup(model, ("baseline", "file"))
            if isinstance(file, str) and file:
                model["baseline"]["file"] = str(folder / Path(file).expanduser())


def _place_sqlite(values: dict[str, Any], key: str, folder: Path) -> None:
    url = values.get(key)
    if not isinstance(url, str) or not url.startswith("sqlite"):
        return
    scheme, slashes, rest = url.partition(":///")
    if slashes and rest and not rest.startswith(("/", ":memory:", "file:")):
        # In a URL these signs have a meaning; in the name of a folder they have none.
        begin = str(folder).replace("%", "%25").replace("?", "%3F")
        values[key] = f"{scheme}:///{begin}/{rest}"


def _place_files(model: dict[str, Any], folder: Path) -> None:
    """Place a source that names files, or a DuckDB file: in these no sign has a meaning."""
    source = model.get("source")
    for begins in ("file:", "duckdb:///"):
        rest = source.removeprefix(begins) if isinstance(source, str) else ""
        if rest and rest != source and not rest.startswith(("/", ":memory:")):
            place = Path(glob.escape(str(folder))) if glob.has_magic(rest) else folder
            model["source"] = f"{begins}{place / Path(rest).expanduser()}"


def _check_names(document: Document) -> None:
    for kind, word in (("rules", "rule"), ("routes", "route")):
        seen: dict[str, Place] = {}
        for at, item in enumerate(_list(lookup(document.values, ("alerts", kind)))):
            name = item.get("name") if isinstance(item, dict) else None
            place: Place = ("alerts", kind, at, "name")
            if not isinstance(name, str):
                continue
            if name in seen:
                document.report(
                    place, f"another {word} is called {name!r} too; give each a name of its own"
                )
            seen[name] = place


def _check_rule_models(document: Document) -> None:
    models = document.values.get("models")
    known = list(models) if isinstance(models, dict) else []
    for at, rule in enumerate(_list(lookup(document.values, ("alerts", "rules")))):
        wanted = rule.get("models") if isinstance(rule, dict) else None
        for position, name in enumerate(_list(wanted)):
            if isinstance(name, str) and name not in known:
                place: Place = ("alerts", "rules", at, "models", position)
                document.report(place, f"there is no model {name!r}; {did_you_mean(name, known)}")


def _list(value: object) -> Iterable[Any]:
    return value if isinstance(value, list) else ()

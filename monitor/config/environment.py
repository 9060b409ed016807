"""The environment's part: `${VAR}` in the file, overrides, and secrets kept in files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel

from monitor.config.document import Document, Place
from monitor.config.models import Config, Model
from monitor.config.names import did_you_mean, nearest

PREFIX = "DRIFTLINE_"
_ELSEWHERE = {"DRIFTLINE_CONFIG"}  # names the file itself
_SHORT = {"DRIFTLINE_PASSWORD_FILE": ("web", "password_file")}

# `$${` stands for a `${` that is meant as it is.
_VARIABLE = re.compile(r"\$(\$)?\{([^}]*)\}")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def fill_in(document: Document, environ: Mapping[str, str]) -> None:
    """Put variables in place of `${VAR}` and `${VAR:-default}`, in values only."""
    document.values.update(_filled(document, document.values, (), environ))


def _filled(document: Document, value: Any, place: Place, environ: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {k: _filled(document, v, (*place, k), environ) for k, v in value.items()}
    if isinstance(value, list):
        return [_filled(document, v, (*place, at), environ) for at, v in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value

    def replace(match: re.Match[str]) -> str:
        if match[1]:
            return "${" + match[2] + "}"
        parts = _NAME.fullmatch(match[2])
        if parts is None:
            document.spoil(place, f"${{{match[2]}}} is no variable; write ${{NAME}}")
            return ""
        name, default = parts[1], parts[2]
        found = environ.get(name, "")
        if found or (default is None and name in environ):
            return found
        if default is None:
            document.spoil(
                place,
                f"the environment variable {name} is not set; "
                f"export it, or write ${{{name}:-default}}",
            )
        return default or ""

    document.written[place] = value
    return _VARIABLE.sub(replace, value)


def override(document: Document, environ: Mapping[str, str]) -> None:
    """Put what variables such as DRIFTLINE_WEB__PORT say in place of what the file says."""
    for variable in sorted(environ):
        if not variable.upper().startswith(PREFIX) or variable.upper() in _ELSEWHERE:
            continue
        place = _SHORT.get(variable.upper()) or _place(document, variable)
        if place is not None:
            _put(document, place, environ[variable], variable)


def _place(document: Document, variable: str) -> Place | None:
    """Find the key that a variable names; None where it is none of ours."""
    words = variable[len(PREFIX) :].casefold().split("__")
    place: list[str] = []
    of: Any = Config
    for word in words:
        known = _keys(of, document)
        found = {key.casefold().replace("-", "_").replace(".", "_"): key for key in known}
        if word not in found:
            # An orchestrator may set DRIFTLINE_PORT and the like for a service of our name: a
            # variable of one word that is near to nothing is somebody else's.
            if len(words) > 1 or nearest(word, found):
                hint = did_you_mean(word, found) if found else "set this in the file"
                document.problems.append(f"{variable}: {word!r} is no key here; {hint}")
            return None
        place.append(found[word])
        of = _inside(of, found[word])
    return tuple(place)


def _keys(of: Any, document: Document) -> list[str]:
    if of is _MODELS:
        models = document.values.get("models")
        return list(models) if isinstance(models, dict) else []
    if not (isinstance(of, type) and issubclass(of, BaseModel)):
        return []
    names = [field.alias or name for name, field in of.model_fields.items()]
    return names + [f"{base}_file" for base in _FILED.get(of.__name__, ())]


_MODELS = object()  # stands for the mapping from a model's name to its configuration
_FILED: dict[str, tuple[str, ...]] = {
    "Config": ("store",),
    "Model": ("source",),
    "Web": ("password",),
    "Daemon": ("heartbeat",),
}


def _inside(of: Any, key: str) -> Any:
    if of is _MODELS:
        return Model
    if of is Config and key == "models":
        return _MODELS
    name = next((n for n, field in of.model_fields.items() if (field.alias or n) == key), None)
    if name is None:
        return None
    annotation = of.model_fields[name].annotation
    options = get_args(annotation) if get_origin(annotation) is UnionType else (annotation,)
    return next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)


def _put(document: Document, place: Place, text: str, variable: str) -> None:
    target: Any = document.values
    for part in place[:-1]:
        if not isinstance(target.get(part), dict):
            target[part] = {}
        target = target[part]
    key = str(place[-1])
    # A secret and its file are two spellings of one key, and the environment wins over both.
    target.pop(key.removesuffix("_file") if key.endswith("_file") else f"{key}_file", None)
    target[key] = _value(text)
    document.origins[place] = variable
    document.written.pop(place, None)


def _value(text: str) -> Any:
    """Read lists and mappings as YAML; everything else is text, and its key's type decides."""
    if text[:1] in {"[", "{"}:
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError:
            return text
    return text


def read_secrets(document: Document, folder: Path) -> None:
    """Put what a file holds in place of `source_file`, `store_file` and their like."""
    for place, values, key in _secret_keys(document.values):
        given = f"{key}_file"
        if given not in values:
            continue
        named = values.pop(given)
        where = (*place, given)
        if key in values:
            document.report(where, f"both {key} and {given} are given; keep one of the two")
            continue
        at = (*place, key)
        document.origins[at] = document.origin(where)
        document.written[at] = f"what {given} holds"
        secret = "" if where in document.spoiled else _read_secret(named, folder)
        if not secret:
            if where not in document.spoiled:
                wrong = "is empty" if secret == "" else "cannot be read"
                document.report(where, f"the file {named!r} {wrong}")
            document.spoiled.add(at)
        values[key] = secret or ""


def _secret_keys(values: dict[str, Any]) -> Iterator[tuple[Place, dict[str, Any], str]]:
    """Yield every place that may hold a secret: its mapping's place, the mapping, the key."""
    yield (), values, "store"
    if isinstance(web := values.get("web"), dict):
        yield ("web",), web, "password"
    if isinstance(daemon := values.get("daemon"), dict):
        yield ("daemon",), daemon, "heartbeat"
    if isinstance(models := values.get("models"), dict):
        for name, model in models.items():
            if isinstance(model, dict):
                yield ("models", name), model, "source"
    alerts = values.get("alerts")
    routes = alerts.get("routes") if isinstance(alerts, dict) else None
    for at, route in enumerate(routes if isinstance(routes, list) else ()):
        if isinstance(route, dict):
            yield ("alerts", "routes", at), route, "url"
            yield ("alerts", "routes", at), route, "secret"


def _read_secret(named: object, folder: Path) -> str | None:
    if not isinstance(named, str) or not named:
        return None
    try:
        return (folder / Path(named).expanduser()).read_text(encoding="utf-8").strip()
    except (OSError, ValueError, RuntimeError):
        return None

"""A YAML text as plain values, and where in the text each of them stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from monitor.errors import ConfigError

Place = tuple[str | int, ...]  # ("models", "flight-delay", "cohorts", 0)

_MOST_NODES = 100_000  # aliases of aliases can make a small file enormous
_DEEPEST = 50


@dataclass(frozen=True, kw_only=True)
class Document:
    """A configuration before it is checked.

    Attributes
    ----------
    name : str
        What to call the file in a message.
    values : dict
        The values; environment and secret files are put in here.
    origins : mapping from place to str
        Where a value comes from: ``monitor.yaml:12``, or the name of a variable.
    written : mapping from place to str
        What stands in the file for a value that was made of it, ``${PORT}``.
    problems : list of str
        What was wrong already.
    spoiled : set of place
        Where there is no value to check: its variable or its file is missing, which is reported.
    """

    name: str
    values: dict[str, Any]
    origins: dict[Place, str]
    written: dict[Place, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    spoiled: set[Place] = field(default_factory=set)

    def origin(self, place: Place) -> str:
        """Say where a value stands, or what it would stand in."""
        for length in range(len(place), -1, -1):
            found = self.origins.get(place[:length])
            if found is not None:
                return found
        return self.name

    def report(self, place: Place, problem: str) -> None:
        self.problems.append(f"{self.origin(place)}: {dotted(place)}: {problem}")

    def spoil(self, place: Place, problem: str) -> None:
        """Report a value that could not be had; nothing else is then said about it."""
        self.report(place, problem)
        self.spoiled.add(place)


def dotted(place: Place) -> str:
    """Write a place as people do: ``alerts.rules[0].name``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the file"


def read_document(path: Path) -> Document:
    """Read a YAML file.

    Raises
    ------
    ConfigError
        If it cannot be read, is not YAML, repeats a key, or is not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        origins: dict[Place, str] = {}
        problems = _Walk(path.name, origins).problems_in(node)
        values = loader.construct_document(node) if node is not None and not problems else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        hint = _hint(text, mark.line) if mark else ""
        raise ConfigError(f"{path.name}{where}: this is no YAML: {error.problem}{hint}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path.name}: this is no YAML: {type(error).__name__}") from None
    finally:
        loader.dispose()
    if problems:
        raise ConfigError(*problems)
    if node is None:
        raise ConfigError(f"{path.name} is empty; `monitor init` writes one to begin with")
    if not isinstance(values, dict):
        raise ConfigError(f"{path.name} should hold keys such as `models:`, one a line")
    return Document(name=path.name, values=_with_text_keys(values), origins=origins)


def _hint(text: str, line: int) -> str:
    """Name the commonest slips that YAML's own words do not."""
    lines = text.splitlines()
    at = lines[line] if line < len(lines) else ""
    if "\t" in at:
        return "; indent with spaces, not tabs"
    return "; inside { } or [ ], put ${…} in quotes" if "${" in at else ""


def _with_text_keys(value: Any) -> Any:
    """Take every key as text: a column may be called 2013, or `on`, which YAML reads as true."""
    if isinstance(value, dict):
        return {_key(key): _with_text_keys(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_text_keys(inner) for inner in value]
    return value


def _key(key: object) -> str:
    return key if isinstance(key, str) else str(key)


class _Walk:
    """Goes through a YAML tree once: writes down lines, finds repeated keys."""

    def __init__(self, name: str, origins: dict[Place, str]) -> None:
        self._name = name
        self._origins = origins
        self._nodes = 0
        self._problems: list[str] = []

    def problems_in(self, node: yaml.Node | None) -> list[str]:
        if node is not None:
            self._visit(node, ())
        return self._problems

    def _visit(self, node: yaml.Node, place: Place) -> None:
        self._nodes += 1
        if self._nodes > _MOST_NODES or len(place) > _DEEPEST:
            raise ConfigError(f"{self._name} is too large or too deep for a configuration")
        if isinstance(node, yaml.MappingNode):
            self._visit_mapping(node, place)
        elif isinstance(node, yaml.SequenceNode):
            for at, item in enumerate(node.value):
                self._origins[*place, at] = self._at(item)
                self._visit(item, (*place, at))

    def _visit_mapping(self, node: yaml.MappingNode, place: Place) -> None:
        seen: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._problems.append(f"{self._at(key)}: a key should be a word, not a list")
                continue
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                self._problems.append(
                    f"{self._at(key)}: {dotted((*place, key.value))}: this key was given before, "
                    f"in line {seen[key.value]}; keep one of the two"
                )
            line = key.start_mark.line + 1
            seen.setdefault(key.value, line)
            self._origins[*place, key.value] = self._at(key)
            self._visit(value, (*place, key.value))

    def _at(self, node: yaml.Node) -> str:
        return f"{self._name}:{node.start_mark.line + 1}"


def lookup(values: Mapping[str, Any], place: Place) -> Any:
    """Return the value at a place; None where there is none."""
    found: Any = values
    for part in place:
        try:
            found = found[part]
        except (KeyError, IndexError, TypeError):
            return None
    return found

"""What pydantic found, in words for the person who wrote the file."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from monitor.config.document import Document, Place, lookup
from monitor.config.models import Config
from monitor.config.names import did_you_mean, nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_SECRET = {"source", "store", "password", "secret", "url"}
_TAGS = {"webhook", "slack"}  # pydantic puts the kind of a route into its place
_LONGEST_VALUE = 60

_SAYS = {
    "int_parsing": "it should be a whole number",
    "int_type": "it should be a whole number",
    "int_from_float": "it should be a whole number",
    "float_parsing": "it should be a number",
    "float_type": "it should be a number",
    "finite_number": "it should be a number",
    "bool_parsing": "it should be true or false",
    "bool_type": "it should be true or false",
    "string_type": "it should be text; put it in quotes",
    "string_too_short": "it is empty",
    "path_type": "it should be a path",
    "dict_type": "it should hold keys, one a line",
    "model_type": "it should hold keys, one a line",
    "model_attributes_type": "it should hold keys, one a line",
    "tuple_type": "it should be a list, in [ ] or a line each after a -",
}


def describe(problem: ErrorDetails, document: Document) -> tuple[Place, str]:
    """Return where a problem lies and what it is, with the value unless it may be secret."""
    place = _place(problem["loc"])
    kind = problem["type"]
    if kind == "extra_forbidden":
        return place, f"unknown key; {did_you_mean(str(place[-1]), _open_keys(place, document))}"
    if kind == "missing":
        return place, "it is missing; this key is needed"
    said = _said(problem)
    shown = _shown(place, problem["input"], document)
    return place, f"{shown}: {said}" if shown else said


def meant(problem: ErrorDetails, document: Document) -> Place | None:
    """Return the key that an unknown one probably stands for, whose absence then goes unsaid."""
    if problem["type"] != "extra_forbidden":
        return None
    place = _place(problem["loc"])
    near = nearest(str(place[-1]), _open_keys(place, document))
    return None if near is None else (*place[:-1], near)


def _open_keys(place: Place, document: Document) -> list[str]:
    """Return the keys that could stand where one does, those that are given already left out."""
    of = _class_at(place[:-1], document.values)
    known = [] if of is None else [f.alias or name for name, f in of.model_fields.items()]
    given = _keys(document.values, place[:-1])
    return [name for name in known if name not in given] or known


def _said(problem: ErrorDetails) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind in {"literal_error", "union_tag_invalid"}:
        known = context.get("expected") or context.get("expected_tags", "")
        names = [name.strip(" '") for name in known.replace(" or ", ", ").split(",")]
        near = nearest(str(context.get("tag", problem["input"])), names)
        listed = f"it should be one of {', '.join(names)}"
        return f"{listed}; did you mean {near!r}?" if near else listed
    if kind == "union_tag_not_found":
        return "it needs a kind: webhook or slack"
    if kind in {"too_short", "too_long"}:
        return _of_length(problem)
    if kind in _SAYS:
        return _SAYS[kind]
    # What is left are bounds, whose words need only a small first letter.
    message = problem["msg"].removeprefix("Input ").removeprefix("Value ")
    return f"it {message}"


def _of_length(problem: ErrorDetails) -> str:
    if problem["loc"] == ("models",):
        return "no model is configured; `monitor init --from URL TABLE` shows how one looks"
    return "it should be a list of two: [from, to]"


def _place(loc: tuple[int | str, ...]) -> Place:
    """Leave out what is pydantic's own in a place: the kind of a route, the word for a key."""
    place = list(loc)
    if place[:2] == ["alerts", "routes"] and len(place) > 3 and place[3] in _TAGS:
        del place[3]
    return tuple(part for part in place if part != "[key]")


def _shown(place: Place, value: object, document: Document) -> str:
    """Write a value out, as it stands in the file; nothing where it may be secret or is long."""
    if any(part in _SECRET for part in place if isinstance(part, str)) and place != ("web", "url"):
        return ""
    text = document.written.get(place)
    if text is None and isinstance(value, str | int | float) and value != "":
        text = repr(value)
    return text if text is not None and len(text) <= _LONGEST_VALUE else ""


def _keys(values: Mapping[str, Any], place: Place) -> Mapping[str, Any]:
    found = lookup(values, place)
    return found if isinstance(found, dict) else {}


def _class_at(place: Place, values: Mapping[str, Any]) -> type[BaseModel] | None:
    """Find the class whose keys stand at a place."""
    of: Any = Config
    for at, part in enumerate(place):
        if isinstance(of, type) and issubclass(of, BaseModel):
            of = next(
                (f.annotation for n, f in of.model_fields.items() if (f.alias or n) == part), None
            )
        else:  # a mapping's values, or a list's items
            of = next((arg for arg in reversed(get_args(of)) if arg is not Ellipsis), None)
        of = _choice(of, _keys(values, place[: at + 1]).get("kind"))
    return of if isinstance(of, type) and issubclass(of, BaseModel) else None


def _choice(of: Any, kind: object) -> Any:
    """Choose among alternatives: what is not None, or the route of the kind that is written."""
    if get_origin(of) is Annotated:
        of = get_args(of)[0]
    if get_origin(of) not in {Union, UnionType}:
        return of
    options = [option for option in get_args(of) if option is not NoneType]
    if len(options) == 1:
        return options[0]
    for option in options:
        if issubclass(option, BaseModel) and kind in get_args(
            option.model_fields["kind"].annotation
        ):
            return option
    return None

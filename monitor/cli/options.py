"""What several commands take, and how it is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

import typer

from monitor.config import Config
from monitor.config.against import Against, read_against
from monitor.errors import ConfigError
from profiles.errors import InvalidWindow
from profiles.windows import parse_width

ConfigPath = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The configuration; default: monitor.yaml here."),
]
ModelName = Annotated[str | None, typer.Option("--model", "-m", help="Which model.")]
From = Annotated[
    str | None, typer.Option("--from", help="First instant, ISO-8601; UTC unless it says.")
]
To = Annotated[str | None, typer.Option("--to", help="First instant no longer included.")]
Json = Annotated[bool, typer.Option("--json", help="For scripts: the schemas are in docs/schemas.")]


def one_model(config: Config, name: str | None) -> str:
    """Return the model that is meant; it need not be named where there is one only.

    Raises
    ------
    ConfigError
        If there is no such model, or several and none was named.
    """
    if name is None:
        if len(config.models) == 1:
            return next(iter(config.models))
        raise ConfigError(f"say which with --model: {', '.join(config.models)}")
    if name not in config.models:
        near = get_close_matches(name, config.models, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(config.models)}"
        raise ConfigError(f"--model {name!r} is not configured{hint}")
    return name


def moment(text: str | None, option: str) -> datetime | None:
    """Read an instant such as 2013-03-01 or 2013-03-01T05:00:00-05:00; without a zone it is UTC.

    Raises
    ------
    ConfigError
        If the text is no instant.
    """
    if text is None:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"{option} {text!r} is no time; write it like 2026-03-01 or 2026-03-01T05:00Z"
        ) from error
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def width(text: str | None, option: str) -> timedelta | None:
    """Read a width such as 1h or 7d.

    Raises
    ------
    ConfigError
        If the text is no width.
    """
    try:
        return None if text is None else parse_width(text)
    except InvalidWindow as error:
        raise ConfigError(f"{option}: {error}") from error


def cohort(text: str | None) -> tuple[tuple[str, str], ...] | None:
    """Read a cohort such as ``origin=JFK`` or ``origin=JFK,carrier=B6``.

    Raises
    ------
    ConfigError
        If a part of it has no equals sign.
    """
    if text is None:
        return None
    parts = [part.split("=", 1) for part in text.split(",")]
    if any(len(part) != 2 or not part[0] for part in parts):
        raise ConfigError(f"--cohort {text!r} is no cohort; write it like origin=JFK")
    return tuple((name.strip(), value) for name, value in parts)


def compared(text: str | None) -> Against | Literal["training", "reference"] | None:
    """Read what to compare with: ``training``, ``reference``, or the words of a rule.

    Raises
    ------
    ConfigError
        If it is none of them.
    """
    own: dict[str | None, Literal["training", "reference"] | None] = {
        None: None, "training": "training", "baseline": "training", "reference": "reference"
    }  # fmt: skip
    try:
        return own[text] if text in own else read_against(text)
    except ValueError as error:
        raise ConfigError(f"--against {text!r}: {error}, or training, reference") from error

"""Log lines have an action that scripts may rely on: the code has those that the docs name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOGGERS = {"log", "notes", "logger"}
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def lines() -> Iterator[tuple[str, ast.Call]]:
    """Yield every call that writes a log line, and where it stands."""
    for folder in ("monitor", "alerts", "web", "profiles"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in LEVELS
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id in LOGGERS
                ):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def pattern(action: ast.expr) -> str:
    """Turn an action into a pattern; what is filled in is one word."""
    if isinstance(action, ast.Constant):
        return re.escape(str(action.value))
    assert isinstance(action, ast.JoinedStr)
    return "".join(
        re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w+"
        for part in action.values
    )


def patterns() -> set[str]:
    found = set()
    for where, call in lines():
        given = [of.value for of in call.keywords if of.arg == "action"]
        assert given, f"{where} has no action"
        found.add(pattern(given[0]))
    return found


def documented() -> list[str]:
    text = (ROOT / "docs" / "deploying.md").read_text().split("\n## The log\n")[1]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return [action for row in rows for action in re.findall(r"`([^`]+)`", row)]


def test_every_log_line_has_an_action_and_all_of_them_are_documented() -> None:
    named = documented()
    assert len(named) == len(set(named))
    for action in patterns():
        assert any(re.fullmatch(action, name) for name in named), f"{action} is not documented"
    for name in named:
        assert any(re.fullmatch(action, name) for action in patterns()), f"{name} is not logged"

"""Every test that docs/promises.md names is there, and every promise has its row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = re.findall(
    r"^\| (R\d+) \| .+ \| (.+) \| .*\|$",
    (ROOT / "docs" / "promises.md").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)
NAMED = sorted({named for _, tests in ROWS for named in re.findall(r"`([^`]+)`", tests)})
PROMISED = {f"R{number}" for number in (*range(1, 14), *range(16, 20), 21, 22)}


def test_every_promise_has_one_row() -> None:
    assert sorted(promise for promise, _ in ROWS) == sorted(PROMISED)


@pytest.mark.parametrize("promise", sorted(PROMISED))
def test_a_row_names_a_test_or_says_that_there_is_none(promise: str) -> None:
    tests = dict(ROWS)[promise]
    assert ("::" in tests) != ("not held by a test yet" in tests)


@pytest.mark.parametrize("named", NAMED)
def test_a_test_that_is_named_is_there(named: str) -> None:
    file, name = named.split("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}

"""Every import contract bites: a planted violation breaks it; the tree as it stands does not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("monitor", "profiles", "alerts", "web")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
CONTRACTS = {c["id"]: c for c in SETTINGS["importlinter"]["contracts"]}

VIOLATIONS = [
    ("rooms", "profiles.windows", "alerts.rules"),
    ("rooms", "alerts.rules", "monitor.errors"),
    ("rooms", "monitor.config", "web.theme"),
    ("rooms", "web.theme", "monitor.cli"),
    ("monitor", "monitor.sources", "monitor.pipeline"),
    ("monitor", "monitor.config", "monitor.store"),
    ("siblings", "alerts.rules", "alerts.decide"),
    ("profiles-pure", "profiles.windows", "sqlalchemy"),
    ("profiles-pure", "profiles.windows", "logging"),
    ("profiles-pure", "profiles.windows", "time"),
    ("deciding-pure", "alerts.decide", "alerts.deliver"),
    ("deciding-pure", "alerts.message", "httpx2"),
    ("deciding-pure", "alerts.rules", "time"),
    ("channels", "alerts.channels.slack", "alerts.channels.webhook"),
    ("web-reads", "web.theme", "monitor.store.tables"),
    ("web-reads", "web.theme", "alerts.decide"),
    ("web-reads", "web.theme", "profiles.profile"),
    ("web-draws", "monitor.config", "dash"),
    ("demo", "web.theme", "monitor.demo"),
    ("demo", "monitor.pipeline", "monitor.demo.log"),
    ("optional", "monitor.pipeline", "sklearn"),
    ("expectations", "monitor.pipeline", "great_expectations"),
    ("images", "profiles.kinds", "PIL"),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("tree")
    python_only = shutil.ignore_patterns("__pycache__", "assets")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=python_only)
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def lint(tree: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo"]
    for contract in contracts:
        command += ["--contract", contract]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def test_the_tree_keeps_its_contracts(tree: Path) -> None:
    linted = lint(tree)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(("contract", "importer", "imported"), VIOLATIONS)
def test_a_planted_import_breaks_its_contract(
    tree: Path, contract: str, importer: str, imported: str
) -> None:
    module = tree.joinpath(*importer.split("."))
    file = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    before = file.read_text(encoding="utf-8")
    file.write_text(f"{before}\nimport {imported}\n", encoding="utf-8")
    try:
        linted = lint(tree, contract)
    finally:
        file.write_text(before, encoding="utf-8")

    assert linted.returncode == 1, linted.stderr
    report = " ".join(linted.stdout.split())
    assert f"{CONTRACTS[contract]['name']} BROKEN" in report
    if contract != "siblings":  # a circle is reported by the parts in it, not by the import
        assert f"{importer} -> {imported}" in report


def test_every_contract_is_known_to_bite() -> None:
    assert {contract for contract, _, _ in VIOLATIONS} == set(CONTRACTS)


def test_a_module_of_the_monitor_that_no_contract_places_is_noticed(tree: Path) -> None:
    stray = tree / "monitor" / "stray.py"
    stray.write_text("", encoding="utf-8")
    try:
        linted = lint(tree, "monitor")
    finally:
        stray.unlink()
    assert linted.returncode == 1
    assert "stray" in linted.stdout


def test_both_contracts_on_the_monitor_place_the_same_parts() -> None:
    beneath_web = set(re.findall(r"\(monitor\.(\w+)\)", CONTRACTS["rooms"]["layers"][3]))
    placed = set(re.findall(r"\((\w+)\)", " ".join(CONTRACTS["monitor"]["layers"])))
    assert beneath_web | {"__main__", "cli"} == placed


def test_what_is_pure_reads_no_clock() -> None:
    """An import cannot tell `datetime` the value from `datetime.now` the clock."""
    deciding = CONTRACTS["deciding-pure"]["source_modules"]
    pure = [ROOT.joinpath(*module.split(".")).with_suffix(".py") for module in deciding]
    pure += (ROOT / "profiles").rglob("*.py")
    clock = re.compile(
        r"\b(datetime|date|Timestamp)\.(now|utcnow|today)\(|np\.random\.default_rng\(\)"
    )
    read = [str(f.relative_to(ROOT)) for f in pure if clock.search(f.read_text(encoding="utf-8"))]
    assert read == []

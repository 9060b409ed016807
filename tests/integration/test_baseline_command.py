"""`monitor baseline` and `monitor skew` as people and scripts use them, with their schemas."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from monitor.cli import main
from tests.support.store import MODEL, DemoStore, write_config

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
MONTH = ("--from", "2025-03-04", "--to", "2025-04-02")
WEEK = ("--from", "2025-03-20", "--to", "2025-03-27")

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(
    demo_store: DemoStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Call:
    """Run the program in this process on a copy of the shared store."""
    folder = demo_store.config_path.parent
    with (
        closing(sqlite3.connect(folder / "store.db")) as shared,
        closing(sqlite3.connect(tmp_path / "store.db")) as copy,
    ):
        shared.backup(copy)
    values = yaml.safe_load(demo_store.config_path.read_text())
    values["store"] = f"sqlite:///{tmp_path / 'store.db'}"
    path = write_config(tmp_path / "monitor.yaml", values)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["monitor", *words, "--config", str(path)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


def lines(here: Call, *words: str) -> list[dict[str, Any]]:
    code, out, errors = here(*words, "--json")
    assert (code, errors) == (0, "")
    return [json.loads(line, parse_constant=_no_constant) for line in out.splitlines()]


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_a_range_is_accepted_with_what_comes_of_it(here: Call) -> None:
    code, out, errors = here("baseline", "accept", *MONTH, "--note", "spring")
    assert (code, errors) == (0, "")
    first, second, third = out.splitlines()
    assert "6,960 rows of 29 days, 2025-03-04 00:00 to 2025-04-02 00:00 UTC" in first
    assert second.startswith("in force for windows from 2025-04-06 18:00 UTC on")
    assert third.startswith("furthest from training (Cohen's w): ")


def test_a_short_range_is_said_to_be_provisional(here: Call) -> None:
    code, out, _ = here("baseline", "accept", *WEEK)
    assert code == 0
    assert "provisional: 29 days are needed" in out
    (_, approved) = lines(here, "baseline", "list")
    assert approved["provisional"]


def test_what_is_compared_with_is_listed_in_order(here: Call) -> None:
    (training,) = lines(here, "baseline", "list")
    assert (training["kind"], training["in_force"], training["grids"]) == ("training", True, True)
    here("baseline", "accept", *MONTH, "--note", "spring")
    here("baseline", "accept", *WEEK)
    found = lines(here, "baseline", "list", "--model", MODEL)
    check = validator("baselines")
    for record in found:
        check.validate(record)
    assert [of["kind"] for of in found] == ["training", "reference", "reference"]
    assert [of["in_force"] for of in found] == [False, False, True]
    assert [of["grids"] for of in found] == [True, False, False]
    assert [of["note"] for of in found] == [None, "spring", None]
    assert {of["baseline"] for of in found} == {training["id"]}
    assert found[1]["range"] == {"start": "2025-03-04T00:00:00Z", "end": "2025-04-02T00:00:00Z"}
    code, table, _ = here("baseline", "list")
    assert code == 0
    assert "makes the grids" in table
    assert "2025-03-20 00:00 to 2025-03-27 00:00" in table
    assert "in force, provisional" in table


def test_what_a_reference_holds_is_shown(here: Call) -> None:
    check = validator("baseline")
    (training,) = lines(here, "baseline", "show")
    check.validate(training)
    assert training["kind"] == "training"
    assert {of["effect"] for of in training["columns"]} == {None}
    by_column = {of["column"]: of for of in training["columns"]}
    assert by_column["origin"]["categories"] == 3
    assert by_column["distance"]["bins"] > 8  # its values, and what lies between and beyond
    assert 0.02 < by_column["weather.temp"]["missing_fraction"] < 0.05
    assert by_column["score"]["lately"]["w"] > 0.1  # four of the last seven days are shifted
    assert by_column["score"]["lately"]["high"] > 0.5  # and five were, three weeks before
    everybody, *cohorts = training["cohorts"]
    assert everybody == {"cohort": {}, "rows": training["rows"]}
    assert len(cohorts) == 3 + 6

    here("baseline", "accept", *MONTH)
    (reference,) = lines(here, "baseline", "show")
    check.validate(reference)
    assert (reference["kind"], reference["days"]) == ("reference", 29)
    effects = {of["column"]: of["effect"] for of in reference["columns"]}
    assert effects["score"]["high"] > 0.5
    assert (effects["origin"]["low"], effects["origin"]["n"]) == (0, 6_960)
    assert lines(here, "baseline", "show", training["id"][:6]) == [training | {"in_force": False}]
    code, shown, _ = here("baseline", "show")
    assert code == 0
    assert f"approved reference {reference['id']} of {MODEL}: 6,960 rows" in shown
    assert "last seven days (w)" in shown
    assert "origin=EWR" in shown


def test_a_broken_record_does_not_follow_the_schemas(here: Call) -> None:
    (row,) = lines(here, "baseline", "list")
    (shown,) = lines(here, "baseline", "show")
    (skew,) = lines(here, "skew")
    for name, record, broken in (
        ("baselines", row, {"kind": "fixed"}),
        ("baselines", row, {"since": "yesterday"}),
        ("baseline", shown, {"columns": [{"column": "score"}]}),
        ("baseline", shown, {"cohorts": []}),
        ("skew", skew, {"columns": [{"column": "score", "effect": {"w": 1}, "over": True}]}),
        ("skew", skew, {"window": {"start": None}}),
    ):
        assert list(validator(name).iter_errors(record | broken)), broken


def test_the_first_week_is_compared_with_training(here: Call) -> None:
    (record,) = lines(here, "skew")
    validator("skew").validate(record)
    assert (record["whole"], record["days"], record["unknown"]) == (True, 7, [])
    effects = [of["effect"]["w"] for of in record["columns"]]
    assert effects == sorted(effects, reverse=True)
    assert not any(of["over"] for of in record["columns"])
    code, table, _ = here("skew")
    assert code == 0
    assert "the first week from 2025-03-03 06:00 UTC on, against training" in table


def test_drift_says_what_it_compares_with(here: Call) -> None:
    of_score = ("drift", "--column", "score", "--window", "1d", "--from", "2025-04-03")
    before = lines(here, *of_score)
    assert {of["against"]["kind"] for of in before} == {"training"}
    code, _, errors = here(*of_score, "--against", "reference", "--json")
    assert code == 2
    assert f"none is approved on the baseline of {MODEL}; run: monitor baseline acc" in errors

    here("baseline", "accept", "--from", "2025-04-03", "--to", "2025-04-06")
    (training, reference) = lines(here, "baseline", "list")
    check = validator("drift")
    approved = lines(here, *of_score, "--against", "reference")
    for record in approved:
        check.validate(record)
    assert {of["against"]["id"] for of in approved} == {reference["id"]}
    assert lines(here, *of_score, "--against", "training") == before
    by_time = lines(here, *of_score)
    assert [of["against"]["id"] for of in by_time] == [
        # the last day is open: it ends after what was stored when it was accepted
        (reference if _end(of) > datetime.fromisoformat(reference["since"]) else training)["id"]
        for of in by_time
    ]
    far, near = (
        next(of for of in found if of["cohort"] == {})["statistics"]["js"]["distance"]
        for found in (before, approved)
    )
    assert far > 2 * near


def _end(record: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(record["window"]["end"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("baseline", "accept"), "say which range is the new normal with --from and --to"),
        (("baseline", "accept", "--from", "2025-03-04"), "with --from and --to"),
        (
            ("baseline", "accept", "--from", "2025-03-04", "--to", "2025-03-03"),
            "does not lie before",
        ),
        (
            ("baseline", "accept", "--from", "2026-03-04", "--to", "2026-03-05"),
            "flight-delay has no stored window from 2026-03-04T00:00Z",
        ),
        (("baseline", "accept", "--model", "flight"), "did you mean 'flight-delay'"),
        (("baseline", "show", "zz"), "'zz' is the beginning of none of the references"),
        (("skew", "--model", "x"), "--model 'x' is not configured"),
    ],
)
def test_a_wrong_word_is_one_clear_line(here: Call, words: tuple[str, ...], told: str) -> None:
    code, out, errors = here(*words)
    assert (code, out) == (2, "")
    assert told in errors
    assert len(errors.splitlines()) == 1


def test_a_store_without_results_is_one_clear_line(here: Call, tmp_path: Path) -> None:
    (tmp_path / "store.db").unlink()
    for words in (("baseline", "show"), ("skew",), ("baseline", "accept", *MONTH)):
        code, _, errors = here(*words)
        assert code == 4
        assert f"nothing is stored for {MODEL} yet; run: monitor backfill" in errors
    assert "No baseline is accepted yet" in here("baseline", "list")[1]

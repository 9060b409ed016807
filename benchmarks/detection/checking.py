"""Whether the peers' rules are theirs: each tool itself, on rows made of the same counts.

    python -m benchmarks.detection check --arms independent --tools Evidently,popmon

Every tool runs in an environment of its own, on windows of an hour of everybody and of a day of a
small cohort, in most of which something drifts a little or much.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.detection import distances as d
from benchmarks.detection.arms import MISSING, VALUES, Counts, Installation
from benchmarks.detection.drifts import SIZES, way
from benchmarks.detection.rules import RULES, Series
from benchmarks.environments import python_of

TOOLS = Path(__file__).parent / "tools"
_SECONDS = 3_600
_WITHOUT_MISSING = ("alibi-detect",)
_PATIENCE = {"whylogs": 0.9}  # share of verdicts that have to agree; all of others


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Windows of one series: counts of values and of what is missing [W, P], of two columns."""

    name: str
    hours: int
    reference: dict[str, Counts]
    windows: dict[str, Counts]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """On how many verdicts of an arm a tool and the rule agree.

    `drifted` says how many of them the tool calls drifted.
    """

    arm: str
    tool: str
    verdicts: int
    agreed: int
    drifted: int
    apart: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return self.agreed >= _PATIENCE.get(self.tool, 1.0) * self.verdicts


def check(
    arm: str, tool: str, seed: int, folder: Path, *, windows: int = 100, before: int = 21
) -> Agreement:
    """Run a tool on seeded windows of an arm, half of them of each series, and its rule beside it.

    Raises
    ------
    NotInstalled
        Where its environment cannot be made.
    """
    of = [*_asked(arm, seed, windows=windows, before=before)]
    if tool in _WITHOUT_MISSING:
        for asked in of:
            for counts in (*asked.reference.values(), *asked.windows.values()):
                counts[:, 1] += counts[:, VALUES]
                counts[:, VALUES] = 0
    name = tool.lower()
    python = python_of(name)
    file = folder / f"check-{name}.npz"
    _save(file, of)
    script = TOOLS / f"check_{name.replace('-', '_')}.py"
    done = subprocess.run(
        [str(python), "-W", "ignore", str(script), str(file)],
        capture_output=True, text=True, timeout=_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{tool} on {arm} ended with an error:\n{done.stderr[-2_000:]}")
    file.unlink()
    return _compared(arm, tool, of, json.loads(done.stdout.splitlines()[-1]))


def _compared(arm: str, tool: str, of: Sequence[Asked], said: dict[str, Any]) -> Agreement:
    agreed, drifted, total = 0, 0, 0
    apart = []
    for asked in of:
        for column in ("x", "y"):
            ours, theirs = _ruled(tool, asked, column), np.array(said[asked.name][column])
            if ours.shape != theirs.shape:
                raise SystemExit(f"{tool} gave {len(theirs)} verdicts on {len(ours)} windows")
            total += len(ours)
            agreed += int((ours == theirs).sum())
            drifted += int(theirs.sum())
            apart += [f"{asked.name} {column} {i}" for i in np.flatnonzero(ours != theirs)]
    return Agreement(
        arm=arm, tool=tool, verdicts=total, agreed=agreed, drifted=drifted, apart=tuple(apart)
    )


def _ruled(tool: str, asked: Asked, column: str) -> npt.NDArray[np.bool_]:
    reference, windows = (
        of[column].T[None].astype(float) for of in (asked.reference, asked.windows)
    )
    found: npt.NDArray[np.bool_] = RULES[tool](
        Series(
            reference=reference[:, :VALUES], missing_before=reference[:, VALUES],
            windows=windows[:, :VALUES], missing=windows[:, VALUES],
            ordered=column == "x", columns=2,
        )
    )[0]  # fmt: skip
    return found


def _asked(arm: str, seed: int, *, windows: int, before: int) -> Iterator[Asked]:
    """Draw an hour of everybody, and a day of a small cohort, again and again."""
    days = windows + before
    of = Installation(arm, seed, cohorts=4, weeks=-(-days // 7))
    rng = np.random.default_rng([seed, *map(ord, arm)])
    for name, hours, cohort in (("hours", 1, None), ("days", 24, of.small)):
        reference, now = {}, {}
        for number, column in enumerate(("x", "y")):
            law = of.law(number, ordered=column == "x")
            rows = of.rows[:, : hours * days]
            sizes = rng.choice((0.0, *SIZES), days)
            sizes[:before] = 0
            size = np.broadcast_to(np.repeat(sizes, hours), rows.shape).copy()
            counts = of.draw(law, rows, rng, way=way(law.usual, rng), size=size)
            part = counts.sum(axis=0) if cohort is None else counts[cohort]
            found = d.windows(part[: MISSING + 1], hours, hours).T.copy()
            reference[column], now[column] = found[:before], found[before:]
        yield Asked(name=name, hours=hours, reference=reference, windows=now)


def _save(file: Path, of: Sequence[Asked]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {"names": np.array([asked.name for asked in of])}
    for asked in of:
        arrays[f"{asked.name}.hours"] = asked.hours
        for column in asked.windows:
            arrays[f"{asked.name}.{column}.reference"] = asked.reference[column]
            arrays[f"{asked.name}.{column}.windows"] = asked.windows[column]
    np.savez(file, **arrays)

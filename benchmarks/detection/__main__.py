"""Count the false incidents of simulated models, by the product's own watch.

    python -m benchmarks.detection --arms independent,seasonal --seeds 5 --features 20 --cohorts 5

Each model is saved as it ends, and the same command goes on after a stop.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from benchmarks.detection.arms import ARMS, VALUES, WEEK, Installation
from profiles.detection.lanes import MONTH
from profiles.detection.scores import FIRST_SCORED
from profiles.detection.watch import Watch, rate_between, spells
from profiles.detection.watched import Watched
from profiles.profile import EVERYBODY

HERE = Path(__file__).parents[1]
COLUMNS = (
    "arm", "system", "models", "months", "false_incidents", "rate_per_month", "upper95",
    "open_share", "features", "cohorts",
)  # fmt: skip
ALL_OPEN = FIRST_SCORED + 98  # the day from which all lanes are open at a budget of one
PLACES = Watched(
    place=np.arange(VALUES + 2), values=VALUES, beyond=(), ordered=True,
    centres=np.arange(VALUES, dtype=float),
)  # fmt: skip


def main() -> None:
    asked = _arguments()
    asked.data.mkdir(parents=True, exist_ok=True)
    saved = asked.data / f"detection-{asked.features}x{asked.cohorts}-{asked.weeks}.jsonl"
    done = {(run["arm"], run["seed"]): run for run in _read(saved)}
    for seed in range(asked.seeds):
        for arm in asked.arms.split(","):
            if (arm, seed) in done:
                continue
            run = false_incidents(
                arm, seed, features=asked.features, cohorts=asked.cohorts, weeks=asked.weeks
            )
            with saved.open("a", encoding="utf-8") as file:
                file.write(json.dumps(run) + "\n")
            done[arm, seed] = run
            print(f"{arm}, seed {seed}: {run['incidents']} incidents in {run['days']} days, "
                  f"{run['cpu_s']:.0f} s", flush=True)  # fmt: skip
    _write(asked.out, done.values(), asked)


def false_incidents(
    arm: str, seed: int, *, features: int, cohorts: int, weeks: int, budget: float = 1.0
) -> dict[str, Any]:
    """Walk one simulated model and count what it pages, once all lanes are open."""
    began = process_time()
    of = Installation(arm, seed, cohorts=cohorts, weeks=weeks)
    names = [f"x{i}" for i in range(features)]
    groups = {EVERYBODY: ((),), ("cohort",): tuple((f"{c:03}",) for c in range(cohorts))}
    watch = Watch(dict.fromkeys(names, PLACES), groups, budget=budget, day=0, steps=24)
    counts = {name: _by_day(of.feature(i)) for i, name in enumerate(names)}
    rows, alerts, judged = _by_day(of.rows[:, None]), [], 0
    for day in range(weeks * WEEK // 24):
        watch.put(
            {name: found[day] for name, found in counts.items()}, rows[day][:, 0], np.ones(24, int)
        )
        verdicts = watch.verdicts(23)
        if day >= ALL_OPEN:
            judged += 1
            alerts += [day] * any(verdict.alerts for verdict in verdicts)
        watch.close()
    return {
        "arm": arm, "seed": seed, "days": judged, "incidents": len(spells(alerts)),
        "open_days": len(alerts), "cpu_s": process_time() - began,
    }  # fmt: skip


def _by_day(counts: Any) -> Any:
    """Put everybody first, and days before all else: [C, P, T] to [D, 1 + C, P, 24]."""
    whole = np.concatenate((counts.sum(axis=0, keepdims=True), counts)).astype(np.int32)
    return np.moveaxis(whole.reshape(*whole.shape[:2], -1, 24), 2, 0)


def _read(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())


def _write(path: Path, runs: Iterable[dict[str, Any]], asked: argparse.Namespace) -> None:
    of_arm: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        of_arm.setdefault(run["arm"], []).append(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for arm, found in of_arm.items():
            days, incidents = (sum(run[key] for run in found) for key in ("days", "incidents"))
            months = days / MONTH
            _, upper = rate_between(incidents, months) if months else (0.0, float("nan"))
            opened = sum(run["open_days"] for run in found) / max(1, days)
            writer.writerow(
                (arm, "Driftline", len(found), f"{months:.1f}", incidents,
                 f"{incidents / max(months, 1e-9):.2f}", f"{upper:.2f}", f"{opened:.3f}",
                 asked.features, asked.cohorts)
            )  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=__doc__)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--seeds", type=int, default=17, help="how many models of each arm")
    parser.add_argument("--features", type=int, default=100)
    parser.add_argument("--cohorts", type=int, default=20)
    parser.add_argument("--weeks", type=int, default=75)
    parser.add_argument("--data", type=Path, default=HERE / ".data")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "detection.csv")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Count false incidents of simulated models, and what is found of drifts and faults in them.

    python -m benchmarks.detection --features 20 --cohorts 5 --arms independent,seasonal --seeds 5
    python -m benchmarks.detection check --arms independent

Each part of each model is saved as it ends, and the same command goes on after a stop. Ours is the
product's own watch. `check` runs the peers' own packages, to see that their rules are theirs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.detection import peers, walk
from benchmarks.detection.arms import ARMS
from benchmarks.detection.checking import check
from benchmarks.detection.models import Model
from benchmarks.detection.report import write, write_check
from benchmarks.detection.results import gathered
from benchmarks.detection.rules import RULES
from benchmarks.detection.saved import Line, Saved
from benchmarks.environments import NotInstalled

HERE = Path(__file__).parents[1]
PEERS = "peers"
KINDS = (walk.RATES, walk.POWER, walk.FAULTS, PEERS)


def main() -> int:
    asked = _arguments()
    asked.data.mkdir(parents=True, exist_ok=True)
    return _check(asked) if asked.what == "check" else _count(asked)


def _count(asked: argparse.Namespace) -> int:
    saved = Saved(asked.data / f"detection-{asked.features}x{asked.cohorts}-{asked.weeks}")
    kinds = [kind for kind in asked.only if kind != PEERS]
    systems = [walk.SYSTEM] * bool(kinds) + [peers.SYSTEM] * (PEERS in asked.only)
    kinds = kinds or [kind for kind in KINDS if kind != PEERS]
    dates = asked.dates if {walk.POWER, walk.FAULTS} & set(kinds) else 0
    wanted = walk.parts(kinds, dates)
    done = {(system, arm): saved.done(system, arm) for system in systems for arm in asked.arms}
    for seed in range(asked.seed_from, asked.seed_from + asked.seeds):
        for arm in asked.arms:
            left = {
                system: [part for part in wanted if (seed, part.name) not in done[system, arm]]
                for system in systems
            }
            if any(left.values()):
                _go_on(asked, arm, seed, left, dates, saved)
    results = (
        gathered(arm, saved.lines(walk.SYSTEM, arm), saved.lines(peers.SYSTEM, arm)) for arm in ARMS
    )
    write(asked.out, [of for of in results if of.rates or of.found], asked)
    return 0


def _go_on(
    asked: argparse.Namespace, arm: str, seed: int, left: dict[str, list[walk.Part]], dates: int,
    saved: Saved,
) -> None:  # fmt: skip
    """Do what is left of one model."""
    model = Model(arm, seed, features=asked.features, cohorts=asked.cohorts, weeks=asked.weeks)
    for system, wanted in left.items():
        for part, found in _parts(system, model, wanted, dates):
            line: Line = {"arm": arm, "system": system, "seed": seed, "part": part.name, **found}
            saved.add(line)
            said = f"{found['incidents']} incidents, " if "incidents" in found else ""
            print(f"{arm}, seed {seed}: {system}, {part.name}, {said}{found['cpu_s']:.0f} s",
                  flush=True)  # fmt: skip


def _parts(
    system: str, model: Model, wanted: list[walk.Part], dates: int
) -> Iterator[tuple[walk.Part, dict[str, Any]]]:
    if not wanted:
        return iter(())
    if system == walk.SYSTEM:
        return walk.walked(model, wanted, dates)
    return peers.Peers(model).parts(wanted, dates)


def _check(asked: argparse.Namespace) -> int:
    """Run the tools; return 1 where a rule is not theirs, or a tool is not there."""
    held = True
    for tool in asked.tools:
        for arm in asked.arms:
            try:
                found = check(arm, tool, asked.seed_from, asked.data, windows=asked.windows)
            except NotInstalled as error:
                print(f"{tool}: not installed: {error}")
                held = False
                break
            held &= found.holds
            apart = f"; not on {', '.join(found.apart[:9])}" if found.apart else ""
            print(f"{tool} on {arm}: rule and tool agree on {found.agreed} of {found.verdicts} "
                  f"verdicts, {found.drifted} of them drifted{apart}", flush=True)  # fmt: skip
            write_check(asked.out, found)
    return 0 if held else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("count", "check"), default="count")
    parser.add_argument("--arms", type=_some(ARMS), default=list(ARMS), help="comma between")
    only = f"{', '.join(KINDS)}; peers alone: all of it, by them; without peers: ours"
    parser.add_argument("--only", type=_some(KINDS), default=list(KINDS), help=only)
    parser.add_argument("--seeds", type=int, default=20, help="how many models of each arm")
    parser.add_argument("--seed-from", type=int, default=0, help="the first of them")
    parser.add_argument("--dates", type=int, default=2, help="of drifts and faults in each model")
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--cohorts", type=int, default=5)
    parser.add_argument("--weeks", type=int, default=104)
    parser.add_argument("--tools", type=_some(RULES), default=list(RULES), help="of the check")
    parser.add_argument("--windows", type=int, default=100, help="of each series of the check")
    parser.add_argument("--data", type=Path, default=HERE / ".data")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "detection.csv")
    return parser.parse_args()


def _some(known: Any) -> Any:
    """Read names with commas between them."""

    def read(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name}: there are {', '.join(known)}")
        return names

    return read


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit("Stopped; the same command goes on from here") from None

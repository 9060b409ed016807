"""Every window is done, and the counts of all windows add up to those of the whole log."""

from collections import Counter
from datetime import datetime
from pathlib import Path

import numpy as np
from counted import counted
from counts import digest
from task import ASKED, answer

from monitor.config import load
from monitor.store import baselines, results
from monitor.store.engine import open_store
from profiles.profile import Plan
from profiles.windows import Window

SOME = 8  # every so many columns are counted again

engine = open_store(load(Path(ASKED["works"]["Driftline"]) / "monitor.yaml").store)
baseline_id = baselines.current(engine, "bench")
assert baseline_id is not None
plan = baselines.load(engine, baseline_id).plan
span = Window(
    start=datetime.fromisoformat(ASKED["start"]), end=datetime.fromisoformat(ASKED["end"])
)
dimensions = ((), (ASKED["cohort"],))
rows, windows = Counter(), 0
total: dict[tuple[str, ...], dict[str, np.ndarray]] = {of: {} for of in dimensions}
for found in results.together(engine, "bench", baseline_id, dimensions, span):
    windows += 1
    for stored in found:
        of = stored.profile
        rows[of.dimension] += int(of.rows.sum())
        for name, column in of.columns.items():
            counts = column.counts.sum(axis=0)
            total[of.dimension][name] = total[of.dimension].get(name, 0) + counts
everybody, cohorts = (total[of] for of in dimensions)
unlike = [name for name in everybody if (everybody[name] != cohorts[name]).any()]
names = list(plan.grids)[::SOME]
expected = counted(
    ASKED["rows"], Plan(grids={name: plan.grids[name] for name in names}), before=span.end
)
wrong = [name for name in names if digest(everybody[name]) != expected[name]]
whole = windows == ASKED["days"] and set(rows.values()) == {ASKED["n"] - 1}  # the last lies after
answer(
    held=whole and not wrong and not unlike,
    says=(f"cohorts do not add up to everybody in {', '.join(unlike)}; " if unlike else "")
    + (f"counts differ in {', '.join(wrong)}; " if wrong else "")
    + f"{windows} windows, {rows[()]:,} rows; the sums of {len(names) - len(wrong)} columns are "
    "those of the raw values, bin by bin",
)

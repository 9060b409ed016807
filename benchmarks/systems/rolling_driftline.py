"""The last 7 days at every hour, from stored hourly counts: sums, then KS, PSI and JS of each.

Nothing of the log is read. What is timed inside is the rolling and the tests, without reading the
results database and without imports; the runner measures the whole process besides.
"""

import time
from datetime import datetime

import numpy as np
from task import ASKED, answer

from monitor.config import load
from monitor.store import baselines, results
from monitor.store.engine import open_store
from profiles.comparison import compare
from profiles.rolling import rolled
from profiles.windows import Window

HOURS = 7 * 24

engine = open_store(load().store)  # monitor.yaml in this folder
baseline_id = baselines.current(engine, "bench")
assert baseline_id is not None
baseline = baselines.load(engine, baseline_id)
against = baseline.along(())
span = Window(
    start=datetime.fromisoformat(ASKED["start"]), end=datetime.fromisoformat(ASKED["end"])
)
stored = list(results.read(engine, "bench", baseline_id, (), span))
hours = [of.profile for of in stored]

began = time.process_time()
tests, largest = 0, {}
for name, grid in baseline.plan.grids.items():
    rolling = rolled(np.array([hour.columns[name].counts[0] for hour in hours]), HOURS)
    found = compare(grid, rolling, against.columns[name].counts[0], ["ks", "psi", "js"])
    tests += len(rolling)
    largest[name] = float(found["js"].distance[HOURS:].max(initial=0.0))
    if name == ASKED["numeric"][0]:
        last = {"rows": int(rolling[-1].sum()), "ks": float(found["ks"].distance[-1])}
took = time.process_time() - began

answer(hours=len(hours), tests=tests, inside_cpu_s=took, last=last, largest=largest)

"""Profile a table that nothing is known about: kinds and grids are made from it too."""

import stored
from task import ASKED, answer

from profiles.baseline import accept

names = [*ASKED["numeric"], *ASKED["categorical"]]
baseline = accept(stored.batches(ASKED["rows"], names, ASKED["categorical"]))
answer(rows=baseline.rows, columns=len(baseline.plan.grids))

"""Profile a table on stored grids, as every window is."""

import stored
from task import ASKED, answer

from profiles.counting import profile

names = [*ASKED["numeric"], *ASKED["categorical"]]
plan = stored.plan(ASKED["stored"], names)
(everybody,) = profile(plan, stored.batches(ASKED["rows"], names, ASKED["categorical"]))
answer(rows=int(everybody.rows[0]), counts=stored.digests(everybody))

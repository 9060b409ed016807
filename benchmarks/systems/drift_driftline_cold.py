"""A window against a baseline that is read, accepted and profiled first."""

import stored
from task import ASKED, answer

from profiles.baseline import accept
from profiles.comparison import compare
from profiles.counting import profile

names = [*ASKED["numeric"], *ASKED["categorical"]]
baseline = accept(stored.batches(ASKED["baseline"], names, ASKED["categorical"]))
(window,) = profile(baseline.plan, stored.batches(ASKED["rows"], names, ASKED["categorical"]))
against = baseline.profiles[0]
found = {
    name: compare(
        grid, window.columns[name].counts, against.columns[name].counts, ["ks", "psi", "js", "chi2"]
    )
    for name, grid in baseline.plan.grids.items()
}
answer(
    rows=int(window.rows[0]),
    ks={name: float(found[name]["ks"].distance[0]) for name in ASKED["numeric"]},
)

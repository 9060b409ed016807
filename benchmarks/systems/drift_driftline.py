"""A window against a stored baseline: read it, profile it, take distances and p-values."""

import stored
from task import ASKED, answer

from profiles.comparison import compare
from profiles.counting import profile

names = [*ASKED["numeric"], *ASKED["categorical"]]
plan = stored.plan(ASKED["stored"], names)
against = stored.profile(ASKED["stored"], names)
(window,) = profile(plan, stored.batches(ASKED["rows"], names, ASKED["categorical"]))
found = {
    name: compare(
        grid, window.columns[name].counts, against.columns[name].counts, ["ks", "psi", "js", "chi2"]
    )
    for name, grid in plan.grids.items()
}
answer(
    rows=int(window.rows[0]),
    counts=stored.digests(window),
    ks={name: float(found[name]["ks"].distance[0]) for name in ASKED["numeric"]},
    p={name: float(found[name]["chi2"].p[0]) for name in names},
)

"""One day and a fifth of the columns: profiled by cohort, and merged to everybody."""

from functools import reduce

import pandas as pd
import whylogs as why
from backfill import cohorts, day, rows
from task import ASKED, answer, part, some
from whylogs.core import DatasetProfileView
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

features = [*some(ASKED["numeric"], 5), *some(ASKED["categorical"], 5)]
names = list(dict.fromkeys([*features, ASKED["cohort"]]))


def profiled(table: pd.DataFrame) -> dict[str, DatasetProfileView]:
    found = {c: why.log(pandas=of[features]).view() for c, of in cohorts(table).items()}
    return {"": reduce(lambda a, b: a.merge(b), found.values()), **found}


with part(5):
    baseline = profiled(pd.read_parquet(ASKED["baseline"], columns=names))
tests = 0
with part(ASKED["days"] * 5):
    window = profiled(rows(day(0), day(1), names))
    for cohort, view in window.items():
        tests += len(calculate_drift_scores(target_view=view, reference_view=baseline[cohort]))
answer(tests=tests)

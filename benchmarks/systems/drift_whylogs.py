"""A fifth of the columns: whylogs works through them one after another."""

import pandas as pd
import whylogs as why
from task import ASKED, answer, part, some
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

names = [*some(ASKED["numeric"], 5), *some(ASKED["categorical"], 5)]
with part(5):
    baseline, window = (
        why.log(pandas=pd.read_parquet(ASKED[rows], columns=names)).view()
        for rows in ("baseline", "rows")
    )
    found = calculate_drift_scores(target_view=window, reference_view=baseline)
answer(columns=len(found))

"""One of the hours and a fifth of the columns, from the rows of its 7 days."""

import pandas as pd
from backfill import day, rows
from scipy.stats import chi2_contingency, ks_2samp
from task import ASKED, answer, part, some

numeric, categorical = some(ASKED["numeric"], 5), some(ASKED["categorical"], 5)
names = [*numeric, *categorical]
baseline = pd.read_parquet(ASKED["baseline"], columns=names)
values = {name: baseline[name].dropna() for name in numeric}
counts = {name: baseline[name].value_counts() for name in categorical}
with part(ASKED["days"] / 7 * 5):
    log = rows(day(0), day(7), names)
with part(24 * ASKED["days"] * 5):
    for name in numeric:
        ks_2samp(log[name].dropna(), values[name])
    for name in categorical:
        both = pd.DataFrame({"x": log[name].value_counts(), "y": counts[name]}).fillna(0)
        chi2_contingency(both.T)
answer(tests=len(names))

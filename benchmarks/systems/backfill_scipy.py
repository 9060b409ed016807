"""One day and a fifth of the columns, everybody and each cohort; the raw values, each time."""

import pandas as pd
from backfill import cohorts, day, rows
from scipy.stats import chi2_contingency, ks_2samp
from task import ASKED, answer, part, some

numeric, categorical = some(ASKED["numeric"], 5), some(ASKED["categorical"], 5)
names = list(dict.fromkeys([*numeric, *categorical, ASKED["cohort"]]))
baseline = pd.read_parquet(ASKED["baseline"], columns=names)
parts = {"": baseline, **cohorts(baseline)}
values = {(c, n): of[n].dropna() for c, of in parts.items() for n in numeric}
counts = {(c, n): of[n].value_counts() for c, of in parts.items() for n in categorical}
tests = 0
with part(ASKED["days"] * 5):
    log = rows(day(0), day(1), names)
    for cohort, of in {"": log, **cohorts(log)}.items():
        for name in numeric:
            ks_2samp(of[name].dropna(), values[cohort, name])
            tests += 1
        for name in categorical:
            both = pd.DataFrame({"x": of[name].value_counts(), "y": counts[cohort, name]})
            chi2_contingency(both.fillna(0).T)
            tests += 1
answer(tests=tests)

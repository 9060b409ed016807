"""Two of the hours, each from the rows of its 7 days; what is fitted is fitted once."""

from datetime import timedelta

import nannyml as nml
import pandas as pd
from backfill import day, rows
from task import ASKED, answer, part

STEPS = 2
names = [*ASKED["numeric"], *ASKED["categorical"]]
calculator = nml.UnivariateDriftCalculator(
    column_names=names,
    continuous_methods=["kolmogorov_smirnov"],
    categorical_methods=["chi2"],
    treat_as_numerical=ASKED["numeric"],
    treat_as_categorical=ASKED["categorical"],
    chunk_number=1,
)
calculator.fit(pd.read_parquet(ASKED["baseline"], columns=names))
with part(ASKED["days"] / 7):
    log = rows(day(0), day(7) + timedelta(hours=STEPS), names)
at, tests = log[ASKED["time"]], 0
with part(24 * ASKED["days"] / STEPS):
    for step in range(STEPS):
        first = day(0) + timedelta(hours=step)
        span = log.loc[(at >= first) & (at < first + timedelta(days=7)), names]
        tests += len(calculator.calculate(span).filter(period="analysis").to_df()) * len(names)
answer(tests=tests)

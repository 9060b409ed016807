"""A tenth of the days, by the day: everybody, then each cohort. What is fitted is fitted once."""

import nannyml as nml
import pandas as pd
from backfill import cohorts, day, rows
from task import ASKED, answer, part

names = [*ASKED["numeric"], *ASKED["categorical"]]
days = max(1, ASKED["days"] // 10)


def fitted(reference: pd.DataFrame, of: list[str]) -> nml.UnivariateDriftCalculator:
    calculator = nml.UnivariateDriftCalculator(
        column_names=of,
        timestamp_column_name=ASKED["time"],
        continuous_methods=["kolmogorov_smirnov"],
        categorical_methods=["chi2"],
        treat_as_numerical=ASKED["numeric"],
        treat_as_categorical=[name for name in ASKED["categorical"] if name in of],
        chunk_period="D",
    )
    return calculator.fit(reference)


baseline = pd.read_parquet(ASKED["baseline"], columns=[ASKED["time"], *names])
inside = [name for name in names if name != ASKED["cohort"]]
everybody = fitted(baseline, names)
by_cohort = {cohort: fitted(of, inside) for cohort, of in cohorts(baseline).items()}
tests = 0
with part(ASKED["days"] / days):
    log = rows(day(0), day(days), names)
    tests += len(everybody.calculate(log).filter(period="analysis").to_df()) * len(names)
    for cohort, of in cohorts(log).items():
        tests += len(by_cohort[cohort].calculate(of).filter(period="analysis").to_df()) * len(
            inside
        )
answer(tests=tests)

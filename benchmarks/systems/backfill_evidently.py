"""One day and a tenth of the columns, for everybody and for one cohort of middling size."""

import pandas as pd
from backfill import cohorts, day, rows
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
from task import ASKED, answer, part, some

numeric, categorical = some(ASKED["numeric"], 10), some(ASKED["categorical"], 10)
features = [*numeric, *categorical]
names = list(dict.fromkeys([*features, ASKED["cohort"]]))
definition = DataDefinition(numerical_columns=numeric, categorical_columns=categorical)
baseline = pd.read_parquet(ASKED["baseline"], columns=names)


def report(window: pd.DataFrame, against: pd.DataFrame) -> int:
    sets = [
        Dataset.from_pandas(of[features].reset_index(drop=True), data_definition=definition)
        for of in (window, against)
    ]
    preset = DataDriftPreset(columns=features, num_method="ks", cat_method="chisquare")
    return len(Report([preset]).run(*sets).dict()["metrics"])


log = rows(day(0), day(1), names)
with part(ASKED["days"] * 10):
    tests = report(log, baseline)
known = cohorts(baseline)
middle = sorted(known, key=lambda cohort: len(known[cohort]))[len(known) // 2]
with part(ASKED["days"] * 10 * len(known)):
    tests += report(cohorts(log)[middle], known[middle])
answer(tests=tests)

"""A fifth of the columns: Evidently works through them one after another.

Its report of data drift, with the Kolmogorov–Smirnov test chosen; by default it would take
Wasserstein's distance, which is slower. Without the report its metrics are asked for one by one.
"""

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift
from evidently.presets import DataDriftPreset
from task import ASKED, answer, part, some

numeric, categorical = some(ASKED["numeric"], 5), some(ASKED["categorical"], 5)
names = [*numeric, *categorical]
definition = DataDefinition(numerical_columns=numeric, categorical_columns=categorical)
with part(5):
    baseline, window = (
        Dataset.from_pandas(pd.read_parquet(ASKED[rows], columns=names), data_definition=definition)
        for rows in ("baseline", "rows")
    )
    if "no report" in ASKED["how"]:
        methods = dict.fromkeys(numeric, "ks") | dict.fromkeys(categorical, "chisquare")
        metrics = [ValueDrift(column=name, method=method) for name, method in methods.items()]
    else:
        metrics = [DataDriftPreset(columns=names, num_method="ks", cat_method="chisquare")]
    found = Report(metrics).run(window, baseline).dict()
answer(metrics=len(found["metrics"]))

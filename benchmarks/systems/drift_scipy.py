"""The loop that one writes first: a test of every column on the raw values."""

import pandas as pd
from scipy.stats import chi2_contingency, ks_2samp
from task import ASKED, answer

numeric, categorical = ASKED["numeric"], ASKED["categorical"]
baseline = pd.read_parquet(ASKED["baseline"], columns=[*numeric, *categorical])
window = pd.read_parquet(ASKED["rows"], columns=[*numeric, *categorical])
ks, p = {}, {}
for name in numeric:
    tested = ks_2samp(window[name].dropna(), baseline[name].dropna())
    ks[name], p[name] = float(tested.statistic), float(tested.pvalue)
for name in categorical:
    counts = pd.DataFrame(
        {"x": window[name].value_counts(), "y": baseline[name].value_counts()}
    ).fillna(0)
    p[name] = float(chi2_contingency(counts.T).pvalue)
answer(ks=ks, p=p)

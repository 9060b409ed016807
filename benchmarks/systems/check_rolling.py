"""The last 7 days hold the log's rows of those days, and their KS is that of the raw values."""

from datetime import datetime, timedelta

import pandas as pd
from backfill import rows
from scipy.stats import ks_2samp
from task import ASKED, answer

BOUND = 5e-3  # a seventh of a small log has few rows

name = ASKED["numeric"][0]
end = datetime.fromisoformat(ASKED["end"])
raw = rows(end - timedelta(days=7), end, [name])
baseline = pd.read_parquet(ASKED["baseline"], columns=[name])
exact = float(ks_2samp(raw[name].dropna(), baseline[name].dropna()).statistic)
outputs = ASKED["outputs"]
ours = {system: of for system, of in outputs.items() if "last" in of}
expected = 24 * ASKED["days"] * (len(ASKED["numeric"]) + len(ASKED["categorical"]))
wrong = [
    system
    for system, of in ours.items()
    if of["last"]["rows"] != len(raw)
    or not -1e-12 <= exact - of["last"]["ks"] <= BOUND
    or of["tests"] != expected
]
answer(
    held=bool(ours) and not wrong,
    says=(f"wrong in {', '.join(wrong)}; " if wrong else "")
    + f"{expected:,} tests; the last 7 days hold the {len(raw):,} rows of the log, and their KS is "
    "that of the raw values",
)

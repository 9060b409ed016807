"""Hourly profiles of a day and a fifth of the columns; then sums that are kept cleverly.

The sum over the last 168 hours is kept on two stacks, so that an hour costs three merges however
long the span is. The distance of KS is taken from the sketches as whylogs takes it, without its
p-value: SciPy's exact one takes a third of a second at so many rows. The hours of one day stand for
those of the others.
"""

from datetime import timedelta

import pandas as pd
import whylogs as why
from backfill import day, rows
from task import ASKED, answer, part, some
from whylogs.core.view.column_profile_view import ColumnProfileView
from whylogs.viz.drift.column_drift_algorithms import ChiSquare
from whylogs.viz.drift.configs import KSTestConfig

HOURS, STEPS = 7 * 24, 12
numeric, categorical = some(ASKED["numeric"], 5), some(ASKED["categorical"], 5)
names = [*numeric, *categorical]
hours = 24 * ASKED["days"]
at_shares = KSTestConfig().quantiles


def kolmogorov_smirnov(window: ColumnProfileView, against: ColumnProfileView) -> float:
    x, y = (of.get_metric("distribution").kll.value for of in (window, against))
    points = sorted({*x.get_quantiles(at_shares), *y.get_quantiles(at_shares)})
    return max(abs(p - q) for p, q in zip(x.get_cdf(points), y.get_cdf(points), strict=True))


with part(5):
    table = pd.read_parquet(ASKED["baseline"], columns=names)
    baseline = why.log(pandas=table).view()
with part(ASKED["days"] * 5):
    log = rows(day(0), day(1), names)
    at = log[ASKED["time"]]
    views = [
        why.log(pandas=log.loc[(at >= first) & (at < first + timedelta(hours=1)), names]).view()
        for first in (day(0) + timedelta(hours=hour) for hour in range(24))
    ]
with part(hours / HOURS * 5):  # the older stack is turned over once in a span
    older = [views[0]]
    for hour in range(1, HOURS):
        older.append(views[hour % 24].merge(older[-1]))
tests, newer, chi_square = 0, views[0], ChiSquare()
with part(hours / STEPS * 5):
    for step in range(STEPS):
        newer = newer.merge(views[step % 24])
        span = newer.merge(older[HOURS - 1 - step])
        for name in names:
            of = span.get_column(name), baseline.get_column(name)
            kolmogorov_smirnov(*of) if name in numeric else chi_square.calculate(*of)
            tests += 1
answer(tests=tests)

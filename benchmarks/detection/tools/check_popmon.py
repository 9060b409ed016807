"""By its own function for histograms: 1.4.12 refuses a table as the reference of metrics."""

import logging

import pandas as pd
from histogrammar.dfinterface.make_histograms import make_histograms
from popmon import stability_metrics
from popmon.config import Settings
from rows import answer, series, timed

logging.disable(logging.WARNING)
verdicts = {}
for of in series():
    width = pd.Timedelta(hours=of.hours).value
    begins = pd.Timestamp("2024-01-01")
    settings = Settings(
        reference_type="external",
        time_axis="time",
        features=["time:x", "time:y"],
        bin_specs={
            "x": {"bin_width": 1.0, "bin_offset": -0.5},
            "time": {"bin_width": float(width), "bin_offset": float(begins.value)},
        },
    )
    before, now = (
        make_histograms(
            timed(tables, of.hours, begin),
            settings.features,
            settings.binning,
            settings.bin_specs,
            settings.time_axis,
        )
        for tables, begin in ((of.reference, "2024-01-01"), (of.windows, "2025-01-01"))
    )
    said = stability_metrics(now, settings, reference=before)
    verdicts[of.name] = {
        column: [bool(red > 0) for red in said["alerts"][column]["n_red"]] for column in ("x", "y")
    }
answer(verdicts)

"""The 45 columns of the data, by name. Nothing is imported here: whoever measures stays small."""

from __future__ import annotations

from datetime import UTC, datetime

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday

TIME, ID, SCORE, LABEL, VERSION = "event_time", "id", "score", "label", "version"
COHORT = "segment"

NUMERIC = (
    "normal_1", "normal_2", "normal_3", "normal_4",
    "lognormal_1", "lognormal_2", "lognormal_3", "lognormal_4",
    "gamma_1", "gamma_2", "gamma_3",
    "uniform_1", "uniform_2",
    "exponential_1", "exponential_2",
    "beta_1",
    "bimodal_1", "bimodal_2",
    "student_1", "cauchy_1",
    "zeros_1", "zeros_2",
    "rounded_1", "rounded_2",
    "narrow_1", "tiny_1",
    "count_1", "count_2", "rating_1", "cents_1",
)  # fmt: skip
WHOLE = ("count_1", "count_2", "rating_1", "cents_1")  # integers; all others are float64

CATEGORIES = {  # how many values each has; they are drawn by Zipf's law
    "plan": 3, "device": 5, "channel": 8, "weekday_name": 7, COHORT: 16,
    "country": 40, "browser": 90, "category": 300, "city": 1_500, "merchant": 5_000,
}  # fmt: skip
CATEGORICAL = tuple(CATEGORIES)

FEATURES = (*NUMERIC, *CATEGORICAL)
EVERY = (TIME, ID, *FEATURES, SCORE, LABEL, VERSION)

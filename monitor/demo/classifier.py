"""A model that says, before departure, how likely a flight is to land more than 15 minutes late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from monitor.demo.flights import FEATURES
from monitor.errors import SourceError

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

VERSION = "v3"
FOLDS = 5
_CATEGORICAL = ("carrier", "origin", "dest", "weekday")


@dataclass(frozen=True, kw_only=True)
class Trained:
    scores: Floats  # [n] one a flight; out of fold where the flight was trained on
    threshold: float  # from here on a flight is called late
    auc_out_of_fold: float
    auc_in_sample: float  # what the training rows would have promised, had they scored themselves


def train(flights: pd.DataFrame, training: Bools) -> Trained:
    """Train on some of the flights and score all of them.

    A training row is scored by a model that has seen no flight of its day: the flights of one hour
    share their weather, and a row that has been learnt scores better than any later one will.
    Compared with such scores, the first live hour would already have drifted.

    The threshold is the one with the largest F1 on the out-of-fold scores.

    Parameters
    ----------
    flights
        As `flights.read_flights` gives them.
    training
        Which of them to learn from; those without an outcome are scored but not learnt.

    Raises
    ------
    SourceError
        If scikit-learn is not installed.
    """
    try:
        from sklearn.metrics import roc_auc_score
        from sklearn.model_selection import GroupKFold
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        raise SourceError(
            "the demo's model needs scikit-learn; run: pip install 'driftline[demo]'"
        ) from None

    inputs = flights[list(FEATURES)].astype(dict.fromkeys(_CATEGORICAL, "category"))
    late = flights["late"].to_numpy()
    known = ~np.isnan(late)
    rows = np.flatnonzero(training)
    days = flights["event_time"].dt.tz_convert("America/New_York").dt.day_of_year.to_numpy()[rows]

    scores = np.empty(len(flights))
    judged = rows[known[rows]]
    # beside other work, threads that wait for one another take twenty times as long as one
    with threadpool_limits(limits=1, user_api="openmp"):
        for learn, hold_out in GroupKFold(FOLDS).split(rows, groups=days):
            learn_rows = rows[learn][known[rows[learn]]]
            model = _classifier().fit(inputs.iloc[learn_rows], late[learn_rows])
            scores[rows[hold_out]] = _score(model, inputs.iloc[rows[hold_out]])
        model = _classifier().fit(inputs.iloc[judged], late[judged])
        scores[~training] = _score(model, inputs[~training])
        in_sample = _score(model, inputs.iloc[judged])
    return Trained(
        scores=scores,
        threshold=best_f1_threshold(scores[judged], late[judged] == 1),
        auc_out_of_fold=float(roc_auc_score(late[judged], scores[judged])),
        auc_in_sample=float(roc_auc_score(late[judged], in_sample)),
    )


def best_f1_threshold(scores: Floats, late: Bools) -> float:
    """Return the score from which on calling a flight late gives the largest F1.

    F1 is 2·TP / (2·TP + FP + FN). Of equal thresholds the highest is taken.

    >>> best_f1_threshold(np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, True, False, True]))
    0.2
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(late[order])
    f1 = 2 * hits / (np.arange(1, len(ranked) + 1) + late.sum())
    last_of_its_score = np.append(ranked[1:] != ranked[:-1], True)
    return float(ranked[np.argmax(np.where(last_of_its_score, f1, -1.0))])


def _score(model: Any, inputs: pd.DataFrame) -> Floats:
    # Four decimals are what a log would hold; the model is far less certain than that.
    return np.asarray(np.round(model.predict_proba(inputs)[:, 1], 4), dtype=np.float64)


def _classifier() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    # Small trees: with the defaults the model learns the weather of 59 days by heart.
    return HistGradientBoostingClassifier(
        categorical_features="from_dtype",
        l2_regularization=10.0,
        learning_rate=0.05,
        max_iter=150,
        max_leaf_nodes=8,
        min_samples_leaf=200,
        random_state=2013,
    )

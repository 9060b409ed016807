from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.demo.classifier import best_f1_threshold


@given(
    st.lists(
        st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.booleans()), min_size=1, max_size=60
    ).filter(lambda rows: any(late for _, late in rows))
)
def test_no_other_threshold_has_a_larger_f1(rows: list[tuple[float, bool]]) -> None:
    scores = np.array([score for score, _ in rows])
    late = np.array([late for _, late in rows])
    best = best_f1_threshold(scores, late)
    assert f1(late, scores >= best) == max(f1(late, scores >= other) for other in scores)


def f1(late: np.ndarray, called_late: np.ndarray) -> float:
    return 2 * (late & called_late).sum() / (late.sum() + called_late.sum())

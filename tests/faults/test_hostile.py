"""Whatever stands in a payload or a score, rows read are rows profiled and rows rejected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.faults.hostile import ROWS, Log, Row, log_of_one_window


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    with log_of_one_window(Path(tmp_path_factory.mktemp("hostile"))) as log:
        yield log


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ROWS)
def test_rows_read_are_rows_profiled_and_rows_rejected_with_no_remainder(
    log: Log, rows: list[Row]
) -> None:
    assert log.remainder(rows) is None

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.errors import SourceError
from monitor.sources import Batch, open_baseline
from monitor.sources.batch import ROWS
from tests.support.logs import a_model, column

MARCH = datetime(2013, 3, 1, tzinfo=UTC)


def baseline_of(path: Path, **keys: Any) -> list[Batch]:
    model = a_model("sqlite:///never-opened.db", baseline={"file": path, **keys})
    with open_baseline(model) as source:
        return list(source.batches())


def test_a_parquet_file_comes_in_the_types_of_a_log(tmp_path: Path) -> None:
    table = pa.table(
        {
            "small": pa.array([1, None], pa.int8()),
            "huge": pa.array([2**64 - 1, 0], pa.uint64()),
            "single": pa.array([0.5, None], pa.float32()),
            "exact": pa.array([Decimal("1.25"), None], pa.decimal128(10, 2)),
            "code": pa.array(["a", "b"]).dictionary_encode(),
            "long": pa.array(["a", None], pa.large_string()),
            "day": pa.array([date(2013, 3, 1), None]),
            "at": pa.array(
                [datetime(2013, 3, 1, tzinfo=UTC)] * 2, pa.timestamp("ns", "Asia/Tokyo")
            ),
            "weather": pa.array([{"temp": 1.5, "wind": {"dir": 3}}, None]),
            "tags": pa.array([["a"], None]),
            "truth": pa.array([True, None]),
            "nothing": pa.nulls(2),
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    (batch,) = baseline_of(tmp_path / "rows.parquet")
    codes = "dictionary<values=string, indices=int32, ordered=0>"
    assert {field.name: str(field.type) for field in batch.rows.schema} == {
        "small": "int64", "huge": "double", "single": "double", "exact": "double",
        "code": codes, "long": codes, "day": "timestamp[us, tz=UTC]",
        "at": "timestamp[us, tz=UTC]", "weather.temp": "double", "weather.wind.dir": "int64",
        "tags": "list<element: string>", "truth": "bool", "nothing": "null",
    }  # fmt: skip
    assert column([batch.rows], "huge") == [2.0**64, 0.0]
    assert column([batch.rows], "weather.wind.dir") == [3, None]
    assert column([batch.rows], "day") == [datetime(2013, 3, 1, tzinfo=UTC), None]
    assert column([batch.rows], "tags") == [["a"], None]
    assert (batch.read, batch.rejected) == (2, {})


def test_a_parquet_file_is_read_in_batches(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": range(5 * ROWS)}), tmp_path / "rows.parquet")
    batches = baseline_of(tmp_path / "rows.parquet")
    assert max(batch.rows.num_rows for batch in batches) <= 4 * ROWS
    assert len(batches) > 1
    assert column((batch.rows for batch in batches), "n") == list(range(5 * ROWS))


def test_a_csv_file_is_read_by_all_of_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    whole = "".join(f"{n},UA,true\n" for n in range(200_000))
    path.write_text("n,carrier,late\n" + whole + '0.5,"",false\n,,\n')
    batches = baseline_of(path)
    read = column((batch.rows for batch in batches), "n")
    assert {str(batch.rows.schema.field("n").type) for batch in batches} == {"double"}
    assert read[-3:] == [199_999.0, 0.5, None]
    assert column((batch.rows for batch in batches), "carrier")[-2:] == ["", None]
    assert column((batch.rows for batch in batches), "late")[-2:] == [False, None]


def test_a_payload_in_a_file_is_flattened_too(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"score": [1, 2, 3], "p": ['{"a": 1, "score": 9}', "no", None]}),
        tmp_path / "rows.parquet",
    )
    (batch,) = baseline_of(tmp_path / "rows.parquet", payload="p")
    assert batch.rows.to_pylist() == [{"score": 1, "a": 1, "p.score": 9}]
    assert (batch.read, batch.rejected) == (3, {"payload_not_json": 1, "payload_missing": 1})


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("rows.parquet", b"canary", "cannot be read as Parquet"),
        ("rows.csv", b"a,b\n1,2,canary\n", "cannot be read as CSV"),
        ("rows.csv", b"", "cannot be read as CSV"),
        ("rows.xlsx", b"canary", "must be .parquet, .csv or .csv.gz"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(
    name: str, content: bytes, told: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError) as caught:
        baseline_of(tmp_path / name)
    assert told in str(caught.value)
    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistyped_file_gets_the_nearest_right_name(tmp_path: Path) -> None:
    (tmp_path / "january.parquet").touch()
    with pytest.raises(SourceError, match=r"did you mean 'january\.parquet'"):
        baseline_of(tmp_path / "janury.parquet")
    pq.write_table(pa.table({"features": ["{}"]}), tmp_path / "rows.parquet")
    with pytest.raises(SourceError, match=r"no column 'feature' .* did you mean 'features'"):
        baseline_of(tmp_path / "rows.parquet", payload="feature")

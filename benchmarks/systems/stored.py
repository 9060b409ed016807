"""A baseline kept in a folder by the product's own codec, and the reading of Parquet."""

import monitor  # isort: skip # noqa: F401 - first, as in the product: BLAS starts no threads

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from counts import digest

from profiles.baseline import Baseline
from profiles.codec import decode, encode
from profiles.grids import from_dict
from profiles.profile import Plan, Profile

BATCH = 65_536


def write(folder: Path, baseline: Baseline) -> None:
    grids = {name: grid.to_dict() for name, grid in baseline.plan.grids.items()}
    (folder / "grids.json").write_text(json.dumps(grids), encoding="utf-8")
    (folder / "baseline.profile").write_bytes(encode(baseline.profiles[0]))


def plan(folder: str, names: Iterable[str]) -> Plan:
    grids = json.loads((Path(folder) / "grids.json").read_text(encoding="utf-8"))
    return Plan(grids={name: from_dict(grids[name]) for name in names})


def profile(folder: str, names: Iterable[str]) -> Profile:
    return decode((Path(folder) / "baseline.profile").read_bytes(), frozenset(names))


def batches(folder: str, names: list[str], texts: list[str]) -> Iterator[pa.RecordBatch]:
    """Read some columns of a table, text as the dictionaries that Parquet has already.

    On one thread and without reading ahead, which takes least CPU and memory.
    """
    for path in sorted(Path(folder).glob("*.parquet")):
        with pq.ParquetFile(path, read_dictionary=texts, pre_buffer=False) as file:
            yield from file.iter_batches(BATCH, columns=names, use_threads=False)


def digests(of: Profile) -> dict[str, str]:
    """Name the counts of each column by their hash, so that two that count can be compared."""
    return {name: digest(column.counts.sum(axis=0)) for name, column in sorted(of.columns.items())}

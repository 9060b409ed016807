"""A process that is given more than it can hold stays under its configured memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

# Peak of all that was resident, told by the process itself when it has done its work.
RUN = """
import sys
from pathlib import Path
from monitor.backfill import backfill
from monitor.config import load
from monitor.store.engine import open_store
config = load(Path(sys.argv[1]), environ={})
engine = open_store(config.store)
found = backfill(engine, config, "m")
# not ru_maxrss, which begins with that of whoever started the process
(peak,) = (of.split()[1] for of in open("/proc/self/status") if of.startswith("VmHWM"))
print(found.windows, found.failed, found.rows, peak)
"""
ROWS, HOURS = 4_000, 3


def wide(folder: Path) -> None:
    """Write a hundred columns, and nearly as many cohorts and names as rows."""
    for name, seed, first in (("expected", 1, -30 * 24), ("log", 2, 0)):
        rng, rows = np.random.default_rng(seed), ROWS * HOURS
        us = 1_740_960_000_000_000 + first * 3_600_000_000
        at = us + np.arange(rows) * (3_600_000_000 // ROWS)
        columns = {f"f{c}": rng.normal(size=rows).round(3) for c in range(100)}
        who = [f"group {of}" for of in rng.integers(0, 100_000, rows)]
        columns |= {"who": who, "name": [f"name {of}" for of in rng.integers(0, 10**6, rows)]}
        table = pa.table({"at": pa.array(at, pa.timestamp("us", "UTC")), **columns})
        pq.write_table(table, folder / f"{name}.parquet")


def keys(folder: Path) -> None:
    """Write payloads of which each has keys that no other has, and some of ten megabytes."""
    for name, first in (("expected", -30 * 24), ("log", 0)):
        rows = ROWS * HOURS
        us = 1_740_960_000_000_000 + first * 3_600_000_000
        at = us + np.arange(rows) * (3_600_000_000 // ROWS)
        payloads = [
            json.dumps({"x": row % 50, **{f"k{row * 20 + key}": key for key in range(20)}})
            for row in range(rows)
        ]
        if name == "log":
            payloads[::2_000] = ['{"x": "' + "y" * 10_000_000 + '"}'] * len(payloads[::2_000])
        table = {"at": pa.array(at, pa.timestamp("us", "UTC")), "who": ["a"] * rows}
        table |= {"features": payloads, "name": ["b"] * rows}
        pq.write_table(pa.table(table), folder / f"{name}.parquet")


@pytest.mark.parametrize(("write", "memory_mb"), [(wide, 512), (keys, 1_024)])
def test_memory_stays_under_the_cap(
    write: Callable[[Path], None], memory_mb: int, tmp_path: Path
) -> None:
    write(tmp_path)
    payload = {"payload": "features"} if write is keys else {}
    values = {
        "store": f"sqlite:///{tmp_path / 'store.db'}",
        "models": {
            "m": {
                "source": f"file:{tmp_path / 'log.parquet'}",
                "log": {"time": "at", **payload},
                "baseline": {"file": str(tmp_path / "expected.parquet"), **payload},
                "cohorts": ["who"],
                "columns": {"name": {"kind": "categorical"}},
                "window": "1h",
            }
        },
        "limits": {"memory": f"{memory_mb} MB"},
    }
    path = tmp_path / "monitor.yaml"
    path.write_text(yaml.safe_dump(values))
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path)], capture_output=True, text=True, check=True
    )
    windows, failed, rows, peak_kb = map(int, done.stdout.split()[-4:])
    assert (windows, failed) == (HOURS - 1, 0)
    assert rows == (HOURS - 1) * ROWS - (4 if write is keys else 0)
    assert peak_kb / 1024 < memory_mb

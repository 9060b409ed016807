"""The data: 45 columns drawn by numpy from a seed, as Parquet sorted by time.

Three tables, each made once: *baseline*, so many days; *window*, as many days after it, with a
moderate shift in a few columns; *log*, the days of the window with more rows, where that shift
grows over the last third. Every piece of 131,072 rows, one row group, has a generator of its own,
so memory does not grow with the rows.

    python -m benchmarks.data FOLDER TABLE ROWS DAYS SEED
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import columns
from benchmarks.columns import START

FORMAT = 2  # raise it when the same seed gives other data
GROUP = 131_072  # rows of a row group
FILE = 8 * GROUP  # rows of a file of the log
COMPRESSION = "snappy"
NULLS = 0.02
TABLES = ("baseline", "window", "log")

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, Floats], npt.NDArray[np.generic]]

_DAY = 86_400_000_000  # microseconds
_RHYTHM = 0.6  # of the mean: how far traffic swings within a day


def _bimodal(rng: np.random.Generator, n: int, share: Floats | float, gap: float) -> Floats:
    return rng.normal(0.0, 1.0, n) + gap * (rng.random(n) < share)


def _zeros(rng: np.random.Generator, n: int, share: Floats | float) -> Floats:
    return np.where(rng.random(n) < share, 0.0, rng.lognormal(3.0, 1.2, n))


# The last argument is the shift of each row, 0 to 1; most columns know none.
DRAWS: dict[str, Draw] = {
    "normal_1": lambda g, n, d: g.normal(0.0, 1.0, n) + 0.1 * d,
    "normal_2": lambda g, n, _: g.normal(50.0, 12.0, n),
    "normal_3": lambda g, n, _: g.normal(-3.0, 0.2, n),
    "normal_4": lambda g, n, d: g.normal(1_000.0, 150.0, n) * (1 + 0.05 * d),
    "lognormal_1": lambda g, n, d: g.lognormal(0.0, 1.0, n) * (1 + 0.08 * d),
    "lognormal_2": lambda g, n, _: g.lognormal(3.0, 0.5, n),
    "lognormal_3": lambda g, n, _: g.lognormal(8.0, 1.5, n),
    "lognormal_4": lambda g, n, _: g.lognormal(-2.0, 0.8, n),
    "gamma_1": lambda g, n, _: g.gamma(2.0, 3.0, n),
    "gamma_2": lambda g, n, d: g.gamma(0.5 + 0.02 * d, 10.0, n),
    "gamma_3": lambda g, n, _: g.gamma(9.0, 0.5, n),
    "uniform_1": lambda g, n, _: g.random(n),
    "uniform_2": lambda g, n, _: g.uniform(-180.0, 180.0, n),
    "exponential_1": lambda g, n, _: g.exponential(30.0, n),
    "exponential_2": lambda g, n, d: g.exponential(0.01, n) * (1 + 0.03 * d),
    "beta_1": lambda g, n, _: g.beta(2.0, 5.0, n),
    "bimodal_1": lambda g, n, d: _bimodal(g, n, 0.3 + 0.03 * d, 6.0),
    "bimodal_2": lambda g, n, _: _bimodal(g, n, 0.5, 40.0),
    "student_1": lambda g, n, _: g.standard_t(2.5, n),
    "cauchy_1": lambda g, n, _: g.standard_cauchy(n),
    "zeros_1": lambda g, n, d: _zeros(g, n, 0.9 - 0.02 * d),
    "zeros_2": lambda g, n, _: _zeros(g, n, 0.5),
    "rounded_1": lambda g, n, _: np.round(g.normal(20.0, 5.0, n), 1),
    "rounded_2": lambda g, n, _: np.round(g.lognormal(3.0, 1.0, n), 2),
    "narrow_1": lambda g, n, _: 1e6 + g.normal(0.0, 1e-6, n),  # some ten thousand floats wide
    "tiny_1": lambda g, n, _: g.normal(0.0, 1e-9, n),
    "count_1": lambda g, n, d: g.poisson(4.0 + 0.1 * d, n),
    "count_2": lambda g, n, _: g.poisson(200.0, n),
    "rating_1": lambda g, n, _: g.integers(1, 6, n),
    "cents_1": lambda g, n, _: (g.lognormal(8.0, 1.0, n)).astype(np.int64),
}


def make(folder: Path, table: str, *, rows: int, days: int, seed: int) -> Path:
    """Write one table, unless it is there; returns its folder."""
    target = folder / f"{table}-{rows}-{days}-{seed}"
    about = {"format": FORMAT, "table": table, "rows": rows, "days": days, "seed": seed}
    note = target / "_made.json"
    if note.exists() and json.loads(note.read_text(encoding="utf-8")) == about:
        return target
    print(f"Making {table}: {rows:,} rows from seed {seed}", flush=True)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    _write(target, Draws(table=table, rows=rows, days=days, seed=seed))
    note.write_text(json.dumps(about), encoding="utf-8")  # last: what has no note is made anew
    return target


def _write(target: Path, of: Draws) -> None:
    per_file = FILE if of.table == "log" else of.rows
    for number, first in enumerate(range(0, of.rows, per_file)):
        last = min(first + per_file, of.rows)
        with pq.ParquetWriter(
            target / f"part-{number:04}.parquet", SCHEMA, compression=COMPRESSION
        ) as writer:
            for start in range(first, last, GROUP):
                writer.write_table(of.piece(start, min(start + GROUP, last)), row_group_size=GROUP)


SCHEMA = pa.schema(
    [
        (columns.TIME, pa.timestamp("us", tz="UTC")),
        (columns.ID, pa.int64()),
        *(
            (name, pa.int64() if name in columns.WHOLE else pa.float64())
            for name in columns.NUMERIC
        ),
        *((name, pa.string()) for name in columns.CATEGORICAL),
        (columns.SCORE, pa.float64()),
        (columns.LABEL, pa.int16()),
        (columns.VERSION, pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Draws:
    """One table, drawn piece by piece."""

    table: str
    rows: int
    days: int
    seed: int

    def piece(self, start: int, end: int) -> pa.Table:
        """Draw the rows from `start` to before `end`."""
        n = end - start
        rng = np.random.default_rng([self.seed, TABLES.index(self.table), start])
        part = (np.arange(start, end) + rng.random(n)) / self.rows  # how far through the days
        shift = self._shift(part)
        found: dict[str, pa.Array] = {
            columns.TIME: self._times(part, last=end == self.rows),
            columns.ID: pa.array(np.arange(start, end)),
        }
        for name in columns.NUMERIC:
            found[name] = pa.array(DRAWS[name](rng, n, shift), mask=rng.random(n) < NULLS)
        for name in columns.CATEGORICAL:
            found[name] = _category(rng, name, n, shift)
        score = rng.beta(2.0, 6.0, n)
        label = (rng.random(n) < score).astype(np.int16)
        found[columns.SCORE] = pa.array(score)
        found[columns.LABEL] = pa.array(label, mask=rng.random(n) < NULLS)
        found[columns.VERSION] = pa.array(np.where(part < 0.5, "2026.1", "2026.2"))
        return pa.table([found[field.name] for field in SCHEMA], schema=SCHEMA)

    def _shift(self, part: Floats) -> Floats:
        if self.table == "log":
            return np.clip(3 * part - 2, 0.0, 1.0)
        return np.full(len(part), float(self.table == "window"))

    def _times(self, part: Floats, *, last: bool) -> pa.Array:
        """Spread rows over the days, more at noon than at night, in order.

        The very last lies just after the last day, for a window is due when the log has passed it.
        """
        day = part * self.days
        day = day + _RHYTHM / (2 * np.pi) * np.sin(2 * np.pi * day)
        first = int(START.timestamp()) * 1_000_000
        if self.table == "baseline":
            first -= self.days * _DAY
        at = first + np.clip((day * _DAY).astype(np.int64), 0, self.days * _DAY - 1)
        if last and self.table != "baseline":
            at[-1] = first + self.days * _DAY
        return pa.array(at, pa.timestamp("us", tz="UTC"))


def _category(rng: np.random.Generator, name: str, n: int, shift: Floats) -> pa.Array:
    size = columns.CATEGORIES[name]
    weight = 1 / np.arange(1, size + 1) ** (0.7 if name == columns.COHORT else 1.0)
    code = np.searchsorted(np.cumsum(weight) / weight.sum(), rng.random(n)).astype(np.int32)
    code = np.minimum(code, size - 1)
    if name in {"plan", "city"}:  # rows of the first value go to the last
        code = np.where((code == 0) & (rng.random(n) < 0.05 * shift), size - 1, code)
    if name != columns.COHORT:  # a row without a cohort would be a 17th
        indices = pa.array(code, pa.int32(), mask=rng.random(n) < NULLS)
    else:
        indices = pa.array(code, pa.int32())
    names = pa.array([f"{name} {i:0{len(str(size))}}" for i in range(size)])
    return pa.DictionaryArray.from_arrays(indices, names).cast(pa.string())


if __name__ == "__main__":
    _, _folder, _table, _rows, _days, _seed = sys.argv
    make(Path(_folder), _table, rows=int(_rows), days=int(_days), seed=int(_seed))

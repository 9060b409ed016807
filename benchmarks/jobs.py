"""The jobs, and who does each of them."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.environments import OURS

Table = str  # baseline, window or log


@dataclass(frozen=True, kw_only=True)
class System:
    """Who does a job, and how.

    Attributes
    ----------
    name : str
        As it stands in the results.
    environment : str
        Where it is installed.
    command : tuple of str
        What is run: a script of `systems`, or ``-m`` and a module with its arguments.
    most : int
        Runs at most, for one that takes long.
    copies : str or None
        What is copied into its folder before each run.
    cold : bool
        Whether it begins without compiled kernels.
    rows : str or None
        The table it reads, where that is not the job's.
    """

    name: str
    environment: str
    command: tuple[str, ...]
    most: int = 99
    copies: str | None = None
    cold: bool = False
    rows: Table | None = None

    @property
    def ours(self) -> bool:
        return self.environment == OURS


@dataclass(frozen=True, kw_only=True)
class Job:
    """Some work that several systems do.

    Attributes
    ----------
    rows : str
        The table that is read.
    reference : str
        The system that ratios are taken to.
    needs : tuple of str
        What is prepared before.
    check : str or None
        A script that looks at what was computed.
    """

    id: str
    title: str
    rows: Table
    reference: str
    systems: tuple[System, ...]
    needs: tuple[str, ...] = ()
    check: str | None = None


DECODING = "pyarrow, decoding only"
BACKFILL = ("-m", "monitor", "backfill", "-c", "monitor.yaml")
DRIFTLINE = "Driftline"

J1 = Job(
    id="J1",
    title="Profile a table of 40 columns in Parquet",
    rows="window",
    reference="DuckDB SUMMARIZE",
    needs=("stored",),
    check="check_counts.py",
    systems=(
        System(
            name="Driftline, its kernels compiled first", environment=OURS,
            command=("profile_driftline.py",), cold=True, most=1,
        ),
        System(name=DRIFTLINE, environment=OURS, command=("profile_driftline.py",)),
        System(
            name="Driftline, grids made too", environment=OURS, command=("accept_driftline.py",)
        ),
        System(name="DuckDB SUMMARIZE", environment="duckdb", command=("profile_duckdb.py",)),
        System(name="polars describe", environment="polars", command=("profile_polars.py",)),
        System(
            name="pandas describe", environment="pandas", command=("profile_pandas.py",), most=2
        ),
        System(name="whylogs", environment="whylogs", command=("profile_whylogs.py",), most=2),
        System(name=DECODING, environment=OURS, command=("decode.py",)),
    ),
)  # fmt: skip
J2 = Job(
    id="J2",
    title="Drift of 40 columns, a table against a baseline of as many rows",
    rows="window",
    reference="SciPy loop",
    needs=("stored",),
    check="check_drift.py",
    systems=(
        System(name=DRIFTLINE, environment=OURS, command=("drift_driftline.py",)),
        System(
            name="Driftline, baseline built too", environment=OURS,
            command=("drift_driftline_cold.py",),
        ),
        System(name="SciPy loop", environment="scipy", command=("drift_scipy.py",), most=3),
        System(name="NannyML", environment="nannyml", command=("drift_nannyml.py",), most=3),
        System(
            name="Evidently (KS)", environment="evidently", command=("drift_evidently.py",), most=2
        ),
        System(
            name="Evidently (KS), no report", environment="evidently",
            command=("drift_evidently.py", "no report"), most=2,
        ),
        System(name="whylogs", environment="whylogs", command=("drift_whylogs.py",), most=2),
    ),
)  # fmt: skip
J3 = Job(
    id="J3",
    title="Backfill a log by day, 40 columns, everybody and 16 cohorts",
    rows="log",
    reference=DECODING,
    needs=("daily",),
    check="check_backfill.py",
    systems=(
        System(name=DRIFTLINE, environment=OURS, command=BACKFILL, copies="daily", most=3),
        System(name=DECODING, environment=OURS, command=("decode.py", "and time"), most=3),
        System(
            name=f"{DECODING}, one thread", environment=OURS,
            command=("decode.py", "and time", "one thread"), most=3,
        ),
        System(name="NannyML", environment="nannyml", command=("backfill_nannyml.py",), most=2),
        System(name="whylogs", environment="whylogs", command=("backfill_whylogs.py",), most=1),
        System(name="SciPy loop", environment="scipy", command=("backfill_scipy.py",), most=1),
        System(
            name="Evidently (KS)", environment="evidently", command=("backfill_evidently.py",),
            most=1,
        ),
    ),
)  # fmt: skip
J4 = Job(
    id="J4",
    title="The last 7 days at every hour of a log, 40 columns",
    rows="log",
    reference="whylogs",
    needs=("hourly", "rolled"),
    check="check_rolling.py",
    systems=(
        System(
            name=DRIFTLINE, environment=OURS, command=("rolling_driftline_all.py",),
            copies="hourly", most=2,
        ),
        System(
            name="Driftline, from stored counts", environment=OURS,
            command=("rolling_driftline.py",), copies="rolled", most=3,
        ),
        System(name="whylogs", environment="whylogs", command=("rolling_whylogs.py",), most=1),
        System(name="NannyML", environment="nannyml", command=("rolling_nannyml.py",), most=1),
        System(name="SciPy loop", environment="scipy", command=("rolling_scipy.py",), most=1),
    ),
)  # fmt: skip
J5 = Job(
    id="J5",
    title="Read 45 columns from PostgreSQL and profile them",
    rows="window",
    reference="connectorx, reading only",
    needs=("stored", "postgres"),
    check="check_counts.py",
    systems=(
        System(name=DRIFTLINE, environment=OURS, command=("sql_driftline.py", "postgres")),
        System(
            name="connectorx, reading only", environment="connectorx",
            command=("sql_connectorx.py", "postgres"),
        ),
        System(
            name="ADBC, reading only", environment="adbc", command=("sql_adbc.py", "postgres"),
            most=3,
        ),
        System(
            name="pandas, reading only", environment="pandas",
            command=("sql_pandas.py", "postgres"), most=1,
        ),
        System(name="COPY, undecoded", environment=OURS, command=("sql_copy.py",), most=3),
    ),
)  # fmt: skip
J5_SQLITE = Job(
    id="J5-sqlite",
    title="Read 45 columns from SQLite and profile them",
    rows="window",
    reference="connectorx, reading only",
    needs=("stored", "sqlite"),
    check="check_counts.py",
    systems=(
        System(name=DRIFTLINE, environment=OURS, command=("sql_driftline.py", "sqlite")),
        System(
            name="connectorx, reading only", environment="connectorx",
            command=("sql_connectorx.py", "sqlite"),
        ),
        System(
            name="ADBC, reading only", environment="adbc", command=("sql_adbc.py", "sqlite"), most=2
        ),
        System(
            name="pandas, reading only", environment="pandas", command=("sql_pandas.py", "sqlite"),
            most=1,
        ),
    ),
)  # fmt: skip
MEMORY = Job(
    id="memory",
    title="Peak memory of a backfill as its log grows",
    rows="log",
    reference="Driftline, the window's rows",
    needs=("daily", "daily-few"),
    systems=(
        System(
            name="Driftline, the window's rows", environment=OURS, command=BACKFILL,
            copies="daily-few", rows="window", most=3,
        ),
        System(
            name="Driftline, the log's rows", environment=OURS, command=BACKFILL, copies="daily",
            most=2,
        ),
    ),
)  # fmt: skip
JOBS = (J1, J2, J3, J4, J5, J5_SQLITE, MEMORY)

import polars as pl
from task import ASKED, answer

names = [*ASKED["numeric"], *ASKED["categorical"]]
found = pl.scan_parquet(f"{ASKED['rows']}/*.parquet").select(names).describe()
answer(columns=found.width - 1)

import duckdb
from task import ASKED, answer

names = ", ".join([*ASKED["numeric"], *ASKED["categorical"]])
found = duckdb.sql(f"SUMMARIZE SELECT {names} FROM '{ASKED['rows']}/*.parquet'").fetchall()
answer(rows=found[0][10], columns=len(found))

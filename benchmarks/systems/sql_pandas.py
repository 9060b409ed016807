import pandas as pd
from sqlalchemy import create_engine
from task import ASKED, answer

url = ASKED["url"] if "postgres" in ASKED["how"] else f"sqlite:///{ASKED['sqlite']}"
table = pd.read_sql(f"SELECT {', '.join(ASKED['every'])} FROM predictions", create_engine(url))
answer(rows=len(table), columns=table.shape[1])

import connectorx
from task import ASKED, answer

url = f"sqlite://{ASKED['sqlite']}"
if "postgres" in ASKED["how"]:
    folder = ASKED["url"].partition("host=")[2]
    url = f"postgresql://postgres@{folder}/{ASKED['url'].partition('@/')[2].partition('?')[0]}"
columns = ", ".join(ASKED["every"])
table = connectorx.read_sql(url, f"SELECT {columns} FROM predictions", return_type="arrow")
answer(rows=table.num_rows, columns=table.num_columns)

from task import ASKED, answer

if "postgres" in ASKED["how"]:
    from adbc_driver_postgresql.dbapi import connect

    url = ASKED["url"].replace("+psycopg", "")
else:
    from adbc_driver_sqlite.dbapi import connect

    url = ASKED["sqlite"]
with connect(url) as connection, connection.cursor() as cursor:
    cursor.execute(f"SELECT {', '.join(ASKED['every'])} FROM predictions")
    table = cursor.fetch_arrow_table()
answer(rows=table.num_rows, columns=table.num_columns)

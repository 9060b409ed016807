"""The floor under reading from PostgreSQL: its binary copy, taken and thrown away."""

import psycopg
from task import ASKED, answer

columns = ", ".join(ASKED["every"])
size = 0
statement = f"COPY (SELECT {columns} FROM predictions) TO STDOUT (FORMAT BINARY)"
with (
    psycopg.connect(ASKED["url"].replace("+psycopg", "")) as connection,
    connection.cursor() as cursor,
    cursor.copy(statement) as rows,
):
    for block in rows:
        size += len(block)
answer(bytes=size)

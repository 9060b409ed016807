"""A PostgreSQL that holds the window's rows; its CPU is its own, not that of who reads from it.

    python -m benchmarks.server WINDOW

prints its URL as a line of JSON when all rows are in, and serves until its standard input ends.
"""

from __future__ import annotations

import json
import sys

from benchmarks.prepare import load_postgres
from tests.support.postgres import running_postgres


def main() -> None:
    with running_postgres() as server, server.database() as url:
        load_postgres(url, sys.argv[1])
        print(json.dumps({"url": url}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()

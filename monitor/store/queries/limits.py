"""Which limits were reached of late, from what is counted with every window."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from sqlalchemy import Connection, func, select

from monitor.config import Limits
from monitor.config.reached import reached
from monitor.store import baselines
from monitor.store.tables import windows
from profiles.limits import ROW_TOO_LARGE

_LATELY = timedelta(days=1)


def reached_lately(connection: Connection, name: str, limits: Limits) -> tuple[str, ...]:
    """Say which limits a model's windows of the last day have reached, and its baseline."""
    mine = (windows.c.model == name, windows.c.revision > 0)
    last = connection.scalar(select(func.max(windows.c.start)).where(*mine))
    if last is None:
        return ()
    wanted = select(windows.c.cut, windows.c.rejected).where(
        *mine, windows.c.start > last - _LATELY
    )
    large, cut = 0, {limit: Counter[str]() for limit in ("cohorts", "categories", "json_depth")}
    for row in connection.execute(wanted):
        large += (row.rejected or {}).get(ROW_TOO_LARGE, 0)
        for limit, rows in (row.cut or {}).items():
            if limit in cut:
                cut[limit].update(rows)
    columns = baselines.cut(connection, name).get("columns", {})
    found = {**{limit: dict(sorted(of.items())) for limit, of in cut.items()}, "columns": columns}
    return tuple(reached(limits, found, large=large, of="of the last day"))

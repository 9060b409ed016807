"""Read a table through the product's own source and profile it on stored grids."""

from datetime import datetime, timedelta

import stored
from task import ASKED, answer

from monitor.config import Model
from monitor.sources import open_log
from profiles.counting import profile
from profiles.windows import Window

url = ASKED["url"] if "postgres" in ASKED["how"] else f"sqlite:///{ASKED['sqlite']}"
model = Model.model_validate(
    {
        "source": url,
        "log": {"table": "predictions", "time": ASKED["time"], "id": "id", "version": "version"},
        "baseline": {"table": "predictions"},
        "prediction": {"kind": "binary", "score": "score"},
    }
)
plan = stored.plan(ASKED["stored"], [*ASKED["numeric"], *ASKED["categorical"], "score", "label"])
start, end = (datetime.fromisoformat(ASKED[edge]) for edge in ("start", "end"))
span = Window(start=start, end=end + timedelta(hours=1))  # the last row lies just after
with open_log(model) as log:
    (everybody,) = profile(plan, (batch.rows for batch in log.batches(span)))
answer(rows=int(everybody.rows[0]), counts=stored.digests(everybody))

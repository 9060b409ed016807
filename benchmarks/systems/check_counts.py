"""Every bin of every column that was counted has just the rows that numpy finds in it."""

import stored
from counted import counted
from task import ASKED, answer

outputs = {name: of["counts"] for name, of in ASKED["outputs"].items() if "counts" in of}
columns = sorted({column for of in outputs.values() for column in of})
expected = counted(ASKED["rows"], stored.plan(ASKED["stored"], columns))
wrong = [
    f"{system}: {column}"
    for system, of in outputs.items()
    for column, digest in of.items()
    if digest != expected[column]
]
answer(
    held=bool(outputs) and not wrong,
    says=f"counts differ in {', '.join(wrong)}" if wrong
    else f"the counts of {len(columns)} columns are exact, bin by bin",
)  # fmt: skip

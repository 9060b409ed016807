"""Many windows in one pass, and what is too many for a group of its own."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from profiles import counting
from profiles.baseline import accept
from profiles.counting import profile, profile_windows
from profiles.errors import InvalidWindow
from profiles.kernel import compiled, plain
from profiles.profile import MAX_KNOWN_GROUPS
from profiles.windows import Window
from tests.support.profiles import assert_same

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURS = [Window(start=START + k * HOUR, end=START + (k + 1) * HOUR) for k in (0, 1, 2, 5, 6)]


def rows(n: int, seed: int) -> pa.RecordBatch:
    rng = np.random.default_rng(seed)
    hours = rng.choice([0, 1, 2, 6], n)  # the window of hour 5 is empty
    seconds = hours * 3600 + rng.integers(0, 3600, n)
    moments = [START + timedelta(seconds=int(s)) for s in seconds]
    return pa.record_batch(
        {
            "at": pa.array(moments, pa.timestamp("us", "UTC")),
            "amount": pa.array(np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))),
            "colour": rng.choice(["red", "green", "blue", "new"], n),
            "region": rng.choice(["n", "s", "e"], n),
        }
    )  # fmt: skip


BASE = accept(
    [rows(500, 1).filter(pa.compute.not_equal(rows(500, 1)["colour"], "new"))],
    skip=["at"],
    dimensions=(("region",), ("region", "colour")),
)


@pytest.mark.parametrize("kernel", [compiled, plain], ids=["compiled", "plain"])
def test_windows_profiled_together_are_those_profiled_one_by_one(
    kernel: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "kernel", lambda: kernel)
    batches = [rows(n, seed) for n, seed in ((700, 2), (1, 3), (300, 4))]
    together = profile_windows(BASE.plan, batches, HOURS, time="at")
    assert [int(parts[0].rows[0]) for parts in together][3] == 0
    for window, parts in zip(HOURS, together, strict=True):
        alone = [batch.filter(inside(batch, window)) for batch in batches]
        for part, other in zip(parts, profile(BASE.plan, alone), strict=True):
            assert_same(part, other)


def inside(batch: pa.RecordBatch, window: Window) -> pa.Array:
    return pa.array([window.start <= at < window.end for at in batch["at"].to_pylist()])


def test_both_kernels_give_the_same_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    batches, found = [rows(400, 5), rows(400, 6)], []
    for kernel in (compiled, plain):
        monkeypatch.setattr(counting, "kernel", lambda kernel=kernel: kernel)
        found.append(profile(BASE.plan, batches))
    for part, other in zip(*found, strict=True):
        assert_same(part, other)


def test_a_row_outside_all_windows_is_an_error_and_not_lost_in_silence() -> None:
    with pytest.raises(InvalidWindow, match="none of the windows"):
        profile_windows(BASE.plan, [rows(50, 7)], HOURS[:2], time="at")
    with pytest.raises(InvalidWindow, match="none of the windows"):
        profile_windows(BASE.plan, [rows(50, 7)], HOURS[1:], time="at")


def test_cohorts_of_the_baseline_keep_their_groups_and_a_new_one_is_told_as_new() -> None:
    batch = pa.record_batch({"region": ["n", "s", "w", None], "amount": [1.0, 2.0, 3.0, 4.0]})
    by_region = profile(BASE.plan, [batch])[1]
    assert by_region.groups == (("(missing)",), ("n",), ("s",), ("w",))
    assert by_region.new == {("(missing)",), ("w",)}


def test_the_largest_cohorts_of_a_baseline_have_a_group_of_their_own() -> None:
    users = [f"user {i}" for i in range(3 * MAX_KNOWN_GROUPS)] + ["user 2999"] * 2
    rows = pa.record_batch({"user": users, "x": np.arange(len(users)) % 7})
    known = accept([rows], dimensions=(("user",),)).plan.known["user",]
    assert len(known) == MAX_KNOWN_GROUPS
    assert ("user 2999",) in known


HOSTILE = r"""
import re, sys
from pathlib import Path
import numpy as np, pyarrow as pa
from profiles.baseline import accept
from profiles.codec import encode, decode
from profiles.counting import profile

def same(part, rows):
    assert part.rows.sum() == rows, part.rows.sum()
    for column in part.columns.values():
        assert (column.counts.sum(axis=1) == part.rows).all()
    assert decode(encode(part)).rows.sum() == rows

rng = np.random.default_rng(0)
if sys.argv[1] == "categories":
    base = [pa.record_batch({"word": rng.integers(0, 300, 20_000).astype(str)})]
    plan = accept(base, overrides={"word": "categorical"}).plan
    words = (pa.record_batch({"word": np.arange(k, k + 50_000).astype(str)})
             for k in range(0, 1_000_000, 50_000))
    found = profile(plan, words)[0]
    same(found, 1_000_000)
    assert abs(found.unseen["word"].distinct / (1_000_000 - 300) - 1) < 0.1
elif sys.argv[1] == "columns":
    names = [f"c{i}" for i in range(10_000)]
    batch = pa.RecordBatch.from_arrays([pa.array(rng.normal(size=1_000)) for _ in names], names)
    plan = accept([batch]).plan
    for part in profile(plan, [batch, batch]):
        same(part, 2_000)
else:
    users = lambda k: np.char.add("user ", np.arange(k, k + 50_000).astype(str))
    base = pa.record_batch({"user": users(0), "x": rng.normal(size=50_000)})
    plan = accept([base], dimensions=(("user",),), overrides={"user": "ignore"}).plan
    window = (pa.record_batch({"user": users(k), "x": rng.normal(size=50_000)})
              for k in (25_000, 75_000))
    for part in profile(plan, window):
        same(part, 100_000)
peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
print(int(peak[1]) // 1024)
"""


@pytest.mark.parametrize("what", ["categories", "columns", "cohorts"])
def test_a_million_categories_ten_thousand_columns_or_a_hundred_thousand_cohorts_fit(
    what: str,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE, what], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1_000  # megabytes at the peak, of the whole process

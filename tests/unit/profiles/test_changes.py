"""What a window shows of its columns, however its rows come."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.baseline import Baseline, accept
from profiles.changes import MOST_NEW, Changes, Looked, Retyped, counted_of, without
from profiles.counting import profile

ROWS = 1_000


def baseline(**columns: Sequence[Any]) -> Baseline:
    rng = np.random.default_rng(1)
    usual = {
        "fare": rng.normal(90, 20, ROWS),
        "carrier": rng.choice(["UA", "DL"], ROWS),
        "paid": rng.random(ROWS) < 0.5,
    }
    return accept([pa.record_batch({**usual, **columns})])


def rows(n: int, **columns: Sequence[Any] | None) -> pa.RecordBatch:
    """Return rows as the baseline has them, but for some columns; None takes one away."""
    usual: dict[str, Any] = {
        "fare": np.linspace(60, 120, n), "carrier": ["UA"] * n, "paid": [True] * n,
    }  # fmt: skip
    return pa.record_batch({k: v for k, v in {**usual, **columns}.items() if v is not None})


def changes(of: Baseline, *batches: pa.RecordBatch, certain: bool = False, **more: Any) -> Changes:
    looked = Looked(of, 1)
    for batch in batches:
        looked.look(batch, np.zeros(batch.num_rows, np.int64), **more)
    return looked.of(0, profile(of.plan, batches)[0], certain=certain)


BASELINE = baseline()


def test_rows_like_the_baseline_show_no_change():
    found = changes(BASELINE, rows(50))
    assert found == Changes()
    assert found.to_record() is None
    assert Changes.from_record(None) == found


def test_a_window_without_a_row_shows_nothing():
    assert changes(BASELINE, rows(0, fare=None)) == Changes()


@pytest.mark.parametrize(("n", "gone"), [(1, False), (2, True), (50, True)])
def test_a_column_that_no_row_has_is_gone_once_that_is_no_chance(n, gone):
    found = changes(BASELINE, rows(n, fare=None))
    assert found == (Changes(missing=("fare",)) if gone else Changes(unsure=("fare",)))


def test_where_every_row_has_every_column_one_row_is_enough():
    assert changes(BASELINE, rows(1, fare=None), certain=True).missing == ("fare",)


def test_a_column_that_is_usually_rare_is_missed_only_by_many_rows():
    rare = [1.0 * i if i % 20 == 0 else None for i in range(ROWS)]  # 95 % lack it
    of = baseline(tip=rare)
    assert changes(of, rows(200)) == Changes(unsure=("tip",))
    assert changes(of, rows(400)) == Changes(missing=("tip",))


def test_a_column_that_is_null_everywhere_is_not_gone():
    assert changes(BASELINE, rows(50, fare=pa.nulls(50))) == Changes(unsure=("fare",))


def test_a_key_that_all_rows_lack_is_gone_though_others_of_the_batch_had_it_as_null():
    batch = rows(60, fare=pa.nulls(60))
    lacking = {"fare": np.arange(60) < 30}
    looked = Looked(BASELINE, 2)
    looked.look(batch, np.repeat([0, 1], 30), lacking)
    parts = [profile(BASELINE.plan, [batch.slice(at, 30)])[0] for at in (0, 30)]
    assert looked.of(0, parts[0], certain=False) == Changes(missing=("fare",))
    assert looked.of(1, parts[1], certain=False) == Changes(unsure=("fare",))


@pytest.mark.parametrize(
    ("column", "values", "was", "now"),
    [
        ("fare", ["12 EUR"] * 50, "a number", "text"),
        ("fare", [True] * 50, "a number", "true or false"),
        ("carrier", [7] * 50, "text", "a number"),
        ("paid", [1] * 50, "true or false", "a number"),
        ("carrier", pa.array([[1]] * 50), "text", "a list"),
        ("fare", pa.array([0] * 50, pa.timestamp("us", "UTC")), "a number", "a time"),
    ],
)
def test_values_of_another_type_are_told_with_both(column, values, was, now):
    found = changes(BASELINE, rows(50, **{column: values}))
    assert found == Changes(retyped={column: Retyped(was=was, now=(now,))})


def test_an_integer_in_place_of_a_float_can_be_counted():
    assert changes(BASELINE, rows(50, fare=[90] * 50)) == Changes()


@pytest.mark.parametrize(("texts", "told"), [(2, False), (3, True)])
def test_three_rows_of_another_type_are_told_where_the_baseline_has_none(texts, told):
    parts = [rows(50 - texts), rows(texts, fare=["x"] * texts)]
    assert bool(changes(BASELINE, *parts).retyped) == told


def test_a_type_that_the_baseline_had_too_is_told_only_where_nothing_else_comes():
    mixed = [pa.record_batch({"fare": [1.0, 2.0] * 480}), pa.record_batch({"fare": ["?"] * 40})]
    of = accept(mixed)
    one, other = pa.record_batch({"fare": [1.0] * 30}), pa.record_batch({"fare": ["?"] * 30})
    assert changes(of, one, other) == Changes()
    assert changes(of, other).retyped == {"fare": Retyped(was="a number", now=("text",))}


def test_what_is_derived_of_a_column_goes_with_it():
    words = pa.record_batch({"comment": ["a word " * (i % 7) for i in range(ROWS)]})
    of = accept([words], overrides={"comment": "text"})
    found = changes(of, rows(50))
    assert found.missing == ("comment",)
    derived = {name for name in of.plan.grids if name.startswith("comment.")}
    assert counted_of(of, found.missing) == {"comment", *derived}


def test_a_new_column_is_told_once_it_has_a_value():
    assert changes(BASELINE, rows(3, more=pa.nulls(3))) == Changes()
    assert changes(BASELINE, rows(3, more=[None, 1, None])) == Changes(new=("more",))


def test_of_very_many_new_columns_a_sample_is_told_that_does_not_depend_on_the_batches():
    each = [rows(1, **{f"key{i}": [1]}) for i in range(5 * MOST_NEW)]
    found = changes(BASELINE, *each)
    assert len(found.new) == MOST_NEW
    assert changes(BASELINE, *each[::-1]) == found


def test_without_a_column_it_is_as_if_it_had_not_been_asked_for():
    whole = profile(BASELINE.plan, [rows(50)])[0]
    found = without(whole, {"fare"})
    assert not found.columns["fare"].counts.any()
    assert found.columns["carrier"] is whole.columns["carrier"]
    assert found.rows.tolist() == [50]
    assert without(whole, ()) is whole


VALUES = st.one_of(st.none(), st.floats(0, 100), st.text(max_size=2), st.booleans())
KEYED = st.lists(
    st.dictionaries(st.sampled_from(["fare", "carrier", "x", "y"]), VALUES), min_size=1, max_size=12
)


@given(KEYED, st.randoms(use_true_random=False))
def test_it_is_a_function_of_the_rows_in_any_order_and_batches(keyed, random):
    shuffled = random.sample(keyed, len(keyed))
    cut = random.randint(0, len(keyed))
    found = _of_payloads([keyed])
    assert _of_payloads([shuffled[:cut], shuffled[cut:]]) == found
    assert Changes.from_record(json.loads(json.dumps(found.to_record()))) == found


def _of_payloads(parts: list[list[dict[str, Any]]]) -> Changes:
    from monitor.sources.rows import Rows, Shape, batches_of

    looked, batches = Looked(BASELINE, 1), []
    for part in filter(None, parts):
        columns = {"payload": [json.dumps(row) for row in part]}
        (batch,) = batches_of(Rows(columns=columns, count=len(part)), Shape(payload="payload"))
        looked.look(batch.rows, np.zeros(len(part), np.int64), batch.absent)
        batches.append(batch.rows)
    return looked.of(0, profile(BASELINE.plan, batches)[0], certain=False)

"""A baseline of more rows than are held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from profiles import survey
from profiles.baseline import accept
from profiles.grids import CategoricalGrid, NumericGrid
from profiles.survey import Survey
from profiles.values import PRESENT
from tests.support.profiles import union

STEP = 1_000


class Table:
    """Rows that are made at every reading; they are never all in memory."""

    def __init__(self, rows: int) -> None:
        self.rows, self.read = rows, 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        self.read += 1
        for start in range(0, self.rows, STEP):
            at = np.arange(start, start + STEP)
            rng = np.random.default_rng(start)
            amount = np.where(at == 17, -900.0, rng.normal(size=STEP))
            yield pa.record_batch(
                {
                    "amount": pa.array(np.where(at == self.rows - 1, 900.0, amount)),
                    "colour": np.where(at == self.rows // 2, "rare", rng.choice(["a", "b"], STEP)),
                    "code": np.where(at == 23, 99, at % 3),
                    "user": np.where(at % 100 == 0, "z", "n"),
                    "note": [f"{'a word, ' * (k % 7)}row {k}" for k in at.tolist()],
                }
            )


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "SAMPLE", 4_000)


def test_few_rows_are_read_once() -> None:
    table = Table(5_000)
    assert accept(table).rows == 5_000
    assert table.read == 1


@pytest.mark.usefixtures("few")
def test_many_rows_are_counted_all_and_sampled_for_their_grids() -> None:
    table = Table(40_000)
    found = accept(
        table, dimensions=(("user",),), overrides={"code": "categorical", "note": "text"}
    )
    assert table.read == 2
    assert found.rows == 40_000
    amount, colour, code = (found.plan.grids[name] for name in ("amount", "colour", "code"))
    assert isinstance(amount, NumericGrid)
    assert (amount.low, amount.high) == (-900.0, 900.0)  # no sample is sure to have them
    counts = found.profiles[0].columns["amount"].counts[0, : amount.values]
    assert counts.max() < 3 * 40_000 / 200
    assert isinstance(colour, CategoricalGrid)
    assert set(colour.categories) == {"a", "b", "rare"}
    assert isinstance(code, CategoricalGrid)
    assert set(code.categories) == {"0", "1", "2", "99"}
    assert found.along(("user",)).groups == (("n",), ("z",))
    for part in found.profiles:
        assert part.rows.sum() == 40_000
        for column in part.columns.values():
            assert (column.counts.sum(axis=1) == part.rows).all()
    assert found.kinds["note"].name == "text"
    assert int(found.profiles[0].columns["note.words"].counts[0, :-3].sum()) == 40_000


@pytest.mark.usefixtures("few")
def test_an_iterator_that_can_be_read_once_only_is_held() -> None:
    again, once = accept(Table(20_000)), accept(iter(Table(20_000)))
    assert {n: g.id for n, g in again.plan.grids.items()} == {
        n: g.id for n, g in once.plan.grids.items()
    }


@pytest.mark.usefixtures("few")
def test_every_row_is_as_likely_to_be_held() -> None:
    seen = Survey()
    for batch in Table(64_000):
        seen.add(batch)
    held = np.concatenate([part.to_numpy() for part in seen.column("code")])
    notes = [note for part in seen.column("note") for note in part.to_pylist()]
    where = np.array([int(note.split()[-1]) for note in notes])
    assert seen.rows == 64_000
    assert 3_000 < len(held) <= 8_000
    quarters = np.bincount(where // 16_000, minlength=4) / len(where)
    assert quarters == pytest.approx([0.25] * 4, abs=0.03)


def coded(batch: int) -> pa.DictionaryArray:
    """A column in a dictionary that changes every third batch and holds null, and a value twice."""
    first = "abc"[batch // 3 % 3]
    rng = np.random.default_rng(batch)
    index = pa.array(rng.integers(0, 5, STEP), pa.int32(), mask=rng.random(STEP) < 0.1)
    return pa.DictionaryArray.from_arrays(index, pa.array([first, "d", None, first, "e"]))


@pytest.mark.usefixtures("few")
def test_coded_text_is_what_the_same_text_is_uncoded() -> None:
    columns = [coded(batch) for batch in range(20)]
    plain = [column.dictionary_decode() for column in columns]
    seen = Survey()
    for column in columns:
        seen.add(pa.record_batch({"c": column}))
    assert not seen.whole
    texts = [text for column in plain for text in column.to_pylist() if text is not None]
    assert seen.categories("c", "string") == Counter(texts)
    one, other = (
        accept([pa.record_batch({"c": column}) for column in part]) for part in (columns, plain)
    )
    assert one.kinds == other.kinds
    assert one.plan.grids["c"].id == other.plan.grids["c"].id
    assert (one.profiles[0].columns["c"].counts == other.profiles[0].columns["c"].counts).all()


@pytest.mark.usefixtures("few")
def test_what_is_no_number_is_no_extreme() -> None:
    strange = pa.record_batch({"x": union([5.0, "text", None, 7.0]), "y": [np.inf, np.nan, 3, 4]})
    plain = pa.record_batch({"x": np.full(STEP, 6.0), "y": np.full(STEP, np.nan)})
    seen = Survey()
    for batch in (strange, *[plain] * 20, strange):
        seen.add(batch)
    for name, ends in (("x", [5.0, 7.0]), ("y", [3.0, 4.0])):
        extremes = seen.numbers(name)[-1]
        assert extremes.values.tolist() == ends
        assert (extremes.mark == PRESENT).all()


@pytest.mark.usefixtures("few")
def test_of_too_many_categories_those_of_the_sample_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(survey, "_MOST_NAMES", 2_000)
    seen = Survey()
    for start in range(0, 20_000, STEP):
        seen.add(pa.record_batch({"c": [f"id {k}" for k in range(start, start + STEP)]}))
    held = sum(batch.num_rows for batch in seen.sample)
    assert sum(seen.categories("c", "string").values()) == held < 20_000

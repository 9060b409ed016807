"""Whether the daemon is alive, by signs that a test gives."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.retry import LONGEST, SPREAD, wait_after
from monitor.vitals import SILENCE, Vitals

POLL = timedelta(seconds=30)
CYCLES = 2 * POLL.total_seconds()


class Ticks:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def vitals(ticks: Ticks) -> Vitals:
    made = Vitals(["a", "b"], poll=POLL, ticks=ticks)
    made.began()
    return made


def a_round(vitals: Vitals, *models: str) -> None:
    vitals.pulse()
    vitals.store_works("watch")
    for model in models:
        vitals.looks(model)
        vitals.looked(model, ok=True, wait=POLL)


def test_what_has_not_begun_is_not_alive(ticks: Ticks) -> None:
    assert Vitals(["a"], ticks=ticks).health().why == "it has not begun"


def test_it_is_alive_at_once_and_ready_after_every_model_was_looked_at(vitals: Vitals) -> None:
    assert vitals.health().alive
    a_round(vitals, "a")
    assert not vitals.health().ready
    assert not vitals.round_done()
    a_round(vitals, "b")
    assert vitals.health().ready
    assert vitals.round_done()


def test_a_scheduler_that_stopped_is_noticed_within_two_cycles(
    vitals: Vitals, ticks: Ticks
) -> None:
    a_round(vitals, "a", "b")
    ticks.at += CYCLES
    assert vitals.health().alive
    ticks.at += 1
    for model in ("a", "b"):
        vitals.beat(model)  # whatever else goes on
    vitals.store_works("delivery")
    assert vitals.health().why == "the scheduler has stopped"
    assert not vitals.round_done()


def test_a_long_catch_up_is_alive_and_one_that_gives_no_sign_is_not(
    vitals: Vitals, ticks: Ticks
) -> None:
    vitals.looks("a")
    for _ in range(100):
        ticks.at += 60
        vitals.beat("a")
        a_round(vitals)
        assert vitals.health().alive
    assert vitals.silent_for("a") == timedelta(0)
    ticks.at += SILENCE.total_seconds() + CYCLES + 1
    a_round(vitals)
    assert vitals.health().why == "no look at a model has ended"
    assert vitals.silent_for("a") == SILENCE + timedelta(seconds=CYCLES + 1)


def test_one_model_that_hangs_keeps_the_heartbeat_in_and_the_others_alive(
    vitals: Vitals, ticks: Ticks
) -> None:
    a_round(vitals, "a", "b")
    vitals.looks("a")
    for _ in range(40):
        ticks.at += 30
        a_round(vitals, "b")
    assert vitals.health().alive
    assert not vitals.round_done()


def test_a_store_that_fails_is_told_once_and_so_is_that_it_works_again(
    vitals: Vitals, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("watch", "a", "watch"):
        vitals.store_fails(part, "database is locked")
        assert vitals.health().why == "the results database cannot be written"
    vitals.store_works("watch")
    assert not vitals.health().alive  # a can write nothing yet
    vitals.store_works("a")
    assert vitals.health().alive
    said = capsys.readouterr()
    assert (said.out + said.err).count("store.failed") == 1
    assert (said.out + said.err).count("store.recovered") == 1


def test_a_store_that_hangs_is_noticed_within_two_cycles(vitals: Vitals, ticks: Ticks) -> None:
    ticks.at += CYCLES + 1
    vitals.pulse()
    assert vitals.health().why == "the results database cannot be written"


def test_waits_double_to_a_quarter_of_an_hour_and_go_back_at_once() -> None:
    waits = [wait_after(n, poll=POLL, chance=0) for n in range(1, 9)]
    assert waits == [min(POLL * 2**n, LONGEST) for n in range(8)]
    assert wait_after(0, poll=POLL, chance=1) == POLL
    assert wait_after(10_000, poll=POLL, chance=1) == LONGEST * (1 + SPREAD)
    assert wait_after(5, poll=2 * LONGEST, chance=0) == 2 * LONGEST

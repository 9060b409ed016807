"""Signs of life: what the daemon's jobs leave behind as they run, and what follows from it.

Kept in memory and never asked of a database, so that it can be told while one hangs. Ages are
counted on a clock that never jumps.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import structlog

log = structlog.get_logger()

SHORTEST = timedelta(seconds=10)  # a machine may be busy for so long
SILENCE = timedelta(minutes=15)  # a look that gives no sign for longer hangs


@dataclass
class Sign:
    """What was last heard of one model."""

    at: float | None = None  # of any sign: a look ended, or rows were read in one
    looked: float | None = None  # when a look last ended, also one that failed
    busy: bool = False
    ok: bool = True  # whether that look could read the log
    watermark: datetime | None = None
    due: float | None = None  # when the next look should begin


@dataclass(frozen=True, kw_only=True)
class ModelHealth:
    name: str
    look_age_s: float | None  # since a look last ended
    watermark: datetime | None
    readable: bool  # as far as the last look tells


@dataclass(frozen=True, kw_only=True)
class Health:
    """Whether the daemon is alive; `why` says what is wrong where it is not.

    Attributes
    ----------
    ready : bool
        Every model was looked at once, and the store can be written.
    """

    alive: bool
    ready: bool
    why: str | None
    scheduler_age_s: float | None
    store_age_s: float | None
    models: tuple[ModelHealth, ...] = ()


class Vitals:
    """Signs of life of one daemon; used by all its threads.

    Parameters
    ----------
    models : iterable of str
    poll : timedelta
        How often the scheduler gives a sign, and each model is looked at.
    ticks : callable
        Seconds that never jump.
    """

    def __init__(
        self,
        models: Iterable[str] = (),
        *,
        poll: timedelta = timedelta(seconds=30),
        ticks: Callable[[], float] = monotonic,
    ) -> None:
        self._ticks = ticks
        self._late = max(2 * poll, SHORTEST).total_seconds()
        self._signs = {name: Sign() for name in models}
        self._pulse: float | None = None
        self._stored: float | None = None
        self._unusable: set[str] = set()
        self._lock = threading.Lock()

    def began(self) -> None:
        """Count from now: nothing is late yet."""
        self._pulse = self._stored = self._ticks()
        for sign in self._signs.values():
            sign.at = sign.due = self._pulse

    def pulse(self) -> None:
        """Note that the scheduler runs its jobs."""
        self._pulse = self._ticks()

    def looks(self, model: str) -> None:
        """Note that a look at a model begins."""
        sign = self._sign(model)
        sign.busy, sign.at = True, self._ticks()

    def beat(self, model: str) -> None:
        """Note that a look goes on: a long catch-up is alive."""
        self._sign(model).at = self._ticks()

    def looked(self, model: str, *, ok: bool, wait: timedelta) -> None:
        """Note that a look has ended, and that the next begins after a wait."""
        sign = self._sign(model)
        sign.at = sign.looked = self._ticks()
        sign.due = sign.at + wait.total_seconds()
        sign.busy, sign.ok = False, ok

    def watermark(self, model: str, at: datetime | None) -> None:
        self._sign(model).watermark = at

    def silent_for(self, model: str) -> timedelta | None:
        """Return for how long a look that is under way has given no sign; None without one."""
        sign = self._sign(model)
        if not sign.busy or sign.at is None:
            return None
        return timedelta(seconds=self._ticks() - sign.at)

    def store_fails(self, part: str, why: str) -> None:
        """Note that a part of the daemon could not write; told once, until all parts can again."""
        with self._lock:
            first = not self._unusable
            self._unusable.add(part)
        if first:
            log.error(
                "the results database cannot be used; nothing is lost, and what is due waits",
                action="store.failed", reason=why,
            )  # fmt: skip

    def store_works(self, part: str) -> None:
        """Note that a part of the daemon has written the store."""
        self._stored = self._ticks()
        with self._lock:
            known = bool(self._unusable)
            self._unusable.discard(part)
            last = known and not self._unusable
        if last:
            log.info("the results database can be used again", action="store.recovered")

    def round_done(self) -> bool:
        """Whether all is as it should be: every model is looked at in time, the store is written.

        A model whose log cannot be read is looked at too: that is told by an incident.
        """
        return self.health().alive and all(
            sign.looked is not None and not self._is_overdue(sign) for sign in self._signs.values()
        )

    def health(self) -> Health:
        why = self._trouble()
        looked = all(sign.looked is not None for sign in self._signs.values())
        return Health(
            alive=why is None,
            ready=looked and not self._unusable and not self._older(self._stored, self._late),
            why=why,
            scheduler_age_s=self._age_s(self._pulse),
            store_age_s=self._age_s(self._stored),
            models=tuple(
                ModelHealth(
                    name=name,
                    look_age_s=self._age_s(sign.looked),
                    watermark=sign.watermark,
                    readable=sign.ok,
                )
                for name, sign in self._signs.items()
            ),
        )

    def _age_s(self, at: float | None) -> float | None:
        return None if at is None else round(self._ticks() - at, 1)

    def _trouble(self) -> str | None:
        if self._pulse is None:
            return "it has not begun"
        if self._older(self._pulse, self._late):
            return "the scheduler has stopped"
        if self._unusable or self._older(self._stored, self._late):
            return "the results database cannot be written"
        heard = [sign.at for sign in self._signs.values() if sign.at is not None]
        if heard and self._older(max(heard), self._late + SILENCE.total_seconds()):
            return "no look at a model has ended"
        return None

    def _is_overdue(self, sign: Sign) -> bool:
        if sign.busy:
            return self._older(sign.at, SILENCE.total_seconds())
        return self._older(sign.due, self._late + SILENCE.total_seconds())  # or it queues

    def _older(self, at: float | None, limit_s: float) -> bool:
        return at is None or self._ticks() - at > limit_s

    def _sign(self, model: str) -> Sign:
        return self._signs.setdefault(model, Sign())

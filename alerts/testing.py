"""An outbox in memory, for tests of whatever delivers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from alerts.deliver import Outgoing

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(kw_only=True)
class Letter:
    """A message in the memory outbox, and what came of it."""

    message: Outgoing
    next_attempt: datetime | None
    sent_at: datetime | None = None
    reasons: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        if self.sent_at is not None:
            return "sent"
        return "dead" if self.next_attempt is None else "waiting"


class MemoryOutbox:
    """Keeps messages in the order they were put in; forgets nothing."""

    def __init__(self) -> None:
        self.letters: dict[str, Letter] = {}

    def put(self, message: Outgoing, *, at: datetime) -> None:
        self.letters.setdefault(message.id, Letter(message=message, next_attempt=at))

    def due(self, now: datetime) -> list[Outgoing]:
        return [
            letter.message
            for letter in self.letters.values()
            if letter.state == "waiting" and (letter.next_attempt or _NEVER) <= now
        ]

    def sent(self, id: str, at: datetime) -> None:  # noqa: A002
        letter = self._counted(id)
        letter.sent_at = at

    def failed(
        self,
        id: str,  # noqa: A002
        at: datetime,  # noqa: ARG002
        reason: str,
        next_attempt: datetime | None,
    ) -> None:
        letter = self._counted(id)
        letter.reasons.append(reason)
        letter.next_attempt = next_attempt

    def _counted(self, id: str) -> Letter:  # noqa: A002
        letter = self.letters[id]
        letter.message = replace(letter.message, attempts=letter.message.attempts + 1)
        return letter

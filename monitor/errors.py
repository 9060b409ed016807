"""What can go wrong in the monitor, and the exit code each ends a command with.

MonitorError            1
├── ConfigError         2  monitor.yaml, the environment or a flag is wrong
├── SourceError         3  the log or the baseline cannot be read
└── StoreError          4  the results database cannot be used
    └── StoreTooNew     4  it was written by a newer program
"""

from alerts.errors import AlertError
from profiles.errors import ProfileError


class MonitorError(Exception):
    """Base of all errors of this package; its text is one line for a person."""

    exit_code = 1


class ConfigError(MonitorError):
    """The configuration is wrong; `problems` holds every problem found, one line each."""

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class SourceError(MonitorError):
    """The log or the baseline cannot be read. Never holds a URL's password or a payload value."""

    exit_code = 3


class StoreError(MonitorError):
    """The results database cannot be used."""

    exit_code = 4


class StoreTooNew(StoreError):
    """The results database was written by a newer program."""


OURS = (MonitorError, AlertError, ProfileError)


def reason(error: Exception) -> str:
    """Say why something failed; a foreign error's text may hold a value, so only its type."""
    return str(error) if isinstance(error, OURS) else f"unexpected {type(error).__name__}"

"""Where a log lies: in a database, in a DuckDB file, or in files."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from monitor.config.models import files_of
from monitor.errors import SourceError
from monitor.sources.database import Database
from monitor.sources.duck import BEGINS, DuckDatabase


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files by their path, or by a pattern."""

    pattern: str

    def close(self) -> None:
        """Nothing is open."""

    def cancel(self) -> None:
        """No reading of a file takes long by itself."""


Origin = Database | DuckDatabase | Files


def connect(source: SecretStr) -> Origin:
    """Get ready to read what a source names; connects to nothing yet.

    Raises
    ------
    SourceError
        If it is nothing that can be read.
    """
    try:
        pattern = files_of(source)
    except ValueError as error:
        raise SourceError(f"source: {error}") from None
    if pattern is not None:
        return Files(pattern=pattern)
    if source.get_secret_value().startswith(BEGINS):
        return DuckDatabase(source.get_secret_value())
    return Database(source)

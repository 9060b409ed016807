"""Days that are like no other: of a country's calendar, and those that people name."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from datetime import date
from functools import cache
from typing import Any


def holiday(entry: object) -> str:
    """Return an entry as text: ``US``, ``US-NY``, or a day such as ``2026-12-24``.

    Raises
    ------
    ValueError
        If it is neither a day nor a country that is known.
    """
    text = str(entry).strip()
    if _day(text) is None:
        try:
            _of_country(text)
        except NotImplementedError:
            raise ValueError(
                f"{text!r} is no country that is known, and no day; "
                "write a country such as US or US-NY, or a day such as 2026-12-24"
            ) from None
    return text


class Calendar:
    """The holidays of a model, by the local clock.

    Parameters
    ----------
    entries : sequence of str
        As `holiday` gives them.
    """

    def __init__(self, entries: Sequence[str]) -> None:
        days = [(entry, _day(entry)) for entry in entries]
        self._days = {day for _, day in days if day is not None}
        self._countries: Collection[Container[Any]] = [
            _of_country(entry) for entry, day in days if day is None
        ]

    def __contains__(self, day: object) -> bool:
        return day in self._days or any(day in country for country in self._countries)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@cache
def _of_country(code: str) -> Container[Any]:
    import holidays  # few models need it

    country, _, part = code.partition("-")
    if country not in holidays.list_supported_countries():
        raise NotImplementedError(f"{country!r} is no country that is known")
    found: Container[Any] = holidays.country_holidays(country, subdiv=part or None)
    return found

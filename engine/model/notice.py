"""One message to people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """One message: a title, and facts as pairs of a name and a text."""

    title: str
    facts: tuple[tuple[str, str], ...]

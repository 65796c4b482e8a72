"""One message to people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """One message: a title, and what there is to know, each with its name."""

    title: str
    facts: tuple[tuple[str, str], ...]

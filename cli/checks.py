"""What the doctor says of one thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cli.plain import plain
from engine.errors import RekeyError


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    result: Literal["fine", "note", "finding"]
    what: str
    where: str = ""
    fix: str = ""


def finding(error: RekeyError, where: str = "") -> Check:
    """Return what an error means to whoever asked."""
    error = plain(error)
    place = ", ".join(dict.fromkeys(filter(None, (where, error.where))))
    return Check("finding", error.what, place, error.fix)

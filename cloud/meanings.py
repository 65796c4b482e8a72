"""How a table says what an answer of a service means."""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import RekeyError

type Meaning = Callable[[str], RekeyError]
"""Makes the error for one place."""


def meaning(kind: type[RekeyError], what: str, *, fix: str = "", code: str) -> Meaning:
    """Return what makes an error of this kind: only where it happened is still to be said."""
    return lambda where: kind(what, where=where, fix=fix, code=code)

"""Errors and texts of a plug-in, without the values that may stand in them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    TransientError,
    UnderWay,
    VerificationFailed,
)

RUN = re.compile(r"[^\s'\"(),;:]{20,}")
"""What may be a credential, in a text that should hold none."""
HIDDEN = "(hidden)"
PERMANENT = (NotFound, AccessDenied, VerificationFailed, NeedsHuman)
MOST_PAUSE = 3600.0
"""The longest pause in seconds that a plug-in may ask for."""


def clean(error: RekeyError, source: str, values: list[str]) -> RekeyError:
    """Return an error of the same class that holds neither a cause nor a value."""
    what, where, fix = (
        hidden(str(text), source, values) for text in (error.what, error.where, error.fix)
    )
    where = where or source
    if isinstance(error, TransientError):
        wait = error.retry_after
        pause = min(max(wait, 0.0), MOST_PAUSE) if isinstance(wait, int | float) else None
        kind = UnderWay if isinstance(error, UnderWay) else TransientError
        return kind(what, where=where, fix=fix, retry_after=pause)
    known = next((kind for kind in PERMANENT if isinstance(error, kind)), PermanentError)
    return known(what, where=where, fix=fix)


def hidden(text: str, source: str, values: Iterable[str]) -> str:
    """Return a text without known values, and without what may be one."""
    for value in values:
        if value:
            text = text.replace(value, HIDDEN)
    return RUN.sub(lambda run: run[0] if run[0].lower() in source else HIDDEN, text)[:1000]

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
UNCHANGED = (NotFound, AccessDenied, NeedsHuman)
"""What says that nothing was changed at the source."""
LOOK = "see the source's log: what the plug-in says may hold a credential, so it is not shown"
MOST_PAUSE = 3600.0
"""The longest pause in seconds that a plug-in may ask for."""
MOST_MARK = 500
"""Characters of what a plug-in marks in the record, such as a keyed digest."""


def clean(error: RekeyError, source: str, values: list[str], *, unseen: str = "") -> RekeyError:
    """Return an error of the same class that holds neither a cause nor a value.

    `unseen`: a call that makes or reads values that nobody here knows. Nothing that the plug-in
    says of it is passed on, unless it says that nothing was changed.
    """
    what, where, fix = (
        hidden(_text(error, name), source, values) for name in ("what", "where", "fix")
    )
    if unseen and not (error.unsent is True or isinstance(error, UNCHANGED)):
        what, where, fix = f"{unseen} ended with {type(error).__name__}", source, LOOK
    kinds = (UnderWay, TransientError, *PERMANENT)
    known = next((kind for kind in kinds if isinstance(error, kind)), PermanentError)
    problem = known(what or type(error).__name__, where=where or source, fix=fix)
    problem.unsent = error.unsent is True
    wait = getattr(error, "retry_after", None)
    if isinstance(problem, TransientError) and isinstance(wait, int | float):
        # In this order what is no number (NaN) becomes 0.
        problem.retry_after = min(max(0.0, wait), MOST_PAUSE)
    if isinstance(error, UnderWay) and isinstance(problem, UnderWay):
        problem.mark = without(_text(error, "mark"), values)[:MOST_MARK]
    return problem


def _text(error: RekeyError, name: str) -> str:
    """Return one text of an error; empty where a class of the plug-in's own has none."""
    try:
        return str(getattr(error, name, ""))
    except Exception:  # noqa: BLE001 - a plug-in may raise anything
        return ""


def hidden(text: str, source: str, values: Iterable[str]) -> str:
    """Return a text without known values, and without what may be one."""
    text = without(text, values)
    return RUN.sub(lambda run: run[0] if run[0].lower() in source else HIDDEN, text)[:1000]


def without(text: str, values: Iterable[str]) -> str:
    """Return a text without known values."""
    for value in values:
        if value:
            text = text.replace(value, HIDDEN)
    return text

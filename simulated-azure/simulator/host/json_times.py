"""How Json.NET rewrites ISO times in JSON, which it reads as dates (process in UTC)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,7})?(Z|[+-]\d\d:\d\d)?")


def rewritten(text: str) -> str:
    """Return the time as Json.NET writes it.

    An offset is converted to UTC, and trailing zeros of the fraction are dropped.
    """
    match, moment = _parse(text)
    if not match or not moment:
        return text
    fraction = (match[2] or "").rstrip("0").rstrip(".")
    zone = match[3] if match[3] == "Z" else "+00:00" if match[3] else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}{zone}"


def invariant(text: str) -> str:
    """Return the time as binding data shows it: .NET's invariant format, without a fraction."""
    _, moment = _parse(text)
    return f"{moment:%m/%d/%Y %H:%M:%S}" if moment else text


def _parse(text: str) -> tuple[re.Match[str] | None, datetime | None]:
    match = _ISO.fullmatch(text)
    if not match:
        return None, None
    try:
        moment = datetime.fromisoformat(match[1] + (match[3] or ""))
    except ValueError:
        return None, None
    return match, moment.astimezone(UTC) if moment.tzinfo else moment

"""How long a service asks its caller to wait."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

LONGEST = 86_400.0
"""A day, in seconds: the quota that takes longest to come back is a day's. What asks for more is a
mistake, and an incident must not wait for it."""
NUMBER = re.compile(r"\d+(\.\d+)?")
MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")
"""What App Configuration and Cosmos DB send. azure-core reads both."""


def retry_after(response: object) -> float | None:
    """Return the seconds that an answer asks its caller to wait, a day at most.

    None where it names no time. A time of day is taken by the service's own clock, the header Date.
    Source: https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
    """
    headers: Mapping[str, str] = getattr(response, "headers", None) or {}
    seconds = _seconds(headers)
    return None if seconds is None else min(max(seconds, 0.0), LONGEST)


def _seconds(headers: Mapping[str, str]) -> float | None:
    value = headers.get("Retry-After", "")
    if NUMBER.fullmatch(value):
        return float(value)
    if (seconds := _until(value, headers.get("Date", ""))) is not None:
        return seconds
    for name in MILLISECONDS:
        if NUMBER.fullmatch(value := headers.get(name, "")):
            return float(value) / 1000
    return None


def _until(later: str, now: str) -> float | None:
    try:
        return (parsedate_to_datetime(later) - parsedate_to_datetime(now)).total_seconds()
    except (TypeError, ValueError):
        return None

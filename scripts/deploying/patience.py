"""Wait for what Azure has promised but not spread yet, within a bound, and say so meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

PAUSES = (10, 20, 30, 60)
"""In seconds; the last one is repeated."""
RIGHTS = timedelta(minutes=15)
"""Role assignments take up to ten minutes:
https://learn.microsoft.com/azure/role-based-access-control/troubleshooting."""


class NotYetError(Exception):
    """Azure refused what it will do soon; the message says what it answered."""


class StepError(Exception):
    """A step failed for good; the message says what, where and the fix."""


class Clock(Protocol):
    """Time as the wait sees it."""

    def now(self) -> datetime:
        """Return the time, aware."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let this many seconds pass."""
        ...


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Let this many seconds pass."""
        time.sleep(seconds)


def patiently[T](
    step: str, attempt: Callable[[], T], clock: Clock, *, fix: str, limit: timedelta = RIGHTS
) -> T:
    """Repeat an attempt that raises NotYetError until it succeeds; raises StepError when the time is over."""
    began, tries = clock.now(), 0
    while True:
        try:
            return attempt()
        except NotYetError as reason:
            pause = PAUSES[min(tries, len(PAUSES) - 1)]
            tries += 1
            spent = clock.now() - began
            if spent + timedelta(seconds=pause) > limit:
                raise StepError(
                    f"{step}: {reason}, for {_minutes(spent)} in {tries} tries. Fix: {fix}"
                ) from None
            say(f"{step}: {reason}; again in {pause} s, for {_minutes(limit - spent)} at most")
        clock.sleep(pause)


def say(text: str) -> None:
    """Print a step of the way at once."""
    print(text, flush=True)


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.0f} min"

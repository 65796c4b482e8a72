"""Wait, within a limit, until a change has spread through Azure, and print the progress."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from scripts.clock import Clock

PAUSES = (10, 20, 30, 60)
"""In seconds; the last one is repeated."""
RIGHTS = timedelta(minutes=15)
"""Role assignments take up to ten minutes:
https://learn.microsoft.com/azure/role-based-access-control/troubleshooting."""


class NotYetError(Exception):
    """Azure refused something that it will allow soon; the message holds its answer.

    `within` is how long this refusal can last, where that is less than the step may take.
    """

    def __init__(self, reason: str, within: timedelta = timedelta.max) -> None:
        super().__init__(reason)
        self.within = within


class StepError(Exception):
    """A step failed for good; the message says what, where and the fix."""


def patiently[T](
    step: str, attempt: Callable[[], T], clock: Clock, *, fix: str, limit: timedelta = RIGHTS
) -> T:
    """Repeat an attempt until it raises no NotYetError; raises StepError if time runs out."""
    began, tries = clock.now(), 0
    while True:
        try:
            return attempt()
        except NotYetError as reason:
            pause = PAUSES[min(tries, len(PAUSES) - 1)]
            tries += 1
            spent = clock.now() - began
            bound = min(limit, reason.within)
            if spent + timedelta(seconds=pause) > bound:
                raise StepError(
                    f"{step}: {reason}, for {_minutes(spent)} in {tries} tries. Fix: {fix}"
                ) from None
            say(f"{step}: {reason}; again in {pause} s, for {_minutes(bound - spent)} at most")
        clock.sleep(pause)


def say(text: str) -> None:
    """Print a line about a step at once."""
    print(text, flush=True)


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.0f} min"

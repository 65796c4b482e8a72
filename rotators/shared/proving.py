"""Proving a password by signing in, for as long as it may take to spread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.errors import RekeyError, TransientError, VerificationFailed
from engine.ports import Clock

PROPAGATION = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between the tries that a new password gets until every database knows it: a minute in
all."""
LONGEST_PAUSE = 30.0
"""The longest pause, in seconds, that a proof waits where the server asks for it; a longer one puts
the work off."""


async def prove(clock: Clock, refusal: Callable[[], Awaitable[RekeyError | None]]) -> None:
    """Sign in, again and again while the password spreads or the server is busy.

    Raises what it ends in.
    """
    for pause in (*PROPAGATION, None):
        problem = await refusal()
        if problem is None:
            return
        if pause is None or not isinstance(problem, VerificationFailed | TransientError):
            raise problem
        requested = problem.retry_after or 0.0
        if requested > LONGEST_PAUSE:
            raise problem
        await clock.sleep(max(pause, requested))

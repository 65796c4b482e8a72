"""A change whose effect its source has not confirmed: it is proven before another one is made."""

from __future__ import annotations

from collections.abc import Awaitable

from engine.errors import TransientError


async def doubt_of(change: Awaitable[object]) -> TransientError | None:
    """Make a change; return why it may or may not have taken effect, None if it certainly has.

    Raises what a change ends in that was not sent or was refused.
    """
    try:
        await change
    except TransientError as error:
        if error.unsent:
            raise
        return error
    return None

"""Post work items during a sweep."""

from __future__ import annotations

from engine.errors import PermanentError, TransientError
from engine.model.workitem import WorkItem
from engine.ports import WorkQueue


async def post(queue: WorkQueue, item: WorkItem, delay: float = 0.0) -> None:
    """Post a work item, due in `delay` seconds.

    A queue that refuses it says nothing about the secret: TransientError fails the sweep, so that
    it is tried again and nothing is left out.
    """
    try:
        await queue.post_rotation(item, delay)
    except PermanentError as error:
        raise TransientError(
            error.what, where=error.where, fix=error.fix, code=error.code
        ) from None

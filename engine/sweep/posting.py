"""Post work items during a sweep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import PermanentError, TransientError
from engine.model.follow_up import FollowUp
from engine.model.workitem import WorkItem
from engine.parts import Parts
from engine.ports import WorkQueue


async def post(queue: WorkQueue, item: WorkItem | FollowUp, delay: float = 0.0) -> None:
    """Post work, due in `delay` seconds; raises TransientError."""
    with _left_out():
        await queue.post_rotation(item, delay)


async def accept(parts: Parts, item: WorkItem, delay: float = 0.0) -> None:
    """Store an incident's work item, and post it, due in `delay` seconds; raises TransientError."""
    with _left_out():
        await parts.accept(item, delay)


@contextmanager
def _left_out() -> Iterator[None]:
    """Raise TransientError, which fails the sweep, so that it is tried again and leaves nothing out.

    A storage that refuses something says nothing about the secret.
    """
    try:
        yield
    except PermanentError as error:
        raise TransientError(
            error.what, where=error.where, fix=error.fix, code=error.code
        ) from None

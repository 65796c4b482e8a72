"""One queue message: hidden while its function runs, then deleted, released or poisoned."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from simulator.host.messages import Message

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient

# Microsoft's listener has these values fixed; host.json cannot change them.
INVISIBLE_WHILE_RUNNING = 600
_RENEW_EVERY = INVISIBLE_WHILE_RUNNING / 2

_log = logging.getLogger("Host.Triggers.Queue")


class Lease:
    """One received message in its queue.

    The pop receipt changes with every renewal, so only this object may hold it.
    """

    def __init__(self, message: Message, queue: QueueClient, poison: QueueClient | None) -> None:
        self.message = message
        self._queue = queue
        self._poison = poison
        self._receipt = message.pop_receipt

    @contextlib.asynccontextmanager
    async def renewed(self, every: float = _RENEW_EVERY) -> AsyncIterator[None]:
        """Keep the message invisible while the block runs; `every` is in seconds."""
        renewal = asyncio.create_task(self._renew(every))
        try:
            yield
        finally:
            renewal.cancel()
            await asyncio.wait([renewal])

    async def complete(self) -> None:
        """Delete the message; it is no error if it is already deleted."""
        with contextlib.suppress(ResourceNotFoundError):
            await self._queue.delete_message(self.message.id, self._receipt)

    async def release(self, visibility_timeout: float, max_dequeue_count: int) -> None:
        """After a failure, show the message again after the delay, or poison it after its last try.

        A message in a poison queue is left alone: releasing it would return it at once, forever.
        """
        if self._poison is None:
            return
        if self.message.dequeue_count >= max_dequeue_count:
            await self.move_to_poison(
                f"Message has reached MaxDequeueCount of {max_dequeue_count}."
            )
            return
        with contextlib.suppress(ResourceNotFoundError):
            await self._show_after(visibility_timeout)

    async def move_to_poison(self, reason: str) -> None:
        """Copy the message unchanged to the poison queue, created if missing, and delete it."""
        if self._poison is None:
            return
        _log.warning("%s Moving message to queue '%s'.", reason, self._poison.queue_name)
        await send(self._poison, self.message.content)
        await self.complete()

    async def _renew(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            await self._show_after(INVISIBLE_WHILE_RUNNING)

    async def _show_after(self, seconds: float) -> None:
        updated = await self._queue.update_message(
            self.message.id,
            self._receipt,
            visibility_timeout=int(seconds),
            content=self.message.content,
        )
        self._receipt = str(updated.pop_receipt)


async def send(queue: QueueClient, content: str) -> None:
    """Add a message to a queue, creating the queue if it does not exist."""
    try:
        await queue.send_message(content)
    except ResourceNotFoundError:
        with contextlib.suppress(ResourceExistsError):
            await queue.create_queue()
        await queue.send_message(content)

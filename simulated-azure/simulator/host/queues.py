"""Queue triggers: polling, retries and poison queues, as in Microsoft's queue listener.

Measured on Microsoft.Azure.WebJobs.Extensions.Storage.Queues 5.3. A missing queue is not created. A
message that is not base64 goes to the poison queue without a try. A message that is not UTF-8 uses
up its tries without a call of the function.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)

from simulator.host.messages import NEVER, Message, UndecodableError, decode
from simulator.host.queue_messages import INVISIBLE_WHILE_RUNNING, Lease
from simulator.host.queue_options import Backoff, QueueOptions

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage
    from azure.storage.queue.aio import QueueClient

_log = logging.getLogger("Host.Triggers.Queue")
_FORBIDDEN = 403

Run = Callable[[Message, bytes], Awaitable[bool]]


class QueueListener:
    """Polls one queue for one function.

    `run` calls the function with a message and returns whether it succeeded.
    """

    def __init__(
        self, queue: QueueClient, poison: QueueClient | None, options: QueueOptions, run: Run
    ) -> None:
        self.queue_name = str(queue.queue_name)
        self._queue = queue
        self._poison = poison
        self._options = options
        self._run = run
        self._running: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Poll at once: this host has just written a message to the queue."""
        self._woken.set()

    async def listen(self) -> None:
        """Poll until stopped."""
        backoff = Backoff(self._options.longest_poll)
        while not self._stopping:
            if await self._poll():
                backoff.reset()
                await self._wait_for_room()
            else:
                await self._pause(backoff.next())

    async def stop(self) -> None:
        """Receive no more messages, and wait for running functions."""
        self._stopping = True
        self.wake()
        while self._running:
            await asyncio.wait(self._running)

    def abandon(self) -> None:
        """Drop the received messages: they stay invisible until their visibility timeout ends."""
        for task in self._running:
            task.cancel()

    async def _poll(self) -> bool:
        try:
            received = await self._receive()
        except ResourceNotFoundError:
            return False
        except AzureError as error:
            if is_fatal(error):
                raise
            _log.warning("Polling queue '%s' failed: %s", self.queue_name, error)
            return False
        for item in received:
            task = asyncio.create_task(
                self._process(Lease(_message(item), self._queue, self._poison))
            )
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return bool(received)

    async def _receive(self) -> list[QueueMessage]:
        pages = self._queue.receive_messages(
            messages_per_page=min(self._options.batch_size, 32),
            visibility_timeout=INVISIBLE_WHILE_RUNNING,
        ).by_page()
        async for page in pages:
            return [message async for message in page]
        return []

    async def _wait_for_room(self) -> None:
        while len(self._running) > self._options.new_batch_threshold:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)
        self._woken.clear()

    async def _process(self, lease: Lease) -> None:
        try:
            await self._attempt(lease)
        except AzureError as error:
            _log.error("Queue '%s', message %s: %s", self.queue_name, lease.message.id, error)

    async def _attempt(self, lease: Lease) -> None:
        try:
            body = decode(lease.message.content, is_base64=self._options.is_base64)
        except UndecodableError as error:
            await lease.move_to_poison(str(error))
            return
        async with lease.renewed():
            succeeded = await self._run(lease.message, body)
        if succeeded:
            await lease.complete()
        else:
            await lease.release(self._options.visibility_timeout, self._options.max_dequeue_count)


def is_fatal(error: AzureError) -> bool:
    """Return whether an error of a poll stops the whole host.

    A missing token or a missing permission does (QueueListener).
    """
    refused = isinstance(error, HttpResponseError) and error.status_code == _FORBIDDEN
    return refused or isinstance(error, ClientAuthenticationError)


def _message(item: QueueMessage) -> Message:
    # The service always sends these times. The SDK's types also cover messages that were never
    # received.
    return Message(
        id=item.id,
        content=item.content,
        dequeue_count=item.dequeue_count or 0,
        inserted=item.inserted_on or NEVER,
        expires=item.expires_on or NEVER,
        next_visible=item.next_visible_on or NEVER,
        pop_receipt=item.pop_receipt or "",
    )

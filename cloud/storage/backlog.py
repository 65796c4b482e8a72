"""The length of the app's queues: work that is waiting, and messages that failed too often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cloud.azure import CHANGING, NOT_READ, Azure, call, stream
from cloud.storage.host_storage import HostStorage
from cloud.storage.queues import ROLE, ROTATIONS, SWEEPS
from engine.errors import NotFound, TransientError

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueServiceClient

EVENTS = "vault-events"
BLOB_ROLE = "Storage Blob Data Reader"
DEAD_LETTERS = "dead-letters"
"""The container for events that Event Grid could not put on the queue."""
MOST_COUNTED = 5_000
QUEUES = (EVENTS, SWEEPS, ROTATIONS)
"""Each has a second queue, with the suffix -poison, for messages that failed too often."""
EVERY = (*QUEUES, *(f"{queue}-poison" for queue in QUEUES))


async def backlog(
    storage: HostStorage, events: HostStorage, azure: Azure, names: Sequence[str] = EVERY
) -> dict[str, int | None]:
    """Return the approximate number of messages on each queue; None for a missing queue.

    `events` is the account of the queue of events.
    """
    async with storage.queues(azure) as own, events.queues(azure) as theirs:
        return {
            name: await _length(theirs if name.startswith(EVENTS) else own, name) for name in names
        }


async def _length(service: QueueServiceClient, name: str) -> int | None:
    # The SDK does not retry this, since it waits up to 80 seconds for each queue.
    request = service.get_queue_client(name).get_queue_properties(**CHANGING)
    where = f"queue {name}"
    try:
        properties = await call("reading a queue", request, where=where, role=ROLE)
    except NotFound:
        return None
    # The SDK takes a proxy's page for an answer.
    if (length := properties.approximate_message_count) is None:
        raise TransientError("the answer about a queue names no length", where=where, code=NOT_READ)
    return length


async def undelivered(events: HostStorage, azure: Azure) -> int | None:
    """Return the number of dead letters, 5,000 at most; None if their container does not exist."""
    async with events.blobs(azure) as service:
        listing = service.get_container_client(DEAD_LETTERS).list_blobs(**CHANGING)
        where, count = f"container {DEAD_LETTERS}", 0
        try:
            # A page may be empty and still lead on.
            async for _ in stream("listing dead letters", listing, where=where, role=BLOB_ROLE):
                count += 1
                if count == MOST_COUNTED:
                    break
        except NotFound:
            return None
        return count

"""How much waits on the app's queues: work that nobody takes up, and messages that were given up on."""

from __future__ import annotations

from collections.abc import Sequence

from cloud.azure import READING, Azure, call
from cloud.storage.blobs import ROLE as BLOB_ROLE
from cloud.storage.host_storage import HostStorage
from cloud.storage.queues import ROLE, ROTATIONS, SWEEPS
from engine.errors import NotFound

EVENTS = "vault-events"
DEAD_LETTERS = "dead-letters"
"""The container that Event Grid writes events to which it could not put on the queue."""
QUEUES = (EVENTS, SWEEPS, ROTATIONS)
"""Each has a second one, with -poison at the end of its name, for what was given up on."""


EVERY = (*QUEUES, *(f"{queue}-poison" for queue in QUEUES))


async def backlog(
    storage: HostStorage, azure: Azure, names: Sequence[str] = EVERY
) -> dict[str, int | None]:
    """Return the approximate number of messages on each queue; None for a queue that does not exist."""
    service = storage.queues(azure)
    found: dict[str, int | None] = {}
    for name in names:
        request = service.get_queue_client(name).get_queue_properties(**READING)
        try:
            properties = await call("reading a queue", request, where=f"queue {name}", role=ROLE)
        except NotFound:
            found[name] = None
        else:
            found[name] = properties.approximate_message_count
    return found


async def undelivered(storage: HostStorage, azure: Azure) -> int | None:
    """Return how many blobs the container of dead letters holds, 5,000 at most; None where there is no container."""
    pages = storage.blobs(azure).get_container_client(DEAD_LETTERS).list_blobs(**READING).by_page()
    try:
        page = await call(
            "listing dead letters", anext(pages), where=f"container {DEAD_LETTERS}", role=BLOB_ROLE
        )
    except NotFound:
        return None
    return sum([1 async for _ in page])

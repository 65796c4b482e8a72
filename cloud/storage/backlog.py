"""How much waits on the app's queues: work that nobody takes up, and messages that were given up on."""

from __future__ import annotations

from cloud.azure import READING, Azure, call
from cloud.storage.host_storage import HostStorage
from cloud.storage.queues import ROLE, ROTATIONS, SWEEPS
from engine.errors import NotFound

EVENTS = "vault-events"
QUEUES = (EVENTS, SWEEPS, ROTATIONS)
"""Each has a second one, with -poison at the end of its name, for what was given up on."""


async def backlog(storage: HostStorage, azure: Azure) -> dict[str, int | None]:
    """Return the approximate number of messages on each queue; None for a queue that does not exist."""
    service = storage.queues(azure)
    found: dict[str, int | None] = {}
    for name in (*QUEUES, *(f"{queue}-poison" for queue in QUEUES)):
        request = service.get_queue_client(name).get_queue_properties(**READING)
        try:
            properties = await call("reading a queue", request, where=f"queue {name}", role=ROLE)
        except NotFound:
            found[name] = None
        else:
            found[name] = properties.approximate_message_count
    return found

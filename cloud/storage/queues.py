"""The queues `rotations` and `sweeps` in the app's own storage account, in the host's encoding."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from cloud.azure import CHANGING, NOT_READ, Azure, call
from cloud.storage.host_storage import HostStorage
from cloud.telemetry.tracing import traceparent
from engine.errors import NotFound, RekeyError
from engine.state.request import Work
from engine.state.sweep_order import SweepOrder

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient, QueueServiceClient

ROTATIONS, SWEEPS = "rotations", "sweeps"
ROLE = "Storage Queue Data Contributor"
MOST_HIDDEN = 7 * 86_400 - 1
"""The most seconds that a message may stay hidden: less than its usual lifetime of seven days.
Source: https://learn.microsoft.com/rest/api/storageservices/put-message"""
FOREVER = -1
"""The lifetime of a message that does not expire."""


class StorageQueues:
    """Posts messages; see engine.ports.WorkQueue. Duplicates are harmless, so retries are safe."""

    def __init__(self, storage: HostStorage, azure: Azure) -> None:
        self._storage = storage
        self._azure = azure
        self._service: QueueServiceClient | None = None

    async def post_rotation(self, item: Work, delay: float = 0.0) -> None:
        """Put work on `rotations`, visible after so many seconds (7 days at most).

        What a person asked for does not expire while the app is stopped. All else expires after
        seven days: the next sweep finds it again.
        """
        traced = replace(item, trace=traceparent() or item.trace)
        await self._post(ROTATIONS, traced.to_json(), delay, lasts=item.lasts)

    async def post_sweep(self, order: SweepOrder, delay: float = 0.0) -> None:
        """Put an order on `sweeps`, visible after so many seconds; an incident's does not expire."""
        await self._post(SWEEPS, order.to_json(), delay, lasts=order.incident is not None)

    async def reach(self) -> None:
        """Read `rotations`, as far as it exists."""
        request = self._client(ROTATIONS).get_queue_properties(**CHANGING)
        with suppress(NotFound):
            await call("reading a queue", request, where=f"queue {ROTATIONS}", role=ROLE)

    async def _post(self, queue: str, text: str, delay: float, *, lasts: bool) -> None:
        client, where = self._client(queue), f"queue {queue}"
        options = {
            "visibility_timeout": math.ceil(min(delay, MOST_HIDDEN)),
            "time_to_live": FOREVER if lasts else None,
            **CHANGING,
        }
        try:
            await call(
                "posting a message", client.send_message(text, **options), where=where, role=ROLE
            )
        except NotFound:
            # The template creates the queues. Without the template, the first start does it here.
            await self._create(client, where)
            await call(
                "posting a message", client.send_message(text, **options), where=where, role=ROLE
            )

    def _client(self, queue: str) -> QueueClient:
        from azure.storage.queue import TextBase64EncodePolicy

        if self._service is None:
            self._service = self._storage.queues(self._azure)
        return self._service.get_queue_client(queue, message_encode_policy=TextBase64EncodePolicy())

    async def _create(self, client: QueueClient, where: str) -> None:
        try:
            await call(
                "creating the queue", client.create_queue(**CHANGING), where=where, role=ROLE
            )
        except RekeyError as error:
            if error.code not in ("QueueAlreadyExists", NOT_READ):
                raise
            # Another worker was faster. The SDK raises even what Azure has answered with 204.

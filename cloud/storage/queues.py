"""The queues `rotations` and `sweeps`, in the app's own storage account, in the encoding that the host expects."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloud.azure import CHANGING, Azure, call
from cloud.storage.host_storage import HostStorage
from cloud.telemetry.tracing import traceparent
from engine.errors import NotFound, RekeyError
from engine.model.sweep_order import SweepOrder
from engine.model.workitem import WorkItem

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient, QueueServiceClient

ROTATIONS, SWEEPS = "rotations", "sweeps"
ROLE = "Storage Queue Data Contributor"
MOST_HIDDEN = 7 * 86_400 - 1
"""Seconds for which a message may be hidden: less than it lives."""


class StorageQueues:
    """Posts messages; see engine.ports.WorkQueue. A message posted twice does no harm, so a retry is free."""

    def __init__(self, storage: HostStorage, azure: Azure) -> None:
        self._storage = storage
        self._azure = azure
        self._service: QueueServiceClient | None = None

    async def post_rotation(self, item: WorkItem, delay: float = 0.0) -> None:
        """Put a work item on `rotations`, to be seen after so many seconds (7 days at most)."""
        traced = replace(item, trace=traceparent() or item.trace)
        await self._post(ROTATIONS, traced.to_json(), delay)

    async def post_sweep(self, order: SweepOrder, delay: float = 0.0) -> None:
        """Put an order on `sweeps`, to be seen after so many seconds."""
        await self._post(SWEEPS, order.to_json(), delay)

    async def _post(self, queue: str, text: str, delay: float = 0.0) -> None:
        from azure.storage.queue import TextBase64EncodePolicy

        if self._service is None:
            self._service = self._storage.queues(self._azure)
        client = self._service.get_queue_client(
            queue, message_encode_policy=TextBase64EncodePolicy()
        )
        where, options = (
            f"queue {queue}",
            {"visibility_timeout": int(min(delay, MOST_HIDDEN)), **CHANGING},
        )
        try:
            await call(
                "posting a message", client.send_message(text, **options), where=where, role=ROLE
            )
        except NotFound:
            # The template creates the queues; a first start without it does so here.
            await self._create(client, where)
            await call(
                "posting a message", client.send_message(text, **options), where=where, role=ROLE
            )

    async def _create(self, client: QueueClient, where: str) -> None:
        try:
            await call(
                "creating the queue", client.create_queue(**CHANGING), where=where, role=ROLE
            )
        except RekeyError as error:
            if error.code != "QueueAlreadyExists":  # Another worker was faster.
                raise

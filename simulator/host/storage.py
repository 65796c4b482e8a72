"""Connections to the storage accounts that bindings name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from simulator.host.settings import SettingError

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobServiceClient
    from azure.storage.queue.aio import QueueClient, QueueServiceClient

_DEFAULT = "AzureWebJobsStorage"
# The SDK's default waits 15 s before its first retry: too long for a host that polls anyway.
_RETRIES: dict[str, Any] = {"initial_backoff": 1, "increment_base": 1, "retry_total": 2}


class Storage:
    """The clients of one host, one for each connection; an async context manager that closes them."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._queues: dict[str, QueueServiceClient] = {}
        self._blobs: BlobServiceClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for client in self._queues.values():
            await client.close()
        if self._blobs:
            await self._blobs.close()

    def queue(self, connection: str | None, name: str) -> QueueClient:
        """Return the client of a queue.

        Raises:
            SettingError: the connection's setting is missing.

        """
        connection = connection or _DEFAULT
        if connection not in self._queues:
            from azure.storage.queue.aio import QueueServiceClient

            self._queues[connection] = QueueServiceClient.from_connection_string(
                self._connection_string(connection), **_RETRIES
            )
        return self._queues[connection].get_queue_client(name)

    def blobs(self) -> BlobServiceClient:
        """Return the blob client of the host's own account.

        Raises:
            SettingError: AzureWebJobsStorage is missing.

        """
        if not self._blobs:
            from azure.storage.blob.aio import BlobServiceClient

            self._blobs = BlobServiceClient.from_connection_string(self._connection_string(_DEFAULT), **_RETRIES)
        return self._blobs

    def _connection_string(self, connection: str) -> str:
        value = self._environ.get(connection) or self._environ.get(f"AzureWebJobs{connection}")
        if not value:
            raise SettingError(f"{connection} has no value: set it to the connection string of a storage account.")
        return value

"""Connections to the storage accounts that bindings name.

A connection is a connection string, or a set of identity settings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from simulator.host.settings import SettingError

if TYPE_CHECKING:
    from azure.identity.aio import ManagedIdentityCredential
    from azure.storage.blob.aio import BlobServiceClient
    from azure.storage.queue.aio import QueueClient, QueueServiceClient

_DEFAULT = "AzureWebJobsStorage"
# The SDK's default waits 15 s before its first retry: too long for a host that polls anyway.
_RETRIES: dict[str, Any] = {"initial_backoff": 1, "increment_base": 1, "retry_total": 2}
_MANAGED_IDENTITY = "managedidentity"


class Storage:
    """The clients of one host, one for each connection.

    An async context manager that closes them.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._queues: dict[str, QueueServiceClient] = {}
        self._blobs: BlobServiceClient | None = None
        self._credentials: dict[str, ManagedIdentityCredential] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for client in self._queues.values():
            await client.close()
        for credential in self._credentials.values():
            await credential.close()
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

            self._queues[connection] = self._connect(QueueServiceClient, connection, "queue")
        return self._queues[connection].get_queue_client(name)

    def blobs(self) -> BlobServiceClient:
        """Return the blob client of the host's own account.

        Raises:
            SettingError: AzureWebJobsStorage is missing.

        """
        if not self._blobs:
            from azure.storage.blob.aio import BlobServiceClient

            self._blobs = self._connect(BlobServiceClient, _DEFAULT, "blob")
        return self._blobs

    def problem(self) -> str:
        """Return why the host's own account cannot be opened; empty where nothing is against it.

        An account that is not named at all is no problem on a developer's machine.
        """
        try:
            self._refuse_empty(_DEFAULT, self._environ.get(_DEFAULT))
        except SettingError as error:
            return str(error)
        return ""

    def _connect(self, kind: Any, connection: str, service: str) -> Any:
        value = self._environ.get(connection, self._environ.get(f"AzureWebJobs{connection}"))
        if value:
            return kind.from_connection_string(value, **_RETRIES)
        self._refuse_empty(connection, value)
        return kind(
            self._service_uri(connection, service), self._credential(connection), **_RETRIES
        )

    def _refuse_empty(self, connection: str, value: str | None) -> None:
        """Raise SettingError for a setting without a value, which hides the URIs beside it.

        Since .NET 10 the host sees such a setting and takes it for a connection string, as the
        extensions do (StorageClientProvider.IsConnectionStringPresent): azure-functions-host, issue
        11787 and pull request 11794. An account's name beside it is the known way round.
        """
        if value == "" and not self._environ.get(f"{connection}__accountName"):
            raise SettingError(
                f"{connection} has an empty value, which is taken for its connection string in place "
                f"of {connection}__…ServiceUri: remove the setting {connection}."
            )

    def _service_uri(self, connection: str, service: str) -> str:
        uri = self._environ.get(f"{connection}__{service}ServiceUri")
        account = self._environ.get(f"{connection}__accountName")
        if not uri and account:
            uri = f"https://{account}.{service}.core.windows.net"
        if not uri:
            raise SettingError(
                f"{connection} has no value: set it to the connection string of a storage account, "
                f"or {connection}__{service}ServiceUri to its URL."
            )
        return uri

    def _credential(self, connection: str) -> ManagedIdentityCredential:
        kind = self._environ.get(f"{connection}__credential", _MANAGED_IDENTITY)
        if kind.lower() != _MANAGED_IDENTITY:
            raise SettingError(
                f"{connection}__credential is {kind!r}: set it to {_MANAGED_IDENTITY}."
            )
        if connection not in self._credentials:
            from azure.identity.aio import ManagedIdentityCredential

            client_id = self._environ.get(f"{connection}__clientId") or None
            self._credentials[connection] = ManagedIdentityCredential(client_id=client_id)
        return self._credentials[connection]

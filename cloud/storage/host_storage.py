"""The app's storage accounts, as the Functions host knows them: each by a connection.

AzureWebJobsStorage leads to the app's own. RekeyEvents leads to the one that Event Grid delivers
to, so that its right to deliver opens nothing else. A connection is the name of a setting that is a
connection string, or has the identity form: <name>__accountName, or __blobServiceUri and
__queueServiceUri. Source: "Connecting to host storage with an identity" in
https://learn.microsoft.com/azure/azure-functions/functions-reference
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cloud.azure import Azure

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobServiceClient
    from azure.storage.queue.aio import QueueServiceClient

CONNECTION = "AzureWebJobsStorage"
EVENTS_CONNECTION = "RekeyEvents"


@dataclass(frozen=True, slots=True)
class HostStorage:
    """The location of blobs and queues: a connection string, or the two service URLs."""

    connection: str = CONNECTION
    """The name under which the Functions host knows the account."""
    connection_string: str = ""
    blob_url: str = ""
    queue_url: str = ""

    @classmethod
    def from_settings(
        cls, settings: Mapping[str, str], connection: str = CONNECTION
    ) -> HostStorage | None:
        """Read the settings of a connection; return None if they name no account."""
        if connection_string := settings.get(connection, ""):
            return cls(connection, connection_string)
        account = settings.get(f"{connection}__accountName", "")
        blob = settings.get(f"{connection}__blobServiceUri") or (
            account and f"https://{account}.blob.core.windows.net"
        )
        queue = settings.get(f"{connection}__queueServiceUri") or (
            account and f"https://{account}.queue.core.windows.net"
        )
        return cls(connection, blob_url=blob, queue_url=queue) if blob and queue else None

    @property
    def is_plausible(self) -> bool:
        """Return whether the connection string, if there is one, has the parts that the SDK needs.

        The SDK itself is imported later.
        """
        names = {
            part.partition("=")[0].strip().lower() for part in self.connection_string.split(";")
        }
        forms = (
            {"usedevelopmentstorage"},
            {"accountname", "accountkey"},
            {"blobendpoint", "queueendpoint"},
        )
        return not self.connection_string or any(form <= names for form in forms)

    @property
    def account(self) -> str:
        """The name of the account; empty for an emulator."""
        pairs = (part.partition("=") for part in self.connection_string.split(";"))
        named = next(
            (value.strip() for name, _, value in pairs if name.strip().lower() == "accountname"), ""
        )
        return named or (urlsplit(self.blob_url).hostname or "").partition(".")[0]

    def blobs(self, azure: Azure) -> BlobServiceClient:
        """Return a client for the account's blobs."""
        from azure.storage.blob.aio import BlobServiceClient

        if self.connection_string:
            return BlobServiceClient.from_connection_string(
                self.connection_string, **azure.sending_options
            )
        return BlobServiceClient(self.blob_url, azure.credential, **azure.sending_options)

    def queues(self, azure: Azure) -> QueueServiceClient:
        """Return a client for the account's queues."""
        from azure.storage.queue.aio import QueueServiceClient

        if self.connection_string:
            return QueueServiceClient.from_connection_string(
                self.connection_string, **azure.sending_options
            )
        return QueueServiceClient(self.queue_url, azure.credential, **azure.sending_options)

"""The app's own storage account, as the Functions host names it in AzureWebJobsStorage.

Either one connection string, or the identity form: AzureWebJobsStorage__accountName, or
__blobServiceUri and
__queueServiceUri. Source:
https://learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
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


@dataclass(frozen=True, slots=True)
class HostStorage:
    """Where the app's blobs and queues are: a connection string, or the two service URLs."""

    connection_string: str = ""
    blob_url: str = ""
    queue_url: str = ""

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> HostStorage | None:
        """Read the settings; None where they name no account."""
        if connection_string := settings.get(CONNECTION, ""):
            return cls(connection_string)
        account = settings.get(f"{CONNECTION}__accountName", "")
        blob = settings.get(f"{CONNECTION}__blobServiceUri") or (
            account and f"https://{account}.blob.core.windows.net"
        )
        queue = settings.get(f"{CONNECTION}__queueServiceUri") or (
            account and f"https://{account}.queue.core.windows.net"
        )
        return cls(blob_url=blob, queue_url=queue) if blob and queue else None

    @property
    def is_plausible(self) -> bool:
        """Tell whether a connection string, where there is one, holds what the SDK needs; the SDK itself loads later."""
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
        """The account's name; empty where it is an emulator's."""
        pairs = (part.partition("=") for part in self.connection_string.split(";"))
        named = next(
            (value.strip() for name, _, value in pairs if name.strip().lower() == "accountname"), ""
        )
        return named or (urlsplit(self.blob_url).hostname or "").partition(".")[0]

    def blobs(self, azure: Azure) -> BlobServiceClient:
        """Return a client for the account's blobs."""
        from azure.storage.blob.aio import BlobServiceClient

        if self.connection_string:
            return BlobServiceClient.from_connection_string(self.connection_string, **azure.options)
        return BlobServiceClient(self.blob_url, azure.credential, **azure.options)

    def queues(self, azure: Azure) -> QueueServiceClient:
        """Return a client for the account's queues."""
        from azure.storage.queue.aio import QueueServiceClient

        if self.connection_string:
            return QueueServiceClient.from_connection_string(
                self.connection_string, **azure.options
            )
        return QueueServiceClient(self.queue_url, azure.credential, **azure.options)

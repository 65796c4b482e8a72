"""The app's storage accounts, as the Functions host knows them: each by a connection.

AzureWebJobsStorage leads to the app's own. RekeyEvents leads to the one that Event Grid delivers
to, so that its right to deliver opens nothing else. A connection is the name of a setting that is a
connection string, or has the identity form: <name>__accountName, or __blobServiceUri and
__queueServiceUri. Source: "Connecting to host storage with an identity" in
https://learn.microsoft.com/azure/azure-functions/functions-reference
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cloud.azure import Azure
from cloud.endpoints import is_address

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobServiceClient
    from azure.storage.queue.aio import QueueServiceClient

CONNECTION = "AzureWebJobsStorage"
EVENTS_CONNECTION = "RekeyEvents"
URL = re.compile(r"https://[^/]+(/[0-9a-z]*)?", re.IGNORECASE)
"""Where a service of an account is; an emulator's has a path."""
FORMS = {
    "accountname": re.compile(r"[a-z0-9]{3,24}"),
    "accountkey": re.compile(
        r"(?=.)([0-9a-z+/]{4})*([0-9a-z+/]{3}=|[0-9a-z+/]{2}==)?", re.IGNORECASE
    ),
}


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
        """Return whether the SDK can use the connection string, or the two URLs.

        The SDK is imported later, unless it has to read a connection string.
        """
        text = self.connection_string
        if not text:
            return all(map(_is_service, (self.blob_url, self.queue_url)))
        pairs = (part.partition("=") for part in text.split(";"))
        parts = {name.lower(): value for name, _, value in pairs}
        return (
            not re.search(r"\s", text)
            and all(form.fullmatch(parts[name]) for name, form in FORMS.items() if name in parts)
            and all(_is_service(f"https://{host}") for host in _hosts(text))
        )

    @property
    def account(self) -> str:
        """The name of the account; empty for an emulator."""
        pairs = (part.partition("=") for part in self.connection_string.split(";"))
        named = next((value for name, _, value in pairs if name.lower() == "accountname"), "")
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


def _is_service(url: str) -> bool:
    return bool(URL.fullmatch(url)) and is_address(url.lower())


def _hosts(connection_string: str) -> list[str]:
    """Return where the SDK finds blobs and queues; what is no host where it refuses the text."""
    from azure.storage.blob.aio import BlobServiceClient
    from azure.storage.queue.aio import QueueServiceClient

    kinds = (BlobServiceClient, QueueServiceClient)
    try:
        return [kind.from_connection_string(connection_string).primary_hostname for kind in kinds]
    except ValueError:
        return [""]

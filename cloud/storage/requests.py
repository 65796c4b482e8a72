"""What people asked for and is not done yet, one blob each, in the app's own storage account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from cloud.azure import CHANGING, Azure, call, stream
from cloud.storage import blobs
from cloud.storage.blobs import CONTAINER, HERE, ROLE
from cloud.storage.host_storage import HostStorage
from engine.errors import NotFound

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient, BlobServiceClient

PREFIX = "accepted/"
DUE = "due"
LONG_SINCE = datetime.fromtimestamp(0, UTC)


class BlobRequests:
    """The requests that are not done yet; see engine.ports.Requests."""

    def __init__(self, storage: HostStorage, azure: Azure) -> None:
        self._storage = storage
        self._azure = azure

    async def keep(self, request: str, text: str, due: datetime) -> None:
        """Write a request; one that is stored already is due at this time from now on."""
        metadata = {DUE: due.isoformat()}
        await blobs.overwrite(self._client, self._blob(request), text.encode(), metadata)

    async def read(self, request: str) -> str | None:
        """Return the text of a request; None if it is done."""
        content = await blobs.read(self._blob(request))
        return None if content is None else content.decode(errors="replace")

    async def close(self, request: str) -> None:
        """Delete a request."""
        blob = self._blob(request)
        try:
            await call("closing a request", blob.delete_blob(**CHANGING), where=HERE, role=ROLE)
        except NotFound:
            return

    async def due(self, by: datetime) -> Sequence[str]:
        """Return the requests that are due by then, the longest due first: 5,000 to a call."""
        container = self._client.get_container_client(CONTAINER)
        names = container.list_blobs(name_starts_with=PREFIX, include=["metadata"], **CHANGING)
        try:
            times = {
                blob.name.removeprefix(PREFIX): _time((blob.metadata or {}).get(DUE) or "")
                async for blob in stream("listing the requests", names, where=HERE, role=ROLE)
            }
        except NotFound:
            return []
        return sorted((name for name, at in times.items() if at <= by), key=times.__getitem__)

    def _blob(self, request: str) -> BlobClient:
        return self._client.get_blob_client(CONTAINER, PREFIX + request)

    @cached_property
    def _client(self) -> BlobServiceClient:
        return self._storage.blobs(self._azure)


def _time(text: str) -> datetime:
    """Read when a request is due; one whose time cannot be read is due."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return LONG_SINCE
    return moment.replace(tzinfo=moment.tzinfo or UTC)

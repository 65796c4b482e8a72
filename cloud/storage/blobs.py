"""Small records as blobs in the app's own storage account."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cloud.azure import CHANGING, NO_ANSWER, Azure, call
from cloud.storage.host_storage import HostStorage
from engine.errors import NotFound, RekeyError, TransientError

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties
    from azure.storage.blob.aio import BlobClient, BlobServiceClient

CONTAINER = "rekey-leases"
READ_SECONDS = 20.0
"""How long a blob is read at most: a lease that is held meanwhile lasts a minute."""
HERE = "the app's own storage account"
ROLE = "Storage Blob Data Owner"
NO_METADATA: Mapping[str, str] = {}


async def create(
    service: BlobServiceClient, blob: BlobClient, data: bytes, metadata: Mapping[str, str]
) -> str:
    """Create a blob, and its container if that is missing; return its ETag, empty if it was there."""
    upload = {"data": data, "metadata": dict(metadata), "overwrite": False, **CHANGING}
    answer = await _created(blob.upload_blob(**upload), blob.blob_name)
    if answer == "ContainerNotFound":
        await _created(service.create_container(CONTAINER, **CHANGING), CONTAINER)
        answer = await _created(blob.upload_blob(**upload), blob.blob_name)
    return answer["etag"] if isinstance(answer, Mapping) else ""


async def overwrite(
    service: BlobServiceClient,
    blob: BlobClient,
    data: bytes,
    metadata: Mapping[str, str] = NO_METADATA,
) -> None:
    """Write or overwrite a blob; create its container if that is missing."""
    upload = {"data": data, "metadata": dict(metadata), "overwrite": True, **CHANGING}
    if isinstance(await _created(blob.upload_blob(**upload), blob.blob_name), str):
        await _created(service.create_container(CONTAINER, **CHANGING), CONTAINER)
        await call(f"writing {blob.blob_name}", blob.upload_blob(**upload), where=HERE, role=ROLE)


async def read(blob: BlobClient) -> bytes | None:
    """Return a blob's content, None if it does not exist. Not retried, since a caller waits."""
    try:
        what = f"reading {blob.blob_name}"
        return (await call(what, downloaded(blob), where=HERE, role=ROLE))[0]
    except NotFound:
        return None


async def downloaded(blob: BlobClient, **condition: Any) -> tuple[bytes, BlobProperties]:
    """Return what a blob holds. The SDK would wait three times for a body that stalls."""
    try:
        async with asyncio.timeout(READ_SECONDS):
            stream = await blob.download_blob(**condition, **CHANGING)
            return await stream.readall(), stream.properties
    except TimeoutError:
        what = f"reading {blob.blob_name} got no whole answer in {READ_SECONDS:.0f} s"
        raise TransientError(what, where=HERE, code=NO_ANSWER) from None


async def _created(request: Awaitable[Any], what: str) -> Any:
    """Await a creation; return the error code if the thing exists or its container does not."""
    try:
        return await call(f"creating {what}", request, where=HERE, role=ROLE)
    except RekeyError as error:
        if error.code not in ("BlobAlreadyExists", "ContainerAlreadyExists", "ContainerNotFound"):
            raise
        return error.code


class BlobMemory:
    """The answers to earlier requests, by key; see api.idempotency.Memory.

    The storage account's own rules delete them after a week.
    """

    def __init__(self, storage: HostStorage, azure: Azure) -> None:
        self._storage = storage
        self._azure = azure

    async def recall(self, key: str) -> str | None:
        """Return the text that is stored under a key; None if there is none."""
        content = await read(self._blob(key))
        return None if content is None else content.decode()

    async def remember(self, key: str, text: str) -> str:
        """Store a text under a key, and return the text that was stored first."""
        blob = self._blob(key)
        if await create(self._client, blob, text.encode(), {}):
            return text
        return await self.recall(key) or text

    def _blob(self, key: str) -> BlobClient:
        return self._client.get_blob_client(CONTAINER, f"requests/{key}")

    @cached_property
    def _client(self) -> BlobServiceClient:
        return self._storage.blobs(self._azure)

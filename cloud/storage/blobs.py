"""Small records as blobs in the app's own storage account, each created once and never overwritten."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any

from cloud.azure import CHANGING, Azure, call
from cloud.storage.host_storage import HostStorage
from engine.errors import NotFound, RekeyError

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient, BlobServiceClient

CONTAINER = "rekey-leases"
HERE = "the app's own storage account"
ROLE = "Storage Blob Data Owner"


async def create(
    service: BlobServiceClient, blob: BlobClient, data: bytes, metadata: Mapping[str, str]
) -> bool:
    """Create a blob, and its container where that is missing; tells whether it is new."""
    upload = {"data": data, "metadata": dict(metadata), "overwrite": False, **CHANGING}
    code = await _created(blob.upload_blob(**upload), blob.blob_name)
    if code == "ContainerNotFound":
        await _created(service.create_container(CONTAINER, **CHANGING), CONTAINER)
        code = await _created(blob.upload_blob(**upload), blob.blob_name)
    return not code


async def overwrite(service: BlobServiceClient, blob: BlobClient, data: bytes) -> None:
    """Write a blob in place of what it held, and its container where that is missing."""
    upload = {"data": data, "overwrite": True, **CHANGING}
    if await _created(blob.upload_blob(**upload), blob.blob_name):
        await _created(service.create_container(CONTAINER, **CHANGING), CONTAINER)
        await call(f"writing {blob.blob_name}", blob.upload_blob(**upload), where=HERE, role=ROLE)


async def read(blob: BlobClient) -> bytes | None:
    """Return what a blob holds; None where it does not exist. Not retried: somebody waits for it."""
    try:
        stream = await call(
            f"reading {blob.blob_name}", blob.download_blob(**CHANGING), where=HERE, role=ROLE
        )
        content: bytes = await call(
            f"reading {blob.blob_name}", stream.readall(), where=HERE, role=ROLE
        )
    except NotFound:
        return None
    return content


async def _created(request: Awaitable[Any], what: str) -> str:
    """Await a creation; returns the code where the thing exists already or its container does not."""
    try:
        await call(f"creating {what}", request, where=HERE, role=ROLE)
    except RekeyError as error:
        if error.code not in ("BlobAlreadyExists", "ContainerAlreadyExists", "ContainerNotFound"):
            raise
        return error.code
    return ""


class BlobMemory:
    """What requests were answered, by key; see api.once.Memory. The storage account's own rules remove it after a week."""

    def __init__(self, storage: HostStorage, azure: Azure) -> None:
        self._storage = storage
        self._azure = azure
        self._service: BlobServiceClient | None = None

    async def recall(self, key: str) -> str | None:
        """Return what was remembered under a key; None where nothing was."""
        try:
            # Not retried by the SDK, which waits up to a minute in between: the caller may have an
            # incident at hand.
            stream = await call(
                "recalling a request",
                self._blob(key).download_blob(**CHANGING),
                where=HERE,
                role=ROLE,
            )
            content: bytes = await call(
                "recalling a request", stream.readall(), where=HERE, role=ROLE
            )
        except NotFound:
            return None
        return content.decode()

    async def remember(self, key: str, text: str) -> str:
        """Remember a text, and return the one that was remembered first."""
        blob = self._blob(key)
        if await create(self._client(), blob, text.encode(), {}):
            return text
        return await self.recall(key) or text

    def _blob(self, key: str) -> BlobClient:
        return self._client().get_blob_client(CONTAINER, f"requests/{key}")

    def _client(self) -> BlobServiceClient:
        if self._service is None:
            self._service = self._storage.blobs(self._azure)
        return self._service

"""The sole right to change one source: a lease on a blob that also records which secret owns the source.

One blob a source, named by the digest of its id, in the app's own storage account. A lease lasts 60 seconds and ends by
itself when its holder dies. Taking it costs one call, reading the owner under it another, giving it back a third.
Source: https://learn.microsoft.com/rest/api/storageservices/lease-blob
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from cloud.azure import CHANGING, Azure, call
from cloud.storage.blobs import CONTAINER, HERE, ROLE, create
from cloud.storage.host_storage import HostStorage
from engine.errors import LeaseUnavailable, NotFound, RekeyError, TransientError
from engine.ports import Clock

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient, BlobLeaseClient, BlobServiceClient

SECONDS = 60
"""How long a lease lasts; Azure allows 15 to 60."""

log = logging.getLogger("rekey.leases")


class BlobLease:
    """A lease that is held; see engine.ports.Lease."""

    def __init__(self, blob: BlobClient, lease: BlobLeaseClient, clock: Clock, taken_at: float) -> None:
        self._blob = blob
        self._lease = lease
        self._clock = clock
        self._ends = taken_at + SECONDS
        self._metadata: dict[str, str] = {}

    @property
    def owner(self) -> str | None:
        """Which secret owns the source."""
        return self._metadata.get("owner")

    @property
    def record(self) -> str:
        """Where the ownership is recorded."""
        return f"{self._blob.container_name}/{self._blob.blob_name} in {HERE}"

    @property
    def remaining(self) -> float:
        """Seconds for which the lease certainly still holds, counted from before it was asked for."""
        return self._ends - self._clock.monotonic()

    async def ensure(self, seconds: float) -> None:
        """Make sure that the lease lasts this long, renewing it if need be."""
        if self.remaining > seconds:
            return
        asked_at = self._clock.monotonic()
        await _lease_call("renewing the lease", self._lease.renew(**CHANGING), self.record)
        self._ends = asked_at + SECONDS

    async def claim(self, owner: str) -> None:
        """Record who owns the source from now on."""
        metadata = {**self._metadata, "owner": owner}
        request = self._blob.set_blob_metadata(metadata, lease=self._lease.id, **CHANGING)
        await _lease_call("recording the owner", request, self.record)
        self._metadata = metadata

    async def read_record(self) -> None:
        """Read who owns the source; fails if the lease is not held."""
        request = self._blob.get_blob_properties(lease=self._lease.id, **CHANGING)
        properties = await _lease_call("reading the lease's record", request, self.record)
        self._metadata = properties.metadata

    async def release(self) -> None:
        """Give the lease back; if that fails it ends by itself within a minute."""
        try:
            await _lease_call("releasing the lease", self._lease.release(**CHANGING), self.record)
        except RekeyError as error:
            log.info("a lease ends by itself instead: %s", error)


class BlobLeases:
    """Leases in the app's own storage account; see engine.ports.Leases."""

    def __init__(self, storage: HostStorage, azure: Azure, clock: Clock) -> None:
        self._storage = storage
        self._azure = azure
        self._clock = clock
        self._service: BlobServiceClient | None = None

    @asynccontextmanager
    async def hold(self, source: str, owner: str) -> AsyncIterator[BlobLease]:
        """Hold the lease on a source; LeaseUnavailable if another worker does."""
        lease = await self._take(source, owner.lower())
        try:
            await lease.read_record()
            yield lease
        finally:
            await lease.release()

    async def _take(self, source: str, owner: str) -> BlobLease:
        blob = self._blob(source)
        try:
            return await self._acquire(blob, source)
        except NotFound:
            # The first time that this source is worked on: whoever creates its record owns it.
            # Metadata travels in headers, and a resource group's name may hold any letter.
            await create(self._client(), blob, b"", {"source": quote(source, safe="/:"), "owner": owner})
        return await self._acquire(blob, source)

    async def _acquire(self, blob: BlobClient, source: str) -> BlobLease:
        from azure.storage.blob.aio import BlobLeaseClient

        lease, asked_at = BlobLeaseClient(blob), self._clock.monotonic()
        await _lease_call(f"taking the lease on {source}", lease.acquire(SECONDS, **CHANGING), HERE)
        return BlobLease(blob, lease, self._clock, asked_at)

    def _blob(self, source: str) -> BlobClient:
        name = hashlib.sha256(source.encode()).hexdigest()[:40]
        return self._client().get_blob_client(CONTAINER, f"sources/{name}")

    def _client(self) -> BlobServiceClient:
        if self._service is None:
            self._service = self._storage.blobs(self._azure)
        return self._service


async def _lease_call[T](what: str, request: Awaitable[T], where: str) -> T:
    """Await a lease operation; that somebody else holds the lease, or that it is lost, is a LeaseUnavailable."""
    try:
        return await call(what, request, where=where, role=ROLE)
    except TransientError as error:
        if not error.code.startswith("Lease"):
            raise
        raise LeaseUnavailable(f"{what}: another worker has it ({error.code})", where=where, code=error.code) from None

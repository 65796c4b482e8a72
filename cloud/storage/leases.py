"""The exclusive right to change a source: a lease on the blob that holds the record of the source.

Each source has one blob in the app's own storage account, named by the digest of its id. A lease
lasts 60 seconds and ends by itself if its holder dies. It costs three calls: one to take it, one to
read the record meanwhile, and one to release it. The answer to the first names the ETag of the blob
at that moment: where the other read something else, the record is read again under the lease. Source:
https://learn.microsoft.com/rest/api/storageservices/lease-blob
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote

from azure.core import MatchConditions

from cloud.azure import CHANGING, Azure, call, stream
from cloud.storage.blobs import CONTAINER, HERE, ROLE, create, downloaded
from cloud.storage.host_storage import HostStorage
from engine.errors import LeaseUnavailable, NeedsHuman, NotFound, RekeyError, TransientError
from engine.ports import Clock
from engine.state.codec import RECORD_FIX
from engine.state.index import Listed
from engine.state.record import Record, covers, parts_of
from engine.state.record_parts import SEPARATOR
from engine.state.tags import Pending

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient, BlobLeaseClient, BlobServiceClient

SECONDS = 60
"""How long a lease lasts; Azure allows 15 to 60."""

log = logging.getLogger("rekey.leases")


class Stored(NamedTuple):
    """What a blob holds."""

    content: bytes
    metadata: Mapping[str, str]
    etag: str


class BlobLease:
    """A lease that this worker holds; see engine.ports.Lease."""

    def __init__(
        self, blob: BlobClient, lease: BlobLeaseClient, clock: Clock, taken_at: float, source: str
    ) -> None:
        self._blob = blob
        self._lease = lease
        self._clock = clock
        self._ends = taken_at + SECONDS
        self._source = source
        self._etag = ""
        self._record: Record | NeedsHuman = Record()

    @property
    def record(self) -> Record:
        """The record of the source; raises NeedsHuman if it cannot be read."""
        if isinstance(self._record, NeedsHuman):
            raise self._record
        return self._record

    @property
    def where(self) -> str:
        """The location of the record."""
        return f"{self._blob.container_name}/{self._blob.blob_name} in {HERE}"

    @property
    def remaining(self) -> float:
        """Seconds for which the lease certainly holds, counted from before the request for it."""
        return self._ends - self._clock.monotonic()

    async def ensure(self, seconds: float) -> None:
        """Make sure that the lease lasts this long; renew it if necessary."""
        if self.remaining > seconds:
            return
        sent_at = self._clock.monotonic()
        await _held("renewing the lease", self._renew(), self.where)
        self._ends = sent_at + SECONDS

    async def _renew(self) -> None:
        """Renew the lease; raises ValueError for an answer that does not name it.

        The SDK takes a proxy's page for a renewal, and forgets the lease over it.
        """
        held = self._lease.id
        await self._lease.renew(**CHANGING)
        if self._lease.id != held:
            self._lease.id = held
            raise ValueError

    async def write(self, record: Record) -> None:
        """Replace the record, if it is still exactly the one that was read."""
        source = record.source if covers(record.source, self._source) else self._source
        record = replace(record, source=source)
        request = self._blob.upload_blob(
            record.to_json().encode(),
            overwrite=True,
            lease=self._lease,
            metadata=listing(record),
            etag=self._etag,
            match_condition=MatchConditions.IfNotModified,
            **CHANGING,
        )
        answer = await _held("writing the record", request, self.where)
        self._etag, self._record = answer["etag"], record

    async def read_record(self, part: str, shown: Stored | None) -> None:
        """Read the record of the source, of which this is a part; fails if the lease is lost.

        `shown`: what the blob was seen to hold. That counts where it held the same as the lease was
        taken.
        """
        if shown is None or shown.etag != self._lease.etag:
            request = _stored(self._blob, self.where, lease=self._lease.id)
            shown = await _held("reading the record of the source", request, self.where)
        self._etag = shown.etag
        try:
            record = parsed(shown.content, shown.metadata, self._source, self.where)
            self._record = checked(record, part, self.where)
        except NeedsHuman as error:
            self._record = error

    async def release(self) -> None:
        """Release the lease; if that fails, it ends by itself within a minute."""
        try:
            await _lease_call("releasing the lease", self._lease.release(**CHANGING), self.where)
        except RekeyError as error:
            log.info("a lease ends by itself instead: %s", error)


_TIMES = (
    *("audited", "created", "published", "made", "under", "waiting", "next_check"),
    "notified",
)


def parsed(content: bytes, metadata: Mapping[str, str], source: str, where: str) -> Record:
    """Return the record in a blob; Rekey 0.1 stored only the owner, in the blob's metadata."""
    if content:
        return Record.from_json(content, where)
    return Record(source=source, owner=metadata.get("owner", ""))


def checked(record: Record, part: str, where: str) -> Record:
    """Return a record; raises NeedsHuman if it is that of another source, put here by mistake."""
    if record.source and part not in parts_of(record.source):
        raise NeedsHuman(
            f"the record here is that of another source, {record.source}",
            where=where,
            fix=RECORD_FIX,
        )
    return record


def listing(record: Record) -> dict[str, str]:
    """Return the metadata that a listing shows.

    Metadata is sent in headers, so names are quoted: a group's name may contain any letter.
    """
    shown = Listed.of(record)
    times = {name: getattr(shown, name) for name in _TIMES}
    return {
        "source": quote(shown.source, safe="/:"),
        "owner": shown.owner,
        "open": "true" if shown.is_open else "false",
        **({"leaked": "true"} if shown.is_leaked else {}),
        **({"retire": quote(str(shown.pending))} if shown.pending else {}),
        **{name: moment.isoformat() for name, moment in times.items() if moment},
        **({"prints": SEPARATOR.join(shown.prints)} if shown.prints else {}),
        **({"printed": "true"} if shown.is_printed and shown.prints else {}),
    }


def listed(metadata: Mapping[str, str]) -> Listed:
    """Return what a listing shows of a record; a part that cannot be read counts as missing.

    So does an empty one, such as the owner of a released secret: the SDK shows it as None.
    """
    metadata = {name: text or "" for name, text in metadata.items()}
    times = {name: _time(metadata.get(name, "")) for name in _TIMES}
    return Listed(
        unquote(metadata.get("source", "")),
        metadata.get("owner", ""),
        _pending(metadata.get("retire", "")),
        is_open=metadata.get("open") == "true",
        is_leaked="leaked" in metadata,
        **times,
        is_printed="printed" in metadata,
        prints=tuple(filter(None, metadata.get("prints", "").split(SEPARATOR))),
    )


def _pending(text: str) -> Pending | None:
    try:
        return Pending.parse(unquote(text))
    except ValueError:
        return None


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


class BlobLeases:
    """Leases in the app's own storage account; see engine.ports.Leases."""

    def __init__(self, storage: HostStorage, azure: Azure, clock: Clock) -> None:
        self._storage = storage
        self._azure = azure
        self._clock = clock

    @asynccontextmanager
    async def hold(self, source: str, owner: str, whole: str = "") -> AsyncIterator[BlobLease]:
        """Hold the lease on a source; raises LeaseUnavailable if another worker has it."""
        blob = self._blob(source)
        reading = asyncio.create_task(_shown(blob))
        try:
            lease, created = await self._take(blob, owner.lower(), whole or source)
            try:
                shown = await reading
                await lease.read_record(source, created or shown)
                yield lease
            finally:
                await lease.release()
        finally:
            # Whatever came of the lease, nothing is left under way.
            await asyncio.gather(reading, return_exceptions=True)

    async def _take(
        self, blob: BlobClient, owner: str, whole: str
    ) -> tuple[BlobLease, Stored | None]:
        """Take the lease; return it, and what was created for it."""
        try:
            return await self._acquire(blob, whole), None
        except NotFound:
            # Nobody has worked on this source yet. The secret that creates its record owns it.
            record = Record(source=whole, owner=owner)
        content = record.to_json().encode()
        # Another worker may have created it, and may hold it already.
        request = create(self._client, blob, content, listing(record))
        etag = await _lease_call("creating the record", request, HERE)
        return await self._acquire(blob, whole), Stored(content, {}, etag)

    async def peek(self, source: str) -> Record | None:
        """Read the record of a source that another worker may be writing."""
        first = parts_of(source)[0]
        blob = self._blob(first)
        where = f"{blob.container_name}/{blob.blob_name} in {HERE}"
        if (shown := await _shown(blob)) is None:
            return None
        return checked(parsed(shown.content, shown.metadata, source, where), first, where)

    async def index(self) -> AsyncIterator[Listed]:
        """Stream what a listing shows of every record, 5,000 to a call; it may be empty."""
        container = self._client.get_container_client(CONTAINER)
        # The SDK does not retry this, since it waits up to a minute. The next sweep tries again.
        blobs = container.list_blobs(name_starts_with="sources/", include=["metadata"], **CHANGING)
        try:
            async for blob in stream("listing the records", blobs, where=HERE, role=ROLE):
                yield listed(blob.metadata or {})
        except NotFound:
            return

    async def _acquire(self, blob: BlobClient, source: str) -> BlobLease:
        from azure.storage.blob.aio import BlobLeaseClient

        lease, sent_at = BlobLeaseClient(blob), self._clock.monotonic()
        await _lease_call(f"taking the lease on {source}", lease.acquire(SECONDS, **CHANGING), HERE)
        return BlobLease(blob, lease, self._clock, sent_at, source)

    def _blob(self, source: str) -> BlobClient:
        name = hashlib.sha256(source.encode()).hexdigest()[:40]
        return self._client.get_blob_client(CONTAINER, f"sources/{name}")

    @cached_property
    def _client(self) -> BlobServiceClient:
        return self._storage.blobs(self._azure)


async def _shown(blob: BlobClient) -> Stored | None:
    """Return what a blob holds, which another worker may be writing; None if it does not exist."""
    try:
        return await _stored(blob, f"{blob.container_name}/{blob.blob_name} in {HERE}")
    except NotFound:
        return None


async def _stored(blob: BlobClient, where: str, **condition: Any) -> Stored:
    what = "reading the record of the source"
    content, shown = await _lease_call(what, downloaded(blob, **condition), where)
    return Stored(content, shown.metadata, shown.etag)


async def _lease_call[T](what: str, request: Awaitable[T], where: str) -> T:
    """Await a lease operation; raises LeaseUnavailable if the lease is lost or another's."""
    try:
        return await call(what, request, where=where, role=ROLE)
    except TransientError as error:
        if not error.code.startswith("Lease") and error.code != "ConditionNotMet":
            raise
        raise LeaseUnavailable(
            f"{what}: another worker has it ({error.code})", where=where, code=error.code
        ) from None


async def _held[T](what: str, request: Awaitable[T], where: str) -> T:
    """Await an operation under a lease; raises TransientError if the blob is gone.

    Somebody deleted it, or its container. That says nothing about the source, so what was begun
    there is tried again, under a new record. It is no lost lease: no other worker has taken over,
    so a single slot that has changed is still set back.
    """
    try:
        return await _lease_call(what, request, where)
    except NotFound as error:
        raise TransientError(
            f"{what}: the record was deleted ({error.code})", where=where, code=error.code
        ) from None

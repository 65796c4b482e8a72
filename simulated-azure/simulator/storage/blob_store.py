"""Containers and blobs as the blob service stores them, and the conditions of requests."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from simulator.storage.leases import Lease
from simulator.storage.wire import (
    StorageError,
    element,
    header_refused,
    http_date,
    metadata_headers,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from simulator.storage.service import Call
    from simulator.wire import Request

NAME = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]*[a-z0-9]")
NAME_LENGTHS = range(3, 64)
"""The allowed lengths of names of containers and queues."""

BEING_DELETED = timedelta(seconds=30)
"""How long, at least, the name of a deleted container stays reserved."""


def check_name(name: str) -> None:
    """Refuse an invalid name of a container or queue."""
    if len(name) not in NAME_LENGTHS:
        message = "The specified resource name length is not within the permissible limits."
        raise StorageError(400, "OutOfRangeInput", message)
    if not NAME.fullmatch(name):
        raise StorageError(
            400, "InvalidResourceName", "The specified resource name contains invalid characters."
        )


@dataclass
class Blob:
    """One block blob.

    ETag and last-modified time change with content and metadata, never with the lease.
    """

    content: bytes
    http: Mapping[str, str]
    metadata: Mapping[str, str]
    etag: str
    created: datetime
    modified: datetime
    lease: Lease = field(default_factory=Lease)

    def stamp(self) -> dict[str, str]:
        """Return the two headers that identify the state of a blob."""
        return {"ETag": self.etag, "Last-Modified": http_date(self.modified)}

    def md5(self) -> str:
        """Return the Content-MD5 of the whole blob."""
        return content_md5(self.content)

    def headers(self, now: datetime) -> dict[str, str]:
        """Return the headers of Get Blob and Get Blob Properties."""
        return {
            **self.stamp(),
            **self.http,
            **metadata_headers(self.metadata),
            **self.lease.headers(now),
            "Accept-Ranges": "bytes",
            "x-ms-blob-type": "BlockBlob",
            "x-ms-creation-time": http_date(self.created),
            "x-ms-server-encrypted": "true",
        }

    def xml(self, now: datetime) -> str:
        """Return a blob's entry in List Blobs."""
        lease = self.lease.headers(now)
        known = {
            "Creation-Time": http_date(self.created),
            "Last-Modified": http_date(self.modified),
            "Etag": self.etag.strip('"'),
            "Content-Length": str(len(self.content)),
            "Content-Type": self.http["Content-Type"],
            "Content-MD5": self.md5(),
            "BlobType": "BlockBlob",
            "LeaseStatus": lease["x-ms-lease-status"],
            "LeaseState": lease["x-ms-lease-state"],
            "LeaseDuration": lease.get("x-ms-lease-duration", ""),
            "ServerEncrypted": "true",
        }
        return element("Properties", *(text(name, value) for name, value in known.items() if value))


def content_md5(content: bytes) -> str:
    """Return the content's MD5 in base64, as Azure Storage compares it."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


@dataclass
class Container:
    """One container and its blobs, by name."""

    metadata: Mapping[str, str]
    etag: str
    modified: datetime
    blobs: dict[str, Blob] = field(default_factory=dict)

    def headers(self) -> dict[str, str]:
        """Return the headers of Get Container Properties."""
        return {
            "ETag": self.etag,
            "Last-Modified": http_date(self.modified),
            "x-ms-lease-status": "unlocked",
            "x-ms-lease-state": "available",
            "x-ms-has-immutability-policy": "false",
            "x-ms-has-legal-hold": "false",
            **metadata_headers(self.metadata),
        }


class Containers:
    """The containers of all accounts."""

    def __init__(self) -> None:
        self._containers: dict[tuple[str, str], Container] = {}
        self._deleted: dict[tuple[str, str], datetime] = {}
        self._etags = itertools.count(0x8DE000000000001)

    @property
    def held(self) -> Mapping[tuple[str, str], Container]:
        """All containers by account and name, as somebody with access to the accounts sees them."""
        return self._containers

    def new_etag(self) -> str:
        """Return a new, unique ETag."""
        return f'"0x{next(self._etags):X}"'

    def names(self, account: str) -> list[str]:
        """Return the names of an account's containers."""
        return [name for owner, name in self._containers if owner == account]

    def create(self, call: Call, metadata: Mapping[str, str]) -> Container:
        """Create a container; refuse a name that is in use."""
        check_name(call.container)
        key = (call.account.name, call.container)
        if key in self._containers:
            raise StorageError(
                409, "ContainerAlreadyExists", "The specified container already exists."
            )
        if call.now < self._deleted.get(key, call.now):
            message = "The specified container is being deleted. Try operation later."
            raise StorageError(409, "ContainerBeingDeleted", message)
        self._containers[key] = Container(metadata, self.new_etag(), call.now)
        return self._containers[key]

    def find(self, call: Call) -> Container:
        """Return the container that a call names."""
        container = self._containers.get((call.account.name, call.container))
        if container is None:
            raise StorageError(404, "ContainerNotFound", "The specified container does not exist.")
        return container

    def delete(self, call: Call) -> None:
        """Delete a container with all its blobs, including leased ones."""
        self.find(call)
        key = (call.account.name, call.container)
        del self._containers[key]
        self._deleted[key] = call.now + BEING_DELETED

    def blob(self, call: Call) -> Blob:
        """Return the blob that a call names."""
        blob = self.find(call).blobs.get(call.rest)
        if blob is None:
            raise StorageError(404, "BlobNotFound", "The specified blob does not exist.")
        return blob


def check_conditions(request: Request, blob: Blob | None) -> None:
    """Refuse a request whose If-… headers do not hold.

    304 for a read of an unchanged blob, otherwise 412.
    """
    etag = blob.etag if blob else None
    if (if_match := request.header("if-match")) and (etag is None or if_match not in {etag, "*"}):
        raise _not_met(412)
    if (
        (if_none_match := request.header("if-none-match"))
        and etag is not None
        and if_none_match in {etag, "*"}
    ):
        raise _not_met(304 if request.method in {"GET", "HEAD"} else 412)
    if blob:
        _check_times(request, blob)


def _check_times(request: Request, blob: Blob) -> None:
    # HTTP dates have whole seconds, so compare whole seconds.
    modified = blob.modified.replace(microsecond=0)
    if (since := _date(request, "if-modified-since")) and modified <= since:
        raise _not_met(304 if request.method in {"GET", "HEAD"} else 412)
    if (until := _date(request, "if-unmodified-since")) and modified > until:
        raise _not_met(412)


def _date(request: Request, name: str) -> datetime | None:
    value = request.header(name)
    try:
        return parsedate_to_datetime(value) if value else None
    except ValueError:
        raise header_refused(name, value) from None


def _not_met(status: int) -> StorageError:
    return StorageError(
        status,
        "ConditionNotMet",
        "The condition specified using HTTP conditional header(s) is not met.",
    )

"""Operations on one blob: put, get, properties, metadata, delete, lease."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from simulator.storage.blob_store import Blob, check_conditions, content_md5
from simulator.storage.leases import Lease
from simulator.storage.wire import StorageError, header_missing, header_refused, metadata_of
from simulator.wire import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.storage.blob_store import Containers
    from simulator.storage.service import Call
    from simulator.wire import Request

RANGE = re.compile(r"bytes=(\d+)-(\d*)")
HTTP_HEADERS = {
    "Content-Encoding": ("x-ms-blob-content-encoding", "content-encoding"),
    "Content-Language": ("x-ms-blob-content-language", "content-language"),
    "Content-Disposition": ("x-ms-blob-content-disposition",),
    "Cache-Control": ("x-ms-blob-cache-control", "cache-control"),
}


class BlobOperations:
    """The blob service's operations on blobs. Conditions are checked before the lease."""

    def __init__(self, containers: Containers, entropy: Callable[[int], bytes]) -> None:
        self._containers = containers
        self._entropy = entropy
        self._lease_actions: dict[str, Callable[[Call, Blob], Response]] = {
            "acquire": self._acquire,
            "renew": _renew,
            "change": _change,
            "release": _release,
            "break": _break,
        }

    def put(self, call: Call) -> Response:
        """Put Blob: replace content, headers and metadata as a whole."""
        request = call.request
        container, old = (
            self._containers.find(call),
            self._containers.find(call).blobs.get(call.rest),
        )
        _check_put(request)
        if old and request.header("if-none-match") == "*":
            raise StorageError(409, "BlobAlreadyExists", "The specified blob already exists.")
        check_conditions(request, old)
        lease = _lease_for_write(call, old)
        etag = self._containers.new_etag()
        blob = Blob(
            request.body,
            _http_headers(request),
            metadata_of(request),
            etag,
            call.now,
            call.now,
            lease,
        )
        container.blobs[call.rest] = blob
        return Response(
            201,
            {**blob.stamp(), "Content-MD5": blob.md5(), "x-ms-request-server-encrypted": "true"},
        )

    def get(self, call: Call) -> Response:
        """Get Blob: the whole content, or the requested range."""
        blob = self._readable(call)
        headers = blob.headers(call.now)
        requested = call.request.header("x-ms-range") or call.request.header("range")
        match = RANGE.fullmatch(requested)
        if not match:
            return Response(200, {**headers, "Content-MD5": blob.md5()}, blob.content)
        first, size = int(match[1]), len(blob.content)
        if first >= size:
            message = "The range specified is invalid for the current size of the resource."
            raise StorageError(
                416, "InvalidRange", message, headers={"Content-Range": f"bytes */{size}"}
            )
        content = blob.content[first : int(match[2] or size) + 1]
        position = {"Content-Range": f"bytes {first}-{first + len(content) - 1}/{size}"}
        return Response(206, {**headers, **position, "x-ms-blob-content-md5": blob.md5()}, content)

    def properties(self, call: Call) -> Response:
        """Get Blob Properties: the headers of Get Blob, without a body."""
        blob = self._readable(call)
        whole = {"Content-Length": str(len(blob.content)), "Content-MD5": blob.md5()}
        return Response(200, {**blob.headers(call.now), **whole})

    def set_metadata(self, call: Call) -> Response:
        """Set Blob Metadata: replace all of it."""
        blob = self._writable(call)
        blob.metadata = metadata_of(call.request)
        blob.etag, blob.modified = self._containers.new_etag(), call.now
        return Response(200, {**blob.stamp(), "x-ms-request-server-encrypted": "true"})

    def delete(self, call: Call) -> Response:
        """Delete Blob."""
        self._writable(call)
        del self._containers.find(call).blobs[call.rest]
        return Response(202, {"x-ms-delete-type-permanent": "true"})

    def lease(self, call: Call) -> Response:
        """Lease Blob: acquire, renew, change, release or break."""
        blob = self._containers.blob(call)
        check_conditions(call.request, blob)
        name = _required(call.request, "x-ms-lease-action")
        action = self._lease_actions.get(name.lower())
        if action is None:
            raise header_refused("x-ms-lease-action", name)
        response = action(call, blob)
        return Response(response.status, {**blob.stamp(), **response.headers})

    def _acquire(self, call: Call, blob: Blob) -> Response:
        duration = _number(call.request, "x-ms-lease-duration")
        if duration is None:
            raise header_missing("x-ms-lease-duration")
        proposed = _guid(call.request, "x-ms-proposed-lease-id") or str(
            uuid.UUID(bytes=self._entropy(16), version=4)
        )
        blob.lease = blob.lease.acquire(proposed, duration, call.now)
        return Response(201, {"x-ms-lease-id": blob.lease.id})

    def _readable(self, call: Call) -> Blob:
        blob = self._containers.blob(call)
        check_conditions(call.request, blob)
        blob.lease.check_read(_guid(call.request, "x-ms-lease-id"), call.now)
        return blob

    def _writable(self, call: Call) -> Blob:
        blob = self._containers.blob(call)
        check_conditions(call.request, blob)
        blob.lease = _lease_for_write(call, blob)
        return blob


def _renew(call: Call, blob: Blob) -> Response:
    blob.lease = blob.lease.renew(_lease_id(call.request), call.now)
    return Response(200, {"x-ms-lease-id": blob.lease.id})


def _change(call: Call, blob: Blob) -> Response:
    proposed = _guid(call.request, "x-ms-proposed-lease-id")
    if not proposed:
        raise header_missing("x-ms-proposed-lease-id")
    blob.lease = blob.lease.change(_lease_id(call.request), proposed, call.now)
    return Response(200, {"x-ms-lease-id": blob.lease.id})


def _release(call: Call, blob: Blob) -> Response:
    blob.lease = blob.lease.release(_lease_id(call.request))
    return Response(200)


def _break(call: Call, blob: Blob) -> Response:
    blob.lease = blob.lease.broken(_number(call.request, "x-ms-lease-break-period"), call.now)
    return Response(202, {"x-ms-lease-time": str(blob.lease.seconds_left(call.now))})


def _lease_for_write(call: Call, blob: Blob | None) -> Lease:
    """Return the lease of a blob to be written, after checking that it permits the write."""
    lease = blob.lease if blob else Lease()
    lease.check_write(_guid(call.request, "x-ms-lease-id"), call.now)
    return lease.after_write(call.now)


def _check_put(request: Request) -> None:
    kind = _required(request, "x-ms-blob-type")
    if kind != "BlockBlob":
        raise header_refused("x-ms-blob-type", kind)
    declared, computed = request.header("content-md5"), content_md5(request.body)
    if declared and declared != computed:
        message = (
            "The MD5 value specified in the request did not match with the MD5 value "
            "calculated by the server."
        )
        raise StorageError(
            400,
            "Md5Mismatch",
            message,
            {"UserSpecifiedMd5": declared, "ServerCalculatedMd5": computed},
        )


def _http_headers(request: Request) -> dict[str, str]:
    kind = (
        request.header("x-ms-blob-content-type")
        or request.header("content-type")
        or "application/octet-stream"
    )
    headers = {
        name: next(filter(None, map(request.header, sources)), "")
        for name, sources in HTTP_HEADERS.items()
    }
    return {"Content-Type": kind, **{name: value for name, value in headers.items() if value}}


def _required(request: Request, name: str) -> str:
    value = request.header(name)
    if not value:
        raise header_missing(name)
    return value


def _lease_id(request: Request) -> str:
    _required(request, "x-ms-lease-id")
    return _guid(request, "x-ms-lease-id")


def _guid(request: Request, name: str) -> str:
    """Return an id in its canonical form; an empty text if the header is missing."""
    value = request.header(name)
    try:
        return str(uuid.UUID(value)) if value else ""
    except ValueError:
        raise header_refused(name, value) from None


def _number(request: Request, name: str) -> int | None:
    value = request.header(name)
    try:
        return int(value) if value else None
    except ValueError:
        raise header_refused(name, value) from None

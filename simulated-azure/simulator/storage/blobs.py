"""The blob service: service properties, containers, block blobs and their leases.

https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api

Not simulated: blocks, append and page blobs, snapshots, versions, tags, tiers, public access,
leases on containers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.storage.blob_objects import BlobOperations
from simulator.storage.blob_store import Containers
from simulator.storage.service import Call, Route, StorageService, listing
from simulator.storage.wire import (
    XML,
    document,
    element,
    http_date,
    metadata_of,
    query_refused,
    text,
)
from simulator.wire import Response

if TYPE_CHECKING:
    from simulator.world import World

CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
READ, WRITE, DELETE = (f"{CONTAINERS}/blobs/{verb}" for verb in ("read", "write", "delete"))


class BlobService(StorageService):
    """The blob service of every storage account in the world."""

    server = "Windows-Azure-Blob"
    provider = "blobServices/containers"

    def __init__(self, world: World) -> None:
        super().__init__(world, world.domains.blob)
        self.containers = Containers()
        blobs = BlobOperations(self.containers, world.entropy)
        self._service = {
            ("GET", "service&properties"): Route(
                _service_properties, ("Microsoft.Storage/storageAccounts/blobServices/read",)
            ),
            ("GET", "list"): Route(self._list_containers, (f"{CONTAINERS}/read",)),
        }
        self._container = {
            ("PUT", "container"): Route(self._create, (f"{CONTAINERS}/write",)),
            ("GET", "container"): Route(self._properties, (f"{CONTAINERS}/read",)),
            ("HEAD", "container"): Route(self._properties, (f"{CONTAINERS}/read",)),
            ("DELETE", "container"): Route(self._delete, (f"{CONTAINERS}/delete",)),
            ("GET", "container&list"): Route(self._list_blobs, (READ,)),
        }
        self._blob = {
            ("PUT", ""): Route(blobs.put, (WRITE,)),
            ("GET", ""): Route(blobs.get, (READ,)),
            ("HEAD", ""): Route(blobs.properties, (READ,)),
            ("DELETE", ""): Route(blobs.delete, (DELETE,)),
            ("GET", "metadata"): Route(blobs.properties, (READ,)),
            ("PUT", "metadata"): Route(blobs.set_metadata, (WRITE,)),
            ("PUT", "lease"): Route(blobs.lease, (WRITE,)),
        }

    def route(self, call: Call) -> Route | None:
        """Return the operation for a call, by the depth of its path."""
        table = self._blob if call.rest else self._container if call.container else self._service
        return table.get((call.request.method, call.comp))

    def _create(self, call: Call) -> Response:
        container = self.containers.create(call, metadata_of(call.request))
        return Response(
            201, {"ETag": container.etag, "Last-Modified": http_date(container.modified)}
        )

    def _properties(self, call: Call) -> Response:
        return Response(200, self.containers.find(call).headers())

    def _delete(self, call: Call) -> Response:
        self.containers.delete(call)
        return Response(202)

    def _list_containers(self, call: Call) -> Response:
        def describe(name: str) -> str:
            return element("Container", text("Name", name), element("Properties"))

        names = self.containers.names(call.account.name)
        body = listing(call, names, "Containers", describe, ServiceEndpoint=self._endpoint(call))
        return Response(200, XML, document(body))

    def _list_blobs(self, call: Call) -> Response:
        if call.request.query.get("delimiter"):
            raise query_refused(
                "delimiter",
                call.request.query["delimiter"],
                "The simulator lists without hierarchy.",
            )
        blobs = self.containers.find(call).blobs
        detailed = "metadata" in call.request.query.get("include", "").split(",")

        def describe(name: str) -> str:
            blob = blobs[name]
            metadata = element(
                "Metadata", *(text(key, value) for key, value in blob.metadata.items())
            )
            return element(
                "Blob", text("Name", name), blob.xml(call.now), *([metadata] if detailed else [])
            )

        endpoint = {"ServiceEndpoint": self._endpoint(call), "ContainerName": call.container}
        return Response(200, XML, document(listing(call, blobs, "Blobs", describe, **endpoint)))

    def _endpoint(self, call: Call) -> str:
        return f"https://{call.account.name}.{self.domain}/"


def _service_properties(call: Call) -> Response:
    """Return Get Blob Service Properties of a new account."""
    del call
    keep = element("RetentionPolicy", text("Enabled", "false"))
    logging = [text(name, "false") for name in ("Delete", "Read", "Write")]
    metrics = [text("Version", "1.0"), text("Enabled", "false"), keep]
    body = element(
        "StorageServiceProperties",
        element("Logging", text("Version", "1.0"), *logging, keep),
        element("HourMetrics", *metrics),
        element("MinuteMetrics", *metrics),
        element("Cors"),
        element("DeleteRetentionPolicy", text("Enabled", "false")),
        element("StaticWebsite", text("Enabled", "false")),
    )
    return Response(200, XML, document(body))

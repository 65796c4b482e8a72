"""Which incidents there were: a blob each in the app's own storage account."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cloud.azure import CHANGING, Azure, each
from cloud.storage import blobs
from cloud.storage.blobs import CONTAINER, HERE, ROLE
from cloud.storage.host_storage import HostStorage
from engine.errors import NeedsHuman, NotFound
from engine.model.incident import ID, Incident

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient, BlobServiceClient

PREFIX = "incidents/"


class BlobIncidents:
    """The incidents that were reported; see engine.ports.Incidents."""

    def __init__(self, storage: HostStorage, azure: Azure) -> None:
        self._storage = storage
        self._azure = azure
        self._service: BlobServiceClient | None = None

    async def keep(self, incident: Incident) -> None:
        """Write an incident down; one that is there already stays as it is."""
        text = json.dumps({**incident.to_dict(), "vaults": list(incident.vaults)})
        await blobs.create(self._client(), self._blob(incident.id), text.encode(), {})

    async def find(self, incident_id: str) -> Incident | None:
        """Return an incident; None where there is none with this id."""
        if not re.fullmatch(ID, incident_id):
            return None
        content = await blobs.read(self._blob(incident_id))
        return _incident(incident_id, content) if content else None

    async def newest(self, most: int) -> Sequence[Incident]:
        """Return so many, the newest first: an id begins with its time."""
        container = self._client().get_container_client(CONTAINER)
        names = container.list_blobs(name_starts_with=PREFIX, **CHANGING)
        try:
            ids = [
                blob.name.removeprefix(PREFIX)
                async for blob in each("listing the incidents", names, where=HERE, role=ROLE)
            ]
        except NotFound:
            return []
        newest = await asyncio.gather(*(self.find(one) for one in sorted(ids, reverse=True)[:most]))
        return [incident for incident in newest if incident]

    def _blob(self, incident_id: str) -> BlobClient:
        return self._client().get_blob_client(CONTAINER, PREFIX + incident_id)

    def _client(self) -> BlobServiceClient:
        if self._service is None:
            self._service = self._storage.blobs(self._azure)
        return self._service


def _incident(incident_id: str, content: bytes) -> Incident:
    try:
        return Incident.from_dict(json.loads(content))
    except (ValueError, TypeError, LookupError, AttributeError):
        where, fix = (
            f"{CONTAINER}/{PREFIX}{incident_id} in {HERE}",
            "delete that blob if nobody needs it",
        )
        raise NeedsHuman("the record of an incident cannot be read", where=where, fix=fix) from None

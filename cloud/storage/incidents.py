"""The reported incidents, one blob each, in the app's own storage account."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from cloud.azure import CHANGING, Azure, stream
from cloud.storage import blobs
from cloud.storage.blobs import CONTAINER, HERE, ROLE
from cloud.storage.host_storage import HostStorage
from engine.errors import NeedsHuman, NotFound
from engine.state.incident import INCIDENT_ID, Incident

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient, BlobServiceClient

PREFIX = "incidents/"


class BlobIncidents:
    """The incidents that were reported; see engine.ports.Incidents."""

    def __init__(self, storage: HostStorage, azure: Azure) -> None:
        self._storage = storage
        self._azure = azure

    async def keep(self, incident: Incident) -> None:
        """Store an incident; an existing one stays unchanged."""
        text = json.dumps({**incident.to_dict(), "vaults": list(incident.vaults)})
        await blobs.create(self._client, self._blob(incident.id), text.encode(), {})

    async def find(self, incident_id: str) -> Incident | None:
        """Return the incident with this id; None if there is none."""
        if not re.fullmatch(INCIDENT_ID, incident_id):
            return None
        content = await blobs.read(self._blob(incident_id))
        return None if content is None else _incident(incident_id, content)

    async def newest(self, most: int) -> Sequence[Incident]:
        """Return at most so many incidents, newest first; an id starts with its time."""
        container = self._client.get_container_client(CONTAINER)
        names = container.list_blobs(name_starts_with=PREFIX, **CHANGING)
        try:
            ids = [
                blob.name.removeprefix(PREFIX)
                async for blob in stream("listing the incidents", names, where=HERE, role=ROLE)
            ]
        except NotFound:
            return []
        recent = sorted(ids, reverse=True)[:most]
        incidents = await asyncio.gather(*(self.find(incident_id) for incident_id in recent))
        return [incident for incident in incidents if incident]

    def _blob(self, incident_id: str) -> BlobClient:
        return self._client.get_blob_client(CONTAINER, PREFIX + incident_id)

    @cached_property
    def _client(self) -> BlobServiceClient:
        return self._storage.blobs(self._azure)


def _incident(incident_id: str, content: bytes) -> Incident:
    try:
        return Incident.from_dict(json.loads(content))
    except (ValueError, TypeError, LookupError):
        raise NeedsHuman(
            "the record of an incident cannot be read",
            where=f"{CONTAINER}/{PREFIX}{incident_id} in {HERE}",
            fix="report that incident once more, then delete that blob",
        ) from None

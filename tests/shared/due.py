"""When the records in an app's own storage say that its sources are due."""

from __future__ import annotations

from datetime import datetime

from cloud.storage.leases import listed
from engine.model.record import LOOKING
from simulator.azure import Azure
from simulator.storage.blobs import BlobService


def next_check(world: Azure, account: str, now: datetime) -> datetime | None:
    """Return when the timer next finds something to ask for; None where it never does."""
    service = next(one for one in world.services if isinstance(one, BlobService))
    blobs = [
        blob
        for (holder, _), container in service.containers.held.items()
        if holder == account
        for name, blob in container.blobs.items()
        if name.startswith("sources/")
    ]
    known = [listed(blob.metadata).next_check for blob in blobs]
    return min((at for at in known if at and at > now - LOOKING), default=None)

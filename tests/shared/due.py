"""When what an app has stored says that its timer finds something to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cloud.storage.leases import listed
from engine.state.record import RECHECKED_FOR
from simulator.azure import Azure
from simulator.storage.blob_store import Blob
from simulator.storage.blobs import BlobService


def stored(world: Azure, account: str, prefix: str) -> Iterator[Blob]:
    """Return the blobs of an account whose names begin so."""
    service = next(one for one in world.services if isinstance(one, BlobService))
    for (holder, _), container in service.containers.held.items():
        for name, blob in container.blobs.items():
            if holder == account and name.startswith(prefix):
                yield blob


def next_check(world: Azure, account: str, now: datetime) -> datetime | None:
    """Return when a record says next that its source is due; None where none does."""
    known = [listed(blob.metadata).next_check for blob in stored(world, account, "sources/")]
    return min((at for at in known if at and at > now - RECHECKED_FOR), default=None)


def next_request(world: Azure, account: str) -> datetime | None:
    """Return when a request is due next; None where none is open."""
    open_ = stored(world, account, "accepted/")
    return min((datetime.fromisoformat(blob.metadata["due"]) for blob in open_), default=None)

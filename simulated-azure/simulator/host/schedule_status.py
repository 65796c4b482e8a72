"""A timer's status, which survives restarts, and the blob that stores it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from simulator.host.schedule import Schedule

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobServiceClient

_CONTAINER = "azure-webjobs-hosts"
_NEVER = "0001-01-01T00:00:00"


@dataclass(frozen=True)
class ScheduleStatus:
    """One timer's last and next run; None means never.

    `updated` is the time from which `next` was computed.
    """

    last: datetime | None
    next: datetime
    updated: datetime | None

    def to_dict(self) -> dict[str, str]:
        """Return the status as the blob and the function's timer contain it."""
        times = {"Last": self.last, "Next": self.next, "LastUpdated": self.updated}
        return {name: time.isoformat() if time else _NEVER for name, time in times.items()}

    @classmethod
    def from_json(cls, text: str | bytes) -> ScheduleStatus:
        """Read a status blob."""
        document = json.loads(text)
        return cls(
            _time(document.get("Last")),
            _time(document["Next"]) or datetime.now(UTC),
            _time(document.get("LastUpdated")),
        )

    def checked(self, schedule: Schedule, now: datetime) -> ScheduleStatus:
        """Return the current status; if the schedule has changed, recompute the next run.

        A past run that exists only in the new schedule is not made up for.
        """
        base = self.last or self.updated or now
        expected = schedule.after(base)
        if self.next == expected:
            return self
        if now > expected:
            base, expected = now, schedule.after(now)
        return ScheduleStatus(None, expected, base)


def _time(text: str | None) -> datetime | None:
    if not text or text.startswith(_NEVER):
        return None
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class ScheduleMonitor:
    """Stores one timer's status in a blob.

    The blob is azure-webjobs-hosts/timers/<host id>/Host.Functions.<name>/status.
    """

    def __init__(self, service: BlobServiceClient, host_id: str, function: str) -> None:
        self._container = service.get_container_client(_CONTAINER)
        self._blob = self._container.get_blob_client(
            f"timers/{host_id}/Host.Functions.{function}/status"
        )

    async def read(self) -> ScheduleStatus | None:
        """Return the last stored status; None if nothing is stored."""
        try:
            download = await self._blob.download_blob()
            return ScheduleStatus.from_json(await download.readall())
        except ResourceNotFoundError:
            return None

    async def write(self, status: ScheduleStatus) -> None:
        """Store a status."""
        content = json.dumps(status.to_dict(), separators=(",", ":"))
        try:
            await self._blob.upload_blob(content, overwrite=True)
        except ResourceNotFoundError:
            await self._create_container()
            await self._blob.upload_blob(content, overwrite=True)

    async def _create_container(self) -> None:
        try:
            await self._container.create_container()
        except ResourceExistsError:
            return

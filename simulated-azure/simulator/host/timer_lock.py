"""The lock of one timer: of all instances of an app, one listens to it.

A lease on a blob of the host's own storage, as SingletonListener and BlobLeaseDistributedLockManager
of azure-webjobs-sdk take it. Periods are host.json's: `singleton`. A host that is killed leaves its
lock behind until the lease ends. What the real listener does when it loses its lease is not known:
this one listens on, so that two may.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azure.core.exceptions import (
    AzureError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)

from simulator.host.settings import HostFile, SettingError, parse_timespan

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobLeaseClient, BlobServiceClient

_log = logging.getLogger("Host.Singleton")
_CONTAINER = "azure-webjobs-hosts"
_SHORTEST = 15
"""The shortest lease of a blob, and the shortest of both periods."""


@dataclass(frozen=True)
class LockOptions:
    """host.json's singleton section, in seconds."""

    period: int = 60
    """How long a lock lasts that nobody renews."""
    between_tries: float = 60
    """How long a host waits that did not get the lock."""

    @classmethod
    def read(cls, host_file: HostFile) -> LockOptions:
        """Read the section; raises SettingError for what Microsoft's own listeners refuse."""

        def seconds(name: str, longest: float) -> float:
            text = str(host_file.get("singleton", name, default="00:01:00"))
            value = parse_timespan(text).total_seconds()
            if not _SHORTEST <= value <= longest:
                raise SettingError(f"host.json: singleton.{name} is out of range: {text}.")
            return value

        return cls(
            int(seconds("listenerLockPeriod", 60)),
            seconds("listenerLockRecoveryPollingInterval", math.inf),
        )


class TimerLock:
    """The blob azure-webjobs-hosts/locks/<host id>/Host.Functions.<name>.Listener."""

    def __init__(
        self, service: BlobServiceClient, host_id: str, function: str, options: LockOptions
    ) -> None:
        self._container = service.get_container_client(_CONTAINER)
        self.name = f"locks/{host_id}/Host.Functions.{function}.Listener"
        self._blob = self._container.get_blob_client(self.name)
        self._options = options

    @contextlib.asynccontextmanager
    async def held(self, stopping: asyncio.Event) -> AsyncIterator[bool]:
        """Hold the lock while the block runs; yield whether it was got before the stop.

        An exception, such as the cancellation of a host that is killed, leaves the lock to its end.
        """
        lease = await self._acquired(stopping)
        if lease is None:
            yield False
            return
        _log.info("Singleton lock acquired (%s)", self.name)
        renewal = asyncio.create_task(self._renew(lease))
        try:
            yield True
        finally:
            renewal.cancel()
        with contextlib.suppress(AzureError):
            await lease.release()

    async def _acquired(self, stopping: asyncio.Event) -> BlobLeaseClient | None:
        while not stopping.is_set():
            try:
                return await self._blob.acquire_lease(self._options.period)
            except ResourceNotFoundError:
                await self._create()
            except ResourceExistsError:
                _log.debug("Unable to acquire Singleton lock (%s).", self.name)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), self._options.between_tries)
        return None

    async def _create(self) -> None:
        """Create the blob; that another host has done so, or holds it already, is no error."""
        with contextlib.suppress(ResourceExistsError):
            await self._container.create_container()
        with contextlib.suppress(ResourceExistsError, ResourceModifiedError):
            await self._blob.upload_blob(b"", overwrite=False)

    async def _renew(self, lease: BlobLeaseClient) -> None:
        while True:
            await asyncio.sleep(self._options.period / 2)
            try:
                await lease.renew()
            except AzureError as error:
                _log.error("Singleton lock renewal failed for blob '%s': %s", self.name, error)

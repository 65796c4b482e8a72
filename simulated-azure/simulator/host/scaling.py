"""Scaling to zero and back: what the platform does with an app that nobody needs.

An instance goes when no call runs and no queue holds a message for a while. It comes back for a call,
a message or a timer that is due, and the caller waits. Messages that are hidden count, as they do for
QueueTargetScaler. How soon Azure notices is not known: here it is looked every tenth of a second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from azure.core.exceptions import AzureError, ResourceNotFoundError

from simulator.host.functions import Function
from simulator.host.schedule import Schedule
from simulator.host.settings import SettingError, resolve
from simulator.host.site import Site
from simulator.host.storage import Storage

_log = logging.getLogger("Host.Scale")
_BETWEEN_LOOKS = 0.1


class ScaleController:
    """Scales one site. `idle` and `wake` are in seconds; without `idle` the instance stays."""

    def __init__(
        self,
        site: Site,
        storage: Storage,
        idle: float | None,
        wake: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._site, self._storage = site, storage
        self._idle, self._wake, self._now = idle, wake, now

    async def run(self) -> None:
        """Scale until cancelled; what keeps a new instance from starting breaks the site down."""
        try:
            while self._idle is not None:
                await self._until_idle(self._idle)
                functions, since = self._site.host.functions, self._now()
                await self._site.sleep()
                await self._until_wanted(functions, since)
                await asyncio.sleep(self._wake)
                await self._site.start()
        except (AzureError, SettingError) as error:
            self._site.break_down(error)

    async def _until_idle(self, idle: float) -> None:
        quiet_since, seen = time.monotonic(), -1
        while time.monotonic() - quiet_since < idle:
            await asyncio.sleep(_BETWEEN_LOOKS)
            host = self._site.host
            if self._site.calls or host.busy or host.invocations != seen:
                quiet_since, seen = time.monotonic(), host.invocations
            elif await self._has_messages(host.functions):
                quiet_since = time.monotonic()

    async def _until_wanted(self, functions: tuple[Function, ...], since: datetime) -> None:
        due = [at for function in functions if (at := _due(function, since))]
        while not self._site.calls and not any(at <= self._now() for at in due):
            if await self._has_messages(functions):
                return
            await asyncio.sleep(_BETWEEN_LOOKS)

    async def _has_messages(self, functions: tuple[Function, ...]) -> bool:
        triggers = [one.trigger for one in functions if one.kind == "queuetrigger"]
        lengths = [
            await self._length(trigger.get("connection"), trigger["queueName"])
            for trigger in triggers
        ]
        return any(lengths)

    async def _length(self, connection: str | None, name: str) -> int:
        """Return how many messages a queue holds; none where the platform cannot look."""
        try:
            queue = self._storage.queue(connection, resolve(name))
            return (await queue.get_queue_properties()).approximate_message_count or 0
        except ResourceNotFoundError:
            return 0
        except (SettingError, AzureError) as error:
            _log.warning("The length of queue '%s' is not known: %s", name, error)
            return 0


def _due(function: Function, since: datetime) -> datetime | None:
    """Return when a timer is due next; None for another function, or one that is disabled."""
    if function.kind != "timertrigger":
        return None
    try:
        return Schedule(resolve(function.trigger["schedule"])).after(since)
    except SettingError:
        return None

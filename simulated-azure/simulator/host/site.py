"""What the platform does around the host.

It starts deployments, replaces them, and routes requests to the newest.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from simulator.host.host import Host

_log = logging.getLogger("Host.Site")


class UpdateStrategy(enum.StrEnum):
    """functionAppConfig.siteUpdateStrategy.

    What happens to running executions when code or a setting changes.
    """

    RECREATE = "Recreate"
    ROLLING_UPDATE = "RollingUpdate"


class Site:
    """One function app.

    `deploy` creates a host with the code and the settings of that moment.
    """

    def __init__(
        self, make: Callable[[], Awaitable[Host]], strategy: UpdateStrategy, *, listens: bool = True
    ) -> None:
        self._make, self._strategy, self._listens = make, strategy, listens
        self._host: Host | None = None
        self._draining: set[asyncio.Task[None]] = set()
        self._deploying = asyncio.Lock()
        self._awake = asyncio.Event()
        self.calls = 0
        """How many HTTP calls are under way; those that wait for an instance are among them."""
        self._broken = asyncio.Event()
        self._error: BaseException | None = None

    @property
    def host(self) -> Host:
        """The host of the newest deployment."""
        assert self._host  # noqa: S101 - the site is started before anybody asks
        return self._host

    async def start(self) -> None:
        """Start the first deployment."""
        self._host = await self._make()
        self._host.listeners.broken = self.break_down
        if self._listens:
            self._host.start()
        self._awake.set()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Wait for an instance, and keep it while a call is served."""
        self.calls += 1
        try:
            await self._awake.wait()
            yield
        finally:
            self.calls -= 1

    async def sleep(self) -> None:
        """Scale to zero: let everything finish, then end the instance without notice."""
        self._awake.clear()
        _log.info("Scaled to zero.")
        await self.host.drain()

    async def deploy(self) -> None:
        """Replace the running deployment.

        Recreate ends it at once. RollingUpdate drains it beside the new one.
        """
        async with self._deploying:
            if not self._awake.is_set():
                return  # The next instance starts with the new code.
            old = self.host
            _log.warning("Deployment: %s.", self._strategy)
            if self._strategy is UpdateStrategy.RECREATE:
                await old.terminate()
            await self.start()
            if self._strategy is UpdateStrategy.ROLLING_UPDATE:
                task = asyncio.create_task(old.drain())
                self._draining.add(task)
                task.add_done_callback(self._draining.discard)

    async def run_until(self, stopped: asyncio.Event) -> None:
        """Wait for the event, or for a listener that breaks down.

        Raises AzureError with the listener's error; the real host stops completely.
        """
        waits = [asyncio.ensure_future(event.wait()) for event in (stopped, self._broken)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if self._error:
            _log.error("An unhandled exception has occurred. Host is shutting down.")
            raise self._error

    def break_down(self, error: BaseException) -> None:
        """Stop everything because of an error."""
        self._error = error
        self._broken.set()

    async def stop(self) -> None:
        """Stop as after SIGTERM."""
        for task in self._draining:
            task.cancel()
        await self.host.stop()

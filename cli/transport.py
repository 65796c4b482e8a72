"""One pool of connections for all SDK clients of a run.

So that they can all be closed at its end.
"""

from __future__ import annotations

from types import TracebackType

from cloud.retries import SendsOnce


class SharedTransport(SendsOnce):
    """Stays open when one of its clients is closed; `end` closes it."""

    async def close(self) -> None:
        """Do nothing: other clients go on."""

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()

    async def end(self) -> None:
        """Close all connections."""
        await super().close()

"""Under which name a database server is reached: by convention in known clouds, else as it says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from engine.errors import NeedsHuman


@dataclass(frozen=True, slots=True)
class HostNames:
    """What Resource Manager called each server, by the server's id."""

    _known: dict[str, str] = field(default_factory=dict)

    def note(self, server_id: str, name: object) -> None:
        """Remember the name of a server, if there is one."""
        if name:
            self._known[server_id] = str(name).lower()

    async def of(self, server_id: str, usual: str, read: Callable[[], Awaitable[object]]) -> str:
        """Return a server's name; NeedsHuman if it has none.

        `usual` is what it is called by convention, empty in an unknown cloud. `read` reads the
        server and notes its name.
        """
        if server_id not in self._known:
            if usual:
                return usual
            await read()
        if server_id not in self._known:
            raise NeedsHuman(
                "Azure reports no host name for the server",
                where=server_id,
                fix="see whether the server's deployment has finished",
            )
        return self._known[server_id]

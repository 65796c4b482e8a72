"""The password of a Flexible Server's administrator, set through Resource Manager.

The password goes to Resource Manager alone, and signs in to the server for its proof.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

from cloud.azure import Azure
from engine.contract import Seen
from engine.ports import Clock
from rotators.shared.admin_password import AdminPassword
from rotators.shared.database_engine import DatabaseEngine
from rotators.shared.database_server import DatabaseAccess, DatabaseChange, DatabasePlace
from rotators.shared.login_password import logins_of
from rotators.shared.rights import Rights


class DatabaseAdmin(AdminPassword[DatabasePlace]):
    """Rotates the administrator's password of one engine's servers."""

    engine: ClassVar[DatabaseEngine]

    def __init__(self, azure: Azure, clock: Clock) -> None:
        role = f"{self.engine.admin_kind}s"
        self.access: DatabaseAccess = DatabaseAccess(azure, clock, self.engine, role)
        self.change = DatabaseChange(azure, self.access, clock, role)

    @classmethod
    def rights(cls) -> Rights:
        """Return the right to change a whole server, since Azure has no narrower one."""
        return cls.engine.rights("write")

    @classmethod
    def resource_types(cls) -> tuple[str, ...]:
        """Return the type of the server."""
        return (cls.engine.provider,)

    @classmethod
    def canonical(cls, address: str, tags: Mapping[str, str]) -> str | None:
        """Return the server's id in lower case.

        A server whose tags name logins is the other kind's.
        """
        place = DatabasePlace.parse(cls.engine, address)
        named = tags.get("Rotator", "").strip()
        mine = named == cls.engine.admin_kind if named else not logins_of(tags)
        return place.server_id if place and mine and not place.logins else None

    @classmethod
    def place_of(cls, source: str) -> DatabasePlace:
        """Read a source."""
        return DatabasePlace.of(cls.engine, source)

    @classmethod
    def checked(cls, name: str) -> str:
        """Return an administrator's name if it can be rotated."""
        return cls.engine.checked(name)

    def seen(self, subscription: str, group: str | None) -> AsyncIterator[Seen]:
        """Stream the servers that have an administrator with a password."""
        return self.access.seen(subscription, group)

    async def _name_of(self, place: DatabasePlace) -> str:
        return str((await self.access.read(place)).get("administratorLogin") or "")

    async def _refuse_unready(self, place: DatabasePlace) -> None:
        await self.access.refuse_unready(place)

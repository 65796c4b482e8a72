"""The password of a SQL server's administrator.

Source: https://learn.microsoft.com/rest/api/sql/servers/update
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from cloud.azure import Azure
from engine.ports import Clock
from rotators.shared.admin_password import AdminPassword
from rotators.shared.lingering import SQL_SESSIONS
from rotators.shared.login_password import logins_of
from rotators.shared.sql_names import SERVER, SqlPlace, checked
from rotators.shared.sql_operation import PasswordChange
from rotators.shared.sql_server import SqlAccess


class SqlAdminPassword(AdminPassword[SqlPlace]):
    """Rotates the passwords of SQL servers' administrators."""

    kind: ClassVar[str] = "sql-admin-password"
    lingers = SQL_SESSIONS
    login_kind: ClassVar[str] = "sql-login-password"
    place_of = staticmethod(SqlPlace.of)
    checked = staticmethod(checked)

    def __init__(self, azure: Azure, clock: Clock) -> None:
        self.access: SqlAccess = SqlAccess(azure, clock)
        self.change = PasswordChange(azure, self.access, clock)

    @classmethod
    def resource_types(cls) -> tuple[str, ...]:
        """Return the type of the server."""
        return (SERVER,)

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        """Return the server's resource id in lower case.

        A server whose tags name logins belongs to the other kind.
        """
        place = SqlPlace.parse(address)
        named = tags.get("Rotator", "").strip()
        mine = named == SqlAdminPassword.kind if named else not logins_of(tags)
        return (
            place.server_id if place and mine and not place.database and not place.logins else None
        )

    async def _name_of(self, place: SqlPlace) -> str:
        return (await self.access.read(place)).administrator_login or ""

    async def _refuse_unready(self, place: SqlPlace) -> None:
        await self.access.refuse_entra_only(place)

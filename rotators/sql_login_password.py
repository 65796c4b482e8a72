"""Passwords of SQL logins and contained users, set by T-SQL under the app's own identity.

An address that names a server means logins (ALTER LOGIN in master), one that names a database means
users contained in it (ALTER USER there). One login, or two that alternate: see LoginPassword.
Source: https://learn.microsoft.com/azure/azure-sql/database/logins-create-manage
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from cloud.azure import Azure
from cloud.databases.problems import REFUSED
from cloud.sql.errors import NO_PRINCIPAL
from engine.contract import Job
from engine.errors import AccessDenied, NotFound, PermanentError, RekeyError
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.lingering import SQL_SESSIONS
from rotators.shared.login_password import Fields, LoginPassword, logins_of, names_in
from rotators.shared.sql_identity import described
from rotators.shared.sql_names import SERVER, SqlPlace, alter, checked, segment, standing
from rotators.shared.sql_server import SqlAccess


class SqlLoginPassword(LoginPassword):
    """Rotates the passwords of SQL logins and of contained users."""

    kind: ClassVar[str] = "sql-login-password"
    lingers = SQL_SESSIONS

    def __init__(self, azure: Azure, clock: Clock) -> None:
        self._access = SqlAccess(azure, clock)

    @classmethod
    def resource_types(cls) -> tuple[str, ...]:
        """Return the type of the server, at the top of a database, too."""
        return (SERVER,)

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        """Return the id of server or database in lower case, with the logins as a last segment."""
        place = SqlPlace.parse(address)
        named = tags.get("Rotator", "").strip()
        if place is None or place.logins:
            return None
        if not (
            named == SqlLoginPassword.kind or (not named and (place.database or logins_of(tags)))
        ):
            return None
        scope = (
            f"{place.server_id}/databases/{place.database}" if place.database else place.server_id
        )
        return f"{scope}/logins/{segment(*names_in(tags))}"

    @staticmethod
    def segment(*names: str) -> str:
        """Return the logins' segment in the source."""
        return segment(*names)

    @staticmethod
    def checked(name: str) -> str:
        """Return the name if T-SQL can carry it."""
        return checked(name)

    @staticmethod
    def key(name: str) -> str:
        """Return the name without case, which logins do not differ by."""
        return name.casefold()

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Sign in with the password, while it spreads."""
        name = await self._whose(source, credential_id, credential)
        await self._access.prove(SqlPlace.of(source), name, credential)

    def _server(self, source: str) -> str:
        return SqlPlace.of(source).server_id

    async def _fields(self, job: Job, name: str, password: Sensitive) -> Fields:
        return await self._access.fields(SqlPlace.of(job.source), job.options, name, password)

    async def _refusal(self, source: str, name: str, password: Sensitive) -> RekeyError | None:
        return await self._access.refusal(SqlPlace.of(source), name, password)

    async def _set(self, source: str, name: str, password: Sensitive) -> None:
        place = SqlPlace.of(source)
        try:
            await self._access.execute(place, alter(place, name, password))
        except PermanentError as error:
            problem = await self._explained(place, name, error)
        else:
            return
        raise problem

    async def _explained(self, place: SqlPlace, name: str, error: PermanentError) -> RekeyError:
        """Find out what the server does not tell apart: no such login, or no right to alter it."""
        if error.code == REFUSED:
            return await self._denied(place, error.what)
        if error.code != NO_PRINCIPAL:
            return error
        missing = await self._permitted(place, name)
        return missing or await self._denied(place, f"the app may alter logins, but not {name!r}")

    async def _is_closed(self, source: str, name: str, fields: Fields) -> bool:
        return await self._access.is_closed(SqlPlace.of(source), name, fields)

    async def _standing(self, source: str, name: str) -> RekeyError | None:
        return await self._permitted(SqlPlace.of(source), name)

    async def _permitted(self, place: SqlPlace, name: str) -> RekeyError | None:
        """Return what stands in the way of altering this login, as the server's own views tell."""
        try:
            permitted, existing = (await self._access.execute(place, standing(place, name))) or (
                0,
                0,
            )
        except AccessDenied as error:
            return await self._denied(place, error.what) if error.code == REFUSED else error
        if not permitted:
            return await self._denied(place, f"the app may not alter {name!r}, or does not see it")
        if existing:
            return None
        what = (
            f"no contained user with a password is called {name!r}"
            if place.database
            else f"no login is called {name!r}"
        )
        return NotFound(
            f"{what} in {place.opened}",
            where=place.server_id,
            fix="correct the tags CredentialId, Logins and ProviderAddress (a login's address is "
            "the server, a contained "
            "user's the database), or create it",
        )

    async def _denied(self, place: SqlPlace, what: str) -> AccessDenied:
        role = (
            "the permission ALTER ANY USER in that database "
            "(CREATE USER [app] FROM EXTERNAL PROVIDER; GRANT ALTER ANY USER "
            "TO [app])"
            if place.database
            else "membership of loginmanager in master "
            "(CREATE USER [app] FROM EXTERNAL PROVIDER; ALTER ROLE loginmanager ADD "
            "MEMBER [app]), or make it the server's Entra administrator"
        )
        who = described(await self._access.token())
        return AccessDenied(
            f"{what}: refused to {who}",
            where=f"{place.server_id}, {place.opened}",
            fix=f"grant it {role}",
        )

"""Passwords of PostgreSQL roles and MySQL users, set by a statement under the app's own identity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from cloud.azure import Azure
from cloud.databases.problems import MAY_NOT_ALTER, NOT_REACHED
from cloud.databases.servers import Operator
from engine.contract import Job
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    RekeyError,
    VerificationFailed,
    before_sending,
)
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.database_engine import DatabaseEngine
from rotators.shared.database_server import DatabaseAccess, DatabasePlace
from rotators.shared.login_password import Fields, LoginPassword, logins_of, names_in
from rotators.shared.rights import Rights
from rotators.shared.sql_identity import described


class DatabaseLogin(LoginPassword):
    """Rotates the passwords of one engine's logins."""

    engine: ClassVar[DatabaseEngine]

    def __init__(self, azure: Azure, clock: Clock) -> None:
        self._access = DatabaseAccess(azure, clock, self.engine, f"{self.engine.login_kind}s")

    @classmethod
    def rights(cls) -> Rights:
        """Return the right to look at a server; passwords are set in the database."""
        return cls.engine.rights()

    @classmethod
    def resource_types(cls) -> tuple[str, ...]:
        """Return the type of the server."""
        return (cls.engine.provider,)

    @classmethod
    def canonical(cls, address: str, tags: Mapping[str, str]) -> str | None:
        """Return the server's id in lower case, with the logins as a further segment."""
        place = DatabasePlace.parse(cls.engine, address)
        named = tags.get("Rotator", "").strip()
        mine = named == cls.engine.login_kind if named else bool(logins_of(tags))
        if place is None or place.logins or not mine:
            return None
        return f"{place.server_id}/logins/{cls.segment(*names_in(tags))}"

    @classmethod
    def segment(cls, *names: str) -> str:
        """Return the logins' segment in the source."""
        return cls.engine.segment(names)

    @classmethod
    def checked(cls, name: str) -> str:
        """Return a login's name if a statement can carry it."""
        return cls.engine.checked(name)

    @classmethod
    def key(cls, name: str) -> str:
        """Return the one spelling of a login's name."""
        return cls.engine.key(name)

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Sign in with the password, while it spreads."""
        name = await self._whose(source, credential_id, credential)
        await self._access.prove(self._place(source), name, credential)

    async def _ready(self, job: Job) -> bool:
        await self._access.refuse_unready(self._place(job.source))
        return await super()._ready(job)

    def _place(self, source: str) -> DatabasePlace:
        return DatabasePlace.of(self.engine, source)

    def _server(self, source: str) -> str:
        return self._place(source).server_id

    async def _fields(self, job: Job, name: str, password: Sensitive) -> Fields:
        return await self._access.fields(self._place(job.source), job.options, name, password)

    async def _refusal(self, source: str, name: str, password: Sensitive) -> RekeyError | None:
        problem = await self._access.refusal(self._place(source), name, password)
        if not isinstance(problem, VerificationFailed):
            return problem
        # A server refuses a good password in the same words, where its role has expired, say.
        standing = await self._standing(source, name)
        return problem if standing is None or isinstance(standing, NotFound) else standing

    async def _is_closed(self, source: str, name: str, fields: Fields) -> bool:
        return await self._access.is_closed(self._place(source), name, fields)

    async def _standing(self, source: str, name: str) -> RekeyError | None:
        place = self._place(source)
        operator = await self._access.operator(place)
        try:
            await self._access.servers.rehearse(await self._access.name(place), operator, name)
        except RekeyError as error:
            return self._denied(error, place, name, operator)
        return None

    async def _set(self, source: str, name: str, password: Sensitive) -> None:
        place = self._place(source)
        if "\0" in password.reveal():
            raise NeedsHuman(
                "a password with a NUL character cannot be set",
                where=source,
                fix="write a version without it, then rotate",
            )
        with before_sending():
            operator, server = await self._access.operator(place), await self._access.name(place)
        try:
            await self._access.servers.set_password(server, operator, name, password)
        except RekeyError as error:
            is_reached = error.code != NOT_REACHED
            reason = error if is_reached else await self._access.explained(place, error)
            problem = self._denied(reason, place, name, operator)
        else:
            return
        raise problem

    def _denied(
        self, error: RekeyError, place: DatabasePlace, name: str, operator: Operator
    ) -> RekeyError:
        """Return the error with whom it concerns, and with the statements that grant the right."""
        if error.code != MAY_NOT_ALTER:
            return error
        app, user = operator.name, self.engine.user_and_host(name)[0]
        return AccessDenied(
            f"{error.what}: refused to {described(operator.token)}",
            where=f"{place.server_id}, signed in as {app!r}",
            fix=f"run as an administrator: {self.engine.grants(app, user)}",
            code=error.code,
        )

"""PostgreSQL and MySQL servers as Resource Manager describes them and as a client reaches them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from cloud.azure import Azure, call
from cloud.databases import problems
from cloud.databases.drivers import drivers
from cloud.databases.servers import DatabaseServers, Operator
from cloud.rest.arm import Arm
from cloud.rest.client import Json
from engine.contract import Seen
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    TransientError,
    VerificationFailed,
)
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.database_engine import SUFFIXES, DatabaseEngine
from rotators.shared.host_names import HostNames
from rotators.shared.long_change import POLLING, LongChange, Running
from rotators.shared.proving import prove
from rotators.shared.sql_passwords import fresh_password
from rotators.shared.sql_server import database_scope
from rotators.shared.sql_values import parts_of_a_connection

if TYPE_CHECKING:
    from azure.core.rest import AsyncHttpResponse

MAX_PASSWORD = 256
STOPPED = frozenset({"stopped", "disabled", "dropping"})
AWAY = frozenset({"starting", "stopping", "restarting"})
PASSING = frozenset({"ServerIsBusy", "OperationTimedOut", "InternalServerError"})
"""Reasons of a failed change that a new try may not meet."""


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """A Flexible Server, and the logins' segment of a source."""

    server_id: str
    subscription: str
    group: str
    server: str
    logins: str | None

    @classmethod
    def parse(cls, engine: DatabaseEngine, source: str) -> DatabasePlace | None:
        """Read an ARM id, or what a rotator made of it; None if it is no server of the engine."""
        match = engine.address.fullmatch(source.strip().rstrip("/").lower())
        return cls(**match.groupdict()) if match else None

    @classmethod
    def of(cls, engine: DatabaseEngine, source: str) -> DatabasePlace:
        """Read a source; NeedsHuman if it is none."""
        place = cls.parse(engine, source)
        if place is None:
            raise NeedsHuman(
                f"{source[:120]!r} is not the id of a {engine.provider}",
                fix="correct the tag ProviderAddress",
            )
        return place


class DatabaseAccess:
    """Servers of one engine."""

    def __init__(self, azure: Azure, clock: Clock, engine: DatabaseEngine, role: str) -> None:
        self.engine = engine
        self.arm = Arm(azure, engine.version, role)
        self._reader = Arm(azure, engine.version, role="Reader")
        self.servers: DatabaseServers = (azure.databases or drivers())[engine.name]
        self.app = azure.identity_name
        self._azure = azure
        self._clock = clock
        self._names = HostNames()

    async def read(self, place: DatabasePlace) -> Json:
        """Read the server's properties, and remember its name."""
        answer = await self.arm.read(
            quote(place.server_id, safe="/"), "reading the server", place.server_id
        )
        properties: Json = answer.get("properties") or {}
        self._names.note(place.server_id, properties.get("fullyQualifiedDomainName"))
        return properties

    async def seen(self, subscription: str, group: str | None) -> AsyncIterator[Seen]:
        """Stream the servers that have an administrator with a password."""
        scope = f"/subscriptions/{subscription}" + (f"/resourceGroups/{group}" if group else "")
        path = f"{quote(scope, safe='/')}/providers/{self.engine.provider}"
        async for row in self._reader.pages(path, f"listing {self.engine.provider}", scope):
            properties = row.get("properties") or {}
            name = properties.get("administratorLogin")
            is_primary = not self._is_replica(properties)
            if name and is_primary and _takes_passwords(properties):
                yield Seen(str(row["id"]).lower(), str(name), self.engine.way_off)

    async def refuse_unready(self, place: DatabasePlace) -> None:
        """Read the server; raise what stands in the way of a sign-in with any password."""
        properties = await self.read(place)
        state = str(properties.get("state") or "").lower()
        if state in STOPPED:
            raise NeedsHuman(
                f"the server is {state}", where=place.server_id, fix="start it", code="Stopped"
            )
        if state in AWAY:
            raise problems.busy(place.server_id, state)
        await self._refuse_entra_only(place, properties)
        if self._is_replica(properties):
            raise problems.read_only(place.server_id)

    def _is_replica(self, properties: Json) -> bool:
        """Return whether a server only reads: `Replica`, `AsyncReplica` or `GeoAsyncReplica`."""
        return str(properties.get("replicationRole")).lower().endswith("replica")

    async def _refuse_entra_only(
        self, place: DatabasePlace, properties: Json | None = None
    ) -> None:
        """Raise NeedsHuman where the server takes Entra identities only."""
        if self.engine.name == "mysql":
            is_off = await self._is_switched_off(place)
        else:
            is_off = not _takes_passwords(properties or await self.read(place))
        if is_off:
            raise NeedsHuman(
                "the server takes Entra identities only, so no password can sign in",
                where=place.server_id,
                fix="turn password authentication on at the server, or remove the secret",
                code="EntraOnly",
            )

    async def _is_switched_off(self, place: DatabasePlace) -> bool:
        """Read MySQL's parameter, which is not among the server's properties."""
        path = f"{quote(place.server_id, safe='/')}/configurations/aad_auth_only"
        try:
            answer = await self.arm.read(path, "reading how one signs in", place.server_id)
        except NotFound:
            return False
        return str((answer.get("properties") or {}).get("value")).upper() == "ON"

    async def name(self, place: DatabasePlace) -> str:
        """Return the server's host name.

        By convention where the cloud is known, else as it says.
        """
        suffix = SUFFIXES.get(self._azure.arm_endpoint)
        usual = f"{place.server}.{self.engine.domain}.{suffix}" if suffix else ""
        return await self._names.of(place.server_id, usual, lambda: self.read(place))

    async def fields(
        self, place: DatabasePlace, tags: Mapping[str, str], user: str, password: Sensitive
    ) -> dict[str, Sensitive]:
        """Return what a ValueTemplate may use; NeedsHuman where a name would have to be escaped."""
        texts = {
            "server": await self.name(place),
            "database": tags.get("Database", "").strip() or self.engine.shown,
            "user": self.engine.user_and_host(user)[0],
        }
        return parts_of_a_connection(texts, password, tags)

    async def refusal(
        self, place: DatabasePlace, user: str, password: Sensitive
    ) -> RekeyError | None:
        """Sign in once and return what speaks against it.

        None if the server accepts the password. A refusal is returned only if it would last.
        """
        problem = await self._tried(place, user, password)
        return await self._lasting(place, problem) if problem else None

    async def _tried(
        self, place: DatabasePlace, user: str, password: Sensitive
    ) -> RekeyError | None:
        text = password.reveal()
        if not 0 < len(text) <= MAX_PASSWORD or "\0" in text:
            return VerificationFailed(
                "the value cannot be a password: it is empty, too long or holds a NUL character",
                where=place.server_id,
            )
        problem = await self._sign_in(place, user, password)
        if problem and problem.code == problems.NO_DATABASE:
            return await self._unrecognised(place, user, problem)
        return problem

    async def is_closed(
        self, place: DatabasePlace, user: str, fields: Mapping[str, Sensitive]
    ) -> bool:
        """Return whether the password is good, and the database of these fields is closed to it."""
        problem = await self._sign_in(place, user, fields["password"], fields["database"].reveal())
        return problem is not None and problem.code == problems.NO_DATABASE

    async def _sign_in(
        self, place: DatabasePlace, user: str, password: Sensitive, database: str | None = None
    ) -> RekeyError | None:
        opened = database or self.engine.opened
        try:
            await self.servers.sign_in(await self.name(place), opened, user, password)
        except RekeyError as error:
            return error
        return None

    async def _unrecognised(
        self, place: DatabasePlace, user: str, problem: RekeyError
    ) -> RekeyError | None:
        """Return what speaks against a password that is good for no more than being recognised.

        A role need not be able to open the database. The answer proves the password only if a
        wrong one gets a different answer.
        """
        wrong = await self._sign_in(place, user, fresh_password(user))
        return None if isinstance(wrong, VerificationFailed) else wrong or problem

    async def prove(self, place: DatabasePlace, user: str, password: Sensitive) -> None:
        """Sign in, again and again while the password spreads; raises what it ends in."""
        try:
            await prove(self._clock, lambda: self._tried(place, user, password))
        except RekeyError as error:
            problem = await self._lasting(place, error)
        else:
            return
        raise problem

    async def _lasting(self, place: DatabasePlace, problem: RekeyError) -> RekeyError:
        """Return what speaks against a password, or why nothing is known against it.

        While password sign-in is off, a server refuses what it accepts again later.
        """
        if problem.code == problems.NOT_REACHED:
            return await self.explained(place, problem)
        if problem.code != problems.REFUSED:
            return problem
        try:
            await self._refuse_entra_only(place)
        except RekeyError as reason:
            return reason
        return problem

    async def operator(self, place: DatabasePlace) -> Operator:
        """Return the app's name in the database, with a token for it."""
        if not self.app:
            raise NeedsHuman(
                "it is not known under which name the app signs in to databases",
                where=place.server_id,
                fix="set the app's setting REKEY_IDENTITY_NAME to the name of its identity, which"
                " is the name of its user in the database",
            )
        return Operator(self.app, await self._token())

    async def _token(self) -> Sensitive:
        # https://learn.microsoft.com/azure/postgresql/flexible-server/how-to-configure-sign-in-azure-ad-authentication
        scope = database_scope(self._azure.arm_endpoint).replace(
            "https://database.", "https://ossrdbms-aad.database."
        )
        request = self._azure.credential.get_token(scope)
        answer = await call("getting a token for the database", request, where="Microsoft Entra")
        return Sensitive(answer.token)

    async def explained(self, place: DatabasePlace, error: RekeyError) -> RekeyError:
        """Return why a server cannot be reached, or changed, if Resource Manager knows it."""
        try:
            await self.refuse_unready(place)
        except (AccessDenied, TransientError):
            return error
        except RekeyError as reason:
            return reason
        return error


def _takes_passwords(properties: Json) -> bool:
    # Only PostgreSQL has this property.
    modes = properties.get("authConfig") or {}
    return str(modes.get("passwordAuth") or "Enabled").lower() != "disabled"


class DatabaseChange(LongChange[DatabasePlace]):
    """Sets the administrator's password of a Flexible Server."""

    passing = PASSING

    def __init__(self, azure: Azure, access: DatabaseAccess, clock: Clock, role: str) -> None:
        super().__init__(azure.arm_endpoint, clock)
        self._access, self._arm = access, access.arm
        self.role = role

    async def _ask(self, place: DatabasePlace, user: str, password: Sensitive) -> Running | None:
        try:
            return await super()._ask(place, user, password)
        except PermanentError as error:
            problem = await self._access.explained(place, error)
        raise problem

    async def _request(
        self, place: DatabasePlace, user: str, password: Sensitive
    ) -> AsyncHttpResponse:
        del user
        body = {"properties": {"administratorLoginPassword": password.reveal()}}
        return await self._arm.change(quote(place.server_id, safe="/"), body)

    async def _get(self, place: DatabasePlace, url: str) -> AsyncHttpResponse:
        del place
        return await self._arm.look(url, POLLING)

"""What both kinds of SQL password share.

Where a server is, what it is, and who may sign in to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cloud.azure import READING, Azure, call
from cloud.sql.driver import SENT_WITHIN, DriverSqlServers, refuse_late
from cloud.sql.errors import ENTRA_ONLY, NO_DATABASE
from cloud.sql.servers import Row
from engine.errors import (
    NeedsHuman,
    NotFound,
    RekeyError,
    TransientError,
    VerificationFailed,
    before_sending,
)
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.host_names import HostNames
from rotators.shared.proving import prove
from rotators.shared.sql_names import MASTER, MAX_NAME, SqlPlace
from rotators.shared.sql_passwords import fresh_password
from rotators.shared.sql_values import parts_of_a_connection

if TYPE_CHECKING:
    from azure.mgmt.sql.aio import SqlManagementClient
    from azure.mgmt.sql.models import Server

ROLE = "SQL Server Contributor"
SUFFIXES = {
    "https://management.azure.com": "database.windows.net",
    "https://management.usgovcloudapi.net": "database.usgovcloudapi.net",
    "https://management.chinacloudapi.cn": "database.chinacloudapi.cn",
}
"""The suffix of a server's name in each cloud; of any other, the server itself is asked."""


class SqlAccess:
    """Servers as Resource Manager describes them and as a client reaches them."""

    def __init__(self, azure: Azure, clock: Clock) -> None:
        self._azure = azure
        self._clock = clock
        self._sql = azure.sql or DriverSqlServers()
        self._clients: dict[str, SqlManagementClient] = {}
        self._names = HostNames()

    def management(self, place: SqlPlace) -> SqlManagementClient:
        """Return the client for the server's subscription."""
        from azure.mgmt.sql.aio import SqlManagementClient

        if place.subscription not in self._clients:
            self._clients[place.subscription] = SqlManagementClient(
                self._azure.credential,
                place.subscription,
                base_url=self._azure.arm_endpoint,
                credential_scopes=[self._azure.arm_scope],
                **self._azure.client_options,
            )
        return self._clients[place.subscription]

    async def read(self, place: SqlPlace) -> Server:
        """Read the server's properties, and remember its name."""
        request = self.management(place).servers.get(place.group, place.server, **READING)
        server = await call("reading the server", request, where=place.server_id, role=ROLE)
        self._names.note(place.server_id, server.fully_qualified_domain_name)
        return server

    async def refuse_entra_only(self, place: SqlPlace) -> None:
        """Raise NeedsHuman where the server takes Entra identities only."""
        modes = self.management(place).server_azure_ad_only_authentications
        request = modes.get(place.group, place.server, "Default", **READING)
        try:
            mode = await call("reading how one signs in", request, where=place.server_id, role=ROLE)
        except NotFound:
            return
        if mode.azure_ad_only_authentication:
            raise entra_only(place)

    async def name(self, place: SqlPlace) -> str:
        """Return the server's name as a client writes it.

        By convention where the cloud is known, else as it says.
        """
        suffix = SUFFIXES.get(self._azure.arm_endpoint)
        usual = f"{place.server}.{suffix}" if suffix else ""
        return await self._names.of(place.server_id, usual, lambda: self.read(place))

    async def fields(
        self, place: SqlPlace, tags: Mapping[str, str], user: str, password: Sensitive
    ) -> dict[str, Sensitive]:
        """Return what a ValueTemplate may use.

        NeedsHuman where a name would have to be escaped in it.
        """
        texts = {"server": await self.name(place), "database": _database(place, tags), "user": user}
        return parts_of_a_connection(texts, password, tags)

    async def refusal(self, place: SqlPlace, user: str, password: Sensitive) -> RekeyError | None:
        """Sign in once and return what speaks against it.

        None where the server accepts the password.
        """
        if not 0 < len(password.reveal()) <= MAX_NAME:
            return VerificationFailed(
                f"the value cannot be a password: it does not have 1 to {MAX_NAME} characters",
                where=place.server_id,
            )
        problem = await self._sign_in(place, user, password)
        if problem and problem.code == NO_DATABASE and place.database is None:
            return await self._unrecognised(place, user)
        return problem

    async def is_closed(self, place: SqlPlace, user: str, fields: Mapping[str, Sensitive]) -> bool:
        """Return whether the password is good, and the database of these fields is closed to it."""
        problem = await self._sign_in(place, user, fields["password"], fields["database"].reveal())
        return problem is not None and problem.code == NO_DATABASE

    async def _sign_in(
        self, place: SqlPlace, user: str, password: Sensitive, database: str = ""
    ) -> RekeyError | None:
        try:
            await self._sql.sign_in(
                await self.name(place), database or place.opened, user, password
            )
        except RekeyError as error:
            return error
        return None

    async def _unrecognised(self, place: SqlPlace, user: str) -> RekeyError | None:
        """Return what speaks against a password that is refused in master alone.

        A login needs no user in master. The answer proves the password only if a wrong one gets a
        different answer.
        """
        problem = await self._sign_in(place, user, fresh_password(user))
        if isinstance(problem, VerificationFailed):
            return None
        what = (
            "the server turns the login away from master, whatever its password: nothing is proven"
        )
        requested_pause = problem.retry_after if isinstance(problem, TransientError) else None
        fix = "if it stays so, create a user for the login in master"
        return TransientError(
            what, where=place.server_id, fix=fix, code="Unproven", retry_after=requested_pause
        )

    async def prove(self, place: SqlPlace, user: str, password: Sensitive) -> None:
        """Sign in, again and again while the password spreads or the server is busy.

        Raises what it ends in.
        """
        await prove(self._clock, lambda: self.refusal(place, user, password))

    async def execute(self, place: SqlPlace, statement: Sensitive) -> Row:
        """Run one statement under the app's identity."""
        latest = self._clock.monotonic() + SENT_WITHIN
        with before_sending():
            name, token = await self.name(place), await self.token()
        # A process that was frozen while it waited goes on before its time-out is noticed.
        refuse_late(self._clock.monotonic(), latest, place.server_id)
        return await self._sql.execute(name, place.opened, token, statement)

    async def token(self) -> Sensitive:
        """Return an access token for databases."""
        request = self._azure.credential.get_token(database_scope(self._azure.arm_endpoint))
        return Sensitive(
            (await call("getting a token for the database", request, where="Microsoft Entra")).token
        )


def database_scope(arm_endpoint: str) -> str:
    """Return the scope of a token for databases in the cloud of this Resource Manager.

    It is https://database.windows.net in public Azure. In every other cloud the name differs from
    Resource Manager's in
    its first label only: management.usgovcloudapi.net, database.usgovcloudapi.net.
    """
    if arm_endpoint == "https://management.azure.com":
        return "https://database.windows.net/.default"
    return f"https://database.{urlsplit(arm_endpoint).netloc.partition('.')[2]}/.default"


def entra_only(place: SqlPlace) -> NeedsHuman:
    """Return the error for a server that takes no passwords."""
    return NeedsHuman(
        "the server takes Entra identities only, so no password can sign in",
        where=place.server_id,
        fix="turn Microsoft Entra-only authentication off on the server, or remove the secret",
        code=ENTRA_ONLY,
    )


def _database(place: SqlPlace, tags: Mapping[str, str]) -> str:
    """Return the database for connection strings, in the owner's own spelling.

    NeedsHuman where a contained user would be shown with another database than its own.
    """
    address = tags.get("ProviderAddress", "").strip().rstrip("/")
    own = address.rpartition("/")[2] if place.database else MASTER
    named = tags.get("Database", "").strip() or own
    is_shown = "{database}" in tags.get("ValueTemplate", "")
    if place.database and is_shown and named.casefold() != own.casefold():
        raise NeedsHuman(
            f"the tag Database is {named[:40]!r}, which a user contained in {own!r} cannot open",
            where=place.server_id,
            fix="remove the tag Database, or correct ProviderAddress",
        )
    return named

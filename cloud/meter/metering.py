"""Count every call to Azure, its cost, and every refusal.

The instruments are OpenTelemetry's proxies: they send nothing until cloud.telemetry starts an
exporter.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from opentelemetry import metrics

from cloud.meter.operations import service_of
from cloud.meter.prices import price
from engine.errors import AccessDenied, PermanentError, RekeyError, TransientError
from engine.secret import Sensitive

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

    from cloud.databases.servers import DatabaseServers, Operator, SignsIn
    from cloud.sql.servers import Row, SqlServers

NO_ANSWER = "failed"
"""The status of a call without a usable answer."""
NO_REFUSAL = frozenset(
    {"SecretDisabled", "AuthenticationFailed", "KeyBasedAuthenticationNotPermitted"}
)
"""Codes of a 403 that concern the secret, or a key under verification, and not the app's rights."""

meter = metrics.get_meter("rekey")
calls = meter.create_counter(
    "rekey.azure.calls", description="Requests sent to Azure, retries included"
)
cost = meter.create_counter(
    "rekey.cost.usd", unit="USD", description="Estimated from calls and list prices"
)
refusals = meter.create_counter(
    "rekey.access.denied", description="Azure refused the app, or the app refused a caller"
)


def count(service: str, operation: str, status: str) -> None:
    """Count one call, and add its list price if it has one."""
    calls.add(1, {"service": service, "operation": operation, "status": status})
    if paid := price(service, operation):
        cost.add(paid, {"service": service})


def count_refusal(error: AzureError, problem: RekeyError) -> None:
    """Count an answer by which Azure refuses the app's identity or its network."""
    response = getattr(error, "response", None)
    if (
        isinstance(problem, AccessDenied)
        and problem.code not in NO_REFUSAL
        and response is not None
    ):
        refusals.add(1, {"where": "azure", "what": service_of(response.request.url)})


class MeteredSqlServers:
    """Counts the calls to database servers; see cloud.sql.servers.SqlServers."""

    def __init__(self, servers: SqlServers) -> None:
        self._servers = servers

    async def sign_in(self, server: str, database: str, user: str, password: Sensitive) -> None:
        """Sign in once; see cloud.sql.servers.SqlServers."""
        await _counted("SignIn", self._servers.sign_in(server, database, user, password))

    async def execute(
        self, server: str, database: str, token: Sensitive, statement: Sensitive
    ) -> Row:
        """Run one statement; see cloud.sql.servers.SqlServers."""
        return await _counted("Execute", self._servers.execute(server, database, token, statement))


class MeteredSignIns:
    """Counts the sign-ins at servers of one engine; see cloud.databases.servers.SignsIn."""

    def __init__(self, servers: SignsIn, engine: str) -> None:
        self._signs_in = servers
        self._engine = engine

    async def sign_in(self, server: str, database: str, login: str, password: Sensitive) -> None:
        """Sign in once; see SignsIn."""
        request = self._signs_in.sign_in(server, database, login, password)
        await _counted("SignIn", request, self._engine)


class MeteredDatabases(MeteredSignIns):
    """Counts the calls to servers of one engine; see cloud.databases.servers.DatabaseServers."""

    def __init__(self, servers: DatabaseServers, engine: str) -> None:
        super().__init__(servers, engine)
        self._servers = servers

    async def rehearse(self, server: str, operator: Operator, login: str) -> None:
        """Rehearse a change; see DatabaseServers."""
        await _counted("Rehearse", self._servers.rehearse(server, operator, login), self._engine)

    async def set_password(
        self, server: str, operator: Operator, login: str, password: Sensitive
    ) -> None:
        """Set a password; see DatabaseServers."""
        request = self._servers.set_password(server, operator, login, password)
        await _counted("SetPassword", request, self._engine)


async def _counted[T](operation: str, request: Awaitable[T], service: str = "sql") -> T:
    """Await one exchange with a database and count it as `ok`, `refused` or, if temporary, `failed`.

    Their protocols have no status codes.
    """
    status = "ok"
    try:
        return await request
    except TransientError:
        status = NO_ANSWER
        raise
    except PermanentError as error:
        status = "refused"
        if isinstance(error, AccessDenied):
            refusals.add(1, {"where": "azure", "what": service})
        raise
    finally:
        count(service, operation, status)

"""Count every call to Azure, what it costs, and who was refused what.

The instruments are OpenTelemetry's proxies: they send nothing until cloud.telemetry has started an
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

    from cloud.sql.servers import Row, SqlServers

NO_ANSWER = "failed"
"""The status of a call that came to nothing."""
NO_REFUSAL = frozenset(
    {"SecretDisabled", "AuthenticationFailed", "KeyBasedAuthenticationNotPermitted"}
)
"""Codes of a 403 that speak of the secret, or of a key that is being proven, and not of the app's
rights."""

meter = metrics.get_meter("rekey")
calls = meter.create_counter(
    "rekey.azure.calls", description="Requests sent to Azure, retries included"
)
cost = meter.create_counter(
    "rekey.cost.usd", unit="USD", description="Estimated from calls and list prices"
)
refusals = meter.create_counter(
    "rekey.access.denied", description="Refused to the app by Azure, or to a caller by it"
)


def count(service: str, operation: str, status: str) -> None:
    """Count one call, and add its list price where there is one."""
    calls.add(1, {"service": service, "operation": operation, "status": status})
    if paid := price(service, operation):
        cost.add(paid, {"service": service})


def count_refusal(error: AzureError, problem: RekeyError) -> None:
    """Count an answer of Azure's that means: the app's identity, or its network, may not do this."""
    response = getattr(error, "response", None)
    if (
        isinstance(problem, AccessDenied)
        and problem.code not in NO_REFUSAL
        and response is not None
    ):
        refusals.add(1, {"where": "azure", "what": service_of(response.request.url)})


class MeteredSqlServers:
    """Counts what is asked of database servers; see cloud.sql.servers.SqlServers."""

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


async def _counted[T](operation: str, request: Awaitable[T]) -> T:
    """Await one exchange over TDS, which knows no status codes: `ok`, `refused`, or `failed` where it may pass."""
    status = "ok"
    try:
        return await request
    except TransientError:
        status = NO_ANSWER
        raise
    except PermanentError as error:
        status = "refused"
        if isinstance(error, AccessDenied):
            refusals.add(1, {"where": "azure", "what": "sql"})
        raise
    finally:
        count("sql", operation, status)

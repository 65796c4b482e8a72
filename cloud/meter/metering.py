"""Name every call to Azure, count it with its list price, and count every refusal.

A call is named by service and operation. The names are few, and never contain that of a vault, a
secret or an account. The REST references of the services define which parts of a path are fixed
words and which are names: https://learn.microsoft.com/rest/api/keyvault/secrets,
https://learn.microsoft.com/rest/api/storageservices and
https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules.

The prices are in US dollars: East US, pay as you go, without discounts. Each comes from the page that
is named beside it. Services that are not listed charge nothing for a call (Resource Manager, Microsoft
Graph, sign-ins). The app does not count the executions, the telemetry, and the Functions host's own
calls to the queues. So the sum is the cost of Rekey's own calls, not the bill.

The instruments are OpenTelemetry's proxies: they send nothing until cloud.telemetry starts an
exporter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from opentelemetry import metrics

from engine.errors import AccessDenied, PermanentError, RekeyError
from engine.secret import Sensitive

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError
    from azure.core.rest import HttpRequest

    from cloud.databases.servers import DatabaseServers, Operator, SignsIn
    from cloud.sql.servers import Row, SqlServers

VERBS = {
    "GET": "Get",
    "HEAD": "Get",
    "PUT": "Set",
    "PATCH": "Update",
    "POST": "Post",
    "DELETE": "Delete",
}
OTHER = "Other"
LABELS = {
    ".vault": "keyvault",
    ".blob": "blob",
    ".queue": "queue",
    ".eventgrid": "eventgrid",
    ".loganalytics": "logs",
}
"""The second label of a service's host name, the same in every cloud."""
BLOBS = {"GET": "GetBlob", "HEAD": "GetProperties", "PUT": "PutBlob", "DELETE": "DeleteBlob"}

TEN_THOUSAND = 10_000
MILLION = 1_000_000
ANY = "*"
"""Every operation of the service that is not listed itself."""

PRICES: Mapping[str, Mapping[str, float]] = {
    # $0.03 for 10,000 operations on secrets: https://azure.microsoft.com/pricing/details/key-vault/
    "keyvault": {ANY: 0.03 / TEN_THOUSAND},
    # Hot, LRS, general purpose v2: https://azure.microsoft.com/pricing/details/storage/blobs/.
    # Categories of operations:
    # https://learn.microsoft.com/azure/storage/blobs/map-rest-apis-transaction-categories
    "blob": {
        ANY: 0.004 / TEN_THOUSAND,
        "PutBlob": 0.05 / TEN_THOUSAND,
        "CreateContainer": 0.05 / TEN_THOUSAND,
        "ListBlobs": 0.05 / TEN_THOUSAND,
    },
    # $0.004 for 10,000 operations, general purpose v2:
    # https://azure.microsoft.com/pricing/details/storage/queues/
    "queue": {ANY: 0.004 / TEN_THOUSAND},
    # $0.60 for a million operations: https://azure.microsoft.com/pricing/details/event-grid/
    "eventgrid": {ANY: 0.60 / MILLION},
}

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


def service_of(url: str) -> str:
    """Return keyvault, arm, graph, login, logs, blob, queue or eventgrid."""
    parts = urlsplit(url)
    host, path = (parts.hostname or "").lower(), parts.path.lower()
    if named := next((service for label, service in LABELS.items() if f"{label}." in host), None):
        return named
    if path.startswith("/subscriptions/"):
        return "arm"
    if path.endswith("/oauth2/v2.0/token"):
        return "login"
    if path.startswith("/v1.0/"):
        return "graph"
    if path.endswith("/api/events"):
        return "eventgrid"
    # The storage emulator has the account in the path, not in the host.
    return "queue" if path.endswith("/messages") else "blob"


def operation_of(  # noqa: PLR0911 - a table
    service: str, method: str, url: str, headers: Mapping[str, str]
) -> str:
    """Return the name of the operation, such as GetSecret, RegenerateKey or AcquireLease."""
    parts = urlsplit(url)
    words = [word for word in parts.path.split("/") if word]
    match service:
        case "keyvault":
            return _secret(method, words)
        case "arm":
            return _resource(method, words)
        case "graph":
            return _graph(method, words[1:])
        case "blob":
            return _blob(method, parse_qs(parts.query), headers.get("x-ms-lease-action", ""))
        case "queue":
            return (
                "PutMessage"
                if words[-1:] == ["messages"]
                else {"PUT": "CreateQueue"}.get(method, "GetQueue")
            )
        case "login":
            return "GetToken"
        case "logs":
            return "Query"
        case _:
            return "Publish"


def _secret(method: str, words: list[str]) -> str:
    """Name the operation of secrets[/{name}[/{version}]]; no version is called `versions`.

    Of certificates/{name}[/create], [/pending] or [/{version}], too.
    """
    if words[:1] == ["certificates"]:
        last = words[-1].capitalize()
        return {"Create": "CreateCertificate", "Pending": "GetPending"}.get(last, "GetCertificate")
    if words[2:] == ["versions"]:
        return "ListVersions"
    return "ListSecrets" if len(words) == 1 else f"{VERBS.get(method, OTHER)}Secret"


def _resource(method: str, words: list[str]) -> str:
    """Name the operation of a path to a resource.

    Its form: subscriptions/{id}[/resourceGroups/{name}]/providers/{namespace}/{type}/{name}
    [/{type}/{name}]…[/{action}[/{key}]].
    """
    start = 4 if words[2:3] and words[2].lower() == "resourcegroups" else 2
    kinds = words[start + 2 :: 2] if words[start : start + 1] == ["providers"] else []
    word = words[-1] if method == "POST" else kinds[-1] if kinds else ""
    if method == "POST" and words[-2:-1] and words[-2].startswith("regenerate"):
        # The key that is meant stands behind the action.
        word = words[-2]
    return _call(method, word if kinds else "")


def _graph(method: str, words: list[str]) -> str:
    """Name the operation of {collection}[(key)][/{id}][/{action}]."""
    if not words:
        return OTHER
    return _call(method, words[-1] if method == "POST" else words[0].partition("(")[0])


def _call(method: str, word: str) -> str:
    """Return the operation on a type of object, or for POST the action.

    A word that has more than letters may be a name, so it gives `Other`.
    """
    if not word.isalpha():
        return OTHER
    word = word[0].upper() + word[1:]
    return word if method == "POST" else VERBS.get(method, OTHER) + word.removesuffix("s")


def _blob(method: str, query: Mapping[str, list[str]], lease: str) -> str:
    about = (query.get("comp", [""])[0], query.get("restype", [""])[0])
    match about:
        case ("lease", _):
            return f"{lease.capitalize()}Lease" if lease.isalpha() else "Lease"
        case ("properties", "service"):
            return "GetServiceProperties"
        case ("metadata", _):
            return "SetMetadata"
        case ("list", "container"):
            return "ListBlobs"
        case (_, "container"):
            return "CreateContainer"
        case _:
            return BLOBS.get(method, OTHER)


def price(service: str, operation: str) -> float | None:
    """Return the list price of one call in US dollars; None if the service charges nothing."""
    prices = PRICES.get(service, {})
    return prices.get(operation, prices.get(ANY))


def count(service: str, operation: str, status: str) -> None:
    """Count one call, and add its list price if it has one."""
    calls.add(1, {"service": service, "operation": operation, "status": status})
    if paid := price(service, operation):
        cost.add(paid, {"service": service})


def count_request(sent: HttpRequest, status: str) -> None:
    """Count one request of an SDK client."""
    service = service_of(sent.url)
    count(service, operation_of(service, sent.method, sent.url, sent.headers), status)


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
    status = NO_ANSWER
    try:
        answer = await request
    except PermanentError as error:
        status = "refused"
        if isinstance(error, AccessDenied):
            refusals.add(1, {"where": "azure", "what": service})
        raise
    else:
        status = "ok"
        return answer
    finally:
        count(service, operation, status)

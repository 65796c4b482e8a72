"""How this app calls Azure: one identity, translated errors, time limits, no blind retries."""

from __future__ import annotations

import json
import re
import ssl
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cloud.meter.metering import count_refusal
from cloud.waiting import retry_after
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    Throttled,
    TransientError,
)

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.exceptions import AzureError, HttpResponseError

    from cloud.databases.servers import DatabaseServers, SignsIn
    from cloud.sql.servers import SqlServers

READING: Mapping[str, Any] = {
    "connection_timeout": 5,
    "read_timeout": 10,
    "retry_total": 3,
    "logging_enable": False,
}
"""Options of a call that only reads: the SDK may retry it, honouring Retry-After."""
CHANGING: Mapping[str, Any] = {
    "connection_timeout": 5,
    "read_timeout": 15,
    "retry_total": 0,
    "logging_enable": False,
}
"""Options of a call that changes something.

It is never retried blindly, since it may have taken effect although its answer was lost.
"""

FOREIGN = re.compile(r"AKV10032|Invalid issuer|from the wrong issuer")
"""How Key Vault, and Resource Manager in the last words, answer a token from a tenant that they do
not trust."""
FOREIGN_FIX = (
    "serve it with an app in its own tenant, or move it to this app's tenant: an identity "
    "exists in one tenant only"
)
FIREWALL_FIX = (
    "let the app's network in: virtual network rule, private endpoint or outbound addresses"
)
BY_NETWORK = frozenset({"ForbiddenByFirewall", "ForbiddenByConnection", "AuthorizationFailure"})
"""How a vault and a storage account refuse a network, before they look at roles. The second is a
vault without public access, the third any storage account; it names a missing role otherwise. See
https://learn.microsoft.com/azure/key-vault/general/rest-error-codes and `az storage` on the third.
"""
UNTRUSTED_FIX = (
    "see that the address is right; where a proxy opens TLS between the app and Azure, name a file "
    "with its authorities, and the usual ones, in the setting SSL_CERT_FILE"
)
IDENTITY_FIX = (
    "if it persists, see that the app has the identity that AZURE_CLIENT_ID names, and look at the "
    "platform's health"
)
KEYLESS = "KeyBasedAuthenticationNotPermitted"
KEYLESS_FIX = (
    "in place of the connection string AzureWebJobsStorage, set "
    "AzureWebJobsStorage__accountName and"
    " AzureWebJobsStorage__credential=managedidentity"
)
WRONG_KEY = "AuthenticationFailed"
WRONG_KEY_FIX = f"{KEYLESS_FIX}, or write a connection string with a present key there"

STANDS_IN_THE_WAY = {
    "ObjectIsDeletedButRecoverable": "recover the deleted secret, or purge it",
    "ScopeLocked": "remove the lock, or make it one that only keeps the resource from being deleted",
    "ReadOnlyDisabledSubscription": "enable the subscription again",
    "AccountIsDisabled": "enable the subscription of the storage account again",
    "BlobArchived": "move the blob to an online tier, and let no lifecycle rule archive the app's own",
    "BlobImmutableDueToPolicy": "lift the immutability policy of that container",
    "RequestDisallowedByPolicy": "exempt the resource from that Azure Policy, or make it comply",
}
"""Codes of what does not pass by itself, and that no role helps with, each with its fix. A read-only
lock forbids to list keys, too: https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources.
Storage's own: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes."""

NO_ANSWER = "NoAnswer"
"""The code of an error where Azure gave no answer at all."""
NOT_READ = "NotRead"
"""The code of an error where Azure's answer cannot be read."""
NONSENSE = (AttributeError, LookupError, TypeError, ValueError, zlib.error)
"""What an SDK raises over an answer that it cannot read, such as the page of a proxy, or unpack."""
BUSY = frozenset({408, 429, 449, 500, 502, 503, 504})
"""Statuses that may pass. 449 is how Cosmos DB says so:
https://learn.microsoft.com/rest/api/cosmos-db/http-status-codes-for-cosmosdb."""


@dataclass(frozen=True)
class Azure:
    """The app's identity and where Azure's control planes are."""

    credential: AsyncTokenCredential
    arm_endpoint: str = "https://management.azure.com"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further keyword arguments of every SDK client, such as a transport that all share."""
    graph_endpoint: str = "https://graph.microsoft.com"
    authority: str = "https://login.microsoftonline.com"
    """Where Microsoft Entra issues tokens."""
    tenant_id: str | None = None
    """The tenant of the app's identity; None where no setting names it."""
    sql: SqlServers | None = None
    """The client for database servers; None for Microsoft's driver."""
    databases: Mapping[str, DatabaseServers] = field(default_factory=dict)
    """The clients for `postgresql` and `mysql` servers; the drivers' where one is missing."""
    redis: SignsIn | None = None
    """The client for Redis caches; the app's own one where it is None."""
    identity_name: str | None = None
    """The name of the app's identity, which is its user's in databases; None if no setting has it."""
    logs_workspace: str | None = None
    """The id of the workspace that gets the logs of storage accounts and vaults; None if no setting
    has it."""
    logs_endpoint: str | None = None
    """Where workspaces are queried, and for whom tokens are; None for where `arm_endpoint` says."""

    @property
    def client_options(self) -> dict[str, Any]:
        """The options of one azure-core client.

        Each client gets its own retry policy, since a policy object serves one pipeline. Storage
        clients take `sending_options`: their built-in retries ignore Retry-After and wait seconds.
        """
        from cloud.retries import ShortRetries

        return {"retry_policy": ShortRetries(), **self.sending_options}

    @property
    def sending_options(self) -> dict[str, Any]:
        """The options of one client with retries of its own: beneath them no change is repeated.

        Each client gets its own transport, since whoever closes a client closes its transport too.
        It follows no redirect: the SDKs would repeat a change, and send a value to any host.
        """
        from cloud.retries import SendsOnce

        transport = SendsOnce(**{**CHANGING, **self.options})
        return {"permit_redirects": False, "transport": transport, **self.options}

    @property
    def arm_scope(self) -> str:
        """The scope of a token for Azure Resource Manager."""
        return f"{self.arm_endpoint}/.default"

    @property
    def graph_scope(self) -> str:
        """The scope of a token for Microsoft Graph."""
        return f"{self.graph_endpoint}/.default"


async def call[T](
    what: str,
    request: Awaitable[T],
    *,
    where: str,
    role: str = "",
    may_be_refused: bool = False,
) -> T:
    """Await an SDK call and raise its error as a RekeyError.

    The RekeyError is raised outside the handler, so that it does not keep the SDK's request alive.
    `role` is the role that the call needs; AccessDenied names it. A refusal is counted, which opens
    an alert, unless the caller does without the answer (`may_be_refused`).
    """
    from azure.core.exceptions import AzureError

    try:
        return await request
    except AzureError as error:
        problem = translate(error, what, where, role)
        if not may_be_refused:
            count_refusal(error, problem)
    except NONSENSE as error:
        problem = _nonsense(f"{what} was answered with nonsense ({type(error).__name__})", where)
    raise problem


async def stream[T](
    what: str, listing: AsyncIterable[T], *, where: str, role: str = ""
) -> AsyncIterator[T]:
    """Stream what an SDK lists page by page, with the errors of `call`."""
    items = aiter(listing)
    with suppress(StopAsyncIteration):
        while True:
            yield await call(what, anext(items), where=where, role=role)


def translate(  # noqa: PLR0911 - a table
    error: AzureError, what: str, where: str, role: str
) -> RekeyError:
    """Return the RekeyError for an SDK error, with its fix. It keeps nothing of the request."""
    from azure.core.exceptions import HttpResponseError

    if not isinstance(error, HttpResponseError) or error.status_code is None:
        why, remedy = no_answer(error)
        return TransientError(
            f"{what} got no answer: {why}", where=where, fix=remedy, code=NO_ANSWER
        )
    status, code, text = error.status_code, error_code(error), _message(error)
    described, wait = f"{what} was answered {status} {code}", retry_after(error.response)
    if _is_of_identity(error):
        return TransientError(
            f"{what} got no answer: no token for the app's identity, which was answered {status}",
            where=where,
            fix=IDENTITY_FIX,
            code=NO_ANSWER,
            retry_after=wait,
        )
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _nonsense(f"{described}, and nothing that can be read", where)
    if status in BUSY:
        kind = Throttled if status == HTTPStatus.TOO_MANY_REQUESTS else TransientError
        return kind(described, where=where, code=code, retry_after=wait)
    if not _is_of_service(error):
        return _nonsense(f"{described}, in no form of the service's", where)
    if fix := STANDS_IN_THE_WAY.get(code):
        return NeedsHuman(f"{described}: {text[:500]}", where=where, fix=fix, code=code)
    if refusal := _refusal(status, code, text, described, where, role):
        return refusal
    if status == 404:  # noqa: PLR2004
        return NotFound(
            described, where=where, fix="restore what was deleted, or correct the tags", code=code
        )
    if status in (409, 412):
        return TransientError(described, where=where, code=code, retry_after=wait)
    return PermanentError(f"{described}: {text[:200]}", where=where, code=code, retry_after=wait)


def no_answer(error: Exception) -> tuple[str, str]:
    """Return why a call got no answer, and what to do where that is known.

    It is a network failure, a time-out or a missing token. No text of the error is passed on.
    """
    if isinstance(getattr(error, "inner_exception", None), ssl.SSLCertVerificationError):
        why = "the certificate has expired, is not valid for its name or has an unknown issuer"
        return why, UNTRUSTED_FIX
    return type(error).__name__, ""


def _is_of_identity(error: HttpResponseError) -> bool:
    """Return whether it answers a request for a token, which the SDKs send before their own.

    It says nothing about what was to be called. azure-identity asks over plain HTTP, or at Entra's
    token endpoint. azure-core and storage raise the same class for a service's own 401, and what a
    service holds may be named `token`.
    """
    from azure.core.exceptions import ClientAuthenticationError

    if not isinstance(error, ClientAuthenticationError) or getattr(error, "error_code", None):
        return False
    address = urlsplit(getattr(getattr(error.response, "request", None), "url", ""))
    return address.scheme == "http" or address.path.endswith("/oauth2/v2.0/token")


def _is_of_service(error: HttpResponseError) -> bool:
    """Return whether Azure itself refuses: all its services do so in JSON, in XML or by a header.

    A proxy answers with a page, and a gateway with a 404 that names no code. Taken for the
    service's, that 404 would say that something is gone.
    """
    headers: Mapping[str, str] = getattr(error.response, "headers", None) or {}
    form = headers.get("Content-Type", "").lower()
    is_named = error.status_code != HTTPStatus.NOT_FOUND or bool(_named(error))
    return "x-ms-error-code" in headers or "/xml" in form or ("json" in form and is_named)


def _nonsense(what: str, where: str) -> TransientError:
    """Return the error for an answer that says nothing. What was asked for may have been done."""
    fix = "if it persists, check for a proxy or firewall between the app and Azure"
    return TransientError(what, where=where, fix=fix, code=NOT_READ)


def _refusal(
    status: int, code: str, text: str, described: str, where: str, role: str
) -> RekeyError | None:
    """Return the error of a caller that was not let in; None if the answer says something else."""
    if FOREIGN.search(text):
        what, fix = f"{described}: {where} is in another tenant", FOREIGN_FIX
    elif status == 401:  # noqa: PLR2004
        return TransientError(f"{described}: the app's token was refused", where=where, code=code)
    elif code in BY_NETWORK:
        what, fix = f"{described} by its firewall", FIREWALL_FIX
    # A call with a role uses the app's own account. A call that verifies a key has no role.
    elif code == KEYLESS and role:
        what, fix = f"{described}: the account does not accept keys", KEYLESS_FIX
    elif status == 403 and code == WRONG_KEY and role:  # noqa: PLR2004
        what, fix = f"{described}: the key in the connection string is refused", WRONG_KEY_FIX
    elif status == 403:  # noqa: PLR2004
        what, fix = f"{described} for {_caller(text)}", _grant(role, where)
    else:
        return None
    return AccessDenied(what, where=where, fix=fix, code=code)


def error_code(error: HttpResponseError) -> str:
    """Return Azure's innermost error code, which separates SecretDisabled from ForbiddenByRbac."""
    storage_code = getattr(error, "error_code", None)
    if storage_code:
        return str(getattr(storage_code, "value", storage_code))
    inner = _lower(_described(error).get("innererror")).get("code")
    return str(inner or _named(error) or error.reason or "")


def _named(error: HttpResponseError) -> str:
    """Return the code that a body in JSON names; empty where it only repeats the status."""
    code = _described(error).get("code")
    return str(code) if isinstance(code, str | int) and code != error.status_code else ""


def _described(error: HttpResponseError) -> Mapping[str, Any]:
    """Return what a body in JSON says of an error, with names in lower case.

    Microsoft.Web begins them with a capital. Not all services put them into a member `error`.
    """
    try:
        body = _lower(json.loads(getattr(error.response, "text", str)()))
    except Exception:  # noqa: BLE001 - as azure-core, which says so of any body
        return {}
    return _lower(body["error"]) if body.get("error") else body


def _lower(members: object) -> Mapping[str, Any]:
    pairs = members.items() if isinstance(members, dict) else ()
    return {name.lower(): value for name, value in pairs}


def _message(error: HttpResponseError) -> str:
    text = _described(error).get("message") or ""
    return " ".join(str(text).split())


def _caller(message: str) -> str:
    """Return the identity that Azure's message says was refused.

    Key Vault writes appid=…;oid=…, Resource Manager names both ids in a sentence.
    """
    ids = re.search(
        r"appid=([\w-]+);oid=([\w-]+)|client '([\w-]+)' with object id '([\w-]+)'", message
    )
    if not ids:
        return "the app's identity"
    app, oid = ids[1] or ids[3], ids[2] or ids[4]
    return f"the app's identity (application {app}, object {oid})"


def _grant(role: str, where: str) -> str:
    return (
        f"grant it the role {role or 'needed'} at {where}, see docs/permissions.md; a new "
        "grant takes minutes"
    )

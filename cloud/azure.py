"""How this app speaks to Azure: one identity, one translation of errors, bounded time, no blind retries."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloud.meter.metering import count_refusal
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    TransientError,
)

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.exceptions import AzureError, HttpResponseError

    from cloud.sql.servers import SqlServers

READING: Mapping[str, Any] = {
    "connection_timeout": 5,
    "read_timeout": 10,
    "retry_total": 3,
    "logging_enable": False,
}
"""Options of a call that changes nothing: the SDK may retry it, honouring Retry-After."""
CHANGING: Mapping[str, Any] = {
    "connection_timeout": 5,
    "read_timeout": 15,
    "retry_total": 0,
    "logging_enable": False,
}
"""Options of a call that changes something: never retried blindly, since its effect may have come
without its answer."""

FOREIGN = re.compile(r"AKV10032|Invalid issuer")
"""What Key Vault says to a token of a tenant that it does not trust."""
FOREIGN_FIX = "serve it with an app in its own tenant, or move it here: an app's identity is known in one tenant"
KEYLESS = "KeyBasedAuthenticationNotPermitted"
KEYLESS_FIX = (
    "in place of the connection string AzureWebJobsStorage, set AzureWebJobsStorage__accountName and"
    " AzureWebJobsStorage__credential=managedidentity"
)

NO_ANSWER = "NoAnswer"
"""The code of an error where Azure gave no answer at all."""
BUSY = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Azure:
    """The app's identity and where Azure's control planes are."""

    credential: AsyncTokenCredential
    arm_endpoint: str = "https://management.azure.com"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further keyword arguments of every SDK client, such as a transport."""
    graph_endpoint: str = "https://graph.microsoft.com"
    authority: str = "https://login.microsoftonline.com"
    """Where Microsoft Entra gives tokens."""
    tenant_id: str | None = None
    """The tenant of the app's identity, where it was told."""
    sql: SqlServers | None = None
    """How database servers are reached, where it is not by Microsoft's driver."""

    @property
    def client_options(self) -> dict[str, Any]:
        """The options of one client over azure-core, with retries of its own: a policy serves one pipeline.

        A storage client takes `options`: its own retries know nothing of Retry-After, and wait
        seconds.
        """
        from cloud.retries import ShortRetries

        return {"retry_policy": ShortRetries(), **self.options}

    @property
    def arm_scope(self) -> str:
        """The scope of a token for Azure Resource Manager."""
        return f"{self.arm_endpoint}/.default"

    @property
    def graph_scope(self) -> str:
        """The scope of a token for Microsoft Graph."""
        return f"{self.graph_endpoint}/.default"


async def call[T](what: str, request: Awaitable[T], *, where: str, role: str = "") -> T:
    """Await an SDK call; its error comes out as a RekeyError, raised afresh so that the SDK's request is not kept.

    `role` is the role that the call needs, named in AccessDenied.
    """
    from azure.core.exceptions import AzureError

    try:
        return await request
    except AzureError as error:
        problem = translate(error, what, where, role)
        count_refusal(error, problem)
    raise problem


async def each[T](
    what: str, found: AsyncIterable[T], *, where: str, role: str = ""
) -> AsyncIterator[T]:
    """Stream what an SDK lists page by page, with the errors of `call`."""
    pages = aiter(found)
    with suppress(StopAsyncIteration):
        while True:
            yield await call(what, anext(pages), where=where, role=role)


def translate(error: AzureError, what: str, where: str, role: str) -> RekeyError:  # noqa: C901, PLR0911 - a table
    """Turn an SDK error into the RekeyError that says what to do about it. Keeps nothing of the request."""
    from azure.core.exceptions import HttpResponseError

    if not isinstance(error, HttpResponseError) or error.status_code is None:
        # No answer: the network, a time-out, or no token to be had.
        return TransientError(
            f"{what} got no answer: {type(error).__name__}", where=where, code=NO_ANSWER
        )
    status, code, text = error.status_code, error_code(error), _message(error)
    described = f"{what} was answered {status} {code}"
    if status in BUSY:
        return TransientError(described, where=where, code=code, retry_after=retry_after(error))
    if FOREIGN.search(text):
        return AccessDenied(
            f"{described}: {where} is in another tenant", where=where, fix=FOREIGN_FIX, code=code
        )
    if status == 401:  # noqa: PLR2004
        return TransientError(f"{described}: the app's token was refused", where=where, code=code)
    if code == "ForbiddenByFirewall":
        fix = "let the app's network in: a virtual network rule, a private endpoint, or its outbound addresses"
        return AccessDenied(f"{described} by its firewall", where=where, fix=fix, code=code)
    if (
        code == KEYLESS and role
    ):  # Of the app's own account: a key that is being proven needs no role.
        return AccessDenied(
            f"{described}: the account takes no keys", where=where, fix=KEYLESS_FIX, code=code
        )
    if status == 403:  # noqa: PLR2004
        return AccessDenied(
            f"{described} for {_caller(text)}", where=where, fix=_grant(role, where), code=code
        )
    if status == 404:  # noqa: PLR2004
        return NotFound(
            described, where=where, fix="restore what was deleted, or correct the tags", code=code
        )
    if code == "ObjectIsDeletedButRecoverable":
        return NeedsHuman(
            described, where=where, fix="recover the deleted secret, or purge it", code=code
        )
    if status in (409, 412):
        return TransientError(described, where=where, code=code)
    return PermanentError(f"{described}: {text[:200]}", where=where, code=code)


def error_code(error: HttpResponseError) -> str:
    """Return Azure's innermost error code: what tells SecretDisabled from ForbiddenByRbac."""
    storage_code = getattr(error, "error_code", None)
    if storage_code:
        return str(getattr(storage_code, "value", storage_code))
    inner = getattr(error.error, "innererror", None) or {}
    code = inner.get("code") if isinstance(inner, dict) else None
    return str(code or getattr(error.error, "code", None) or error.reason or "")


def retry_after(error: HttpResponseError) -> float | None:
    """Return the seconds that Azure asked to wait; None where it did not say."""
    headers: Mapping[str, str] = getattr(error.response, "headers", None) or {}
    value = headers.get("Retry-After", "")
    return float(value) if re.fullmatch(r"\d{1,6}", value) else None


def _message(error: HttpResponseError) -> str:
    text = getattr(error.error, "message", None) or ""
    return " ".join(str(text).split())


def _caller(message: str) -> str:
    """Pick out of Azure's message whom it refused: Key Vault says appid=…;oid=…, Resource Manager names both in words."""
    ids = re.search(
        r"appid=([\w-]+);oid=([\w-]+)|client '([\w-]+)' with object id '([\w-]+)'", message
    )
    if not ids:
        return "the app's identity"
    app, oid = ids[1] or ids[3], ids[2] or ids[4]
    return f"the app's identity (application {app}, object {oid})"


def _grant(role: str, where: str) -> str:
    return f"grant it the role {role or 'needed'} at {where}, see docs/permissions.md; a new grant takes minutes"

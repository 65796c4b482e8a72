"""Microsoft Graph over a small azure-core pipeline, since two kinds of call need no SDK of 170 MB.

This pipeline logs nothing, since the answer to addPassword is a secret.
Errors: https://learn.microsoft.com/graph/errors. The answers for a lagging replica and a concurrent
change come from issue reports.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cloud.azure import CHANGING, READING, Azure, call
from cloud.rest.client import Json, SignedIn, decoded, next_page
from engine.errors import AccessDenied, NotFound, PermanentError, RekeyError, TransientError

if TYPE_CHECKING:
    from azure.core.rest import AsyncHttpResponse

PERMISSION = "Application.ReadWrite.OwnedBy"
"""The least permission that adds and removes the secrets of applications that the identity owns."""
GRANT = (
    f"grant the app's identity Microsoft Graph's application permission {PERMISSION} and make "
    "it an owner of the "
    "application, see docs/rotators/service-principal-secret.md; a new grant takes up to an hour"
)
CONCURRENT = "Directory_ConcurrencyViolation"
"""The code for two simultaneous changes, seen with status 400, 409 and 503:
https://github.com/Azure/azure-cli/issues/23081."""
NO_SUCH_PASSWORD = "no password credential found with keyid"  # noqa: S105 - a message of Graph's


class Graph:
    """Calls Microsoft Graph as the app's own identity. Paths start with a slash, without v1.0."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        self._client = SignedIn(azure, azure.graph_endpoint, azure.graph_scope)

    async def read(self, path: str, what: str, where: str) -> Json:
        """GET an object."""
        return await self._send("GET", path, None, READING, what, where)

    async def pages(self, path: str, what: str, where: str) -> AsyncIterator[Json]:
        """Stream the pages of a list; PermanentError if one leads elsewhere."""
        link = path
        while link:
            page = await self.read(link, what, where)
            yield page
            base = f"{self._azure.graph_endpoint}/v1.0"
            link = next_page(page.get("@odata.nextLink"), base, where)

    async def change(self, path: str, body: Json, what: str, where: str) -> Json:
        """POST an action once; after a TransientError it may or may not have taken effect."""
        return await self._send("POST", path, body, CHANGING, what, where)

    async def replace(self, path: str, body: Json, what: str, where: str) -> None:
        """PATCH an object once; after a TransientError it may or may not have taken effect."""
        await self._send("PATCH", path, body, CHANGING, what, where)

    async def claims(self, where: str) -> Json:
        """Return the claims of the app's own token for Graph; empty if it cannot be read.

        Only Graph is meant to read such a token, and Microsoft may encrypt it one day. So do not
        rely on any claim to be present.
        """
        request = self._azure.credential.get_token(self._azure.graph_scope)
        token = await call("getting a token for Microsoft Graph", request, where=where)
        return _payload(token.token)

    async def _send(
        self,
        method: str,
        path: str,
        body: Json | None,
        limits: Mapping[str, Any],
        what: str,
        where: str,
    ) -> Json:
        try:
            response = await call(
                what, self._exchange(method, path, body, limits), where=where, role=PERMISSION
            )
        except RekeyError as error:
            problem = _refined(error)
        else:
            empty = response.status_code == HTTPStatus.NO_CONTENT
            return {} if empty else decoded(response, what, where)
        raise problem

    async def _exchange(
        self, method: str, path: str, body: Json | None, limits: Mapping[str, Any]
    ) -> AsyncHttpResponse:
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        request = HttpRequest(method, f"{self._azure.graph_endpoint}/v1.0{path}", json=body)
        response = await self._client.send(request, limits)
        if response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
            raise HttpResponseError(response=response)
        return response


def _refined(error: RekeyError) -> RekeyError:
    """Return a more exact error for codes and messages that only Graph uses."""
    if error.code == CONCURRENT or "concurrent requests" in error.what.lower():
        return TransientError(
            f"{error.what} (another change to the application or the tenant was under way)",
            where=error.where,
            code=CONCURRENT,
            retry_after=getattr(error, "retry_after", None),
        )
    if isinstance(error, AccessDenied):
        return AccessDenied(error.what, where=error.where, fix=GRANT, code=error.code)
    if isinstance(error, PermanentError) and NO_SUCH_PASSWORD in error.what.lower():
        return NotFound(error.what, where=error.where, code=error.code)
    return error


def _payload(token: str) -> Json:
    """Return the claims of a JSON web token, unverified; empty if it is not one."""
    middle = [*token.split("."), ""][1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}

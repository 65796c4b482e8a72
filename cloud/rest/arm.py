"""Resource Manager over an azure-core pipeline; three calls to apps need no management SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cloud.azure import CHANGING, NOT_READ, READING, Azure, call
from cloud.rest.client import Json, SignedIn, decoded, next_page
from engine.errors import TransientError

if TYPE_CHECKING:
    from azure.core.rest import AsyncHttpResponse


class Arm:
    """Calls Resource Manager as the app's own identity. Paths begin with /subscriptions."""

    def __init__(self, azure: Azure, version: str, role: str) -> None:
        """Use one api-version; `role` is the role that the calls need."""
        self._azure = azure
        self._version = version
        self._role = role
        self._client = SignedIn(azure, azure.arm_endpoint, azure.arm_scope)

    @property
    def endpoint(self) -> str:
        """The address of Resource Manager."""
        return self._azure.arm_endpoint

    async def read(self, path: str, what: str, where: str) -> Json:
        """GET a resource."""
        return await self._send("GET", path, None, READING, what, where)

    async def ask(self, path: str, what: str, where: str) -> Json:
        """POST an action that changes nothing, such as listing keys."""
        return await self._send("POST", path, None, READING, what, where)

    async def act(self, path: str, what: str, where: str) -> Json:
        """POST an action once; after a TransientError it may or may not have taken effect."""
        return await self._send("POST", path, None, CHANGING, what, where)

    async def begin(self, path: str, body: Json | None, what: str, where: str) -> Json | None:
        """POST a change, never twice; None where it is accepted and goes on after the answer."""
        response = await call(
            what, self._exchange("POST", path, body, CHANGING), where=where, role=self._role
        )
        return (
            None if response.status_code == HTTPStatus.ACCEPTED else _decoded(response, what, where)
        )

    async def pages(self, path: str, what: str, where: str) -> AsyncIterator[Json]:
        """Stream the rows of a list, page by page; PermanentError if a page leads elsewhere.

        TransientError for an answer that is no list: taken for an empty one, it would hide them all.
        """
        link = path
        while link:
            answer = await self.read(link, what, where)
            if not isinstance(rows := answer.get("value"), list):
                raise TransientError(
                    f"{what} was answered without a list",
                    where=where,
                    fix="if it persists, check for a proxy or firewall between the app and Azure",
                    code=NOT_READ,
                )
            for row in rows:
                yield row
            link = next_page(answer.get("nextLink"), self.endpoint, where)

    async def change(self, path: str, body: Json) -> AsyncHttpResponse:
        """PATCH a resource once and return the answer; raises azure-core's errors."""
        return await self._exchange("PATCH", path, body, CHANGING)

    async def look(self, url: str, limits: Mapping[str, Any]) -> AsyncHttpResponse:
        """GET an address of Resource Manager that an answer named; raises azure-core's errors."""
        return await self._exchange("GET", url.removeprefix(self.endpoint), None, limits)

    async def merge(self, path: str, body: Json, what: str, where: str) -> Json:
        """PATCH a resource once; the change may continue after the answer."""
        return await self._send("PATCH", path, body, CHANGING, what, where)

    async def _send(
        self,
        method: str,
        path: str,
        body: Json | None,
        limits: Mapping[str, Any],
        what: str,
        where: str,
    ) -> Json:
        response = await call(
            what, self._exchange(method, path, body, limits), where=where, role=self._role
        )
        return _decoded(response, what, where)

    async def _exchange(
        self, method: str, path: str, body: Json | None, limits: Mapping[str, Any]
    ) -> AsyncHttpResponse:
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        url = f"{self._azure.arm_endpoint}{path}"
        # The address of a next page already holds the api-version.
        version = {} if "api-version=" in path else {"api-version": self._version}
        request = HttpRequest(method, url, params=version, json=body)
        response = await self._client.send(request, limits)
        if response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
            raise HttpResponseError(response=response)
        return response


def _decoded(response: AsyncHttpResponse, what: str, where: str) -> Json:
    """Return the body; empty where there is none."""
    return decoded(response, what, where) if response.content else {}

"""Log Analytics over the one JSON client: one bounded query of one workspace.

It is a single POST, for which `azure-monitor-query` would bring a package and retries of its own.
Source: https://learn.microsoft.com/azure/azure-monitor/logs/api/request-format, …/response-format
and …/errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cloud.azure import Azure, call
from cloud.rest.client import Json, SignedIn, decoded
from engine.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from azure.core.rest import AsyncHttpResponse

ROLE = "Log Analytics Reader"
SECONDS = 10.0
"""The longest that a query takes as a whole, sign-in included: it may run under a lease."""
ONCE: Mapping[str, Any] = {"connection_timeout": 3, "read_timeout": 8, "retry_total": 0}
"""One call without retries: an answer is worth little, and somebody waits for it."""
SERVICES = {
    "https://management.azure.com": (
        "https://api.loganalytics.azure.com",
        "https://api.loganalytics.io",
    ),
    "https://management.usgovcloudapi.net": (
        "https://api.loganalytics.us",
        "https://api.loganalytics.us",
    ),
    "https://management.chinacloudapi.cn": (
        "https://api.loganalytics.azure.cn",
        "https://api.loganalytics.azure.cn",
    ),
}
"""The address of each cloud's service, and the audience of its tokens:
https://learn.microsoft.com/azure/azure-monitor/logs/api/access-api and
…/authentication-authorization; those of the other clouds as Azure PowerShell has them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gave."""

    rows: tuple[Json, ...]
    """The rows of the first table, each by the names of its columns."""
    is_partial: bool
    """The service says that the rows are not all there is."""


class Logs:
    """The workspace that the setting names."""

    def __init__(self, azure: Azure) -> None:
        named = azure.logs_endpoint or ""
        service = (named, named) if named else SERVICES.get(azure.arm_endpoint, ("", ""))
        self._endpoint, audience = service
        self._workspace = azure.logs_workspace
        self._client = SignedIn(azure, self._endpoint, f"{audience}/.default")

    @property
    def is_known(self) -> bool:
        """Return whether a setting names a workspace."""
        return bool(self._workspace)

    async def ask(self, query: str, days: int, what: str) -> Answer:
        """Run a query over the last days, once; raises RekeyErrors."""
        where = f"workspace {self._workspace}"
        if not self._endpoint:
            raise PermanentError(f"{what} is not possible: its address is not known", where=where)
        try:
            async with asyncio.timeout(SECONDS):
                response = await call(what, self._post(query, days), where=where, role=ROLE)
        except TimeoutError:
            raise TransientError(f"{what} took over {SECONDS:.0f} s", where=where) from None
        answer = decoded(response, what, where)
        try:
            return Answer(_rows(answer), is_partial=bool(answer.get("error")))
        except (KeyError, TypeError, ValueError, IndexError):
            raise TransientError(f"{what} was answered with no table", where=where) from None

    async def _post(self, query: str, days: int) -> AsyncHttpResponse:
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        request = HttpRequest(
            "POST",
            f"{self._endpoint}/v1/workspaces/{self._workspace}/query",
            json={"query": query, "timespan": f"P{days}D"},
            # After so many seconds the service gives the query up too.
            headers={"Prefer": f"wait={ONCE['read_timeout']}"},
        )
        response = await self._client.send(request, ONCE)
        if response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
            raise HttpResponseError(response=response)
        return response


def _rows(answer: Json) -> tuple[Json, ...]:
    table = answer["tables"][0]
    names = [column["name"] for column in table["columns"]]
    return tuple(dict(zip(names, row, strict=True)) for row in table["rows"])

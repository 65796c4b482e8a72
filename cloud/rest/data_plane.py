"""Requests that a key signs, not the app's identity: how a key is proven where it is used.

Each is sent once, follows no redirect and logs nothing. Whatever the service answers is an answer,
but for an overload.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cloud.azure import BUSY, CHANGING, NO_ANSWER, Azure, call
from cloud.meter.metering import NO_ANSWER as UNANSWERED
from cloud.meter.metering import count
from cloud.rest.client import body_of, quiet_pipeline, without_logging
from engine.errors import TransientError

if TYPE_CHECKING:
    from azure.core import AsyncPipelineClient
    from azure.core.rest import AsyncHttpResponse, HttpRequest

WHAT = "proving the key"
MOST_TEXT = 2000
"""Characters of an answer that are looked at."""


@dataclass(frozen=True, slots=True)
class Signed:
    """One request, complete. Its address or its headers hold the key, or what the key signed."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    method: str = "GET"
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_page(self) -> bool:
        """Return whether it is HTML, with which a proxy answers, and no service that takes keys."""
        return "html" in self._form

    @property
    def is_success(self) -> bool:
        """Return whether the service did what it was asked, and says so in JSON or XML.

        What stands in between may answer 200 as well, with nothing or in words of its own.
        """
        is_done = HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES and not self.is_page
        return is_done and bool(self.text) and ("json" in self._form or "xml" in self._form)

    @property
    def _form(self) -> str:
        return self.headers.get("Content-Type", "").lower()


class DataPlane:
    """Sends signed requests."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] | None = None

    async def send(
        self, signed: Signed, where: str, most: int = MOST_TEXT, busy: Collection[int] = BUSY
    ) -> Answer:
        """Send once; raises TransientError without an answer, or from an overloaded service.

        `busy`: the statuses with which the service says that it is overloaded.
        """
        try:
            response = await call(WHAT, self._exchange(signed, busy), where=where)
        except TransientError as error:
            if error.code != NO_ANSWER:
                raise
            what, fix, host = error.what, error.fix, urlsplit(signed.url).netloc
        else:
            return Answer(response.status_code, body_of(response)[:most], response.headers)
        count("source", "Prove", UNANSWERED)
        fix = fix or (
            f"see whether the app's network reaches {host}: a private endpoint, its DNS, a firewall"
        )
        raise TransientError(what, where=where, fix=fix, code=NO_ANSWER)

    async def _exchange(self, signed: Signed, busy: Collection[int]) -> AsyncHttpResponse:
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        request = HttpRequest(
            signed.method, signed.url, headers=dict(signed.headers), content=signed.body or None
        )
        response = await self._pipeline().send_request(request, **without_logging(CHANGING))
        count("source", "Prove", str(response.status_code))
        if response.status_code in busy:
            raise HttpResponseError(response=response)
        return response

    def _pipeline(self) -> AsyncPipelineClient[HttpRequest, AsyncHttpResponse]:
        if self._client is None:
            from cloud.meter.call_counter import unmetered

            # Counted here: what a host is cannot be told from its name.
            self._client = quiet_pipeline(
                replace(self._azure, options=unmetered(self._azure.options)), ""
            )
        return self._client

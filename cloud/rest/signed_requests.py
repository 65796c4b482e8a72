"""Sends signed requests to an endpoint of the settings: once each, bounded in time and length.

No redirect is followed, so no other host ever gets a request. Neither the request nor the answer
is logged, and no text of an answer goes into an error: both hold credentials.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cloud.azure import CHANGING, Azure, no_answer
from cloud.azure import NO_ANSWER as UNKNOWN
from cloud.meter.metering import NO_ANSWER, count
from cloud.rest.client import is_json, quiet_pipeline, without_logging
from cloud.rest.signing import SigningKey, signed
from cloud.waiting import retry_after
from engine.errors import TransientError
from engine.ports import Clock

if TYPE_CHECKING:
    from azure.core import AsyncPipelineClient
    from azure.core.rest import AsyncHttpResponse, HttpRequest

SECONDS = 15.0
"""The longest that one request may take, its answer included."""
MOST_BYTES = 65_536
"""The longest answer that is read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered."""

    status: int
    body: bytes | None = field(repr=False)
    """None where it is no JSON, or too long."""
    retry_after: float | None = None


class SignedRequests:
    """Posts JSON to one endpoint."""

    def __init__(
        self, azure: Azure, clock: Clock, url: str, key: Callable[[], Awaitable[SigningKey]]
    ) -> None:
        self._azure, self._clock, self._url, self._key = azure, clock, url, key
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] | None = None

    async def post(self, call: str, body: bytes, what: str, where: str) -> Answer:
        """Post to `<url>/<call>` once; raises TransientError where no answer comes in time.

        Then the request may or may not have taken effect.
        """
        from azure.core.exceptions import AzureError

        key = await self._key()
        try:
            async with asyncio.timeout(SECONDS):
                answer = await self._exchange(call, body, key)
        except (AzureError, OSError) as error:
            problem, fix = no_answer(error)
        else:
            count("source", call.capitalize(), str(answer.status))
            return answer
        count("source", call.capitalize(), NO_ANSWER)
        raise TransientError(
            f"{what} got no answer: {problem}",
            where=where,
            fix=fix or f"see whether the app's network reaches {self._url}",
            code=UNKNOWN,
        )

    async def _exchange(self, call: str, body: bytes, key: SigningKey) -> Answer:
        from azure.core.rest import HttpRequest

        url = f"{self._url}/{call}"
        headers = signed("POST", url, body, key, self._clock.now(), secrets.token_urlsafe(18))
        # An answer that is not compressed cannot grow while it is read.
        headers |= {"Accept": "application/json", "Accept-Encoding": "identity"}
        request = HttpRequest("POST", url, headers=headers, content=body)
        limits = without_logging(CHANGING)
        response = await self._pipeline().send_request(request, stream=True, **limits)
        try:
            text = await _read(response) if is_json(response) else None
        finally:
            await response.close()
        return Answer(response.status_code, text, retry_after(response))

    def _pipeline(self) -> AsyncPipelineClient[HttpRequest, AsyncHttpResponse]:
        if self._client is None:
            from cloud.meter.call_counter import unmetered

            # Counted here: what a host is cannot be told from its name.
            azure = replace(self._azure, options=unmetered(self._azure.options))
            self._client = quiet_pipeline(azure, "")
        return self._client


async def _read(response: AsyncHttpResponse) -> bytes | None:
    """Return the body; None once it is longer than it may be."""
    parts = bytearray()
    async for chunk in response.iter_raw():
        parts += chunk
        if len(parts) > MOST_BYTES:
            return None
    return bytes(parts)

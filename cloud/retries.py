"""The SDKs' own retries, limited to pauses of a few seconds, and none of a change beneath them.

An SDK sleeps for as long as Retry-After says, even under a lease or in a call with a time limit. A
longer pause is left to the queue: `cloud.azure.translate` passes the time on, and `engine.service`
postpones the message. This module imports azure-core and aiohttp, so import it at first use.
"""

from __future__ import annotations

from typing import Any
from urllib.request import getproxies, proxy_bypass

from aiohttp import (
    ClientConnectionError,
    ClientConnectorError,
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ServerDisconnectedError,
    encode_basic_auth,
)
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import AsyncRetryPolicy
from azure.core.pipeline.transport import AioHttpTransport
from yarl import URL

from cloud.waiting import retry_after

LONGEST_PAUSE = 5.0
"""The longest Retry-After in seconds that a call itself waits for."""
READS = frozenset({"GET", "HEAD"})


class ShortRetries(AsyncRetryPolicy[Any, Any]):
    """Retries as azure-core does, unless the service asks for a long pause.

    Each call sets its own number of retries.
    """

    def get_retry_after(self, response: PipelineResponse[Any, Any]) -> float | None:
        """Return the wait in seconds that an answer asks for; None if it cannot be read."""
        return retry_after(response.http_response)

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        """Return whether the SDK should send the call again."""
        pause = self.get_retry_after(response)
        return (pause is None or pause <= LONGEST_PAUSE) and super().is_retry(settings, response)


class SendsOnce(AioHttpTransport):  # type: ignore[misc]
    """Sends over aiohttp, which by itself sends a PUT or a DELETE again if its answer is lost.

    It does so on a new connection too, below every retry policy: `_request` in its client.py,
    IDEMPOTENT_METHODS. The lost one may have taken effect, so two versions of a secret would come
    of one call, and a write of a record would be refused because of itself.

    The environment names proxies, and nothing else: aiohttp would also send what ~/.netrc holds for
    a host, or for all, where a request has no token, and refuse it where it has one.
    """

    def __init__(self, **options: Any) -> None:
        """Take azure-core's options of a transport."""
        super().__init__(**{"use_env_settings": False, **options})

    async def send(self, request: Any, **options: Any) -> Any:
        """Send a request; a change that gets no answer is not sent again."""
        way = {**_proxy_for(request.url), **options}
        return await super().send(request, middlewares=(_once,), **way)


def _proxy_for(url: str) -> dict[str, Any]:
    """Return the proxy that the environment names for an address, as aiohttp takes it."""
    address = URL(url)
    named = getproxies().get(address.scheme)
    if not named or proxy_bypass(address.host or ""):
        return {}
    proxy = URL(named)
    if proxy.user is None:
        return {"proxy": proxy}
    headers = {"Proxy-Authorization": encode_basic_auth(proxy.user, proxy.password or "")}
    return {"proxy": proxy.with_user(None), "proxy_headers": headers}


async def _once(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """Raise what aiohttp does not retry in place of what it does, unless the request only reads."""
    try:
        return await send(request)
    except ClientConnectorError:
        raise  # There was no connection, so aiohttp does not retry it either.
    except (ClientOSError, ServerDisconnectedError) as lost:
        if request.method in READS:
            raise
        raise ClientConnectionError(*lost.args) from lost

"""The simulated cloud behind an azure-core transport: real SDK clients without a socket."""

from __future__ import annotations

from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from azure.core.exceptions import ServiceRequestError, ServiceResponseTimeoutError
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest._http_response_impl_async import AsyncHttpResponseImpl
from azure.core.utils import case_insensitive_dict
from azure.keyvault.secrets._shared import http_challenge_cache

from simulator.clock import VirtualClock, virtual_clock
from simulator.reach.credential import SimulatedCredential
from simulator.reach.names import no_such_host
from simulator.wire import UNANSWERED, Request, Response
from simulator.world import World

__all__ = [
    "Call",
    "Intercept",
    "SimulatedCredential",
    "SimulatedTransport",
    "VirtualClock",
    "forget_challenges",
]

PATIENCE = 15.0
"""How many seconds a client without a timeout of its own waits for an answer."""

type Call = Callable[[], Awaitable[Response]]
"""Passes the request to the world, and returns the world's answer."""

type Intercept = Callable[[Request, Call], Awaitable[Response]]
"""Wraps every request: it may raise before or after `call()`, replace the answer, or wait."""


FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


class SimulatorError(BaseException):
    """The simulator itself, or what a test does to it, is at fault; the cause says how.

    The app takes such errors of an SDK call for an answer that cannot be read and tries again. So
    this one passes every `except Exception`.
    """


class SimulatedTransport(AsyncHttpTransport[Any, Any]):
    """Answers azure-core requests, old and new style, from a `World`.

    Sleeping (retries, polling) moves the world's `VirtualClock`, or `clock` if one is given. With a
    real clock it really waits. A host that the world does not know raises ServiceRequestError, like
    a name that does not resolve.
    """

    def __init__(
        self, world: World, intercept: Intercept | None = None, clock: VirtualClock | None = None
    ) -> None:
        self.world = world
        self.intercept = intercept
        self.clock = clock or virtual_clock(world.now)

    async def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:
        """Answer one azure-core request; with `stream` the caller reads the body itself."""
        arrived = await as_request(request)
        response = await self._answer(arrived)
        if no_such_host(response):
            raise ServiceRequestError(
                f"Cannot connect to host {arrived.host}: Name or service not known"
            )
        if response is UNANSWERED:
            await self.sleep(float(options.get("read_timeout") or PATIENCE))
            raise ServiceResponseTimeoutError("Timeout on reading data from socket")
        answer = _AzureResponse(request, response)
        if not stream:
            await answer.read()
        return answer

    async def _answer(self, request: Request) -> Response:
        async def call() -> Response:
            return self.world.handle(request)

        try:
            return await (self.intercept(request, call) if self.intercept else call())
        except FAULTS as error:
            raise SimulatorError(f"{request.method} {request.url}") from error

    async def sleep(self, duration: float) -> None:
        """Advance the virtual clock; without one, wait."""
        await (self.clock.sleep(duration) if self.clock else super().sleep(duration))

    async def open(self) -> None:
        """Do nothing: there is no connection."""

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        return None


class _Socket:
    """A response's connection, held until it is closed; here it is only bytes."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""


class _Chunks(AsyncIterator[bytes]):
    """The body in blocks, constructed like azure-core's download generators.

    Storage clients read `response` and `content_length` from it and set attributes on it, so a
    plain generator does not work.
    """

    def __init__(
        self, pipeline: object = None, response: Any = None, *, decompress: bool = True
    ) -> None:
        del pipeline, decompress
        self.response = response
        body, size = response.internal_response.body, response.block_size
        self.content_length = len(body)
        self._blocks: Iterator[bytes] = (
            body[start : start + size] for start in range(0, len(body), size)
        )

    async def __anext__(self) -> bytes:
        for block in self._blocks:
            return block
        raise StopAsyncIteration


class _AzureResponse(AsyncHttpResponseImpl):
    """An answer in azure-core's own response class.

    The class is private; the lock file pins its version.
    """

    def __init__(self, request: Any, response: Response) -> None:
        headers = case_insensitive_dict(response.headers)
        super().__init__(
            request=request,
            internal_response=_Socket(response.body),
            status_code=response.status,
            reason=_reason(response.status),
            content_type=headers.get("content-type"),
            headers=headers,
            stream_download_generator=_Chunks,
        )

    def body(self) -> bytes:
        """Return the whole body, as the old-style response does."""
        return self.content


def _reason(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus else ""


async def as_request(request: Any) -> Request:
    """Return an azure-core request of either style as a request to the world."""
    headers = {str(name).lower(): str(value) for name, value in request.headers.items()}
    body = await _body(request)
    if body:
        # The real HTTP client adds these if the caller left them out.
        form = isinstance(request.data, Mapping)
        headers.setdefault(
            "content-type", f"application/{'x-www-form-urlencoded' if form else 'octet-stream'}"
        )
    headers.setdefault("content-length", str(len(body)))
    return Request(request.method, request.url, headers, body)


async def _body(request: Any) -> bytes:
    content = getattr(request, "_content", None) or request.data
    if isinstance(content, Mapping):
        return urlencode(content).encode()
    return await _drain(content)


async def _drain(content: Any) -> bytes:
    match content:
        case None:
            return b""
        case bytes():
            return content
        case str():
            return content.encode()
        case AsyncIterable():
            return b"".join([chunk async for chunk in content])
        case _ if hasattr(content, "read"):
            return bytes(content.read())
        case Iterable():
            return b"".join(content)
        case _:
            raise TypeError(f"a request body of type {type(content).__name__} cannot be sent")


def forget_challenges() -> None:
    """Clear Key Vault's challenge cache.

    It is global to the process: without this, call counts would depend on earlier tests.
    """
    http_challenge_cache.clear()

"""The simulated cloud on loopback.

One port serves all services over TLS; another serves the managed-identity endpoint over plain HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, cast

from aiohttp import web

from simulator.databases.wire import listening as databases
from simulator.reach import certificates
from simulator.reach.names import LOOPBACK, no_such_host
from simulator.sql.tds import server as tds
from simulator.wire import UNANSWERED, Request, Response
from simulator.world import Domains, World

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType

MAX_BODY = 64 * 1024**2
SILENCE = 60.0
"""How many seconds a connection without an answer stays open."""


class IdentityEndpoint(Protocol):
    """A managed-identity service's settings for an app."""

    endpoint: str
    identity_header: str


@dataclass(frozen=True)
class Running[W: World]:
    """A running loopback cloud. `ca_file` is the PEM file of its certificate authority."""

    world: W
    port: int
    ca_file: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that make an app use this cloud instead of Azure.

        AzureWebJobsStorage is not among them: see `connection_string`.
        """
        domains = self.world.domains
        return {
            "SSL_CERT_FILE": str(self.ca_file),
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
            "NO_PROXY": "localhost,.localhost,127.0.0.1",
            "no_proxy": "localhost,.localhost,127.0.0.1",
            "REKEY_ARM_ENDPOINT": f"https://{domains.arm}",
            "REKEY_GRAPH_ENDPOINT": f"https://{domains.graph}",
            "REKEY_LOGS_ENDPOINT": f"https://{domains.logs}",
            "AZURE_AUTHORITY_HOST": f"https://{domains.login}",
            **_identity(self.world),
        }

    def connection_string(self, account: str) -> str:
        """Return a storage account's connection string, with its first key."""
        return connection_string(self.world, account)


def connection_string(world: World, account: str, key: str = "key1") -> str:
    """Return a storage account's connection string with the endpoints of this world."""
    parts = {
        "DefaultEndpointsProtocol": "https",
        "AccountName": account,
        "AccountKey": world.accounts[account].keys[key].value,
        "BlobEndpoint": f"https://{account}.{world.domains.blob}",
        "QueueEndpoint": f"https://{account}.{world.domains.queue}",
    }
    return ";".join(f"{name}={value}" for name, value in parts.items())


def _identity(world: World) -> dict[str, str]:
    service: IdentityEndpoint | None = getattr(world, "managed_identity", None)
    return (
        {"IDENTITY_ENDPOINT": service.endpoint, "IDENTITY_HEADER": service.identity_header}
        if service
        else {}
    )


@contextlib.asynccontextmanager
async def serve[W: World](
    build: Callable[[Domains], W], port: int = 0, identity_port: int = 0
) -> AsyncIterator[Running[W]]:
    """Serve the world that `build` creates for its host names; port 0 picks a free one.

    Host names contain the port, so the ports are bound before the world is built. To serve an
    existing world, pass its ports and a `build` that returns it.
    """
    with contextlib.ExitStack() as stack:
        secure, plain = (stack.enter_context(_bound(number)) for number in (port, identity_port))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="simulated-azure-")))
        issued = certificates.issue(folder)
        chosen = secure.getsockname()[1]
        world = build(Domains.loopback(chosen, plain.getsockname()[1]))
        stack.enter_context(tds.listening(world, issued.server))
        stack.enter_context(databases.listening(world, issued.server))
        async with (
            _listening(world, "https", secure, issued.server),
            _listening(world, "http", plain, None),
        ):
            yield Running(world, chosen, issued.ca_file)


@contextlib.contextmanager
def _bound(port: int) -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        yield listener


@contextlib.asynccontextmanager
async def _listening(
    world: World, scheme: str, listener: socket.socket, tls: ssl.SSLContext | None
) -> AsyncIterator[None]:
    async def answer(request: web.Request) -> web.Response:
        response = await world.answer(await _arrived(request, scheme))
        if response is UNANSWERED:
            # The client has already given up, or gives up when the connection ends.
            await asyncio.sleep(SILENCE)
        return _reply(request, response) if response.status else web.Response(status=504)

    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    connected = cast("web.Server", runner.server)  # None only before `setup`.
    server = await asyncio.get_running_loop().create_server(connected, sock=listener, ssl=tls)
    try:
        yield
    finally:
        server.close()
        await runner.cleanup()
        # A client that keeps its connection does not answer the end of TLS in time.
        server.abort_clients()
        await asyncio.sleep(0)


async def _arrived(request: web.Request, scheme: str) -> Request:
    headers = {name.lower(): ", ".join(request.headers.getall(name)) for name in request.headers}
    return Request(
        request.method,
        f"{scheme}://{request.host}{request.raw_path}",
        headers,
        await request.read(),
    )


def _reply(request: web.Request, response: Response) -> web.Response:
    if no_such_host(response) and request.transport:
        # A name that does not resolve gets no answer. Closing the connection comes closest.
        request.transport.close()
    return web.Response(
        status=response.status, headers=response.headers, body=response.body or None
    )


class Background[W: World]:
    """A loopback cloud in a thread with its own event loop.

    As a context manager it stops at the end. `running` is set once `start` has returned.
    """

    running: Running[W]

    def __init__(
        self, build: Callable[[Domains], W], port: int = 0, identity_port: int = 0
    ) -> None:
        self._build, self._ports = build, (port, identity_port)
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="simulated-azure", daemon=True)

    @property
    def world(self) -> W:
        """The world that is served."""
        return self.running.world

    def start(self) -> Self:
        """Start, and return once the cloud answers; raise the error if it cannot start."""
        self._thread.start()
        self._ready.wait()
        if self._failure:
            self._thread.join()
            raise self._failure
        return self

    def stop(self) -> None:
        """Stop, and return once the ports are free again."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits in start()
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        async with serve(self._build, *self._ports) as self.running:
            self._ready.set()
            await self._stopping.wait()


def start_in_thread[W: World](
    build: Callable[[Domains], W], port: int = 0, identity_port: int = 0
) -> Background[W]:
    """Start a loopback cloud in a background thread.

    Call `stop()` on the result, or use it in a `with` statement.
    """
    return Background(build, port, identity_port).start()

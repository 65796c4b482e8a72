"""The simulated cloud: one object that holds all state and answers requests from any transport."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from simulator.clock import utc_now
from simulator.identity import Identities
from simulator.rbac import Roles
from simulator.wire import Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simulator.faults import Striking
    from simulator.keys.accounts import KeyedAccount
    from simulator.keyvault.state import Vault
    from simulator.storage.accounts import StorageAccount


@dataclass(frozen=True)
class Domains:
    """The host names of one cloud, with ports: `vault` is the suffix after a vault's name.

    `identity` is where the App Service managed-identity endpoint listens, over plain HTTP.
    """

    vault: str = "vault.azure.net"
    arm: str = "management.azure.com"
    blob: str = "blob.core.windows.net"
    queue: str = "queue.core.windows.net"
    login: str = "login.microsoftonline.com"
    identity: str = "127.0.0.1:41741"
    graph: str = "graph.microsoft.com"
    logs: str = "api.loganalytics.azure.com"

    def of_resource(self, host: str) -> str:
        """Return the host of a resource whose name in the public cloud is this one."""
        port = self.arm.partition(":")[2]
        if not port:
            return host
        name, _, service = host.partition(".")
        return f"{name}.{service.partition('.')[0]}.localhost:{port}"

    @classmethod
    def loopback(cls, port: int, identity_port: int = 41741) -> Domains:
        """Return the names of a loopback server on `port`, with plain HTTP on `identity_port`."""
        names = ("vault", "arm", "blob.storage", "queue.storage", "login")
        vault, arm, blob, queue, login = (f"{name}.localhost:{port}" for name in names)
        return cls(
            vault,
            arm,
            blob,
            queue,
            login,
            identity=f"127.0.0.1:{identity_port}",
            graph=f"graph.localhost:{port}",
            logs=f"logs.localhost:{port}",
        )


class Service(Protocol):
    """One simulated Azure service."""

    def answers(self, host: str) -> bool:
        """Return whether requests for this host (with its port) are for this service."""
        ...

    def handle(self, request: Request) -> Response:
        """Answer one request, and change the service's state as Azure would."""
        ...


@dataclass(frozen=True)
class Exchange:
    """One request and its answer."""

    request: Request
    response: Response


class Listener(Protocol):
    """Somebody who hears what the cloud is asked, as it happens."""

    def sent(self, request: Request) -> None:
        """Hear a request that has come."""
        ...

    def served(self, request: Request) -> None:
        """Hear that a request has taken effect: not where a fault keeps it from the service."""
        ...

    def answered(self, request: Request, response: Response) -> None:
        """Hear the answer."""
        ...


class World:
    """The simulated cloud. `now` is its clock; `handle` answers a request.

    `exchanges` records every request and answer, in order; `listeners` hear them as they happen.
    `entropy` returns the requested number
    of random bytes; a seeded one makes a run repeatable. `groups` holds each subscription's
    resource groups, all in lower case.
    """

    def __init__(
        self,
        now: Callable[[], datetime] = utc_now,
        domains: Domains | None = None,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.now = now
        self.domains = domains or Domains()
        self.entropy = entropy
        self.identities = Identities(now, entropy)
        self.roles = Roles()
        self.accounts: dict[str, StorageAccount] = {}
        self.vaults: dict[str, Vault] = {}
        self.keyed: dict[str, KeyedAccount] = {}
        self.groups: dict[str, set[str]] = {}
        self.faults: list[Striking] = []
        self.services: list[Service] = []
        self.exchanges: list[Exchange] = []
        self.listeners: list[Listener] = []
        self._turn = threading.RLock()
        """Drivers of databases call from threads of their own."""

    def handle(self, request: Request) -> Response:
        """Answer one request, or let the first matching fault do so; record both either way."""
        return self.heard(request, self._struck)

    def heard(self, request: Request, answer: Callable[[Request], Response]) -> Response:
        """Have somebody answer a request, and tell who listens: one request at a time."""
        with self._turn:
            for listener in self.listeners:
                listener.sent(request)
            response = answer(request)
            for listener in self.listeners:
                listener.answered(request, response)
        return response

    def served(self, request: Request, serve: Callable[[Request], Response]) -> Response:
        """Have a service answer a request, and tell who listens that it has taken effect."""
        response = serve(request)
        for listener in self.listeners:
            listener.served(request)
        return response

    async def answer(self, request: Request) -> Response:
        """Answer one request that came over the network."""
        return self.handle(request)

    def _struck(self, request: Request) -> Response:
        fault = next((candidate for candidate in self.faults if candidate.take(request)), None)
        response = fault.strike(request, self._serve) if fault else self._serve(request)
        self.exchanges.append(Exchange(request, response))
        return response

    def _serve(self, request: Request) -> Response:
        return self.served(request, self._by_service)

    def _by_service(self, request: Request) -> Response:
        """Let the host's service answer.

        An unknown host gets a 502, which stands for a name that does not resolve.
        """
        for service in self.services:
            if service.answers(request.host):
                return service.handle(request)
        return json_response(
            502, {"error": {"code": "NoSuchHost", "message": f"no service at {request.host}"}}
        )

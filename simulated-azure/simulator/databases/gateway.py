"""The entrance to a world's database servers.

As a service it answers requests that stand for a driver's calls: SIGN-IN, REHEARSE and ALTER at
postgresql://server/ or mysql://server/, with a JSON body. Faults, interceptors and counts therefore
see them like HTTP requests.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from simulator.databases.servers import DatabaseRefusal, EngineName, FlexibleServer
from simulator.identity import Principal
from simulator.sql.servers import Account
from simulator.wire import Request, Response, json_response

if TYPE_CHECKING:
    from simulator.world import World

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
GROUP = "production"
DOMAINS = {"postgresql": "postgres", "mysql": "mysql"}


class DatabaseGateway:
    """All Flexible Servers of a world, by engine and name."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.servers: dict[tuple[EngineName, str], FlexibleServer] = {}

    def add_server(
        self,
        engine: EngineName,
        name: str,
        administrator: str,
        password: str,
        subscription: str = SUBSCRIPTION,
        group: str = GROUP,
        **options: Any,
    ) -> FlexibleServer:
        """Add a server and its administrator; raise ValueError if the name exists."""
        if (engine, name) in self.servers:
            raise ValueError(f"there is a {engine} server named {name} already")
        self._world.groups.setdefault(subscription.lower(), set()).add(group.lower())
        account = Account(administrator, [(self._world.now(), password)])
        fqdn = options.pop("fqdn", "") or f"{name}.{DOMAINS[engine]}.database.azure.com"
        server = FlexibleServer(
            engine, name, subscription, group, account, fqdn, now=self._world.now, **options
        )
        self.servers[engine, name] = server
        return server

    @property
    def audience(self) -> str:
        """The audience of tokens for these servers."""
        arm = self._world.domains.arm
        suffix = "windows.net" if arm == "management.azure.com" else arm.partition(".")[2]
        return f"https://ossrdbms-aad.database.{suffix}"

    def find(self, fqdn: str) -> FlexibleServer | None:
        """Return the server that clients call by this name."""
        return next(
            (server for server in self.servers.values() if server.fqdn == fqdn.lower()), None
        )

    def answers(self, host: str) -> bool:
        """Return whether a server has this name."""
        return self.find(host) is not None

    def handle(self, request: Request) -> Response:
        """Answer a request that stands for one call of a driver, on a connection of its own."""
        server = self.find(request.host)
        assert server is not None  # noqa: S101 - answers() has found it
        try:
            self._act(server, request.method, json.loads(request.body))
        except DatabaseRefusal as refusal:
            return json_response(400, {"refused": str(refusal)})
        return json_response(200, {})

    def _act(self, server: FlexibleServer, method: str, sent: dict[str, str]) -> None:
        if method == "SIGN-IN" and "login" in sent:
            server.sign_in(sent["login"], sent["password"])
            return
        principal = self._world.identities.examine(sent["token"], self.audience)
        server.sign_in_as(
            sent["operator"], principal.oid if isinstance(principal, Principal) else None
        )
        if method != "SIGN-IN":
            server.alter(sent["login"], sent.get("password"))

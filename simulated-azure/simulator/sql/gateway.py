"""The entrance to a world's SQL servers: it finds servers, checks tokens, reads statements.

As a service it answers requests that stand for a driver's calls: SIGN-IN and EXECUTE at
tds://server/database, with a JSON body. Faults, interceptors and counts therefore see them like
HTTP requests. simulator/sql/tds/ answers a real driver the same way.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from simulator.identity import Principal
from simulator.sql import errors
from simulator.sql.errors import SqlError
from simulator.sql.servers import Account, Session, SqlServer
from simulator.sql.statements import Grammar, OwnGrammar, Row, run
from simulator.wire import Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.world import World

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
GROUP = "production"


class SqlGateway:
    """All SQL servers of a world, by name.

    `added` are called with each new server before anybody else can know it.
    """

    def __init__(self, world: World, grammar: Grammar | None = None) -> None:
        self._world = world
        self.grammar: Grammar = grammar or OwnGrammar()
        self.servers: dict[str, SqlServer] = {}
        self.added: list[Callable[[SqlServer], None]] = []

    def add_server(
        self,
        name: str,
        login: str,
        password: str,
        subscription: str = SUBSCRIPTION,
        group: str = GROUP,
        **options: Any,
    ) -> SqlServer:
        """Add a server and its administrator; raise ValueError if the name exists.

        Server names are globally unique.
        """
        if name in self.servers:
            raise ValueError(f"there is a SQL server named {name} already")
        self._world.groups.setdefault(subscription.lower(), set()).add(group.lower())
        administrator = Account(login, [(self._world.now(), password)])
        server = SqlServer(name, subscription, group, administrator, now=self._world.now, **options)
        for tell in self.added:
            tell(server)
        self.servers[name] = server
        return server

    @property
    def audience(self) -> str:
        """The audience of database tokens.

        In clouds other than the public one, it is listed beside Resource Manager's.
        """
        arm = self._world.domains.arm
        return (
            "https://database.windows.net"
            if arm == "management.azure.com"
            else f"https://database.{arm.partition('.')[2]}"
        )

    def find(self, fqdn: str) -> SqlServer | None:
        """Return the server that clients call by this name."""
        return next(
            (server for server in self.servers.values() if server.fqdn == fqdn.lower()), None
        )

    def sign_in(
        self, server: SqlServer, database: str, user: str, password: str, token: str | None
    ) -> Session:
        """Sign a caller in with its token, or with the password without one; raise SqlError."""
        if token is None:
            return server.sign_in(database, user, password)
        result = self._world.identities.examine(token, self.audience)
        if not isinstance(result, Principal):
            raise errors.login_failed(errors.BY_TOKEN)
        return server.sign_in_as(database, result)

    def execute(self, session: Session, text: str) -> Row:
        """Run one statement; raise SqlError."""
        return run(session, self.grammar.read(text))

    def answers(self, host: str) -> bool:
        """Return whether a server has this name."""
        return self.find(host) is not None

    def handle(self, request: Request) -> Response:
        """Answer a request that stands for one call of a driver, on a connection of its own."""
        sent = json.loads(request.body)
        database = unquote(urlsplit(request.url).path.removeprefix("/"))
        server = self.find(request.host)
        assert server is not None  # noqa: S101 - answers() has found it
        try:
            session = self.sign_in(
                server, database, sent.get("user", ""), sent.get("password", ""), sent.get("token")
            )
            row = self.execute(session, sent["statement"]) if request.method == "EXECUTE" else ()
        except SqlError as refusal:
            return json_response(400, {"refused": {"number": refusal.number, "text": refusal.text}})
        return json_response(200, {"row": row})

"""Servers that speak TDS 8.0 (TLS first) on loopback: one port for each SQL server.

A server's name becomes `localhost,port`, which is how clients write a port. Native drivers resolve
names themselves, so no other name of this machine works everywhere.
"""

from __future__ import annotations

import contextlib
import json
import ssl
from functools import partial
from typing import TYPE_CHECKING, Self

from simulator.reach.listeners import Listeners
from simulator.sql.errors import SqlError
from simulator.sql.tds import login, packets, tokens
from simulator.wire import Request, Response, json_response
from simulator.world import Exchange

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from simulator.sql.gateway import SqlGateway
    from simulator.sql.servers import Session, SqlServer
    from simulator.world import World

ALPN = "tds/8.0"
HEADERS_SIZE = 4
POOLED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
"""The driver's first message on a connection from its pool."""


@contextlib.contextmanager
def listening(world: World, tls: ssl.SSLContext) -> Iterator[None]:
    """Serve a world's SQL servers during the context; do nothing if the world has none."""
    gateway: SqlGateway | None = getattr(world, "sql", None)
    with TdsServers(world, gateway, tls) if gateway else contextlib.nullcontext():
        yield


class TdsServers:
    """All SQL servers of a world, each on its own port, from `start` to `stop`.

    `silent` servers accept a connection and never answer.
    """

    def __init__(self, world: World, gateway: SqlGateway, tls: ssl.SSLContext) -> None:
        # The same certificate and context may serve HTTP too.
        tls.set_alpn_protocols(["http/1.1", ALPN])
        self._world = world
        self._gateway = gateway
        self._listeners = Listeners("simulated-tds", tls)
        self.silent: set[str] = set()

    def start(self) -> Self:
        """Listen for the existing servers, and for each server that is added later."""
        self._gateway.added.append(self.open)
        for server in self._gateway.servers.values():
            self.open(server)
        return self

    def stop(self) -> None:
        """Stop listening, close connections, and return once every thread has ended."""
        self._gateway.added.remove(self.open)
        self._listeners.stop()

    def open(self, server: SqlServer) -> None:
        """Listen for one server on a free port, and set the server's name to it."""
        server.fqdn = f"localhost,{self._listeners.open(partial(self._converse, server))}"

    def _converse(self, server: SqlServer, connection: socket.socket) -> None:
        if server.name in self.silent:
            _swallow(connection)
            return
        with self._listeners.secured(connection) as secured:
            if secured.selected_alpn_protocol() == ALPN:
                self._serve(secured, server)

    def _serve(self, wire: ssl.SSLSocket, server: SqlServer) -> None:
        session: Session | None = None
        for message in _messages(wire):
            match message.kind:
                case packets.PRELOGIN:
                    packets.send(wire, login.prelogin_reply())
                case packets.LOGIN7:
                    session = self._sign_in(wire, server, login.read(message.content))
                    if session is None:
                        return
                case packets.SQL_BATCH if session:
                    answer = self._answer(
                        session, _after_headers(message.content).decode("utf-16-le")
                    )
                    packets.send(wire, (tokens.reset_done() if message.reset else b"") + answer)
                case packets.TRANSACTION if session:
                    packets.send(wire, tokens.transaction(_after_headers(message.content)[0]))
                case packets.ATTENTION:
                    packets.send(wire, tokens.done(tokens.DONE_ATTENTION))
                case _:
                    return

    def _sign_in(
        self, wire: ssl.SSLSocket, server: SqlServer, client: login.Login
    ) -> Session | None:
        database = client.database or "master"
        who = (client.user, client.password, client.token)
        sent = {"user": client.user, "password": client.password} if client.token is None else {}
        try:
            session = self._heard(
                Request(
                    "SIGN-IN", f"tds://{server.fqdn}/{database}", {}, json.dumps(sent).encode()
                ),
                lambda: self._gateway.sign_in(server, database, *who),
            )
        except SqlError as refusal:
            packets.send(wire, tokens.errors(refusal))
            return None
        accepted = tokens.token_accepted() if client.token is not None else b""
        greeting = (
            tokens.database_changed(session.database.name)
            + tokens.collation()
            + tokens.login_ack(client.version)
        )
        packets.send(
            wire,
            greeting
            + accepted
            + tokens.packet_size(packets.PACKET_SIZE)
            + tokens.done(tokens.DONE_FINAL),
        )
        return session

    def _answer(self, session: Session, text: str) -> bytes:
        if text == POOLED:
            return tokens.done(tokens.DONE_FINAL)
        url = f"tds://{session.server.fqdn}/{session.database.name}"
        body = json.dumps({"statement": text}).encode()
        try:
            row = self._heard(
                Request("EXECUTE", url, {}, body), lambda: self._gateway.execute(session, text)
            )
        except SqlError as refusal:
            return tokens.errors(refusal)
        return tokens.row(row)

    def _heard[T](self, request: Request, act: Callable[[], T]) -> T:
        """Do what a client asks, and tell who listens; raise SqlError.

        It is recorded, as the world records every request, but for password and statement.
        """
        came: list[T | SqlError] = []

        def answer(_: Request) -> Response:
            try:
                came.append(act())
            except SqlError as refusal:
                came.append(refusal)
                refused = {"number": refusal.number, "text": refusal.text}
                return json_response(400, {"refused": refused})
            return json_response(200, {})

        world = self._world
        response = world.heard(request, lambda _: world.served(request, answer))
        world.exchanges.append(Exchange(Request(request.method, request.url), response))
        (outcome,) = came
        if isinstance(outcome, SqlError):
            raise outcome
        return outcome

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _messages(wire: packets.Wire) -> Iterator[packets.Message]:
    while message := packets.receive(wire):
        yield message


def _after_headers(content: bytes) -> bytes:
    """Return the content after a request's headers, which begin with their own length."""
    return content[int.from_bytes(content[:HEADERS_SIZE], "little") :]


def _swallow(connection: socket.socket) -> None:
    while connection.recv(packets.PACKET_SIZE):
        pass

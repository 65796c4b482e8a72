"""Somebody who is connected to a database server; the world judges and records what they do."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from simulator.wire import Request

if TYPE_CHECKING:
    from simulator.databases.servers import FlexibleServer
    from simulator.world import World


@dataclass(frozen=True)
class Client:
    """A connection's user. `secret` is a password, or the token of an Entra user."""

    world: World
    server: FlexibleServer
    name: str
    secret: str

    def sign_in(self) -> str:
        """Return why the server refuses the user; empty where it does not."""
        if self.name in self.server.operators:
            return self._send("SIGN-IN", operator=self.name, token=self.secret)
        return self._send("SIGN-IN", login=self.name, password=self.secret)

    def alter(self, login: str, password: str | None) -> str:
        """Set a password, or with None only see whether that could be done.

        Return why the server refuses; empty where it does not.
        """
        who = {"operator": self.name, "token": self.secret, "login": login}
        if password is None:
            return self._send("REHEARSE", **who)
        return self._send("ALTER", **who, password=password)

    def _send(self, method: str, **body: str) -> str:
        url = f"{self.server.engine}://{self.server.fqdn}/"
        answer = self.world.handle(Request(method, url, {}, json.dumps(body).encode()))
        if answer.status == HTTPStatus.OK:
            return ""
        said: Any = answer.json()
        return str(said.get("refused", "unreached"))


def exactly(connection: socket.socket, size: int) -> bytes:
    """Read so many bytes and no more: what follows them is TLS."""
    return connection.recv(size, socket.MSG_WAITALL)

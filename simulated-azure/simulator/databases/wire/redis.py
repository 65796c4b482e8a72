"""The part of Redis' protocol that a client of access keys speaks: TLS, AUTH and PING.

Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from simulator.wire import Request

if TYPE_CHECKING:
    import socket
    from typing import BinaryIO

    from simulator.keys.accounts import KeyedAccount
    from simulator.reach.listeners import Listeners
    from simulator.world import World

PONG = b"+PONG"


def converse(
    world: World, account: KeyedAccount, listeners: Listeners, connection: socket.socket
) -> None:
    """Serve one connection."""
    with listeners.secured(connection) as secured, secured.makefile("rb") as lines:
        is_known = False
        while words := _command(lines):
            answer = _answer(world, account, words, is_known=is_known)
            is_known = is_known or answer == b"+OK"
            secured.sendall(answer + b"\r\n")


def _answer(world: World, account: KeyedAccount, words: list[bytes], *, is_known: bool) -> bytes:
    match [words[0].upper(), *words[1:]]:
        case [b"AUTH", password] | [b"AUTH", b"default", password]:
            return _sign_in(world, account, password.decode())
        case [b"PING"] if is_known:
            return PONG
        case _ if not is_known:
            return b"-NOAUTH Authentication required."
        case _:
            return b"-ERR unknown command"


def _sign_in(world: World, account: KeyedAccount, password: str) -> bytes:
    """Let the world judge a password, as it judges and records every request."""
    body = json.dumps({"password": password}).encode()
    line = world.handle(Request("SIGN-IN", f"redis://{account.endpoint}/", {}, body)).body
    return b"+OK" if line == PONG else line


def _command(lines: BinaryIO) -> list[bytes]:
    """Read one command, an array of strings; empty at the end of the connection."""
    words: list[bytes] = []
    count = lines.readline().strip()
    for _ in range(int(count.removeprefix(b"*") or 0)):
        size = int(lines.readline().strip().removeprefix(b"$") or 0)
        words.append(lines.read(size + 2)[:size])
    return words

"""The part of MySQL's protocol that a client of passwords speaks.

Source: https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html. The plugin is
sha256_password, with which a client sends its password in the clear, within TLS.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from simulator.databases.servers import ANYWHERE
from simulator.databases.wire.client import Client, exactly

if TYPE_CHECKING:
    import socket
    import ssl
    from typing import BinaryIO

    from simulator.databases.servers import FlexibleServer
    from simulator.reach.listeners import Listeners
    from simulator.world import World

PLUGIN = b"sha256_password"
# Long passwords, databases, protocol 4.1, TLS, transactions, plugins, and lengths of any size.
CAPABILITIES = 1 | 1 << 3 | 1 << 9 | 1 << 11 | 1 << 13 | 1 << 15 | 1 << 19 | 1 << 21
UTF8, AUTOCOMMIT, VAR_STRING = 255, 2, 0xFD
QUIT, QUERY = 1, 3
LITERAL = r"'((?:[^'\\]|\\.)*)'"
ALTER = re.compile(rf"ALTER USER {LITERAL}@{LITERAL} IDENTIFIED BY {LITERAL}", re.DOTALL)
ACCOUNT = re.compile(
    rf".* FROM mysql\.user.* WHERE user = {LITERAL} AND host = {LITERAL}", re.DOTALL
)
ESCAPED = {"0": "\0", "n": "\n", "r": "\r", "Z": "\x1a"}
CODES = {
    "refused": 1045,
    "app_refused": 1045,
    "disabled": 3118,
    "firewall": 9000,
    "no_database": 1049,
    "no_login": 1396,
    "may_not_alter": 1227,
    "read_only": 1290,
}
"""https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html"""
OK = bytes(3) + struct.pack("<HH", AUTOCOMMIT, 0)
END = b"\xfe" + struct.pack("<HH", 0, AUTOCOMMIT)


def converse(
    world: World, server: FlexibleServer, listeners: Listeners, connection: socket.socket
) -> None:
    """Serve one connection: a greeting, then TLS."""
    connection.sendall(_packet(0, _greeting()))
    size = int.from_bytes(exactly(connection, 4)[:3], "little")
    exactly(connection, size)
    with listeners.secured(connection) as wire, wire.makefile("rb") as stream:
        number, body = _receive(stream)
        client = Client(world, server, *_credentials(body))
        refused = client.sign_in()
        wire.sendall(_packet(number + 1, _error(refused) if refused else OK))
        if not refused:
            _serve(client, wire, stream)


def _serve(client: Client, wire: ssl.SSLSocket, stream: BinaryIO) -> None:
    while True:
        _, body = _receive(stream)
        if not body or body[0] == QUIT:
            return
        packets = _answer(client, body[1:].decode()) if body[0] == QUERY else [OK]
        for number, payload in enumerate(packets, 1):
            wire.sendall(_packet(number, payload))


def _answer(client: Client, text: str) -> list[bytes]:
    """Return the packets that answer a statement; settings of a session are taken as they are."""
    if match := ACCOUNT.fullmatch(text):
        login = _login(match[1], match[2])
        is_there = login.removesuffix(ANYWHERE) in client.server.accounts
        others = b"1" if client.server.alike(login) else b"0"
        values = {b"plugin": PLUGIN, b"ssl_type": b"", b"has_others": others, b"has_second": b""}
        row = b"".join(map(_text, values.values()))
        columns = map(_column, values)
        return [bytes([len(values)]), *columns, END, *([row] if is_there else []), END]
    if match := ALTER.fullmatch(text):
        refused = client.alter(_login(match[1], match[2]), _plain(match[3]))
        # A server looks at the right first, and then for the account.
        if refused == "no_login" and client.server.alterable == set():
            refused = "may_not_alter"
        return [_error(refused) if refused else OK]
    return [OK]


def _login(user: str, host: str) -> str:
    return f"{_plain(user)}@{_plain(host)}"


def _plain(literal: str) -> str:
    """Return what a literal stands for."""
    return re.sub(r"\\(.)", lambda match: ESCAPED.get(match[1], match[1]), literal, flags=re.DOTALL)


def _credentials(body: bytes) -> tuple[str, str]:
    """Return user and password of a handshake's response."""
    user, _, rest = body[32:].partition(b"\0")
    size, width = rest[0], 1
    if rest[0] == 0xFC:  # noqa: PLR2004 - a length of two bytes
        size, width = int.from_bytes(rest[1:3], "little"), 3
    return user.decode(), rest[width : width + size].rstrip(b"\0").decode()


def _greeting() -> bytes:
    salt = b"s" * 20
    return (
        b"\x0a8.0.40\0"
        + struct.pack("<I8sx", 1, salt)
        + struct.pack("<HBH", CAPABILITIES & 0xFFFF, UTF8, AUTOCOMMIT)
        + struct.pack("<HB10x", CAPABILITIES >> 16, len(salt) + 1)
        + salt[8:]
        + b"\0"
        + PLUGIN
        + b"\0"
    )


def _receive(stream: BinaryIO) -> tuple[int, bytes]:
    """Return a packet's number and content; empty at the end of the connection."""
    head = stream.read(4)
    return (head[3], stream.read(int.from_bytes(head[:3], "little"))) if head else (0, b"")


def _packet(number: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([number]) + payload


def _error(refused: str) -> bytes:
    return b"\xff" + struct.pack("<H", CODES.get(refused, 1040)) + b"#HY000" + refused.encode()


def _text(content: bytes) -> bytes:
    return bytes([len(content)]) + content


def _column(name: bytes) -> bytes:
    names = b"".join(map(_text, (b"def", b"mysql", b"user", b"user", name, name)))
    return names + b"\x0c" + struct.pack("<HIBHBxx", UTF8, 256, VAR_STRING, 0, 0)

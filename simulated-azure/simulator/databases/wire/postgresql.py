"""The part of PostgreSQL's protocol that a client of passwords speaks.

Source: https://www.postgresql.org/docs/current/protocol-message-formats.html. A password is asked
for in the clear, within TLS.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from simulator.databases.wire.client import Client, exactly

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Iterator
    from typing import BinaryIO

    from simulator.databases.servers import FlexibleServer
    from simulator.reach.listeners import Listeners
    from simulator.world import World

TLS_PLEASE = struct.pack("!ii", 8, 80877103)
ALTER = re.compile(r"""ALTER ROLE "(?P<role>(?:[^"]|"")+)" PASSWORD '(?P<kept>[^']*)'""")
NAME, BOOL, TEXT = 19, 16, 25
"""Ids of types."""
ROLE_COLUMNS = (("rolcanlogin", BOOL), ("expired", BOOL), ("hashes", TEXT))
HASHES = b"scram-sha-256"
CODES = {
    "refused": ("28P01", "password authentication failed"),
    "app_refused": ("28P01", "password authentication failed"),
    "disabled": ("28000", "role is not permitted to log in"),
    "firewall": ("28000", "no pg_hba.conf entry for host"),
    "no_database": ("3D000", "database does not exist"),
    "no_login": ("42704", "role does not exist"),
    "may_not_alter": ("42501", "permission denied to alter role"),
    "read_only": ("25006", "cannot execute ALTER ROLE in a read-only transaction"),
}
"""https://www.postgresql.org/docs/current/errcodes-appendix.html"""


def converse(
    world: World, server: FlexibleServer, listeners: Listeners, connection: socket.socket
) -> None:
    """Serve one connection: TLS first, as a client asks for it."""
    if exactly(connection, len(TLS_PLEASE)) != TLS_PLEASE:
        return
    connection.sendall(b"S")
    with listeners.secured(connection) as wire, wire.makefile("rb") as stream:
        user = _user(stream)
        wire.sendall(_message(b"R", struct.pack("!i", 3)))
        _, secret = next(_messages(stream), (b"", b""))
        client = Client(world, server, user, secret.rstrip(b"\0").decode())
        if refused := client.sign_in():
            wire.sendall(_error(refused))
            return
        wire.sendall(_welcome())
        _serve(client, wire, stream)


def _serve(client: Client, wire: ssl.SSLSocket, stream: BinaryIO) -> None:
    role = ""
    for kind, body in _messages(stream):
        match kind:
            case b"Q":
                wire.sendall(_run(client, body.rstrip(b"\0").decode()))
            case b"B":
                role = _parameter(body)
                wire.sendall(_message(b"2"))
            case b"E":
                wire.sendall(_rows(client.server, role))
            case b"X":
                return
            case _:
                wire.sendall(_ANSWERS.get(kind, b""))


def _run(client: Client, text: str) -> bytes:
    """Set a password; inside a transaction that is rolled back only see whether that could be."""
    if text == "BEGIN":
        return _message(b"C", b"BEGIN\0") + _ready()
    match = ALTER.search(text)
    rehearsed = text.startswith("BEGIN;")
    role = match["role"].replace('""', '"') if match else ""
    refused = client.alter(role, None if rehearsed else match["kept"]) if match else "no_login"
    commands = [b"BEGIN", b"ALTER ROLE", b"ROLLBACK"] if rehearsed else [b"ALTER ROLE", b"COMMIT"]
    done = b"".join(_message(b"C", command + b"\0") for command in commands)
    return (_error(refused) if refused else done) + _ready()


def _rows(server: FlexibleServer, role: str) -> bytes:
    """Return what the server says of a role: may it sign in, has its password expired."""
    account = server.accounts.get(role)
    if account is None:
        return _message(b"C", b"SELECT 0\0")
    cells = (bytes([account.enabled]), bytes([account.expired]), HASHES)
    row = b"".join(struct.pack("!i", len(cell)) + cell for cell in cells)
    return _message(b"D", struct.pack("!h", len(cells)) + row) + _message(b"C", b"SELECT 1\0")


def _parameter(body: bytes) -> str:
    """Return the one parameter of a statement."""
    rest = body.split(b"\0", 2)[2]
    (formats,) = struct.unpack_from("!h", rest)
    at = 2 + 2 * formats + 2
    (size,) = struct.unpack_from("!i", rest, at)
    return rest[at + 4 : at + 4 + size].decode()


def _user(stream: BinaryIO) -> str:
    """Return the name in the message with which a client begins."""
    (size,) = struct.unpack("!i", stream.read(4))
    fields = stream.read(size - 4)[4:].split(b"\0")
    return dict(zip(fields[::2], fields[1::2], strict=False))[b"user"].decode()


def _messages(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    while head := stream.read(5):
        kind, size = struct.unpack("!ci", head)
        yield kind, stream.read(size - 4)


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _error(refused: str) -> bytes:
    code, text = CODES.get(refused, ("57P03", "the database system is starting up"))
    fields = (b"SFATAL", b"VFATAL", b"C" + code.encode(), b"M" + text.encode(), b"", b"")
    return _message(b"E", b"\0".join(fields))


def _welcome() -> bytes:
    settings = (b"server_version\x0016.4", b"client_encoding\0UTF8", b"TimeZone\0UTC")
    told = b"".join(_message(b"S", setting + b"\0") for setting in settings)
    return _message(b"R", bytes(4)) + told + _message(b"K", bytes(8)) + _ready()


def _ready() -> bytes:
    return _message(b"Z", b"I")


def _description() -> bytes:
    """Return what the statement that asks about a role takes and gives."""
    columns = b"".join(
        name.encode() + b"\0" + struct.pack("!ihihih", 0, 0, kind, -1, -1, 0)
        for name, kind in ROLE_COLUMNS
    )
    takes = _message(b"t", struct.pack("!hi", 1, NAME))
    return takes + _message(b"T", struct.pack("!h", len(ROLE_COLUMNS)) + columns)


_ANSWERS = {b"P": _message(b"1"), b"D": _description(), b"C": _message(b"3"), b"S": _ready()}
"""To a statement, to the question what it takes and gives, to its end, and to a pause."""

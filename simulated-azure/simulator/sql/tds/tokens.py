"""The tokens of a server's answers. Source: MS-TDS 2.2.7."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.sql.errors import SqlError

DONE_FINAL, DONE_ERROR, DONE_COUNT, DONE_ATTENTION = 0x00, 0x02, 0x10, 0x20
FED_AUTH = 0x02
SERVER = "simulated-azure"
INT4 = 0x38
COLLATION = bytes((0x09, 0x04, 0xD0, 0x00, 0x34))


def login_ack(version: int) -> bytes:
    """Return the token that confirms a sign-in; `version` is the client's own."""
    name = "Microsoft SQL Server"
    body = struct.pack(">BI", 1, version) + _short(name) + bytes((12, 0, 0x07, 0xD0))
    return b"\xad" + struct.pack("<H", len(body)) + body


def database_changed(name: str) -> bytes:
    """Return the token that names the current database."""
    return _environment(1, name, "master")


def collation() -> bytes:
    """Return the token for the collation: SQL_Latin1_General_CP1_CI_AS, Azure SQL's default."""
    body = bytes((7, len(COLLATION))) + COLLATION + b"\x00"
    return b"\xe3" + struct.pack("<H", len(body)) + body


def packet_size(size: int) -> bytes:
    """Return the token for the packet size."""
    return _environment(4, str(size), str(size))


def transaction(request: int) -> bytes:
    """Return the answer to begin (5), commit (7) or roll back (8) a transaction, without effect."""
    mark = b"\x08" + bytes((1, 0, 0, 0, 0, 0, 0, 0))
    kinds = {5: (8, mark + b"\x00"), 7: (9, b"\x00" + mark), 8: (10, b"\x00" + mark)}
    kind, values = kinds[request]
    return b"\xe3" + struct.pack("<HB", 1 + len(values), kind) + values + done(DONE_FINAL)


def reset_done() -> bytes:
    """Return the token that confirms the reset of a pooled connection."""
    return b"\xe3" + struct.pack("<HB", 3, 18) + b"\x00\x00"


def token_accepted() -> bytes:
    """Return the acknowledgement of an access token."""
    return b"\xae" + struct.pack("<BI", FED_AUTH, 0) + b"\xff"


def error(problem: SqlError) -> bytes:
    """Return one error."""
    body = (
        struct.pack("<IBB", problem.number, 1, problem.severity)
        + struct.pack("<H", len(problem.text.encode("utf-16-le")) // 2)
        + problem.text.encode("utf-16-le")
        + _short(SERVER)
        + _short("")
        + struct.pack("<I", 1)
    )
    return b"\xaa" + struct.pack("<H", len(body)) + body


def errors(problem: SqlError) -> bytes:
    """Return an error, those that follow it, and the end."""
    return b"".join(error(refusal) for refusal in problem.all()) + done(DONE_ERROR)


def row(values: Sequence[int]) -> bytes:
    """Return one row of unnamed whole numbers, and the end; without values, no row."""
    if not values:
        return done(DONE_FINAL)
    column = struct.pack("<IHB", 0, 0, INT4) + _short("")
    columns = b"\x81" + struct.pack("<H", len(values)) + column * len(values)
    return columns + b"\xd1" + struct.pack(f"<{len(values)}i", *values) + done(DONE_COUNT, 1)


def done(status: int, rows: int = 0) -> bytes:
    """Return the end of a reply."""
    return b"\xfd" + struct.pack("<HHQ", status, 0, rows)


def _environment(kind: int, new: str, old: str) -> bytes:
    body = bytes((kind,)) + _short(new) + _short(old)
    return b"\xe3" + struct.pack("<H", len(body)) + body


def _short(text: str) -> bytes:
    encoded = text.encode("utf-16-le")
    return bytes((len(encoded) // 2,)) + encoded

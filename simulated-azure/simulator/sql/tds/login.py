"""A client's messages before sign-in: PRELOGIN and LOGIN7. Source: MS-TDS 2.2.6.4 and 2.2.6.5."""

from __future__ import annotations

import struct
from dataclasses import dataclass

VERSION, ENCRYPTION, FED_AUTH_REQUIRED, TERMINATOR = 0x00, 0x01, 0x06, 0xFF
NOT_SUPPORTED = 0x02
"""No encryption inside TLS: TDS 8.0 ignores the option, and servers answer with this value."""
USER, PASSWORD, SERVER, EXTENSION, DATABASE = 40, 44, 52, 56, 68
OPTIONS_3 = 27
HAS_EXTENSION = 0x10
SECURITY_TOKEN = 0x01
FED_AUTH = 0x02
NO_FEATURE = 0xFF


@dataclass(frozen=True)
class Login:
    """Who signs in to which database: with a password, or with an access token."""

    version: int
    server: str
    database: str
    user: str
    password: str
    token: str | None


def prelogin_reply() -> bytes:
    """Return the server's PRELOGIN: its version, no extra encryption, tokens optional."""
    options = (
        (VERSION, bytes((12, 0, 0x07, 0xD0, 0, 0))),
        (ENCRYPTION, bytes((NOT_SUPPORTED,))),
        (FED_AUTH_REQUIRED, b"\x00"),
    )
    offset = 5 * len(options) + 1
    heads, bodies = b"", b""
    for kind, body in options:
        heads += struct.pack(">BHH", kind, offset + len(bodies), len(body))
        bodies += body
    return heads + bytes((TERMINATOR,)) + bodies


def read(content: bytes) -> Login:
    """Read LOGIN7; raise ValueError if it is invalid."""
    try:
        return Login(
            version=struct.unpack_from("<I", content, 4)[0],
            server=_text(content, SERVER),
            database=_text(content, DATABASE),
            user=_text(content, USER),
            password=_field(content, PASSWORD, _clear).decode("utf-16-le"),
            token=_token(content) if content[OPTIONS_3] & HAS_EXTENSION else None,
        )
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError("no LOGIN7") from error


def _text(content: bytes, place: int) -> str:
    return _field(content, place).decode("utf-16-le")


def _field(content: bytes, place: int, decode: object = None) -> bytes:
    offset, length = struct.unpack_from("<HH", content, place)
    raw = content[offset : offset + 2 * length]
    return _clear(raw) if decode else raw


def _clear(raw: bytes) -> bytes:
    """Return an obfuscated password in clear.

    The obfuscation swaps the halves of each byte, then flips bits with A5.
    """
    return bytes((byte ^ 0xA5) << 4 & 0xF0 | (byte ^ 0xA5) >> 4 for byte in raw)


def _token(content: bytes) -> str | None:
    pointer = struct.unpack_from("<H", content, EXTENSION)[0]
    place = struct.unpack_from("<I", content, pointer)[0]
    while content[place] != NO_FEATURE:
        feature, length = struct.unpack_from("<BI", content, place)
        data = content[place + 5 : place + 5 + length]
        if feature == FED_AUTH and data[0] >> 1 == SECURITY_TOKEN:
            size = struct.unpack_from("<I", data, 1)[0]
            return data[5 : 5 + size].decode("utf-16-le")
        place += 5 + length
    return None

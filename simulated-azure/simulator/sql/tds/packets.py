"""Packets of the Tabular Data Stream: an eight-byte header, then a piece of a message.

Source: MS-TDS 2.2.3, https://learn.microsoft.com/openspecs/windows_protocols/ms-tds.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Protocol

SQL_BATCH, REPLY, ATTENTION, TRANSACTION, LOGIN7, PRELOGIN = 0x01, 0x04, 0x06, 0x0E, 0x10, 0x12
END_OF_MESSAGE, RESET_CONNECTION = 0x01, 0x08
HEADER = struct.Struct(">BBHHBB")
PACKET_SIZE = 4096
MAX_MESSAGE = 1024 * 1024


class Wire(Protocol):
    """A source and destination of bytes: a socket, with or without TLS."""

    def recv(self, size: int, /) -> bytes:
        """Return up to this many bytes; none at the end."""
        ...

    def sendall(self, data: bytes, /) -> None:
        """Send all of the data."""
        ...


@dataclass(frozen=True)
class Message:
    """One whole message: its type, its content, and whether to reset a pooled connection first."""

    kind: int
    content: bytes
    reset: bool = False


def receive(wire: Wire) -> Message | None:
    """Return the next message; None if the client has gone or sends an invalid one."""
    content = b""
    while len(content) < MAX_MESSAGE:
        header = _exactly(wire, HEADER.size)
        if header is None:
            return None
        kind, status, length, *_ = HEADER.unpack(header)
        piece = _exactly(wire, length - HEADER.size)
        if piece is None:
            return None
        content += piece
        if status & END_OF_MESSAGE:
            return Message(kind, content, bool(status & RESET_CONNECTION))
    return None


def send(wire: Wire, content: bytes) -> None:
    """Send a reply in as many packets as it needs."""
    size = PACKET_SIZE - HEADER.size
    pieces = [content[start : start + size] for start in range(0, len(content), size)] or [b""]
    for number, piece in enumerate(pieces, 1):
        last = END_OF_MESSAGE if number == len(pieces) else 0
        wire.sendall(HEADER.pack(REPLY, last, len(piece) + HEADER.size, 0, number % 256, 0) + piece)


def _exactly(wire: Wire, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        piece = wire.recv(size - len(data))
        if not piece:
            return None
        data += piece
    return data

"""A proxy that leads every host to one port of this machine.

A program that knows Azure under no other names than the public ones reaches a simulated one with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

LOOPBACK = "127.0.0.1"
CHUNK = 65536


@contextlib.asynccontextmanager
async def tunnel(port: int) -> AsyncIterator[str]:
    """Yield the proxy's address while it leads to a port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")  # CONNECT, and whatever comes with it
        beyond, back = await asyncio.open_connection(LOOPBACK, port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pump(reader, back), _pump(beyond, writer))

    server = await asyncio.start_server(connected, LOOPBACK)
    async with server:
        yield f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    writer.close()

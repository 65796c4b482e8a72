"""The worker's end of its socket to the host.

One thread reads; every thread may write.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from typing import Any

from . import frames

HOST_IS_GONE = 1


class Channel:
    """Sends and receives messages; usable from every thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._writing = threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        """Send one message."""
        with self._writing:
            self._connection.sendall(frames.encode(message))

    def listen(
        self, loop: asyncio.AbstractEventLoop, receive: Callable[[dict[str, Any]], object]
    ) -> None:
        """Call `receive` in the loop with each message from now on.

        If the host disconnects, the process ends at once.
        """
        threading.Thread(
            target=self._read, args=(loop, receive), name="channel", daemon=True
        ).start()

    def _read(
        self, loop: asyncio.AbstractEventLoop, receive: Callable[[dict[str, Any]], object]
    ) -> None:
        while header := self._exactly(frames.HEADER.size):
            (size,) = frames.HEADER.unpack(header)
            loop.call_soon_threadsafe(receive, frames.decode(self._exactly(size)))
        os._exit(HOST_IS_GONE)

    def _exactly(self, size: int) -> bytes:
        body = b""
        while len(body) < size:
            try:
                chunk = self._connection.recv(size - len(body))
            except OSError:
                chunk = b""
            if not chunk:
                return b""
            body += chunk
        return body

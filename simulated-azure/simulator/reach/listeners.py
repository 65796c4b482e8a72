"""Sockets on loopback for protocols other than HTTP: a free port each, a thread a connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

ADDRESS = "127.0.0.1"
IDLE_SECONDS = 30.0


class Listeners:
    """All listening sockets of one protocol, and their connections, until `stop`.

    `name` is that of the threads; `tls` is what `secured` speaks.
    """

    def __init__(self, name: str, tls: ssl.SSLContext) -> None:
        self._name = name
        self._tls = tls
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def open(self, converse: Callable[[socket.socket], None]) -> int:
        """Listen on a free port and return it; `converse` serves one connection, as it arrives."""
        listener = socket.create_server((ADDRESS, 0), backlog=128)
        self._sockets.add(listener)
        self._run(self._accept, listener, converse)
        return int(listener.getsockname()[1])

    def stop(self) -> None:
        """Stop listening, close connections, and return once every thread has ended."""
        for connection in tuple(self._sockets):
            _hang_up(connection)
        for thread in self._threads:
            thread.join(10)

    @contextlib.contextmanager
    def secured(self, connection: socket.socket) -> Iterator[ssl.SSLSocket]:
        """Speak TLS on a connection during the context."""
        with self._tls.wrap_socket(connection, server_side=True) as secured:
            self._sockets.add(secured)
            try:
                yield secured
            finally:
                self._sockets.discard(secured)

    def _run(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name=self._name, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket, converse: Callable[[socket.socket], None]) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(IDLE_SECONDS)
            self._sockets.add(connection)
            self._run(self._serve, connection, converse)

    def _serve(self, connection: socket.socket, converse: Callable[[socket.socket], None]) -> None:
        try:
            converse(connection)
        except OSError:
            # The client has gone or does not trust the certificate: a server ignores both.
            return
        finally:
            self._sockets.discard(connection)
            connection.close()


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()

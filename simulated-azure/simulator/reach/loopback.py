"""Resolves names that end in .localhost to this machine, with the standard library alone.

It also runs in the bare worker.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

LOOPBACK = "127.0.0.1"


def resolve_localhost() -> Callable[[], None]:
    """Resolve every name that ends in .localhost to 127.0.0.1, in this process.

    Return a function that undoes it.

    RFC 6761 (section 6.3) says that resolvers should do so themselves; glibc does not.
    """
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        return original(LOOPBACK if _is_local(host) else host, *args, **kwargs)

    def undo() -> None:
        socket.getaddrinfo = original

    socket.getaddrinfo = getaddrinfo
    return undo


def resolving_loop(loop: Any) -> Callable[[], Any]:
    """Return a factory for loops of a class that resolves names itself, such as uvloop's.

    Names that end in .localhost resolve in these loops as well.
    """

    async def getaddrinfo(self: Any, host: Any, *args: Any, **kwargs: Any) -> Any:
        return await loop.getaddrinfo(self, LOOPBACK if _is_local(host) else host, *args, **kwargs)

    return type("LoopbackLoop", (loop,), {"getaddrinfo": getaddrinfo})


def _is_local(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    return isinstance(name, str) and name.lower().rstrip(".").endswith(".localhost")

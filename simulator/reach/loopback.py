"""Names that end in .localhost resolve to this machine. Standard library alone.

It also runs in the bare worker.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

LOOPBACK = "127.0.0.1"


def resolve_localhost() -> Callable[[], None]:
    """Resolve every name that ends in .localhost to 127.0.0.1, in this process.

    Return what undoes it.

    RFC 6761 (section 6.3) says that resolvers should do so by themselves; glibc does not.
    """
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        return original(LOOPBACK if _is_local(host) else host, *args, **kwargs)

    def undo() -> None:
        socket.getaddrinfo = original

    socket.getaddrinfo = getaddrinfo
    return undo


def resolving_loop(loop: Any) -> Callable[[], Any]:
    """Return what makes loops of a class, such as uvloop's, that asks the system by itself.

    Its names resolve as well.
    """

    async def getaddrinfo(self: Any, host: Any, *args: Any, **kwargs: Any) -> Any:
        return await loop.getaddrinfo(self, LOOPBACK if _is_local(host) else host, *args, **kwargs)

    return type("LoopbackLoop", (loop,), {"getaddrinfo": getaddrinfo})


def _is_local(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    return isinstance(name, str) and name.lower().rstrip(".").endswith(".localhost")

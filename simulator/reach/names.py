"""Makes this process see the loopback cloud: its names resolve, its certificates are trusted.

For the local host, the demo and tests only: deployed code never imports this.
"""

from __future__ import annotations

import os
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import connector

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from simulator.wire import Response

LOOPBACK = "127.0.0.1"


def resolve_localhost() -> Callable[[], None]:
    """Resolve every name that ends in .localhost to 127.0.0.1, in this process; return what undoes it.

    RFC 6761 (section 6.3) says that resolvers should do so by themselves; glibc does not.
    """
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        return original(LOOPBACK if _is_local(host) else host, *args, **kwargs)

    def undo() -> None:
        socket.getaddrinfo = original

    socket.getaddrinfo = getaddrinfo
    return undo


def _is_local(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    return isinstance(name, str) and name.lower().rstrip(".").endswith(".localhost")


def no_such_host(response: Response) -> bool:
    """Tell whether an answer stands for a name that does not resolve."""
    return response.status == HTTPStatus.BAD_GATEWAY and b"NoSuchHost" in response.body


def trust(ca_file: Path) -> None:
    """Let this process accept certificates of the loopback cloud, over aiohttp, requests and ssl's default contexts.

    aiohttp builds its default context when it is imported, so SSL_CERT_FILE alone comes too late for a process that
    has imported it already.
    """
    os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = str(ca_file)
    connector._SSL_CONTEXT_VERIFIED.load_verify_locations(cafile=str(ca_file))  # noqa: SLF001

"""Makes this process see the loopback cloud: its names resolve, its certificates are trusted.

For the local host, the demo and tests only: deployed code never imports this.
"""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import connector

from simulator.reach.loopback import LOOPBACK, resolve_localhost

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.wire import Response

__all__ = ["LOOPBACK", "no_such_host", "resolve_localhost", "trust"]


def no_such_host(response: Response) -> bool:
    """Return whether an answer stands for a name that does not resolve."""
    return response.status == HTTPStatus.BAD_GATEWAY and b"NoSuchHost" in response.body


def trust(ca_file: Path) -> None:
    """Trust the loopback cloud's certificates in aiohttp, requests and ssl's default contexts.

    aiohttp creates its default context on import, so SSL_CERT_FILE alone comes too late for a
    process that has already imported it.
    """
    os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = str(ca_file)
    connector._SSL_CONTEXT_VERIFIED.load_verify_locations(cafile=str(ca_file))  # noqa: SLF001

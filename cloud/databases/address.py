"""Where a database server listens, and the TLS that every connection to it uses."""

from __future__ import annotations

import ssl

LOGIN_SECONDS = 5.0
"""The longest that a server may take to answer a sign-in."""
STATEMENT_SECONDS = 5.0
"""The longest that a statement may take, at the server and at the client."""


def host_and_port(server: str, port: int) -> tuple[str, int]:
    """Split a host name from its port; `port` is the engine's own, where none is named."""
    host, _, named = server.partition(":")
    return host, int(named or port)


def verified_tls() -> ssl.SSLContext:
    """Return TLS that checks the certificate and the host's name against the system's authorities."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context

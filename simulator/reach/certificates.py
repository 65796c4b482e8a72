"""A certificate authority for one run, and the certificate of the loopback cloud."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

NAMES = (
    "*.vault.localhost",
    "*.blob.storage.localhost",
    "*.queue.storage.localhost",
    "blob.storage.localhost",
    "queue.storage.localhost",
    "arm.localhost",
    "login.localhost",
    "graph.localhost",
    "localhost",
    "127.0.0.1",
)


@dataclass(frozen=True)
class Certificates:
    """The authority's certificate as a PEM file, and the server's TLS context."""

    ca_file: Path
    server: ssl.SSLContext


def issue(folder: Path) -> Certificates:
    """Create an authority and a certificate for all names; write only the authority's."""
    authority = trustme.CA(organization_name="Rekey simulator")
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*NAMES).configure_cert(server)
    return Certificates(ca_file, server)

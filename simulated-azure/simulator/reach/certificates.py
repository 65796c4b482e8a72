"""A certificate authority for one run, and the certificate of the loopback cloud."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

from simulator.keys.contracts import CONTRACTS
from simulator.world import Domains

KEYED = {Domains.loopback(0).of_resource(contract.host) for contract in CONTRACTS}
NAMES = (
    "*.vault.localhost",
    "*.blob.storage.localhost",
    "*.queue.storage.localhost",
    "blob.storage.localhost",
    "queue.storage.localhost",
    "arm.localhost",
    "login.localhost",
    "graph.localhost",
    "logs.localhost",
    "clock.localhost",
    "*.azurewebsites.localhost",
    "*.scm.azurewebsites.localhost",
    "localhost",
    "127.0.0.1",
    Domains().arm,
    Domains().login,
    *sorted({f"*.{host.partition(':')[0].partition('.')[2]}" for host in KEYED}),
)


@dataclass(frozen=True)
class Certificates:
    """The authority's certificate as a PEM file, and the server's TLS context."""

    ca_file: Path
    server: ssl.SSLContext


def issue(folder: Path) -> Certificates:
    """Create an authority and a certificate for all names; write only the authority's."""
    authority = trustme.CA(organization_name="Simulated Azure")
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*NAMES).configure_cert(server)
    return Certificates(ca_file, server)

"""What a vault knows of its certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from simulator.certificates import KeyPair


@dataclass(frozen=True)
class Policy:
    """What is asked for of a new version."""

    subject: str
    months: int
    content_type: str


@dataclass
class Creation:
    """A creation of a version: what `pending` shows."""

    name: str
    policy: Policy
    tags: dict[str, str] | None
    key: RSAPrivateKey
    csr: bytes
    request_id: str
    ready: datetime
    done: bool = False


@dataclass(frozen=True)
class CertificateVersion:
    """One version of a certificate. Its secret has the same name and the same version."""

    name: str
    version: str
    pair: KeyPair
    created: int

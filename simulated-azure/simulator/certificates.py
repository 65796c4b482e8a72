"""Key pairs and self-signed certificates for the simulated Azure.

Keys come from a small pool, because making one takes longer than a whole rotation.
"""

from __future__ import annotations

import base64
import itertools
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from datetime import datetime

POOL, BITS = 8, 2048
_turns = itertools.count()


@dataclass(frozen=True)
class KeyPair:
    """A private key with its self-signed certificate."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @cached_property
    def der(self) -> bytes:
        """The certificate as Graph and Key Vault write it, before base64."""
        return self.certificate.public_bytes(Encoding.DER)

    @cached_property
    def pfx(self) -> str:
        """Return both in base64, as Key Vault keeps application/x-pkcs12: without a password."""
        both = pkcs12.serialize_key_and_certificates(
            None, self.key, self.certificate, None, NoEncryption()
        )
        return base64.b64encode(both).decode()

    @cached_property
    def pem(self) -> str:
        """Return both as text, as Key Vault keeps application/x-pem-file: the key in PKCS #8."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return (key + self.certificate.public_bytes(Encoding.PEM)).decode()


@cache
def _key(number: int) -> rsa.RSAPrivateKey:
    del number
    return rsa.generate_private_key(public_exponent=65537, key_size=BITS)


def new_key() -> rsa.RSAPrivateKey:
    """Return another private key than the last time."""
    return _key(next(_turns) % POOL)


def self_signed(
    subject: str, start: datetime, end: datetime, key: rsa.RSAPrivateKey | None = None
) -> KeyPair:
    """Return a key pair whose certificate has this common name and lifetime."""
    key, name = key or new_key(), named(subject)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.not_valid_before(start).not_valid_after(end).public_key(key.public_key())
    certificate = builder.serial_number(x509.random_serial_number()).sign(key, hashes.SHA256())
    return KeyPair(key, certificate)


def named(subject: str) -> x509.Name:
    """Return a name with this common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])

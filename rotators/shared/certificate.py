"""Certificates with their private keys: read from a vault's value, and used to sign an assertion.

The forms are those in which Key Vault keeps a certificate's secret: PKCS #12 in base64 without a
password, or PEM. The assertion's form:
https://learn.microsoft.com/entra/identity-platform/certificate-credentials.
"""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from engine.secret import Sensitive

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

PKCS12, PEM = "application/x-pkcs12", "application/x-pem-file"
BEGIN = "-----BEGIN "
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SHORTEST_KEY = 1024
"""Bits. A much shorter key is too short to sign an assertion at all."""
SHORTEST_TEXT = 768
"""Characters: the numbers of the shortest private key (576 bytes) alone take as many in base64."""
LIFE = timedelta(minutes=5)
"""How long an assertion is valid: Microsoft advises five to ten minutes."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key."""

    key: RSAPrivateKey
    certificate: Certificate

    @property
    def der(self) -> bytes:
        """The certificate alone: what an application's list holds."""
        from cryptography.hazmat.primitives.serialization import Encoding

        return self.certificate.public_bytes(Encoding.DER)

    @property
    def key_id(self) -> str:
        """The id under which Rekey lists it: every try that lists one certificate names it so."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self._thumbprint().hex()))

    def assertion(self, client: str, audience: str, now: datetime) -> Sensitive:
        """Return a token that proves the possession of the private key, valid for minutes."""
        import jwt

        claims = {
            "aud": audience,
            "iss": client,
            "sub": client,
            "jti": str(uuid.uuid4()),
            "nbf": int(now.timestamp()),
            "exp": int((now + LIFE).timestamp()),
        }
        thumbprint = base64.urlsafe_b64encode(self._thumbprint()).decode().rstrip("=")
        headers = {"x5t#S256": thumbprint}
        return Sensitive(jwt.encode(claims, self.key, algorithm="PS256", headers=headers))

    def _thumbprint(self) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256

        return self.certificate.fingerprint(SHA256())


def parse(value: Sensitive | None) -> Pair | None:
    """Return the certificate in a value with its RSA key; None if it holds no such pair."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return _pair(value.reveal()) if value else None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def may_hold_one(value: Sensitive | None) -> bool:
    """Return whether a value may hold a certificate with its key, in a form not known here."""
    return value is None or len(value.reveal()) >= SHORTEST_TEXT


def form_of(value: Sensitive | None) -> str:
    """Return the content type whose form a value has; PKCS #12 if it has none of the two."""
    return PEM if value and BEGIN in value.reveal() else PKCS12


def _pair(text: str) -> Pair | None:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    key, certificates = _from_pem(text) if BEGIN in text else _from_pkcs12(text)
    if not isinstance(key, RSAPrivateKey) or key.key_size < SHORTEST_KEY:
        return None
    public = key.public_key()
    return next((Pair(key, entry) for entry in certificates if entry.public_key() == public), None)


def _from_pem(text: str) -> tuple[object, list[Certificate]]:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificates

    # Whether the numbers are a sound key takes long to find out, and Entra does: it checks the
    # signature against the certificate that the application lists.
    key = load_pem_private_key(text.encode(), None, unsafe_skip_rsa_key_validation=True)
    return key, load_pem_x509_certificates(text.encode())


def _from_pkcs12(text: str) -> tuple[object, list[Certificate]]:
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

    data = base64.b64decode(text, validate=True)
    key, certificate, further = load_key_and_certificates(data, None)
    return key, [*([certificate] if certificate else []), *further]

"""Client assertions: tokens that an application signs with the key of a certificate.

Sources: https://learn.microsoft.com/entra/identity-platform/certificate-credentials and, for the texts,
https://github.com/AzureAD/microsoft-authentication-library-for-js/issues/8339,
https://github.com/AzureAD/microsoft-identity-web/issues/2834 (1000502) and
https://learn.microsoft.com/entra/identity-platform/reference-error-codes. The order of the checks is
from memory.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography import x509

from simulator.entra.directory import Application, KeyCredential

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ("PS256", "RS256")
SKEW = timedelta(minutes=5)
NOT_REGISTERED = (
    "The certificate with identifier used to sign the client assertion is not registered on "
    "application. [Reason - {reason}, Thumbprint of key used by client: '{thumbprint}', Please "
    "visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for "
    "app Id '{app}'. Review the documentation at https://docs.microsoft.com/graph/deployments to "
    "determine the corresponding service endpoint and "
    "https://docs.microsoft.com/graph/api/application-get?view=graph-rest-1.0&tabs=http to build a "
    "query request URL, such as 'https://graph.microsoft.com/beta/applications/{app}']."
)


class BadAssertionError(Exception):
    """A refusal: AADSTS number and text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


@dataclass(frozen=True)
class Expected:
    """What an assertion is checked against."""

    application: Application
    audience: str
    now: datetime
    known: list[KeyCredential]
    """The certificates that the replica knows."""


def check(assertion: str, expected: Expected) -> None:
    """Check an assertion; raises BadAssertionError."""
    try:
        header = jwt.get_unverified_header(assertion)
        claims = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.PyJWTError:
        raise BadAssertionError(50027, "JWT token is invalid or malformed.") from None
    _check_claims(claims, expected)
    _check_signature(assertion, header, expected)


def _check_claims(claims: dict[str, Any], expected: Expected) -> None:
    app = expected.application.app_id
    if claims.get("iss") != claims.get("sub") or claims.get("iss") != app:
        raise BadAssertionError(
            700021, "Client assertion application identifier doesn't match 'client_id' parameter."
        )
    if claims.get("aud") != expected.audience:
        raise BadAssertionError(
            700023,
            "Client assertion audience claim does not match Realm issuer.",
        )
    at = expected.now.timestamp()
    if not claims.get("nbf", at) - SKEW.total_seconds() <= at < claims.get("exp", 0):
        raise BadAssertionError(700024, "Client assertion is not within its valid time range.")
    if not claims.get("jti"):
        raise BadAssertionError(50027, "JWT token is invalid or malformed.")


def _check_signature(assertion: str, header: dict[str, Any], expected: Expected) -> None:
    key = next((key for key in expected.known if _is_meant(key, header)), None)
    if key is None:
        raise _unknown("The key was not found.", header, expected)
    certificate = x509.load_der_x509_certificate(key.der)
    if not certificate.not_valid_before_utc <= expected.now < certificate.not_valid_after_utc:
        raise BadAssertionError(
            1000502, "The provided certificate is not within its specified validity window."
        )
    if not key.start <= expected.now < key.end:
        raise _unknown("The key used is expired.", header, expected)
    try:
        jwt.decode(
            assertion,
            certificate.public_key(),  # type: ignore[arg-type]
            algorithms=list(ALGORITHMS),
            options={
                "verify_aud": False,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except jwt.PyJWTError:
        raise _unknown(
            "The key was found, but use of the key to verify the signature failed.",
            header,
            expected,
        ) from None


def _is_meant(key: KeyCredential, header: dict[str, Any]) -> bool:
    """Return whether the header names a certificate by its thumbprint, of SHA-256 or SHA-1."""
    # Microsoft's own library pads the text, which other libraries do not.
    if text := header.get("x5t#S256"):
        return str(text).rstrip("=") == _encoded(hashlib.sha256(key.der).digest())
    digest = hashlib.sha1(key.der, usedforsecurity=False).digest()
    return str(header.get("x5t")).rstrip("=") == _encoded(digest)


def _encoded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _unknown(reason: str, header: dict[str, Any], expected: Expected) -> BadAssertionError:
    thumbprint = str(header.get("x5t#S256") or header.get("x5t") or "").rstrip("=")
    padded = thumbprint + "=" * (-len(thumbprint) % 4)
    text = NOT_REGISTERED.format(
        reason=reason,
        thumbprint=base64.urlsafe_b64decode(padded).hex().upper(),
        app=expected.application.app_id,
    )
    return BadAssertionError(700027, text)

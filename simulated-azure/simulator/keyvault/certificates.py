"""Key Vault's certificates: a long-running creation, and what it makes.

Sources: the service's OpenAPI document (Azure/azure-rest-api-specs at a40512c9983b2195bd565df152a782cb,
specification/keyvault/data-plane/Certificates/stable/2026-04-01 with its examples), the recordings of
Azure/azure-sdk-for-js in sdk/keyvault/keyvault-certificates, and
https://learn.microsoft.com/azure/key-vault/certificates/create-certificate-scenarios.
"""

from __future__ import annotations

import base64
import calendar
from datetime import UTC
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from simulator.certificates import named, new_key, self_signed
from simulator.keyvault import errors, parameters
from simulator.keyvault.key_pairs import CertificateVersion, Creation, Policy

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.keyvault.call import Call
    from simulator.keyvault.state import Vault

PKCS12, PEM = "application/x-pkcs12", "application/x-pem-file"
KEY_SIZES = (2048, 3072, 4096)
IN_PROGRESS = (
    "Pending certificate created. Certificate request is in progress. This may take some time "
    "based on the issuer provider. Please check again later."
)


def create(call: Call) -> dict[str, Any]:
    """Begin a new version: the key exists at once, the certificate a while later."""
    vault, policy = call.vault, _policy(call)
    _finish(vault, call.name)
    pending = vault.creations.get(call.name.lower())
    if pending and not pending.done:
        raise errors.is_pending()
    held = vault.latest(call.name)
    if held is not None and not held.managed:
        raise errors.not_of_a_certificate(call.name)
    key = new_key()
    request = x509.CertificateSigningRequestBuilder().subject_name(named(policy.subject))
    csr = request.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    made = Creation(
        call.name,
        policy,
        parameters.tags_of(call.request),
        key,
        csr,
        vault.entropy(16).hex(),
        vault.now() + vault.creation_delay,
    )
    vault.creations[call.name.lower()] = made
    return _operation(vault, made)


def get_pending(call: Call) -> dict[str, Any]:
    """Show the latest creation, the finished one too."""
    _finish(call.vault, call.name)
    creation = call.vault.creations.get(call.name.lower())
    if creation is None:
        raise errors.no_pending(call.name)
    return _operation(call.vault, creation)


def get_certificate(call: Call) -> dict[str, Any]:
    """Read one version; it has the public part alone."""
    _finish(call.vault, call.name)
    versions = call.vault.certificates.get(call.name.lower(), [])
    match = next(
        (made for made in reversed(versions) if call.version.lower() in ("", made.version)), None
    )
    if match is None:
        raise errors.certificate_not_found(call.name, call.version)
    return _bundle(call.vault, match)


def _finish(vault: Vault, name: str) -> None:
    """Make the version whose time has come, with the secret that belongs to it."""
    creation = vault.creations.get(name.lower())
    if creation is None or creation.done or vault.now() < creation.ready:
        return
    creation.done, policy, start = True, creation.policy, vault.now().replace(microsecond=0)
    pair = self_signed(policy.subject, start, _after(start, policy.months), creation.key)
    secret = vault.put(
        creation.name,
        pair.pem if policy.content_type == PEM else pair.pfx,
        expires=pair.certificate.not_valid_after_utc,
        not_before=start,
        tags=creation.tags,
        content_type=policy.content_type,
    )
    kid = f"{vault.url}/keys/{creation.name}/{secret.version}"
    vault.amend(secret, kid=kid)
    versions = vault.certificates.setdefault(name.lower(), [])
    versions.append(CertificateVersion(creation.name, secret.version, pair, vault.seconds()))


def _after(start: datetime, months: int) -> datetime:
    years, month = divmod(start.month - 1 + months, 12)
    last = calendar.monthrange(start.year + years, month + 1)[1]
    return start.replace(year=start.year + years, month=month + 1, day=min(start.day, last))


def _policy(call: Call) -> Policy:
    """Return the policy in the body; refuses what this simulator does not know to be accepted."""
    policy = parameters.certificate_policy(call.request)
    key, x509_props = policy.get("key_props", {}), policy.get("x509_props", {})
    subject, months = str(x509_props.get("subject", "")), x509_props.get("validity_months", 12)
    content_type = policy.get("secret_props", {}).get("contentType", PKCS12)
    valid = (
        policy.get("issuer", {}).get("name") == "Self"
        and subject.startswith("CN=")
        and key.get("kty", "RSA") == "RSA"
        and key.get("key_size", 2048) in KEY_SIZES
        and key.get("exportable", True) is True
        and content_type in (PKCS12, PEM)
        and isinstance(months, int)
        and 1 <= months <= 1200  # noqa: PLR2004
    )
    if not valid:
        raise errors.bad_property()
    return Policy(subject.removeprefix("CN="), months, content_type)


def _operation(vault: Vault, creation: Creation) -> dict[str, Any]:
    at = f"{vault.url}/certificates/{creation.name}"
    state = (
        {"status": "completed", "target": at}
        if creation.done
        else {"status": "inProgress", "status_details": IN_PROGRESS}
    )
    return {
        "id": f"{at}/pending",
        "issuer": {"name": "Self"},
        "csr": base64.b64encode(creation.csr).decode(),
        "cancellation_requested": False,
        **state,
        "request_id": creation.request_id,
    }


def _bundle(vault: Vault, version: CertificateVersion) -> dict[str, Any]:
    certificate = version.pair.certificate
    thumbprint = base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA1()))  # noqa: S303
    at = f"{version.name}/{version.version}"
    return {
        "id": f"{vault.url}/certificates/{at}",
        "kid": f"{vault.url}/keys/{at}",
        "sid": f"{vault.url}/secrets/{at}",
        "x5t": thumbprint.decode().rstrip("="),
        "cer": base64.b64encode(version.pair.der).decode(),
        "attributes": {
            "enabled": True,
            "nbf": int(certificate.not_valid_before_utc.astimezone(UTC).timestamp()),
            "exp": int(certificate.not_valid_after_utc.astimezone(UTC).timestamp()),
            "created": version.created,
            "updated": version.created,
            "recoveryLevel": "Recoverable+Purgeable",
        },
    }

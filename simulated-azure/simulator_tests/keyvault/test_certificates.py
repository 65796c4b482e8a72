"""Certificates of a simulated vault: what the service's document and its recordings say of them."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509

from simulator.azure import Azure
from simulator.clock import VirtualClock
from simulator.keyvault.state import Vault
from simulator_tests.caller import Caller, body_of, error_of, inner_of

POLICY = {
    "issuer": {"name": "Self"},
    "key_props": {"exportable": True, "kty": "RSA", "key_size": 2048, "reuse_key": False},
    "secret_props": {"contentType": "application/x-pem-file"},
    "x509_props": {"subject": "CN=orders", "validity_months": 4},
}
OPERATION = {
    *("id", "issuer", "csr", "cancellation_requested"),
    *("status", "status_details", "request_id"),
}
"""Of CreateCertificate-example.json and GetCertificateOperation-example.json:
Azure/azure-rest-api-specs, specification/keyvault/data-plane/Certificates, 2026-04-01."""
BUNDLE = {"id", "kid", "sid", "x5t", "cer", "attributes"}
"""Of GetCertificate-example.json there; without the policy, which nobody here reads."""
ACTIONS = (
    "Microsoft.KeyVault/vaults/certificates/create/action",
    "Microsoft.KeyVault/vaults/certificates/read",
)


@pytest.fixture
def maker(azure: Azure, caller: Caller, vault: Vault) -> Caller:
    """A caller that may have certificates made, too."""
    assert caller.principal
    azure.grant(caller.principal, ACTIONS, vault.resource_id)
    return caller


def test_a_creation_is_accepted_goes_on_and_is_completed(
    maker: Caller, vault: Vault, clock: VirtualClock
) -> None:
    begun = maker.secrets(vault, "POST", "certificates/web/create", {"policy": POLICY})
    body = body_of(begun)
    assert begun.status == 202
    assert begun.headers["Retry-After"] == "10"
    assert begun.headers["Location"].startswith(f"{vault.url}/certificates/web/pending?")
    assert set(body) == OPERATION
    assert body["status"] == "inProgress"
    again = maker.secrets(vault, "GET", "certificates/web/pending")
    assert (again.status, body_of(again)) == (200, body)
    clock.advance(10)
    done = body_of(maker.secrets(vault, "GET", "certificates/web/pending"))
    assert set(done) == OPERATION - {"status_details"} | {"target"}
    assert (done["status"], done["target"]) == ("completed", f"{vault.url}/certificates/web")
    assert done["csr"] == body["csr"]


def test_a_certificate_has_the_key_of_its_request_and_a_secret_of_the_same_version(
    maker: Caller, vault: Vault, clock: VirtualClock
) -> None:
    begun = body_of(maker.secrets(vault, "POST", "certificates/web/create", {"policy": POLICY}))
    clock.advance(10)
    bundle = body_of(maker.secrets(vault, "GET", "certificates/web/"))
    assert set(bundle) == BUNDLE
    request = x509.load_der_x509_csr(base64.b64decode(begun["csr"]))
    certificate = x509.load_der_x509_certificate(base64.b64decode(bundle["cer"]))
    assert certificate.public_key() == request.public_key()
    assert request.is_signature_valid
    assert certificate.subject.rfc4514_string() == "CN=orders"
    version = bundle["id"].rpartition("/")[2]
    secret = body_of(maker.secrets(vault, "GET", f"secrets/web/{version}"))
    assert (secret["kid"], secret["managed"]) == (bundle["kid"], True)
    assert secret["contentType"] == "application/x-pem-file"
    assert secret["attributes"]["exp"] == bundle["attributes"]["exp"]
    assert "BEGIN PRIVATE KEY" in secret["value"]


def test_every_creation_makes_another_key_and_another_version(
    maker: Caller, vault: Vault, clock: VirtualClock
) -> None:
    for _ in range(2):
        maker.secrets(vault, "POST", "certificates/web/create", {"policy": POLICY})
        clock.advance(10)
        maker.secrets(vault, "GET", "certificates/web/pending")
    first, second = vault.certificates["web"]
    assert first.pair.certificate.public_key() != second.pair.certificate.public_key()
    assert len(vault.versions("web")) == 2


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("certificates/none/pending", 404, "PendingCertificateNotFound"),
        ("certificates/none/", 404, "CertificateNotFound"),
    ],
)
def test_what_there_is_not_is_not_found(
    maker: Caller, vault: Vault, path: str, status: int, code: str
) -> None:
    answer = maker.secrets(vault, "GET", path)
    assert error_of(answer) == (status, code)


def test_a_second_creation_is_refused_while_the_first_goes_on(maker: Caller, vault: Vault) -> None:
    maker.secrets(vault, "POST", "certificates/web/create", {"policy": POLICY})
    answer = maker.secrets(vault, "POST", "certificates/web/create", {"policy": POLICY})
    assert error_of(answer) == (409, "Forbidden")


def test_neither_a_secret_becomes_a_certificates_nor_a_certificates_somebody_elses(
    maker: Caller, vault: Vault, clock: VirtualClock
) -> None:
    vault.put("password", "x")
    taken = maker.secrets(vault, "POST", "certificates/password/create", {"policy": POLICY})
    assert taken.status == 409
    maker.secrets(vault, "POST", "certificates/web/create", {"policy": POLICY})
    clock.advance(10)
    maker.secrets(vault, "GET", "certificates/web/pending")
    assert maker.secrets(vault, "PUT", "secrets/web", {"value": "y"}).status == 403


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": {"name": "DigiCert"}},
        {"key_props": {"kty": "RSA", "key_size": 1024}},
        {"x509_props": {"subject": "orders", "validity_months": 4}},
        {"x509_props": {"subject": "CN=orders", "validity_months": 0}},
        {"secret_props": {"contentType": "text/plain"}},
    ],
)
def test_a_policy_that_key_vault_does_not_know_is_refused(
    maker: Caller, vault: Vault, change: dict[str, object]
) -> None:
    body = {"policy": POLICY | change}
    assert maker.secrets(vault, "POST", "certificates/web/create", body).status == 400


def test_a_right_to_secrets_is_none_to_certificates(caller: Caller, vault: Vault) -> None:
    for method, path in (("POST", "create"), ("GET", "pending"), ("GET", "")):
        body = {"policy": POLICY} if method == "POST" else None
        answer = caller.secrets(vault, method, f"certificates/web/{path}", body)
        assert inner_of(answer)[2] == "ForbiddenByRbac"

"""Key pairs that Key Vault makes: versions of a self-signed certificate.

The creation is a long-running operation, so a try that ended meanwhile is carried on by the next one.
Source: https://learn.microsoft.com/azure/key-vault/certificates/create-certificate-scenarios and
https://learn.microsoft.com/rest/api/keyvault/certificates/create-certificate.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cloud.azure import CHANGING, NOT_READ, READING, Azure, call
from cloud.rest.client import Json, SignedIn, decoded
from engine.errors import NotFound, PermanentError, RekeyError, TransientError
from engine.ports import Clock
from engine.secret import Sensitive

if TYPE_CHECKING:
    from azure.core.rest import AsyncHttpResponse
    from cryptography import x509

API_VERSION = "2026-04-01"
ROLE = "Key Vault Certificates Officer, or a custom one with create and read of certificates,"
KEY_BITS = 2048
PAUSES = (0.5, 1.0, 2.0, 3.0, 4.0)
"""Seconds between looks at a creation: less in all than a change may take under the lease."""
RETURN_SECONDS = 15.0
"""After how many seconds a creation that still goes on is looked at by the next try."""
READ = "reading a key pair"
LAST_PERCENT = 99
"""When Key Vault mails the vault's contacts. Without any action it might renew the certificate."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of Key Vault."""

    vault: str
    """The vault's address."""
    name: str
    """The certificate's name; each pair is a version of it."""
    subject: str
    """The common name. A creation with this one is carried on in place of a new one."""
    not_before: datetime | None
    """A pair that was made before this is not carried on."""
    least: datetime
    """Nor is one that ends before this."""
    months: int
    content_type: str
    """application/x-pkcs12 or application/x-pem-file."""

    @property
    def where(self) -> str:
        """The certificate's address."""
        return f"{self.vault}/certificates/{self.name}"


class KeyPairs:
    """Asks vaults for key pairs, as the app's own identity."""

    def __init__(self, azure: Azure, clock: Clock) -> None:
        self._azure, self._clock = azure, clock
        self._clients: dict[str, SignedIn] = {}

    async def look(self, vault: str, name: str) -> None:
        """Raise AccessDenied if the identity may not even read the certificate."""
        await self._pending(vault, name)

    async def make(self, order: Order) -> Sensitive:
        """Return a new certificate with its private key, in the form asked for.

        Raises TransientError while Key Vault still makes it: the same order continues it.
        """
        operation = await self._pending(order.vault, order.name)
        if operation is None or not await self._goes_on(order, operation):
            operation = await self._create(order)
        for pause in PAUSES:
            if operation.get("status") != "inProgress":
                break
            await self._clock.sleep(pause)
            operation = await self._pending(order.vault, order.name) or operation
        _check_completed(operation, order.where)
        return await self._value(order, operation)

    async def _create(self, order: Order) -> Json:
        path = f"/certificates/{order.name}/create"
        return await self._ask("POST", order.vault, path, "making a key pair", _body(order))

    async def _pending(self, vault: str, name: str) -> Json | None:
        """Return the latest creation, the finished one too; None if there was none."""
        what = "looking at a key pair's creation"
        try:
            return await self._ask("GET", vault, f"/certificates/{name}/pending", what)
        except NotFound:
            return None

    async def _goes_on(self, order: Order, operation: Json) -> bool:
        """Return whether a creation is an earlier try's of this order, and its pair still serves."""
        if not _is_of(operation, order):
            return False
        if operation.get("status") == "inProgress":
            return True
        attributes = (await self._made(order, operation)).get("attributes") or {}
        made, ends = (_moment(attributes.get(name)) for name in ("created", "exp"))
        return ends >= order.least and (order.not_before is None or made >= order.not_before)

    async def _made(self, order: Order, operation: Json) -> Json:
        """Return the public part of what a creation has made.

        The version is the latest. It is the right one only if it has the key that was asked for:
        somebody may have made another one meanwhile, or a replica may lag behind.
        """
        path = f"/certificates/{order.name}/"
        bundle = await self._ask("GET", order.vault, path, READ)
        if not _is_same_key(operation, bundle):
            raise TransientError(
                f"the latest version of the certificate {order.name} is not the one just made",
                where=order.where,
                code="KeyPairNotSeen",
            )
        return bundle

    async def _value(self, order: Order, operation: Json) -> Sensitive:
        """Return what the certificate's own secret holds."""
        bundle = await self._made(order, operation)
        version = str(bundle.get("id", "")).rpartition("/")[2]
        secret = await self._ask("GET", order.vault, f"/secrets/{order.name}/{version}", READ)
        if not isinstance(value := secret.get("value"), str):
            raise _unread("the key pair's secret holds no value", order.where)
        return Sensitive(value)

    async def _ask(
        self, method: str, vault: str, path: str, what: str, body: Json | None = None
    ) -> Json:
        limits = CHANGING if body else READING
        collection, name = path.split("/")[1:3]
        where = f"{vault}/{collection}/{name}"
        exchange = self._exchange(method, vault, path, body, limits)
        response = await call(what, exchange, where=where, role=ROLE)
        return decoded(response, what, where)

    async def _exchange(
        self, method: str, vault: str, path: str, body: Json | None, limits: Mapping[str, Any]
    ) -> AsyncHttpResponse:
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        url = f"{vault}{path}?api-version={API_VERSION}"
        response = await self._client(vault).send(HttpRequest(method, url, json=body), limits)
        if response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
            raise HttpResponseError(response=response)
        return response

    def _client(self, vault: str) -> SignedIn:
        if vault not in self._clients:
            # Every cloud's tokens are for the vaults' common domain: https://vault.azure.net.
            domain = urlsplit(vault).netloc.partition(".")[2]
            self._clients[vault] = SignedIn(self._azure, vault, f"https://{domain}/.default")
        return self._clients[vault]


def _body(order: Order) -> Json:
    actions = [
        {
            "trigger": {"lifetime_percentage": LAST_PERCENT},
            "action": {"action_type": "EmailContacts"},
        }
    ]
    return {
        "policy": {
            "issuer": {"name": "Self"},
            "key_props": {
                "exportable": True,
                "kty": "RSA",
                "key_size": KEY_BITS,
                "reuse_key": False,
            },
            "secret_props": {"contentType": order.content_type},
            "x509_props": {
                "subject": f"CN={order.subject}",
                "validity_months": order.months,
                "key_usage": ["digitalSignature"],
            },
            "lifetime_actions": actions,
        }
    }


def _is_of(operation: Json, order: Order) -> bool:
    """Return whether a creation is an earlier try's of this order.

    Its request names the order, and its key is Key Vault's own: nobody can import such a request.
    """
    request = _request(operation)
    if request is None or operation.get("status") not in ("inProgress", "completed"):
        return False
    return request.subject.rfc4514_string() == f"CN={order.subject}"


def _moment(seconds: object) -> datetime:
    """Return a time as Key Vault writes it; long ago if there is none."""
    return datetime.fromtimestamp(seconds if isinstance(seconds, int) else 0, UTC)


def _request(operation: Json) -> x509.CertificateSigningRequest | None:
    from cryptography import x509

    try:
        return x509.load_der_x509_csr(base64.b64decode(str(operation.get("csr", ""))))
    except ValueError:
        return None


def _is_same_key(operation: Json, bundle: Json) -> bool:
    from cryptography import x509

    request = _request(operation)
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(str(bundle.get("cer", ""))))
    except ValueError:
        return False
    return request is not None and request.public_key() == certificate.public_key()


def _check_completed(operation: Json, where: str) -> None:
    status = operation.get("status")
    if not isinstance(status, str):
        raise _unread("the answer about a key pair's creation holds no status", where)
    if status != "completed":
        raise _not_completed(operation, status, where)


def _unread(what: str, where: str) -> TransientError:
    fix = "if it persists, check for a proxy or firewall between the app and Azure"
    return TransientError(what, where=where, fix=fix, code=NOT_READ)


def _not_completed(operation: Json, status: str, where: str) -> RekeyError:
    if status == "inProgress":
        return TransientError(
            "Key Vault is still making the key pair",
            where=where,
            code="KeyPairPending",
            retry_after=RETURN_SECONDS,
        )
    error = operation.get("error")
    error = error if isinstance(error, dict) else {}
    return PermanentError(
        f"Key Vault made no key pair: {status[:40]} {str(error.get('message', ''))[:200]}".strip(),
        where=where,
        fix="see the certificate's pending operation in the vault, then unpark the secret",
        code=str(error.get("code", "")),
    )

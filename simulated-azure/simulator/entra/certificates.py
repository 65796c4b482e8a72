"""PATCH of an application's keyCredentials, which replaces the whole list.

Sources: https://learn.microsoft.com/graph/applications-how-to-add-certificate,
https://learn.microsoft.com/graph/api/resources/keycredential and, for the codes,
https://github.com/Azure/azure-cli/issues/11146 and
https://github.com/microsoft/b2c-to-meeid-migration-tool/pull/18. There is no entity tag, so the
last writer wins.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cryptography import x509

from simulator.entra import errors
from simulator.entra.moments import guid, time

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.entra.directory import Application, Directory

PROPERTIES = frozenset(
    {
        *("customKeyIdentifier", "displayName", "endDateTime", "key", "keyId"),
        *("startDateTime", "type", "usage", "@odata.type"),
    }
)
LONGEST_NAME = 90


@dataclass(frozen=True)
class Asked:
    """One entry that is new in a list."""

    der: bytes
    name: str | None
    start: datetime
    end: datetime
    key_id: str


class Certificates:
    """The list of an application's certificates, for callers that may change the application."""

    def __init__(self, now: Callable[[], datetime], directory: Directory) -> None:
        self._now, self._directory = now, directory

    def replace(self, application: Application, entries: object) -> None:
        """Put a list in place of the present one; raises GraphError."""
        if not isinstance(entries, list) or not all(_is_entry(entry) for entry in entries):
            raise errors.bad_request(
                "Invalid value specified for property 'keyCredentials' of resource 'Application'."
            )
        if not self._directory.settled(application):
            raise errors.concurrent()
        present = {key.key_id: key for key in application.keys(self._now())}
        kept = {guid(entry["keyId"]) for entry in entries if entry.get("keyId")} & set(present)
        new = [self._asked(entry) for entry in entries if _id_of(entry) not in kept]
        for key_id, key in present.items():
            if key_id not in kept:
                self._directory.remove_certificate(application, key)
        for asked in new:
            self._directory.add_certificate(
                application, asked.der, (asked.start, asked.end), asked.name, asked.key_id
            )

    def _asked(self, entry: dict[str, Any]) -> Asked:
        if entry.get("type") != "AsymmetricX509Cert" or entry.get("usage") != "Verify":
            raise errors.bad_request("New key credentials must be of type AsymmetricX509Cert.")
        certificate = _certificate(entry.get("key"))
        start = time(entry, "startDateTime") or certificate.not_valid_before_utc
        end = time(entry, "endDateTime") or certificate.not_valid_after_utc
        if not certificate.not_valid_before_utc <= start < end <= certificate.not_valid_after_utc:
            raise errors.bad_end_date()
        policy = self._directory.policy
        if not policy.certificates_allowed:
            raise errors.secrets_forbidden(policy)
        if policy.max_lifetime and end - self._now() > policy.max_lifetime:
            raise errors.lifetime_capped(policy)
        name = str(entry.get("displayName") or "")[:LONGEST_NAME] or None
        return Asked(base64.b64decode(entry["key"]), name, start, end, _id_of(entry))


def _id_of(entry: dict[str, Any]) -> str:
    return guid(entry["keyId"]) if entry.get("keyId") else ""


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and not set(entry) - PROPERTIES


def _certificate(key: object) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(base64.b64decode(str(key), validate=True))
    except (ValueError, binascii.Error):
        raise errors.bad_request("Invalid certificate: Key value is invalid certificate") from None

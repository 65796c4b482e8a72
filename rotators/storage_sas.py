"""Shared access signatures of storage accounts, made from the key that another secret holds.

Source: https://learn.microsoft.com/rest/api/storageservices/delegate-access-with-shared-access-signature.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar
from urllib.parse import quote, urlsplit

from cloud.azure import Azure
from cloud.rest.data_plane import Answer, Signed
from engine.contract import Job, Parent, Recognised
from engine.errors import AccessDenied, NeedsHuman, RekeyError, VerificationFailed
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared import sas_extent, sas_signing
from rotators.shared.derived_signature import DerivedSignature
from rotators.shared.sas_extent import Extent
from rotators.storage_key import StorageKey

CODE = re.compile(r"""<(?:m:)?code>(\w+)<|"code": ?"(\w+)\"""", re.IGNORECASE)
"""Where an answer says its code: tables answer with JSON."""
REFUSED = "AuthenticationFailed"
"""What the service says of a wrong or expired signature, and of nothing else."""
PROBES: Mapping[str, str] = {
    "account": "restype=service&comp=properties",
    "container": "restype=container&comp=list&maxresults=1",
    "blob": "comp=metadata",
    "queue": "comp=metadata",
    "table": "$select=RowKey",
    "share": "restype=directory&comp=list&maxresults=1",
    "file": "comp=metadata",
}
"""What is asked to prove a signature. Nothing is changed, and no content is read."""
NO_ENTITY = "(PartitionKey='rekey',RowKey='rekey')"
"""An entity that no table has: it is asked for, so that none is read."""


class StorageSas(DerivedSignature):
    """Rotates the shared access signatures that a key of a storage account makes."""

    kind: ClassVar[str] = "storage-sas"
    template_fields: ClassVar[frozenset[str]] = frozenset({"account", "sas", "suffix"})
    parents: ClassVar[frozenset[str]] = frozenset({StorageKey.kind})

    def __init__(self, azure: Azure, clock: Clock) -> None:
        super().__init__(azure, clock)
        self._keys = StorageKey(azure, clock)

    @classmethod
    def resource_types(cls) -> tuple[str, ...]:
        """Return the type of the account."""
        return StorageKey.resource_types()

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        """Return the account's id in lower case with what the signature permits."""
        del tags
        return sas_extent.canonical(address)

    @staticmethod
    def made_at(source: str) -> str:
        """Return the id of the account, whose key signs."""
        return sas_extent.account_of(source)

    @staticmethod
    def is_made_from(source: str, credential: Sensitive, key: Sensitive) -> bool:
        """Return whether this key made the signature, for exactly this extent."""
        return sas_signing.is_made_from(Extent.read(source), credential, key)

    @classmethod
    def signer(cls, text: str) -> str | None:
        """Return the account in a URL with a signature; empty where the text names none."""
        host, _, fields = sas_signing.signed_text(text)
        return sas_signing.account_in(host) if fields else None

    @classmethod
    def is_signed_by(cls, text: str, source: str, key: Sensitive) -> bool:
        """Return whether this key of the account made a signature, whatever that permits."""
        extent = sas_signing.extent_of(text, source)
        if extent is None:
            return False
        fields = sas_signing.signed_text(text)[2]
        try:
            expected = sas_signing.signature(extent, fields, key)
        except VerificationFailed:
            return False
        return hmac.compare_digest(expected.encode(), fields["sig"].encode())

    async def sign(self, source: str, parent: Parent, ends: datetime) -> Sensitive:
        """Sign what the address permits."""
        return sas_signing.made(Extent.read(source), parent.key, ends)

    async def fields(self, source: str) -> dict[str, Sensitive]:
        """Return the account, and what follows `<account>.blob.` in its endpoint."""
        host = urlsplit(await self._endpoint(Extent.read(source))).netloc
        account, _, suffix = host.partition(".blob.")
        return {"account": Sensitive(account), "suffix": Sensitive(suffix)}

    def end_of(self, source: str, credential: Sensitive) -> datetime | None:
        """Read when a token ends, if it is one for exactly this extent."""
        fields = sas_signing.read(Extent.read(source), credential)
        return sas_signing.ends_of(fields) if fields else None

    async def recognise(self, job: Job) -> Recognised:
        """Read the value's own end; raises NeedsHuman for a signature that begins later, too."""
        if begins := self._begins_later(job.source, job.held):
            what = f"the signature begins at {begins:%Y-%m-%d %H:%M}Z"
            raise NeedsHuman(what, where=job.source, fix="write one that works already")
        return await super().recognise(job)

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        """Try a signature once.

        One that begins later counts as accepted: the service refuses it until then, and only the
        end of its key ends it.
        """
        if self._begins_later(source, credential):
            return True
        return await super().accepts(source, credential_id, credential)

    def _begins_later(self, source: str, credential: Sensitive | None) -> datetime | None:
        """Return when a signature begins; None if it works already, or is none."""
        fields = sas_signing.read(Extent.read(source), credential) if credential else None
        begins = sas_signing.time_of(fields, "st") if fields else None
        return begins if begins and begins > self._clock.now() else None

    def is_bare(self, text: str) -> bool:
        """Return whether a text is a bare token."""
        return sas_signing.is_token(text)

    async def ask(self, source: str, credential: Sensitive) -> Answer:
        """Ask for properties, or for one name of a listing."""
        extent = Extent.read(source)
        endpoint = (await self._endpoint(extent)).replace(".blob.", f".{extent.service}.")
        path = "" if extent.what == "account" else quote("/".join(extent.path))
        path += NO_ENTITY if extent.what == "table" else ""
        url = f"{endpoint}/{path}?{PROBES[extent.what]}&{credential.reveal().removeprefix('?')}"
        headers = {"x-ms-version": sas_signing.VERSION, "Accept": "application/json, */*"}
        return await self._plane.send(Signed(url, headers), extent.account_id)

    def forged(self, source: str, credential: Sensitive, nobodys: str) -> Sensitive:
        """Return the token with another signature."""
        fields = sas_signing.read(Extent.read(source), credential) or {}
        return sas_signing.token({**fields, "sig": nobodys})

    def refuses(self, answer: Answer) -> bool:
        """Return whether the service does not know the signature."""
        return _code(answer) == REFUSED

    def unproven(self, answer: Answer, source: str) -> RekeyError:
        """Return why no signature can be proven."""
        match _code(answer):
            case "KeyBasedAuthenticationNotPermitted":
                return NeedsHuman(
                    "the account accepts no signature of a key (allowSharedKeyAccess is off)",
                    where=source,
                    fix="remove the secret, or allow shared key access on the account",
                )
            case "AuthorizationFailure":
                return AccessDenied(
                    "the account's firewall refuses the app, so the signature cannot be proven",
                    where=source,
                    fix="let the app's network reach the account's endpoint",
                )
            case code:
                return NeedsHuman(
                    f"the account answers {answer.status} {code} to any signature",
                    where=source,
                    fix="let the app's network reach the account's endpoint",
                )

    async def _endpoint(self, extent: Extent) -> str:
        return await self._keys.endpoint(StorageKey.facts.place(extent.account_id))


def _code(answer: Answer) -> str:
    match = CODE.search(answer.text)
    return (match[1] or match[2]) if match else ""

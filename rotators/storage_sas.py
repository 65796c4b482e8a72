"""Shared access signatures of storage accounts, made from the key that another secret holds.

Making one changes nothing in Azure, so a crash leaves nothing behind. One is proven by a request
that reads properties, or a listing of one name, and is counted as accepted only if the service
knows its signature: a refusal for want of a permission is compared with the answer to a signature
that nobody made. Source: https://learn.microsoft.com/rest/api/storageservices/delegate-access-with-shared-access-signature.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import ClassVar
from urllib.parse import quote, urlsplit

from cloud.azure import Azure
from cloud.rest.data_plane import Answer, DataPlane, Signed
from engine.contract import Issued, Job, Recognised
from engine.errors import AccessDenied, NeedsHuman, RekeyError, VerificationFailed
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared import sas_extent, sas_signing
from rotators.shared.key_facts import PROPAGATION
from rotators.shared.sas_extent import Extent
from rotators.storage_key import StorageKey

CODE = re.compile(r"<Code>(\w+)</Code>")
REFUSED = "AuthenticationFailed"
"""What the service says of a wrong or expired signature, and of nothing else."""
PROBES: Mapping[str, str] = {
    "account": "restype=service&comp=properties",
    "container": "restype=container&comp=list&maxresults=1",
    "blob": "comp=metadata",
    "queue": "comp=metadata",
}
"""What is asked to prove a signature. Nothing is changed, and no content is read."""
LEAST_LIFE = timedelta(minutes=10)
"""A signature that would end sooner is not made."""
ENDS_WITH_KEY = "a shared access signature ends when it expires or with its key, never by itself"
ENDS_FIX = "report the secret that holds its key as compromised: this one follows it"


class StorageSas:
    """Makes account and service signatures."""

    kind: ClassVar[str] = "storage-sas"
    value_field: ClassVar[str] = "sas"
    template_fields: ClassVar[frozenset[str]] = frozenset({"account", "sas", "suffix"})
    parents: ClassVar[frozenset[str]] = frozenset({StorageKey.kind})

    def __init__(self, azure: Azure, clock: Clock) -> None:
        self._clock = clock
        self._keys = StorageKey(azure, clock)
        self._plane = DataPlane(azure)

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        """Return the account's id in lower case with what the signature permits."""
        del tags
        return sas_extent.canonical(address)

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        """Return that an account accepts any number of signatures."""
        del tags
        return False

    @staticmethod
    def made_at(source: str) -> str:
        """Return the id of the account, whose key signs."""
        return source.partition(sas_extent.MARK)[0]

    @staticmethod
    def is_made_from(source: str, credential: Sensitive, key: Sensitive) -> bool:
        """Return whether this key made the signature, for exactly this extent."""
        return sas_signing.is_made_from(Extent.read(source), credential, key)

    async def issue(self, job: Job) -> Issued:
        """Sign with the key. Nothing is sent, so a crash leaves nothing behind."""
        extent, parent = Extent.read(job.source), job.parent
        if parent is None:
            raise NeedsHuman("no key to sign with", where=job.source, fix="set DerivedFrom")
        _refuse_more_than_a_token(job)
        ends = job.expires.replace(microsecond=0)
        if ends < self._clock.now() + LEAST_LIFE:
            raise NeedsHuman(
                f"its key expires at {ends:%Y-%m-%d %H:%M}Z, and so would the signature",
                where=job.source,
                fix="rotate the secret with the key: this one follows it",
            )
        sas = sas_signing.made(extent, parent.key, ends)
        if sas == job.held:
            # The same text again would replace nothing.
            ends -= timedelta(seconds=1)
            sas = sas_signing.made(extent, parent.key, ends)
        fields = {**await self._address(extent), self.value_field: sas}
        named = f"{parent.credential_id}/{ends.strftime(sas_signing.STAMP)}"
        return Issued(named, fields, supersedes=None, expires=ends)

    async def preflight(self, job: Job) -> None:
        """Sign without publishing: raises what a rotation would raise."""
        await self.issue(job)

    async def recognise(self, job: Job) -> Recognised:
        """Read the value's own end; raises NeedsHuman if it is no signature of this extent."""
        fields = sas_signing.read(Extent.read(job.source), job.held) if job.held else None
        if fields is None:
            raise NeedsHuman("the value is no signature for this address", where=job.source)
        return Recognised(job.held_id or f"sas/{fields['se']}", sas_signing.ends_of(fields))

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Try the signature again and again while its key spreads."""
        del credential_id
        for pause in (*PROPAGATION, None):
            problem = await self._refusal(source, credential)
            if problem is None:
                return
            if pause is None or not isinstance(problem, VerificationFailed):
                raise problem
            await self._clock.sleep(pause)

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        """Try a signature once."""
        del credential_id
        problem = await self._refusal(source, credential)
        if problem and not isinstance(problem, VerificationFailed):
            raise problem
        return problem is None

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Raise NeedsHuman: only the end of its key revokes a signature."""
        del credential_id, held, held_id
        raise NeedsHuman(ENDS_WITH_KEY, where=source, fix=ENDS_FIX)

    async def _address(self, extent: Extent) -> dict[str, Sensitive]:
        host = urlsplit(await self._keys.endpoint(StorageKey.facts.place(extent.account_id))).netloc
        account, _, suffix = host.partition(".blob.")
        return {"account": Sensitive(account), "suffix": Sensitive(suffix)}

    async def _refusal(self, source: str, credential: Sensitive) -> RekeyError | None:
        """Try a signature once; return what speaks against it."""
        extent = Extent.read(source)
        fields = sas_signing.read(extent, credential)
        if fields is None:
            return VerificationFailed(
                "the value is no signature for this address", where=source, fix="see ValueTemplate"
            )
        answer = await self._ask(extent, credential)
        if HTTPStatus(answer.status).is_success:
            return None
        if _code(answer) == REFUSED:
            return VerificationFailed(
                "the account refuses the signature", where=source, fix="see whether it has expired"
            )
        nobodys = base64.b64encode(secrets.token_bytes(32)).decode()
        control = await self._ask(extent, sas_signing.token({**fields, "sig": nobodys}))
        return None if _code(control) == REFUSED else _unproven(answer, source)

    async def _ask(self, extent: Extent, credential: Sensitive) -> Answer:
        blob = await self._keys.endpoint(StorageKey.facts.place(extent.account_id))
        endpoint = blob.replace(".blob.", f".{extent.service}.", 1)
        path = "" if extent.what == "account" else quote("/".join(extent.path))
        url = f"{endpoint}/{path}?{PROBES[extent.what]}&{credential.reveal().removeprefix('?')}"
        headers = {"x-ms-version": sas_signing.VERSION}
        return await self._plane.send(Signed(url, headers), extent.account_id)


def _refuse_more_than_a_token(job: Job) -> None:
    """Raise NeedsHuman rather than replace a connection string, or a URL, by a bare token."""
    held = job.held.reveal() if job.held else "sig="
    if not job.proven and "sig=" in held and not sas_signing.is_token(held):
        raise NeedsHuman(
            "the value is more than a signature",
            where=job.source,
            fix="set the tag ValueTemplate, such as SharedAccessSignature={sas}",
        )


def _code(answer: Answer) -> str:
    match = CODE.search(answer.text)
    return match[1] if match else ""


def _unproven(answer: Answer, source: str) -> RekeyError:
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

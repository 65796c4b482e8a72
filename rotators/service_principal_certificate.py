"""Certificates of Entra applications: many may be listed at once, and the vault holds one of them.

A rotation has Key Vault make a key pair, lists its public part on the application under the
operation's name, and proves it by signing in. What it supersedes is removed once the overlap has
passed. The pair is a version of the certificate `rekey-<client id>` in the secret's own vault. An
interrupted try finds it there and lists the same one again, unless that is older than an incident,
or would not last.

The list can only be replaced as a whole. So it is read just before, and nothing is written from a
list that lacks what the vault holds.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar

from cloud.azure import Azure
from cloud.rest.key_pairs import KeyPairs, Order
from engine.contract import Issued, Job, Recognised
from engine.errors import NeedsHuman, NotFound, PermanentError, TransientError, VerificationFailed
from engine.ports import Clock
from engine.secret import Sensitive
from rotators.shared.application import (
    CERTIFICATE,
    EARLY,
    PREFIX,
    ApplicationCredential,
    application_of,
    client_of,
    key_id_of,
)
from rotators.shared.application_errors import longest_lifetime, refused
from rotators.shared.certificate import ASSERTION, Pair, form_of, may_hold_one, parse
from rotators.shared.certificate_list import CertificateList, Listed, entry_of, lagging

SEGMENT = "/certificates"
"""What distinguishes an application's certificates from its secrets: they are sources of their own."""
SHORTEST_MONTH = 28
FORM = "a certificate with its RSA private key, as PKCS #12 in base64 without a password, or as PEM"


class ServicePrincipalCertificate(ApplicationCredential):
    """Rotates the certificates of Entra applications."""

    kind: ClassVar[str] = CERTIFICATE
    rewrites: ClassVar[bool] = True
    value_field: ClassVar[str] = "certificate"
    template_fields: ClassVar[frozenset[str]] = frozenset({"certificate", "client_id", "tenant_id"})

    def __init__(self, azure: Azure, clock: Clock) -> None:
        super().__init__(azure, clock)
        self._pairs = KeyPairs(azure, clock)
        self._list = CertificateList(self._graph, clock)

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        """Return the client id with a segment of its own; the tag Rotator must name the kind."""
        client = application_of(address)
        if client is None or tags.get("Rotator", "").strip() != CERTIFICATE:
            return None
        return f"{client}{SEGMENT}"

    async def issue(self, job: Job) -> Issued:
        """Have a key pair made and list it; to bring back one that is refused, list another."""
        held, listed = parse(job.held), await self._list.read(job.source)
        superseded = None if job.in_place else _superseded(job, held, listed)
        tenant = await self._home(job.source)
        value = await self._pairs.make(self._order(job))
        pair = parse(value)
        if pair is None:
            raise PermanentError(
                "Key Vault's certificate has no private key",
                where=job.source,
                fix=f"remove the policy that keeps keys of {_name(job.source)} from being exported",
            )
        ends = await self._add(job, held, pair)
        fields = {
            "client_id": Sensitive(client_of(job.source)),
            "tenant_id": Sensitive(tenant),
            "certificate": value,
        }
        return Issued(pair.key_id, fields, superseded, ends)

    async def tidy(self, source: str, operation: str, keep: str | None) -> None:
        """Take the certificates that this operation made from the list, except the one to keep."""
        listed, kept = await self._list.read(source), (keep or "").lower()
        doomed = {
            entry.key_id
            for entry in listed
            if entry.name == f"{PREFIX}{operation}" and entry.key_id != kept
        }
        if doomed and kept and kept not in {entry.key_id for entry in listed}:
            raise lagging(source)
        if doomed and self._list.shows_removed(source, listed, {*doomed, kept}):
            raise lagging(source)
        await self._list.remove(source, listed, doomed, kept)

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Take the superseded certificate from the list, unless the vault holds that very one."""
        del held_id
        doomed_id, pair = key_id_of(credential_id), parse(held)
        try:
            listed = await self._list.read(source)
        except NotFound:
            return
        doomed = next((entry for entry in listed if entry.key_id == doomed_id), None)
        if doomed is None:
            return
        if pair.der == doomed.der if pair else may_hold_one(held):
            raise NeedsHuman(
                f"the certificate {doomed_id} is to be removed, but the vault's current version "
                "may hold it",
                where=source,
                fix="set the tag CredentialId to the id of the certificate that the value holds, "
                "and remove the tag RekeyRetire",
            )
        in_use = entry_of(pair, listed)
        if in_use is None and await self._is_in_use(source, held):
            raise lagging(source)
        await self._list.remove(source, listed, {doomed_id}, in_use.key_id if in_use else "")

    async def _is_in_use(self, source: str, held: Sensitive | None) -> bool:
        """Return whether a certificate works here, as one of two servers may not know of it yet.

        One that does not is another application's: its secret has left this one.
        """
        return held is not None and any([await self.accepts(source, "", held) for _ in range(2)])

    async def lists(self, source: str, credential_id: str) -> bool:
        """Return whether the application has a certificate of this id; a replica may lag behind."""
        doomed_id = key_id_of(credential_id)
        return any(entry.key_id == doomed_id for entry in await self._list.read(source))

    async def preflight(self, job: Job) -> None:
        """Find out whether the application exists, is ours to change, and can sign in."""
        await self._check_rights(job.source)
        listed = await self._list.read(job.source)
        if not job.proven:
            _check_adopted(job, parse(job.held), listed)
        await self._pairs.look(job.vault, _name(job.source))
        problem = await self._prove(job.source, job.held or Sensitive(""))
        if isinstance(problem, NeedsHuman | TransientError):
            raise problem

    async def recognise(self, job: Job) -> Recognised:
        """Find the certificate that the value holds in the application's list."""
        held, listed = parse(job.held), await self._list.read(job.source)
        _check_adopted(job, held, listed)
        entry = entry_of(held, listed)
        if entry is None:
            raise NeedsHuman(
                "the value is none of the application's certificates",
                where=job.source,
                fix=f"write {FORM}, and add the certificate to the application",
            )
        return Recognised(entry.key_id, entry.ends)

    def _form(self, tenant: str, source: str, credential: Sensitive) -> Mapping[str, Sensitive]:
        pair = parse(credential)
        if pair is None:
            raise VerificationFailed(
                "the value is no certificate with its key", where=source, fix=f"write {FORM}"
            )
        client, audience = client_of(source), self._signin.address(tenant)
        return {
            "client_assertion_type": Sensitive(ASSERTION),
            "client_assertion": pair.assertion(client, audience, self._clock.now()),
        }

    def _order(self, job: Job) -> Order:
        now, subject = self._clock.now(), f"{PREFIX}{job.operation}"
        life = job.expires - now
        months = -(-(life.days + 1) // SHORTEST_MONTH)
        # A version with what lasts less would be due soon, or dead.
        least = now + life / 2
        return Order(
            job.vault,
            _name(job.source),
            subject,
            not_before=job.not_before,
            least=least,
            months=months,
            content_type=form_of(job.held),
        )

    async def _add(self, job: Job, held: Pair | None, pair: Pair) -> datetime:
        """List a certificate; where a policy says how long it may be listed, list it so long."""
        ends = min(job.expires, pair.certificate.not_valid_after_utc)
        try:
            return await self._add_until(job, held, pair, ends)
        except PermanentError as error:
            lifetime, problem = longest_lifetime(error), refused(error, job.source)
        if not lifetime:
            raise problem
        return await self._add_until(
            job, held, pair, min(ends, self._clock.now() + lifetime - EARLY)
        )

    async def _add_until(self, job: Job, held: Pair | None, pair: Pair, ends: datetime) -> datetime:
        # Read again: making the key pair took seconds, and somebody may have changed the list.
        listed = await self._list.read(job.source)
        if earlier := next((entry for entry in listed if entry.der == pair.der), None):
            return earlier.ends or ends
        await self._check_complete(job, held, listed)
        added = {
            "displayName": f"{PREFIX}{job.operation}",
            "endDateTime": f"{ends.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "key": base64.b64encode(pair.der).decode(),
            "keyId": pair.key_id,
            "startDateTime": f"{pair.certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
            "type": "AsymmetricX509Cert",
            "usage": "Verify",
        }
        in_use = entry_of(held, listed)
        held_id = in_use.key_id if in_use else ""
        await self._list.add(job.source, listed, added, job.revoked, held_id)
        return ends.replace(microsecond=0)

    async def _check_complete(self, job: Job, held: Pair | None, listed: Sequence[Listed]) -> None:
        """Raise TransientError if the list lacks what the vault holds, though it is accepted."""
        if job.held is None or held is None or job.in_place or entry_of(held, listed):
            return
        if await self.accepts(job.source, job.held_id or "", job.held):
            raise lagging(job.source)


def _name(source: str) -> str:
    """Return the name of the certificate in the vault whose versions are an application's pairs."""
    return f"rekey-{client_of(source)}"


def _superseded(job: Job, held: Pair | None, listed: Sequence[Listed]) -> str | None:
    """Return the id of the certificate that the vault holds; None if none is left behind."""
    if not job.proven:
        _check_adopted(job, held, listed)
    entry = entry_of(held, listed)
    if entry:
        return entry.key_id
    return key_id_of(job.held_id) if job.proven and job.held_id else None


def _check_adopted(job: Job, held: Pair | None, listed: Sequence[Listed]) -> None:
    """Raise NeedsHuman where what the vault holds is not what its owner's tags say."""
    if job.held is None:
        raise NeedsHuman(
            "the value does not follow the tag ValueTemplate",
            where=job.source,
            fix="set ValueTemplate to the value with {certificate} (and {client_id}, {tenant_id}) "
            "in place of its parts",
        )
    named = key_id_of(job.held_id) if job.held_id else None
    entry = entry_of(held, listed)
    if entry and named not in (None, entry.key_id):
        raise NeedsHuman(
            f"the value is the certificate {entry.key_id}, and not {named}",
            where=job.source,
            fix="set CredentialId to the id of the certificate that the value holds",
        )
    others = {other.key_id for other in listed if other.name != f"{PREFIX}{job.operation}"}
    if entry is None and (named in others if named else others):
        raise NeedsHuman(
            f"the value is not the certificate {named}"
            if named
            else "the value is none of the application's certificates",
            where=job.source,
            fix=f"write {FORM}; where the value is more than that, set ValueTemplate to it with "
            "{certificate} in its place",
        )

"""Revoke a superseded credential, prove that it is refused, disable its version, and forget it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cached_property

from engine.contract import Lists, Recognise, Rotator, Tidy
from engine.errors import AccessDenied, NeedsHuman, NotFound, RekeyError, TransientError
from engine.follow_up import refresh, tasks
from engine.rotation import leaked
from engine.rotation.context import Rotation
from engine.rotation.dependents import Dependents
from engine.rotation.proof import TRIED, UNLISTED, Proof
from engine.rotation.replicas import Replicas
from engine.rotation.report import Reporting
from engine.rotation.source_lease import LOST, UNBOUND_FIX
from engine.secret import SecretVersion, Sensitive
from engine.state import tags
from engine.state.decision import Acting, Retire, Wait
from engine.state.record_parts import Past
from engine.state.request import Outcome, WorkItem, operation_id
from engine.state.tags import Managed, Pending

log = logging.getLogger("rekey")

DISABLED = "SecretDisabled"
"""Key Vault's code for a disabled version. Every other refusal means that a right is missing."""


@dataclass(frozen=True)
class Retiring:
    """Retires what the record of the leased source lists. A tag alone retires nothing."""

    at: Rotation
    managed: Managed | None
    """What the secret's tags ask for; None if the secret has left this source."""

    @cached_property
    def rotator(self) -> Rotator:
        """The plug-in for what was published; raises NeedsHuman if this app has none."""
        kind = self.managed.rotator.kind if self.managed else self.at.record.kind
        if kind not in self.at.parts.rotators:
            raise NeedsHuman(
                f"the record names the kind {kind!r}, which this app does not know",
                where=self.at.lease.source,
                fix="deploy the version of Rekey, or the package, that brings this kind",
            )
        return self.at.parts.rotators[kind]

    @property
    def _shape(self) -> str:
        """The ValueTemplate, which says where in a value the credential is."""
        if self.managed:
            return self.managed.template
        return self.at.record.verified.tags.get("ValueTemplate", f"{{{self.rotator.value_field}}}")

    async def retire(self, secret: SecretVersion) -> SecretVersion:
        """Revoke what the record says is to be retired; return the secret as it is then."""
        pending, progress = self.at.record.retirement, self.at.progress
        assert pending  # noqa: S101 - decided from it
        secret, is_revoked = await self._retire(secret, pending)
        if is_revoked:
            progress.retired += (pending.credential_id,)
            if progress.result in (None, "confirmed"):
                progress.result = "retired"
            progress.reason = progress.reason or "its overlap has passed"
        return secret

    async def _retire(self, secret: SecretVersion, pending: Pending) -> tuple[SecretVersion, bool]:
        """Retire one credential; return what is then to be believed of the secret, and whether it is revoked."""
        is_revoked = True
        await self.at.vault_writer.out_of_use(secret)
        if pending.version not in self.at.record.compromised.revoked:
            try:
                await self._revoke(secret, pending)
            except NeedsHuman:
                if not await self._is_in_use(secret, pending):
                    raise
                is_revoked = False
                # Somebody has taken it into use again: there is nothing to retire any more.
                log.warning(
                    "%s of %s is in use again: not retired", pending.credential_id, secret.ref
                )
        await self.at.vault_writer.out_of_use(secret)
        rest = {
            tag: text
            for tag, text in tags.unparked(secret.tags).items()
            if tag in tags.OURS - {tags.RETIRE}
        }
        secret = replace(
            secret, tags=(await self.at.vault_writer.retag(secret, rest, "forget")).tags
        )
        # Written once it has been reported: who dies before finds it proven, and reports it.
        record = self.at.record
        change = replace(record.change.arrived(), open_since=None)
        self.at.lease.learn(replace(record, retirement=None, change=change))
        return self.at.observed.retagged(secret), is_revoked

    async def _revoke(self, secret: SecretVersion, pending: Pending) -> None:
        old = await self._value(pending)
        held, held_id = self._held(secret, old)
        await self.at.vault_writer.unchanged(secret)
        if not await self._has_come(secret, pending, old):
            if old is None:
                await self._note_slot(secret, pending)
            await self.at.lease.begin(self.at.observed.item, secret)
            try:
                async with self.at.lease.changing("retire"):
                    await self.rotator.retire(
                        self.at.lease.source, pending.credential_id, held, held_id
                    )
            except NeedsHuman:
                # Somebody put another credential in its place and into the vault: it is gone.
                if old is None or await self._accepted(pending, old):
                    raise
        if not await self._is_gone(pending, old):
            raise TransientError(
                f"{pending.credential_id} was revoked, but is still "
                + ("accepted" if old else "listed"),
                where=self.at.lease.source,
                code="NotRevoked",
            )
        if self.managed:
            await Replicas(self.at.vault_writer, self.managed).disable_superseded(secret.ref)
        is_listed = isinstance(self.rotator, Lists)
        await self._note(pending, TRIED if old else UNLISTED if is_listed else "")

    async def _is_gone(self, pending: Pending, old: Sensitive | None) -> bool:
        """Return whether what was revoked is refused; or, if it cannot be tried, listed no more."""
        proof, rotator = Proof(self.at.lease), self.rotator
        if old:
            return await proof.refused(self.rotator.kind, pending.credential_id, old)
        if isinstance(rotator, Lists):
            return await proof.unlisted(rotator, pending.credential_id)
        return True

    async def _has_come(
        self, secret: SecretVersion, pending: Pending, old: Sensitive | None
    ) -> bool:
        """Return whether the credential is gone already.

        Either the revocation has come that an earlier try asked a slow source for, or somebody has
        replaced the credential by hand. To revoke it again would cut off what they put in its
        place. A source that lists its credentials removes this very one, and no other.
        """
        if self.at.record.change.in_progress_since:
            return await self._is_replaced(secret, pending, old)
        if isinstance(self.rotator, Lists):
            return False
        try:
            return await self._is_replaced(secret, pending, old)
        except RekeyError as error:
            if isinstance(error, TransientError) and error.retry_after is not None:
                raise
            # Whatever else keeps the source from saying so, the credential must go.
            return False

    async def _is_replaced(
        self, secret: SecretVersion, pending: Pending, old: Sensitive | None
    ) -> bool:
        if old:
            return not await self._accepted(pending, old)
        past = self.at.record.history.credential_of(pending.version)
        shown = await self._slot(secret, pending) if past else None
        return past is not None and shown is not None and shown != past.digest

    async def _note_slot(self, secret: SecretVersion, pending: Pending) -> None:
        """Note what the source shows where the credential is, as its version cannot be read.

        Nothing else tells later, and in another process, that a slow source has revoked it.
        """
        if self.at.record.history.credential_of(pending.version):
            return
        if shown := await self._slot(secret, pending):
            past = Past(pending.version, pending.credential_id, shown)
            record = self.at.record
            self.at.lease.learn(replace(record, history=record.history.knowing(past)))

    async def _slot(self, secret: SecretVersion, pending: Pending) -> str | None:
        if self.managed is None:
            return None
        job = self.at.parts.job(secret, self.managed)
        return await Proof(self.at.lease).slot(self.rotator.kind, job, pending.credential_id)

    async def _is_in_use(self, secret: SecretVersion, pending: Pending) -> bool:
        """Return whether what somebody wrote into the current version is the credential to retire, or in its slot."""
        if self.managed is None or self.at.observed.wrote(secret):
            return False
        leaked = await self._value(pending) if self.at.asked().compromised else None
        if leaked and secret.value and leaked.reveal() in secret.value.reveal():
            # The version that holds what leaked once more is replaced, and then this is revoked.
            return True
        job = replace(self.at.parts.job(secret, self.managed), held_id=None)
        rotator = self.at.parts.rotator(self.managed)
        if job.held is None:
            return False
        if isinstance(rotator, Recognise):
            return (await rotator.recognise(job)).credential_id == pending.credential_id
        return await rotator.accepts(self.at.lease.source, pending.credential_id, job.held)

    async def _accepted(self, pending: Pending, old: Sensitive) -> bool:
        return await self.rotator.accepts(self.at.lease.source, pending.credential_id, old)

    async def _note(self, pending: Pending, proof: str) -> None:
        """Note that the credential is gone, and which versions must still be disabled for it.

        An incident ends only with a proof that the credential is refused.
        """
        record = self.at.record
        if proof:
            self.at.observed.tell_refused(pending.version)
            record = record.without(pending.version, self.at.observed.proof(proof))
        await self.at.lease.write(
            record.discarded(pending.version, record.history.copies.get(pending.version, ""))
        )

    async def _value(self, pending: Pending) -> Sensitive | None:
        """Return the credential in an earlier version; None if that is gone or disabled.

        Where an edited ValueTemplate reads another part of its value, what works counts.
        """
        try:
            old = await self.at.observed.read_version(pending.version)
        except NotFound:
            return None
        except AccessDenied as error:
            if error.code != DISABLED:
                raise
            return None
        field = self.rotator.value_field
        held = list(leaked.credentials_in(old, field, self._shape, self.at.record).values())
        for credential in held[1:]:
            if await self._accepted(pending, credential):
                return credential
        return held[0] if held else None

    def _held(
        self, secret: SecretVersion, old: Sensitive | None
    ) -> tuple[Sensitive | None, str | None]:
        """Return the credential that must never be revoked, the current one, and its id.

        The id is None where it is not certain.
        """
        record = self.at.record
        certain = (
            record.published.credential_id if record.published and record.wrote(secret) else None
        )
        if old and secret.value and old.reveal() in secret.value.reveal():
            raise NeedsHuman(
                "the current version holds the credential that is to be revoked",
                where=str(secret.ref),
                fix="rotate the secret; its earlier credential is revoked after that",
            )
        if self.managed:
            return self.at.parts.held(secret, self.managed), certain
        return secret.value, certain


@dataclass(frozen=True)
class PendingCleanUp:
    """What one work item finds left over at its source."""

    at: Rotation

    @property
    def _due(self) -> Pending | None:
        """What is to be revoked by now."""
        pending = self.at.record.retirement
        return pending if pending and pending.at <= self.at.now else None

    async def hold_back(
        self, secret: SecretVersion, item: WorkItem, decision: Acting
    ) -> Wait | None:
        """Return until when a retirement waits for apps, or for what the key has made."""
        lagging = await refresh.hold_back(self.at.parts, secret, item, decision)
        dependents = self._dependents(decision.managed)
        return lagging or await dependents.hold_back(secret, item, decision)

    async def leave(self, secret: SecretVersion) -> Outcome | None:
        """End what is left of the work at a source that the secret has left.

        Say so if nobody may know its password, or if what is due there may not be revoked.
        """
        at = self.at
        if at.progress.retired:
            # The rest of the item is about another source.
            outcome = Reporting(at).outcome(secret)
            await at.parts.reporter.concluded(outcome)
            await tasks.follow(at.parts, outcome)
            at.observed.told(outcome)
        if unbound := self.unbound(secret):
            return unbound
        is_unknown = at.record.is_unknown
        is_over = at.item.recheck and await at.observed.note_left()
        if not (at.leaves_unknown or (is_over and is_unknown)):
            return None
        reason = f"the secret has left {at.lease.source}, and {LOST}"
        return Outcome(at.progress.item, "parked", reason, "set a password there by hand")

    def unbound(self, secret: SecretVersion) -> Outcome | None:
        """Return that what is due at a source that the secret has left may not be revoked there.

        None if it may. It bears no mark, because that would keep the secret's present source waiting.
        """
        at = self.at
        pending, item = self._due, at.progress.item
        is_asked = pending and item.action == "retire"
        if not (pending and is_asked) or self.at.is_bound or at.managed_here(secret):
            return None
        reason = f"{pending.credential_id} is to be revoked, but {at.lease.unbound(item.ref)}"
        return Outcome(item, "parked", reason, UNBOUND_FIX, old_version=secret.version)

    async def tidy(self) -> None:
        """Remove what a rotation made that is not carried on: nobody will publish it."""
        at = self.at
        record, ref = at.record, at.item.ref
        rotator, source = at.parts.rotators.get(record.kind), at.lease.source
        is_called_off = record.abandoned and not record.pending_write
        if is_called_off and self.at.is_bound and isinstance(rotator, Tidy):
            async with at.lease.changing("tidy"):
                await rotator.tidy(source, operation_id(ref, record.abandoned), keep=None)

    def _dependents(self, managed: Managed) -> Dependents:
        # Somebody may have written the same key again since: it is as old as what was published.
        published = self.at.record.published
        return Dependents(self.at.parts, managed, published.at if published else None)

    async def is_kept(self, secret: SecretVersion) -> bool:
        """Return whether what is due to be retired stays.

        A secret that rests, or is left to a person, may need it as much as any other. Of one that
        has left its source, what its key has made may still be inside an overlap.
        """
        at = self.at
        pending, managed = at.record.retirement, at.managed_here(secret)
        if not self.at.is_bound:
            return True
        published = managed or at.managed_here(replace(secret, tags=at.record.verified.tags))
        if pending is None or published is None:
            return False
        retire = Retire(published, pending, "its overlap passed")
        if managed is None:
            return (
                await self._dependents(published).hold_back(secret, at.asked(), retire) is not None
            )
        waits = await self.hold_back(secret, at.asked(), retire)
        return waits is not None or await at.is_refused(secret)

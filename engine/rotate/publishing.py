"""Make a credential, prove it, announce it in the record and publish it; heal a refused version."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from engine.contract import (
    LATE,
    Forewarn,
    Issued,
    Job,
    Preflight,
    Readable,
    Recognise,
    Tidy,
    Undo,
)
from engine.decide.decision import Restore, crowded
from engine.decide.draft import new_version
from engine.errors import AccessDenied, NeedsHuman, PermanentError, RekeyError, VerificationFailed
from engine.model import tags, template
from engine.model.outcome import Result
from engine.model.record import Record
from engine.model.tags import Managed, Pending
from engine.model.workitem import operation_id
from engine.model.write import Past, Write
from engine.parts import Parts
from engine.rotate.faded import Faded
from engine.rotate.gate import Gate, Overtaken
from engine.rotate.lineage import Lineage
from engine.rotate.others import Others
from engine.rotate.progress import Progress
from engine.rotate.proof import Proof
from engine.rotate.replicas import Replicas
from engine.rotate.retiring import DISABLED
from engine.rotate.sight import Sight
from engine.rotate.under_lease import UnderLease
from engine.rotate.undo import LOST, Rollback, warning
from engine.secret import Draft, SecretVersion, Sensitive

log = logging.getLogger("rekey")

DECIDING = ("ProviderAddress", "Rotator", "Logins", tags.MANUAL, tags.DERIVED_FROM)
"""The tags that decide whether a secret is rotated, and at which source."""
FOLLOW_UP_SECONDS = 90.0
"""How long after its change a follow-up looks at a single-slot source.

A dead worker's own message comes back only after 10 minutes.
"""


class Publishing:
    """Gives one secret a new version."""

    def __init__(
        self,
        parts: Parts,
        lease: UnderLease,
        gate: Gate,
        sight: Sight,
        progress: Progress,
        managed: Managed,
    ) -> None:
        self._parts, self._lease, self._gate, self._sight = parts, lease, gate, sight
        self._progress = progress
        self._managed = managed
        self._rotator = parts.rotator(managed)
        self._single = self._rotator.single_slot(managed.settings)
        self._proof = Proof(parts, lease)
        self._replicas = Replicas(parts, gate, managed)
        self._lineage = Lineage.of(parts, managed)
        self._others = Others(parts, sight, managed)
        self._born: datetime | None = None
        self._original = ""

    async def rotate(self, secret: SecretVersion, reason: str, *, at_once: bool) -> SecretVersion:
        """Replace the credential. With `at_once`, the superseded one gets no overlap."""
        await self._others.respect(secret, self._progress.item)
        issued = await self._issue(secret)
        overlap = timedelta() if at_once else self._managed.overlap
        rotated = await self._publish(secret, issued, overlap, "rotated", reason)
        await self._gate.out_of_use(rotated)
        return rotated

    async def confirm(self, secret: SecretVersion, reason: str) -> SecretVersion:
        """Prove that the source accepts the current version; heal it if the source refuses it."""
        fields = template.extract(self._managed.template, secret.value)
        if fields is None:
            raise NeedsHuman(
                "the value does not follow ValueTemplate",
                where=str(secret.ref),
                fix="correct the value or the tag ValueTemplate",
            )
        credential = fields[self._rotator.value_field]
        try:
            await self._proof.accepted(
                self._managed, self._managed.credential_id or "", credential, "confirm"
            )
        except VerificationFailed:
            await self._refuse_misread(secret)
            return await self._heal(secret)
        self._sight.audited, self._progress.proven = True, secret.version
        await self._gate.out_of_use(secret)
        await self._look_around(secret)
        if self._lineage and self._progress.item.action == "audit":
            faded = Faded(self._parts, self._lease, self._gate, self._sight, self._managed)
            await faded.disable(secret)
        await self._replicas.catch_up(secret, fields)
        if tags.STATE in secret.tags or dict(secret.tags) != dict(self._sight.shown.tags):
            ours = {
                tag: text
                for tag, text in tags.unparked(secret.tags).items()
                if tag in tags.OURS - {tags.PROOF}
            }
            secret = self._sight.retagged(await self._gate.retag(secret, ours, "unpark"))
        self._progress.done(
            self._progress.result or "confirmed", self._progress.reason or reason, self._managed
        )
        return secret

    async def _refuse_misread(self, secret: SecretVersion) -> None:
        """Raise NeedsHuman if only an edited ValueTemplate makes the source refuse a version.

        Else a value that nobody can use would be published in place of one that works.
        """
        field = self._rotator.value_field
        written = self._sight.record.tags.get("ValueTemplate", f"{{{field}}}")
        if written == self._managed.template or not self._sight.wrote(secret):
            return
        held = (template.extract(written, secret.value) or {}).get(field)
        source, held_id = self._managed.source, self._managed.credential_id or ""
        if held and await self._rotator.accepts(source, held_id, held):
            raise NeedsHuman(
                "the value does not follow ValueTemplate",
                where=str(secret.ref),
                fix="correct the tag ValueTemplate, or rotate to have it written anew",
            )

    async def restore(self, secret: SecretVersion, plan: Restore) -> SecretVersion:
        """Publish the superseded credential again. Its successor gets an overlap in turn."""
        managed, pending = self._managed, plan.pending
        old = await self._superseded(secret, pending.version)
        fields = template.extract(managed.template, old.value)
        if fields is None:
            raise NeedsHuman(
                "the earlier value does not follow ValueTemplate",
                where=str(secret.ref),
                fix="rotate instead",
            )
        now = self._parts.clock.now()
        ends = max(old.expires or secret.created, now + managed.overlap)
        if source_ends := await self._ends(
            replace(secret, version=old.version, value=old.value), pending
        ):
            ends = min(ends, source_ends)
        issued = Issued(
            pending.credential_id, fields, supersedes=managed.credential_id, expires=ends
        )
        await self._proof.issued(managed, issued)
        self._born, self._original = old.created, pending.version
        return await self._publish(secret, issued, managed.overlap, "restored", plan.reason)

    async def _superseded(self, secret: SecretVersion, version: str) -> SecretVersion:
        """Return the version to restore; raises NeedsHuman if a person has disabled it."""
        try:
            return await self._parts.vaults.read_version(secret.ref, version)
        except AccessDenied as error:
            if error.code != DISABLED:
                raise
        raise NeedsHuman(
            f"the version to restore, {version}, is disabled",
            where=str(secret.ref),
            fix="enable it and restore again, or unpark the secret and keep its new version",
        )

    async def is_refused(self, secret: SecretVersion) -> bool:
        """Return whether the source refuses what the current version holds, from one try."""
        held = self._parts.held(secret, self._managed)
        source, held_id = self._managed.source, self._managed.credential_id or ""
        return held is not None and not await self._rotator.accepts(source, held_id, held)

    async def withdraw(self) -> None:
        """Take back what was issued for a version that a person has replaced meanwhile, unless a replica may hold it."""
        if self._progress.new_version or (self._managed.replicas and self._sight.record.ahead):
            # What is published bears the same operation, and a replica may hold it already.
            return
        if version := self._sight.record.abandoned:
            await self._tidy(operation_id(self._progress.item.ref, version), keep=None)

    async def _ends(self, old: SecretVersion, pending: Pending) -> datetime | None:
        """Return when the source itself ends the earlier credential; None if it does not say."""
        if not isinstance(self._rotator, Recognise):
            return None
        job = replace(self._parts.job(old, self._managed), held_id=pending.credential_id)
        return (await self._rotator.recognise(job)).ends

    async def _issue(self, secret: SecretVersion, *, in_place: bool = False) -> Issued:
        """Have a credential made, and prove that the source accepts it.

        Nothing is published without this proof.
        """
        managed, rotator = self._managed, self._rotator
        job = self._job(secret, in_place=in_place)
        copies = await self._replicas.check(secret.ref)
        earlier = await self._announced(secret, job, copies)
        if self._lineage:
            return await self._derive(secret, job, self._lineage, earlier)
        if earlier:
            with suppress(VerificationFailed):
                return await self._proof.issued(managed, earlier)
        if self._sight.record.ahead:
            # The write that was announced did not arrive. Nothing is changed again for a vault that
            # takes no write.
            await self._gate.probe(secret)
        if self._tried_before(secret):
            await self._tidy(job.operation, keep=None)
        restorable = not in_place and await self._restorable(job)
        await self._gate.unchanged(secret)
        look = FOLLOW_UP_SECONDS if self._single else None
        await self._lease.begin(self._progress.item, secret, look, kind=rotator.kind)
        async with warning(self._single), self._lease.changing("issue"):
            try:
                issued = await rotator.issue(job)
            except NeedsHuman:
                self._lease.untouched()
                raise
        issued = replace(issued, restorable=issued.restorable and restorable)
        async with self._rollback(job).on(secret, issued, (RekeyError,)):
            return await self._proof.issued(managed, issued)

    async def _derive(
        self, secret: SecretVersion, job: Job, lineage: Lineage, earlier: Issued | None
    ) -> Issued:
        """Make a credential from its key. Nothing is sent to the source, and so nothing is noted.

        What an interrupted try announced is taken only if the key consents to it and made it. A
        key that its own secret must heal first is waited for.
        """
        keyed = await lineage.keyed(secret.ref, job)
        issued = earlier if earlier and lineage.made(keyed, earlier) else None
        if issued is None and self._sight.record.ahead:
            await self._gate.probe(secret)
        issued = issued or await self._rotator.issue(keyed)
        try:
            await self._proof.issued(self._managed, issued)
        except VerificationFailed as error:
            raise await lineage.refused(secret.ref, error.what) from None
        # The proof may have waited a minute: the key's owner still consents, and to this key.
        if await lineage.keyed(secret.ref, job) != keyed:
            raise Overtaken(
                "its key has changed meanwhile", where=str(secret.ref), code="Overtaken"
            )
        return issued

    def _job(self, secret: SecretVersion, *, in_place: bool = False) -> Job:
        record = self._sight.record
        proven, touched = self._sight.wrote(secret), record.touched == secret.version
        job = self._parts.job(secret, self._managed, proven=proven, in_place=in_place)
        # What was restored since is in use again.
        job = replace(job, revoked=record.revoked - {job.held_id or ""})
        if not touched:
            return job
        under_way = record.waiting is not None
        return replace(
            job, asked=record.asked, sent=record.begun, under_way=under_way, mark=record.mark
        )

    async def _announced(
        self, secret: SecretVersion, job: Job, copies: list[SecretVersion]
    ) -> Issued | None:
        """Return an interrupted try's announced credential; None if it cannot be had any more.

        The source may still show it, or a replica may already hold it.
        """
        record = self._sight.record
        ahead = record.ahead
        if ahead is None or ahead.replaces != secret.version:
            return None
        # A repair inside an overlap passes on an earlier version's retirement, and adds none.
        own = ahead.retire if ahead.retire and ahead.retire.version == ahead.replaces else None
        superseded = own.credential_id if own else None
        fields: list[Mapping[str, Sensitive] | None] = [
            template.extract(shape, copy.value) for copy, shape in self._replicas.shapes(copies)
        ]
        if isinstance(self._rotator, Readable):
            fields.append(await self._rotator.read(job, ahead.credential_id))
        needed = template.fields(self._managed.template) | {self._rotator.value_field}
        for candidate in fields:
            if candidate and needed <= set(candidate):
                value = template.render(self._managed.template, candidate)
                if record.fits(ahead, ahead.credential_id, value):
                    return Issued(ahead.credential_id, candidate, superseded)
        return None

    def _tried_before(self, secret: SecretVersion) -> bool:
        item = self._progress.item
        tried = (
            self._progress.tries > 1
            or bool(item.deferred or item.follow_up)
            or tags.STATE in secret.tags
        )
        return tried or self._sight.record.is_open

    async def _restorable(self, job: Job) -> bool:
        """Return whether the source accepts what the vault holds: only then may it be set back."""
        if not (self._single and isinstance(self._rotator, Undo) and job.held):
            return False
        return await self._rotator.accepts(job.source, job.held_id or "", job.held)

    def _rollback(self, job: Job) -> Rollback:
        unwanted = bool(self._progress.item.compromised or self._sight.record.compromised)
        return Rollback(self._parts, self._lease, job, self._managed, unwanted)

    async def _publish(
        self, secret: SecretVersion, issued: Issued, overlap: timedelta, result: Result, reason: str
    ) -> SecretVersion:
        """Announce the version, then publish it to the replicas, then to the secret itself.

        If the worker dies in between, a retry continues from the announcement.
        """
        draft = self._draft(secret, issued, overlap)
        job = self._parts.job(secret, self._managed)
        rollback, missed = self._rollback(job), list[RekeyError]()
        async with rollback.on(secret, issued, (PermanentError, Overtaken), proven=True):
            await self._announce(secret, issued, draft)
            missed = await self._replicas.write(secret.ref, issued.fields, draft)
            if missed and not self._single:
                raise missed[0]
        # What a replica holds is not lost: the next try reads it from there.
        copied = len(missed) < len(self._managed.replicas)
        final: tuple[type[RekeyError], ...] = (
            (Overtaken,) if copied else (PermanentError, Overtaken)
        )
        async with rollback.on(secret, issued, final, proven=True):
            published = await self._gate.publish(
                secret, draft, check=lambda now: self._still_asked(secret, now)
            )
        self._progress.new_version = self._progress.proven = published.version
        self._sight.audited = True
        self._progress.done(result, reason, self._managed)
        published = self._sight.landed(published)
        if missed:
            # The source has a new password already, so the secret could not wait for the replica.
            raise missed[0]
        return published

    async def _announce(self, secret: SecretVersion, issued: Issued, draft: Draft) -> None:
        record = self._sight.record.keyed()
        retire = Pending.parse(draft.tags[tags.RETIRE]) if tags.RETIRE in draft.tags else None
        digest = record.digest(issued.credential_id, draft.value)
        operation, replaces = draft.tags[tags.OPERATION], str(secret.version)
        now = self._parts.clock.now()
        write = Write(
            operation,
            issued.credential_id,
            digest,
            replaces,
            now,
            retire,
            born=self._born,
            original=self._original,
            dead=self._single or self._progress.drifted,
            held=self._past(record, secret),
        )
        self._still_asked(secret, await self._gate.unchanged(secret))
        announced = record.announced(write, self._rotator.kind)
        await self._lease.write(
            replace(announced, healed=now) if self._progress.drifted else announced
        )

    def _past(self, record: Record, secret: SecretVersion) -> Past | None:
        held, held_id = self._parts.held(secret, self._managed), self._managed.credential_id
        if not (held and held_id and self._sight.wrote(secret)):
            return None
        return Past(str(secret.version), held_id, record.digest(held_id, held))

    def _still_asked(self, secret: SecretVersion, fresh: SecretVersion) -> None:
        """Raise Overtaken if the owner has changed whether, or at which source, it is rotated."""
        policy = self._parts.policy
        before, now = policy.applied(secret).tags, policy.applied(fresh).tags
        if any(before.get(tag) != now.get(tag) for tag in DECIDING):
            raise Overtaken(
                "its owner has changed its tags in the meantime",
                where=str(secret.ref),
                code="Overtaken",
            )

    def _draft(self, secret: SecretVersion, issued: Issued, overlap: timedelta) -> Draft:
        now = self._parts.clock.now()
        if issued.expires:
            # The source ends the new credential early. The next rotation must not wait for this
            # overlap.
            overlap = min(overlap, max(issued.expires - now, timedelta()) / 2)
        cause, deployment = self._progress.item.cause, self._parts.policy.deployment
        return new_version(secret, self._managed, issued, now, overlap, cause, deployment)

    async def _look_around(self, secret: SecretVersion) -> None:
        """Remove what an interrupted try left behind; an audit also checks the next rotation."""
        audit = self._progress.item.action == "audit"
        if tags.OPERATION in secret.tags:
            await self._tidy(secret.tags[tags.OPERATION], keep=self._managed.credential_id)
        if audit and isinstance(self._rotator, Tidy) and await self._is_certainly_lost(secret):
            # The next rotation may already have been tried, and failed for good half-way.
            await self._tidy(operation_id(secret.ref, str(secret.version)), keep=None)
            await self._tidy_abandoned(secret)
        if audit and isinstance(self._rotator, Preflight) and not self._lineage:
            job = self._job(secret)
            await self._rotator.preflight(job)
            if isinstance(self._rotator, Forewarn) and (known := await self._rotator.forewarn(job)):
                log.warning("before the first rotation of %s: %s", secret.ref, known)

    async def _is_certainly_lost(self, secret: SecretVersion) -> bool:
        """Return whether an announced write that the vault does not show will not be seen any more.

        It may be late. And a vault that has failed over serves a copy from before it, for as long
        as it takes no writes.
        """
        ahead = self._sight.record.ahead
        if ahead and self._parts.clock.now() < ahead.at + LATE:
            return False
        if ahead:
            await self._gate.probe(secret)
        return True

    async def _tidy_abandoned(self, secret: SecretVersion) -> None:
        """Remove what a rotation made for a version that a person replaced before it was published."""
        version = self._sight.record.abandoned
        if version and version != secret.version:
            held_id = self._managed.credential_id
            await self._tidy(operation_id(secret.ref, version), keep=held_id)

    async def _tidy(self, operation: str, keep: str | None) -> None:
        if isinstance(self._rotator, Tidy):
            async with self._lease.changing("tidy"):
                await self._rotator.tidy(self._managed.source, operation, keep)

    def _make_room(self, secret: SecretVersion) -> None:
        """Raise NeedsHuman if a version could not be published: nothing is changed for it."""
        if full := crowded(secret, in_place=True):
            error = NeedsHuman(full.reason, where=str(secret.ref), fix=full.fix)
            if self._sight.record.is_unknown:
                error.add(LOST)
            raise error

    async def _heal(self, secret: SecretVersion) -> SecretVersion:
        """Replace a version that the source refuses by a new credential, and disable it."""
        self._progress.drifted = True
        if self._others.wrote(secret):
            raise self._others.refused(secret)
        job = self._job(secret)
        if not self._lineage:
            self._others.refuse_to_fight(secret)
        self._make_room(secret)
        if not job.proven and isinstance(self._rotator, Preflight) and not self._lineage:
            # Somebody else wrote this version, so check first whether it may be replaced at all.
            await self._rotator.preflight(job)
        issued = await self._issue(secret, in_place=True)
        reason = "the source refused the current version"
        healed = await self._publish(secret, issued, self._managed.overlap, "healed", reason)
        self._progress.drifted = False
        await self._gate.out_of_use(healed)
        if tags.OPERATION in secret.tags:
            # The refused version may be its operation's late write over a newer one of the same
            # operation, whose credential is still alive.
            await self._tidy(secret.tags[tags.OPERATION], keep=None)
        return healed

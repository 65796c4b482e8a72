"""Have a credential made, or carry on with one that an interrupted try announced, and prove it.

A source with a single slot is rolled back to the vault's password if the new one cannot be verified
or published. Otherwise nobody would know the password. Rekey does not roll back if the old password
is compromised, if the source refused it before the change (somebody may have revoked it on
purpose), or if another worker may have continued since.

This module also gets the first credential of a secret that is in no vault yet, so that its value
passes no shell. If the source shows its credentials, as a resource shows its keys, one of them is
read, and nothing changes at the source. If the source holds many, as an Entra application does, one
is added under the lease of the source, and a later try removes what an earlier one left. A source
with a single password has none to spare.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from engine.contract import LATE, Issued, Job, Preflight, Readable, Tidy, Undo
from engine.errors import (
    LeaseUnavailable,
    NeedsHuman,
    PermanentError,
    RekeyError,
    Throttled,
    TransientError,
    VerificationFailed,
)
from engine.follow_up import tasks
from engine.parts import Parts
from engine.rotation import report
from engine.rotation.context import Rotation
from engine.rotation.derived import ParentKey
from engine.rotation.ownership import other_owner
from engine.rotation.proof import Proof
from engine.rotation.retire import tidy_of_another
from engine.rotation.source_lease import LOST, NO_ANSWER, SourceLease, hold
from engine.rotation.vault_writer import Overtaken
from engine.secret import DEFAULT_CONTENT_TYPE, Draft, SecretRef, SecretVersion, Sensitive
from engine.state import template
from engine.state.record import SETTLE, Record
from engine.state.record_parts import Announced
from engine.state.request import WorkItem, nothing_of, operation_id
from engine.state.tags import CREDENTIAL, Managed, Pending


async def new_credential(at: Rotation, secret: SecretVersion, *, in_place: bool = False) -> Issued:
    """Have a credential made, and prove that the source accepts it.

    Nothing is published without this proof.
    """
    await report.report_earlier(at)
    managed, rotator = at.managed, at.rotator
    job = at.job(secret, in_place=in_place)
    copies = await at.replicas.renewed.check(secret.ref)
    earlier = await _announced(at, secret, job, copies)
    if at.parent_key:
        return await _derive(at, secret, job, at.parent_key, earlier)
    if earlier:
        with suppress(VerificationFailed):
            return await at.proof.issued(managed, earlier)
    if at.record.pending_write:
        # The announced write did not arrive. The source is not changed again while the vault takes
        # no writes.
        await at.vault_writer.probe(secret)
    if job.asked:
        # An earlier try of this operation may have left a credential.
        await at.tidy(job.operation, keep=None)
    else:
        # So may an operation for another version, which only the record names.
        await tidy_of_another(at, secret)
    restorable = not in_place and await _restorable(at, job)
    await at.vault_writer.unchanged(secret)
    is_single = at.managed.is_single
    await at.lease.begin(at.progress.item, secret, kind=rotator.kind, is_single=is_single)
    issued = await _made(at, job, restorable=restorable)
    if issued.doubt:
        return await _undoubted(at, issued, issued.doubt)
    issued = replace(issued, restorable=issued.restorable and restorable)
    async with Rollback(at, job, issued).on(RekeyError):
        return await at.proof.issued(managed, issued)


async def _made(at: Rotation, job: Job, *, restorable: bool) -> Issued:
    """Have a credential made; for a single slot, warn that nobody may know the new password.

    There is no rollback while the change could still take effect after it.
    """
    try:
        async with at.lease.sending("issue"):
            return await at.rotator.issue(job)
    except LeaseUnavailable:
        # Nothing was sent without the lease.
        raise
    except TransientError as error:
        if at.managed.is_single and not error.unsent:
            error.add(LOST)
        raise
    except PermanentError as error:
        if not restorable or error.unsent or isinstance(error, NeedsHuman):
            raise
        raise await _answered_amiss(at, job, error) from None


async def _answered_amiss(at: Rotation, job: Job, problem: PermanentError) -> RekeyError:
    """Set a single slot back if it refuses since then what it accepted before.

    The change took effect although its answer tells of none, so nobody knows the password.
    """
    with suppress(RekeyError):
        if await _restorable(at, job):
            return problem
    return await Rollback(at, job, Issued("", {}, None)).back(problem)


async def _undoubted(at: Rotation, issued: Issued, doubt: TransientError) -> Issued:
    """Prove a credential that may have been made, in place of having another one made.

    Raises the doubt if that fails. There is no rollback: the change may still take effect.
    """
    try:
        return await at.proof.issued(at.managed, issued)
    except RekeyError:
        if at.managed.is_single:
            doubt.add(LOST)
        raise doubt from None


async def _derive(
    at: Rotation, secret: SecretVersion, job: Job, parent_key: ParentKey, earlier: Issued | None
) -> Issued:
    """Make a credential from its key. Nothing is sent to the source, and so nothing is noted.

    An announced credential is taken only if the key's owner consents, and this key has made it. If
    the source refuses the key, this waits until the key's own secret is repaired.
    """
    keyed = await parent_key.keyed(secret.ref, job)
    issued = earlier
    if issued is None or not parent_key.made(keyed, issued):
        issued = await at.rotator.issue(keyed)
    try:
        await at.proof.issued(at.managed, issued)
    except VerificationFailed as error:
        raise await parent_key.refused(secret.ref, error.what) from None
    # The proof may have waited a minute: the key's owner still consents, and to this key.
    if await parent_key.keyed(secret.ref, job) != keyed:
        raise Overtaken("its key has changed meanwhile", where=str(secret.ref))
    return issued


async def _announced(
    at: Rotation, secret: SecretVersion, job: Job, copies: list[SecretVersion]
) -> Issued | None:
    """Return the credential that an interrupted try has announced; None if nobody has its value.

    The source may still show it, or a replica may already hold it.
    """
    write = _to_carry_on(at, secret)
    if write is None:
        return None
    # A repair inside an overlap supersedes nothing itself: it keeps an earlier retirement.
    last = at.record.published
    holders = {write.replaces, last.version if last else ""}
    own = write.retire if write.retire and write.retire.version in holders else None
    superseded = own.credential_id if own else None
    needed = template.fields(at.managed.renewed.template) | {at.rotator.value_field}
    for candidate in await _held_or_shown(at, write, job, copies):
        if candidate and needed <= set(candidate) and is_announced(at, write, candidate):
            issued = Issued(write.credential_id, candidate, superseded)
            return None if await is_a_leak(at, issued) else issued
    return None


async def _held_or_shown(
    at: Rotation, write: Announced, job: Job, copies: list[SecretVersion]
) -> list[Mapping[str, Sensitive] | None]:
    """Return what replicas hold, and what the source shows in the announced credential's place."""
    fields: list[Mapping[str, Sensitive] | None] = [
        template.extract(shape, copy.value)
        for copy in copies
        # A replica without a template of its own was written in the announced one.
        for shape in (at.replicas.renewed.shape(copy), write.template)
    ]
    if isinstance(at.rotator, Readable):
        fields.append(await at.rotator.read(job, write.credential_id))
    return fields


def is_announced(at: Rotation, write: Announced, fields: Mapping[str, Sensitive]) -> bool:
    """Return whether a credential is the announced one. Another template may be named since."""
    shape = write.template or at.managed.renewed.template
    is_whole = template.fields(shape) <= set(fields)
    return is_whole and at.record.fits(write, template.render(shape, fields))


async def is_a_leak(at: Rotation, issued: Issued) -> bool:
    """Return whether a credential is that of a version that has leaked, and is not settled."""
    credential = issued.fields[at.rotator.value_field]
    for version in at.record.compromised.versions:
        leak = await at.observed.earlier(version)
        if leak and leak.contains(credential):
            return True
    return False


def _to_carry_on(at: Rotation, secret: SecretVersion) -> Announced | None:
    """Return what an interrupted try has announced in place of this version; None if that is void.

    It is void if it is older than an incident: whoever knows the leaked value may know it, too.
    """
    write, incident = at.record.pending_write, at.incident
    if write is None or write.replaces != secret.version:
        return None
    return None if incident and not write.made_since(incident) else write


async def _restorable(at: Rotation, job: Job) -> bool:
    """Return whether the source accepts what the vault holds, so that a rollback is allowed."""
    if not (at.managed.is_single and job.held):
        return False
    return await at.rotator.accepts(job.source, job.held_id or "", job.held)


@dataclass(frozen=True)
class Rollback:
    """Rolls one source back, under its lease."""

    at: Rotation
    job: Job
    issued: Issued
    """What was made; without fields if nobody has seen it."""
    proven: bool = False
    """The source has accepted the new credential. If it refuses that later, a person changed it."""

    @asynccontextmanager
    async def on(
        self, error_type: type[RekeyError], *, unsent: bool = False
    ) -> AsyncIterator[None]:
        """Roll back a single-slot source after such an error, and add the result to the error.

        `unsent`: nothing of it has been sent to the vault, so nothing arrives there later.
        """
        try:
            yield
        except LeaseUnavailable:
            # Another worker may have set, and published, another password since.
            raise
        except error_type as error:
            unsent |= error.unsent or isinstance(error, Throttled)
            # A write may still arrive in the vault. After a rollback, its value would be dead.
            may_arrive = self.proven and error.code == NO_ANSWER and not unsent
            if may_arrive and self.at.managed.is_single:
                error.add(LOST)
            if may_arrive or not self.at.managed.is_single:
                raise
            raise await self.back(error) from None

    async def back(self, problem: RekeyError) -> RekeyError:
        """Set the source back to what the vault holds; return the error with what came of it."""
        at = self.at
        at.lease.is_lost = True
        if self._is_unwanted or not self.issued.restorable or not isinstance(at.rotator, Undo):
            problem.add(LOST)
            return problem
        try:
            password, problem = await self._held(problem)
            problem.add(await self._set_back(password))
        except LeaseUnavailable:
            # Another worker may have set, and published, another password since.
            return problem
        except RekeyError as second:
            problem.add(f"what the vault holds could not be set back either: {second.what}")
            # It may or may not have been set back, so the message must come back.
            return _put_off(problem, second) if isinstance(second, TransientError) else problem
        return problem

    async def _held(self, problem: RekeyError) -> tuple[Sensitive | None, RekeyError]:
        """Return the password to roll back to, and the error, which may have to wait longer.

        That is what the vault holds now; None if it holds no password of this source. If the vault
        cannot be read, the password that it showed under this very lease counts.
        """
        at = self.at
        if self.proven and problem.retry_after:
            # Azure has named a time, and an earlier read would only lengthen the wait.
            return self.job.held, problem
        try:
            fresh = await at.parts.vaults.read(at.item.ref)
        except TransientError as unread:
            if not self.proven:
                raise
            return self.job.held, _put_off(problem, unread) if unread.retry_after else problem
        if self.job.operation == operation_id(fresh.ref, str(fresh.version)):
            # It is the same version, however its owner wants the next one to look.
            return self.job.held, problem
        here = at.managed_here(fresh)
        held = at.parts.held(fresh, here or at.managed)
        if held in (None, self.job.held, self._new):
            return held, problem
        if at.record.compromised.revoked:
            # A pipeline may have written a leaked value again.
            return self.job.held, problem
        # Its owner may have taken the value from another source since.
        return held if here else None, problem

    async def _set_back(self, password: Sensitive | None) -> str:
        """Set the source back to what the vault holds; say what came of it."""
        rotator = self.at.rotator
        assert isinstance(rotator, Undo)  # noqa: S101 - for the type
        if password is None:
            return f"somebody has written a version in the meantime, and {LOST}"
        if password == self._new:
            self.at.lease.is_lost = False
            return "the vault holds the new password"
        new, new_id = self._new, self.issued.credential_id
        if self.proven and new and not await rotator.accepts(self.job.source, new_id, new):
            self.at.lease.is_lost = False
            return "somebody has changed the password at its source since; it was left alone"
        async with self.at.lease.changing("undo"):
            await rotator.undo(self.job, password)
        self.at.lease.is_lost = False
        # If the worker dies before this is written, the next recheck sets another password. Rechecks
        # prove that it came, and that the change before it did not come after all.
        record = self.at.lease.record
        change = replace(record.change, password_unknown=False).uncertain_for(self.at.now + LATE)
        self.at.lease.learn(replace(record, change=change))
        return "what the vault holds was set back"

    @property
    def _new(self) -> Sensitive | None:
        return self.issued.fields.get(self.at.managed.rotator.value_field)

    @property
    def _is_unwanted(self) -> bool:
        """Whether the old password is compromised."""
        return self.at.leaked_before is not None


def _put_off(problem: RekeyError, cause: TransientError) -> TransientError:
    """Return the problem as a transient one that comes back no sooner than Azure has asked for."""
    if not isinstance(problem, TransientError):
        problem = TransientError(problem.what, where=problem.where, fix=problem.fix)
    waits = filter(None, (problem.retry_after, cause.retry_after))
    problem.retry_after = max(waits, default=None)
    return problem


WRITE_BY_HAND = (
    "have `az keyvault secret set` read its value from a file, then adopt it without --create"
)


def nothing_yet(parts: Parts, ref: SecretRef) -> SecretVersion:
    """Return what stands for a secret that does not exist."""
    now = parts.clock.now()
    return SecretVersion(ref, nothing_of(ref), value=None, enabled=True, created=now, expires=None)


async def first_value(parts: Parts, secret: SecretVersion, managed: Managed) -> Sensitive | None:
    """Return a value that the source shows, or that a key makes; None if one is to be added.

    Raises NeedsHuman for a kind whose only credential is in use, and every error that would prevent
    adding one.
    """
    rotator, job = parts.rotator(managed), parts.job(secret, managed)
    if parent_key := ParentKey.of(parts, managed):
        issued = await rotator.issue(await parent_key.keyed(secret.ref, job))
        return template.render(managed.template, issued.fields)
    if isinstance(rotator, Readable):
        fields = await rotator.read(job, managed.credential_id or "")
        if fields is None:
            named = managed.credential_id or "first credential"
            what = f"the source shows no {named[:60]}"
            raise NeedsHuman(what, where=managed.source, fix="name one with --credential-id")
        return template.render(managed.template, fields)
    if not isinstance(rotator, Tidy):
        what = f"a {managed.rotator.kind} replaces the one that is in use, so none is made here"
        raise NeedsHuman(what, where=managed.source, fix=WRITE_BY_HAND)
    if isinstance(rotator, Preflight):
        await rotator.preflight(parts.job(secret, managed, proven=True, in_place=True))
    return None


async def added(parts: Parts, secret: SecretVersion, managed: Managed) -> SecretVersion:
    """Add a credential at the source, prove it, and write it as the secret's first version."""
    rotator = parts.rotator(managed)
    async with hold(parts, managed.source, secret.ref) as lease:
        if await parts.existing(secret.ref):
            what = "somebody has written the secret meanwhile"
            raise NeedsHuman(what, where=str(secret.ref), fix="type it again: see what it holds")
        now = parts.clock.now()
        secret, going = _replacing(lease.record, secret, now + managed.overlap)
        job = parts.job(secret, managed, proven=True, in_place=True)
        _refuse_while_pending(lease, secret.ref, job.operation)
        if theirs := await other_owner(lease, secret):
            raise NeedsHuman(theirs.reason, where=str(secret.ref), fix=theirs.fix)
        await _conclude_earlier(lease, secret.ref)
        change = lease.record.change
        # Every try is of the same operation: only this very one is carried on.
        begun = change.requested_at if change.version == secret.version else None
        job = replace(job, not_before=begun or now)
        # If this fails, the audit of the version that follows removes the credential.
        await lease.begin(WorkItem(secret.ref), secret, kind=rotator.kind)
        async with lease.changing("issue"):
            issued = await rotator.issue(job)
        await Proof(lease).issued(managed, issued)
        draft = Draft(
            template.render(managed.template, issued.fields),
            min(job.expires, issued.expires or job.expires),
            DEFAULT_CONTENT_TYPE,
            {**secret.tags, CREDENTIAL: issued.credential_id},
        )
        await _announce_first(lease, managed, job, draft, str(secret.version), going)
        try:
            async with lease.changing("publish"):
                return await parts.vaults.publish(secret.ref, draft)
        except PermanentError:
            # What fails here hides no refusal: an audit removes what is left of the operation.
            with suppress(RekeyError):
                await lease.write(lease.record.withdrawn())
            with suppress(RekeyError):
                await lease.tidy(rotator.kind, job.operation, None)
            raise


async def _announce_first(
    lease: SourceLease,
    managed: Managed,
    job: Job,
    draft: Draft,
    replaces: str,
    going: Pending | None,
) -> None:
    """Announce a first version as any other one; `going`: what it supersedes, if anything."""
    record, credential_id = lease.record, draft.tags[CREDENTIAL]
    digest = record.digest(credential_id, draft.value)
    known = (job.operation, credential_id, digest, replaces, lease.parts.clock.now())
    write = Announced(*known, retire=going, template=managed.template)
    # Its request has come. Whoever makes the version again asks for another credential.
    change = replace(record.change, requested_at=None)
    await lease.write(replace(record, change=change).announced(write, managed.rotator.kind))


def _replacing(
    record: Record, secret: SecretVersion, ends: datetime
) -> tuple[SecretVersion, Pending | None]:
    """Return the secret with the version that its first one replaces, and what is superseded.

    If it was deleted, what its last version holds may be in use, so that gets an overlap.
    """
    last = record.published
    if last is None or last.operation != operation_id(secret.ref, last.replaces):
        return secret, None
    going = None
    if record.verified.version == last.version:
        # What a person had replaced is left to people. And the record keeps whole seconds.
        going = Pending(ends + timedelta(seconds=1), last.version, last.credential_id)
    return replace(secret, version=last.version), going


def _refuse_while_pending(lease: SourceLease, ref: SecretRef, own: str) -> None:
    """Raise TransientError while a version may come that was announced.

    It may be another secret's, which keeps its source then. One of this operation shows sooner.
    """
    write = lease.record.pending_write
    until = write and write.at + (SETTLE if write.operation == own else LATE)
    if until and lease.parts.clock.now() < until:
        what = "a version that was announced before may still be written"
        raise TransientError(what, where=str(ref), fix=f"type it again at {until:%H:%M:%S}Z")


async def _conclude_earlier(lease: SourceLease, ref: SecretRef) -> None:
    """Report, and remove, what earlier operations left, before their record is about another one."""
    await tasks.report_from_record(lease.parts, lease.record)
    lease.learn(replace(lease.record, unreported=False, unreported_ids=()))
    for operation in lease.record.abandoned if lease.is_bound(ref) else ():
        await lease.tidy(lease.record.kind, operation, None)

"""Announce a new version in the record, and publish it: to the replicas, then to the secret.

A superseded credential is restored in the same way. Rekey does not supersede a version that
somebody else has just written and that no source has accepted yet.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from engine.contract import Issued, Lists, Readable, Recognise
from engine.errors import (
    AccessDenied,
    LeaseUnavailable,
    NeedsHuman,
    PermanentError,
    RekeyError,
    TransientError,
)
from engine.parts import DISABLED
from engine.rotation import issue, leaked, report, retire
from engine.rotation.context import Rotation
from engine.rotation.issue import Rollback
from engine.rotation.source_lease import CALL_SECONDS, LOST, NO_ANSWER
from engine.rotation.vault_writer import Overtaken
from engine.secret import DEFAULT_CONTENT_TYPE, Draft, SecretVersion, Version
from engine.state import tags, template
from engine.state.decision import Restore, Skip
from engine.state.record import Record, owners_tags
from engine.state.record_parts import Announced, Past, Published
from engine.state.request import Outcome, Result, operation_id
from engine.state.tags import (
    BY,
    CAUSE,
    MAX_TAGS,
    OPERATION,
    RETIRE,
    Managed,
    Pending,
    shortened,
)

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between the tries to announce the password of a single slot that has changed already."""
TO_SET_BACK = CALL_SECONDS + 10.0
"""How long a lease must last for a rollback: its call, and the reads before it."""
ARRIVING_SECONDS = 5.0
UNREADABLE = "a part of the new value holds the text that ends it in ValueTemplate"
READABLE_FIX = "put a text between the placeholders that none of the parts can hold, such as ;"
DECIDING = ("ProviderAddress", "Rotator", "Logins", tags.MANUAL, tags.DERIVED_FROM)
"""The tags that decide whether a secret is rotated, and at which source."""


async def rotate(
    at: Rotation, secret: SecretVersion, reason: str, *, at_once: bool
) -> SecretVersion:
    """Replace the credential. With `at_once`, the superseded one gets no overlap."""
    await _respect_external(at, secret)
    held_in = await _held_in(at, secret)
    issued = await issue.new_credential(at, secret)
    overlap = timedelta() if at_once else at.managed.overlap
    rotated = await version(at, secret, issued, overlap, "rotated", reason, held_in)
    at.progress.drifted = False
    await at.out_of_use(rotated)
    return rotated


async def version(
    at: Rotation,
    secret: SecretVersion,
    issued: Issued,
    overlap: timedelta,
    result: Result,
    reason: str,
    held_in: str = "",
) -> SecretVersion:
    """Announce the version, then publish it to the replicas, then to the secret itself.

    If the worker dies in between, a retry continues from the announcement. `held_in`: the version
    with what is superseded, if that is not the one replaced.
    """
    draft = _draft(at, secret, issued, overlap, held_in)
    job = at.parts.job(secret, at.managed)
    rollback = Rollback(at, job, issued, proven=True)
    async with rollback.on(RekeyError, unsent=True):
        if not template.is_read_back(at.managed.renewed.template, draft.value, issued.fields):
            raise NeedsHuman(UNREADABLE, where=str(secret.ref), fix=READABLE_FIX)
        await _announced(at, secret, issued, draft)
    missed = await _copy(at, secret, issued, draft)
    if missed and not (_is_dead(at) or at.replicas.outrun):
        raise missed[0]
    # A value that a replica holds is not lost: the next try reads it from there.
    copied = len(missed) < len(at.managed.replicas)
    prints = at.parts.printed(replace(secret, version=None, value=draft.value), at.record)
    async with rollback.on(Overtaken if copied else RekeyError):
        published = await _write(at, secret, draft, is_copied=copied)
    at.progress.new_version = at.progress.proven = published.version
    at.observed.audited = at.managed.renewed.template
    # What a replica has missed is owed. The recheck that follows writes it, or tells a person.
    at.observed.settles_nothing |= bool(missed)
    behind = (f"a replica has missed it: {error.what} ({error.where})" for error in missed)
    at.progress.done(result, "; ".join((reason, *behind)), at.managed)
    return at.observed.landed(published, prints)


async def _copy(
    at: Rotation, secret: SecretVersion, issued: Issued, draft: Draft
) -> list[RekeyError]:
    """Write the replicas. After an error the next try finds out whether a replica has the value."""
    try:
        return await at.replicas.renewed.write(secret.ref, issued.fields, draft, dead=_is_dead(at))
    except TransientError as error:
        if at.managed.is_single:
            error.add(LOST)
        raise


async def _announced(at: Rotation, secret: SecretVersion, issued: Issued, draft: Draft) -> None:
    """Announce the version. A single slot has changed already: this tries while there is time."""
    for pause in PAUSES if at.managed.is_single else ():
        try:
            return await _announce(at, secret, issued, draft)
        except (LeaseUnavailable, Overtaken):
            raise
        except TransientError as error:
            longer = max(pause, error.retry_after or 0.0)
            if not at.lease.lasts(longer + TO_SET_BACK):
                raise
        await at.parts.clock.sleep(longer)
    return await _announce(at, secret, issued, draft)


async def _write(
    at: Rotation, secret: SecretVersion, draft: Draft, *, is_copied: bool
) -> SecretVersion:
    """Publish the version, once: a write without an answer may have arrived.

    The announcement of a write that was never sent is withdrawn, unless a replica or the only slot
    holds the value.
    """
    try:
        return await at.vault_writer.publish(
            secret, draft, check=lambda now: _still_asked(at, secret, now)
        )
    except Overtaken:
        if not (is_copied or at.managed.is_single):
            at.lease.learn(at.record.withdrawn())
        raise
    except TransientError as error:
        if at.managed.is_single and error.code != NO_ANSWER:
            # The vault may show it a moment later. If not, the single slot is rolled back.
            await at.parts.clock.sleep(ARRIVING_SECONDS)
        raise


async def _announce(at: Rotation, secret: SecretVersion, issued: Issued, draft: Draft) -> None:
    record = at.record.keyed()
    retire = Pending.parse(draft.tags[tags.RETIRE]) if tags.RETIRE in draft.tags else None
    digest = record.digest(issued.credential_id, draft.value)
    operation, replaces = draft.tags[tags.OPERATION], str(secret.version)
    now, earlier = at.now, at.progress.restores
    write = Announced(
        operation,
        issued.credential_id,
        digest,
        replaces,
        now,
        retire=retire,
        born=earlier.created if earlier else _carried_on(at, issued) or _ahead_of(at, now),
        original=str(earlier.version) if earlier else "",
        dead=_is_dead(at),
        template=at.managed.renewed.template,
    )
    if at.managed.is_single or at.managed.replicas:
        # A rollback, or the write of a replica, may come before the read that precedes the write.
        _still_asked(at, secret, await at.vault_writer.unchanged(secret))
    announced = record.announced(write, at.rotator.kind, _past(at, record, secret))
    if _is_dead(at):
        announced = announced.discarded(*await at.replicas.renewed.dead(issued.fields, draft))
    if at.progress.drifted:
        verified = replace(announced.verified, repaired_at=write.at)
        announced = replace(announced, verified=verified)
    await at.lease.write(announced)


def _carried_on(at: Rotation, issued: Issued) -> datetime | None:
    """Return when the credential of an earlier announcement was made, or its incident's date."""
    write = at.record.pending_write
    is_carried_on = write and issue.is_announced(at, write, issued.fields)
    return (write.born or write.at) if write and is_carried_on else None


def _is_dead(at: Rotation) -> bool:
    """Return whether the source refuses what the version to be replaced holds."""
    return at.managed.is_single or at.progress.drifted


def _ahead_of(at: Rotation, now: datetime) -> datetime | None:
    """Return the date of the present, or the last, incident if that is ahead of the clock."""
    incident = at.incident or at.record.compromised.incident
    return incident if incident and incident > now else None


def _past(at: Rotation, record: Record, secret: SecretVersion) -> Past | None:
    """Return what a version holds that is to be replaced; None if that is not certain."""
    held, held_id = at.parts.held(secret, at.managed), at.managed.credential_id
    # Read by another template, the value may be taken for the credential as a whole.
    is_read = record.template_of(secret) == at.managed.template
    if not (held and held_id and is_read and at.record.wrote(secret)):
        return None
    return Past(str(secret.version), held_id, record.digest(held_id, held))


def _still_asked(at: Rotation, secret: SecretVersion, fresh: SecretVersion) -> None:
    """Raise Overtaken if the owner has changed whether, or at which source, it is rotated."""
    if at.is_left_by(fresh) or any(secret.tags.get(tag) != fresh.tags.get(tag) for tag in DECIDING):
        raise Overtaken("its owner has changed its tags in the meantime", where=str(secret.ref))


def _draft(
    at: Rotation, secret: SecretVersion, issued: Issued, overlap: timedelta, held_in: str
) -> Draft:
    now = at.now
    if issued.expires:
        # The source ends the new credential early, so the next rotation must not wait for a long
        # overlap.
        overlap = min(overlap, max(issued.expires - now, timedelta()) / 2)
    cause, deployment = str(at.progress.item.cause), at.parts.policy.deployment
    pending, is_leak = at.managed.pending, at.record.compromised.versions
    if at.progress.drifted and pending and at.record.wrote(secret) and not is_leak:
        # Somebody has replaced what Rekey published at the source. They may use the other
        # credential, so it is kept longer.
        later = str(replace(pending, at=max(pending.at, now + overlap)))
        secret = replace(secret, tags={**secret.tags, RETIRE: later})
    return new_version(secret, at.managed.renewed, issued, now, overlap, cause, deployment, held_in)


LEFT_ALONE = timedelta(days=1)
"""How long Rekey leaves a version alone that somebody wrote and that no source has accepted yet."""
COOL_DOWN = timedelta(days=7)
"""If a credential drifts twice within this time, somebody else changes it at the source, too."""


async def _respect_external(at: Rotation, secret: SecretVersion) -> None:
    """Raise NeedsHuman if somebody lately wrote a value that the source refuses."""
    item = at.progress.item
    overruled = item.force or item.compromised or at.record.compromised.versions
    if overruled or not is_external(at, secret):
        return
    try:
        is_refused = await at.is_refused(secret)
    except TransientError as error:
        if error.retry_after is not None:
            raise
        # If the source does not answer, the change fails, too, and names the reason.
        return
    if is_refused and not await was_hit(at, secret):
        raise refused_external(at, secret)


def is_external(at: Rotation, secret: SecretVersion) -> bool:
    """Return whether somebody else wrote this version, and Rekey leaves it alone for now.

    It does for a day, as long as no source has accepted the version. It always does with a single
    slot, where a repair would undo the password that they set; and where a repair would cut off a
    superseded credential, until the overlap has passed. A version is not left alone after
    a leak of what its source has accepted: the source may accept the leaked credential in its
    place.
    """
    record, item = at.record, at.observed.item
    # A recheck names the version of its change: the record may have been lost since.
    rechecked = item.version if item.hint else None
    known = (record.verified.version, record.change.version, rechecked)
    if record.accepted_a_leak or record.wrote(secret) or secret.version in known:
        return False
    if at.observed.may_have_replaced:
        return False
    is_kept = at.managed.is_single or _kept(at, secret) is not None
    return is_kept or at.now - secret.created < LEFT_ALONE


def _kept(at: Rotation, secret: SecretVersion) -> Pending | None:
    """Return what a repair of somebody's version would cut off inside its overlap.

    That is the superseded credential in the slot that the version names; or, if what was published
    last is in that slot, the one in the other slot.
    """
    is_slotted = not isinstance(at.rotator, Lists | Readable)
    is_published = is_slotted and published_there(at, secret) is not None
    inside = (it for it in at.record.to_retire if it.at > at.now)
    named = at.managed.credential_id
    return next((it for it in inside if is_published or it.credential_id == named), None)


async def was_hit(at: Rotation, secret: SecretVersion) -> bool:
    """Return whether somebody wrote again the value that a late change was to replace.

    Or a signature, which works nowhere once it is refused.
    """
    if at.parent_key and await at.recognised(secret):
        return True
    change = at.record.change
    if not (change.uncertain_until and change.version):
        return False
    before = await at.observed.earlier(change.version)
    return before is not None and before.value == secret.value


def refused_external(at: Rotation, secret: SecretVersion) -> NeedsHuman:
    """Return the error for a version of somebody else's that the source refuses."""
    kept = _kept(at, secret)
    reason = "somebody else may have changed it there"
    if kept:
        # No force ends an overlap, but a restore publishes what is kept.
        reason = f"apps may use {kept.credential_id}, kept until {kept.at:%Y-%m-%d %H:%M}Z"
    return NeedsHuman(
        f"the source refuses the value that somebody wrote; {reason}",
        where=str(secret.ref),
        fix="write a value that the source accepts, or "
        + ("restore the secret" if kept else "send force with rotate"),
    )


def refuse_to_fight(at: Rotation, secret: SecretVersion) -> None:
    """Raise NeedsHuman if the source refuses what Rekey published twice within a short time."""
    record, now = at.record, at.now
    repaired_at = record.verified.repaired_at
    again = repaired_at is not None and now - repaired_at < COOL_DOWN
    if again and at.record.wrote(secret) and not record.change.uncertain_until:
        raise NeedsHuman(
            "another deployment or a person changes this credential at its source, too",
            where=at.managed.source,
            fix="let one of them rotate it, then unpark the secret",
        )


async def restore(at: Rotation, secret: SecretVersion, plan: Restore) -> SecretVersion | Outcome:
    """Publish the superseded credential again. Its successor gets an overlap in turn.

    Nothing is published if the current version holds that credential already.
    """
    await report.report_earlier(at)
    managed, pending = at.managed, plan.pending
    old = await _superseded(at, secret, pending.version)
    working = await retire.working(at, old, pending)
    held = leaked.credentials_in(old, at.rotator.value_field, managed.template, at.record)
    fields = template.extract(held[working], old.value) if working else None
    needed = template.fields(managed.renewed.template)
    if fields is None or not needed <= {*fields}:
        raise NeedsHuman(
            "the earlier value does not follow ValueTemplate",
            where=str(secret.ref),
            fix="rotate instead",
        )
    if working == at.parts.held(secret, managed):
        if at.record.compromised.knows(secret.version):
            return await rotate(at, secret, "what would be restored has leaked", at_once=True)
        same = Skip("the current version holds the earlier credential already")
        return await report.conclude(at.parts, secret, at.effective_item(), same)
    now = at.now
    ends = max(old.expires or secret.created, now + managed.overlap)
    if isinstance(at.rotator, Recognise):
        job = replace(at.parts.job(secret, managed), held_id=pending.credential_id, held=working)
        # The source itself may end the earlier credential.
        ends = min(ends, (await at.rotator.recognise(job)).ends or ends)
    held_in = await _held_in(at, secret)
    held_id = await _held_id(at, secret, held_in)
    issued = Issued(pending.credential_id, fields, supersedes=held_id, expires=ends)
    await at.proof.issued(managed, issued)
    at.progress.restores = old.bare
    return await version(at, secret, issued, managed.overlap, "restored", plan.reason, held_in)


async def _held_id(at: Rotation, secret: SecretVersion, held_in: str) -> str | None:
    """Return the id of the credential to supersede; None if only the current version's tag tells it.

    A person may have written the version, and its tag names whatever they like. What they hold, or
    what the tag names, stays then: it may be in use elsewhere.
    """
    named, last = at.managed.credential_id, at.record.published
    if at.record.wrote(secret) or held_in != secret.version:
        return named
    last_id = last.credential_id if last else None
    held_id = await at.recognised(secret) if await _is_accepted(at, secret) else None
    if held_id is None:
        return named if named == last_id else None
    known = {it.casefold() for it in (named, last_id) if it}
    return held_id if held_id.casefold() in known else None


async def _held_in(at: Rotation, secret: SecretVersion) -> str:
    """Return the version that holds the credential which the tags name.

    If a person has written nonsense, its refusal proves nothing of what Rekey had published before
    that, and what works on.
    """
    last = published_there(at, secret)
    return str(secret.version) if last is None or await _is_accepted(at, secret) else last.version


def published_there(at: Rotation, secret: SecretVersion) -> Published | None:
    """Return what Rekey published last in the slot that a person's version names; None if nothing.

    Apps may use it. A single slot holds nothing beside what the vault shows.
    """
    last, is_alone = at.record.published, at.managed.is_single or at.managed.derived_from
    is_named = last and last.credential_id == at.managed.credential_id
    return last if is_named and not is_alone and not at.record.wrote(secret) else None


async def _is_accepted(at: Rotation, secret: SecretVersion) -> bool:
    """Return whether the source accepts what a person wrote: a kind may know only how it begins."""
    held = at.parts.held(secret, at.managed)
    with suppress(PermanentError):
        return held is not None and await at.rotator.accepts(at.managed.source, "", held)
    return False


async def _superseded(at: Rotation, secret: SecretVersion, version: str) -> SecretVersion:
    """Return the version to restore; raises NeedsHuman if a person has disabled it."""
    try:
        return await at.parts.vaults.read_version(secret.ref, version)
    except AccessDenied as error:
        if error.code != DISABLED:
            raise
    raise NeedsHuman(
        f"the version to restore, {version}, is disabled",
        where=str(secret.ref),
        fix="enable it and restore again, or unpark the secret and keep its new version",
    )


def new_version(
    secret: Version,
    managed: Managed,
    issued: Issued,
    now: datetime,
    overlap: timedelta,
    cause: str = "",
    deployment: str = "",
    held_in: str = "",
) -> Draft:
    """Compose the version that replaces `secret`: its owner's tags stay, Rekey's are renewed.

    `held_in`: the version with what is superseded, if that is not `secret`.
    """
    assert secret.version is not None  # noqa: S101 - a version that was read has an id
    tags = owners_tags(secret)
    tags["CredentialId"] = issued.credential_id
    tags[OPERATION] = operation_id(secret.ref, secret.version)
    if issued.supersedes:
        # A tag holds whole seconds, so one is added: no overlap is cut short. Without an overlap
        # the moment has passed already.
        ends = now + overlap + timedelta(seconds=1) if overlap else now
        tags[RETIRE] = str(Pending(ends, held_in or secret.version, issued.supersedes))
    elif RETIRE in secret.tags and not _is_overwritten(secret.tags[RETIRE], issued):
        tags[RETIRE] = secret.tags[RETIRE]
    for tag, text in ((BY, deployment), (CAUSE, cause)):
        if text and len(tags) < MAX_TAGS:
            tags[tag] = shortened(text)
    return Draft(
        value=template.render(managed.template, issued.fields),
        expires=min(now + managed.validity, issued.expires or now + managed.validity),
        content_type=secret.content_type or DEFAULT_CONTENT_TYPE,
        tags=tags,
    )


def _is_overwritten(pending: str, issued: Issued) -> bool:
    """Return whether the new credential is in the slot of the one to retire, which is gone then.

    A person had put their own credential there, and it was repaired in place.
    """
    return pending.split(" ", 2)[-1] == issued.credential_id

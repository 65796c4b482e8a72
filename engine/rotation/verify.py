"""Prove that the source accepts the current version; heal it if the source refuses it."""

from __future__ import annotations

import logging
from dataclasses import replace

from engine.contract import LATE, Forewarn, Issued, Preflight, Recognise, Tidy
from engine.errors import NeedsHuman, VerificationFailed
from engine.planning.decision import crowded
from engine.rotation import issue, publish
from engine.rotation.context import Rotation
from engine.rotation.proof import TRIED, proof_text
from engine.rotation.source_lease import LOST
from engine.secret import SecretVersion, Version
from engine.state import tags, template
from engine.state.due import BY_HAND_FIX, by_hand
from engine.state.request import operation_id

log = logging.getLogger("rekey")


async def current(at: Rotation, secret: SecretVersion, reason: str) -> SecretVersion:
    """Prove that the source accepts the current version; heal it if the source refuses it.

    An audit also removes what interrupted tries left at the source, and disables the earlier versions
    of a derived secret whose credentials have ended.
    """
    fields = template.extract(at.managed.template, secret.value)
    if fields is None:
        raise NeedsHuman(
            "the value does not follow ValueTemplate",
            where=str(secret.ref),
            fix="correct the value or the tag ValueTemplate",
        )
    credential = fields[at.rotator.value_field]
    try:
        await at.proof.accepted(at.managed, at.managed.credential_id or "", credential, "confirm")
    except VerificationFailed:
        await _refuse_misread(at, secret)
        return await _repair(at, secret)
    at.observed.audited = True
    await at.vault_writer.out_of_use(secret)
    # A replica may hold what an interrupted try has made, until it has caught up.
    await at.replicas.catch_up(secret, fields)
    await _check_for_leftovers(at, secret)
    if at.is_unparked:
        # What the source shows now is nobody else's: a person says so.
        change = replace(at.record.change, started_at=at.now)
        at.lease.learn(replace(at.record, change=change))
    if at.parent_key and at.progress.item.action == "audit":
        await _disable_expired(at, secret)
    await at.replicas.out_of_use(secret.ref)
    secret = await _with_our_tags(at, secret)
    # Only now: a version that is overtaken meanwhile, or that the vault hides, is verified again.
    known = at.progress
    known.proven = secret.version
    known.done(known.result or "confirmed", known.reason if known.result else reason, at.managed)
    return secret


async def _with_our_tags(at: Rotation, secret: SecretVersion) -> SecretVersion:
    """Give a version the tags of ours that it ought to have, and none that says it is parked."""
    observed = at.observed
    if tags.STATE not in secret.tags and dict(secret.tags) == dict(observed.shown.tags):
        return secret
    own = tags.OURS - {tags.PROOF}
    ours = {tag: text for tag, text in tags.unparked(secret.tags).items() if tag in own}
    return observed.retagged(await at.vault_writer.retag(secret, ours, "unpark"))


async def _refuse_misread(at: Rotation, secret: SecretVersion) -> None:
    """Raise NeedsHuman if only an edited ValueTemplate makes the source refuse a version.

    Else a value that nobody can use would be published in place of one that works.
    """
    field = at.rotator.value_field
    written = at.record.verified.tags.get("ValueTemplate", f"{{{field}}}")
    if written == at.managed.template:
        return
    held = (template.extract(written, secret.value) or {}).get(field)
    source, held_id = at.managed.source, at.managed.credential_id or ""
    if held and await at.rotator.accepts(source, held_id, held):
        raise NeedsHuman(
            "the value does not follow ValueTemplate",
            where=str(secret.ref),
            fix="correct the tag ValueTemplate, or rotate to have it written anew",
        )


async def _check_for_leftovers(at: Rotation, secret: SecretVersion) -> None:
    """Remove what an interrupted try left behind; an audit also checks the next rotation."""
    audit = at.progress.item.action == "audit"
    if tags.OPERATION in secret.tags:
        await at.tidy(secret.tags[tags.OPERATION], keep=at.managed.credential_id)
    if audit and isinstance(at.rotator, Tidy) and await _is_certainly_lost(at, secret):
        # The next rotation may already have been tried, and failed for good half-way.
        following = operation_id(secret.ref, str(secret.version))
        await at.tidy(following, keep=None)
        for abandoned in (it for it in at.record.abandoned if it != following):
            # A person replaced that version before what was made for it was published.
            await at.tidy(abandoned, keep=at.managed.credential_id)
        await _tidy_late(at, secret)
        await _tidy_unrecorded(at, secret)
    if audit and isinstance(at.rotator, Preflight) and not at.parent_key:
        job = at.job(secret)
        await at.rotator.preflight(job)
        if isinstance(at.rotator, Forewarn) and (known := await at.rotator.forewarn(job)):
            log.warning("before the first rotation of %s: %s", secret.ref, known)


async def _is_certainly_lost(at: Rotation, secret: SecretVersion) -> bool:
    """Return whether an announced write that the vault does not show will not be seen any more.

    It may be late. And a vault that has failed over serves a copy from before it, for as long
    as it takes no writes.
    """
    write = at.record.pending_write
    if write and at.now < write.at + LATE:
        return False
    if write:
        await at.vault_writer.probe(secret)
    return True


async def _tidy_late(at: Rotation, secret: SecretVersion) -> None:
    """Remove what came late of the operation that made the version before this one.

    What that version held is kept as long as it is inside its overlap. A person who has written a
    version since may have taken it into use again.
    """
    record = at.record
    earlier = record.history.replaced
    known = len(earlier) > 1 and record.history.credential_of(earlier[0])
    if known and record.wrote(secret):
        owed = (going.credential_id for going in record.to_retire if going.version == earlier[0])
        await at.tidy(operation_id(secret.ref, earlier[1]), keep=next(owed, None))


async def _repair(at: Rotation, secret: SecretVersion) -> SecretVersion:
    """Replace a version that the source refuses by a new credential, and disable it."""
    at.progress.drifted = True
    if by_hand(at.parts.policy.applied(secret).tags):
        what = "the source refuses the current version, and its owner leaves the secret to people"
        raise NeedsHuman(what, where=str(secret.ref), fix=BY_HAND_FIX)
    if publish.is_external(at, secret) and not await publish.was_hit(at, secret):
        raise publish.refused_external(at, secret)
    job = at.job(secret)
    if not at.parent_key:
        publish.refuse_to_fight(at, secret)
    if full := crowded(secret, in_place=True):
        # Nothing is changed for a version that could not be published.
        error = NeedsHuman(full.reason, where=str(secret.ref), fix=full.fix)
        if at.record.is_unknown:
            error.add(LOST)
        raise error
    if not job.proven and isinstance(at.rotator, Preflight) and not at.parent_key:
        # Somebody else wrote this version, so check first whether it may be replaced at all.
        await at.rotator.preflight(job)
    issued = await _issued(at, secret)
    reason = "the source refused the current version"
    healed = await publish.version(at, secret, issued, at.managed.overlap, "healed", reason)
    at.progress.drifted = False
    await at.out_of_use(healed)
    if tags.OPERATION in secret.tags:
        # The refused version may be its operation's late write over a newer one of the same
        # operation, whose credential is still alive.
        await at.tidy(secret.tags[tags.OPERATION], keep=None)
    return healed


async def _issued(at: Rotation, secret: SecretVersion) -> Issued:
    """Have a credential made in place of the one that is refused, or read there."""
    issued = await issue.new_credential(at, secret, in_place=True)
    if at.managed.is_single or not await issue.is_a_leak(at, issued):
        return issued
    # A person has named the place of what is still to be revoked.
    return await issue.new_credential(at, secret)


async def _disable_expired(at: Rotation, secret: SecretVersion) -> None:
    """Disable each earlier version whose credential the source refuses.

    Nothing revokes such a credential but the end of its key or its own expiry, so no retirement is
    noted for it. The daily audit tries the earlier ones instead.
    """
    record = at.record
    for version in record.history.replaced:
        if version not in record.compromised.revoked and await _has_ended(at, secret, version):
            at.lease.learn(at.record.without(version, proof_text(at.now, TRIED)))
    await at.vault_writer.out_of_use(secret)


async def _has_ended(at: Rotation, secret: SecretVersion, version: str) -> bool:
    """Return whether the source refuses what a version holds, as often as a proof wants it.

    Of a version that somebody has disabled nothing is proven, so it is tried again.
    """
    old = await at.parts.earlier(secret.ref, version)
    held = at.parts.held(old, at.managed) if old else None
    return held is not None and await at.proof.refuses(at.rotator, held)


async def _tidy_unrecorded(at: Rotation, secret: SecretVersion) -> None:
    """Remove what a rotation made in vain whose record was lost, as the vault's versions tell.

    Tags keep it at most. What the current version holds is kept. Its operation replaced the version
    before it, so no other version can hold what that operation made.
    """
    rotator, published = at.rotator, at.record.published
    if at.record.wrote(secret) or not isinstance(rotator, Recognise):
        return
    before = await _replaced_by(at, secret)
    if not before or (published and [published.version] != before):
        return
    job = replace(at.parts.job(secret, at.managed), held_id=None)
    try:
        held_id = (await rotator.recognise(job)).credential_id
    except NeedsHuman:
        # Nobody can tell which one is in use, so all of them stay.
        return
    for version in before:
        await at.tidy(operation_id(secret.ref, version), keep=held_id)


async def _replaced_by(at: Rotation, secret: Version) -> list[str]:
    """Return the version before the current one: several, where they are of the same second.

    Of these one may have replaced another, as its tag says.
    """
    versions = [version async for version in at.parts.vaults.versions(secret.ref)]
    others = [version for version in versions if version.version != secret.version]
    latest = max((version.created for version in others), default=secret.created)
    if latest >= secret.created:
        return []
    operations = {version.tags.get(tags.OPERATION) for version in others}
    before = [str(version.version) for version in others if version.created == latest]
    return [it for it in before if operation_id(secret.ref, it) not in operations]

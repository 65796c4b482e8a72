"""Verify that the source accepts the current version; repair it if the source refuses it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from engine.contract import LATE, Forewarn, Issued, Preflight, Readable, Recognise, Tidy
from engine.errors import NeedsHuman, VerificationFailed
from engine.planning.decision import crowded
from engine.rotation import issue, leaked, publish
from engine.rotation.context import Rotation
from engine.rotation.proof import TRIED, proof_text
from engine.secret import SecretVersion, Sensitive, Version
from engine.state import tags, template
from engine.state.due import BY_HAND_FIX, by_hand
from engine.state.record_parts import Published
from engine.state.request import operation_id

LATEST = 6
"""How many replaced versions an audit looks behind for what came late. Each costs a call."""

log = logging.getLogger("rekey")


async def current(at: Rotation, secret: SecretVersion, reason: str) -> SecretVersion:
    """Verify that the source accepts the current version; repair it if the source refuses it.

    An audit also removes what interrupted tries left at the source. It disables the earlier
    versions of a derived secret whose credentials have ended.
    """
    fields = template.extract(at.managed.template, secret.value)
    if fields is None:
        raise _misread(at, secret)
    credential = fields[at.rotator.value_field]
    try:
        await at.proof.accepted(at.managed, at.managed.credential_id or "", credential, "confirm")
    except VerificationFailed:
        await _refuse_misread(at, secret, credential)
        return await _repair(at, secret)
    at.observed.audited, at.lease.is_lost = at.managed.template, False
    await at.vault_writer.out_of_use(secret)
    # Replicas first: until one has caught up, it may hold a credential of an interrupted try.
    at.observed.settles_nothing |= bool(await at.replicas.catch_up(secret, fields))
    await _check_for_leftovers(at, secret)
    if at.is_unparked:
        # A person confirms that nobody else has made what the source shows now.
        change = replace(at.record.change, started_at=at.now)
        at.lease.learn(replace(at.record, change=change))
    if at.parent_key and at.progress.item.action == "audit":
        await _disable_expired(at, secret)
    await at.replicas.out_of_use(secret.ref)
    secret = await _with_our_tags(at, secret)
    # Noted last: a version that is overtaken before this is verified again.
    known = at.progress
    known.proven = secret.version
    known.done(known.result or "confirmed", known.reason if known.result else reason, at.managed)
    return secret


async def _with_our_tags(at: Rotation, secret: SecretVersion) -> SecretVersion:
    """Give a version the tags of Rekey's that belong to it, and take off its mark, if any."""
    observed = at.observed
    if at.only_proves:
        return secret
    if tags.STATE not in secret.tags and dict(secret.tags) == dict(observed.shown.tags):
        return secret
    own = tags.OURS - {tags.PROOF}
    ours = {tag: text for tag, text in tags.unparked(secret.tags).items() if tag in own}
    return observed.retagged(await at.vault_writer.retag(secret, ours, "unpark"))


async def _refuse_misread(at: Rotation, secret: SecretVersion, tried: Sensitive) -> None:
    """Raise NeedsHuman if the source refuses a version only as the present ValueTemplate reads it.

    Otherwise a value that nobody can use would be published in place of one that works.
    """
    field, managed, held_id = at.rotator.value_field, at.managed, at.managed.credential_id or ""
    if at.record.template_of(secret) == managed.template:
        return
    for held in leaked.credentials_in(secret, field, managed.template, at.record):
        # A source may lock a login after some wrong passwords, so none is tried twice.
        if held != tried and await at.rotator.accepts(managed.source, held_id, held):
            raise _misread(at, secret)


def _misread(at: Rotation, secret: SecretVersion) -> NeedsHuman:
    is_own = secret.tags.get(template.TAG) == at.managed.settings.get(template.TAG)
    place = "the tag ValueTemplate" if is_own else "valueTemplate in the policy document"
    return NeedsHuman(
        "the value does not follow ValueTemplate",
        where=str(secret.ref),
        fix=f"correct the value or {place}",
    )


async def _check_for_leftovers(at: Rotation, secret: SecretVersion) -> None:
    """Remove what interrupted tries left at the source. An audit also checks the next rotation."""
    audit = at.progress.item.action == "audit"
    if tags.OPERATION in secret.tags:
        await at.tidy(secret.tags[tags.OPERATION], keep=at.managed.credential_id)
    if audit and isinstance(at.rotator, Tidy) and await is_certainly_lost(at, secret):
        for operation, keep in _made_in_vain(at, secret):
            await at.tidy(operation, keep)
        await _tidy_unrecorded(at, secret)
    if audit and isinstance(at.rotator, Preflight) and not at.parent_key:
        job = at.job(secret)
        await at.rotator.preflight(job)
        if isinstance(at.rotator, Forewarn) and (known := await at.rotator.forewarn(job)):
            log.warning("before the first rotation of %s: %s", secret.ref, known)


async def is_certainly_lost(at: Rotation, secret: SecretVersion) -> bool:
    """Return whether an announced write that the vault does not show will never be seen.

    It may be late. And a vault that has failed over shows an older copy for as long as it takes no
    writes.
    """
    write = at.record.pending_write
    if write and at.now < write.at + LATE:
        return False
    if write:
        await at.vault_writer.probe(secret)
    return True


def _made_in_vain(at: Rotation, secret: SecretVersion) -> Iterator[tuple[str, str | None]]:
    """Yield the operations that may have left something, each with the credential to keep."""
    record, held_id = at.record, at.managed.credential_id
    # The next rotation may have been tried already, and have failed half-way.
    following = operation_id(secret.ref, str(secret.version))
    yield following, None
    # A person replaced these versions before their successors were published.
    yield from ((it, held_id) for it in record.abandoned if it != following)
    # If a person has written a version since, they may use any credential of an earlier operation.
    if record.wrote(secret):
        yield from _before_the_last(at)
        yield from _come_late(at)


def _before_the_last(at: Rotation) -> Iterator[tuple[str, str | None]]:
    """Yield the operation before the last one. What it published is kept inside its overlap."""
    record, earlier = at.record, at.record.history.replaced
    if len(earlier) > 1 and record.history.credential_of(earlier[0]):
        owed = (going.credential_id for going in record.to_retire if going.version == earlier[0])
        yield operation_id(at.progress.item.ref, earlier[1]), next(owed, None)


def _come_late(at: Rotation) -> Iterator[tuple[str, str]]:
    """Yield the operations before those: a request may come late, after others replaced its version.

    Nothing is owed then: a late write may have come over another one of its operation, and that has
    an overlap. A restored version may hold that other one, so only the operation is looked at that
    made what it holds.
    """
    record, last = at.record, at.record.published
    if record.to_retire or last is None:
        return
    for made, replaced in pairwise(record.history.replaced[1:LATEST]):
        keep = record.id_of(made) if made in record.history.published else None
        if keep and (not last.original or keep == last.credential_id):
            yield operation_id(at.progress.item.ref, replaced), keep


async def _repair(at: Rotation, secret: SecretVersion) -> SecretVersion:
    """Repair drift: replace a version that the source refuses, and disable it."""
    at.progress.drifted = True
    if by_hand(at.parts.policy.applied(secret).tags):
        what = "the source refuses the current version, and its owner leaves the secret to people"
        raise NeedsHuman(what, where=str(secret.ref), fix=BY_HAND_FIX)
    if publish.is_external(at, secret) and not await publish.was_hit(at, secret):
        raise publish.refused_external(at, secret)
    job = at.job(secret)
    if not at.parent_key:
        publish.refuse_to_fight(at, secret)
    last = _superseded(at, secret)
    if full := crowded(secret, in_place=last is None):
        # Nothing is changed for a version that could not be published.
        raise NeedsHuman(full.reason, where=str(secret.ref), fix=full.fix)
    if not job.proven and isinstance(at.rotator, Preflight) and not at.parent_key:
        # Somebody else wrote this version, so check first whether it may be replaced at all.
        await at.rotator.preflight(job)
    issued = await _issued(at, secret, in_place=last is None)
    reason, held_in = "the source refused the current version", last.version if last else ""
    healed = await publish.version(
        at, secret, issued, at.managed.overlap, "healed", reason, held_in
    )
    at.progress.drifted = False
    await at.out_of_use(healed)
    if tags.OPERATION in secret.tags:
        # The refused version may be a late write, over a newer one of the same operation whose
        # credential still works.
        await at.tidy(secret.tags[tags.OPERATION], keep=last.credential_id if last else None)
    return healed


def _superseded(at: Rotation, secret: SecretVersion) -> Published | None:
    """Return what gets an overlap: what Rekey published last in the slot that is named, if anything.

    Where its source shows it, it is published again. While the other slot is inside an overlap
    itself, nothing else can be replaced.
    """
    is_shown = isinstance(at.rotator, Readable)
    if is_shown or any(it.at > at.now for it in at.record.to_retire):
        return None
    return publish.published_there(at, secret)


async def _issued(at: Rotation, secret: SecretVersion, *, in_place: bool) -> Issued:
    """Have a credential made, in the place of the refused one, say, or read it there."""
    issued = await issue.new_credential(at, secret, in_place=in_place)
    if at.managed.is_single or not await issue.is_a_leak(at, issued):
        return issued
    # A person's tag names the slot of a leaked credential, which is still to be revoked.
    return await issue.new_credential(at, secret)


async def _disable_expired(at: Rotation, secret: SecretVersion) -> None:
    """Disable each earlier version of a derived secret whose credential the source refuses.

    Only the end of its key, or its own expiry, ends such a credential. So no retirement is noted
    for it, and the daily audit tries the earlier versions instead.
    """
    record, field = at.record, at.rotator.value_field
    for version in record.history.replaced:
        if version in record.compromised.revoked:
            continue
        old = await at.parts.earlier(secret.ref, version)
        held = old and leaked.credentials_in(old, field, at.managed.template, record)
        # A version that somebody has disabled cannot be tried, so nothing is proven of it.
        if held and all([await at.proof.refuses(at.rotator, it) for it in held]):
            at.lease.learn(at.record.without(version, proof_text(at.now, TRIED)))
    await at.vault_writer.out_of_use(secret)


async def _tidy_unrecorded(at: Rotation, secret: SecretVersion) -> None:
    """Remove what a rotation has made whose record was lost. The vault's versions tell of it.

    The rotation was to replace the version before the current one, which somebody else wrote. So no
    version holds what it made. The current credential is kept.
    """
    published = at.record.published
    if at.record.wrote(secret) or not isinstance(at.rotator, Recognise):
        return
    before = await _replaced_by(at, secret)
    if not before or (published and [published.version] != before):
        return
    # If nobody can tell which credential is in use, all of them stay.
    if held_id := await at.recognised(secret):
        for version in before:
            await at.tidy(operation_id(secret.ref, version), keep=held_id)


async def _replaced_by(at: Rotation, secret: Version) -> list[str]:
    """Return the version before the current one, or several of the same second.

    A version is left out if another one has replaced it, as that one's tag says.
    """
    versions = await at.parts.versions(secret.ref)
    others = [version for version in versions if version.version != secret.version]
    latest = max((version.created for version in others), default=secret.created)
    if latest >= secret.created:
        return []
    operations = {version.tags.get(tags.OPERATION) for version in others}
    before = [str(version.version) for version in others if version.created == latest]
    return [it for it in before if operation_id(secret.ref, it) not in operations]

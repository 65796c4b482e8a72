"""Revoke a superseded credential, prove that it is refused, disable its version, and forget it."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from engine.contract import Job, Lists, Recognise, Rewrites, Rotator, Tidy
from engine.errors import NeedsHuman, PermanentError, RekeyError
from engine.follow_up import refresh, tasks
from engine.rotation import leaked, report
from engine.rotation.context import Rotation
from engine.rotation.derived import Dependents
from engine.rotation.ownership import other_owner, other_writer
from engine.rotation.proof import TRIED, UNLISTED
from engine.rotation.source_lease import LOST
from engine.secret import SecretVersion, Sensitive
from engine.state import tags, template
from engine.state.decision import Retire, Wait
from engine.state.record_parts import Past
from engine.state.request import Outcome, WorkItem
from engine.state.tags import Managed, Pending

log = logging.getLogger("rekey")

LOST_FIX = "set a password there by hand"
LASTING = timedelta(hours=1)
"""How long after its overlap a revoked credential may work on before a person hears of it."""


def _rotator_of(at: Rotation) -> Rotator:
    """Return the plug-in for the published credential; raises NeedsHuman if this app has none."""
    # Tags may name another kind since, of which nothing was published here.
    kinds = (at.record.kind, at.here.rotator.kind if at.here else "")
    rotators = (at.parts.rotators[kind] for kind in kinds if kind in at.parts.rotators)
    if rotator := next(rotators, None):
        return rotator
    raise NeedsHuman(
        f"the record names the kind {at.record.kind!r}, which this app does not know",
        where=at.lease.source,
        fix="deploy the version of Rekey, or the package, that brings this kind",
    )


async def superseded(at: Rotation, secret: SecretVersion, reason: str = "") -> SecretVersion:
    """Revoke the credential that the record says is to be retired; return the secret as it is then.

    A tag alone retires nothing.
    """
    pending, progress = at.record.retirement, at.progress
    assert pending  # noqa: S101 - decided from it
    if kept := await _kept_or_revoked(at, secret, pending):
        kept = f"{pending.credential_id} is not retired: {kept}"
        log.warning("%s: %s", secret.ref, kept)
        progress.reason = "; ".join(filter(None, (progress.reason, kept)))
        record = at.record.forgotten(pending)
    else:
        if at.here:
            await at.replicas.disable_superseded(secret.ref)
        record = at.record.retired(pending)
        if progress.result in (None, "confirmed"):
            progress.result = "retired"
        passed = f"the overlap of {pending.credential_id} at {at.lease.source} has passed"
        progress.reason = progress.reason or reason or passed
    # If this worker dies before this is written, the next one finds it proven.
    at.lease.learn(replace(record, change=replace(record.change.arrived(), open_since=None)))
    await _forget(at, secret, pending)
    return at.observed.believed


async def _kept_or_revoked(at: Rotation, secret: SecretVersion, pending: Pending) -> str:
    """Revoke one credential, or return why it is kept."""
    await at.vault_writer.out_of_use(secret)
    if pending.version in at.record.compromised.revoked:
        return ""
    names = at.parts_with(_managed(at, secret), pending.credential_id)
    if theirs := await other_owner(at.lease, secret, names):
        # Another secret has its login by now, and its owner's consent went with that.
        return theirs.reason
    try:
        await _revoke(at, secret, pending)
    except NeedsHuman:
        if not await _is_in_use(at, secret, pending):
            raise
        # There is nothing to retire any more.
        return "somebody has taken it into use again"
    return ""


async def _forget(at: Rotation, secret: SecretVersion, pending: Pending) -> None:
    """Disable the versions with what was revoked, and take the tag that announced it off."""
    await at.vault_writer.out_of_use(secret)
    if at.here or f" {pending.version} " in at.observed.shown.tags.get(tags.RETIRE, ""):
        # If the secret has left this source, its tags are about another one.
        marks = tags.unparked((secret if at.here else at.observed.shown).tags)
        rest = {tag: text for tag, text in marks.items() if tag in tags.OURS - {tags.RETIRE}}
        fresh = await at.vault_writer.retag(secret, rest, "forget")
        at.observed.retagged(replace(secret, tags=fresh.tags))


def _managed(at: Rotation, secret: SecretVersion) -> Managed | None:
    """Return what the tags ask for at this source, or did before its owner took them away."""
    return at.here or at.managed_here(replace(secret, tags=at.record.verified.tags))


async def _revoke(at: Rotation, secret: SecretVersion, pending: Pending) -> None:
    old, rotator = await _value(at, pending), _rotator_of(at)
    held = await _held(at, secret, pending, old)
    await at.vault_writer.unchanged(secret)
    if not await _has_come(at, secret, pending, old):
        if old is None:
            await _note_slot(at, secret, pending, held)
        elif at.record.history.credential_of(pending.version) is None:
            await _note_held(at, pending, old)
        await tidy_of_another(at, secret)
        try:
            await at.revoke(secret, rotator, pending.credential_id, held)
        except NeedsHuman:
            # If the credential is refused, somebody has put another one in its place and the vault.
            if old is None or await rotator.accepts(at.lease.source, pending.credential_id, old):
                raise
    proof = await _prove_gone(at, pending, old)
    await _note(at, pending, proof)


async def _prove_gone(at: Rotation, pending: Pending, old: Sensitive | None) -> str:
    """Prove that the revoked credential is refused, or, if it cannot be tried, not listed.

    Return how; empty if nothing can prove it. Raises the error for one that is still there.
    """
    rotator, credential_id = _rotator_of(at), pending.credential_id
    if old:
        is_gone, still = await at.proof.refused(rotator, credential_id, old), "accepted"
    elif isinstance(rotator, Lists):
        is_gone, still = await at.proof.unlisted(rotator, credential_id), "listed"
    else:
        return ""
    if not is_gone:
        # Each try begins a change anew. So the overlap tells for how long it is tried in vain.
        is_lasting = at.lease.found.is_uncertain and at.now - pending.at > LASTING
        raise at.not_revoked(credential_id, still, is_lasting=is_lasting)
    return TRIED if old else UNLISTED


async def _has_come(
    at: Rotation, secret: SecretVersion, pending: Pending, old: Sensitive | None
) -> bool:
    """Return whether the credential is gone already.

    A slow source may have carried out the revocation of an earlier try, or somebody has replaced
    the credential by hand. To revoke it again would cut off what they put in its place. A source
    that lists its credentials removes this very one, and no other.
    """
    is_awaited, rotator = at.record.change.in_progress_since, _rotator_of(at)
    if isinstance(rotator, Lists) and not is_awaited:
        return False
    try:
        if old:
            return not await rotator.accepts(at.lease.source, pending.credential_id, old)
        return await at.proof.is_replaced(rotator, _job(at, secret), pending.version)
    except RekeyError as error:
        if is_awaited or error.retry_after is not None:
            raise
        # The credential must go, whatever keeps the source from an answer.
        return False


async def _note_held(at: Rotation, pending: Pending, old: Sensitive) -> None:
    """Note a credential that a person wrote, if it works: only a tag told the id.

    A late write of an old list may bring it back. And its refusal proves something from then on.
    """
    try:
        is_accepted = await _rotator_of(at).accepts(at.lease.source, pending.credential_id, old)
    except RekeyError as error:
        if error.retry_after is not None:
            raise
        return
    if is_accepted:
        digest = at.record.digest(pending.credential_id, old)
        _know(at, Past(pending.version, pending.credential_id, digest))


async def _note_slot(
    at: Rotation, secret: SecretVersion, pending: Pending, held: Sensitive | None
) -> None:
    """Note what the source shows in the slot of the credential, because its version cannot be read.

    Only that tells another worker later that a slow source has revoked it. It is not noted if the
    current version holds the same: then somebody has put that into the slot.
    """
    record, credential_id, job = at.record, pending.credential_id, _job(at, secret)
    if job is None or record.history.credential_of(pending.version):
        return
    shown = await at.proof.slot(_rotator_of(at), job, credential_id)
    if shown and not (held and shown == record.digest(credential_id, held)):
        _know(at, Past(pending.version, credential_id, shown))


def _know(at: Rotation, past: Past) -> None:
    at.lease.learn(replace(at.record, history=at.record.history.knowing(past)))


def _job(at: Rotation, secret: SecretVersion) -> Job | None:
    managed = _managed(at, secret)
    return at.parts.job(secret, managed) if managed else None


async def _is_in_use(at: Rotation, secret: SecretVersion, pending: Pending) -> bool:
    """Return whether somebody wrote the credential to retire, or one in its slot, to the secret."""
    if at.here is None or at.record.wrote(secret):
        return False
    leaked = await _value(at, pending) if at.effective_item().compromised else None
    if secret.contains(leaked):
        # The current version holds the leaked credential again. It is replaced first.
        return True
    held = at.parts.held(secret, at.here)
    if held is None:
        return False
    if isinstance(at.rotator, Recognise):
        return await at.recognised(secret) == pending.credential_id
    return await at.rotator.accepts(at.lease.source, pending.credential_id, held)


async def _note(at: Rotation, pending: Pending, proof: str) -> None:
    """Note that the credential is gone, and which versions must still be disabled for it.

    An incident ends only with a proof that the credential is refused.
    """
    record = at.record
    is_leak = pending.version in record.compromised.versions
    if proof and not (is_leak and at.observed.may_come_back):
        keeps = at.may_work_elsewhere(pending.version)
        await at.observed.settle(pending.version, proof, keeps=keeps)
    else:
        await at.lease.write(record.discarded(*record.history.same_as(pending.version)))


async def _value(at: Rotation, pending: Pending) -> Sensitive | None:
    """Return the credential in an earlier version; None if that is gone or disabled.

    If an edited ValueTemplate reads another part of the value, the part that works counts.
    """
    old = await at.observed.earlier(pending.version)
    return await working(at, old, pending) if old else None


async def working(at: Rotation, version: SecretVersion, pending: Pending) -> Sensitive | None:
    """Return the credential in a version; of several that it may hold, one that works in the slot."""
    rotator, managed = _rotator_of(at), at.here or at.parts.tagged(version).managed
    shape = managed.template if managed else None
    held = list(leaked.credentials_in(version, rotator.value_field, shape, at.record))
    for credential in held[1:]:
        if await rotator.accepts(at.lease.source, pending.credential_id, credential):
            return credential
    return held[0] if held else None


async def _held(
    at: Rotation, secret: SecretVersion, pending: Pending, old: Sensitive | None
) -> Sensitive | None:
    """Return the current credential, which must never be revoked.

    Its tags may be gone, malformed, or about another source. Then those of earlier versions tell,
    too, what its value looks like.
    """
    if secret.contains(old):
        raise NeedsHuman(
            "the current version holds the credential that is to be revoked",
            where=str(secret.ref),
            fix="rotate the secret; its earlier credential is revoked after that",
        )
    if at.here:
        return at.parts.held(secret, at.here)
    return await working(at, secret, pending)


async def hold_back(
    at: Rotation, secret: SecretVersion, item: WorkItem, decision: Retire
) -> Wait | None:
    """Return until when a retirement waits for apps, derived secrets of the key, or replicas."""
    dependents = _dependents(at, decision.managed)
    refs = dependents.holders(secret)
    lagging = await refresh.hold_back(at.parts, secret, item, decision, refs)
    lagging = lagging or await _wait_for_replicas(at, secret, item, decision)
    return lagging or await dependents.hold_back(secret, item, decision)


async def _wait_for_replicas(
    at: Rotation, secret: SecretVersion, item: WorkItem, decision: Retire
) -> Wait | None:
    """Return until when a retirement waits for who reads a replica that was written late.

    They have an overlap of their own. A replica that cannot be read or written may hold what is to
    be revoked.
    """
    patience = refresh.patience(at.parts, secret, item, decision)
    if not patience:
        return None
    try:
        latest = await _replicas_written(at, secret)
        if latest is None:
            return None
        until = min(latest + decision.managed.overlap, patience)
        why = f"a replica was written at {latest:%Y-%m-%d %H:%M}Z"
    except PermanentError as error:
        until, why = patience, error.what
    if until <= at.now:
        return None
    kept = f"{decision.pending.credential_id} is kept until {until:%Y-%m-%d %H:%M}Z"
    return Wait(until, f"{kept}: {why}", "send force to retire it now")


async def _replicas_written(at: Rotation, secret: SecretVersion) -> datetime | None:
    """Write each replica that holds something else; return when one was written last."""
    managed, replicas = at.managed, at.replicas
    fields = template.extract(managed.template, secret.value)
    copies = await replicas.consenting(secret.ref)
    if fields and not all(replicas.holds(copy, fields) for copy in copies):
        credential, held_id = fields[at.rotator.value_field], managed.credential_id or ""
        await at.proof.accepted(managed, held_id, credential, "confirm")
        for copy in copies:
            await replicas.caught_up(copy, secret, fields)
        copies = await replicas.consenting(secret.ref)
    return max((copy.created for copy in copies), default=None)


async def leave_source(at: Rotation, secret: SecretVersion) -> Outcome | None:
    """End the work at a source that the secret has left.

    The outcome says so if nobody may know its password.
    """
    if _is_settled(at, secret):
        # The leaked version is disabled by now, so the item must not go on at another source.
        at.progress.result = at.progress.result or "confirmed"
        at.progress.reason = at.progress.reason or "what leaked is refused"
        return report.outcome_of(at, secret)
    if at.record.unreported_ids:
        # The rest of the item is about another source.
        outcome = await tasks.conclude(at.parts, report.outcome_of(at, secret))
        at.observed.reported(outcome)
    is_unknown = at.record.is_unknown
    is_over = at.item.recheck and await at.observed.note_left()
    reason = f"the secret has left {at.lease.source}"
    if is_over and is_unknown:
        return Outcome(at.progress.item, "parked", f"{reason}, and {LOST}", LOST_FIX)
    # A recheck is about this source alone: the present one has rechecks of its own.
    return Outcome(at.progress.item, "skipped", reason) if at.item.recheck else None


def _is_settled(at: Rotation, secret: SecretVersion) -> bool:
    """Return whether the item is only about an earlier version of this source, which is refused.

    It is not if the incident also covers the current version.
    """
    item, record = at.progress.item, at.record
    is_older = item.began is not None and secret.created < item.began
    is_exact = item.compromised and not is_older and item.version != secret.version
    # A rotation here was to replace it, or it had to be revoked, or the source has accepted it.
    is_asked = record.change.requested_at is not None and record.change.version == item.version
    was_here = record.unreported_ids or is_asked or record.has_accepted(item.version or "")
    is_refused = record.compromised.is_refused(item.version, item.reported_at)
    return bool(is_exact and was_here and is_refused)


async def tidy_abandoned(at: Rotation) -> None:
    """Remove what an abandoned rotation has made: nobody will publish it.

    The credential in the current version stays. A record that went back may not know of it.
    """
    record = at.record
    # Of other kinds nothing is left, so a source that cannot be asked keeps no change open.
    may_hold_more = isinstance(at.parts.rotators.get(record.kind), Tidy)
    if record.pending_write or not (record.abandoned and at.is_bound and may_hold_more):
        return
    keep = await _kept(at)
    for operation in record.abandoned:
        await at.lease.tidy(record.kind, operation, keep)


async def tidy_of_another(at: Rotation, secret: SecretVersion) -> None:
    """Remove what was made for a version that somebody has replaced since.

    The next change makes the record forget it. It stays if a replica may hold it.
    """
    is_copied = at.here is not None and at.here.replicas
    if at.record.change.version != secret.version and not is_copied:
        await tidy_abandoned(at)


async def _kept(at: Rotation) -> str | None:
    """Return the id of the current version's credential here; None if the source has lost it.

    If a person wrote the version, its tag may name another credential, so the source is asked which
    one it is. A source with one list removes nothing while the credential to keep is missing there,
    so a lost one is not named.
    """
    if at.here is None:
        return None
    shown, named = at.observed.shown, at.here.credential_id
    held = at.parts.held(shown, at.here)
    if held and isinstance(at.rotator, Rewrites) and await at.proof.refuses(at.rotator, held):
        return None
    if not held or at.record.wrote(shown):
        return named
    return await at.recognised(shown) or named


def _dependents(at: Rotation, managed: Managed) -> Dependents:
    # Somebody may have written the same key again since. It is as old as the published one.
    published = at.record.published
    return Dependents(at.parts, managed, published.at if published else None)


async def is_kept(at: Rotation, secret: SecretVersion) -> bool:
    """Return whether a due credential stays.

    A parked secret, or one that is left to a person, may still need it: also where it rests because
    its record is older than its version. If the secret has left the source, its derived secrets may
    still be inside an overlap.
    """
    pending, managed = at.record.retirement, at.here
    if not at.is_bound:
        return True
    if managed and await other_writer(at.parts, at.record, at.observed.shown):
        return True
    # The record tells where the secret was, and its present tags tell what it consents to.
    consents = {tag: text for tag, text in secret.tags.items() if tag != "ProviderAddress"}
    before = replace(secret, tags={**at.record.verified.tags, **consents})
    published = managed or at.managed_here(before)
    if pending is None or published is None:
        return False
    retire, item = Retire(published, pending, "its overlap passed"), at.effective_item()
    if managed is None:
        return await _dependents(at, published).hold_back(secret, item, retire) is not None
    waits = await hold_back(at, secret, item, retire)
    return waits is not None or await at.is_refused(secret)

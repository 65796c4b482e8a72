"""Leaked versions: which ones an incident means, what they hold, and which secret holds that now.

A compromised credential is proven to be refused, or revoked, before its incident may end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from engine.contract import Lists, Readable, Recognise, Rotator
from engine.errors import (
    AccessDenied,
    MayComeBack,
    NeedsHuman,
    NotFound,
    PermanentError,
    TransientError,
)
from engine.parts import Parts
from engine.rotation.context import Rotation
from engine.rotation.ownership import has_moved, other_owner
from engine.rotation.proof import IN_PLACE, TRIED, UNLISTED
from engine.rotation.source_lease import NOBODY, SourceLease
from engine.secret import SecretRef, SecretVersion, Sensitive, Version
from engine.state import template
from engine.state.decision import Acting, Decision, Park
from engine.state.incident import RECOVER, deleted_at
from engine.state.index import Listed
from engine.state.record import Record, covers, parts_of
from engine.state.record_parts import SAME_VALUE, Past
from engine.state.request import WorkItem
from engine.state.tags import Managed, Pending

ENABLE_FIX = "enable that version for a moment, so that Rekey can try it"
PURGED_FIX = (
    "the vault has no such version: revoke it at its source by hand, then move the record of that "
    "source aside, see docs/runbook.md, section 'The record of a source'"
)


async def compromised_versions(at: Rotation, secret: SecretVersion) -> list[str]:
    """Return the versions that an incident is about; raises NeedsHuman while nobody can tell.

    `secret` is the current version.
    """
    item, record, since = at.progress.item, at.record, at.progress.item.began
    if not (item.version or secret.version):
        raise NeedsHuman(
            "the secret is disabled, so nobody can tell which credential leaked",
            where=str(secret.ref),
            fix="enable it: the incident is tried again for a month",
        )
    if since is None:
        # Once the secret is observed, an item without a date names a version.
        return [str(item.version)]
    # Beside a version that is named, only what the record knows may have leaked.
    is_more = {*record.may_accept} - {secret.version}
    older = await _older(at, secret, since) if is_more or not item.version else []
    if item.version:
        await _send_on_what_it_held(at, secret)
        meant = [item.version]
    else:
        meant = await _held_then(at, secret, since, older)
    alive, owed = record.alive_before(since, secret, older), await _owed(at, secret, older)
    return [*dict.fromkeys((*meant, *alive, *owed))]


async def _owed(at: Rotation, secret: SecretVersion, older: Sequence[str]) -> list[str]:
    """Return the versions, among older ones, with what is to be retired here.

    If only tags say that this source has accepted it, and another source has, the report is sent on
    to that. Nothing of it is to be retired here then.
    """
    owed = list[str]()
    for going in at.record.to_retire:
        held = [old for old in at.record.history.same_as(going.version) if old in older]
        if not held or await _is_in_place(at, going, secret):
            continue
        if at.record.has_proven(going.version) or not await _is_sent_on(at, held[0]):
            owed += held
        else:
            at.lease.learn(at.record.forgotten(going))
    return owed


async def _held_then(
    at: Rotation, secret: SecretVersion, since: datetime, older: list[str]
) -> list[str]:
    """Return the version that the secret held as an incident began that names none."""
    record = at.record
    if record.is_older(secret, since) or not (older or record.wrote(secret)):
        return [str(secret.version)]
    if not older:
        # Nobody knows how old the credential is of the version that was replaced.
        return [it.version for it in record.to_retire[:1]]
    # The secret may have moved here since. The leak is at its previous source then.
    was_here = record.has_proven(older[0]) or not await _is_sent_on(at, older[0])
    return older[:1] if was_here else []


async def _send_on_what_it_held(at: Rotation, secret: SecretVersion) -> None:
    """Send the report on if the named version was written after it, by whomever.

    An incident is dated a little ahead. So the secret may have held another version when it was
    reported, and at another source. The named one may have been replaced since.
    """
    item, reported = at.progress.item, at.progress.item.reported_at
    if not (reported and secret.created >= reported):
        return
    older = await _older(at, secret, reported)
    if older and item.version not in older:
        await _is_sent_on(at, older[0])


async def _is_sent_on(at: Rotation, version: str) -> bool:
    """Return whether an earlier version was of another source, and send the report on to that.

    The owner has named the present source since the report. What is proven to be refused there is
    not sent on again.
    """
    item, records = at.progress.item, await at.parts.known(at.item.ref)
    source = await held_at(at.parts, item.ref, version, records)
    if not source or at.lease.covers(source):
        return False
    record = await at.parts.leases.peek(source)
    if record and record.compromised.is_refused(version, item.reported_at):
        return True
    later = replace(item, version=version, source=source)
    if later.request == item.request:
        # The request is about this version, and would pass for the one that is sent on.
        later = later.because(f"{item.cause.reason} (sent on to {source})")
    if await at.parts.requests.read(later.request) is None:
        await at.parts.accept(later)
    return True


async def _older(at: Rotation, secret: SecretVersion, since: datetime) -> list[str]:
    return [
        str(version.version)
        for version in await at.parts.versions(secret.ref)
        if version.version not in (None, secret.version) and version.created < since
    ]


async def _is_in_place(at: Rotation, going: Pending, secret: SecretVersion) -> bool:
    """Return whether a person has put another credential in the slot of the one to retire.

    A tag only names the slot, so the values are compared.
    """
    managed = at.managed_here(secret)
    if managed is None or managed.credential_id != going.credential_id:
        return False
    if _holds_again(at, secret, going.version, managed):
        return False
    old = await at.observed.earlier(going.version)
    return not (old and old.contains(at.parts.held(secret, managed) or secret.value))


def credentials_in(
    old: SecretVersion, value_field: str, shape: str | None, record: Record
) -> dict[Sensitive, str]:
    """Return each credential that a version may hold, and what reads it: its own template first.

    `shape` is the present template, if there is one. Its owner may have edited it since. It would
    then read the wrong part of a leaked value, the source would refuse that part, and the incident
    would end while the credential works. If the record knows the credential, only that one counts.
    """
    bare = f"{{{value_field}}}"
    known = record.verified
    before = (tags.get(template.TAG, bare) for tags in (old.tags, known.tags))
    shapes = filter(None, (*before, *known.templates, shape, bare))
    held, past = dict[Sensitive, str](), record.history.credential_of(str(old.version))
    for written in shapes:
        credential = (template.extract(written, old.value) or {}).get(value_field)
        if credential and (
            not past or record.digest(past.credential_id, credential) == past.digest
        ):
            held.setdefault(credential, written)
    return held


def owed_by_owner(parts: Parts, record: Record, item: WorkItem) -> WorkItem | None:
    """Return the same report for the secret that owns the source now, if its record owes this leak.

    The record tells that even if the secret in the report cannot be read.
    """
    is_owed = item.version in {it.version for it in record.to_retire}
    is_owed |= record.compromised.knows(item.version)
    owner = _present_owner(parts, record, item)
    return replace(item, ref=owner) if owner and is_owed else None


async def held_by_owner(parts: Parts, record: Record, item: WorkItem) -> WorkItem | None:
    """Return the same report for that secret, about its version with the leaked credential.

    None if the leaked credential is refused. The report was accepted while another secret owned the
    source. Raises PermanentError if a version cannot be read: the report comes back then.
    """
    owner = _present_owner(parts, record, item)
    if owner is None or not item.version:
        return None
    leaked = await parts.vaults.read_version(item.ref, item.version)
    rotator = parts.rotators.get(record.kind)
    field = rotator.value_field if rotator else "value"
    credentials = credentials_in(leaked, field, None, record)
    async for held in _versions(parts, record, owner):
        if any(map(held.contains, credentials)):
            return replace(item, ref=owner, version=held.version)
    for credential in credentials:
        if rotator is None or await rotator.accepts(record.source, "", credential):
            return replace(item, ref=owner)
    return None


async def passed_to(parts: Parts, item: WorkItem) -> WorkItem:
    """Return a report, or the same one about the present owner's version with what leaked.

    The source may have passed to that secret since, which holds the credential now.
    """
    record = await parts.leases.peek(item.source) if item.source else None
    later = await held_by_owner(parts, record, item) if record else None
    return later if later and later.version != item.version else item


def _present_owner(parts: Parts, record: Record, item: WorkItem) -> SecretRef | None:
    """Return the secret that owns the source of a report about another one; None if none does."""
    if not item.compromised or record.owner in ("", NOBODY, str(item.ref).lower()):
        return None
    owner = SecretRef.parse(record.owner)
    return owner if parts.policy.manages(owner.vault) else None


async def _versions(parts: Parts, record: Record, owner: SecretRef) -> AsyncIterator[SecretVersion]:
    """Yield the owner's versions that may work. The record may name versions of a former owner."""
    current = await parts.vaults.read(owner)
    yield current
    for version in record.kept_alive:
        if version != current.version:
            with suppress(NotFound):
                yield await parts.vaults.read_version(owner, version)


def named_as_deleted(error: PermanentError, item: WorkItem, source: str) -> PermanentError:
    """Return the error of an item. For a deleted secret it says where a credential may still work.

    Nothing is revoked for an incident of a deleted secret. Its owner's consent went with its tags,
    nobody knows what a successor holds by now, and without its value no refusal could be proven.
    """
    if item.compromised and isinstance(error, NotFound) and error.where == str(item.ref):
        return NotFound(deleted_at(source), where=error.where, fix=RECOVER, code=error.code)
    return error


async def settle(at: Rotation, secret: SecretVersion, version: str, decision: Decision) -> None:
    """Settle one version; raises NeedsHuman if its credential may still be accepted.

    Raises MayComeBack while a request may land that was sent before the proof.
    """
    if isinstance(decision, Park):
        raise NeedsHuman(decision.reason, where=str(secret.ref), fix=decision.fix)
    how = await _proven(at, secret, version, decision)
    if how == SAME_VALUE:
        # A person has written it again, or the source has passed to a secret that holds it, too.
        await at.observed.note_compromised(str(secret.version))
        how = f"{SAME_VALUE}: {secret.version}"
    elif at.observed.may_come_back:
        raise MayComeBack(f"version {version[:8]} is refused, and an earlier change may still land")
    await at.observed.settle(version, how, keeps=at.may_work_elsewhere(version))
    if how in (IN_PLACE, TRIED):
        await at.vault_writer.out_of_use(secret)


async def _proven(at: Rotation, secret: SecretVersion, version: str, decision: Decision) -> str:
    """Prove that the credential of a version is refused; return how.

    It is not if the current version holds the same (SAME_VALUE): that is to be replaced first.
    """
    managed = _managed(at, secret)
    if await _replaced_in_place(at, secret, version, managed):
        return IN_PLACE
    try:
        old = await at.observed.read_version(version)
    except (NotFound, AccessDenied) as unread:
        if _holds_again(at, secret, version, managed):
            return SAME_VALUE
        if await _is_refused_at_its_new_address(at, version):
            return TRIED
        await _remove_unread(at, secret, version, managed, unread)
        return UNLISTED
    held = _held(at, old, managed)
    if version != secret.version and any(map(secret.contains, held)):
        return SAME_VALUE
    await _revoke_accepted(at, secret, old, managed, held, decision)
    return TRIED


async def _revoke_accepted(
    at: Rotation,
    secret: SecretVersion,
    old: SecretVersion,
    managed: Managed,
    held: Mapping[Sensitive, str],
    decision: Decision,
) -> None:
    """Prove that each credential a version may hold is refused, or revoke it.

    `held`: the credentials with the template that reads each. What the current version holds must
    not be revoked.
    """
    known, rotator = at.record.id_of(str(old.version)), at.parts.rotator(managed)
    history = at.record.history
    for credential, shape in held.items():
        if await at.proof.refuses(rotator, credential):
            await _refused_by_former_logins(at, old, rotator, credential)
            continue
        if old.version == secret.version:
            raise _alive(at, decision)
        is_former = _is_former(managed, known)
        leaked_id = known if is_former else await _recognised(at, secret, old, managed, shape)
        names = at.parts_with(managed, leaked_id)
        if theirs := await other_owner(at.lease, secret, names, leaked=True):
            raise _not_ours(at, old, theirs.reason)
        await at.revoke(secret, rotator, leaked_id, at.parts.held(secret, managed))
        if not await at.proof.refused(rotator, leaked_id, credential):
            raise at.not_revoked(leaked_id, is_lasting=at.lease.found.is_uncertain)
        digest = at.record.digest(leaked_id, credential)
        history = history.knowing(Past(str(old.version), leaked_id, digest))
    # Only that tells later that it was accepted here, and so is of no other source.
    at.lease.learn(replace(at.record, history=history))


def _holds_again(at: Rotation, secret: SecretVersion, version: str, managed: Managed) -> bool:
    """Return whether the current version holds the credential of a version that cannot be read."""
    record = at.record
    past, held = record.history.credential_of(version), at.parts.held(secret, managed)
    is_known = past and held and record.digest(past.credential_id, held) == past.digest
    # A person may disable the current version after it was read: it does not hold "the same again".
    is_same = bool(is_known) or record.history.hold_the_same(version, str(secret.version))
    return is_same and version != secret.version


def _alive(at: Rotation, decision: Decision) -> NeedsHuman:
    """Return the error for a current version that is accepted, and that Rekey may not replace."""
    reason = "" if at.progress.unmade else f"; {decision.reason}"
    return NeedsHuman(
        f"the current version is compromised and still accepted{reason}",
        where=at.lease.source,
        fix="revoke its credential at the source, or let Rekey rotate it",
    )


async def works_at_its_new_address(at: Rotation, secret: SecretVersion, version: str) -> bool:
    """Return whether the current version has leaked, and is to be replaced at another address.

    Its resource has moved to another group, say, and its owner has edited the tag since the proof.
    """
    tagged = at.parts.tagged(at.observed.shown).managed
    if version != secret.version or not tagged or not has_moved(at.lease.source, tagged.source):
        return False
    held, rotator = at.parts.held(secret, tagged), at.parts.rotator(tagged)
    if held is None or not at.parts.policy.allows(at.item.ref.vault, tagged.source):
        return False
    with suppress(PermanentError):
        return await rotator.accepts(tagged.source, tagged.credential_id or "", held)
    # Nobody knows, so it stays here, and holds up no other version.
    return False


async def _is_refused_at_its_new_address(at: Rotation, version: str) -> bool:
    """Return whether what its resource accepted at another address was proven to be refused there."""
    for listed in await at.parts.known(at.item.ref):
        if has_moved(at.lease.source, listed.source):
            record = await at.parts.leases.peek(listed.source)
            known = record.compromised if record and record.has_proven(version) else None
            if known and known.is_refused(version, at.item.reported_at):
                return True
    return False


def _held(at: Rotation, old: SecretVersion, managed: Managed) -> dict[Sensitive, str]:
    """Return the credentials that a version may hold; raises NeedsHuman if no template reads it."""
    field = managed.rotator.value_field
    if held := credentials_in(old, field, managed.template, at.record):
        return held
    raise NeedsHuman(
        f"the credential in version {old.version} is unknown and may still be accepted",
        where=str(old.ref),
        fix="set the tag ValueTemplate of that version to what its value looks like",
    )


def _is_former(managed: Managed, credential_id: str) -> bool:
    """Return whether a credential is of a login that the tags name no more."""
    names = parts_of(managed.source_of(credential_id)) if credential_id else ()
    return not {*names} <= {*parts_of(managed.source)}


async def _refused_by_former_logins(
    at: Rotation, old: SecretVersion, rotator: Rotator, credential: Sensitive
) -> None:
    """Raise NeedsHuman if a login accepts it that its version names, and that nothing is owed at.

    Such a login is not under lease, and the refusals of others prove nothing about it.
    """
    under, named = parts_of(at.lease.source), parts_of(at.parts.tagged(old).source or "")
    if not {*under} & {*named}:
        return
    for login in (part for part in named if part not in under):
        if not await at.proof.refuses(rotator, credential, login):
            raise _not_ours(at, old, f"the secret has left {login.rpartition('/')[2]}")


async def _recognised(
    at: Rotation, secret: SecretVersion, old: SecretVersion, managed: Managed, shape: str
) -> str:
    """Return the id of the credential in a version; raises NeedsHuman if nobody can tell."""
    rotator, source = at.parts.rotator(managed), at.lease.source
    if not isinstance(rotator, Recognise):
        raise NeedsHuman(
            f"the credential of version {old.version} is still accepted",
            where=source,
            fix="revoke it there",
        )
    read = replace(secret, version=old.version, value=old.value)
    job = at.parts.job(read, replace(managed, template=shape), in_place=True)
    job = replace(job, held_id=None)
    try:
        return (await rotator.recognise(job)).credential_id
    except PermanentError as error:
        raise _not_ours(at, old, error.what) from None


def _not_ours(at: Rotation, old: SecretVersion, why: str) -> NeedsHuman:
    what = f"version {str(old.version)[:8]} is still accepted, and {why}"
    return NeedsHuman(what, where=at.lease.source, fix="revoke it at its source by hand")


async def _replaced_in_place(
    at: Rotation, secret: SecretVersion, version: str, managed: Managed
) -> bool:
    """Return whether a single slot accepts what Rekey published in place of a version.

    Then it refuses everything else. The replaced version may be disabled, so it cannot be tried.
    """
    record, held = at.record, at.parts.held(secret, managed)
    is_replaced = version in record.history.replaced and record.wrote(secret)
    is_replaced = is_replaced and not _is_former(managed, record.id_of(version))
    if not (managed.is_single and is_replaced and held):
        return False
    accepts = at.parts.rotator(managed).accepts
    return await accepts(at.lease.source, managed.credential_id or "", held)


async def _remove_unread(
    at: Rotation, secret: SecretVersion, version: str, managed: Managed, unread: PermanentError
) -> None:
    """Revoke a credential that only the record knows, because its version cannot be read.

    Raises NeedsHuman if nothing proves that it is gone: the source must show or list its
    credentials.
    """
    rotator, held = at.parts.rotator(managed), at.parts.held(secret, managed)
    record, is_gone = at.record, False
    known_id = record.id_of(version)
    if isinstance(rotator, Lists) and known_id:
        if await rotator.lists(at.lease.source, known_id):
            await at.revoke(secret, rotator, known_id, held)
        # One server of the source may know of it, and others not yet.
        is_gone = await at.proof.unlisted(rotator, known_id)
    elif isinstance(rotator, Readable) and record.history.credential_of(version):
        # The vault shows no version id of a disabled secret.
        job = at.parts.job(replace(secret, version=version), managed)
        if not await at.proof.is_replaced(rotator, job, version):
            await at.revoke(secret, rotator, known_id, held)
        is_gone = await at.proof.is_replaced(rotator, job, version)
    if not is_gone:
        raise NeedsHuman(
            f"the credential in version {version} cannot be read and may still be accepted",
            where=record.history.place_of(version) or str(secret.ref),
            fix=PURGED_FIX if isinstance(unread, NotFound) else ENABLE_FIX,
        )


def _managed(at: Rotation, secret: SecretVersion) -> Managed:
    """Return what the tags ask for at this source, or asked for before. It says how values look."""
    before = replace(secret, tags=at.record.verified.tags)
    meant = (at.parts.tagged_as_read(it, at.record).managed for it in (secret, before))
    known = [managed for managed in meant if managed]
    if not known:
        raise NeedsHuman(
            "no tags say where in its values a credential is",
            where=str(secret.ref),
            fix="give the secret its tags back",
        )
    # Tags may name another kind since, of which nothing was published here.
    known.sort(key=lambda managed: managed.rotator.kind != at.record.kind)
    here = (managed for managed in known if at.lease.covers(managed.source))
    return next(here, replace(known[0], source=at.lease.source))


async def elsewhere(
    parts: Parts,
    item: WorkItem,
    source: str,
    left: Collection[str],
    known: Sequence[Listed] | None = None,
) -> Sequence[str]:
    """Return the other sources at which the version of an incident may still work.

    A tag may have named this source only after the version had leaked. Unless the source is proven
    to have accepted it, its refusal proves nothing, and each source of that kind is asked which the
    secret has left. A resource under its former address is no other one, and the record of a claim
    alone knows of no version. `known`: the secret's records, if they were listed just now. Raises
    TransientError if they cannot be listed.
    """
    if not (item.compromised and item.version) or item.began:
        return ()
    known = await _known_unless_proven(parts, item, source) if known is None else known
    names = (it.source for it in known if it.source not in left)
    others = [it for it in names if not covers(source, it) and not has_moved(it, source)]
    here = await parts.leases.peek(source) if others else None
    return [it for it in others if await _may_be_of(parts, item, it, here or Record())]


async def _known_unless_proven(parts: Parts, item: WorkItem, source: str) -> Sequence[Listed]:
    """Return a secret's records; none where a proof tells without them, as they may be unlisted."""
    here = await parts.leases.peek(source)
    is_proven = here is not None and here.has_proven(str(item.version))
    return () if is_proven else await parts.known(item.ref)


async def _may_be_of(parts: Parts, item: WorkItem, source: str, here: Record) -> bool:
    """Return whether a version may be of another source, and is not proven to be refused there."""
    if here.has_proven(str(item.version)):
        return False
    record = await parts.leases.peek(source)
    # No kind is noted before the first rotation.
    if record is None or record.is_blank or len({record.kind, here.kind} - {""}) > 1:
        return False
    return not record.compromised.is_refused(item.version, item.reported_at)


async def leaked_at(
    parts: Parts,
    secret: Version,
    item: WorkItem,
    tagged: str,
    left: Collection[str] = (),
) -> str:
    """Return the source that has accepted the leaked credential, whatever the tags say.

    That is the `tagged` source if no other has. Sources in `left` are dealt with already. If the
    records cannot be listed, the record of the tagged source may tell alone. Raises TransientError
    if it does not, if Azure has named a time, or if only other sources are left.
    """
    return (await found(parts, secret, item, tagged, left))[0]


async def found(
    parts: Parts,
    secret: Version,
    item: WorkItem,
    tagged: str,
    left: Collection[str] = (),
) -> tuple[str, Sequence[Listed] | None]:
    """Return the same, and the secret's records; None in their place where they are not listed."""
    if not item.compromised:
        return tagged, None
    known: Sequence[Listed] | None = None
    try:
        listed = known = await parts.known(secret.ref)
    except TransientError as error:
        listed = () if left or error.retry_after else await _tagged_alone(parts, secret, tagged)
        if not listed:
            raise
    versions = dict.fromkeys((item.version or secret.version, secret.version))
    if {it.source for it in listed} <= {tagged}:
        # No other source can have accepted the current version.
        versions.pop(secret.version)
    for version in map(str, versions):
        source = await held_at(parts, secret.ref, version, listed)
        if source not in ("", *left):
            return source, known
    return tagged, known


async def _tagged_alone(parts: Parts, secret: Version, tagged: str) -> Sequence[Listed]:
    """Return the record of the tagged source, if that has accepted the current version."""
    record = await parts.leases.peek(tagged)
    known = [Listed.of(record)] if record and record.owner == str(secret.ref).lower() else []
    return [listed for listed in known if listed.accepted(secret)]


async def held_at(parts: Parts, ref: SecretRef, version: str, known: Sequence[Listed]) -> str:
    """Return the source of one version, wherever its secret is now; empty if nothing tells.

    A record tells if its source has accepted the version, or has seen it. A proof tells more than
    a retirement that is due there: the version may have named that source later. If none does, the
    version's own tags tell, even if the source that they name has passed to another secret since:
    whoever works there compares the values before anything is revoked.

    Raises AccessDenied if the app has no right to read the version. Otherwise a leak could be tried
    at a wrong source, and pass for refused.
    """
    owned = [listed.source for listed in known]
    earlier = await parts.earlier(ref, version) if parts.policy.manages(ref.vault) else None
    named = parts.tagged(earlier).source if earlier else None
    sources = filter(None, dict.fromkeys((named, *owned)))
    records = {at: record for at in sources if (record := await parts.leases.peek(at))}
    evidence = (Record.has_proven, Record.has_accepted, Record.knows)
    telling = (at for tells in evidence for at in records if tells(records[at], version))
    # The record of a further part, or of a claim alone, knows of no version.
    others = [named] if named else [at for at in records if not records[at].is_blank]
    return next(telling, others[0] if len(others) == 1 else "")


async def foreseen(
    parts: Parts, secret: SecretVersion, item: WorkItem, decision: Decision
) -> Decision:
    """Return what a worker would do first, after a preview: a leak may be at another source.

    A worker first tries the source that the record names, and parks the secret while the credential
    is accepted there. This changes nothing.
    """
    if not isinstance(decision, Acting):
        return decision
    source = await leaked_at(parts, secret, item, decision.managed.source)
    if source == decision.managed.source or not (record := await parts.leases.peek(source)):
        return decision
    rotation = Rotation(SourceLease(parts, source, (), record), item)
    try:
        managed = _managed(rotation, secret)
        accepts = parts.rotator(managed).accepts
        for credential in _held(rotation, secret, managed):
            if await accepts(source, "", credential):
                raise _alive(rotation, parts.decide(record.believed(secret), item))
    except NeedsHuman as error:
        return Park(f"{error.what} ({error.where})", error.fix)
    return decision

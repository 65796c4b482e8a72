"""Which secret owns a source, and which deployment wrote the secret's current version."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack

from engine.errors import NeedsHuman
from engine.follow_up.tasks import report_from_record
from engine.parts import Parts, log
from engine.ports import Lease
from engine.rotation.derived import ParentKey
from engine.rotation.source_lease import NOBODY, SourceLease, hold
from engine.rotation.vault_writer import Overtaken
from engine.secret import SecretRef, SecretVersion
from engine.state.decision import Park, Wait
from engine.state.index import Owned, StateIndex
from engine.state.record import Record, parts_of
from engine.state.request import nothing_of, operation_id
from engine.state.tags import BY, MAY_DERIVE, OPERATION, RETIRE, Managed, Pending


async def other_owner(
    held: SourceLease, secret: SecretVersion, names: Collection[str] = (), *, leaked: bool = False
) -> Park | None:
    """Claim the source for a secret; return why not if another secret keeps a part of it.

    `names`: the parts that are claimed, if not all. The first owner keeps the source as long as it
    still claims it, or owes something there. What a deleted owner owes passes on with the source.
    If the secret has leaked, it does not wait for an overlap.
    """
    mine = str(secret.ref).lower()
    passing_on = list[tuple[Lease, Record]]()
    meant = {*names} or {*parts_of(held.source)}
    for part, lease in zip(parts_of(held.source), held.leases, strict=True):
        if part not in meant or lease.record.owner == mine:
            continue
        passing = await _passing(held, lease, meant, leaked=leaked)
        if isinstance(passing, Park):
            return passing
        passing_on.append((lease, passing))
    # Claimed only now: a secret that is refused one part must not take other parts.
    for lease, record in passing_on:
        await _tidy(held, record, secret)
        await report_from_record(held.parts, record)
        if not record.is_blank:
            log.warning("%s passes from %s to %s", held.source, record.owner, mine)
        is_first = lease is held.leases[0]
        # Reported, a version is of one source: the record of a further part knows of none.
        prints = held.parts.printed(secret, lease.record) if is_first else ""
        await held.write_part(lease, record.passed(mine, secret, prints))
        if is_first:
            held.learn(lease.record)
    return None


async def _passing(
    held: SourceLease, lease: Lease, meant: set[str], *, leaked: bool
) -> Record | Park:
    """Return the record of a part that passes on; why it does not if its owner keeps that part."""
    parts, record = held.parts, lease.record
    if record.owner in ("", NOBODY):
        return record
    former = SecretRef.parse(record.owner)
    if not parts.policy.manages(former.vault):
        return _theirs(record, lease.where, held)
    shown = await parts.existing(former)
    if shown:
        if await _still_claims(parts, meant, shown):
            return _theirs(record, lease.where, held)
        record = record.seen(shown, parts.clock.now())
    can_pay = _can_pay(record, former, shown, leaked=leaked)
    # Two records cannot be one, so only the first passes on.
    is_first = lease is held.leases[0]
    owed = _owed(record, held, leaked=leaked and is_first) if can_pay or not is_first else None
    if owed:
        if leaked:
            # No record notes the leak, so its message comes back until the source has passed on.
            raise NeedsHuman(owed.reason, fix=owed.fix)
        return owed
    return record if is_first else Record(source=record.source, key=record.key)


def _can_pay(
    record: Record, former: SecretRef, shown: SecretVersion | None, *, leaked: bool
) -> bool:
    """Return whether a former owner may still do what it owes."""
    if shown is None:
        # Its first version may still come, and nothing shows before.
        write = record.pending_write
        return not leaked and write is not None and write.replaces == nothing_of(former)
    # Its current version may have leaked. Without its tags nobody would replace that version.
    return shown.version not in record.compromised.versions


def _theirs(record: Record, where: str, held: SourceLease) -> Park:
    """Return that another secret still claims a source."""
    going = record.retirement
    revokes = (
        f", which revokes {going.credential_id} at {going.at:%Y-%m-%d %H:%M}Z" if going else ""
    )
    return Park(
        f"{_short(held)} belongs to the secret {record.owner}{revokes}",
        "keep one secret a source: remove the tag ProviderAddress here, or there (or "
        "delete that secret, or, if its vault is not served any more, "
        f"the record {where})",
    )


def _owed(record: Record, held: SourceLease, *, leaked: bool) -> Park | None:
    """Return what a secret that has left a source still has to do there; None if nothing is left.

    Only its own versions tell what is to be revoked, so the source does not pass on before.
    """
    now, later = held.parts.clock.now(), "wait: it passes on within a day after that"
    if record.compromised.versions:
        what = "whose incident there is not over"
        later = "see why that secret is parked; what leaked may also be revoked by hand"
    elif record.retirement and not leaked:
        going = record.retirement
        what = f"which revokes {going.credential_id} there at {going.at:%Y-%m-%d %H:%M}Z"
    elif record.rechecked(now).is_pressing(now):
        what = "whose last change may still take effect there"
    else:
        return None
    return Park(f"{_short(held)} was taken over from the secret {record.owner}, {what}", later)


def _short(held: SourceLease) -> str:
    """Return the last two segments of the source. A tag has to hold the reason and the fix."""
    return "/".join(held.source.split("/")[-2:])


async def _tidy(held: SourceLease, record: Record, secret: SecretVersion) -> None:
    """Remove what the former owner's operations left at the source: no later record names it.

    These are credentials that it has not published, and others of the operation published last.
    """
    published = record.published
    if record.pending_write or not held.is_bound(secret.ref):
        return
    vain = dict[str, str | None].fromkeys(record.abandoned)
    if published and published.operation and record.fits(published, secret.value):
        vain[published.operation] = published.credential_id
    for operation, keep in vain.items():
        await held.tidy(record.kind, operation, keep)


async def _still_claims(parts: Parts, meant: set[str], other: SecretVersion) -> bool:
    """Return whether another secret is still tagged for one of these parts of a source.

    A derived secret gets nothing without its key's consent, so it must not keep others from it.
    """
    tagged = parts.tagged(other)
    if other.enabled and not claimed(parts, tagged.applied.tags) & meant:
        return False
    parent_key = ParentKey.of(parts, tagged.managed) if tagged.managed else None
    try:
        return parent_key is None or bool(await parent_key.parent(other.ref))
    except NeedsHuman:
        return False


def claimed(parts: Parts, tags: Mapping[str, str]) -> set[str]:
    """Return the parts of every source that the tags may mean, even if other tags are malformed."""
    address = tags.get("ProviderAddress", "")
    sources = (kind.canonical(address, tags) for kind in parts.kinds.claiming(address))
    return {part for source in sources if source for part in parts_of(source)}


async def other_writer(
    parts: Parts, record: Record, secret: SecretVersion, *, rotates: bool = False
) -> Park | Wait | None:
    """Return why a version by another deployment, or one without a record, is refused; else None.

    `secret` is the version as the vault shows it. `rotates`: it is to be replaced although it has
    not leaked, so that waits for an overlap that a record of another source promises: the source
    may have got another address since.
    """
    if not secret.version or record.wrote(secret):
        return None
    writer, own = secret.tags.get(BY, ""), parts.policy.deployment
    if parts.is_anothers(secret):
        return Park(
            f"the deployment {writer} rotates this secret too: it wrote the current version",
            f"let one deployment serve the vault; if {writer} is gone, remove the tag {BY}",
        )
    replaced = operation_id(secret.ref, record.published.version) if record.published else ""
    if replaced and secret.tags.get(OPERATION) == replaced and not (writer and own):
        return _unknown(secret, record)
    if not _is_news(secret, record):
        return None
    return await _retired_elsewhere(parts, record, secret, rotates=rotates)


async def _retired_elsewhere(
    parts: Parts, record: Record, secret: SecretVersion, *, rotates: bool
) -> Park | Wait | None:
    """Judge a retirement that this record does not know.

    A record of another source lists it after a change of the secret's ProviderAddress.
    """
    mine = str(secret.ref).lower()
    known = [listed async for listed in parts.leases.index() if listed.owner == mine]
    elsewhere = {it.source: it.pending for it in known if it.source != record.source and it.pending}
    if not elsewhere:
        return unrecorded(secret)
    same = [going.at for source, going in elsewhere.items() if has_moved(source, record.source)]
    until = max(same, default=parts.clock.now())
    if not rotates or until <= parts.clock.now():
        return None
    return Wait(until, f"inside the overlap at its former address until {until:%Y-%m-%d %H:%M}Z")


def has_moved(source: str, now: str) -> bool:
    """Return whether two addresses may be of one resource, which has moved to another group."""
    names = {address.rpartition("/providers/")[2] for address in (source, now)}
    return source != now and len(names) == 1 and source.startswith("/subscriptions/")


def _unknown(secret: SecretVersion, record: Record) -> Park:
    """Return why a version is refused that has the tag of Rekey's next operation, and no record.

    The store of records may have failed over to an older copy. Then no record names the credential
    that the version's tag wants to have revoked.
    """
    fix = f"remove the tag {OPERATION}"
    if _is_news(secret, record):
        fix = f"{_revoke_by_hand(secret)} and remove {OPERATION} and {RETIRE}"
    return Park(
        "another deployment of Rekey wrote the current version, or the record is older than that",
        f"let one deployment serve the vault; if only one does, {fix}",
    )


def _is_news(secret: SecretVersion, record: Record) -> bool:
    """Return whether the tag RekeyRetire names a version of whose end the record knows nothing."""
    if RETIRE not in secret.tags:
        return False
    try:
        version = Pending.parse(secret.tags[RETIRE]).version
    except ValueError:
        return record.published is None
    known = [*record.history.replaced, *record.compromised.revoked]
    known += [pending.version for pending in record.to_retire]
    known += [record.published.replaces] if record.published else []
    return version not in known


def unrecorded(secret: SecretVersion) -> Park:
    """Return why a tag RekeyRetire that no record confirms is not followed."""
    return Park(
        f"tag {RETIRE} names a credential to revoke, of which there is no record",
        f"{_revoke_by_hand(secret, ' at its source')}, then remove the tag {RETIRE}",
    )


def _revoke_by_hand(secret: SecretVersion, where: str = "") -> str:
    """Return how to revoke what the tag RekeyRetire names. Signatures made with a key end with it."""
    named = secret.tags[RETIRE].rpartition(" ")[2][:60]
    used = "it, or what it made, is in use" if MAY_DERIVE in secret.tags else "it is in use"
    return f"revoke {named}{where} unless {used}"


async def owned(parts: Parts, ref: SecretRef) -> Owned:
    """Read a secret and the records that name it as their owner, without a lease."""
    known = (await StateIndex.read(parts.leases.index())).of(ref)
    records = [await parts.leases.peek(listed.source) for listed in known]
    return Owned(await parts.vaults.read(ref), [record for record in records if record])


async def release(
    parts: Parts,
    ref: SecretRef,
    managed: Managed | None,
    kept: Mapping[str, str],
    check: Callable[[Owned], None],
) -> None:
    """Leave the secret with the tags `kept` alone, and the records without it.

    `check` raises where the secret, as it is under the leases, is not to be released. Raises
    SourceBusy while another worker holds a lease, Stale while the vault lags behind the records,
    and Overtaken if somebody wrote a version.

    Both happen under the leases of its sources, so no rotation is in between. The tags go first:
    nobody rotates a secret without them. If the worker dies before the records are written, the
    release is repeated. A record that still named the secret would later call it dropped.
    """
    before = await owned(parts, ref)
    names = _parts_owned(before, managed)
    mine = (str(ref).lower(), NOBODY)
    async with AsyncExitStack() as stack:
        under = list[SourceLease]()
        for name in names:
            if not any(name in parts_of(lease.source) for lease in under):
                under.append(await stack.enter_async_context(hold(parts, name)))
        leases = [part for lease in under for part in lease.leases if part.record.owner in mine]
        fresh = await parts.vaults.read(ref)
        if fresh.version != before.secret.version:
            raise Overtaken("somebody has written a version in the meantime", where=str(ref))
        now = parts.clock.now()
        records = [lease.record.seen(fresh, now) for lease in leases]
        check(Owned(fresh, records))
        if dict(fresh.tags) != dict(kept):
            await parts.vaults.retag(fresh, kept)
        # The first part names them all, until the others are nobody's.
        for lease, record in reversed([*zip(leases, records, strict=True)]):
            await report_from_record(parts, record)
            await lease.write(Record(key=record.key))


def _parts_owned(known: Owned, managed: Managed | None) -> list[str]:
    """Return each part of the secret's sources once. Each of several logins has its own record."""
    sources = [record.source for record in known.records] + ([managed.source] if managed else [])
    return list(dict.fromkeys(name for source in sources for name in parts_of(source)))

"""How far incidents have come, and what each did with every secret, for people.

It comes from the vaults' versions, and from the records, which keep each source's latest proofs. No
value is read. What incidents do not reach is told, too: what is deleted, or in a vault that is not
served any more, as far as records know it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched, takewhile
from typing import Literal

from engine.engine import Engine
from engine.errors import PermanentError, RekeyError
from engine.rotation.proof import in_its_place, read_proof
from engine.secret import SecretRef, Version
from engine.state.entry import Entry
from engine.state.incident import ALL, Incident, IncidentProgress, Stands
from engine.state.index import StateIndex
from engine.state.record import Record
from engine.state.request import WorkItem
from engine.sweep.incidents import IncidentSweep, deleted_secrets

AT_ONCE = 20
"""How many secrets, or stored requests, are looked at together."""
FAR = datetime.max.replace(tzinfo=UTC)


async def counted(engine: Engine, incidents: Sequence[Incident]) -> list[IncidentProgress]:
    """Count how far each incident has come; each vault is listed once.

    A vault that cannot be listed is named in place of its secrets. Raises its error where none can.
    """
    index, primaries = await engine.index(), dict[SecretRef, SecretRef | None]()
    sweeps = [IncidentSweep(engine, incident, index, primaries) for incident in incidents]
    works = [(work, IncidentProgress()) for work in sweeps]
    vaults = {vault for incident in incidents for vault in incident.vaults}
    listed, unlisted = dict[str, list[Version]](), dict[str, RekeyError]()
    for vault in sorted(vaults):
        try:
            served = engine.policy.manages(vault)
            listed[vault] = [it async for it in engine.vaults.list(vault)] if served else []
        except RekeyError as error:
            unlisted[vault] = error
    if unlisted and not listed:
        raise next(iter(unlisted.values()))
    stored: Sequence[WorkItem] | None = None
    for work, progress in works:
        # First, because a report names only so many of those that need a person.
        for vault, problem in unlisted.items():
            if vault in work.incident.vaults:
                progress.add_unlisted(vault, problem)
        for vault, secrets in listed.items():
            await _count(work, vault, secrets, progress)
        if not progress.secrets:
            await work.count_passed_on(progress)
        if progress.is_over and engine.clock.now() <= work.incident.tried_until:
            stored = await _stored(engine) if stored is None else stored
            await work.count_stored(stored, progress)
            progress.is_ordered = await _is_ordered(work)
    return [progress for _, progress in works]


async def _count(
    work: IncidentSweep, vault: str, secrets: Sequence[Version], progress: IncidentProgress
) -> None:
    for secret in secrets:
        await work.count(work.engine.inventory.entry(secret), progress)
    for ref in deleted_secrets(vault, {secret.ref for secret in secrets}, work.index):
        await work.count_unreached(ref, progress)


async def _stored(engine: Engine) -> Sequence[WorkItem]:
    """Return the work that is stored because it is not done."""
    names, works = await engine.requests.due(FAR), list[WorkItem]()
    for part in batched(names, AT_ONCE, strict=False):
        for text in filter(None, await asyncio.gather(*map(engine.requests.read, part))):
            with suppress(PermanentError):  # an order, or what nobody can carry out
                works.append(WorkItem.from_json(text))
    return works


async def _is_ordered(work: IncidentSweep) -> bool:
    """Return whether an order of an incident is still to be carried out for the first time.

    Later it is stored as well: it is sent again, for what comes into its scope late.
    """
    if work.incident.version:
        return False
    orders = await asyncio.gather(*map(work.order, work.incident.vaults))
    return any(order and not order.again for order in orders)


async def of_secret(
    engine: Engine, incident: Incident, current: Entry, index: StateIndex
) -> IncidentProgress:
    """Count how far an incident has come with one secret; nothing if it does not cover that."""
    progress = IncidentProgress()
    await IncidentSweep(engine, incident, index).count(current, progress)
    return progress


async def unreached(engine: Engine, incident: Incident) -> Sequence[Mapping[str, str]]:
    """Name each deleted secret, with where its credential may still work.

    A vault is listed only if there are records of secrets in the scope.
    """
    index, progress = await engine.index(), IncidentProgress()
    work = IncidentSweep(engine, incident, index)
    for vault in filter(engine.policy.manages, incident.vaults):
        if any(map(work.covers_deleted, deleted_secrets(vault, set(), index))):
            listed = {secret.ref async for secret in engine.vaults.list(vault)}
            for ref in deleted_secrets(vault, listed, index):
                await work.count_unreached(ref, progress)
    return progress.named


@dataclass(frozen=True, slots=True)
class RevokedVersion:
    """A version whose credential had to go."""

    version: str
    credential: str
    refused: datetime | None = None
    """When its source was proven to refuse it; None while it is not, or if no record tells."""
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an incident did with one secret."""

    stands: Stands
    sources: tuple[str, ...] = ()
    revoked: tuple[RevokedVersion, ...] = ()
    """What leaked first, then older versions that were revoked for this incident, too."""
    replaced_by: str = ""
    replaced: datetime | None = None

    @property
    def refused(self) -> datetime | None:
        """When the last of its credentials was proven to be refused; None while one is not."""
        return _last([version.refused for version in self.revoked])


@dataclass(frozen=True, slots=True)
class Milestone:
    """One thing that happened, and when."""

    at: datetime
    what: Literal["reported", "replaced", "refused", "ended"]
    place: SecretRef | None = None
    version: str = ""
    detail: str = ""


def timeline(
    incident: Incident, secrets: Sequence[Evidence], over: datetime | None
) -> list[Milestone]:
    """Return all that is known to have happened, in order of time."""
    by = f"by {incident.requested_by}: {incident.reason}"
    happened = [Milestone(incident.reported, "reported", version=incident.version, detail=by)]
    for evident in secrets:
        ref = evident.stands.ref
        if evident.replaced:
            happened.append(Milestone(evident.replaced, "replaced", ref, evident.replaced_by))
        happened += [
            Milestone(old.refused, "refused", ref, old.version, old.proof)
            for old in evident.revoked
            if old.refused
        ]
    if over:
        happened.append(
            Milestone(over, "ended", detail="the last credential was proven to be refused")
        )
    return sorted(happened, key=lambda milestone: milestone.at)


async def evidence(engine: Engine, incident: Incident) -> tuple[IncidentProgress, list[Evidence]]:
    """Return how far an incident has come, and what it did with each secret, by vault and name."""
    (progress,) = await counted(engine, [incident])
    index, secrets = await engine.index(), list[Evidence]()
    by_name = sorted(progress.each, key=lambda stands: str(stands.ref).lower())
    for part in batched(by_name, AT_ONCE, strict=False):
        looks = (_of(engine, incident, stands, index) for stands in part)
        secrets += await asyncio.gather(*looks)
    return progress, secrets


def ended(progress: IncidentProgress, secrets: Sequence[Evidence]) -> datetime | None:
    """Return when the last credential was proven to be refused; None while one may not be."""
    return _last([secret.refused for secret in secrets]) if progress.is_over else None


def _last(times: Sequence[datetime | None]) -> datetime | None:
    known = [time for time in times if time]
    return max(known) if known and len(known) == len(times) else None


async def _of(engine: Engine, incident: Incident, stands: Stands, index: StateIndex) -> Evidence:
    if stands.ref.name == ALL:
        return Evidence(stands)
    # A replica has no record: what proves its credential refused stands in that of its primary.
    owner = SecretRef.parse(stands.primary) if stands.primary else stands.ref
    sources = tuple(listed.source for listed in index.of(owner))
    if incident.version and incident.source not in ("", *sources):
        # Its record may have passed on since.
        sources = (incident.source, *sources)
    records = [record for source in sources if (record := await _peek(engine, source))]
    versions = await _versions(engine, owner)
    own = versions if owner == stands.ref else await _versions(engine, stands.ref)
    new = _newer(own, incident, records)
    replaced = new[-1] if new and len(new) < len(own) else None
    return Evidence(
        stands,
        sources,
        (*_revoked(versions, incident, records), *_recorded(versions, incident, records)),
        str(replaced.version) if replaced else "",
        replaced.created if replaced else None,
    )


def _revoked(
    versions: Sequence[Version], incident: Incident, records: Sequence[Record]
) -> Iterator[RevokedVersion]:
    proven = _proofs(records)
    if incident.version:
        older = [version for version in versions if version.version == incident.version]
    else:
        older = [version for version in versions if _is_older(version, incident, records)]
    for place, version in enumerate(older):
        at, proof = proven.get(str(version.version), (None, ""))
        if incident.version and at and not _is_since(at, incident):
            # It was put back since: that proof is of an earlier incident.
            at, proof = None, ""
        if place == 0 or _is_since(at, incident):
            credential = version.tags.get("CredentialId", "")
            yield RevokedVersion(str(version.version), credential, at, proof)


def _recorded(
    versions: Sequence[Version], incident: Incident, records: Sequence[Record]
) -> Iterator[RevokedVersion]:
    """Yield what records alone tell: of deleted secrets, and of former owners of a source."""
    shown = {version.version for version in versions}
    is_any = not (incident.version or versions)
    for known, (at, proof) in _proofs(records).items():
        is_meant = known == incident.version or (is_any and _is_since(at, incident))
        if is_meant and known not in shown:
            held = (record.history.credential_of(known) for record in records)
            past = next(filter(None, held), None)
            yield RevokedVersion(known, past.credential_id if past else "", at, proof)


def _proofs(records: Sequence[Record]) -> dict[str, tuple[datetime | None, str]]:
    """Return when and how each version's credential was proven to be refused.

    One that is cut off in another one's place tells when, for both.
    """
    proofs = dict[str, tuple[datetime | None, str]]()
    for known in (record.compromised for record in records):
        for version, text in known.revoked.items():
            last = in_its_place(known.revoked, version)
            if text and last not in known.versions:
                at, _ = read_proof(known.revoked.get(last, ""))
                proofs[version] = at, read_proof(text)[1]
    return proofs


def _is_since(at: datetime | None, incident: Incident) -> bool:
    """Return whether a proof came once an incident had been reported."""
    return at is not None and at >= incident.reported


def _newer(own: Sequence[Version], incident: Incident, records: Sequence[Record]) -> list[Version]:
    """Return the versions that came after the leaked one, the newest first."""
    if incident.version:
        return list(takewhile(lambda version: version.version != incident.version, own))
    return [version for version in own if not _is_older(version, incident, records)]


def _is_older(version: Version, incident: Incident, records: Sequence[Record]) -> bool:
    """Return whether a version is older than an incident. A record tells that of Rekey's own."""
    writer = next((record for record in records if record.wrote(version)), Record())
    return writer.is_older(version, incident.since)


async def _peek(engine: Engine, source: str) -> Record | None:
    try:
        return await engine.leases.peek(source)
    except PermanentError:
        # A damaged record proves nothing; the secret itself says so elsewhere.
        return None


async def _versions(engine: Engine, ref: SecretRef) -> list[Version]:
    if not engine.policy.manages(ref.vault):
        return []
    return await engine.versions(ref)

"""Post work for everything that an incident covers, and count how far its replacement has come.

An order can arrive twice, because a worker can die half-way. So each work item names the version
that was just read. A secret that was replaced since the incident began is left alone.

An order is sent at least twice, and then again for as long as something in its vault is open. What
is in scope may take another name before its work starts, and a listing may lag.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import batched

from engine.engine import Engine
from engine.errors import PermanentError, TransientError
from engine.parts import Parts
from engine.rotation.proof import in_its_place
from engine.secret import SecretRef, Version
from engine.state.entry import Entry
from engine.state.incident import (
    LEAD,
    RECOVER,
    SERVE,
    UNSERVED,
    Danger,
    Incident,
    IncidentProgress,
    danger,
    is_replica,
    leaked_at,
)
from engine.state.index import Listed, StateIndex
from engine.state.record import Record, parts_of
from engine.state.record_parts import SAME_VALUE, Compromised
from engine.state.request import INCIDENT_SECONDS, Leak, WorkItem
from engine.state.sweep_order import SoFar, SweepOrder
from engine.sweep.pace import REVOCATION_WRITES, Pace, repeating

log = logging.getLogger("rekey.incident")

UNFORESEEN = Exception
"""What stops neither a sweep nor what else is in it, unless it may pass."""
PAGE = 25
"""How many secrets are sent on together: as many as a page of a listing holds."""
SETTLE_SECONDS = 2.0 * LEAD.total_seconds()
"""How long after the beginning of its first call its work starts.

So everything that the work writes is newer than the incident's date.
"""
MOST_PAUSE = 6 * 3600.0
"""The longest pause before an order is sent again. It costs a look at each covered secret."""
LISTING_SECONDS = 30.0
"""How long one call lists before it posts work for the most dangerous: a leak must not wait for the
end of a huge vault."""


@dataclass(frozen=True)
class IncidentSweep:
    """One incident, and what the records say."""

    engine: Engine
    incident: Incident
    index: StateIndex
    primaries: dict[SecretRef, SecretRef | None] = field(default_factory=dict)
    """Replica that was read → the secret that writes it. Incidents share it."""
    again: bool = False
    """Its order has been carried out before. What waits since then is not posted once more."""
    orders: dict[str, SweepOrder | None] = field(default_factory=dict)
    """Vault whose stored order was read → the order; None if none is stored."""

    async def send(self, order: SweepOrder) -> bool:
        """Post work for the secrets of one vault, the most dangerous first; return whether it is over.

        The work starts as fast as Azure allows. A secret that cannot be read stops no other. A new
        message continues where there is no time left. It is over once the order was sent twice and
        nothing is open. Raises TransientError if the order must be repeated.
        """
        clock, so_far = self.engine.clock, order.so_far or SoFar(None, self.engine.clock.now())
        ends = clock.monotonic() + LISTING_SECONDS
        secrets, token = await self._list(order.vault, so_far.token, ends)
        # Another instance, whose clock was ahead, may have begun.
        since_begun = max((clock.now() - so_far.begun).total_seconds(), 0.0)
        elapsed = since_begun - SETTLE_SECONDS
        pace = Pace(self._scopes(), order.period, so_far.started, elapsed, REVOCATION_WRITES)
        seen, sent = so_far.seen + len(secrets), so_far.posted
        broken = so_far.broken + self.index.unread
        entries = sorted(map(self.engine.inventory.entry, secrets), key=self._danger)
        sent += await _all((it.secret.ref, self._send(it, pace)) for it in entries)
        if token is not None:
            so_far = SoFar(token, so_far.begun, seen, sent, broken, started=dict(pace.started))
            await self.engine.accept(replace(order, so_far=so_far))
            return False
        # A secret that an earlier call has listed is read, and so found not to be deleted.
        listed = {secret.ref for secret in secrets}
        deleted = deleted_secrets(order.vault, listed, self.index)
        sent += await _all((ref, self._send_deleted(ref, pace)) for ref in deleted)
        since, vault = self.incident.since, order.vault
        log.warning("incident of %s in %s: %d of %d secrets sent on", since, vault, sent, seen)
        return await self._end(replace(order, so_far=None), sent, broken)

    async def _end(self, order: SweepOrder, sent: int, broken: int) -> bool:
        """Store an order that is to be sent again; return whether it is over.

        `broken`: in how many parts the records could not be listed. Not all secrets are known then:
        the order is taken up again from the start, and counted as failed.
        """
        if broken:
            # Only the records know of deleted secrets, and of those whose tags were edited.
            since, vault = self.incident.since, order.vault
            log.error("incident of %s in %s: without the records it is sent on again", since, vault)
            self.engine.reporter.given_up("sweeps")
            await self.engine.keep(order, INCIDENT_SECONDS)
            return False
        if self.again and not sent:
            return True
        age = self.engine.clock.now() - self.incident.reported
        pause = min(max(INCIDENT_SECONDS, age.total_seconds() / 8), MOST_PAUSE)
        await self.engine.keep(replace(order, again=True), pause)
        return False

    def _scopes(self) -> Mapping[str, Sequence[str]]:
        """Return the scopes of its vaults: no other one shares a budget with them."""
        scopes = self.engine.policy.scopes
        # A message names one vault, or none where the incident covers all.
        return {vault: scopes.get(vault, ()) for vault in self.incident.vaults} or scopes

    async def _list(
        self, vault: str, token: str | None, ends: float
    ) -> tuple[list[Version], str | None]:
        """Return what there is time to list, and the token of the next page; None at the end."""
        secrets = list[Version]()
        while True:
            page, token = await self.engine.vaults.page(vault, token)
            secrets += page
            if token is None or self.engine.clock.monotonic() >= ends:
                return secrets, token

    async def _send(self, shown: Entry, pace: Pace) -> bool:
        """Post work for a secret; return whether there is any.

        In an order that comes again, what needs a person counts as well.
        """
        known = self.index.of(shown.secret.ref)
        if not self.incident.covers(shown, known):
            return False
        is_sent = await self._send_left(shown, pace)
        if self.incident.covers_held(shown, known):
            is_sent |= await self._send_held(shown, pace)
        return is_sent or (self.again and await self._is_counted(shown))

    async def _send_held(self, shown: Entry, pace: Pace) -> bool:
        """Post work for what a secret holds now, if that is to be tried."""
        ref, known = shown.secret.ref, self.index.of(shown.secret.ref)
        version, source = None, shown.managed.source if shown.managed else None
        try:
            primary = await self._primary(shown)
            if not (primary or known or "ProviderAddress" in shown.secret.tags):
                return False  # nothing rotates or writes it, and its progress says so
            ref = primary or ref
            current = self.engine.inventory.entry(await self.engine.vaults.read(ref))
            is_new = self.again and await self._is_new(current.secret)
            if is_new or not await self._is_to_be_tried(current):
                return False
            # If the current version is younger, the record must tell which version has leaked.
            is_older = current.secret.created < self.incident.since
            version = current.secret.version if is_older else None
            # Without the records the worker finds the source: a tag may have been edited.
            source = None if self.index.unread else leaked_at(current, self.index.of(ref))
        except PermanentError:
            pass  # the worker that receives it parks and reports it
        await self._post(self.incident.work(ref, version, source), pace)
        return True

    async def _send_left(self, shown: Entry, pace: Pace) -> bool:
        """Post work for each version that may work on at a source that the secret has left."""
        try:
            left = await self._left(shown)
        except PermanentError as error:
            # Of a source that it has left, no other work may find out: it would meet the present.
            log.error(
                "%s: what is left where it was before is sent on later: %s", error.where, error
            )
            return True
        for source, version in left:
            work = self.incident.work(shown.secret.ref, version, source)
            await self._post(replace(work, leak=Leak()), pace)
        return bool(left)

    async def _is_counted(self, shown: Entry) -> bool:
        """Return whether a secret counts as open, although there is no work to post for it."""
        progress = IncidentProgress()
        await self.count(shown, progress)
        return not progress.is_over

    async def _left(self, current: Entry) -> list[tuple[str, str]]:
        """Return the versions older than the incident that may work on, by their sources.

        These are sources that the secret has left.
        """
        ref, known = current.secret.ref, self.index.of(current.secret.ref)
        here, covered = leaked_at(current, known), self.incident.covers_deleted(ref, known)
        left = [
            (it.source, version)
            for it in covered
            if here not in (None, it.source)
            for version in await self._owed_at(it, current, here)
        ]
        if not left:
            return []
        versions, since = self.engine.vaults.versions(ref), self.incident.since
        young = {version.version async for version in versions if version.created >= since}
        return [(source, version) for source, version in left if version not in young]

    async def _owed_at(self, listed: Listed, current: Entry, here: str | None) -> list[str]:
        """Return the versions that a source may accept, and of which no refusal is proven.

        Only what is to be retired there counts where Rekey has published since, or a former owner
        did, whose versions no listing of this secret has.
        """
        is_held = self.incident.is_held_at(listed, here)
        if not (listed.pending or is_held):
            return []
        record = await self._peek(listed.source)
        if record is None:
            # The listing shows the first one of a damaged record.
            return [listed.pending.version] if listed.pending else []
        owed = record.may_accept if is_held else [it.version for it in record.to_retire]
        known, reported = record.compromised, self.incident.reported
        left = (it for it in owed if not _is_kept(record, it, current))
        return [it for it in left if not known.is_refused(it, reported)]

    async def _send_deleted(self, ref: SecretRef, pace: Pace) -> bool:
        """Post work for a deleted secret. It is reported, and comes back until it is recovered.

        One that is there all the same is open: its vault's listing lags, and the order comes again.
        """
        left = await self._left_at(ref)
        if not left or not await is_deleted(self.engine, ref):
            return self.again and bool(left)
        await self._post(self.incident.work(ref, None, left[0]), pace)
        return True

    async def _post(self, work: WorkItem, pace: Pace) -> None:
        """Post a work item. One that waits since an earlier try knows when people were notified.

        An order that comes again leaves that to the timer, and what a record has noted to rechecks.
        """
        with repeating():
            waiting = await self.engine.requests.read(work.request)
            if self.again and (waiting or self._is_noted(work.ref)):
                return
            work = WorkItem.from_json(waiting) if waiting else work
            await self.engine.accept(work, pace.start(work.source))

    def _is_noted(self, ref: SecretRef) -> bool:
        """Return whether a record of a secret has noted what is to be done: it is rechecked."""
        return any(listed.is_open for listed in self.index.of(ref))

    async def _left_at(self, ref: SecretRef) -> list[str]:
        """Return the sources where what a deleted secret held may still be accepted."""
        covered = self.incident.covers_deleted(ref, self.index.of(ref))
        if self.incident.version and await self._is_gone(covered):
            return []
        return [record.source for record in covered if not await self._is_over_at(record)]

    async def _is_over_at(self, listed: Listed) -> bool:
        record = await self._peek(listed.source) if listed.pending else None
        return self.incident.is_over_at(listed, record.compromised.incident if record else None)

    async def is_open(self, current: Entry, primary: SecretRef | None = None) -> bool:
        """Return whether the compromise may not be over for a secret; `primary` writes a replica.

        It is not over while the vault holds, or a source may accept, a credential from before the
        incident. That includes credentials to retire at sources that the secret has left. The
        record says what Rekey has replaced since. A tag proves nothing, because it can be copied.
        """
        ref = current.secret.ref
        if self._is_noted(ref):
            return True
        is_held = self.incident.covers_held(current, self.index.of(ref))
        is_held_open = is_held and await self._is_held_open(current, primary)
        return is_held_open or bool(await self._left(current))

    async def _is_held_open(self, current: Entry, primary: SecretRef | None = None) -> bool:
        secret, since = current.secret, self.incident.since
        writer = primary or secret.ref
        if self._is_noted(writer):
            return True
        # The vault's clock may be behind. The record tells when Rekey made what it published.
        known = self.index.of(writer)
        ours = [listed for listed in known if listed.holds(secret)]
        telling = ours or known
        if not any(listed.made_since(since) for listed in telling):
            return True
        if not ours and (secret.created < since or primary is None):
            return secret.created < since
        return await self._retires_older(writer, telling)

    async def _retires_older(self, ref: SecretRef, known: Sequence[Listed]) -> bool:
        """Return whether what the records say is to be retired may be from before the incident."""
        due = {listed.pending.version for listed in known if listed.pending}
        versions, since = self.engine.vaults.versions(ref), self.incident.since
        return bool(due) and not due <= {it.version async for it in versions if it.created >= since}

    async def _is_to_be_tried(self, current: Entry) -> bool:
        """Return whether a worker has to find out what still works of a secret.

        It has not if the record shows that the compromise is over, and tells what became of the
        version that the incident began with. Rekey revokes what it replaces. Somebody else may have
        replaced that version, and revoked nothing.
        """
        if await self._is_held_open(current):
            return True
        secret, since = current.secret, self.incident.since
        versions = await self.engine.versions(secret.ref)
        older = [it for it in versions if it.created < since and it.version != secret.version]
        if not older:
            return False
        latest = str(older[0].version)
        records = [await self._peek(listed.source) for listed in self.index.of(secret.ref)]
        return not any(self._accounts_for(record, latest) for record in filter(None, records))

    def _accounts_for(self, record: Record, version: str) -> bool:
        """Return whether what a version holds was revoked: for a leak, or once it was superseded."""
        is_replaced = version in record.history.replaced and version not in record.may_accept
        return is_replaced or record.compromised.is_refused(version, self.incident.reported)

    async def _is_new(self, secret: Version) -> bool:
        """Return whether somebody made a secret once its order had come again.

        An older one may be another name of what leaked, and was there when the order came again.
        """
        is_late = self._is_late(secret) and self._by_hand(secret)
        return is_late and not await self._existed(secret.ref)

    def _is_late(self, secret: Version) -> bool:
        return secret.created >= self.incident.since + timedelta(seconds=INCIDENT_SECONDS)

    def _by_hand(self, secret: Version) -> bool:
        """Return whether somebody else wrote the current version since the incident began."""
        ours = any(listed.holds(secret) for listed in self.index.of(secret.ref))
        return secret.created >= self.incident.since and not ours

    def _is_held_by_hand(self, current: Entry) -> bool:
        """Return whether what a secret holds is covered, and was written by somebody else since.

        An incident at a source that the secret has left is not about what it holds elsewhere.
        """
        is_held = self.incident.covers_held(current, self.index.of(current.secret.ref))
        return is_held and self._by_hand(current.secret)

    async def count(self, current: Entry, progress: IncidentProgress) -> None:
        """Count one secret, if the incident covers it."""
        ref = current.secret.ref
        if ref.vault in self.incident.vaults and self.incident.covers(current, self.index.of(ref)):
            try:
                await self._count(current, progress)
            except PermanentError as error:
                progress.add_unread(current, error)

    async def _count(self, current: Entry, progress: IncidentProgress) -> None:
        ref, known = current.secret.ref, self.index.of(current.secret.ref)
        is_noted = by_hand = False
        primary: SecretRef | None = None
        with suppress(PermanentError):
            primary = await self._primary(current)
        if self.incident.version:
            is_open = not await self._is_done(self.incident.covers_deleted(ref, known) or known)
        else:
            is_noted = self._is_noted(ref)
            is_theirs = not (is_noted or primary) and self._is_held_by_hand(current)
            by_hand = is_theirs and await self._existed(ref)
            is_open = not by_hand and await self.is_open(current, primary)
            if is_theirs and not by_hand and (self._is_late(current.secret) or not is_open):
                return  # somebody has made it since, and it is not what leaked under another name
        progress.add(
            self.incident,
            current,
            is_open=is_open,
            is_tried=is_noted or await self._is_tried(ref.vault),
            by_hand=by_hand,
            known=known,
            primary=primary,
        )

    async def _is_tried(self, vault: str) -> bool:
        """Return whether something still works on what is open: the vault's order is stored.

        One that is only considered has none yet. Of a single version, its own item is stored.
        """
        if self.incident.version or not self.incident.id:
            return self.engine.clock.now() < self.incident.tried_until
        return await self.order(vault) is not None

    async def order(self, vault: str) -> SweepOrder | None:
        """Return the stored order of a vault; None if none is."""
        if vault not in self.orders:
            request = SweepOrder.for_incident(vault, self.incident).request
            text = await self.engine.requests.read(request)
            order = SweepOrder.from_json(text, self.engine.clock.now()) if text else None
            self.orders[vault] = order
        return self.orders[vault]

    async def count_unreached(self, ref: SecretRef, progress: IncidentProgress) -> None:
        """Count one secret that no vault lists, if it was covered.

        It is deleted, or its vault is not served any more, or the listing of its vault lags.
        """
        if not self.covers_deleted(ref):
            return
        if not self.engine.policy.manages(ref.vault):
            progress.add_unreached(ref, await self._left_at(ref), UNSERVED, SERVE)
            return
        with suppress(PermanentError):  # it is there then, and a listing will show it
            if current := await self.engine.existing(ref):
                await self.count(self.engine.inventory.entry(current), progress)
            else:
                progress.add_unreached(ref, await self._left_at(ref), "deleted", RECOVER)

    async def count_passed_on(self, progress: IncidentProgress) -> None:
        """Count a secret that has left the incident's source, if its record tells of a revocation.

        The record may belong to the next owner of the source by now.
        """
        incident = self.incident
        record = await self._peek(incident.source) if incident.source else None
        owner, known = (record.owner, record.compromised) if record else ("", Compromised())
        cut_off = [known.is_refused(version, incident.reported) for version in known.revoked]
        is_meant = owner.startswith(incident.vaults) and incident.names(SecretRef.parse(owner))
        if incident.version and known.knows(incident.version):
            is_refused, parked = self._is_refused(known), await self._parked(owner)
            progress.add_passed_on(incident.exact().ref, is_refused=is_refused, parked=parked)
        elif not incident.version and is_meant and any(cut_off):
            progress.add_passed_on(SecretRef.parse(owner), is_refused=not known.versions)

    async def count_stored(self, stored: Iterable[WorkItem], progress: IncidentProgress) -> None:
        """Count what waits for its work, and neither a listing nor a record shows any more.

        Its work may have begun before a record could be written: then nothing else knows of it.
        """
        counted = {str(ref).lower() for it in progress.each for ref in (it.ref, it.primary)}
        waiting = {str(it.ref).lower(): it for it in stored if self.incident.asked_for(it)}
        for work in (waiting[ref] for ref in waiting if ref not in counted):
            await self._count_stored(work, progress)

    async def _count_stored(self, work: WorkItem, progress: IncidentProgress) -> None:
        """Count a secret that owns no record and whose tags name no source, or that is deleted.

        People have heard why nothing can be done about it: the same is told here.
        """
        if not work.tries.told:
            progress.add_passed_on(work.ref, is_refused=False)
            return
        current, why, fix = None, "deleted", RECOVER
        try:
            current = await self.engine.existing(work.ref)
        except PermanentError as error:
            why, fix = error.what, error.fix
        if current:
            shown = self.engine.inventory.entry(current)
            progress.add(self.incident, shown, is_open=True, by_hand=False)
        else:
            progress.add_unreached(work.ref, [work.source or "its source"], why, fix)

    async def _parked(self, owner: str) -> Entry | None:
        """Return the secret that owns a source, if it is parked; None if nothing tells that."""
        with suppress(PermanentError):
            ref = SecretRef.parse(owner)
            if self.engine.policy.manages(ref.vault):
                entry = self.engine.inventory.entry(await self.engine.vaults.read(ref))
                return entry if entry.state == "parked" else None
        return None

    def covers_deleted(self, ref: SecretRef) -> bool:
        """Return whether a secret that is deleted was in its scope, as records tell."""
        covered = self.incident.covers_deleted(ref, self.index.of(ref))
        return ref.vault in self.incident.vaults and bool(covered)

    async def _is_done(self, known: Sequence[Listed]) -> bool:
        """Return whether the leaked version is refused, and its own work is not stored any more.

        That may go on at another source, which the version was of.
        """
        request = self.incident.exact().request
        return await self._is_gone(known) and await self.engine.requests.read(request) is None

    async def _is_gone(self, known: Sequence[Listed]) -> bool:
        """Return whether a record says that the leaked version is refused since its report."""
        records = [await self._peek(listed.source) for listed in known]
        return any(self._is_refused(record.compromised) for record in filter(None, records))

    async def _peek(self, source: str) -> Record | None:
        """Return the record of a source; None if there is none, or it is damaged and proves nothing."""
        with suppress(PermanentError):
            return await self.engine.leases.peek(source)
        return None

    def _is_refused(self, compromised: Compromised) -> bool:
        # A version that holds the same value is cut off in its place, a little later.
        version = in_its_place(compromised.revoked, self.incident.version)
        # An earlier Rekey has not noted which one that is.
        is_passed_on = compromised.revoked.get(version, "").endswith(SAME_VALUE)
        is_refused = compromised.is_refused(version, self.incident.reported)
        return is_refused and not (is_passed_on and compromised.versions)

    async def _existed(self, ref: SecretRef) -> bool:
        versions = self.engine.vaults.versions(ref)
        return any([version.created < self.incident.since async for version in versions])

    def _danger(self, shown: Entry) -> Danger:
        """Return how dangerous it is that a secret leaked, as far as a listing tells."""
        kind = shown.managed.rotator if shown.managed else None
        is_copy = is_replica(shown, self.index.of(shown.secret.ref))
        return danger(kind, is_copy=is_copy, is_alive=shown.secret.enabled)

    async def _primary(self, shown: Entry) -> SecretRef | None:
        """Return the secret whose record tells of a replica, which has none; None for any other."""
        ref = shown.secret.ref
        if not is_replica(shown, self.index.of(ref)):
            return None
        if ref not in self.primaries:
            self.primaries[ref] = await self.engine.primary(shown.secret)
        return self.primaries[ref]


def _is_kept(record: Record, version: str, current: Entry) -> bool:
    """Return whether a version is of a login that its secret has kept: another record knows more."""
    known_id, managed = record.id_of(version), current.managed
    if not (known_id and managed):
        return False
    both = {*parts_of(record.source)} & {*parts_of(managed.source)}
    return managed.source_of(known_id) in both


async def _all(posts: Iterable[tuple[SecretRef, Awaitable[bool]]]) -> int:
    """Return how many secrets are sent on; one that is met by what nobody foresaw is open.

    Raises what may pass, once all that are sent on together have ended.
    """
    sent = 0
    for some in batched(posts, PAGE, strict=False):
        results = await asyncio.gather(*(sending for _, sending in some), return_exceptions=True)
        for (ref, _), result in zip(some, results, strict=True):
            if isinstance(result, TransientError) or not isinstance(result, bool | UNFORESEEN):
                raise result
            if not isinstance(result, bool):
                log.error("%s is sent on again: %s", ref, result)
        sent += len(results) - results.count(False)
    return sent


def deleted_secrets(vault: str, listed: set[SecretRef], index: StateIndex) -> Iterator[SecretRef]:
    """Yield the secrets of a vault that own a record and are not among the listed ones."""
    known, prefix = {str(ref).lower() for ref in listed}, f"{vault}/secrets/"
    for owner in index.records:
        if owner.startswith(prefix) and owner not in known:
            yield SecretRef(vault, owner.removeprefix(prefix))


async def is_deleted(parts: Parts, ref: SecretRef) -> bool:
    """Return whether the vault has no such secret: a listing may lag behind."""
    with suppress(PermanentError):
        return await parts.existing(ref) is None
    return False

"""Send on everything that an incident covers, and report how far its replacement has come.

An order can arrive twice, because a worker can die half-way. So each work item names the version
that it is about, as just read. What was replaced since the incident began is left alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import batched

from engine.deadline import SWEEP_SECONDS
from engine.engine import Engine
from engine.errors import NotFound, PermanentError
from engine.ports import Vaults
from engine.rotation.proof import SAME_VALUE
from engine.secret import SecretRef, Version
from engine.state.entry import Entry
from engine.state.incident import (
    LEAD,
    RECOVER,
    SERVE,
    UNSERVED,
    Danger,
    Incident,
    Progress,
    danger,
    is_replica,
)
from engine.state.index import Listed, StateIndex
from engine.state.record_parts import Compromised
from engine.state.request import WorkItem
from engine.state.sweep_order import SweepOrder
from engine.state.tags import REPLICA_OF
from engine.sweep.pace import CUT_OFF, Pace, Part, accept

log = logging.getLogger("rekey.incident")

PAGE = 25
"""How many secrets are looked at together: as many as a page of a listing holds."""
SETTLE_SECONDS = 2.0 * LEAD.total_seconds()
"""How long after the beginning of its first part its work starts.

By the same margin, everything that the work writes is newer than the incident's date.
"""
LISTING_SECONDS = 30.0
"""How long one part lists, before it sends on the most dangerous: what leaked must not wait for
the end of a huge vault."""


@dataclass(frozen=True)
class CutOff:
    """One incident at work."""

    engine: Engine
    incident: Incident

    async def send(self, order: SweepOrder, seconds: float = SWEEP_SECONDS) -> bool:
        """Send on the secrets of one vault, the most dangerous first; return whether all were sent.

        They start as fast as Azure allows. A secret that cannot be read stops no other: the worker
        that receives it parks and reports it. A new message continues what there is no time for.
        Raises TransientError if the order must be repeated.
        """
        length = min(seconds, LISTING_SECONDS)
        part = Part.of(order, self.engine.policy.scopes, self.engine.clock, length)
        index, secrets = await self.engine.index(), await self._list(part, order.vault)
        part.pace = self._pace(order, part)
        seen, sent = (order.so_far.seen, order.so_far.posted) if order.so_far else (0, 0)
        entries = sorted(map(self.engine.entry, secrets), key=lambda each: _danger(each, index))
        for some in batched(entries, PAGE, strict=False):
            sent += await _all(self._send(shown, part.pace, index) for shown in some)
        seen += len(secrets)
        if part.token is not None:
            await self.engine.accept(part.next(order, seen, sent))
            return False
        # Of what earlier parts have listed, each is looked at once more: it is not deleted.
        listed = {secret.ref for secret in secrets}
        for refs in batched(unlisted(order.vault, listed, index), PAGE, strict=False):
            sent += await _all(self._send_deleted(ref, part.pace, index) for ref in refs)
        since, vault = self.incident.since, order.vault
        log.warning("incident of %s in %s: %d of %d secrets sent on", since, vault, sent, seen)
        return True

    async def _list(self, part: Part, vault: str) -> list[Version]:
        """Return what this part has time to list; its token is None at the end of the vault."""
        secrets = list[Version]()
        while True:
            page, part.token = await self.engine.vaults.page(vault, part.token)
            secrets += page
            if part.token is None or part.is_over:
                return secrets

    def _pace(self, order: SweepOrder, part: Part) -> Pace:
        """Return the pace of all parts: it begins when the first one has settled."""
        elapsed = (self.engine.clock.now() - part.begun).total_seconds() - SETTLE_SECONDS
        started = order.so_far.started if order.so_far else None
        return Pace(self.engine.policy.scopes, order.period, started, elapsed, CUT_OFF)

    async def _send(self, shown: Entry, pace: Pace, index: StateIndex) -> bool:
        ref, known = shown.secret.ref, index.of(shown.secret.ref)
        if not self.incident.covers(shown, known) or not _can_follow(shown, known):
            return False
        source = shown.managed.source if shown.managed else None
        try:
            ref = _primary(shown, index)
            current = self.engine.entry(await self.engine.vaults.read(ref))
            if not await self.is_open(current, index):
                return False
            version = self._leaked(current)
            source = _leaked_at(current, index.of(ref))
        except PermanentError:
            version = None
        await self._post(self.incident.work(ref, version, source), pace)
        return True

    async def _send_deleted(self, ref: SecretRef, pace: Pace, index: StateIndex) -> bool:
        """Send on a deleted secret: it is reported, and comes back until it is recovered."""
        left = await self._left_at(ref, index)
        if not left or not await is_deleted(self.engine.vaults, ref):
            return False
        await self._post(self.incident.work(ref, None, left[0]), pace)
        return True

    async def _left_at(self, ref: SecretRef, index: StateIndex) -> list[str]:
        """Return the sources where what a deleted secret held may still be accepted."""
        covered = self.incident.covers_deleted(ref, index.of(ref))
        if self.incident.version and await self._is_gone(covered):
            covered = []
        return [record.source for record in covered if not self.incident.is_over_at(record)]

    async def _post(self, work: WorkItem, pace: Pace) -> None:
        await accept(self.engine, work, pace.start(work.source))

    def _leaked(self, current: Entry) -> str | None:
        """Return the version that holds what leaked.

        None if the record must tell, since it is younger.
        """
        return current.secret.version if current.secret.created < self.incident.since else None

    async def is_open(self, current: Entry, index: StateIndex) -> bool:
        """Return whether the compromise may not be over for a secret.

        It is not over while the vault still holds, or the source may still accept, what the
        secret held when the incident began. The record says what Rekey has replaced since. A tag
        proves nothing, because it can be copied.
        """
        secret, since = current.secret, self.incident.since
        primary = _primary(current, index)
        known = index.of(primary)
        if not known or any(listed.is_open for listed in known):
            return True
        # Of what Rekey published the record tells when it was made: the vault's clock may be behind.
        ours = [listed for listed in known if listed.holds(secret)]
        if not any(listed.made_since(since) for listed in ours or known):
            return True
        if not ours and (secret.created < since or primary == secret.ref):
            return secret.created < since
        return await self._retires_older(current, known)

    async def _retires_older(self, current: Entry, known: Sequence[Listed]) -> bool:
        """Return whether what a secret is to retire may be from before the incident."""
        pending = current.managed.pending if current.managed else None
        if pending is None or not any(listed.due for listed in known):
            return False
        versions = self.engine.vaults.versions(current.secret.ref)
        superseded = [it async for it in versions if it.version == pending.version]
        return all(version.created < self.incident.since for version in superseded)

    def _by_hand(self, current: Entry, index: StateIndex) -> bool:
        """Return whether somebody else wrote the current version since the incident began."""
        secret, known = current.secret, index.of(current.secret.ref)
        ours = any(listed.holds(secret) for listed in known)
        return secret.created >= self.incident.since and not is_replica(current, known) and not ours

    async def count(self, current: Entry, index: StateIndex, progress: Progress) -> None:
        """Count one secret, if the incident covers it."""
        ref, known = current.secret.ref, index.of(current.secret.ref)
        if ref.vault not in self.incident.vaults or not self.incident.covers(current, known):
            return
        is_noted = by_hand = False
        if self.incident.version:
            is_open = not await self._is_gone(known)
        else:
            is_noted = any(listed.is_open for listed in known)
            by_hand = self._by_hand(current, index)
            if by_hand and not is_noted and not await self._existed(ref):
                return
            is_open = is_noted or (not by_hand and await self.is_open(current, index))
        is_tried = is_noted or self.engine.clock.now() < self.incident.tried_until
        progress.add(
            self.incident, current, is_open=is_open, is_tried=is_tried, by_hand=by_hand, known=known
        )

    async def count_deleted(self, ref: SecretRef, index: StateIndex, progress: Progress) -> None:
        """Count one secret that its vault does not list, if it is deleted and was covered."""
        if self._covers(ref, index) and await is_deleted(self.engine.vaults, ref):
            progress.add_unreached(ref, await self._left_at(ref, index), "deleted", RECOVER)

    async def count_unserved(self, ref: SecretRef, index: StateIndex, progress: Progress) -> None:
        """Count one secret in a vault that was served when the incident began, if it was covered."""
        if self._covers(ref, index):
            progress.add_unreached(ref, await self._left_at(ref, index), UNSERVED, SERVE)

    async def count_passed_on(self, progress: Progress) -> None:
        """Count the only version of an incident whose secret has left its source, or is gone.

        The record of the source has passed to whoever owns that now, and tells all the same.
        """
        incident = self.incident
        record = await self.engine.leases.peek(incident.source) if incident.version else None
        known = record.compromised if record else Compromised()
        if known.knows(incident.version):
            ref = SecretRef(incident.vaults[0], incident.name)
            progress.add_passed_on(ref, is_refused=self._is_refused(known))

    def _covers(self, ref: SecretRef, index: StateIndex) -> bool:
        covered = self.incident.covers_deleted(ref, index.of(ref))
        return ref.vault in self.incident.vaults and bool(covered)

    async def _is_gone(self, known: Sequence[Listed]) -> bool:
        """Return whether a record says that the version that leaked is refused since it was reported."""
        records = [await self.engine.leases.peek(listed.source) for listed in known]
        return any(record and self._is_refused(record.compromised) for record in records)

    def _is_refused(self, compromised: Compromised) -> bool:
        version = self.incident.version
        # What is cut off in its place comes to its end a little later.
        is_passed_on = compromised.revoked.get(version, "").endswith(SAME_VALUE)
        is_refused = compromised.is_refused(version, self.incident.reported)
        return is_refused and not (is_passed_on and compromised.versions)

    async def _existed(self, ref: SecretRef) -> bool:
        """Return whether there was such a secret when the incident began."""
        versions = self.engine.vaults.versions(ref)
        return any([version.created < self.incident.since async for version in versions])


async def _all(posts: Iterable[Awaitable[bool]]) -> int:
    """Return how many were sent; raises what one of them raised, once all have ended."""
    results = await asyncio.gather(*posts, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return sum(result is True for result in results)


def _danger(shown: Entry, index: StateIndex) -> Danger:
    """Return how dangerous it is that a secret leaked, as far as a listing tells."""
    kind = shown.managed.rotator if shown.managed else None
    is_copy = is_replica(shown, index.of(shown.secret.ref))
    return danger(kind, is_copy=is_copy, is_alive=shown.secret.enabled)


def _primary(shown: Entry, index: StateIndex) -> SecretRef:
    """Return the secret whose record tells of this one: a replica has none."""
    ref = shown.secret.ref
    is_copy = is_replica(shown, index.of(ref))
    return SecretRef.parse(shown.secret.tags[REPLICA_OF]) if is_copy else ref


def _leaked_at(current: Entry, known: Sequence[Listed]) -> str | None:
    """Return the source of what a secret holds: an edited tag may name another one."""
    tagged = current.managed.source if current.managed else None
    return next((listed.source for listed in known if listed.holds(current.secret)), tagged)


def _can_follow(shown: Entry, known: Sequence[Listed]) -> bool:
    """Return whether work for a secret can come to something.

    It can now, or once its tags are mended, the secret is enabled, or `Manual` is taken away.
    """
    is_tagged = "ProviderAddress" in shown.secret.tags
    return bool(shown.managed or is_tagged or known or is_replica(shown))


def unlisted(vault: str, listed: set[SecretRef], index: StateIndex) -> Iterator[SecretRef]:
    """Return the secrets of a vault that own a record and are not among the listed ones."""
    known, prefix = {str(ref).lower() for ref in listed}, f"{vault}/secrets/"
    for owner in index.records:
        if owner.startswith(prefix) and owner not in known:
            yield SecretRef(vault, owner.removeprefix(prefix))


async def is_deleted(vaults: Vaults, ref: SecretRef) -> bool:
    """Return whether the vault has no such secret: a listing may lag behind."""
    try:
        await vaults.read(ref)
    except NotFound:
        return True
    except PermanentError:
        return False
    return False

"""Send on everything that an incident covers, and report how far its replacement has come.

An order can arrive twice, because a worker can die half-way. So each work item names the version
that it is about, as just read. What was replaced since the incident began is left alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from engine.deadline import SWEEP_SECONDS
from engine.decide.inventory import entry
from engine.decide.ledger import Ledger
from engine.errors import PermanentError
from engine.model.entry import Entry
from engine.model.incident import Incident, Progress, is_replica
from engine.model.record import Listed
from engine.model.sweep_order import MOST_DELAY, SweepOrder
from engine.model.tags import REPLICA_OF
from engine.rotate.engine import Engine
from engine.rotate.ownership import ADDRESS
from engine.secret import SecretRef, SecretVersion
from engine.sweep.pace import Pace
from engine.sweep.part import Part
from engine.sweep.posting import post

log = logging.getLogger("rekey.incident")

LEAD_SECONDS = 10
"""How far before its request an incident is dated.

Even if clocks differ by that much, everything written before the request is older than the date.
"""
SETTLE_SECONDS = 2.0 * LEAD_SECONDS
"""How long after the request its work starts.

By the same margin, everything that the work writes is newer than the incident's date.
"""


@dataclass(frozen=True)
class CutOff:
    """One incident at work."""

    engine: Engine
    incident: Incident

    async def send(self, order: SweepOrder, seconds: float = SWEEP_SECONDS) -> bool:
        """Send on the secrets of one vault, as fast as Azure allows; return whether all were sent.

        A secret that cannot be read stops no other: the worker that receives it parks and reports
        it. A new message continues what there is no time for. Raises TransientError if the order
        must be repeated.
        """
        part = Part.of(order, self.engine.policy.scopes, self.engine.clock, seconds)
        ledger = await self.engine.ledger()
        seen, sent = (order.so_far.seen, order.so_far.posted) if order.so_far else (0, 0)
        while True:
            secrets, token = await self.engine.vaults.page(order.vault, part.token)
            sent += await self._send_all(secrets, part.pace, ledger)
            seen += len(secrets)
            if token is None:
                since, vault = self.incident.since, order.vault
                log.warning(
                    "incident of %s in %s: %d of %d secrets sent on", since, vault, sent, seen
                )
                return True
            part.token = token
            if part.is_over:
                await self.engine.queue.post_sweep(part.next(order, seen, sent))
                return False

    async def _send_all(self, secrets: Sequence[SecretVersion], pace: Pace, ledger: Ledger) -> int:
        sent, posts = 0, (self._send(secret, pace, ledger) for secret in secrets)
        for result in await asyncio.gather(*posts, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
            sent += result
        return sent

    async def _send(self, secret: SecretVersion, pace: Pace, ledger: Ledger) -> bool:
        shown, known = self._judge(secret), ledger.of(secret.ref)
        if not self.incident.covers(shown, known) or not _can_follow(shown, known):
            return False
        ref, source = secret.ref, shown.managed.source if shown.managed else None
        try:
            if is_replica(shown, known):
                ref = SecretRef.parse(secret.tags[REPLICA_OF])
            current = self._judge(await self.engine.vaults.read(ref))
            if not await self.is_open(current, ledger):
                return False
            version = self._leaked(current)
            source = _leaked_at(current, ledger.of(ref))
        except PermanentError:
            version = None
        delay = pace.delay(source)
        if delay is None:
            # No next sweep takes it up. Where that is still too early, Azure makes it wait.
            delay = MOST_DELAY.total_seconds()
        work = self.incident.work(ref, version, source)
        await post(self.engine.queue, work, SETTLE_SECONDS + delay)
        return True

    def _leaked(self, current: Entry) -> str | None:
        """Return the version that holds what leaked.

        None if the record must tell, since it is younger.
        """
        return current.secret.version if current.secret.created < self.incident.since else None

    async def is_open(self, current: Entry, ledger: Ledger) -> bool:
        """Return whether the compromise may not be over for a secret.

        It is not over while the vault still holds, or the source may still accept, what the
        secret held when the incident began. The record says what Rekey has replaced since. A tag
        proves nothing, because it can be copied.
        """
        secret, since = current.secret, self.incident.since
        own = ledger.of(secret.ref)
        is_copy = is_replica(current, own)
        primary = SecretRef.parse(secret.tags[REPLICA_OF]) if is_copy else secret.ref
        known = ledger.of(primary)
        if not known or any(listed.is_open for listed in known):
            return True
        if secret.created < since or not any(
            listed.made and listed.made >= since for listed in known
        ):
            return True
        if primary == secret.ref and not any(listed.holds(secret) for listed in known):
            return False
        pending = current.managed.pending if current.managed else None
        if pending is None or not any(listed.due for listed in known):
            return False
        versions = [version async for version in self.engine.vaults.versions(secret.ref)]
        superseded = next(
            (version for version in versions if version.version == pending.version), None
        )
        return superseded is None or superseded.created < since

    def _by_hand(self, current: Entry, ledger: Ledger) -> bool:
        """Return whether somebody else wrote the current version since the incident began."""
        secret, known = current.secret, ledger.of(current.secret.ref)
        ours = any(listed.holds(secret) for listed in known)
        return secret.created >= self.incident.since and not is_replica(current, known) and not ours

    async def count(self, current: Entry, ledger: Ledger, progress: Progress) -> None:
        """Count one secret, if the incident covers it."""
        vault, known = current.secret.ref.vault, ledger.of(current.secret.ref)
        if vault in self.incident.vaults and self.incident.covers(current, known):
            is_open, by_hand = await self.is_open(current, ledger), self._by_hand(current, ledger)
            progress.add(self.incident, current, is_open=is_open, by_hand=by_hand, known=known)

    def _judge(self, secret: SecretVersion) -> Entry:
        return _judged(self.engine, secret)


def _leaked_at(current: Entry, known: Sequence[Listed]) -> str | None:
    """Return the source of what a secret holds: an edited tag may name another one."""
    tagged = current.managed.source if current.managed else None
    return next((listed.source for listed in known if listed.holds(current.secret)), tagged)


def _can_follow(shown: Entry, known: Sequence[Listed]) -> bool:
    """Return whether work for a secret can come to something.

    Now, or once its tags are mended or the secret is enabled.
    """
    is_malformed = shown.managed is None and shown.state in ("parked", "drifted")
    is_disabled = shown.state == "disabled" and ADDRESS in shown.secret.tags
    return bool(shown.managed or is_malformed or is_disabled or known or is_replica(shown))


async def counted(engine: Engine, incidents: Sequence[Incident]) -> list[Progress]:
    """Count how far each incident has come; each vault is listed once."""
    works = [(CutOff(engine, incident), Progress()) for incident in incidents]
    ledger = await engine.ledger()
    for vault in sorted({vault for incident in incidents for vault in incident.vaults}):
        if engine.policy.manages(vault):
            async for secret in engine.vaults.list(vault):
                for work, progress in works:
                    await work.count(_judged(engine, secret), ledger, progress)
    return [progress for _, progress in works]


def _judged(engine: Engine, secret: SecretVersion) -> Entry:
    return entry(secret, engine.policy, engine.kinds, engine.clock.now())

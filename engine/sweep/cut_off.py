"""Send everything that an incident covers to be replaced, and tell how far that has come.

An order can come twice: its worker dies half-way. So each work item names the version that it is about, as just read, and
what has been replaced since the incident began is left alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from engine.decide.inventory import Entry, entry
from engine.errors import PermanentError
from engine.model.incident import Incident, Progress, is_replica
from engine.model.tags import OPERATION, REPLICA_OF
from engine.rotate.engine import Engine
from engine.secret import SecretRef, SecretVersion
from engine.sweep.pace import MOST_DELAY, Pace

log = logging.getLogger("rekey.incident")

LEAD_SECONDS = 10
"""How far behind its request an incident is dated: whatever was written before is older, even where clocks differ so much."""
SETTLE_SECONDS = 2.0 * LEAD_SECONDS
"""How long after that request its work starts: whatever it writes is newer than the incident's date, in the same way."""


@dataclass(frozen=True)
class CutOff:
    """One incident at work."""

    engine: Engine
    incident: Incident

    async def send(self, vault: str) -> tuple[int, int]:
        """Send one vault's secrets on, as fast as Azure allows; returns how many were seen, and how many sent.

        One that cannot be read stops no other: the worker that meets it parks and reports it. Raises TransientError
        where the order must be repeated.
        """
        pace, token, seen, sent = Pace(self.engine.policy.scopes, MOST_DELAY), None, 0, 0
        while True:
            secrets, token = await self.engine.vaults.page(vault, token)
            results = await asyncio.gather(*(self._send(one, pace) for one in secrets), return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result
                sent += result
            seen += len(secrets)
            if token is None:
                log.warning("incident of %s in %s: %d of %d secrets sent on", self.incident.since, vault, sent, seen)
                return seen, sent

    async def _send(self, secret: SecretVersion, pace: Pace) -> bool:
        one = self._judge(secret)
        if not self.incident.covers(one) or (one.managed is None and not is_replica(one)):
            return False
        ref, source = secret.ref, one.managed.source if one.managed else None
        try:
            if is_replica(one):
                ref = SecretRef.parse(secret.tags[REPLICA_OF])
            current = self._judge(await self.engine.vaults.read(ref))
            if current.managed is None or not await self.is_open(current):
                return False
            version, source = current.secret.version, current.managed.source
        except PermanentError:
            version = None
        delay = pace.delay(source)
        if delay is None:
            return False
        await self.engine.queue.post_rotation(self.incident.work(ref, version, source), SETTLE_SECONDS + delay)
        return True

    async def is_open(self, one: Entry) -> bool:
        """Tell whether a secret holds, or its source still tolerates, what it held when the incident began."""
        secret, since = one.secret, self.incident.since
        if secret.created < since or (OPERATION not in secret.tags and not is_replica(one)):
            return True
        pending = one.managed.pending if one.managed else None
        if pending is None:
            return False
        versions = [version async for version in self.engine.vaults.versions(secret.ref)]
        superseded = next((each for each in versions if each.version == pending.version), None)
        return superseded is None or superseded.created < since

    async def progress(self, vaults: Sequence[str]) -> Progress:
        """Count how far it has come."""
        progress = Progress()
        for vault in vaults:
            async for secret in self.engine.vaults.list(vault):
                one = self._judge(secret)
                if self.incident.covers(one):
                    progress.add(self.incident, one, is_open=await self.is_open(one))
        return progress

    def _judge(self, secret: SecretVersion) -> Entry:
        return entry(secret, self.engine.policy, self.engine.kinds, self.engine.clock.now())

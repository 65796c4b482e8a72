"""A source under its lease, as every step of a rotation finds it, on a simulated Azure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from engine.model.record import Record
from engine.model.tags import Managed, parse
from engine.model.write import Write
from engine.parts import Parts
from engine.rotate.gate import Gate
from engine.rotate.under_lease import UnderLease, hold
from engine.secret import SecretVersion
from simulator.reach.transport import Intercept
from tests.shared.rig import Rig


@dataclass
class Held:
    """One secret and its source, leased."""

    rig: Rig
    parts: Parts
    lease: UnderLease
    secret: SecretVersion
    """The current version, as it was read at first."""
    managed: Managed

    @property
    def gate(self) -> Gate:
        """The way to the vault."""
        return Gate(self.parts, self.lease)

    @property
    def record(self) -> Record:
        """What is known of the source."""
        return self.lease.record

    @property
    def now(self) -> datetime:
        """The present."""
        return self.rig.clock.now()

    def times(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return facts with spans counted from now; a negative one lies in the past."""
        return {
            name: self.now + fact if isinstance(fact, timedelta) else fact
            for name, fact in facts.items()
        }

    def announced(self, ago: timedelta = timedelta(), **facts: Any) -> Write:
        """Return a write in place of the current version, announced so long ago."""
        write = Write("op", "key2", "digest", str(self.secret.version), self.now - ago)
        return replace(write, **facts)

    def posted(self) -> list[tuple[float, dict[str, Any]]]:
        """Return what was posted: in how many seconds it comes, and what it says."""
        queue, messages = self.rig.queue("rotations"), self.rig.messages("rotations")
        return [
            ((message.visible - self.now).total_seconds(), text)
            for message, text in zip(queue, messages, strict=True)
        ]

    def know(self, **facts: Any) -> Record:
        """Let the record say something else; returns it."""
        self.lease.learn(replace(self.lease.record, **facts))
        return self.lease.record


@asynccontextmanager
async def held(
    rig: Rig, name: str = "app-key", intercept: Intercept | None = None
) -> AsyncIterator[Held]:
    """Read a secret, and hold its source."""
    parts = await rig.service(intercept).ready()
    secret = await parts.vaults.read(rig.item(name).ref)
    managed = parse(secret.tags, parts.policy, parts.kinds)
    assert isinstance(managed, Managed)
    async with hold(parts, managed.source, secret.ref) as lease:
        yield Held(rig, parts, lease, secret, managed)

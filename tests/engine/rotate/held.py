"""A source under its lease, as every step of a rotation finds it, on a simulated Azure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
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
from engine.secret import SecretVersion, Sensitive
from simulator.reach.transport import Intercept
from simulator.wire import Request, Response
from tests.shared.rig import Rig
from tests.shared.scene import to_vault


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

    def announce(
        self, value: str, ago: timedelta = timedelta(), credential_id: str = "key2", **facts: Any
    ) -> Write:
        """Let the record announce a value in place of the current version, so long ago."""
        self.know(key="ab" * 32)
        digest = self.record.digest(credential_id, Sensitive(value))
        write = self.announced(ago, digest=digest, credential_id=credential_id, **facts)
        self.know(ahead=write)
        return write

    def published(self, credential_id: str = "key2", **facts: Any) -> None:
        """Let the record say that Rekey published the current version, and further facts."""
        write = self.announced(
            timedelta(hours=1),
            replaces="1" * 32,
            version=str(self.secret.version),
            created=self.secret.created,
            credential_id=credential_id,
        )
        self.know(published=write, **facts)

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
    rig: Rig,
    name: str = "app-key",
    intercept: Intercept | None = None,
    kinds: Mapping[str, Any] | None = None,
) -> AsyncIterator[Held]:
    """Read a secret, and hold its source; `kinds` are further ones, which every vault may rotate."""
    parts: Parts = await rig.service(intercept).ready()
    if kinds:
        bounds = tuple(f"/kinds/{kind}" for kind in kinds)
        scopes = {vault: (*bound, *bounds) for vault, bound in parts.policy.scopes.items()}
        policy = replace(parts.policy, scopes=scopes)
        parts = replace(parts, rotators={**parts.rotators, **kinds}, policy=policy)
    secret = await parts.vaults.read(rig.item(name).ref)
    managed = parse(secret.tags, parts.policy, parts.kinds)
    assert isinstance(managed, Managed)
    async with hold(parts, managed.source, secret.ref) as lease:
        yield Held(rig, parts, lease, secret, managed)


class AtFirstWrite:
    """Lets something happen with the first write to the vault, which goes on."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act: Callable[[], None] | None = act

    def take(self, request: Request) -> bool:
        return bool(self.act and to_vault("PUT")(request))

    def strike(self, request: Request, serve: Callable[[Request], Response]) -> Response:
        answer, act = serve(request), self.act
        self.act = None
        assert act
        act()
        return answer

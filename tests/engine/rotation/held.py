"""A source under its lease, as every step of a rotation finds it, on a simulated Azure.

The one door to those steps: what stands behind it may be built anew, and then this file changes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from cloud.telemetry import tracing
from engine.errors import AccessDenied
from engine.kinds import Kinds
from engine.parts import Parts
from engine.planning.plan import TABLE
from engine.rotation import controller, leaked, publish, retire, verify
from engine.rotation.context import Progress, Rotation
from engine.rotation.derived import Dependents
from engine.rotation.issue import Rollback
from engine.rotation.leaked import leaked_at
from engine.rotation.observe import Observed
from engine.rotation.ownership import other_owner, other_writer
from engine.rotation.publish import (
    is_external,
    refuse_to_fight,
    refused_external,
    restore,
    was_hit,
)
from engine.rotation.report import conclude
from engine.rotation.retire import tidy_of_another
from engine.rotation.source_lease import (
    CALL_SECONDS,
    EARLY,
    FRESH_SECONDS,
    NOBODY,
    SourceLease,
    hold,
)
from engine.rotation.steps import STEPS
from engine.rotation.vault_writer import Replicas, VaultWriter
from engine.secret import SecretVersion, Sensitive
from engine.state.decision import Confirm, Decision, Restore
from engine.state.index import Listed
from engine.state.record import RECHECK, RECHECKED_FOR, SPACING, Record
from engine.state.record_parts import Announced
from engine.state.request import Outcome, WorkItem, operation_id
from engine.state.tags import Managed, parse
from simulator.reach.transport import Intercept
from simulator.wire import Request, Response
from tests.shared.records import knowing
from tests.shared.rig import Rig
from tests.shared.scene import to_vault

__all__ = [
    "CALL_SECONDS",
    "EARLY",
    "FRESH_SECONDS",
    "NOBODY",
    "PLANNED",
    "RECHECK",
    "RECHECKED_FOR",
    "SPACING",
    "TAKEN",
    "Dependents",
    "Rollback",
    "conclude",
    "hold",
    "is_external",
    "leaked_at",
    "other_owner",
    "other_writer",
    "refuse_to_fight",
    "refused_external",
    "tidy_of_another",
    "was_hit",
]  # fmt: skip
PLANNED, TAKEN = {name for name, _ in TABLE}, {*STEPS}
"""The steps that the plan knows, and those that can be taken."""


@dataclass
class Held:
    """One secret and its source, leased."""

    rig: Rig
    lease: SourceLease
    secret: SecretVersion
    """The current version, as it was read at first."""
    managed: Managed

    @property
    def parts(self) -> Parts:
        return self.lease.parts

    @parts.setter
    def parts(self, parts: Parts) -> None:
        self.lease.parts = parts

    @property
    def vault_writer(self) -> VaultWriter:
        return VaultWriter(self.lease)

    @property
    def replicas(self) -> Replicas:
        return Replicas(self.vault_writer, self.managed)

    @property
    def rotation(self) -> Rotation:
        """The context of a work item about the secret."""
        return self.steps().rotation

    def observed(self, **item: Any) -> Observed:
        """Return what one work item sees of the secret."""
        return self.steps(**item).observed

    def steps(self, **item: Any) -> Steps:
        """Return what one work item may come to."""
        return Steps(self, **item)

    @property
    def record(self) -> Record:
        return self.lease.record

    @property
    def noted(self) -> Record:
        return self.lease.leases[0].record

    @property
    def now(self) -> datetime:
        return self.rig.clock.now()

    def times(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return facts with spans counted from now; a negative one lies in the past."""
        return {
            name: self.now + fact if isinstance(fact, timedelta) else fact
            for name, fact in facts.items()
        }

    @property
    def operation(self) -> str:
        """The operation that replaces the current version."""
        return operation_id(self.secret.ref, str(self.secret.version))

    def announced(self, ago: timedelta = timedelta(), **facts: Any) -> Announced:
        """Return a write in place of the current version, announced so long ago."""
        write = Announced("op", "key2", "digest", str(self.secret.version), self.now - ago)
        return replace(write, **facts)

    def announce(
        self, value: str, ago: timedelta = timedelta(), credential_id: str = "key2", **facts: Any
    ) -> Announced:
        """Let the record announce a value in place of the current version, so long ago."""
        self.know(key="ab" * 32)
        digest = self.record.digest(credential_id, Sensitive(value))
        write = self.announced(
            ago, operation=self.operation, digest=digest, credential_id=credential_id, **facts
        )
        self.know(ahead=write)
        return write

    def published(self, credential_id: str = "key2", **facts: Any) -> None:
        """Let the record say that Rekey published the current version, and further facts."""
        write = self.announced(timedelta(hours=1), replaces="1" * 32, credential_id=credential_id)
        landed = write.landed(str(self.secret.version), self.secret.created)
        self.know(published=landed, **facts)

    def posted(self) -> list[tuple[float, dict[str, Any]]]:
        """Return what was posted: in how many seconds it comes, and what it says."""
        queue, messages = self.rig.queue("rotations"), self.rig.messages("rotations")
        return [
            ((message.visible - self.now).total_seconds(), text)
            for message, text in zip(queue, messages, strict=True)
        ]

    def know(self, **facts: Any) -> Record:
        """Let the record say something else; returns it."""
        self.lease.learn(knowing(self.lease.record, **facts))
        self.lease.found = self.lease.record
        return self.lease.record


class Steps:
    """What one work item about the secret may come to, step by step."""

    def __init__(self, at: Held, before: SecretVersion | None = None, **item: Any) -> None:
        self.at = at
        asked = at.rig.item(at.secret.ref.name, **item)
        self._rotation = Rotation(at.lease, asked, at.managed, before)

    async def run(self) -> tuple[str, Outcome]:
        """Let a worker go on to the end; return its trace of steps, and the outcome."""
        with tracing.handling(self._rotation.item) as handled:
            outcome = await controller.work(self._rotation, again=False)
        assert outcome
        return ", ".join(handled.steps), outcome

    @property
    def observed(self) -> Observed:
        return self._rotation.observed

    @property
    def progress(self) -> Progress:
        return self._rotation.progress

    @property
    def rotation(self) -> Rotation:
        """The secret, for whoever makes, proves and publishes its credentials."""
        return self._rotation

    async def rotate(self, secret: SecretVersion, reason: str, *, at_once: bool) -> SecretVersion:
        """Replace the credential, and publish it."""
        return await publish.rotate(self.rotation, secret, reason, at_once=at_once)

    async def compromised(self) -> list[str]:
        """Return the versions that the item, of an incident, means."""
        secret = self.at.record.believed(self.at.secret)
        return await leaked.compromised_versions(self._rotation, secret)

    def owed_by_owner(self) -> WorkItem | None:
        """Return the item, a report, for the owner of the source, if its record owes the leak."""
        return leaked.owed_by_owner(self.at.parts, self.at.record, self._rotation.item)

    async def held_by_owner(self) -> WorkItem | None:
        """Return the same for the owner, about its version with what has leaked."""
        return await leaked.held_by_owner(self.at.parts, self.at.record, self._rotation.item)

    async def settle(self, version: str, decision: Decision | None = None) -> None:
        """Prove that what a version holds is refused, or revoke it."""
        secret = self.at.record.believed(self.at.secret)
        decision = decision or Confirm(self.at.managed, "asked")
        await leaked.settle(self._rotation, secret, version, decision)

    async def withdraw(self) -> None:
        """Take back what was issued."""
        await retire.tidy_abandoned(self.rotation)

    async def confirm(self, secret: SecretVersion, reason: str) -> SecretVersion:
        return await verify.current(self.rotation, secret, reason)

    async def leave(self) -> Outcome | None:
        """End the work at a source that the secret has left."""
        return await retire.leave_source(self.rotation, self.observed.shown)

    async def restore(self, secret: SecretVersion, plan: Restore) -> SecretVersion | Outcome:
        """Publish an earlier credential again."""
        return await restore(self.rotation, secret, plan)


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
        parts = replace(parts, kinds=Kinds({**parts.rotators, **kinds}), policy=policy)
    secret = await parts.vaults.read(rig.item(name).ref)
    managed = parse(secret.tags, parts.policy, parts.kinds)
    assert isinstance(managed, Managed)
    async with hold(parts, managed.source, secret.ref) as lease:
        yield Held(rig, lease, secret, managed)


@dataclass
class Records:
    """The records of all sources, as a listing shows them; None where they cannot be listed."""

    listed: tuple[Listed, ...] | None

    async def index(self) -> AsyncIterator[Listed]:
        if self.listed is None:
            raise AccessDenied("the records cannot be listed")
        for listed in self.listed:
            yield listed

    async def peek(self, source: str) -> None:
        """Show no record without its lease."""


class AtFirstWrite:
    """Lets something happen with the first write to the vault, or another request, which goes on."""

    def __init__(
        self, act: Callable[[], None], where: Callable[[Request], bool] | None = None
    ) -> None:
        self.act: Callable[[], None] | None = act
        self.where = where or to_vault("PUT")

    def take(self, request: Request) -> bool:
        return bool(self.act and self.where(request))

    def strike(self, request: Request, serve: Callable[[Request], Response]) -> Response:
        answer, act = serve(request), self.act
        self.act = None
        assert act
        act()
        return answer

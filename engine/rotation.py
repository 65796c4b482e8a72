"""The engine: one work item in, one outcome out; engine/run.py does the work under the lease."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine import replicas, tags, template
from engine.decide import Acting, Decision, Park, Rotate, Skip, Wait, decide
from engine.errors import PermanentError, RekeyError
from engine.outcome import Outcome, Result
from engine.policy import Policy
from engine.ports import Clock, Leases, Reporter, Vaults, WorkQueue
from engine.run import Run
from engine.secret import SecretVersion, Sensitive
from engine.tags import Managed
from engine.workitem import WorkItem, operation_id
from rotators.contract import Job, Preflight, Rotator


@dataclass(frozen=True)
class Engine:
    """The engine and everything that it needs from outside."""

    vaults: Vaults
    leases: Leases
    rotators: Mapping[str, Rotator]
    policy: Policy
    clock: Clock
    reporter: Reporter
    queue: WorkQueue

    def decide(self, secret: SecretVersion, item: WorkItem) -> Decision:
        """Decide about a secret as it is now."""
        kinds = {kind: type(rotator) for kind, rotator in self.rotators.items()}
        return decide(secret, item, self.policy, kinds, self.clock.now())

    async def preview(self, item: WorkItem) -> tuple[SecretVersion, Decision]:
        """Tell what `handle` would do, changing nothing; raises what stands in its way."""
        secret = await self.vaults.read(item.ref)
        decision = self.decide(secret, item.about(secret.version))
        if isinstance(decision, Rotate):
            rotator, job = self.rotators[decision.managed.rotator.kind], self.job(secret, decision.managed)
            await replicas.check(self.vaults, secret.ref, decision.managed)
            if isinstance(rotator, Preflight):
                await rotator.preflight(job)
        return secret, decision

    @staticmethod
    def held(secret: SecretVersion, managed: Managed) -> Sensitive | None:
        """Return the credential inside the value; None where the value does not follow the template."""
        return (template.extract(managed.template, secret.value) or {}).get(managed.rotator.value_field)

    def job(self, secret: SecretVersion, managed: Managed, *, in_place: bool = False) -> Job:
        """Describe to a rotator what is to be issued."""
        assert secret.version is not None  # noqa: S101 - a version that was read has an id
        return Job(
            source=managed.source,
            operation=operation_id(secret.ref, secret.version),
            held_id=managed.credential_id,
            held=self.held(secret, managed),
            proven=tags.proven(secret),
            in_place=in_place,
            expires=self.clock.now() + managed.validity,
            options={key: value for key, value in secret.tags.items() if key not in tags.OURS},
        )

    async def handle(self, item: WorkItem, tries: int = 1) -> Outcome:
        """Do what is due and report it; raises TransientError when it must be tried again."""
        try:
            outcome = await self._handle(item, tries)
        except PermanentError as error:
            # Nothing could be read, so nothing can be marked: the report is all that is left.
            outcome = Outcome(item, "parked", error.what, error.fix)
        await self.reporter.concluded(outcome)
        return outcome

    async def _handle(self, item: WorkItem, tries: int) -> Outcome:
        source = item.source
        if source is None:
            secret = await self.vaults.read(item.ref)
            item = item.about(secret.version)
            decision = self.decide(secret, item)
            if not isinstance(decision, Acting):
                return await self.conclude(secret, item, decision)
            source = decision.managed.source
        async with self.leases.hold(source, str(item.ref)) as lease:
            outcome = await Run(self, lease, source, item, tries).go()
        if outcome is None:
            return await self._handle(replace(item, source=None), tries)
        return outcome

    async def conclude(self, secret: SecretVersion, item: WorkItem, decision: Skip | Wait | Park) -> Outcome:
        """End where nothing was changed; a secret that cannot be rotated is marked."""
        result: Result = "waiting" if isinstance(decision, Wait) else "skipped"
        reason = decision.reason
        if isinstance(decision, Park):
            result = "parked"
            reason += await self._mark(secret, item, f"{decision.reason}. Fix: {decision.fix}")
        return Outcome(item, result, reason, decision.fix, old_version=secret.version)

    async def park(self, item: WorkItem, error: RekeyError) -> Outcome:
        """Give up on an item: mark the secret, unless it has been rotated since or bears an older reason."""
        outcome = Outcome(item, "parked", error.what, error.fix)
        try:
            secret = await self.vaults.read(item.ref)
            rest = tags.rests_until(secret, self.policy.parked_rest)
            if item.version in (None, secret.version) and (rest is None or rest <= self.clock.now()):
                outcome = replace(outcome, reason=error.what + await self._mark(secret, item, str(error)))
        except PermanentError as second:
            outcome = replace(outcome, reason=f"{error.what}; nor could the secret be marked: {second.what}")
        await self.reporter.concluded(outcome)
        return outcome

    async def _mark(self, secret: SecretVersion, item: WorkItem, reason: str) -> str:
        """Mark the secret as parked; returns what the report must add where that is not possible."""
        if not (secret.version and secret.enabled):
            return ""
        try:
            # Of an incident with an earlier version nothing is left to do here but what RekeyRetire says.
            compromised = item.compromised and item.version in (None, secret.version)
            marked = tags.parked(secret, reason, self.clock.now(), compromised=compromised)
            await self.vaults.retag(secret, marked)
        except PermanentError as error:
            return f"; nor could the secret be marked: {error.what}"
        return ""

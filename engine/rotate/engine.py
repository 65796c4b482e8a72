"""The engine: one work item in, one outcome out; engine/rotate/run.py does the work under the lease."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from engine.contract import Job, Preflight, Rotator
from engine.decide.decision import Acting, Decision, Kinds, Park, Rotate, Skip, Wait, decide
from engine.errands import consumers
from engine.errands import errand as errands
from engine.errors import PermanentError, RekeyError
from engine.model import tags, template
from engine.model.outcome import Outcome, Result
from engine.model.policy import Policy
from engine.model.tags import Managed
from engine.model.workitem import WorkItem, operation_id
from engine.ports import Apps, Clock, Leases, Reporter, Vaults, Webhooks, WorkQueue
from engine.rotate import replicas
from engine.rotate.ownership import hold
from engine.rotate.run import Run
from engine.secret import SecretVersion, Sensitive


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
    apps: Apps | None = None
    """How apps that use secrets are reached; None where none are."""
    webhooks: Webhooks | None = None
    """How owners are told; None where none are."""

    @property
    def kinds(self) -> Kinds:
        """What is known of each kind of credential."""
        return {kind: type(rotator) for kind, rotator in self.rotators.items()}

    def decide(self, secret: SecretVersion, item: WorkItem) -> Decision:
        """Decide about a secret as it is now."""
        decision = decide(secret, item, self.policy, self.kinds, self.clock.now())
        self.reporter.about(item.operation, decision.managed.rotator.kind if isinstance(decision, Acting) else "")
        return decision

    async def preview(self, item: WorkItem) -> tuple[SecretVersion, Decision]:
        """Tell what `handle` would do, changing nothing; raises what stands in its way."""
        secret = await self.vaults.read(item.ref)
        decision = self.decide(secret, item.about(secret.version))
        if isinstance(decision, Rotate):
            await self.rehearse(secret, decision.managed)
        return secret, await consumers.hold_back(self, secret, item, decision) or decision

    async def rehearse(self, secret: SecretVersion, managed: Managed) -> None:
        """Check everything that a rotation needs, due or not, changing nothing; raises what would keep it from succeeding."""
        rotator, job = self.rotators[managed.rotator.kind], self.job(secret, managed)
        await replicas.check(self.vaults, secret.ref, managed)
        if isinstance(rotator, Preflight):
            await rotator.preflight(job)

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
            options={key: value for key, value in managed.settings.items() if key not in tags.OURS},
        )

    async def handle(self, item: WorkItem, tries: int = 1) -> Outcome:
        """Do what is due and report it; raises TransientError when it must be tried again."""
        try:
            outcome = await (errands.run(self, item) if item.is_errand else self._handle(item, tries))
        except PermanentError as error:
            # Nothing could be read, so nothing can be marked: the report is all that is left.
            outcome = Outcome(item, "parked", error.what, error.fix)
        return await self.report(outcome, tries)

    async def report(self, outcome: Outcome, tries: int = 1) -> Outcome:
        """Report an outcome, and post what it brings with it."""
        await self.reporter.concluded(outcome)
        await errands.follow(self, outcome, again=tries > 1)
        return outcome

    async def _handle(self, item: WorkItem, tries: int) -> Outcome:
        source = item.source
        if source is None:
            with self.reporter.step("read"):
                secret = await self.vaults.read(item.ref)
            item = item.about(secret.version)
            decision = self.decide(secret, item)
            if not isinstance(decision, Acting):
                return await self.conclude(secret, item, decision)
            source = decision.managed.source
        async with AsyncExitStack() as stack:
            with self.reporter.step("lease"):
                held = await stack.enter_async_context(hold(self.leases, source, item.ref))
            outcome = await Run(self, held, item, tries).go()
        if outcome is None:
            return await self._handle(replace(item, source=None), tries)
        return outcome

    async def conclude(self, secret: SecretVersion, item: WorkItem, decision: Skip | Wait | Park) -> Outcome:
        """End where nothing was changed; a secret that cannot be rotated is marked."""
        result: Result = "waiting" if isinstance(decision, Wait) else "skipped"
        reason = decision.reason
        if isinstance(decision, Park):
            result = "parked"
            mark = f"{decision.reason}. Fix: {decision.fix}"
            reason += await self._mark(secret, item, mark, drifted=decision.drifted)
        return Outcome(item, result, reason, decision.fix, old_version=secret.version)

    async def park(self, item: WorkItem, error: RekeyError) -> Outcome:
        """Give up on an item: mark the secret, unless it has been rotated since or bears an older reason."""
        if item.is_errand:
            return await self.report(errands.given_up(item, error))
        outcome = Outcome(item, "parked", error.what, error.fix)
        try:
            secret = await self.vaults.read(item.ref)
            rest = tags.rests_until(self.policy.applied(secret), self.policy.parked_rest)
            resting = rest is not None and rest > self.clock.now()
            # Who asked by hand waits for a mark of their own; but the first reason says more than that the queue gave up.
            if item.version in (None, secret.version) and (not resting or item.trigger == "manual"):
                reason = secret.tags.get(tags.REASON, "") if resting else ""
                outcome = replace(outcome, reason=error.what + await self._mark(secret, item, reason or str(error)))
        except PermanentError as second:
            outcome = replace(outcome, reason=f"{error.what}; nor could the secret be marked: {second.what}")
        return await self.report(outcome)

    async def _mark(self, secret: SecretVersion, item: WorkItem, reason: str, *, drifted: bool = False) -> str:
        """Mark the secret as parked; returns what the report must add where that is not possible."""
        if not (secret.version and secret.enabled):
            return ""
        try:
            # Of an incident with an earlier version nothing is left to do here but what RekeyRetire says.
            compromised = item.compromised and item.version in (None, secret.version)
            seen = tags.fingerprint(self.policy.applied(secret))
            marked = tags.parked(secret, reason, self.clock.now(), compromised=compromised, drifted=drifted, seen=seen)
            await self.vaults.retag(secret, marked)
        except PermanentError as error:
            return f"; nor could the secret be marked: {error.what}"
        return ""

"""The engine: one work item in, one outcome out; and what people and programs may ask of it.

engine/rotation/controller.py works under the lease.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from engine.contract import Forewarn, Preflight
from engine.errors import AccessDenied, NotFound, PermanentError, RekeyError
from engine.follow_up import refresh, tasks
from engine.parts import Parts, log
from engine.planning.inventory import Inventory, owed_elsewhere
from engine.rotation import controller, issue, leaked, ownership, report
from engine.rotation.context import Rotation
from engine.rotation.derived import Dependents, ParentKey
from engine.rotation.observe import ANOTHER
from engine.rotation.ownership import unrecorded
from engine.rotation.source_lease import SourceLease, hold
from engine.secret import SecretVersion, Version
from engine.state.decision import Acting, Decision, Park, Restore, Retire, Rotate, Skip, Wait
from engine.state.incident import STILL_ACCEPTED
from engine.state.record import Record
from engine.state.request import Outcome, Result, WorkItem
from engine.state.tags import OPERATION, RETIRE, Managed, unfinished_incident

CUT_OFF = Skip("the earlier credential is compromised and is being cut off", "rotate instead")
LEAKED_FIX = "revoke it at its source by hand, or give the secret its tags back"


@dataclass(frozen=True)
class Engine(Parts):
    """The engine's entry points, on top of its parts."""

    nothing_yet, first_value, add_first = issue.nothing_yet, issue.first_value, issue.added
    owned, release, claims = ownership.owned, ownership.release, ownership.claimed
    held_at, passed_to, foreseen = leaked.held_at, leaked.passed_to, leaked.foreseen
    follow_up, drop, conclude = tasks.run, tasks.give_up, tasks.conclude
    """Functions of other modules, as methods of the engine."""

    async def preview(self, item: WorkItem) -> tuple[SecretVersion, Decision]:
        """Return what `handle` would do, changing nothing; raises what would prevent it."""
        shown, index = await self.vaults.read(item.ref), await self.index()
        records = index.of(item.ref)
        case = self.inventory.case(shown, records)
        secret = replace(shown, tags=case.tagged.held.tags)
        decision = self.decide(secret, item.about(secret.version))
        is_known = index.unread or any(listed.published or listed.pending for listed in records)
        if isinstance(decision, Acting) and RETIRE in shown.tags and not is_known:
            secret, decision = shown, unrecorded(shown)
        if isinstance(decision, Acting):
            secret, decision = await self._believing(secret, item, decision)
        reason = "; ".join(filter(None, (decision.reason, owed_elsewhere(case, records))))
        return secret, replace(decision, reason=reason)

    async def _believing(
        self, secret: SecretVersion, item: WorkItem, plan: Acting
    ) -> tuple[SecretVersion, Decision]:
        """Return the secret and the decision about it as the record of its source has them."""
        at = await self._rotation(plan.managed, item, secret)
        decision: Decision = plan
        if at.record.owner:
            # A worker believes the record, too, and not what tags say of the credential held.
            secret = self.believed(secret, at.record)
            tagged = self.tagged_as_read(secret, at.record)
            decision = self.decided(tagged, item.about(secret.version))
        if isinstance(decision, Acting):
            decision = await self._previewed(at, secret, decision)
        return secret, decision

    async def _previewed(self, at: Rotation, secret: SecretVersion, plan: Acting) -> Decision:
        """Return what comes of a decision, as far as a preview can tell without the lease."""
        item, leaks = at.item, at.record.compromised.versions
        if isinstance(plan, Restore) and plan.pending.version in leaks:
            return CUT_OFF
        decision: Decision = plan
        if at.parent_key:
            decision = await at.parent_key.judged(secret, item, plan)
        if isinstance(decision, Rotate):
            warning = await self.rehearse(secret, decision.managed, item)
            decision = replace(decision, warning=warning)
        if isinstance(decision, Retire):
            dependents = Dependents(self, decision.managed)
            delay = await dependents.delay(secret, item, decision) or await refresh.hold_back(
                self, secret, item, decision, dependents.holders(secret)
            )
            decision = delay or decision
        return decision

    @property
    def inventory(self) -> Inventory:
        """What listings tell of secrets now."""
        return Inventory(self.policy, self.kinds, self.clock.now())

    async def consented(self, secret: Version, managed: Managed) -> None:
        """Raise why the key of a derived secret does not consent to it; other secrets need no consent."""
        if parent_key := ParentKey.of(self, managed):
            await parent_key.parent(secret.ref)

    async def rehearse(
        self, secret: SecretVersion, managed: Managed, item: WorkItem | None = None
    ) -> str:
        """Check everything that a rotation needs, whether it is due or not; changes nothing.

        Returns what an operator must know beforehand, or an empty text. Raises the error that
        would make the rotation fail, for `item` if that is given.
        """
        at = await self._rotation(managed, item or WorkItem(secret.ref), secret)
        rotator, job = at.rotator, at.job(secret)
        if at.parent_key:
            job = await at.parent_key.keyed(secret.ref, job)
        await at.replicas.renewed.check(secret.ref)
        if isinstance(rotator, Preflight):
            await rotator.preflight(job)
        return await rotator.forewarn(job) if isinstance(rotator, Forewarn) else ""

    async def _rotation(self, managed: Managed, item: WorkItem, secret: SecretVersion) -> Rotation:
        """Return the context that a worker would have, with the record as it is now."""
        try:
            record = await self.leases.peek(managed.source)
        except AccessDenied as error:
            log.error("the record of %s cannot be read: %s", managed.source, error)
            record = None
        lease = SourceLease(self, managed.source, (), record or Record())
        at = Rotation(lease, item)
        at.here = at.record.as_read(managed, secret)
        return at

    async def handle(self, item: WorkItem, tries: int = 1) -> Outcome:
        """Do what is due and report it; raises TransientError if it must be tried again."""
        try:
            return await self._handle(item, tries)
        except PermanentError as error:
            if item.recheck:
                return await self.leave(item, error)
            # The secret could not be read, so it cannot be marked. It can only be reported.
            error = leaked.named_as_deleted(error, item, item.source or "its source")
            outcome = Outcome(item, await self._unread(item, error), error.what, error.fix)
            is_away = item.request and not self.policy.manages(item.ref.vault)
            if item.compromised or is_away:
                # It comes back for a month. Whoever serves a vault may be about to change.
                outcome = outcome.unfinished(self.clock.now())
        return await tasks.conclude(self, outcome)

    async def _unread(self, item: WorkItem, error: PermanentError) -> Result:
        """Return how an item of a secret ends that cannot be read.

        An event parks nothing where the secret is gone and no record knows it.
        """
        is_gone = isinstance(error, NotFound) and error.where == str(item.ref)
        is_event = item.cause.trigger == "event" and not item.compromised
        return "parked" if not (is_gone and is_event) or await self.known(item.ref) else "skipped"

    async def park(self, item: WorkItem, error: RekeyError) -> Outcome:
        """Give up on an item, mark its secret and report that."""
        return await tasks.conclude(self, await report.give_up(self, item, error))

    async def leave(self, item: WorkItem, error: RekeyError) -> Outcome:
        """End a recheck that met an error: the record says when the next one comes."""
        outcome = Outcome(item, "skipped", f"{error.what}; {ANOTHER}", error.fix)
        return await tasks.conclude(self, outcome)

    async def _handle(
        self, item: WorkItem, tries: int, left: frozenset[str] = frozenset()
    ) -> Outcome:
        """Work under the lease of the item's source. `left`: sources where it was tried already."""
        source, secret, known = item.source, None, None
        if source is None:
            with self.reporter.step("read"):
                secret = await self.vaults.read(item.ref)
            decision = await self._unleased(secret, item.about(secret.version))
            if isinstance(decision, Acting):
                tagged = decision.managed.source
                source, known = await leaked.found(self, secret, item, tagged, left)
            else:
                source = await self._left_at(secret, item, tries, left)
                if source is None or isinstance(decision, Park):
                    unleased = await self._unleasable(secret, item, decision)
                    return await tasks.conclude(self, unleased, again=tries > 1)
        others = await leaked.elsewhere(self, item, source, left | {source}, known)
        async with AsyncExitStack() as stack:
            with self.reporter.step("lease"):
                held = await stack.enter_async_context(hold(self, source, item.ref))
            at = Rotation(held, item, elsewhere=others, before=secret)
            outcome = await controller.work(at, again=tries > 1)
        if outcome is None:
            # A version that is settled here is not looked for at the secret's present source.
            is_settled = held.record.compromised.is_refused(item.version, item.reported_at)
            version = None if item.began and is_settled else item.version
            further = next(iter(others), None) if at.may_work_elsewhere() else None
            later = replace(item, source=further, version=version)
            return await self._handle(later, tries, left | {source})
        return outcome

    async def _unleasable(
        self, secret: SecretVersion, item: WorkItem, decision: Skip | Wait | Park
    ) -> Outcome:
        """End an item for a secret whose tags name no source. An incident comes back for a month.

        Nobody knows where the leaked credential works until the tags are corrected, or the secret
        is enabled.
        """
        about = item.about(secret.version)
        if not item.compromised:
            return await report.conclude(self, secret, about, decision)
        reason, fix = f"{decision.reason}: {STILL_ACCEPTED}", decision.fix or LEAKED_FIX
        outcome = Outcome(about, "parked", reason, fix, old_version=secret.version)
        outcome = outcome.unfinished(self.clock.now())
        is_marked = unfinished_incident(secret) or not secret.enabled
        if outcome.result == "waiting" and is_marked:
            return outcome
        parked = await report.conclude(self, secret, about, Park(outcome.reason, fix))
        return replace(parked, comes_back=outcome.comes_back)

    async def _unleased(self, secret: Version, item: WorkItem) -> Decision:
        """Decide before the record can be read. No forged tag may prevent that it is read.

        If Rekey's own tags allow no action, it decides again without them. Their claims are
        compared with the record under the lease.
        """
        decision = self.decide(secret, item)
        if isinstance(decision, Acting):
            return decision
        tags = {tag: text for tag, text in secret.tags.items() if tag not in (OPERATION, RETIRE)}
        bare = replace(secret, tags=tags)
        if item.action in ("restore", "retire"):
            # What is to be retired is in the records, as the preview of this item has read them.
            records = (await self.index()).of(item.ref)
            return self.decided(self.inventory.case(bare, records).tagged, item)
        return self.decide(bare, item)

    async def _left_at(
        self, secret: SecretVersion, item: WorkItem, tries: int, left: frozenset[str]
    ) -> str | None:
        """Return the source at which something is left to do for a secret that asks for nothing.

        That is the source of a compromised version, or one where an earlier try of this item was
        interrupted. Sources where the item was already are left out.
        """
        sources = list[str]()
        if item.compromised and (known := await self.known(secret.ref)):
            version = str(item.version or secret.version)
            sources = [await leaked.held_at(self, secret.ref, version, known)]
        elif tries > 1:
            begun = (await self.index()).of(secret.ref)
            sources = [listed.source for listed in begun if listed.is_open]
        return next((source for source in sources if source not in ("", *left)), None)

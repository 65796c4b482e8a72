"""Do what was decided: read again, decide again, issue, verify, publish, confirm, retire.

Whatever dies between two lines here, the message comes back and this runs again from the state in the vault. Every
call that changes something is made while the lease certainly lasts, and can be made again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from engine.contract import Issued, Preflight, Rotator, Tidy
from engine.decide.decision import Acting, Confirm, Park, Restore, Retire, Rotate, due_at
from engine.decide.draft import new_version
from engine.errands import consumers
from engine.errors import (
    NeedsHuman,
    PermanentError,
    RekeyError,
    TransientError,
    VerificationFailed,
)
from engine.model import tags, template
from engine.model.outcome import Outcome, Result
from engine.model.tags import Managed
from engine.model.workitem import WorkItem, operation_id
from engine.rotate import replicas
from engine.rotate.ownership import Hold, other_owner
from engine.rotate.undo import telling, undoing
from engine.secret import SecretVersion, Sensitive

if TYPE_CHECKING:
    from engine.rotate.engine import Engine

CALL_SECONDS = 20.0
"""The longest that one changing call may take: less than a lease, so that no answer is awaited without one."""
RENEW_SECONDS = 20.0
"""How often the lease is looked after while a proof waits for its source."""
FOLLOW_UP_SECONDS = 90.0
"""When the engine looks after a source with a single slot: a dead worker's own message comes back only after 10 minutes."""
MAX_FOLLOW_UPS = 3


@dataclass
class Run:
    """One work item under one lease, and what has been done for it so far."""

    engine: Engine
    lease: Hold
    item: WorkItem
    tries: int = 1
    result: Result | None = None
    reason: str = ""
    managed: Managed | None = None
    old_version: str | None = None
    drifted: bool = False
    published: str | None = None
    retired: tuple[str, ...] = ()

    async def go(self) -> Outcome | None:
        """Decide and act until nothing is left to do; None where the secret's source is not the one under lease."""
        try:
            with self.engine.reporter.step("read"):
                secret = await self.engine.vaults.read(self.item.ref)
            self.item = self.item.about(secret.version)
            self.old_version = secret.version
            return await self._advance(secret)
        except PermanentError as error:
            parked = Park(str(error), error.fix, drifted=self.drifted)
        # Who has lost the lease must not judge what another worker has done since.
        await self.lease.ensure(CALL_SECONDS)
        try:
            current = await self.engine.vaults.read(self.item.ref)
        except PermanentError as second:
            # What could not be done comes first, and what came of it: nobody else knows.
            reason = f"{parked.reason}; nor could the secret be marked: {second.what}"
            outcome = Outcome(self.item, "parked", reason, parked.fix)
        else:
            outcome = await self.engine.conclude(current, self.item, parked)
        return replace(outcome, old_version=self.old_version, new_version=self.published, retired=self.retired)

    async def _advance(self, secret: SecretVersion) -> Outcome | None:
        while True:
            decision = self.engine.decide(secret, self.item)
            if not isinstance(decision, Acting):
                return self._report(secret) if self.result else await self.engine.conclude(secret, self.item, decision)
            if isinstance(decision, Confirm) and secret.version == self.published:
                return self._report(secret)
            if decision.managed.source != self.lease.source:
                return None
            if obstacle := await other_owner(self.engine, self.lease, self.item.ref):
                return await self.engine.conclude(secret, self.item, obstacle)
            if lagging := await consumers.hold_back(self.engine, secret, self.item, decision):
                if self.item.action != "audit":
                    return await self.engine.conclude(secret, self.item, lagging)
                # What is current is proven all the same, and the app that lags is refreshed for it.
                return self._report(await self._confirm(secret, decision.managed, lagging.reason))
            secret = await self._act(secret, decision)

    async def _act(self, secret: SecretVersion, decision: Acting) -> SecretVersion:
        match decision:
            case Rotate(managed, reason, at_once):
                issued = await self._issue(secret, managed)
                overlap = timedelta() if at_once else managed.overlap
                return await self._publish(secret, managed, issued, overlap, "rotated", reason)
            case Retire():
                return await self._retire(secret, decision)
            case Restore():
                return await self._restore(secret, decision)
            case Confirm(managed, reason):
                return await self._confirm(secret, managed, reason)

    async def _issue(self, secret: SecretVersion, managed: Managed, *, in_place: bool = False) -> Issued:
        """Have a credential made, and prove that the source accepts it. Nothing is published without that."""
        rotator, job = self._rotator(managed), self.engine.job(secret, managed, in_place=in_place)
        copies = await replicas.check(self.engine.vaults, secret.ref, managed)
        if earlier := replicas.issued_before(copies, managed, job.operation):
            with suppress(VerificationFailed):
                return await self._proven(managed, earlier)
        if self._tried_before(secret):
            await self._tidy(managed, job.operation, keep=None)
        if rotator.single_slot(managed.settings):
            await self._promise_to_look_again()
        async with telling(rotator.single_slot(managed.settings)), self.changing("issue"):
            issued = await rotator.issue(job)
        if in_place:
            issued = replace(issued, restorable=False)
        async with undoing(self, secret, managed, issued, RekeyError):
            return await self._proven(managed, issued)

    async def _proven(self, managed: Managed, issued: Issued) -> Issued:
        credential = issued.fields[self._rotator(managed).value_field]
        with self.engine.reporter.step("verify"):
            await self._verify(managed, issued.credential_id, credential)
        return issued

    async def _verify(self, managed: Managed, credential_id: str, credential: Sensitive) -> None:
        """Have a credential proven; that may take as long as the source needs to spread it, so the lease is renewed."""
        proof = asyncio.ensure_future(self._rotator(managed).verify(managed.source, credential_id, credential))
        try:
            while not (await asyncio.wait({proof}, timeout=RENEW_SECONDS))[0]:
                await self.lease.ensure(CALL_SECONDS + RENEW_SECONDS)
            await proof
        finally:
            proof.cancel()

    def _tried_before(self, secret: SecretVersion) -> bool:
        return self.tries > 1 or bool(self.item.deferred or self.item.follow_up) or tags.STATE in secret.tags

    async def _promise_to_look_again(self) -> None:
        """Post a follow-up before a source is touched whose only credential changes at once.

        Had the worker died in between, nobody would know the password until its message comes back.
        """
        if self.item.follow_up < MAX_FOLLOW_UPS:
            # The follow-up of a later try posts none of its own, so that they never multiply.
            turn = self.item.follow_up + 1 if self.tries == 1 else MAX_FOLLOW_UPS
            await self.engine.queue.post_rotation(replace(self.item, follow_up=turn), FOLLOW_UP_SECONDS)

    async def _publish(
        self,
        secret: SecretVersion,
        managed: Managed,
        issued: Issued,
        overlap: timedelta,
        result: Result,
        reason: str,
    ) -> SecretVersion:
        """Publish to the replicas, then to the secret itself: a crash in between is found and mended by the retry."""
        draft = new_version(secret, managed, issued, self.engine.clock.now(), overlap, self.item.cause)
        missed: list[RekeyError] = []
        for ref in managed.replicas:
            async with self.changing("publish replica"):
                missed += await replicas.write(self.engine.vaults, ref, managed, issued.fields, draft)
        if missed and not self._rotator(managed).single_slot(managed.settings):
            raise missed[0]
        # What a replica holds is not lost: the next try finds it there.
        final = () if managed.replicas else PermanentError
        async with undoing(self, secret, managed, issued, final), self.changing("publish"):
            published = await self.engine.vaults.publish(secret.ref, draft)
        self.published = published.version
        self._done(result, reason, managed)
        if missed:
            # The password has changed at its source, so the secret itself could not wait for the replica.
            raise missed[0]
        return published

    async def _confirm(self, secret: SecretVersion, managed: Managed, reason: str) -> SecretVersion:
        """Prove that the source accepts what is current; if it refuses, bring that credential back."""
        rotator, fields = self._rotator(managed), template.extract(managed.template, secret.value)
        self.published = secret.version
        if fields is None:
            raise NeedsHuman(
                "the value does not follow ValueTemplate", where=str(secret.ref), fix="correct either of them"
            )
        try:
            with self.engine.reporter.step("confirm"):
                await self._verify(managed, managed.credential_id or "", fields[rotator.value_field])
        except VerificationFailed:
            return await self._heal(secret, managed)
        await self._look_around(secret, managed)
        for ref in managed.replicas:
            async with self.changing("publish replica"):
                await replicas.catch_up(self.engine.vaults, ref, managed, fields, secret)
        if tags.STATE in secret.tags:
            async with self.changing("unpark"):
                secret = await self.engine.vaults.retag(secret, tags.unparked(secret.tags))
        self._done(self.result or "confirmed", self.reason or reason, managed)
        return secret

    async def _look_around(self, secret: SecretVersion, managed: Managed) -> None:
        """Remove what an interrupted try left behind; in an audit, see whether the next rotation would succeed."""
        rotator, audit = self._rotator(managed), self.item.action == "audit"
        if tags.OPERATION in secret.tags:
            await self._tidy(managed, secret.tags[tags.OPERATION], keep=managed.credential_id)
        if audit:
            # The next rotation may have been tried, and refused for good half-way.
            await self._tidy(managed, operation_id(secret.ref, str(secret.version)), keep=None)
        if audit and isinstance(rotator, Preflight):
            await rotator.preflight(self.engine.job(secret, managed))

    async def _tidy(self, managed: Managed, operation: str, keep: str | None) -> None:
        rotator = self._rotator(managed)
        if isinstance(rotator, Tidy):
            async with self.changing("tidy"):
                await rotator.tidy(managed.source, operation, keep)

    async def _heal(self, secret: SecretVersion, managed: Managed) -> SecretVersion:
        """Publish anew what the source holds in place of a version that it refuses, and take that one out of use."""
        self.drifted = True
        rotator, job = self._rotator(managed), self.engine.job(secret, managed)
        if not job.proven and isinstance(rotator, Preflight):
            # Somebody else wrote this version: find out first whether it may be replaced at all.
            await rotator.preflight(job)
        issued = await self._issue(secret, managed, in_place=True)
        reason = "the source refused the current version"
        healed = await self._publish(secret, managed, issued, managed.overlap, "healed", reason)
        self.drifted = False
        async with self.changing("disable"):
            await self.engine.vaults.disable(secret.ref, str(secret.version))
        if tags.OPERATION in secret.tags:
            # What was refused may have landed late over what its own operation had published before.
            await self._tidy(managed, secret.tags[tags.OPERATION], keep=None)
        return healed

    async def _restore(self, secret: SecretVersion, plan: Restore) -> SecretVersion:
        """Publish the superseded credential again; the one that was current gets an overlap in its turn."""
        managed, pending = plan.managed, plan.pending
        old = await self.engine.vaults.read_version(secret.ref, pending.version)
        fields = template.extract(managed.template, old.value)
        if fields is None:
            raise NeedsHuman(
                "the earlier value does not follow ValueTemplate", where=str(secret.ref), fix="rotate instead"
            )
        ends = max(old.expires or secret.created, self.engine.clock.now() + managed.overlap)
        issued = Issued(pending.credential_id, fields, supersedes=managed.credential_id, expires=ends)
        await self._proven(managed, issued)
        return await self._publish(secret, managed, issued, managed.overlap, "restored", plan.reason)

    async def _retire(self, secret: SecretVersion, plan: Retire) -> SecretVersion:
        """Revoke the superseded credential, then disable the versions that hold it, then forget it."""
        managed, pending = plan.managed, plan.pending
        async with self.changing("retire"):
            held = self.engine.held(secret, managed)
            held_id = managed.credential_id if tags.proven(secret) else None
            await self._rotator(managed).retire(managed.source, pending.credential_id, held, held_id)
        for ref in managed.replicas:
            async with self.changing("disable replica"):
                await replicas.disable_superseded(self.engine.vaults, ref)
        if pending.version != secret.version:
            async with self.changing("disable"):
                await self.engine.vaults.disable(secret.ref, pending.version)
        async with self.changing("forget"):
            rest = {key: value for key, value in tags.unparked(secret.tags).items() if key != tags.RETIRE}
            secret = await self.engine.vaults.retag(secret, rest)
        self.retired += (pending.credential_id,)
        self._done(self.result or "retired", self.reason or plan.reason, managed)
        return secret

    @asynccontextmanager
    async def changing(self, step: str) -> AsyncIterator[None]:
        """Bound a call that changes something, so that it ends while the lease lasts."""
        await self.lease.ensure(CALL_SECONDS)
        with self.engine.reporter.step(step):
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    yield
            except TimeoutError:
                raise TransientError(f"{step} took over {CALL_SECONDS:.0f} s; whether it took effect is open") from None

    def _rotator(self, managed: Managed) -> Rotator:
        return self.engine.rotators[managed.rotator.kind]

    def _done(self, result: Result, reason: str, managed: Managed) -> None:
        self.result, self.reason, self.managed = result, reason, managed

    def _report(self, secret: SecretVersion) -> Outcome:
        assert self.result and self.managed  # noqa: S101, PT018 - only called after something was done
        return Outcome(
            self.item,
            self.result,
            self.reason,
            rotator=self.managed.rotator.kind,
            source=self.lease.source,
            old_version=self.old_version,
            new_version=secret.version if secret.version != self.old_version else None,
            credential_id=secret.tags.get("CredentialId"),
            next_due=due_at(secret, self.managed),
            retired=self.retired,
            replicas=self.managed.replicas,
        )

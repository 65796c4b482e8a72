"""Do what was decided: read again, decide again, issue, verify, publish, confirm, retire.

Whatever dies between two lines here, the message comes back and this runs again from the state in the vault. Every
call that changes something is made while the lease certainly lasts, and can be made again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from engine import tags
from engine.decide import Confirm, Park, Retire, Rotate, due_at
from engine.draft import new_version
from engine.errors import NotFound, PermanentError, TransientError, VerificationFailed
from engine.outcome import Outcome, Result
from engine.ports import Lease
from engine.secret import SecretRef, SecretVersion
from engine.tags import Managed
from engine.workitem import WorkItem
from rotators.contract import Rotator, Tidy

if TYPE_CHECKING:
    from engine.rotation import Engine

CALL_SECONDS = 20.0
"""The longest that one changing call may take: less than a lease, so that no answer is awaited without one."""


@dataclass
class Run:
    """One work item under one lease, and what has been done for it so far."""

    engine: Engine
    lease: Lease
    source: str
    item: WorkItem
    tries: int = 1
    result: Result | None = None
    reason: str = ""
    managed: Managed | None = None
    old_version: str | None = None
    published: str | None = None
    retired: tuple[str, ...] = ()

    async def go(self) -> Outcome | None:
        """Decide and act until nothing is left to do; None where the secret's source is not the one under lease."""
        try:
            secret = await self.engine.vaults.read(self.item.ref)
            self.item = self.item.about(secret.version)
            self.old_version = secret.version
            return await self._advance(secret)
        except PermanentError as error:
            parked = Park(str(error), error.fix)
        current = await self.engine.vaults.read(self.item.ref)
        return await self.engine.conclude(current, self.item, parked)

    async def _advance(self, secret: SecretVersion) -> Outcome | None:
        while True:
            decision = self.engine.decide(secret, self.item)
            match decision:
                case Rotate() | Retire() | Confirm() if decision.managed.source != self.source:
                    return None
                case Rotate() | Retire() if obstacle := await self._owned_by_another():
                    return await self.engine.conclude(secret, self.item, obstacle)
                case Rotate(managed, reason, at_once):
                    overlap = timedelta() if at_once else managed.overlap
                    secret = await self._replace(secret, managed, overlap, "rotated", reason)
                case Retire(managed):
                    secret = await self._retire(secret, managed, decision)
                case Confirm(managed) if secret.version != self.published:
                    secret = await self._confirm(secret, managed, decision.reason)
                case Confirm():
                    return self._report(secret)
                case _ if self.result:
                    return self._report(secret)
                case _:
                    return await self.engine.conclude(secret, self.item, decision)

    async def _replace(
        self, secret: SecretVersion, managed: Managed, overlap: timedelta, result: Result, reason: str
    ) -> SecretVersion:
        """Issue, verify, publish. Nothing is published that the source has not accepted."""
        rotator, job = self._rotator(managed), self.engine.job(secret, managed, in_place=result == "healed")
        if self.tries > 1 and isinstance(rotator, Tidy):
            async with self._changing("tidy"):
                await rotator.tidy(managed.source, job.operation, keep=None)
        async with self._changing("issue"):
            issued = await rotator.issue(job)
        with self.engine.reporter.step("verify"):
            await rotator.verify(managed.source, issued.credential_id, issued.fields[rotator.value_field])
        draft = new_version(secret, managed, issued, self.engine.clock.now(), overlap)
        async with self._changing("publish"):
            published = await self.engine.vaults.publish(secret.ref, draft)
        self.published = published.version
        self._done(result, reason, managed)
        return published

    async def _confirm(self, secret: SecretVersion, managed: Managed, reason: str) -> SecretVersion:
        """Prove what an earlier try published; if the source refuses it, bring that credential back."""
        rotator, credential = self._rotator(managed), self.engine.held(secret, managed)
        self.published = secret.version
        if credential is None:
            self._done("confirmed", f"{reason}; its value does not follow ValueTemplate, so it was not proven", managed)
            return secret
        try:
            with self.engine.reporter.step("confirm"):
                await rotator.verify(managed.source, managed.credential_id or "", credential)
        except VerificationFailed:
            return await self._heal(secret, managed)
        if isinstance(rotator, Tidy):
            async with self._changing("tidy"):
                await rotator.tidy(managed.source, secret.tags[tags.OPERATION], keep=managed.credential_id)
        self._done("confirmed", reason, managed)
        return secret

    async def _heal(self, secret: SecretVersion, managed: Managed) -> SecretVersion:
        """Publish anew what the source holds in place of a version that it refuses, and take that one out of use."""
        healed = await self._replace(secret, managed, managed.overlap, "healed", "the source refused this version")
        async with self._changing("disable"):
            await self.engine.vaults.disable(secret.ref, str(secret.version))
        return healed

    async def _retire(self, secret: SecretVersion, managed: Managed, plan: Retire) -> SecretVersion:
        """Revoke the superseded credential, then disable the version that holds it, then forget it."""
        pending = plan.pending
        async with self._changing("retire"):
            await self._rotator(managed).retire(
                managed.source, pending.credential_id, self.engine.held(secret, managed)
            )
        if pending.version != secret.version:
            async with self._changing("disable"):
                await self.engine.vaults.disable(secret.ref, pending.version)
        async with self._changing("forget"):
            rest = {key: value for key, value in secret.tags.items() if key != tags.RETIRE}
            secret = await self.engine.vaults.retag(secret, rest)
        self.retired += (pending.credential_id,)
        self._done(self.result or "retired", self.reason or plan.reason, managed)
        return secret

    async def _owned_by_another(self) -> Park | None:
        """Two secrets never rotate one source against each other: the first keeps it while it still claims it."""
        mine, owner = str(self.item.ref).lower(), self.lease.owner
        if owner == mine:
            return None
        if owner and await self._still_claims(SecretRef.parse(owner)):
            return Park(
                f"{self.source} belongs to the secret {owner}",
                f"keep one secret a source: remove the tag ProviderAddress here, or there (or delete that secret, or, if "
                f"its vault is not served any more, the record {self.lease.record})",
            )
        await self.lease.claim(mine)
        return None

    async def _still_claims(self, other: SecretRef) -> bool:
        """Tell whether another secret is still tagged for this source; where that cannot be seen, it is."""
        if not self.engine.policy.manages(other.vault):
            return True
        try:
            secret = await self.engine.vaults.read(other)
        except NotFound:
            return False
        address = secret.tags.get("ProviderAddress", "")
        return not secret.enabled or any(
            rotator.canonical(address, secret.tags) == self.source for rotator in self.engine.rotators.values()
        )

    @asynccontextmanager
    async def _changing(self, step: str) -> AsyncIterator[None]:
        """Bound a call that changes something, so that it ends while the lease lasts."""
        await self.lease.ensure(CALL_SECONDS)
        with self.engine.reporter.step(step):
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    yield
            except TimeoutError:
                raise TransientError(
                    f"{step} took longer than {CALL_SECONDS:.0f} s; whether it took effect is open"
                ) from None

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
            source=self.source,
            old_version=self.old_version,
            new_version=secret.version if secret.version != self.old_version else None,
            credential_id=secret.tags.get("CredentialId"),
            next_due=due_at(secret, self.managed),
            retired=self.retired,
        )

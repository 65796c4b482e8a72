"""Roll a single-slot source back to the vault's password when the new one cannot be verified or published.

Else nobody would know the password. It is not rolled back where the old password is compromised, where the source had
refused it before the change (somebody may have revoked it on purpose), or where another worker may have gone on since.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from engine.contract import Issued, Job, Undo
from engine.errors import LeaseUnavailable, RekeyError, TransientError
from engine.model.tags import Managed
from engine.parts import Parts
from engine.rotate.under_lease import UnderLease
from engine.secret import SecretVersion, Sensitive

LOST = "the source may hold a password that nobody knows"


@asynccontextmanager
async def warning(single_slot: bool) -> AsyncIterator[None]:  # noqa: FBT001 - it is all that matters
    """For single-slot sources, warn in the error of an uncertain change that the new password may be unknown.

    It is not rolled back: the change could still land, after that. Without the lease nothing was sent.
    """
    try:
        yield
    except LeaseUnavailable:
        raise
    except TransientError as error:
        if single_slot:
            error.add(LOST)
        raise


@dataclass(frozen=True)
class Rollback:
    """Rolls one source back, under its lease."""

    parts: Parts
    lease: UnderLease
    job: Job
    managed: Managed
    unwanted: bool
    """The old password is compromised."""

    @asynccontextmanager
    async def on(
        self, secret: SecretVersion, issued: Issued, errors: tuple[type[RekeyError], ...], *, proven: bool = False
    ) -> AsyncIterator[None]:
        """Where these errors come from a single-slot source, roll back, and say beside the error what came of it.

        `proven`: the source has accepted what was issued. Where it does not any more, a person has changed it.
        """
        try:
            yield
        except errors as error:
            problem: RekeyError = error
        else:
            return
        if self.parts.rotator(self.managed).single_slot(self.managed.settings):
            problem = await self._back(secret, issued, problem, proven=proven)
        raise problem

    async def _back(self, secret: SecretVersion, issued: Issued, problem: RekeyError, *, proven: bool) -> RekeyError:
        rotator = self.parts.rotator(self.managed)
        if self.unwanted or not issued.restorable or not isinstance(rotator, Undo):
            problem.add(LOST)
            return problem
        try:
            wanted = await self._wanted(secret)
            if wanted is None:
                problem.add(f"somebody has written a version meanwhile, and {LOST}")
                return problem
            issued_value = issued.fields[rotator.value_field]
            if proven and not await rotator.accepts(self.job.source, issued.credential_id, issued_value):
                problem.add("somebody has changed the password at its source meanwhile, and it was left so")
                return problem
            async with self.lease.changing("undo"):
                await rotator.undo(self.job, wanted)
        except LeaseUnavailable:
            # Another worker may have set, and published, something else since.
            return problem
        except RekeyError as second:
            problem.add(f"nor could what the vault holds be set back: {second.what}")
            # It may or may not have been set back, so the message must come back.
            passing = isinstance(second, TransientError) and not isinstance(problem, TransientError)
            later = getattr(second, "retry_after", None)
            again = TransientError(problem.what, where=problem.where, fix=problem.fix, retry_after=later)
            return again if passing else problem
        problem.add("what the vault holds was set back")
        return problem

    async def _wanted(self, secret: SecretVersion) -> Sensitive | None:
        """Return the password to set back: the vault's, also where a person has written it meanwhile."""
        current = await self.parts.vaults.read(secret.ref)
        if not current.enabled:
            return None
        return self.job.held if current.version == secret.version else self.parts.held(current, self.managed)

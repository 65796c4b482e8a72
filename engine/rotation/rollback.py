"""Roll a single-slot source back to the vault's password if the new one cannot be published.

That covers a new password that cannot be verified, too. Otherwise nobody would know the password.
Rekey does not roll back if the old password is compromised, if the source refused it before the
change (somebody may have revoked it on purpose), or if another worker may have continued since.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from engine.contract import Issued, Job, Undo
from engine.errors import LeaseUnavailable, RekeyError, Throttled, TransientError
from engine.rotation.context import Rotation
from engine.rotation.source_lease import LOST
from engine.secret import Sensitive

NO_ANSWER = "NoAnswer"


@dataclass(frozen=True)
class Rollback:
    """Rolls one source back, under its lease."""

    at: Rotation
    job: Job
    issued: Issued
    proven: bool = False
    """The source has accepted what was issued. If it no longer does, a person has changed it."""

    @asynccontextmanager
    async def on(
        self, error_type: type[RekeyError], *, unsent: bool = False
    ) -> AsyncIterator[None]:
        """Roll back a single-slot source after such an error, and add the result to the error.

        `unsent`: nothing of it has been sent to the vault, so nothing arrives there later.
        """
        try:
            yield
        except LeaseUnavailable:
            # Another worker may have set, and published, another password since.
            raise
        except error_type as error:
            unsent |= error.unsent or isinstance(error, Throttled)
            # What was sent to the vault may still arrive there, and would be dead.
            may_arrive = self.proven and error.code == NO_ANSWER and not unsent
            if may_arrive and self.at.single:
                error.add(LOST)
            if may_arrive or not self.at.single:
                raise
            raise await self._back(error) from None

    async def _back(self, problem: RekeyError) -> RekeyError:
        """Set the source back to what the vault holds; return the error with what came of it."""
        at = self.at
        at.lease.is_lost = True
        if self._is_unwanted or not self.issued.restorable or not isinstance(at.rotator, Undo):
            problem.add(LOST)
            return problem
        try:
            password, problem = await self._held(problem)
            problem.add(await self._set_back(password))
        except LeaseUnavailable:
            # Another worker may have set, and published, another password since.
            return problem
        except RekeyError as second:
            problem.add(f"what the vault holds could not be set back either: {second.what}")
            # It may or may not have been set back, so the message must come back.
            return _put_off(problem, second) if isinstance(second, TransientError) else problem
        return problem

    async def _held(self, problem: RekeyError) -> tuple[Sensitive | None, RekeyError]:
        """Return what the vault holds, None if it is disabled by now; and the error, perhaps put off.

        The vault showed a password under this very lease, just before the change. Where it cannot be
        read once more, that one counts: what a person does at the source after that is seen there.
        """
        at = self.at
        if self.proven and problem.retry_after:
            # Azure may have named a time, and an earlier read would only put it off.
            return self.job.held, problem
        try:
            fresh = await at.parts.vaults.read(at.item.ref)
        except TransientError as unread:
            if not self.proven:
                raise
            return self.job.held, _put_off(problem, unread) if unread.retry_after else problem
        return at.parts.held(fresh, at.managed), problem

    async def _set_back(self, password: Sensitive | None) -> str:
        """Set the source back to what the vault holds; say what came of it."""
        rotator = self.at.rotator
        assert isinstance(rotator, Undo)  # noqa: S101 - for the type
        if password is None:
            return f"somebody has written a version in the meantime, and {LOST}"
        new = self.issued.fields[self.at.managed.rotator.value_field]
        if password == new:
            self.at.lease.is_lost = False
            return "the vault holds the new password"
        new_id = self.issued.credential_id
        if self.proven and not await rotator.accepts(self.job.source, new_id, new):
            self.at.lease.is_lost = False
            return "somebody has changed the password at its source since; it was left alone"
        async with self.at.lease.changing("undo"):
            await rotator.undo(self.job, password)
        self.at.lease.is_lost = False
        # Whoever dies before this is written proves it with the next look.
        record = self.at.lease.record
        change = replace(record.change, password_unknown=False)
        self.at.lease.learn(replace(record, change=change))
        return "what the vault holds was set back"

    @property
    def _is_unwanted(self) -> bool:
        """Whether the old password is compromised."""
        at = self.at
        return bool(at.progress.item.compromised or at.record.compromised.versions)


def _put_off(problem: RekeyError, cause: TransientError) -> TransientError:
    """Return the problem as one that comes back, and no sooner than Azure has asked for."""
    if not isinstance(problem, TransientError):
        problem = TransientError(problem.what, where=problem.where, fix=problem.fix)
    waits = filter(None, (problem.retry_after, cause.retry_after))
    problem.retry_after = max(waits, default=None)
    return problem

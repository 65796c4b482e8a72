"""What replaced a password could not be proven, or not be published: what the vault holds is set back at the source.

Else nobody would know the password. Two stay replaced all the same, and the error says so: one that is compromised, and one
that the source refused before, since somebody may have taken it away on purpose.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from engine.contract import Issued, Undo
from engine.errors import LeaseUnavailable, RekeyError, TransientError
from engine.model.tags import Managed, unfinished_incident
from engine.secret import SecretVersion

if TYPE_CHECKING:
    from engine.rotate.run import Run


LOST = "the source may hold a password that nobody knows"


@asynccontextmanager
async def telling(single_slot: bool) -> AsyncIterator[None]:  # noqa: FBT001 - it is all that matters
    """Say beside the error of a change whose effect is open what that means where there is one slot only.

    It is not set back: the change could still land, after that. Without the lease nothing was sent.
    """
    try:
        yield
    except LeaseUnavailable:
        raise
    except TransientError as error:
        if single_slot:
            error.add(LOST)
        raise


@asynccontextmanager
async def undoing(
    run: Run, secret: SecretVersion, managed: Managed, issued: Issued, errors: type[RekeyError] | tuple[()]
) -> AsyncIterator[None]:
    """Where these errors come, undo what was done to a source with a single slot, and say beside the error what came of it."""
    try:
        yield
    except errors as error:
        problem: RekeyError = error
    else:
        return
    unwanted = not issued.restorable or run.item.compromised or unfinished_incident(secret)
    if run.engine.rotators[managed.rotator.kind].single_slot(managed.settings):
        problem = await _undone(run, secret, managed, problem, unwanted=unwanted)
    raise problem


async def _undone(
    run: Run, secret: SecretVersion, managed: Managed, problem: RekeyError, *, unwanted: bool
) -> RekeyError:
    rotator, job = run.engine.rotators[managed.rotator.kind], run.engine.job(secret, managed)
    if unwanted or job.held is None or not isinstance(rotator, Undo):
        problem.add(LOST)
        return problem
    try:
        current = await run.engine.vaults.read(secret.ref)
        if current.version != secret.version:
            problem.add(f"somebody has written a version meanwhile, and {LOST}")
            return problem
        async with run.changing("undo"):
            await rotator.undo(job, job.held)
    except LeaseUnavailable:
        # Another worker may have set, and published, something else since.
        return problem
    except RekeyError as second:
        problem.add(f"nor could what the vault holds be set back: {second.what}")
        # Whether it was is open, so the message must come back.
        passing = isinstance(second, TransientError) and not isinstance(problem, TransientError)
        return TransientError(problem.what, where=problem.where, fix=problem.fix) if passing else problem
    problem.add("what the vault holds was set back")
    return problem

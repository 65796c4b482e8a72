"""How work ends that cannot go on: it waits for its source, or a person is told what is left."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from engine.contract import LONGEST_CHANGE
from engine.errors import NotFound, PermanentError, RekeyError, TransientError, UnderWay
from engine.follow_up import tasks
from engine.planning.plan import under_way_since
from engine.rotation import deleted
from engine.rotation.clean_up import PendingCleanUp
from engine.rotation.context import Rotation
from engine.rotation.marking import Marking
from engine.rotation.reporting import Reporting
from engine.rotation.source_lease import CALL_SECONDS, LOST
from engine.state.decision import Park
from engine.state.request import NO_MORE, Outcome
from engine.state.tags import STATE

ENDLESS_FIX = (
    "see in the resource's activity log what it is at; Rekey looks again a day later, or after "
    "rekey unpark"
)
UNKNOWN = timedelta(minutes=2)
"""A person is told once nobody has known the password of a single slot for so long."""
UNKNOWN_FIX = "see how its server answers, or set a password there and in the vault by hand"
RESUME_SECONDS = 60.0
"""How long until a source is looked at again that does not say when."""


@dataclass(frozen=True)
class Ending:
    """Ends one work item early."""

    at: Rotation

    async def fail(self, error: PermanentError) -> Outcome:
        """End the work for good, and tell a person why; raises if nothing of that can be noted."""
        at = self.at
        error = deleted.named(error, at.progress.item, at.lease.source)
        what = f"{error.what} ({error.where})" if error.where else error.what
        parked = at.warned(Park(what, error.fix, drifted=at.progress.drifted))
        # A worker that has lost the lease must not judge what another worker has done since.
        await at.lease.ensure(CALL_SECONDS)
        await self._tell_published()
        if at.lease.has_begun and at.record.change.requested_at:
            # The secret may never be looked at again. If it is, that is made up for.
            with suppress(RekeyError):
                await PendingCleanUp(at).tidy()
        try:
            comes_back = await self._failed()
            if comes_back and not at.progress.item.is_tried_on(at.parts.clock.now()):
                comes_back, parked = False, replace(parked, reason=f"{parked.reason}; {NO_MORE}")
        except PermanentError as second:
            # Neither the record nor a mark can be written: the report is all that is left.
            second.add(parked.reason)
            raise
        is_told = at.item.is_told(at.parts.clock.now())
        if comes_back and not (is_told or at.observed.is_enabled):
            return Outcome(at.progress.item, "waiting", parked.reason, parked.fix, comes_back=True)
        return replace(
            await self._marked(parked),
            comes_back=comes_back,
            old_version=at.progress.old_version,
            new_version=at.progress.new_version,
            retired=at.progress.retired,
        )

    async def _marked(self, parked: Park) -> Outcome:
        at = self.at
        item = at.progress.item
        try:
            current = await at.parts.vaults.read(item.ref)
        except PermanentError as error:
            # The reason names both what failed and its consequence, which no mark will show.
            if item.recheck and isinstance(error, NotFound):
                # The sweeps tell once a day of a deleted secret.
                return Outcome(item, "skipped", parked.reason, parked.fix)
            unmarked = f"; nor could the secret be marked: {error.what}"
            reason = parked.reason + ("" if isinstance(error, NotFound) else unmarked)
            return Outcome(item, "parked", reason, parked.fix)
        return await Marking(at.parts).conclude(current, at.asked(), parked)

    async def warn(self, error: TransientError) -> None:
        """Tell a person, once, that one change after the other could not be proven.

        A mark takes a read of the vault, which may be what Azure has asked to wait for.
        """
        at = self.at
        if error.retry_after:
            return
        is_marked = not at.observed.is_enabled or STATE in at.observed.shown.tags
        if is_marked or at.record.unknown_for(at.parts.clock.now()) < UNKNOWN:
            return
        parked = Park(f"{error.what}; {LOST}, and Rekey goes on trying", UNKNOWN_FIX)
        with suppress(TransientError):
            outcome = await Marking(at.parts).conclude(at.observed.shown, at.asked(), parked)
            await at.parts.reporter.concluded(outcome)

    async def wait(self, error: UnderWay) -> Outcome:
        """End the work for now: whoever looks for the change later finds it done.

        No lease is held meanwhile. A person is told of a change that does not end, and looks go on
        a day later.
        """
        at = self.at
        item = at.progress.item
        since = (
            at.lease.record.change.in_progress_since
            or at.lease.record.change.requested_at
            or at.parts.clock.now()
        )
        endless = at.parts.clock.now() - since >= LONGEST_CHANGE
        await at.lease.wait(item, error.retry_after or RESUME_SECONDS, error.mark, on=not endless)
        reason = f"{under_way_since(at.lease.record)}: {error.what}"
        if endless:
            parked = Park(f"{reason}, and has not ended", ENDLESS_FIX)
            return await Marking(at.parts).conclude(at.observed.shown, at.asked(), parked)
        if at.progress.has_published:
            at.progress.reason += f"; {reason}"
            if not at.asked().compromised:
                # Told now: the message that looks for the end knows only of the rest.
                return self._published()
            # An incident is not over before what leaked is refused. Apps must not wait for that:
            # what they hold stops working then. This run has told them of what it published.
            if not at.progress.published_now:
                await tasks.follow(at.parts, self._published())
        return Outcome(item, "waiting", reason, old_version=at.progress.old_version)

    async def _tell_published(self) -> None:
        """Report a version that was published before the rest failed, which is told after it."""
        at = self.at
        if at.progress.has_published:
            if not at.asked().compromised:
                # An incident is not over before what leaked is refused.
                await at.parts.reporter.concluded(self._published())
                at.observed.told(self._published())
            await tasks.follow(at.parts, self._published())

    def _published(self) -> Outcome:
        at = self.at
        return Reporting(at).outcome(at.record.believed(at.observed.shown))

    async def _failed(self) -> bool:
        """Note after a permanent error that no change is in progress.

        Return whether it is an incident that could not be noted, which comes back.
        """
        at = self.at
        record, item = at.record, at.progress.item
        is_over = at.lease.has_begun and not at.lease.is_lost
        if record.owner and record.change.open_since and is_over:
            # The error was definite, so what was sent cannot take effect later.
            at.lease.learn(replace(record, change=replace(record.change, open_since=None)))
        return item.compromised and not record.compromised.knows(item.version)

"""Kinds that choose the password themselves, so they know it where no answer comes.

As the logins and the administrators of databases: what was not sent is said to be unsent, and what
may have been set is returned with the doubt.
"""

from __future__ import annotations

from engine.contract import Issued, Job
from engine.errors import RekeyError, TransientError, before_sending
from engine.rotation.source_lease import NO_ANSWER
from engine.secret import Sensitive
from rotators.shared.in_doubt import doubt_of
from tests.proof.kinds import OneSlot, TwoLogins, _Kind
from tests.proof.sources import Slots


class _Doubtful(_Kind):
    """Sets a password that it has chosen."""

    async def _choose(self, source: str, slot: str) -> tuple[Sensitive, TransientError | None]:
        """Set a password, and return it with why it may or may not have been set."""
        slots = self._slots(source)
        password = slots.mint()
        doubt = await doubt_of(self._send(slots, slot, password))
        return Sensitive(password), doubt

    async def _send(self, slots: Slots, slot: str, password: str) -> None:
        set_it = lambda: self._refilled(slots, slot, password)  # noqa: E731 - said where it is sent
        try:
            await self.hand.reach(f"set {slot}", set_it, changes=True, sandboxed=True)
        except RekeyError as error:
            # Without a connection nothing is sent.
            error.unsent = error.code != NO_ANSWER
            raise


class OneDoubtful(_Doubtful, OneSlot):
    """As a server's only login, whose password is set back only if it was accepted before."""

    kind = "one-doubtful"

    async def issue(self, job: Job) -> Issued:
        name = self._name(job.source)
        with before_sending():
            proven = job.proven and not job.in_place
            accepted = proven or (job.held and await self._proves(job.source, job.held.reveal()))
        password, doubt = await self._choose(job.source, name)
        return Issued(name, {"key": password}, None, restorable=bool(accepted), doubt=doubt)


class TwoDoubtful(_Doubtful, TwoLogins):
    """As two alternating logins of a server."""

    kind = "two-doubtful"

    async def issue(self, job: Job) -> Issued:
        login, supersedes = await self._next(job)
        password, doubt = await self._choose(job.source, login)
        return Issued(login, {"key": password}, supersedes, doubt=doubt)

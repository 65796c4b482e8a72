"""Sources that accept a change and go on with it for minutes or hours.

They repeat rotators/shared/two_keys.py where a listing tells when a key was made. Each message
meets a fresh process, which remembers no change.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.contract import LONGEST_CHANGE, Issued, Job, Recognised
from engine.errors import NeedsHuman, PermanentError, UnderWay
from engine.secret import Sensitive
from tests.proof.kernel import EPOCH
from tests.proof.kinds import TwoSlots, _Kind
from tests.proof.sources import Slots


class _Slow(_Kind):
    """Asks for a change that goes on."""

    async def _set(self, source: str, slot: str) -> str:
        slots = self._slots(source)
        begin = lambda: self._begin(slots, slot)  # noqa: E731 - one effect, said where it is sent
        try:
            await self.hand.reach(f"set {slot}", begin, changes=True, sandboxed=True)
        except PermanentError as refused:
            refused.unsent = True
            raise
        assert slots.lasting
        raise UnderWay(
            f"replacing {slot} was accepted",
            where=source,
            code="UnderWay",
            retry_after=slots.lasting.names,
        )

    def _begin(self, slots: Slots, slot: str) -> None:
        assert slots.lasting
        world, asker = self.hand.world, self.hand.worker.number
        slots.lasting.begin(slots, slot, world.kernel.time(), asker)

    async def _made(self, job: Job, slot: str) -> str | None:
        """Return what a slot holds if it was made since an earlier try asked for it."""
        if job.asked is None:
            return None
        keys = await self._list(job.source)
        since = (job.asked - EPOCH).total_seconds()
        if self._slots(job.source).born[slot] <= since:
            return None
        watch = self.hand.world.watch
        # A key that a person has made there meanwhile passes for Rekey's, for whoever looks at it.
        watch.mistaken |= watch.disowned & {keys[slot]}
        return keys[slot]

    async def _list(self, source: str) -> dict[str, str]:
        return await self.hand.reach("list keys", lambda: dict(self._slots(source).held))


class TwoSlow(_Slow, TwoSlots):
    """As cosmos-db-key: two keys, and a change of one takes long."""

    kind = "two-slow"
    late = LONGEST_CHANGE


class OneSlow(_Slow):
    """One key, which its source shows, and which cannot be chosen, so it cannot be set back."""

    kind = "one-slow"

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        """Return that there is one slot."""
        del tags
        return True

    async def issue(self, job: Job) -> Issued:
        """Ask for another key, and return it once it has come."""
        key = await self._made(job, "admin") or await self._set(job.source, "admin")
        return Issued("admin", {"key": Sensitive(key)}, None)

    async def read(self, job: Job, credential_id: str) -> Mapping[str, Sensitive] | None:
        """Return the key as the source shows it."""
        del credential_id
        return {"key": Sensitive((await self._list(job.source))["admin"])}

    async def recognise(self, job: Job) -> Recognised:
        """Return the one that there is."""
        del job
        return Recognised("admin")

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Refuse it: only a new password revokes the one that works."""
        del credential_id, held, held_id
        raise NeedsHuman("only a new password revokes it", where=source, fix="set another one")

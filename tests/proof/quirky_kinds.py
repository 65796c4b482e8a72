"""Two keys whose source differs in what it is asked, and what it answers."""

from __future__ import annotations

from engine.errors import NotFound, PermanentError
from tests.proof.kinds import TwoSlots
from tests.proof.sources import Slots


class TwoByName(TwoSlots):
    """As app-configuration-key: a key is replaced by its id, which goes with it.

    The answer has no body, so the keys are listed once more.
    """

    kind = "two-by-name"

    async def _set(self, source: str, slot: str) -> str:
        """Look the id up, replace the key, and look at what it has become."""
        slots = self._slots(source)
        id_ = (await self._list(source))[slot]
        replace = lambda: self._replace(slots, slot, id_)  # noqa: E731 - one effect, said where it is sent
        try:
            made = await self.hand.reach(f"set {slot}", replace, changes=True, sandboxed=True)
        except PermanentError as refused:
            refused.unsent = True
            raise
        shown = (await self._list(source))[slot]
        if shown != made:
            self.hand.world.watch.mistaken.add(shown)
        return shown

    @staticmethod
    def _replace(slots: Slots, slot: str, id_: str) -> str:
        if slots.held[slot] != id_:
            raise NotFound("no key has this id", fix="see whether somebody else replaces it")
        return slots.refill(slot)

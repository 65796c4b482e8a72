"""A key that was replaced just now, what its predecessor made, and what a retirement waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from engine.errors import TransientError
from engine.state.tags import STATE, Pending
from tests.engine.rotation.held import Dependents, Held, held
from tests.rotators.sas_scenes import EXTENT, KEY, SAS, SasScene
from tests.shared.builders import Decision, Retire

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DAY, ZERO = timedelta(days=1), timedelta()
OVERLAP, LONGEST_LAG = DAY, 2 * MINUTE
"""How long an old key is kept for what it made: usually, and where it has leaked or expires."""
V1 = "1" * 32


class Scene:
    """A key that was replaced just now, and a signature that its predecessor made.

    Spans count from then.
    """

    def __init__(
        self, consent: str = f"{SAS}={EXTENT}", key_lives: timedelta | None = 80 * DAY
    ) -> None:
        self.sas = SasScene()
        self.rig = self.sas.rig
        hours = {"OverlapHours": "24"}
        self.sas.manage(days_left=50, consent=consent, tags=hours, key_tags=hours)
        self.rig.clock.advance(DAY.total_seconds())
        self.replaced = self.rig.clock.now()
        value, tags = self.sas.account.keys["key2"].value, self.rig.tags(KEY)
        expires = self.replaced + key_lives if key_lives is not None else None
        self.rig.vault.put(KEY, value, tags=tags, expires=expires)

    def put(self, value: str | None = None, /, **tags: str | None) -> None:
        """Write the derived secret by hand, or edit its tags."""
        kept = {**self.rig.tags(SAS), **tags}
        left = {tag: text for tag, text in kept.items() if text is not None}
        self.rig.vault.put(SAS, value or self.rig.latest(SAS).value, tags=left)

    def follows(self, after: timedelta) -> None:
        """Let the signature be made anew so long after the key was."""
        self.until(after)
        self.put(self.sas.signed("key2", self.replaced + 40 * DAY))

    def until(self, span: timedelta) -> None:
        """Let it be so long after the key was replaced."""
        self.rig.clock.advance((self.replaced + span - self.rig.clock.now()).total_seconds())

    def retire(self, at: Held, ends: timedelta = OVERLAP) -> Retire:
        return Retire(at.managed, Pending(self.replaced + ends, V1, "key1"), "its overlap passed")

    async def asked(
        self,
        *,
        ends: timedelta = OVERLAP,
        since: timedelta | None = None,
        created: timedelta | None = None,
        state: str = "",
        what: Callable[[Held], Decision] | None = None,
        dry: bool = False,
        **item: Any,
    ) -> tuple[Any, list[tuple[float, dict[str, Any]]]]:
        """Ask how long a retirement waits; return what was posted, too."""
        async with held(self.rig, KEY) as at:
            began = None if since is None else self.replaced + since
            dependents = Dependents(at.parts, at.managed, began)
            decision = what(at) if what else self.retire(at, ends)
            secret = at.secret
            if created is not None:
                secret = replace(secret, created=self.replaced + created)
            if state:
                secret = replace(secret, tags={**secret.tags, STATE: state})
            asked = self.rig.item(KEY, **{"trigger": "sweep", "action": "retire", **item})
            ask = dependents.delay if dry else dependents.hold_back
            delay = await ask(secret, asked, decision)
            return delay, at.posted()

    async def waits(self, **options: Any) -> timedelta | None:
        """Return until when a retirement waits, counted from when the key was replaced."""
        delay, _ = await self.asked(dry=True, **options)
        return delay.until - self.replaced if delay else None

    async def comes_back(self, **options: Any) -> bool:
        """Return whether a retirement waits for minutes at most, so that its item comes back."""
        try:
            await self.asked(**options)
        except TransientError:
            return True
        return False


INCIDENT: dict[str, Any] = {"compromised": True, "version": V1}
NOW_COMPROMISED = "compromised 2099-01-01T00:00:00Z 0123456789ab"

"""One source under test, with the rotator as the product would run it."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from conformance.faults import Broken, Striker
from conformance.hearing import Heard, Spying
from conformance.memory import KitClock
from conformance.sandbox import Sandbox
from engine.contract import LONGEST_CHANGE, Issued, Job, Rotator, Tidy
from engine.errors import UnderWay
from engine.secret import Sensitive
from rotators.own.sandbox import flaw, sandboxed

DAYS = 90
AGAIN = 60.0
"""Seconds until a change is looked for whose source names no time."""


def new_operation() -> str:
    """Return an id that no operation had: a source may live on, and remember those it saw."""
    return str(uuid.uuid4())


@dataclass
class Scene:
    """A sandbox, and what is held of it."""

    kind: str
    clock: KitClock
    sandbox: Sandbox
    heard: Heard
    held: str
    held_id: str
    source: str = ""
    striker: Striker = field(default_factory=Striker)
    operation: str = field(default_factory=new_operation)
    """The id of the operation that replaces what is held."""
    accepted_at: datetime | None = None
    """Since when the source is at a change that it has accepted; None if it is at none."""
    mark: str = ""
    """What the latest UnderWay noted."""

    @property
    def tags(self) -> Mapping[str, str]:
        """The owner's tags of the secret."""
        named = {"Rotator": self.kind, "CredentialId": self.held_id}
        return {"ProviderAddress": self.sandbox.address, **self.sandbox.tags, **named}

    def rotator(self, striker: Striker | None = None) -> Any:
        """Return the rotator as a fresh process has it; raises Broken if it is none."""
        self.striker = striker or Striker()
        rotator = self.sandbox.rotator(self.striker.call)
        if problem := flaw(rotator, self.kind):
            raise Broken(f"the rotator {problem}")
        base: type[Spying] = type("Spy", (Spying,), {"heard": self.heard})
        made: Rotator = sandboxed(rotator, base)
        source = made.canonical(self.sandbox.address, self.tags)
        if source is None:
            raise Broken(f"canonical takes {self.sandbox.address!r} for no source of the kind")
        self.source = source
        return made

    def job(self, **changes: Any) -> Job:
        """Return a job for the credential held, which Rekey wrote itself."""
        job = Job(
            source=self.source,
            operation=self.operation,
            held_id=self.held_id,
            held=Sensitive(self.held),
            proven=True,
            in_place=False,
            expires=self.clock.now() + timedelta(days=DAYS),
            options=self.tags,
            asked=self.accepted_at,
            sent=self.accepted_at,
            under_way=self.accepted_at is not None,
            mark=self.mark,
        )
        return replace(job, **changes)

    def hold(self, issued: Issued, value: Sensitive) -> None:
        """Let the vault hold what was issued; another operation will replace that."""
        self.held_id, self.held = issued.credential_id, value.reveal()
        self.operation = new_operation()

    async def live(self) -> set[str]:
        """Return what the source accepts now; all of it may leak nowhere."""
        live = await self.sandbox.live()
        self.heard.values |= live
        return live

    async def issue(self, rotator: Any, **changes: Any) -> Issued:
        """Issue a credential."""
        issued: Issued = await self._come(lambda: rotator.issue(self.job(**changes)))
        return issued

    async def issue_again(self, rotator: Any) -> Issued:
        """Issue as the engine's second try does: tidy first, where the kind can."""
        if isinstance(rotator, Tidy):
            await rotator.tidy(self.source, self.operation, keep=None)
        return await self.issue(rotator)

    async def retire(self, rotator: Any, credential_id: str, *held: Any) -> None:
        """Have a credential revoked."""
        await self._come(lambda: rotator.retire(self.source, credential_id, *held))

    async def _come(self, tried: Callable[[], Awaitable[Any]]) -> Any:
        """Try until a change has come that the source goes on with, as often as the engine does."""
        while True:
            try:
                result = await tried()
            except UnderWay as error:
                now = self.clock.now()
                self.accepted_at, self.mark = self.accepted_at or now, error.mark
                passed = now - self.accepted_at
                if passed >= LONGEST_CHANGE:
                    raise
                self.clock.advance(max(error.retry_after or AGAIN, passed.total_seconds() / 10))
            else:
                self.accepted_at, self.mark = None, ""
                return result


type Begin = Callable[[], Awaitable[Scene]]
"""Sets a fresh scene."""

"""Death, silence and refusals at any one call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

type Mode = Literal[
    "die before", "die after", "unreachable", "lose the answer", "throttle", "forbid"
]
MODES: tuple[Mode, ...] = get_args(Mode.__value__)
SILENT: tuple[Mode, ...] = MODES[:4]
"""What can happen to a call whose refusals only its service could word."""


class Died(BaseException):
    """The process ended here. Nothing of it runs on, so it passes every `except Exception`."""


class Broken(BaseException):
    """A promise was broken; the message says which, and how. No plug-in may catch it."""


async def _nothing() -> None:
    """Look at nothing."""


@dataclass
class Striker:
    """Lets calls through, and strikes at those named in `plan`, counted from 0."""

    plan: Mapping[int, Mode] = field(default_factory=dict)
    watch: Callable[[], Awaitable[None]] = _nothing
    """Looks at the world after every call that may have changed something."""
    calls: list[tuple[str, tuple[Mode, ...]]] = field(default_factory=list)
    """The calls so far, each with what could happen to it."""
    dead: bool = False

    async def call[T](
        self,
        name: str,
        effect: Callable[[], Awaitable[T]],
        refuse: Callable[[Mode], T] | None = None,
        *,
        changes: bool = True,
    ) -> T:
        """Make one call. `refuse` words, or raises, what the service says to it in refusal.

        Raises ConnectionError where the call is lost on its way, or its answer is.
        """
        if self.dead:
            raise Died
        mode = self.plan.get(len(self.calls))
        self.calls.append((name, MODES if refuse else SILENT))
        if mode == "die before":
            self._die()
        if mode in ("throttle", "forbid") and refuse:
            return refuse(mode)
        if mode == "unreachable":
            raise ConnectionError("the call is lost on its way")
        result = await effect()
        if changes:
            await self.watch()
        if mode == "die after":
            self._die()
        if mode == "lose the answer":
            raise ConnectionError("the answer is lost on its way")
        return result

    def _die(self) -> None:
        self.dead = True
        raise Died

    def revive(self) -> None:
        """Start a new process; its calls are counted on."""
        self.dead = False


def plans(calls: list[tuple[str, tuple[Mode, ...]]]) -> list[tuple[int, Mode, str]]:
    """Return every fault at every call: its number, what happens, and the call's name."""
    return [(at, mode, name) for at, (name, modes) in enumerate(calls) for mode in modes]

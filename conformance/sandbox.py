"""What the author of a kind writes so that the kit can play it: a source that may break.

A package offers it in the group of entry points `rekey.sandboxes`, under the name of its kind:
something that takes the kit's clock and returns a fresh sandbox. It need not import this module.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from engine.contract import Rotator
from engine.ports import Clock

GROUP = "rekey.sandboxes"

type Calls = Callable[..., Awaitable[Any]]
"""`await calls(name, effect)` makes one call to the source: `effect` is an async function that the
kit awaits, twice never, and perhaps not at all. Raises ConnectionError where the call is lost."""


class Sandbox(Protocol):
    """A source with a credential that a secret of the vault holds."""

    @property
    def address(self) -> str:
        """A ProviderAddress of the source."""
        ...

    @property
    def missing(self) -> str:
        """A ProviderAddress of the same form whose source does not exist."""
        ...

    @property
    def tags(self) -> Mapping[str, str]:
        """Further tags of the secret."""
        ...

    @property
    def held_id(self) -> str:
        """The id of the credential that the vault holds as the scene begins."""
        ...

    @property
    def wrong(self) -> str:
        """A credential of the right form that the source never accepts."""
        ...

    def rotator(self, calls: Calls) -> Rotator:
        """Return the rotator as a fresh process has it; all its calls go through `calls`."""
        ...

    async def held(self) -> str:
        """Return the credential that the vault holds as the scene begins."""
        ...

    async def live(self) -> set[str]:
        """Return every credential that the source accepts now, looked at behind the rotator."""
        ...


@runtime_checkable
class Slow(Protocol):
    """For sandboxes that can let a new credential take its time."""

    def spread_slowly(self, seconds: float) -> None:
        """Let every new credential be refused at first, for so many seconds of the clock."""
        ...


type Make = Callable[[Clock], Sandbox]

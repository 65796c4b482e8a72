"""The classes of rotators, by kind. A kind that loads late is not loaded before it is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from engine.contract import Lingers, Rotator


@runtime_checkable
class OwnKinds(Protocol):
    """For rotators of which some come from packages or endpoints that may be broken."""

    refusals: list[str]
    """What was refused so far, each with its fix."""

    def own(self) -> Mapping[str, str]:
        """Return those kinds that can be used, with where each comes from."""
        ...


def lingering(kind: type[Rotator] | None) -> str:
    """Return what may still work two minutes after a leak of this kind; empty if nothing is known."""
    return kind.lingers.what if isinstance(kind, Lingers) else ""


@dataclass(frozen=True, slots=True)
class KindsOf(Mapping[str, type[Rotator]]):
    """A view of rotators that shows the class of each."""

    rotators: Mapping[str, Rotator]

    def __getitem__(self, kind: str) -> type[Rotator]:
        return type(self.rotators[kind])

    def __contains__(self, kind: object) -> bool:
        return kind in self.rotators

    def __iter__(self) -> Iterator[str]:
        return iter(self.rotators)

    def __len__(self) -> int:
        return len(self.rotators)

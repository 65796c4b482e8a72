"""The classes of rotators, by kind. A kind that loads late is not loaded before it is needed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Protocol, cast, runtime_checkable

from engine.contract import Lingers, Rotator, Typed


@runtime_checkable
class OwnKinds(Protocol):
    """For rotators of which some come from packages or endpoints that may be broken."""

    registered: Mapping[str, Rotator]
    """Those that are none of one's own: they are loaded, and come first."""
    refusals: list[str]
    """What was refused so far, each with its fix."""

    def own(self) -> Mapping[str, str]:
        """Return those kinds that can be used, with where each comes from."""
        ...


def lingering(kind: type[Rotator] | None) -> str:
    """Return what may still work two minutes after a leak of this kind; empty if nothing may."""
    return kind.lingers.what if isinstance(kind, Lingers) else ""


@cache
def follows(kind: type[Rotator], protocol: type) -> bool:
    """Return whether a kind follows an optional protocol, which is slow to tell of a class."""
    return isinstance(kind, protocol)


class Kinds(Mapping[str, type[Rotator]]):
    """The class of each rotator, found by the kind's name or by the address of a source."""

    def __init__(self, rotators: Mapping[str, Rotator]) -> None:
        self.rotators = rotators
        self._typed = defaultdict[str, list[type[Rotator]]](list)
        registered = rotators.registered if isinstance(rotators, OwnKinds) else rotators
        self._others = list(rotators)
        for kind, rotator in registered.items():
            of = type(rotator)
            if follows(of, Typed):
                self._others.remove(kind)
                for name in cast("type[Typed]", of).resource_types():
                    self._typed[name.lower()].append(of)

    def claiming(self, address: str) -> Iterator[type[Rotator]]:
        """Yield the kinds that may claim an address, those that do not say it last."""
        # /subscriptions/<id>/resourcegroups/<name>/providers/<namespace>/<type>/<name>, and below.
        resource_type = "/".join(address.strip().lower().split("/")[6:8])
        yield from self._typed.get(resource_type, ())
        yield from (self[kind] for kind in self._others)

    def __getitem__(self, kind: str) -> type[Rotator]:
        return type(self.rotators[kind])

    def __contains__(self, kind: object) -> bool:
        return kind in self.rotators

    def __iter__(self) -> Iterator[str]:
        return iter(self.rotators)

    def __len__(self) -> int:
        return len(self.rotators)

"""All kinds: those of the registry, and behind them those of one's own, loaded when first needed.

A plug-in that cannot be used never takes the other kinds along. Stopping the app would let every
other credential expire for the sake of one, so the kind is named in the log at the start, and its
own secrets are parked with the reason.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from cloud.azure import Azure
from engine.contract import Rotator, Unusable
from engine.ports import Clock
from rotators.own.plugin_spec import MOST_NAME, NAME, PluginSpec, refused
from rotators.own.sandbox import flaw, sandboxed

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

log = logging.getLogger("rekey")

GROUP = "rekey.rotators"
"""The group of entry points in which a package offers kinds: `<kind> = <module>:<class>`."""


def installed() -> tuple[PluginSpec, ...]:
    """Return what the installed packages spec, from their metadata alone: nothing is imported."""
    return tuple(_spec(point) for point in _points(tuple(sys.path)))


@cache
def _points(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    # The metadata of every installed package is read for this, so it is read once for a path.
    from importlib.metadata import entry_points

    del path
    return tuple(entry_points(group=GROUP))


def _spec(point: EntryPoint) -> PluginSpec:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "a package"

    def make(azure: Azure, clock: Clock) -> Rotator:
        rotator = point.load()(azure, clock)
        if problem := flaw(rotator, point.name):
            raise TypeError(problem)
        return sandboxed(rotator)

    return PluginSpec(point.name, f"the package {package}", make)


@dataclass
class Registry(Mapping[str, Rotator]):
    """Rotators by kind: the registry's first, then those of one's own by name."""

    registered: Mapping[str, Rotator]
    specs: Iterable[PluginSpec]
    azure: Azure
    clock: Clock
    refusals: list[str] = field(default_factory=list)
    """What was refused so far, each with its fix."""
    _made: dict[str, Rotator] = field(default_factory=dict)
    _own: dict[str, PluginSpec] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._made |= self.registered
        specs = sorted(self.specs, key=lambda spec: (spec.kind, spec.origin))
        for spec in specs:
            self._admit(spec, [other.origin for other in specs if other.kind == spec.kind])

    def _admit(self, spec: PluginSpec, origins: list[str]) -> None:
        if spec.kind in self.registered:
            what = f"{spec.origin} claims the kind {spec.kind}, which is Rekey's own"
            self._refuse(f"{what}. Fix: give the plug-in a name of its own")
        elif len(spec.kind) > MOST_NAME or not NAME.fullmatch(spec.kind):
            what = f"{spec.origin} offers a kind whose name is {spec.kind[:60]!r}"
            self._refuse(
                f"{what}. Fix: write small letters, digits and hyphens, {MOST_NAME} at most"
            )
        elif len(origins) > 1:
            if spec.kind not in self._made:
                what = f"{' and '.join(origins)} both offer the kind {spec.kind}"
                self._stand_in(spec.kind, what, "remove one of them")
        else:
            self._own[spec.kind] = spec

    def __getitem__(self, kind: str) -> Rotator:
        if kind not in self._made:
            self._load(self._own[kind])
        return self._made[kind]

    def __contains__(self, kind: object) -> bool:
        return kind in self._made or kind in self._own

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.registered, *sorted({*self._own, *self._made})]))

    def __len__(self) -> int:
        return len({*self._made, *self._own})

    def _load(self, spec: PluginSpec) -> None:
        try:
            self._made[spec.kind] = spec.make(self.azure, self.clock)
        except BaseException as error:  # noqa: BLE001 - a plug-in may raise anything
            # A text of Python's own; another error's text may hold anything.
            known = isinstance(error, ImportError | SyntaxError | AttributeError | TypeError)
            why = f"{type(error).__name__}: {error}"[:300] if known else type(error).__name__
            what = f"the kind {spec.kind} of {spec.origin} cannot be loaded: {why}"
            fix = "correct or remove it: rekey conformance shows what it gets wrong"
            self._stand_in(spec.kind, what, fix)

    def _stand_in(self, kind: str, what: str, fix: str) -> None:
        self._made[kind] = refused(kind, what, fix)
        self._refuse(f"{what}. Fix: {fix}")

    def _refuse(self, problem: str) -> None:
        self.refusals.append(problem)
        log.critical("%s", problem)

    def own(self) -> Mapping[str, str]:
        """Return the kinds of one's own that can be used, with their origin; loads every one."""
        return {
            kind: spec.origin
            for kind, spec in self._own.items()
            if not isinstance(self[kind], Unusable)
        }

"""The kinds of installed packages on the stand: each with the sandbox that its package offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from cloud.azure import Azure
from conformance.faults import Broken, Striker
from conformance.hearing import Heard
from conformance.kit import Check
from conformance.memory import KitClock
from conformance.sandbox import GROUP as SANDBOXES
from conformance.sandbox import Make
from conformance.scene import Begin, Scene
from engine.errors import NeedsHuman
from engine.ports import Clock
from rotators.own.plugin_spec import MOST_NAME, NAME
from rotators.own.registry import GROUP as ROTATORS
from rotators.own.sandbox import flaw
from rotators.registry import ROTATORS as REGISTERED


@dataclass(frozen=True)
class PackageStand:
    """One kind of an installed package."""

    kind: str
    make: Make
    rotator: Callable[[Azure, Clock], object]
    """The class that the package offers: what the sandbox returns must be one of it."""

    @classmethod
    def find(cls, kind: str) -> PackageStand:
        """Load a kind and its sandbox; raises NeedsHuman with what keeps it from being used."""
        if kind in {maker.kind for maker in REGISTERED}:  # type: ignore[attr-defined]
            raise NeedsHuman(f"{kind} is Rekey's own kind", fix="give yours a name of its own")
        if len(kind) > MOST_NAME or not NAME.fullmatch(kind):
            fix = f"write small letters, digits and hyphens, {MOST_NAME} at most"
            raise NeedsHuman(f"{kind[:60]!r} is not a valid name of a kind", fix=fix)
        return cls(kind, _load(SANDBOXES, kind), _load(ROTATORS, kind))  # type: ignore[arg-type]

    async def the_app_can_load_it(self, begin: Begin) -> None:
        """The class is made as the app makes it, and the sandbox's rotator is one of it."""
        scene = await begin()
        # It must not sign in when it is made.
        azure = Azure(None)  # type: ignore[arg-type]
        try:
            made = self.rotator(azure, scene.clock)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in may raise anything
            problem = f"{type(error).__name__}: {error}"
        else:
            problem = flaw(made, self.kind)
        if problem:
            raise Broken(f"the app cannot load it: {problem}")
        if type(scene.sandbox.rotator(Striker().call)) is not type(made):
            raise Broken("the sandbox plays another class than the one that the app loads")

    @property
    def checks(self) -> tuple[Check, ...]:
        """What is checked besides what every kind promises."""
        return (self.the_app_can_load_it,)

    async def close(self) -> None:
        """Close nothing."""

    def begin(self, heard: Heard) -> Begin:
        """Return what sets fresh scenes."""

        async def scene() -> Scene:
            clock = KitClock()
            sandbox = self.make(clock)
            held = await sandbox.held()
            made = Scene(self.kind, clock, sandbox, heard, held, sandbox.held_id)
            heard.values.add(held)
            return made

        return scene


def _load(group: str, kind: str) -> object:
    points: list[EntryPoint] = list(entry_points(group=group, name=kind))
    if len(points) != 1:
        problem = "no package offers" if not points else "several packages offer"
        fix = f"write {kind} = <module>:<class> under the entry points {group}, and install it"
        raise NeedsHuman(f"{problem} {kind} in {group}", fix=fix)
    try:
        return points[0].load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in may raise anything
        problem = f"{points[0].value} cannot be imported: {type(error).__name__}: {error}"
    raise NeedsHuman(problem[:300], fix="correct the package, and install it again")

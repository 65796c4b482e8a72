"""The kit never accuses the registry's own kinds, of every strategy: two slots, one, many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from conformance.faults import Striker
from conformance.hearing import Heard, Spying
from conformance.memory import KitClock
from conformance.scene import Begin, Scene
from rotators.own.sandbox import sandboxed
from simulator.clock import VirtualClock
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.conformance.stands import CHECKS, broken
from tests.rotators.sql_scenes import SqlScene
from tests.rotators.subjects import SUBJECTS, Subject
from tests.shared.sql_rig import may_watch

PLAYED = tuple(
    subject
    for subject in SUBJECTS
    if str(subject)
    in ("storage-key", "sql-admin-password", "service-principal-secret", "search-admin-key")
)
KEPT_ELSEWHERE = frozenset(
    {
        "an_address_has_one_spelling",
        "a_missing_source_is_named",
        "one_instance_serves_every_source",
    }
)
"""Checks whose ways to name a source are those of kinds of one's own."""


class WorldsClock(KitClock):
    """The clock of the simulated world as the kit moves it."""

    def __init__(self, world: VirtualClock) -> None:
        super().__init__()
        self._world, self.now = world, world.now  # type: ignore[method-assign]

    def advance(self, seconds: float) -> None:
        self._world.advance(seconds)


class Simulated:
    """A scene of the contract suite as a sandbox of the kit."""

    def __init__(self, subject: Subject) -> None:
        self._scene, self.wrong = subject.scene(), subject.wrong
        if isinstance(self._scene, SqlScene):
            # The kit sets a password back at once. A server that is at its change refuses that.
            rig = self._scene.rig
            may_watch(rig.world, rig.identity, rig.server)
        self.clock = WorldsClock(self._scene.rig.clock)
        job = self._scene.job()
        self.address = self.missing = job.source
        self.held_id = str(job.held_id)
        self.tags: Mapping[str, str] = {**subject.tags, "CredentialId": self.held_id}

    def rotator(self, calls: Any) -> Any:
        async def struck(request: Request, call: Call) -> Response:
            response: Response = await calls(f"{request.method} {request.path}", call)
            return response

        return self._scene.rotator(struck)

    async def held(self) -> str:
        held = self._scene.job().held
        assert held
        return held.reveal()

    async def live(self) -> set[str]:
        return self._scene.live()


class Stand:
    """Sets scenes of a subject. A source of Azure is named as the scene names it."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def begin(self, heard: Heard) -> Begin:
        async def scene() -> Scene:
            sandbox = Simulated(self._subject)
            kind, held = self._subject.kind.kind, await sandbox.held()
            return Settled(kind, sandbox.clock, sandbox, heard, held, sandbox.held_id)

        return scene


class Settled(Scene):
    """A scene whose source is known already."""

    def rotator(self, striker: Any = None) -> Any:
        self.striker = striker or Striker()
        self.source = self.sandbox.address
        base: Any = type("Spy", (Spying,), {"heard": self.heard})
        return sandboxed(self.sandbox.rotator(self.striker.call), base)


@pytest.mark.parametrize("subject", PLAYED, ids=str)
async def test_a_kind_of_the_registry_keeps_what_the_kit_checks(subject: Subject) -> None:
    checks = tuple(check for check in CHECKS if check.__name__ not in KEPT_ELSEWHERE)
    assert await broken(Stand(subject), checks) == {}
    assert len(PLAYED) == 4

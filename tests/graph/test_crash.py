"""Every call of a rotation of an application's secret × everything that can go wrong at it; then redelivery."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from engine.errors import RekeyError
from engine.service import Service
from engine.tags import RETIRE, Pending
from tests.delivery import Delivery
from tests.faults import Died, Mode, Saboteur, share
from tests.graph.places import NAME, GraphRig
from tests.promises import Ear, emitted_to_host_storage, everything

DAY = 86400
PAIRS: tuple[tuple[Mode, Mode], ...] = (
    ("die after", "die after"),
    ("lose the answer", "die before"),
    ("die before", "lose the answer"),
)


class Stage:
    """One secret's rotation and its retirement, under one plan of faults."""

    def __init__(self, plan: dict[int, Mode]) -> None:
        self.rotation_calls = 0
        self.rig = GraphRig()
        self.rig.managed()
        self.saboteur = Saboteur(plan, self.check)
        self.delivery = Delivery(self.rig, self.start)

    def start(self) -> Service:
        self.saboteur.revive()
        return self.rig.service(self.saboteur)

    def check(self) -> None:
        """Check what must hold at every instant: P1, P3 and P4."""
        versions = self.rig.vault.versions(NAME)
        alive = {each.secret for each in self.rig.alive()}
        assert versions[-1].value in alive, "P1/P3: the current version is no secret of the application"
        assert versions[-1].enabled, "P1: the current version is disabled"
        pending = (versions[-1].tags or {}).get(RETIRE)
        if pending and self.rig.clock.now() < Pending.parse(pending).at:
            assert versions[-2].value in alive, "P4: a secret was cut off inside its overlap"

    async def play(self) -> None:
        """Rotate, wait out what a refusal parked, let the overlap pass, retire; then come two daily audits."""
        await self.post(version=self.rig.latest(NAME).version, trigger="event")
        self.rotation_calls = self.saboteur.calls
        for days in (1, 8, 1, 1):
            self.rig.clock.advance(days * DAY + 60)
            await self.sweep()
        for _ in range(2):
            await self.post(action="audit", trigger="sweep")
        self.finish()

    async def post(self, **fields: Any) -> None:
        await self.rig.service().queue.post_rotation(self.rig.item(NAME, **fields))
        await self.delivery.run()

    async def sweep(self) -> None:
        for _ in range(4):
            try:
                await self.start().sweep_vault(f'{{"vault": "{self.rig.vault.url}"}}')
            except Died:
                continue
            except RekeyError as error:
                self.delivery.errors.append(error)
                continue
            break
        await self.delivery.run()

    def finish(self) -> None:
        """Check what must hold at the end: P2 and P5."""
        self.check()
        versions = self.rig.vault.versions(NAME)
        assert len(versions) == 2, f"P2: {len(versions)} versions in place of 2"
        left = [each for each in self.rig.alive() if each.secret != versions[-1].value]
        assert not left, f"P5: {[each.name for each in left]} left behind"
        assert RETIRE not in (versions[-1].tags or {}), "P5: something is still to be retired"


@pytest.fixture
def ear() -> Iterator[Ear]:
    """Listen to every logger at DEBUG."""
    loggers = [logging.getLogger(name) for name in ("", "azure", "rekey", "msal", "aiohttp")]
    before, handler = [logger.level for logger in loggers], Ear()
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    loggers[0].addHandler(handler)
    yield handler
    loggers[0].removeHandler(handler)
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


async def undisturbed() -> Stage:
    stage = Stage({})
    await stage.play()
    return stage


async def test_every_promise_holds_whatever_happens_at_any_one_call(ear: Ear) -> None:
    """Die before it, die after it, lose its answer, throttle it, fail it after its effect, or forbid it."""
    calls, broken = (await undisturbed()).saboteur.calls, []
    assert calls > 10
    for at in range(calls):
        for mode in share(at):
            ear.heard.clear()
            stage = Stage({at: mode})
            try:
                await stage.play()
            except AssertionError as error:
                broken.append(f"{mode} at call {at} of {calls}: {str(error).splitlines()[0]}")
            assert stage.saboteur.calls > at, "the fault never struck"
            nothing_leaked(stage, ear)
    assert broken == []


async def test_every_promise_holds_for_pairs_of_faults() -> None:
    """A second fault strikes while the rotation recovers from the first one."""
    broken = []
    for first in range((await undisturbed()).rotation_calls):
        for gap in (1, 3):
            for one, other in PAIRS:
                try:
                    await Stage({first: one, first + gap: other}).play()
                except AssertionError as error:
                    broken.append(f"{one}, {other} at calls {first}, {first + gap}: {str(error).splitlines()[0]}")
    assert broken == []


def nothing_leaked(stage: Stage, ear: Ear) -> None:
    emitted = "\n".join([*ear.heard, *map(everything, stage.delivery.errors), emitted_to_host_storage(stage.rig)])
    for password in stage.rig.app.history:
        assert password.secret not in emitted, "P6: a secret leaked"

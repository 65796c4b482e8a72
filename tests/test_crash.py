"""Every call that a rotation makes × everything that can go wrong at it; then redelivery; then every promise."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from engine.errors import RekeyError
from engine.service import Service
from tests.delivery import Delivery
from tests.faults import MODES, Died, Mode, Saboteur, share
from tests.promises import Ear, Promises, emitted_to_host_storage, everything
from tests.rig import CONNECTION_STRING, Rig

DAY = 86400
OVERLAP = 7 * DAY + 60


@dataclass(frozen=True)
class Story:
    """What is asked for, from which state, and how many versions there are once all is done."""

    setup: Callable[[Rig], Any]
    item: dict[str, Any]
    versions: int = 2
    compromised: bool = False


def fresh(rig: Rig) -> None:
    rig.secret("app-key", rig.account("appdata"))


def connection_string(rig: Rig) -> None:
    rig.secret("app-key", rig.account("appdata"), template=CONNECTION_STRING, tags={"CredentialId": None})


STORIES = {
    "an event": Story(fresh, {"trigger": "event"}),
    "a connection string": Story(connection_string, {"trigger": "sweep"}),
    "an incident": Story(fresh, {"trigger": "manual", "compromised": True}, compromised=True),
}


@pytest.fixture
def ear() -> Iterator[Ear]:
    """Listen to all loggers at DEBUG."""
    root, handler = logging.getLogger(), Ear()
    before = root.level, [logging.getLogger(name).level for name in ("azure", "rekey")]
    root.setLevel(logging.DEBUG)
    for name in ("azure", "rekey"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before[0])
    for name, level in zip(("azure", "rekey"), before[1], strict=True):
        logging.getLogger(name).setLevel(level)


class Stage:
    """One story in one world under one plan of faults."""

    def __init__(self, story: Story, plan: dict[int, Mode]) -> None:
        self.rig, self.story = Rig(), story
        story.setup(self.rig)
        self.promises = Promises(self.rig, "app-key", self.rig.world.accounts["appdata"], story.compromised)
        self.saboteur = Saboteur(plan, self.promises.instant)
        self.delivery = Delivery(self.rig, self.start)

    def start(self) -> Service:
        self.saboteur.revive()
        return self.rig.service(self.saboteur)

    async def post(self, **fields: Any) -> None:
        version = self.rig.latest("app-key").version
        await self.rig.service().queue.post_rotation(self.rig.item("app-key", **{"version": version, **fields}))

    async def play(self) -> None:
        """Tell the story to its end: rotate, let the overlap pass, sweep, retire."""
        await self.post(**self.story.item)
        await self.delivery.run()
        await self.recover()
        self.promises.finally_(self.story.versions)
        self.rig.clock.advance(OVERLAP)
        for _ in range(2):
            # What a refusal parked is tried again a day later, once what refused is mended.
            await self.sweep()
            self.rig.clock.advance(DAY + 60)
        self.promises.finally_(self.story.versions)
        self.promises.nothing_left()

    async def recover(self) -> None:
        """Let the sweep of the next day try again what a refusal parked."""
        if len(self.rig.vault.versions("app-key")) < self.story.versions:
            self.rig.clock.advance(DAY + 60)
            await self.sweep()

    async def sweep(self) -> None:
        """Sweep as the queue would let it: until it comes to an end."""
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


async def count_calls(story: Story) -> int:
    stage = Stage(story, {})
    await stage.play()
    return stage.saboteur.calls


@pytest.mark.parametrize("name", STORIES)
async def test_every_promise_holds_whatever_happens_at_any_one_call(name: str, ear: Ear) -> None:
    """Die before it, die after it, lose its answer, throttle it, fail it after its effect, or forbid it."""
    story = STORIES[name]
    calls = await count_calls(story)
    assert calls > 10
    for at in range(calls):
        for mode in MODES if name == "an event" else share(at):
            ear.heard.clear()
            stage = Stage(story, {at: mode})
            try:
                await stage.play()
            except AssertionError as error:
                raise AssertionError(f"{name}: {mode} at call {at} of {calls}: {error}") from error
            assert stage.saboteur.calls > at, "the fault never struck"
            nothing_leaked(stage, ear)


def nothing_leaked(stage: Stage, ear: Ear) -> None:
    emitted = "\n".join([*ear.heard, *map(everything, stage.delivery.errors), emitted_to_host_storage(stage.rig)])
    assert stage.promises.planted
    for value in stage.promises.planted:
        assert value not in emitted, "P6: a value leaked"


@pytest.mark.parametrize("name", ["an event"])
async def test_every_promise_holds_for_pairs_of_faults(name: str) -> None:
    """A second fault strikes while the first one is being recovered from."""
    story = STORIES[name]
    calls = await count_calls(story)
    for first in range(calls):
        for gap in (1, 3):
            for modes in (
                ("die after", "die after"),
                ("lose the answer", "die before"),
                ("die before", "lose the answer"),
            ):
                stage = Stage(story, {first: modes[0], first + gap: modes[1]})
                try:
                    await stage.play()
                except AssertionError as error:
                    raise AssertionError(f"{name}: {modes} at calls {first}, {first + gap}: {error}") from error

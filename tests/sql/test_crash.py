"""Every call that a rotation of a SQL password makes × everything that can go wrong at it; then redelivery; then every promise."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from engine.errors import RekeyError
from engine.service import Service
from simulator.wire import Request, Response
from tests.delivery import Delivery
from tests.faults import MODES, Died, Mode, Saboteur, share
from tests.promises import Ear, emitted_to_host_storage, everything
from tests.sql.product import KINDS, NAME, SqlProduct, SqlPromises

DAY = 86400
PAIRS = 25
"""How many pairs of faults, of each kind, a run tries."""


@pytest.fixture
def ear() -> Iterator[Ear]:
    """Listen to all loggers at DEBUG."""
    handler, loggers = Ear(), [logging.getLogger(name) for name in (None, "azure", "rekey")]
    before = [each.level for each in loggers]
    loggers[0].addHandler(handler)
    for each in loggers:
        each.setLevel(logging.DEBUG)
    yield handler
    loggers[0].removeHandler(handler)
    for each, level in zip(loggers, before, strict=True):
        each.setLevel(level)


class Stage:
    """One rotation in one world under one plan of faults, from its request to the end of its overlap."""

    def __init__(self, name: str, plan: dict[int, Mode]) -> None:
        self.rig, kind = SqlProduct(), KINDS[name]
        kind.setup(self.rig)
        self.promises = SqlPromises(self.rig, kind)
        self.saboteur = Saboteur(plan, self.promises.instant)
        self.delivery = Delivery(self.rig, self.start)

    def start(self) -> Service:
        self.saboteur.revive()
        return self.rig.service(self.saboteur)

    async def rotate(self) -> None:
        """Ask for the rotation and deliver until nothing is left."""
        version = self.rig.latest(NAME).version
        await self.rig.service().queue.post_rotation(self.rig.item(NAME, version=version, trigger="event"))
        await self.delivery.run()

    async def play(self) -> None:
        """Rotate, let the overlap pass, sweep, retire."""
        await self.rotate()
        for _ in range(2):
            if len(self.rig.vault.versions(NAME)) < 2:
                # What a refusal parked is tried again a day later, and what a second one parked a day after that.
                self.rig.clock.advance(DAY + 60)
                await self.sweep()
        self.promises.finally_(2)
        for days in (7, 1, 1, 1):
            self.rig.clock.advance(days * DAY + 60)
            await self.sweep()
        self.promises.finally_(2)
        self.promises.nothing_left()

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


async def played(name: str, plan: dict[int, Mode], ear: Ear) -> Stage:
    """Play to the end and check that nothing has leaked; whatever breaks says under which plan it did."""
    ear.heard.clear()
    stage = Stage(name, plan)
    try:
        await stage.play()
        nothing_leaked(stage, ear)
    except AssertionError as error:
        raise AssertionError(f"{name}: {plan}: {error}") from error
    return stage


def nothing_leaked(stage: Stage, ear: Ear) -> None:
    told = "\n".join(
        [*ear.heard, *(everything(error) for error in stage.delivery.errors), emitted_to_host_storage(stage.rig)]
    )
    assert [password for password in stage.promises.planted if password in told] == []


@pytest.mark.parametrize("name", KINDS)
async def test_every_promise_holds_whatever_happens_at_any_one_call(name: str, ear: Ear) -> None:
    """Die before it, die after it, lose its answer, throttle it, fail it after its effect, or forbid it."""
    calls = (await played(name, {}, ear)).saboteur.calls
    assert calls > 10
    for at in range(calls):
        for mode in share(at):
            stage = await played(name, {at: mode}, ear)
            assert stage.saboteur.calls > at, "the fault never struck"


@pytest.mark.parametrize("name", KINDS)
async def test_every_promise_holds_whatever_happens_at_two_calls(name: str, ear: Ear) -> None:
    calls = (await played(name, {}, ear)).saboteur.calls
    chosen = random.Random(name)  # noqa: S311 - the same pairs in every run
    for _ in range(PAIRS):
        first, second = sorted(chosen.sample(range(calls + 4), 2))
        await played(name, {first: chosen.choice(MODES), second: chosen.choice(MODES)}, ear)


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.single])
async def test_a_refusal_after_the_password_has_changed_is_mended_by_the_follow_up_and_not_a_day_later(
    name: str,
) -> None:
    calls = Stage(name, {})
    await calls.rotate()
    for at in range(calls.saboteur.calls):
        stage = Stage(name, {at: "forbid"})
        began = stage.rig.clock.now()
        await stage.rotate()
        assert stage.promises.accepted(stage.rig.latest(NAME)), f"refused at call {at}: nobody knows the password"
        assert (stage.rig.clock.now() - began).total_seconds() < DAY / 24


class Clerk:
    """Stands in the transport and counts what is asked of SQL servers and of Resource Manager."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    async def __call__(self, request: Request, call: Any) -> Response:
        if request.host == "management.azure.com" or request.url.startswith("tds:"):
            poll = "serverAzureAsyncOperation" in request.path
            self.counts["POLL" if poll else request.method] += 1
        response: Response = await call()
        return response


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("an administrator", {"PATCH": 1, "POLL": 2, "SIGN-IN": 1}),
        ("a login", {"EXECUTE": 1, "SIGN-IN": 1}),
        ("a contained user", {"EXECUTE": 1, "SIGN-IN": 1}),
        ("two logins", {"EXECUTE": 1, "SIGN-IN": 1}),
    ],
)
async def test_a_rotation_of_what_rekey_wrote_costs_no_more_than_it_must(
    name: str, expected: dict[str, int], ear: Ear
) -> None:
    stage = await played(name, {}, ear)
    clerk, rig = Clerk(), stage.rig
    rig.clock.advance(60 * DAY)

    await rig.service(clerk).engine.handle(rig.item(NAME, version=rig.latest(NAME).version, trigger="event"))

    assert dict(clerk.counts) == expected

"""Two workers on one secret, interleaved at every call that they make."""

from __future__ import annotations

import random
from functools import partial

import pytest

from engine.state.request import WorkItem
from simulator.reach.interleave import Turnstile, every_path
from tests.parts import sampled
from tests.shared.delivery import Delivery
from tests.shared.promises import Place, Promises
from tests.shared.rig import Rig

LEASE = 61.0


class Race:
    """A world with one due secret, and workers that are about to set out on it."""

    def __init__(self, *, lapse_allowed: bool = False) -> None:
        self.rig = Rig()
        self.account = self.rig.account("appdata")
        self.version = self.rig.secret("app-key", self.account).version
        self.promises = Promises(
            Place.of_account(self.rig, "app-key", self.account), lapse_allowed=lapse_allowed
        )

    async def warm(self) -> None:
        """Let the source have been worked on before, so that only what recurs is interleaved."""
        service, item = self.rig.service(), self.rig.item("app-key")
        await service.engine.vaults.read(item.ref)
        async with service.engine.leases.hold(self.account.resource_id.lower(), str(item.ref)):
            pass

    def item(self, **fields: object) -> str:
        return self.rig.item("app-key", **{"version": self.version, **fields}).to_json()

    async def settle(self, *items: str) -> None:
        """Let the queue bring back what failed, until nothing is left."""
        service = self.rig.service()
        for text in items:
            await service.engine.queue.post_rotation(WorkItem.from_json(text))
        await Delivery(self.rig, self.rig.service).run()


SECOND = ["a duplicate of the event", "the sweep", "an operator"]
"""tests/proof/test_share.py interleaves workers that operators have sent, by day as well."""


@pytest.mark.parametrize("second", sampled(SECOND, ["the sweep"]))
async def test_two_workers_on_one_version_rotate_it_once_in_every_interleaving(second: str) -> None:
    paths = 0
    for choices in every_path():
        race = Race()
        await race.warm()
        other = {
            "a duplicate of the event": race.item(trigger="event"),
            "the sweep": race.item(
                trigger="sweep", version=None, source=race.account.resource_id.lower()
            ),
            "an operator": race.item(trigger="manual", force=True),
        }[second]
        items = [race.item(trigger="event"), other]
        turnstile = Turnstile(race.rig.clock, choices, race.promises.instant)
        services = [race.rig.service(turnstile.intercept(number)) for number in range(2)]
        results = await turnstile.run(
            [
                partial(service.rotate, text, 1)
                for service, text in zip(services, items, strict=True)
            ]
        )
        assert results == [None, None], "one of them waits, and neither fails"
        await race.settle(*(text for text, result in zip(items, results, strict=True) if result))
        race.promises.finally_(2)
        paths += 1
    assert paths > 50


async def test_a_worker_that_outlives_its_lease_never_leaves_a_dead_value_behind() -> None:
    """The clock leaps past the lease at any one moment, requests in flight included.

    Redelivery must mend the rest.
    """
    for seed in range(60):
        chance = random.Random(seed)  # noqa: S311 - a schedule, not a secret
        race = Race(lapse_allowed=True)
        await race.warm()
        items = [race.item(trigger="event"), race.item(trigger="sweep", version=None)]
        turnstile = Turnstile(race.rig.clock, chance.randrange)
        services = [race.rig.service(turnstile.intercept(number)) for number in range(2)]
        results = await turnstile.run(
            [
                partial(service.rotate, text, 1)
                for service, text in zip(services, items, strict=True)
            ],
            jump=LEASE,
        )
        await race.settle(*(text for text, result in zip(items, results, strict=True) if result))
        race.promises.lapse_allowed = False
        try:
            race.promises.instant()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n" + "\n".join(turnstile.trace)) from error

"""A change that takes hours: no lease and no worker waits for it, and it ends well or is told of.

Time is virtual. Cosmos DB says of such changes "one minute to multiple hours".
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from api import listing
from simulator.reach.transport import Intercept
from tests.rotators.key_scenes import FAMILY, KeyScene
from tests.shared.delivery import Delivery

NAME = "app-key"
HOUR = 3600
COSMOS = next(member for member in FAMILY if str(member) == "cosmos-db-key")
HUB = next(member for member in FAMILY if str(member) == "signalr-key")


class Story:
    """A secret, due unless it has long to live, at a source whose changes take their time."""

    def __init__(self, hours: float, member: Any = COSMOS, days_left: float = 10) -> None:
        self.scene = KeyScene(member)
        self.scene.manage(NAME, days_left)
        self.scene.account.duration = timedelta(hours=hours)
        self.rig = self.scene.rig
        self.before = self.rig.latest(NAME).value
        self.began = self.rig.clock.now()

    def delivery(self, intercept: Intercept | None = None) -> Delivery:
        return Delivery(self.rig, lambda: self.rig.service(intercept))

    async def ask(self, **options: Any) -> None:
        version = self.rig.latest(NAME).version
        item = self.rig.item(NAME, version=version, **{"trigger": "event", **options})
        await self.rig.service().engine.queue.post_rotation(item)

    async def deliver(self, hours: float, intercept: Intercept | None = None) -> None:
        """Deliver, each message to a fresh process, what is due within so many hours."""
        until = self.rig.clock.now() + timedelta(hours=hours)
        delivery = self.delivery(intercept)
        await delivery.run(within=timedelta(hours=hours))
        self.rig.clock.advance(max(0.0, (until - self.rig.clock.now()).total_seconds()))

    async def shown(self) -> dict[str, Any]:
        """Return how the secret stands, as API, command line and page have it."""
        engine = self.rig.service().engine
        secret = await engine.vaults.read(self.rig.item(NAME).ref)
        return listing.judge(engine, secret, await listing.index_of(engine)).to_json()

    def accepted(self) -> int:
        """Count the changes that the source has begun."""
        return self.scene.regenerations().count(202)


async def test_a_change_of_six_hours_ends_well_and_was_asked_for_once() -> None:
    story = Story(6)
    await story.ask()
    began = story.rig.clock.now()
    await story.deliver(5)
    assert story.rig.latest(NAME).value == story.before
    assert "RekeyState" not in story.rig.tags(NAME)
    row = await story.shown()
    assert (row["state"], row["under_way_since"]) == ("overdue", began.isoformat())
    await story.deliver(2)
    assert (await story.shown())["under_way_since"] is None
    current = story.rig.latest(NAME).value
    assert current == story.scene.value("secondaryMasterKey") != story.before
    assert story.before in story.scene.live()
    assert story.accepted() == 1
    assert "RekeyState" not in story.rig.tags(NAME)


async def test_a_change_that_ends_after_all_is_taken_up_where_it_was_left() -> None:
    story = Story(30)
    await story.ask()
    await story.deliver(26)
    assert story.rig.tags(NAME)["RekeyState"].startswith("parked ")
    await story.deliver(10)
    await story.ask(trigger="manual")
    await story.deliver(1)
    assert story.rig.latest(NAME).value == story.scene.value("secondaryMasterKey")
    assert "RekeyState" not in story.rig.tags(NAME)
    assert story.accepted() == 1


@pytest.mark.parametrize("member", [COSMOS, HUB], ids=str)
async def test_a_revocation_of_hours_ends_once_the_old_key_is_refused(member: Any) -> None:
    story = Story(0.0001, member)
    await story.ask()
    await story.deliver(1)
    newer = story.rig.latest(NAME).value
    story.rig.clock.advance(8 * 24 * HOUR)
    story.scene.account.duration, began = timedelta(hours=5), story.accepted()
    await story.rig.service().engine.queue.post_rotation(
        story.rig.item(NAME, trigger="sweep", action="retire")
    )
    await story.deliver(4)
    assert story.before in story.scene.live()
    assert "under way since" in (await story.shown())["reason"]
    await story.deliver(3)
    assert story.before not in story.scene.live()
    assert newer in story.scene.live()
    assert story.accepted() == began + 1
    tags = story.rig.tags(NAME)
    assert not {"RekeyState", "RekeyRetire"} & set(tags)
    assert not story.rig.queue("rotations")

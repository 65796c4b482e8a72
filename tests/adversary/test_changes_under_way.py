"""A change that its source goes on with for hours, while something else is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from engine.service import Service
from engine.state.record import RECHECK_EVERY
from engine.state.request import Outcome
from engine.state.tags import fingerprint, parked
from tests.rotators.key_scenes import FAMILY, KeyScene
from tests.shared.delivery import Delivery
from tests.shared.heard import heard

NAME = "app-key"
BY_NAME = {str(member): member for member in FAMILY}
LONG = pytest.mark.parametrize(
    "kind",
    ["signalr-key", "cosmos-db-key", "event-grid-key of a topic", "redis-key of a database"],
)


@dataclass
class Told:
    """A resource under management, and every outcome that was reported of it."""

    kind: str
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scene = KeyScene(BY_NAME[self.kind])
        self.rig = self.scene.rig
        self.scene.manage(NAME)

    def start(self) -> Service:
        """Start the app, and listen to what it reports."""
        service = self.rig.service()
        heard(service.engine.reporter, self.outcomes)
        return service

    def retired(self) -> list[Outcome]:
        """Return the outcomes that say what was revoked."""
        return [outcome for outcome in self.outcomes if outcome.retired]

    def is_accepted(self) -> bool:
        """Return whether the source accepts what the vault's current version holds."""
        usable = self.scene.ring.usable(self.rig.clock.now())
        return self.rig.latest(NAME).value in {key.value for key in usable}

    async def run_until(self, moment: datetime) -> None:
        """Deliver what is posted, and let the timer `recheck` come, until a moment."""
        delivery = Delivery(self.rig, self.start)
        while self.rig.clock.now() < moment:
            if message := delivery._next():
                delivery._wait(message.visible)
                await delivery._deliver(delivery.start(), message)
            else:
                self.rig.clock.advance(RECHECK_EVERY.total_seconds())
                await delivery.start().recheck()


@LONG
async def test_a_change_is_looked_for_seldom_while_its_secret_is_disabled(kind: str) -> None:
    """Nothing can be done with what comes, and each recheck is reported."""
    told = Told(kind)
    rig, began = told.rig, told.rig.clock.now()
    told.scene.account.duration = timedelta(hours=6)
    await told.start().engine.handle(rig.item(NAME, trigger="event"))
    rig.vault.amend(rig.latest(NAME), enabled=False)
    await told.run_until(began + timedelta(hours=8))
    assert len(told.outcomes) <= 8 * 4 + 2
    rig.vault.amend(rig.latest(NAME), enabled=True)
    await told.run_until(began + timedelta(hours=8, minutes=20))
    assert told.is_accepted()
    assert len(rig.vault.versions(NAME)) == 2


@pytest.mark.parametrize("kind", ["cosmos-db-key", "signalr-key"])
async def test_a_key_that_a_person_takes_into_use_while_it_is_being_replaced_is_healed_at_once(
    kind: str,
) -> None:
    """What was asked for cannot be called back, so the source is looked at until it has come."""
    told = Told(kind)
    rig, scene = told.rig, told.scene
    scene.account.duration = timedelta(hours=2)
    began = rig.clock.now()
    await told.start().engine.handle(rig.item(NAME, trigger="event"))
    other = scene.member.kind.facts.pairs[0].second.name
    tags = {**rig.tags(NAME), "CredentialId": other}
    expires = rig.clock.now() + timedelta(days=60)
    rig.vault.put(NAME, scene.value(other), expires=expires, tags=tags)
    await told.run_until(began + timedelta(hours=2, minutes=5))
    assert told.is_accepted()
    assert told.outcomes[-1].result in ("healed", "confirmed")
    assert len(rig.vault.versions(NAME)) == 3


@LONG
async def test_an_edited_template_calls_no_revocation_done_that_goes_on(kind: str) -> None:
    """It reads another part of what the leaked version holds, which no source accepts."""
    told = Told(kind)
    rig, leaked = told.rig, told.rig.latest(NAME)
    told.scene.account.duration = timedelta(minutes=5)
    item = rig.item(NAME, version=leaked.version, trigger="manual", compromised=True, force=True)
    await rig.service().engine.queue.post_rotation(item)
    delivery = Delivery(rig, told.start)
    while rig.latest(NAME).version == leaked.version:
        await delivery.run_one()
    field = told.scene.member.kind.value_field
    edited = {**rig.tags(NAME), "ValueTemplate": f"{{{field}}}{leaked.value[-1]}"}
    rig.vault.amend(rig.latest(NAME), tags=edited)
    while rig.queue("rotations") and not told.retired():
        await delivery.run_one()
    usable = {key.value for key in told.scene.ring.usable(rig.clock.now())}
    assert leaked.value not in usable
    assert told.retired()


@LONG
async def test_a_change_is_looked_for_although_its_secret_was_parked_meanwhile(kind: str) -> None:
    """A single slot would refuse what the vault holds until somebody came."""
    told = Told(kind)
    told.scene.account.duration = timedelta(minutes=5)
    service = told.start()
    await service.engine.handle(told.rig.item(NAME, trigger="event"))
    assert told.outcomes[-1].result == "waiting"
    secret = await service.engine.vaults.read(told.rig.item(NAME).ref)
    marked = parked(secret, "something failed", told.rig.clock.now(), seen=fingerprint(secret))
    told.rig.vault.amend(told.rig.latest(NAME), tags=dict(marked))
    await Delivery(told.rig, told.start).run(most=50)
    assert told.is_accepted()
    assert len(told.rig.vault.versions(NAME)) == 2

"""While a source goes on with a change: who waits, who goes on, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from engine.contract import LONGEST_CHANGE
from engine.errors import UnderWay
from engine.service import Service
from engine.state.policy import Consumers, Document, Match
from engine.state.record import Record
from engine.state.request import Outcome
from rotators.cosmos_db_key import CosmosDbKey
from rotators.signalr_key import SignalRKey
from simulator.reach.sabotage import Died
from simulator.wire import Request
from tests.engine.rotation.plain_kind import Plain, rotating
from tests.rotators.key_scenes import FAMILY, KeyScene, Member
from tests.shared.delivery import Delivery
from tests.shared.scene import refuse, struck, to_vault

NAME = "app-key"
DAY = 86_400
TAKES = timedelta(minutes=5)
SIGNALR = next(member for member in FAMILY if member.kind is SignalRKey)
COSMOS = next(member for member in FAMILY if member.kind is CosmosDbKey)
APP = "/subscriptions/x/resourceGroups/y/providers/Microsoft.Web/sites/shop"


class Slow:
    """A secret under management, at a source whose changes may take minutes."""

    def __init__(self, member: Member = SIGNALR, **tags: str) -> None:
        self.scene = KeyScene(member)
        self.rig = self.scene.rig
        self.scene.manage(NAME)
        self.rig.vault.amend(self.rig.latest(NAME), tags={**self.rig.tags(NAME), **tags})

    def takes(self, duration: timedelta) -> datetime:
        """Let further changes take so long; returns the time."""
        self.scene.account.duration = duration
        return self.rig.clock.now()

    async def handle(self, service: Service | None = None, **fields: Any) -> Outcome:
        """Work once on an item, in a fresh process."""
        engine = (service or self.rig.service()).engine
        return await engine.handle(self.rig.item(NAME, **{"trigger": "event", **fields}))

    def slow_once_published(self) -> Service:
        """Start the app; once it has published a version, changes take minutes."""
        takes = struck(self.rig, to_vault("PUT"), lambda: self.takes(TAKES), after=False)
        return self.rig.service(takes)

    async def record(self) -> Record:
        return await self.rig.known(self.scene.source)

    def asked(self) -> int:
        """Count the changes that the source has accepted."""
        exchanges = self.rig.world.exchanges
        return sum(exchange.response.status == 202 for exchange in exchanges)


async def rotated() -> Slow:
    """Return a source at which a superseded key is due to be revoked, which takes minutes."""
    slow = Slow()
    slow.takes(timedelta())
    assert (await slow.handle()).result == "rotated"
    slow.rig.clock.advance(8 * DAY)
    slow.rig.world.exchanges.clear()
    slow.takes(TAKES)
    return slow


@pytest.mark.parametrize("member", [SIGNALR, COSMOS], ids=str)
async def test_what_waits_says_since_when_and_is_looked_for_when_the_source_wishes(
    member: Member,
) -> None:
    slow = Slow(member)
    began = slow.takes(TAKES)
    outcome = await slow.handle()
    assert outcome.result == "waiting"
    assert outcome.reason.startswith(f"under way since {began:%Y-%m-%d %H:%M}Z: regenerating ")
    [message] = slow.rig.queue("rotations")
    wish = timedelta(seconds=member.kind.afterwards)
    assert message.visible - slow.rig.clock.now() == wish


@pytest.mark.parametrize(
    ("fields", "result", "reason"),
    [
        pytest.param(
            {}, "waiting", "; a recheck asks later whether it has ended", id="another event"
        ),
        pytest.param(
            {"trigger": "manual", "force": True},
            "waiting",
            "; a recheck asks later whether it has ended",
            id="an operator",
        ),
        pytest.param({"action": "audit"}, "waiting", "; a recheck asks later", id="a due audit"),
        pytest.param(
            {"action": "restore"}, "skipped", "no earlier credential still works", id="a restore"
        ),
    ],
)
async def test_a_rotation_under_way_is_left_to_who_looks_for_its_end(
    fields: dict[str, Any], result: str, reason: str
) -> None:
    slow = Slow()
    slow.takes(TAKES)
    await slow.handle()
    slow.rig.clock.advance(1)
    outcome = await slow.handle(**fields)
    assert (outcome.result, outcome.old_version) == (result, slow.rig.latest(NAME).version)
    assert reason in outcome.reason
    assert (slow.asked(), len(slow.rig.queue("rotations"))) == (1, 1)


@pytest.mark.parametrize(
    ("fields", "result", "reason"),
    [
        pytest.param({"action": "retire"}, "waiting", "; a recheck asks later", id="a sweep"),
        pytest.param({"action": "restore"}, "waiting", "is being revoked, under", id="a restore"),
    ],
)
async def test_a_key_that_is_being_revoked_is_neither_revoked_twice_nor_restored(
    fields: dict[str, Any], result: str, reason: str
) -> None:
    slow = await rotated()
    await slow.handle(action="retire")
    slow.rig.clock.advance(1)
    outcome = await slow.handle(**fields)
    assert (outcome.result, outcome.old_version) == (result, slow.rig.latest(NAME).version)
    assert reason in outcome.reason
    assert len(slow.rig.vault.versions(NAME)) == 2
    assert slow.asked() == 1


async def test_nor_is_one_whose_revocation_was_sent_and_could_not_be_noted() -> None:
    slow = await rotated()

    def notes(request: Request) -> bool:
        return request.method == "PUT" and ".blob." in request.host and slow.asked() > 0

    refuse(slow.rig, 403, "AuthorizationFailure", notes)
    await slow.handle(action="retire")
    assert slow.asked() == 1
    slow.rig.clock.advance(1)
    outcome = await slow.handle(action="restore")
    assert (outcome.result, len(slow.rig.vault.versions(NAME))) == ("waiting", 2)
    assert "may still be revoked by what was sent, until" in outcome.reason


async def test_a_key_inside_its_overlap_is_restored_where_nothing_is_under_way() -> None:
    slow = Slow()
    slow.takes(timedelta())
    await slow.handle()
    outcome = await slow.handle(action="restore", trigger="manual")
    assert outcome.result == "restored"


async def test_a_version_without_an_overlap_is_told_of_before_its_predecessor_is_gone() -> None:
    """The message that looks for the end of the revocation knows only of that."""
    slow = Slow(OverlapHours="0")
    slow.takes(timedelta())
    version = slow.rig.latest(NAME).version
    outcome = await slow.handle(slow.slow_once_published())
    assert (outcome.result, outcome.old_version) == ("rotated", version)
    assert outcome.new_version == slow.rig.latest(NAME).version
    assert "; under way since " in outcome.reason


async def test_an_incident_is_over_once_what_leaked_is_gone_and_its_version_is_told_of_before() -> (
    None
):
    """Whoever holds what is revoked needs the new version at once."""
    slow = Slow()
    slow.takes(timedelta())
    leaked = slow.rig.latest(NAME)
    service = slow.slow_once_published()
    document = Document(consumers=(Consumers(Match(None, NAME), (APP,)),))
    policy = service.engine.policy.under(document)
    service = replace(service, engine=replace(service.engine, policy=policy))
    first = await slow.handle(service, version=leaked.version, compromised=True, force=True)
    current = slow.rig.latest(NAME)
    assert current.version != leaked.version
    assert (first.result, first.new_version, first.retired) == ("waiting", None, ())
    assert not (await slow.record()).unreported
    posted = [message["action"] for message in slow.rig.messages("rotations")]
    assert sorted(posted) == ["audit", "refresh", "refresh"], "also before it is revoked"
    slow.rig.clock.advance(TAKES.total_seconds())
    last = await slow.handle(version=leaked.version, compromised=True, force=True)
    assert (last.result, last.new_version) == ("retired", None)
    assert last.item.compromised
    assert last.retired
    assert slow.asked() == 2, "for the new key, and to revoke the old one"


@pytest.mark.parametrize("member", [SIGNALR, COSMOS], ids=str)
@pytest.mark.parametrize("fresh", [True, False])
async def test_a_key_that_came_before_an_incident_is_replaced_for_it_as_well(
    member: Member, *, fresh: bool
) -> None:
    """It was asked for before, and nobody has looked since: who knew all keys knows it, too."""
    slow = Slow(member)
    service = None if fresh else slow.rig.service()
    slow.takes(TAKES)
    assert (await slow.handle(service)).result == "waiting"
    slow.rig.clock.advance(2 * TAKES.total_seconds())
    known, since = slow.scene.live(), slow.rig.clock.now().isoformat()
    slow.rig.clock.advance(20)
    for _ in range(6):
        await slow.handle(service, compromised=True, since=since, trigger="manual")
        slow.rig.clock.advance(2 * TAKES.total_seconds())
    assert not known & slow.scene.live()
    assert slow.rig.latest(NAME).value in slow.scene.live()
    assert slow.asked() == 3


async def test_apps_hear_of_what_a_dead_worker_published_while_what_leaked_is_being_revoked() -> (
    None
):
    """What they hold stops working then, and nobody else tells them before."""
    slow = Slow()
    slow.takes(timedelta())
    leaked = slow.rig.latest(NAME).version
    dies = struck(slow.rig, to_vault("PUT"))
    with pytest.raises(Died):
        await slow.handle(slow.rig.service(dies), version=leaked, compromised=True)
    slow.rig.clock.advance(600)
    slow.takes(TAKES)
    service = slow.rig.service()
    document = Document(consumers=(Consumers(Match(None, NAME), (APP,)),))
    policy = service.engine.policy.under(document)
    service = replace(service, engine=replace(service.engine, policy=policy))
    slow.rig.queue("rotations").clear()
    outcome = await slow.handle(service, version=leaked, compromised=True)
    assert outcome.result == "waiting"
    posted = [message["action"] for message in slow.rig.messages("rotations")]
    assert sorted(posted) == ["audit", "refresh"]


async def test_a_revocation_is_seen_to_have_come_although_its_version_was_disabled() -> None:
    """Its value cannot be tried any more, and each message meets another process."""
    slow = await rotated()
    slow.rig.vault.amend(slow.rig.vault.versions(NAME)[0], enabled=False)
    began = slow.rig.clock.now()
    assert (await slow.handle(action="retire")).result == "waiting"
    delivery = Delivery(slow.rig, slow.rig.service)
    while (await slow.record()).retirement:
        await delivery.run_one()
    assert slow.rig.clock.now() - began >= TAKES
    assert slow.asked() == 1
    change = (await slow.record()).change
    assert (change.in_progress_since, change.marker) == (None, ""), "nobody is told that it goes on"


@pytest.mark.parametrize(("seconds", "result"), [(-1, "waiting"), (0, "parked")])
async def test_a_person_is_told_of_what_has_gone_on_for_a_day(seconds: int, result: str) -> None:
    slow = Slow()
    slow.takes(timedelta(days=30))
    await slow.handle()
    waiting = (await slow.record()).change.in_progress_since
    assert waiting
    until = waiting + LONGEST_CHANGE + timedelta(seconds=seconds)
    await slow.rig.note(slow.scene.source, NAME, look_at=None)
    slow.rig.clock.advance((until - slow.rig.clock.now()).total_seconds())
    slow.rig.queue("rotations").clear()
    outcome = await slow.handle()
    assert outcome.result == result
    assert bool(slow.rig.queue("rotations")) is (result == "waiting"), "a person looks first"
    assert ("and has not ended" in outcome.reason) is (result == "parked")


async def test_a_source_that_does_not_say_when_is_looked_at_a_minute_later() -> None:
    kind = Plain(problem=UnderWay("it goes on"))
    async with rotating(kind, force=True) as work:
        _, outcome = await work.run()
        assert outcome.result == "waiting"
        assert work.at.noted.next_check == work.at.now + timedelta(minutes=1)


async def test_a_source_that_names_hours_is_left_alone_for_hours() -> None:
    kind = Plain(problem=UnderWay("it goes on", retry_after=7200))
    async with rotating(kind, force=True) as work:
        _, outcome = await work.run()
        assert (outcome.result, outcome.old_version) == ("waiting", work.secret.version)
        assert work.at.noted.next_check == work.at.now + timedelta(hours=2)


async def test_a_plug_in_gets_back_what_it_noted_last() -> None:
    kind = Plain(problem=UnderWay("it goes on", mark="first"))
    async with rotating(kind, force=True) as work:
        await work.run()
        await work.at.lease.wait(60.0, "second")
        assert work.at.noted.change.marker == "second"


async def test_of_a_leak_behind_an_endless_change_the_mark_says_since_when_it_needs_people() -> (
    None
):
    """Every recheck meets that change again, four times an hour."""
    slow = Slow()
    slow.takes(timedelta(days=30))
    await slow.handle(compromised=True, version=slow.rig.latest(NAME).version)
    slow.rig.clock.advance(DAY)
    recheck: dict[str, Any] = {"action": "audit", "trigger": "sweep", "recheck": 1}
    assert (await slow.handle(**recheck)).result == "parked"
    marked = slow.rig.tags(NAME)
    slow.rig.clock.advance(900)
    assert (await slow.handle(**recheck)).result == "waiting"
    assert slow.rig.tags(NAME) == marked


async def test_a_report_names_the_credential_that_was_published_whatever_its_tag_says_since() -> (
    None
):
    """A worker dies once it has published, and a person edits the tag before the next one comes."""
    slow = Slow(OverlapHours="0")
    slow.takes(timedelta())
    with pytest.raises(Died):
        await slow.handle(slow.rig.service(struck(slow.rig, to_vault("PUT"))))
    published = slow.rig.tags(NAME)["CredentialId"]
    slow.rig.tag(NAME, CredentialId="mine")
    slow.rig.clock.advance(600)
    slow.takes(TAKES)
    outcome = await slow.handle(action="retire")
    assert outcome.result == "rotated"
    assert "; under way since " in outcome.reason
    assert outcome.credential_id == published

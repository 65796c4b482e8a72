"""What a try of a key shows: accepted, refused for good, or that nobody can say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.contract import Readable
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    RekeyError,
    TransientError,
    VerificationFailed,
)
from engine.secret import Sensitive
from rotators.shared.key_facts import Slot
from simulator.faults import Fault, unavailable
from simulator.keys.contracts import BY_KIND
from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response
from tests.parts import crossed
from tests.rotators.key_scenes import BY_NAME, FAMILY, KeyScene, Member
from tests.shared.scene import refuse

SWITCHED = [member for member in FAMILY if member.switched]
LISTED = [
    member
    for member in SWITCHED
    if BY_KIND[member.type.lower()].keyless == "lists" and "authorizationRules" not in member.path
]
"""Those whose keys can be listed while they are switched off. A namespace of rules refuses every key
in the same words then, so it proves nothing of one."""
HUB = BY_NAME["signalr-key"]


def reads_a_resource(request: Request) -> bool:
    return request.host.startswith("management.") and request.method == "GET"


def held_by(scene: KeyScene) -> Sensitive:
    return Sensitive(scene.value(scene.member.slot))


@pytest.mark.parametrize("member", FAMILY, ids=str)
async def test_one_try_tells_a_good_key_from_another_one_and_reaches_no_listener(
    member: Member,
) -> None:
    scene = KeyScene(member)
    assert await scene.rotator().accepts(scene.source, "", held_by(scene))
    assert not await scene.rotator().accepts(scene.source, "", Sensitive(member.wrong))
    assert not scene.account.published


@pytest.mark.parametrize("member", LISTED, ids=str)
async def test_a_key_that_is_not_there_any_more_is_refused_whatever_the_switch_says(
    member: Member,
) -> None:
    scene = KeyScene(member)
    scene.account.takes_keys = False
    assert not await scene.rotator().accepts(scene.source, "", Sensitive(member.wrong))
    with pytest.raises(NeedsHuman, match="does not accept keys"):
        await scene.rotator().accepts(scene.source, "", held_by(scene))


async def test_a_key_that_a_firewall_refuses_is_gone_only_where_the_service_lists_it_no_more() -> (
    None
):
    scene = KeyScene(BY_NAME["search-admin-key"])
    scene.account.open_network = False
    assert not await scene.rotator().accepts(scene.source, "", Sensitive(scene.member.wrong))
    with pytest.raises(AccessDenied, match="firewall"):
        await scene.rotator().accepts(scene.source, "", held_by(scene))


@pytest.mark.parametrize("slot", HUB.kind.facts.pairs[0].slots, ids=lambda slot: slot.name)
async def test_a_list_that_lacks_a_key_does_not_show_that_one_is_gone(slot: Slot) -> None:
    scene, name = KeyScene(HUB), slot.name.encode()
    scene.account.takes_keys = False

    async def short(request: Request, call: Call) -> Response:
        answer = await call()
        is_list = request.path.lower().endswith("/listkeys")
        return replace(answer, body=answer.body.replace(name, b"other")) if is_list else answer

    with pytest.raises(NeedsHuman, match="does not accept keys"):
        await scene.rotator(short).accepts(scene.source, "", Sensitive(HUB.wrong))


@pytest.mark.parametrize(("member", "status"), crossed(SWITCHED, [403, 503]), ids=str)
async def test_keys_that_are_switched_off_are_not_gone_where_nobody_can_read_the_switch(
    member: Member, status: int
) -> None:
    scene = KeyScene(member)
    held, rotator = held_by(scene), scene.rotator()
    assert await rotator.accepts(scene.source, "", held)
    scene.account.takes_keys = False
    refuse(scene.rig, status, "No", reads_a_resource, times=9)
    with pytest.raises(RekeyError):
        await rotator.accepts(scene.source, "", held)


@pytest.mark.parametrize("member", FAMILY, ids=str)
async def test_a_key_that_is_refused_while_it_is_listed_is_not_gone(member: Member) -> None:
    scene = KeyScene(member)
    held, keys = held_by(scene), scene.ring.keys
    later = scene.rig.clock.now() + timedelta(hours=1)
    keys[member.slot] = replace(keys[member.slot], usable_from=later)
    with pytest.raises(TransientError, match="does not show that it is gone"):
        await scene.rotator().accepts(scene.source, "", held)
    scene.rig.clock.advance(3601)
    assert await scene.rotator().accepts(scene.source, "", held)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("kind", ["maps-key", "search-admin-key", "api-management-key"])
async def test_a_leaked_key_that_its_service_refuses_by_mistake_is_replaced_all_the_same(
    kind: str, status: int
) -> None:
    """Otherwise its incident ends, and the service takes it again."""
    scene = KeyScene(BY_NAME[kind])
    scene.manage("app-key")
    rig, old = scene.rig, scene.rig.latest("app-key")
    await rig.handle("app-key")
    at_service = lambda request: request.host == scene.account.host  # noqa: E731
    rig.world.faults.append(Fault(at_service, json_response(status, {}), times=999))
    await rig.handle("app-key", version=old.version, compromised=True, reason="leaked")
    known = (await rig.known(scene.source)).compromised
    assert old.version in known.versions or old.value not in scene.live()


@pytest.mark.parametrize("action", ["accepts", "verify"])
async def test_a_service_that_is_away_has_refused_nothing(action: str) -> None:
    scene = KeyScene(HUB)
    held = held_by(scene)
    scene.account.takes_keys = False
    at_service = lambda request: request.host == scene.account.host  # noqa: E731
    scene.rig.world.faults.append(Fault(at_service, unavailable(), times=9))
    with pytest.raises(TransientError, match="503"):
        await getattr(scene.rotator(), action)(scene.source, "", held)


async def test_a_refusal_is_looked_into_once_and_not_at_every_try() -> None:
    scene = KeyScene(HUB)
    with pytest.raises(VerificationFailed, match="refuses the key"):
        await scene.rotator().verify(scene.source, "", Sensitive(HUB.wrong))
    reads = [
        exchange.request.method
        for exchange in scene.rig.world.exchanges
        if exchange.request.host.startswith("management.")
    ]
    assert reads == ["GET", "GET"], "the address, and the switch"


@pytest.mark.parametrize("kind", ["cosmos-db-key", "signalr-key", "search-admin-key"])
async def test_an_answer_that_only_a_good_key_gets_is_proof_enough(kind: str) -> None:
    """No made-up key is tried beside it."""
    scene = KeyScene(BY_NAME[kind])
    await scene.rotator().verify(scene.source, "", held_by(scene))
    hosts = [exchange.request.host for exchange in scene.rig.world.exchanges]
    assert hosts.count(scene.account.host) == 1


@pytest.mark.parametrize("member", [row for row in FAMILY if row.contract.probe], ids=str)
async def test_a_key_is_proven_by_a_request_that_its_service_knows(member: Member) -> None:
    scene = KeyScene(member)
    await scene.rotator().verify(scene.source, member.slot, held_by(scene))
    sent = [exchange.request for exchange in scene.rig.world.exchanges]
    proofs = [request for request in sent if request.host == scene.account.host]
    assert member.contract.probe
    assert proofs
    assert not any(member.contract.probe.refusal(request) for request in proofs)


async def test_an_interrupted_rotation_finds_the_key_that_the_source_shows() -> None:
    scene = KeyScene(HUB)
    rotator, job = scene.rotator(), scene.job()
    assert isinstance(rotator, Readable)
    for name in ("primaryKey", "secondaryKey"):
        fields = await rotator.read(job, name)
        assert fields
        assert fields["key"].reveal() == scene.value(name)
    assert await rotator.read(job, "another") is None


async def test_a_listing_that_is_refused_says_what_was_listed() -> None:
    scene = KeyScene(BY_NAME["cosmos-db-key"])
    scene.rig.world.roles.assignments.clear()
    with pytest.raises(AccessDenied, match="listing the account's keys"):
        await scene.rotator().issue(scene.job())

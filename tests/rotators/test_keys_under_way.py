"""A regeneration that its source goes on with: what a later try asks, waits for, and says of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.errors import TransientError, UnderWay
from engine.secret import Sensitive
from simulator.faults import Fault
from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response
from tests.parts import crossed
from tests.rotators.key_scenes import BY_NAME, FAMILY, KeyScene, Member

HUB = BY_NAME["signalr-key"]
WITHIN_CALL = 10
"""Seconds for which the call that began it looks for its end."""


async def begun(scene: KeyScene) -> UnderWay:
    """Let a process ask for a key whose making outlasts the call; return what it is told."""
    scene.account.duration = timedelta(hours=1)
    with pytest.raises(UnderWay) as caught:
        await scene.rotator().issue(scene.job())
    return caught.value


async def test_it_is_said_how_long_it_has_gone_on() -> None:
    scene = KeyScene(HUB)
    problem = await begun(scene)
    assert f"was accepted {WITHIN_CALL} s ago and is under way" in str(problem)
    scene.rig.clock.advance(50)
    with pytest.raises(UnderWay, match="was accepted 60 s ago and is under way"):
        await scene.rotator().issue(replace(scene.job(), mark=problem.mark))


@pytest.mark.parametrize(("early", "asked"), [(1, [202]), (0, [202, 409])])
async def test_another_process_asks_again_once_patience_has_ended(
    early: float, asked: list[int]
) -> None:
    scene = KeyScene(HUB)
    problem = await begun(scene)
    scene.rig.clock.advance(HUB.kind.patience - WITHIN_CALL - early)
    with pytest.raises(UnderWay):
        await scene.rotator().issue(replace(scene.job(), mark=problem.mark))
    assert scene.regenerations() == asked


async def test_a_key_that_was_handed_out_once_is_replaced_by_the_next_try() -> None:
    """Whoever asks again could not use it."""
    scene = KeyScene(HUB)
    rotator, job = scene.rotator(), scene.job()
    scene.account.duration = timedelta(seconds=45)
    with pytest.raises(UnderWay) as caught:
        await rotator.issue(job)
    scene.rig.clock.advance(60)
    first = await rotator.issue(replace(job, mark=caught.value.mark))
    scene.account.duration = timedelta(seconds=1)
    second = await rotator.issue(job)
    assert second.fields["key"] != first.fields["key"]
    assert scene.regenerations() == [202, 202]


async def test_what_was_asked_for_before_an_incident_is_not_handed_out_after_it() -> None:
    """Whoever knows what has leaked may know that key, too: the same process asks for another."""
    scene = KeyScene(HUB)
    rotator, job = scene.rotator(), scene.job()
    scene.account.duration = timedelta(seconds=45)
    with pytest.raises(UnderWay):
        await rotator.issue(job)
    scene.rig.clock.advance(60)
    slot = scene.member.kind.facts.place(scene.source).pair.second.name
    known = scene.value(slot)
    scene.account.duration = timedelta(seconds=1)
    issued = await rotator.issue(replace(job, sent=scene.rig.clock.now(), asked=None))
    assert issued.fields["key"].reveal() == scene.value(slot) != known
    assert scene.regenerations() == [202, 202]


async def test_what_was_accepted_is_under_way_though_nobody_may_look_at_it() -> None:
    """Without its mark the next try would ask for it once more."""
    scene, accepted = KeyScene(HUB), False
    scene.account.duration = timedelta(hours=1)
    forbidden = json_response(403, {"error": {"code": "AuthorizationFailed", "message": "no"}})

    async def forbidding(request: Request, call: Call) -> Response:
        nonlocal accepted
        accepted |= "regeneratekey" in request.path.lower()
        is_look = accepted and request.path.lower().endswith("/listkeys")
        return forbidden if is_look else await call()

    with pytest.raises(UnderWay) as caught:
        await scene.rotator(forbidding).issue(scene.job())
    scene.rig.clock.advance(60)
    with pytest.raises(UnderWay, match="is under way"):
        await scene.rotator().issue(replace(scene.job(), mark=caught.value.mark))
    assert scene.regenerations() == [202]


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("ai-services-key", 409, "Conflict"), ("signalr-key", 503, "ServiceUnavailable")],
)
async def test_a_source_that_is_busy_is_not_called_one_that_goes_on_with_a_change(
    kind: str, status: int, code: str
) -> None:
    """A conflict shows that only where changes go on after their answer, and no other code does."""
    scene = KeyScene(BY_NAME[kind])
    regenerates = lambda request: "regeneratekey" in request.path.lower()  # noqa: E731
    answer = json_response(status, {"error": {"code": code, "message": "later"}})
    scene.rig.world.faults.append(Fault(regenerates, answer))
    with pytest.raises(TransientError, match=code) as caught:
        await scene.rotator().issue(scene.job())
    assert not isinstance(caught.value, UnderWay)


@pytest.mark.parametrize(("pause", "seconds"), [("", 60), ("5", 60), ("600", 600)])
async def test_a_source_at_another_change_is_looked_at_no_sooner_than_it_asks(
    pause: str, seconds: float
) -> None:
    scene = KeyScene(HUB)
    regenerates = lambda request: "regeneratekey" in request.path.lower()  # noqa: E731
    conflict = {"error": {"code": "Conflict", "message": "later"}}
    answer = json_response(409, conflict, {"Retry-After": pause} if pause else {})
    scene.rig.world.faults.append(Fault(regenerates, answer))
    with pytest.raises(UnderWay) as caught:
        await scene.rotator().issue(scene.job())
    assert caught.value.retry_after == seconds


async def test_no_key_is_listed_where_none_can_tell_what_an_earlier_try_made() -> None:
    scene = KeyScene(BY_NAME["ai-services-key"])
    await scene.rotator().issue(replace(scene.job(), asked=scene.rig.clock.now()))
    paths = [exchange.request.path.lower() for exchange in scene.rig.world.exchanges]
    assert not [path for path in paths if path.endswith("/listkeys")]


async def test_a_key_that_was_only_modified_since_it_was_asked_for_is_no_new_one() -> None:
    """App Configuration tells when a key was modified, and not when its value was made."""
    scene = KeyScene(BY_NAME["app-configuration-key"])
    since, busy = scene.rig.clock.now(), json_response(409, {"error": {"code": "Conflict"}})
    scene.rig.world.faults.append(Fault(replaces, busy))
    with pytest.raises(UnderWay) as caught:
        await scene.rotator().issue(scene.job())
    scene.rig.clock.advance(60)
    other = scene.member.kind.facts.place(scene.source).pair.second.name
    scene.ring.keys[other] = replace(scene.ring.keys[other], created=scene.rig.clock.now())
    old = scene.value(other)
    retried = replace(scene.job(), asked=since, mark=caught.value.mark)
    issued = await scene.rotator().issue(retried)
    assert issued.fields["connection_string"].reveal() == scene.value(other) != old


def replaces(request: Request) -> bool:
    return "/regenerate" in request.path.lower()


NOTHING = {"an empty 200": Response(200), "a 204": Response(204), "{}": json_response(200, {})}


@pytest.mark.parametrize(("member", "answer"), crossed(FAMILY, [*NOTHING]), ids=str)
async def test_the_old_key_never_passes_for_the_one_that_an_answer_does_not_hold(
    member: Member, answer: str
) -> None:
    """Something in between may have answered, so that nothing has changed."""
    scene = KeyScene(member)
    job, held = scene.job(), Sensitive(scene.value(member.slot))
    pair = member.kind.facts.place(scene.source).pair
    scene.rig.world.faults.append(Fault(replaces, NOTHING[answer], times=2))
    with pytest.raises(TransientError):
        await scene.rotator().issue(job)
    with pytest.raises(TransientError):
        await scene.rotator().retire(scene.source, pair.other(pair.slot(member.slot)).name, held)


async def test_an_answer_with_the_old_key_is_no_new_one() -> None:
    scene = KeyScene(HUB)
    old = {name: key.value for name, key in scene.ring.keys.items()}
    scene.rig.world.faults.append(Fault(replaces, json_response(200, old)))
    with pytest.raises(UnderWay):
        await scene.rotator().issue(scene.job())


async def test_a_change_goes_on_where_others_of_its_kind_end_with_their_answer() -> None:
    """Without its mark every further try would ask for it once more."""
    scene = KeyScene(BY_NAME["ai-services-key"])
    other = scene.member.kind.facts.place(scene.source).pair.second.name
    scene.rig.world.faults.append(Fault(replaces, Response(202)))
    with pytest.raises(UnderWay) as caught:
        await scene.rotator().issue(scene.job())
    scene.account.replace(scene.ring, other)
    issued = await scene.rotator().issue(replace(scene.job(), mark=caught.value.mark))
    assert issued.fields["key"].reveal() == scene.value(other)
    assert scene.regenerations() == [202]

"""What is accepted stands in the app's own storage before anybody is answered, until it is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from api.answers import Answer
from engine.state.record import RECHECK_EVERY
from engine.state.request import INCIDENT_SECONDS
from simulator.wire import Request
from tests.api.test_github import deliver, hooked
from tests.api.test_incidents import begin, deliver_orders
from tests.api.test_leaks import leak, leaky
from tests.cli.desk import managing
from tests.shared.delivery import Delivery
from tests.shared.rig import Rig
from tests.shared.scene import NAME, ask, refuse, scene


def to_a_blob(request: Request) -> bool:
    """Match what is written to the app's blobs."""
    return request.method == "PUT" and "/rekey-leases/" in request.path


def to_queue(request: Request) -> bool:
    """Match what is posted to a queue."""
    return request.path.endswith("/messages")


type Way = tuple[Rig, Callable[[], Awaitable[Answer]]]


def _by_hand() -> Way:
    rig = scene()
    return rig, lambda: ask(rig.api(), {"reason": "a drill"})


def _under_a_key() -> Way:
    rig = scene(days_left=80)
    return rig, lambda: ask(rig.api(), {"force": True})


def _compromised() -> Way:
    rig = scene()
    return rig, lambda: ask(rig.api(), {"compromised": True, "reason": "leaked"})


def _incident() -> Way:
    rig = scene()
    rig.clock.advance(60)
    return rig, lambda: begin(rig.api(), vault="prod")


def _version_of_an_incident() -> Way:
    rig = scene()
    version = rig.latest(NAME).version
    return rig, lambda: begin(rig.api(), vault="prod", name=NAME, version=version)


def _leak() -> Way:
    rig = leaky()
    return rig, lambda: leak(rig.api(), rig.latest("app-key").value)


def _webhook() -> Way:
    rig, _ = hooked()
    return rig, lambda: deliver(rig.api())


WAYS = [
    *(_by_hand, _under_a_key, _compromised),
    *(_incident, _version_of_an_incident, _leak, _webhook),
]
every_way = pytest.mark.parametrize("way", WAYS, ids=[way.__name__.strip("_") for way in WAYS])


@every_way
async def test_what_is_accepted_is_stored_until_it_is_done(way: Callable[[], Way]) -> None:
    rig, asks = way()
    answer = await asks()
    assert answer.status == 202
    posted = [*rig.messages("rotations"), *rig.messages("sweeps")]
    assert [stored["vault"] for _, stored in rig.open_requests] == [posted[0]["vault"]]
    await deliver_orders(rig)
    await Delivery(rig, rig.service).run(within=timedelta(hours=2))
    # An incident's order is sent once more.
    rig.clock.advance(INCIDENT_SECONDS)
    await rig.service().recheck()
    await deliver_orders(rig)
    assert rig.open_requests == []


@every_way
async def test_what_is_accepted_is_carried_out_within_five_minutes_although_its_messages_are_lost(
    way: Callable[[], Way],
) -> None:
    rig, asks = way()
    asked_about = rig.latest(NAME)
    assert (await asks()).status == 202
    for _ in range(3):
        rig.queue("rotations").clear()
        rig.queue("sweeps").clear()
        rig.clock.advance(RECHECK_EVERY.total_seconds())
        await rig.service().recheck()
        await deliver_orders(rig)
    rig.queue("rotations").clear()
    # From now on none is lost.
    await Delivery(rig, rig.service).run(within=timedelta(minutes=5))
    assert rig.latest(NAME).version != asked_about.version
    assert rig.open_items == []


@every_way
async def test_what_cannot_be_posted_is_stored_all_the_same(way: Callable[[], Way]) -> None:
    """It is told as a failure, since nobody knows how soon it is done."""
    rig, asks = way()
    refuse(rig, 503, "ServerBusy", to_queue, times=99)
    answer = await asks()
    assert answer.status == 503
    assert len(rig.open_requests) == 1
    assert rig.messages("rotations") == rig.messages("sweeps") == []


def test_who_may_put_messages_on_the_queue_alone_asks_by_command_line_all_the_same() -> None:
    desk = managing(10)
    refuse(desk, 403, "AuthorizationPermissionMismatch", to_a_blob, times=99)
    assert desk.run("rotate", f"prod/{NAME}").code == 0
    assert len(desk.messages("rotations")) == 1


@pytest.mark.parametrize(
    "command",
    [
        f"rotate prod/{NAME} --force",
        f"rotate prod/{NAME} --compromised",
        f"incident begin --vault prod --name {NAME} --reason leaked --yes",
    ],
)
def test_what_is_asked_for_by_command_line_is_stored(command: str) -> None:
    desk = managing()
    assert desk.run(*command.split()).code == 0
    assert len(desk.open_requests) == 1

"""Messages as the Functions host expects them."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from engine.errors import AccessDenied, TransientError
from engine.state.incident import Incident
from engine.state.request import WorkItem
from engine.state.sweep_order import SweepOrder
from simulator.faults import Fault
from simulator.wire import Request, json_response
from tests.shared.builders import NOW, item
from tests.shared.rig import Rig
from tests.shared.scene import refuse


async def test_a_message_is_base64_of_json_in_utf8() -> None:
    rig = Rig()
    sent = item(reason="für später", version="1" * 32)
    await rig.service().engine.queue.post_rotation(sent)
    (message,) = rig.queue("rotations")
    assert WorkItem.from_json(base64.b64decode(message.body, validate=True)) == sent
    assert message.visible <= rig.clock.now()


async def test_work_that_is_posted_outside_of_any_call_stays_in_its_trace() -> None:
    rig, trace = Rig(), f"00-{'1' * 32}-{'2' * 16}-01"
    await rig.service().engine.queue.post_rotation(item(trace=trace))
    (message,) = rig.messages("rotations")
    assert message["trace"] == trace


async def test_a_missing_queue_is_created() -> None:
    rig = Rig()
    order = SweepOrder(rig.vault.url, NOW, NOW, timedelta(hours=1))
    for _ in range(2):
        await rig.service().engine.queue.post_sweep(order)
    assert [message["vault"] for message in rig.messages("sweeps")] == [rig.vault.url] * 2


@pytest.mark.parametrize("status", [204, 409])
async def test_a_queue_that_another_worker_creates_at_the_same_time_is_fine(status: int) -> None:
    """Azure answers 204 where both ask for the same."""
    rig = Rig()

    def creating(request: Request) -> bool:
        return request.method == "PUT" and request.path == "/rotations"

    conflict = json_response(status, {}, {"x-ms-error-code": "QueueAlreadyExists"})
    rig.world.faults.append(Fault(creating, conflict, after=True))
    await rig.service().engine.queue.post_rotation(item())
    assert len(rig.messages("rotations")) == 1


@pytest.mark.parametrize(
    ("delay", "hidden"), [(0.0, 0), (0.9, 1), (90.0, 90), (86_400.0, 86_400), (9e9, 604_799)]
)
async def test_a_delayed_message_is_hidden_at_most_for_its_life(delay: float, hidden: int) -> None:
    rig = Rig()
    await rig.service().engine.queue.post_rotation(item(), delay)
    (message,) = rig.queue("rotations")
    assert message.visible - rig.clock.now() == timedelta(seconds=hidden)


@pytest.mark.parametrize(
    ("fields", "lasts"),
    [
        ({"trigger": "event"}, False),
        ({"trigger": "sweep"}, False),
        ({"trigger": "manual"}, True),
        ({"trigger": "sweep", "compromised": True}, True),
    ],
)
async def test_what_a_person_asked_for_does_not_expire_while_the_app_is_stopped(
    fields: dict[str, object], lasts: bool
) -> None:
    rig = Rig()
    await rig.service().engine.queue.post_rotation(item(**fields), 9e9)
    rig.clock.advance(timedelta(days=30).total_seconds())
    assert len(rig.messages("rotations")) == lasts


async def test_the_order_of_an_incident_does_not_expire_while_the_app_is_stopped() -> None:
    rig = Rig()
    queue = rig.service().engine.queue
    await queue.post_sweep(SweepOrder(rig.vault.url, NOW, NOW, timedelta(hours=1)))
    await queue.post_sweep(SweepOrder.for_incident(rig.vault.url, Incident(NOW)))
    rig.clock.advance(timedelta(days=30).total_seconds())
    (order,) = rig.messages("sweeps")
    assert order["incident"]


async def test_a_message_is_not_posted_twice_by_the_client() -> None:
    rig = Rig()
    rig.queue("rotations")
    rig.world.faults.append(
        Fault(lambda request: request.method == "POST", json_response(500, {}), after=True)
    )
    with pytest.raises(TransientError):
        await rig.service().engine.queue.post_rotation(item())
    assert len(rig.messages("rotations")) == 1


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        ("AuthorizationPermissionMismatch", "Storage Queue Data Contributor"),
        ("AuthorizationFailure", "let the app's network in"),
    ],
)
async def test_a_refusal_names_what_is_missing_a_role_or_a_way_through_the_firewall(
    code: str, fix: str
) -> None:
    rig = Rig()
    refuse(rig, 403, code, lambda request: request.method == "POST")
    with pytest.raises(AccessDenied, match=fix):
        await rig.service().engine.queue.post_rotation(item())


async def test_a_queue_that_no_message_was_put_on_yet_is_within_reach() -> None:
    rig = Rig()
    await rig.service().engine.queue.reach()
    refuse(rig, 403, "AuthorizationFailure", lambda request: request.method == "GET")
    with pytest.raises(AccessDenied, match="let the app's network in"):
        await rig.service().engine.queue.reach()

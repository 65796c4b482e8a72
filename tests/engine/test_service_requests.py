"""What a person asked for is stored until it is done, given up, or stored under its newer name."""

from __future__ import annotations

import json
import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import TransientError
from engine.parts import GRACE_SECONDS
from engine.service import MAX_TRIES
from engine.state.incident import Incident
from engine.state.request import DAY, INCIDENT_SECONDS, TRIED_ON, Outcome, WorkItem
from engine.state.sweep_order import SweepOrder
from leaks.incidents import counted
from tests.shared.delivery import Delivery
from tests.shared.heard import Log, handled_by
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, source_of, to_arm, to_vault

MOST_PAUSE = 6 * 3600.0
"""The longest pause before an order is sent again, in seconds."""


async def asked(rig: Rig, **fields: object) -> WorkItem:
    """Store a request, as the API does before it answers, and return its item."""
    item = rig.item(NAME, requested_by="jane", **fields)
    await rig.service().engine.accept(item)
    rig.queue("rotations").clear()
    return item


async def test_a_request_that_is_given_up_and_marked_is_closed() -> None:
    rig = scene()
    item = await asked(rig)

    async def fail(item: WorkItem, tries: int = 1) -> Outcome:
        del item, tries
        raise TransientError("it failed")

    await handled_by(rig.service(), fail).rotate(item.to_json(), MAX_TRIES)
    assert rig.open_requests == []
    assert "it failed" in rig.tags(NAME)["RekeyReason"]


@pytest.mark.parametrize("late", [0.0, INCIDENT_SECONDS, DAY.total_seconds()])
async def test_a_request_waits_for_a_vault_that_is_not_served_for_a_month(
    late: float, caplog: Log
) -> None:
    """Another app on the same storage may serve it, or this one soon.

    People hear of it at once, however late its first try comes, and then as of an incident.
    """
    rig = scene()
    item, served = await asked(rig, reported=rig.clock.now().isoformat()), dict(rig.environment)
    url = rig.world.add_vault("elsewhere").url
    rig.environment = {
        "REKEY_VAULTS": url,
        "REKEY_SCOPES": json.dumps({url: ["/subscriptions/one"]}),
    }
    caplog.set_level(logging.INFO, "rekey.audit")
    results, text = list[str](), item.to_json()
    rig.clock.advance(late)
    for _ in range(3):
        await rig.service().rotate(text, 1)
        results.append(json.loads(caplog.messages[-1])["result"])
        ((_, stored),) = rig.open_requests
        text = json.dumps(stored)
        rig.clock.advance(INCIDENT_SECONDS)
    assert results == ["parked", "waiting", "waiting"]
    # A day after people heard of it, however lately it was tried.
    rig.clock.advance(DAY.total_seconds() - 3 * INCIDENT_SECONDS)
    await rig.service().rotate(text, 1)
    assert json.loads(caplog.messages[-1])["result"] == "parked"
    rig.environment = served
    await rig.service().recheck()
    await Delivery(rig, rig.service).run()
    assert len(rig.vault.versions(NAME)) == 2
    assert rig.open_requests == []


async def test_a_request_for_a_vault_that_stays_unserved_is_given_up_after_a_month() -> None:
    rig = scene()
    url = rig.world.add_vault("elsewhere").url
    item = await asked(rig, reported=rig.clock.now().isoformat())
    rig.environment = {
        "REKEY_VAULTS": url,
        "REKEY_SCOPES": json.dumps({url: ["/subscriptions/one"]}),
    }
    rig.clock.advance(TRIED_ON.total_seconds())
    await rig.service().rotate(item.to_json(), 1)
    assert rig.open_requests == []


async def test_an_incident_without_its_time_is_stored_once_with_it_where_it_comes_back() -> None:
    """An earlier version of Rekey posted, or stored, it without."""
    rig = scene()
    refuse(rig, 403, "Forbidden", to_vault(), times=99)
    item = await asked(rig, compromised=True, deferred=2, waited=3, tried=1)
    await rig.service().rotate(item.to_json(), 1)
    ((_, stored),) = rig.open_requests
    assert stored["reported"] == rig.clock.now().isoformat()
    assert [stored[name] for name in ("deferred", "waited", "tried")] == [0, 0, 0]


@pytest.mark.parametrize(("is_busy", "reason"), [(True, "waited"), (False, "deferred")])
async def test_a_request_whose_message_waits_is_stored_for_after_that(
    is_busy: bool, reason: str
) -> None:
    """The timer would post a second message beside the one that waits, with fewer tries."""
    rig = scene()
    item = await asked(rig, version=rig.latest(NAME).version)
    rig.clock.advance(GRACE_SECONDS)
    async with AsyncExitStack() as stack:
        if is_busy:
            held = rig.service().engine.leases.hold(source_of(rig), str(item.ref))
            await stack.enter_async_context(held)
        else:
            refuse(rig, 429, "TooManyRequests", to_arm("listKeys"), times=9, Retry_After="90")
        await rig.service().rotate(item.to_json(), 1)
    (waiting,), ((due, stored),) = rig.queue("rotations"), rig.open_requests
    assert waiting.visible > rig.clock.now()
    # A queue counts whole seconds.
    assert abs((due - waiting.visible).total_seconds() - GRACE_SECONDS) < 1
    assert stored[reason] == 1


async def order_of_an_incident(rig: Rig) -> SweepOrder:
    """Store an incident's order, as the API does before it answers."""
    now = rig.clock.now()
    whole = SweepOrder(rig.vault.url, now, now, timedelta(hours=1), incident=Incident(now))
    await rig.service().engine.accept(whole)
    rig.queue("sweeps").clear()
    return whole


def orders(rig: Rig) -> list[tuple[float, dict[str, Any]]]:
    """Return the stored orders, each with the seconds until it is sent again."""
    now = rig.clock.now()
    pairs = [pair for pair in rig.open_requests if "secret" not in pair[1]]
    return [((due - now).total_seconds(), stored) for due, stored in pairs]


async def sent_again(rig: Rig) -> None:
    """Carry out the stored order, once it is due."""
    ((seconds, order),) = orders(rig)
    rig.clock.advance(seconds)
    await rig.service().sweep_vault(json.dumps(order))


async def test_an_incidents_order_is_closed_once_it_was_sent_twice_and_nothing_is_open() -> None:
    rig = scene()
    rig.clock.advance(60)
    await rig.service().sweep_vault((await order_of_an_incident(rig)).to_json())
    ((seconds, order),) = orders(rig)
    assert (seconds, order["again"]) == (INCIDENT_SECONDS, True)
    (item,) = rig.messages("rotations")
    rig.clock.advance(60)
    await rig.service().rotate(json.dumps(item), 1)
    await sent_again(rig)
    assert (rig.open_requests, len(rig.messages("rotations"))) == ([], 1)


async def test_an_incidents_order_that_met_nothing_is_sent_once_more() -> None:
    """What it covers may take another name before that, and the vault's listing may lag."""
    rig = Rig()
    await rig.service().sweep_vault((await order_of_an_incident(rig)).to_json())
    ((seconds, order),) = orders(rig)
    assert (seconds, order["again"]) == (INCIDENT_SECONDS, True)
    await sent_again(rig)
    assert orders(rig) == []


async def test_an_order_comes_again_ever_more_seldom_and_posts_nothing_that_waits() -> None:
    """What only a person can do may take weeks, and each time costs a look at the vault."""
    rig = scene()
    rig.vault.amend(rig.latest(NAME), enabled=False)
    rig.clock.advance(60)
    await rig.service().sweep_vault((await order_of_an_incident(rig)).to_json())
    pauses = list[float]()
    while orders(rig):
        pauses.append(orders(rig)[0][0])
        await sent_again(rig)
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (INCIDENT_SECONDS, MOST_PAUSE)
    assert 100 < len(pauses) < 200
    assert TRIED_ON < timedelta(seconds=sum(pauses)) <= TRIED_ON + timedelta(seconds=MOST_PAUSE)
    assert len(rig.messages("rotations")) == 1


async def test_an_incidents_order_waits_for_a_vault_that_is_not_served_for_a_while() -> None:
    rig = scene()
    order = await order_of_an_incident(rig)
    elsewhere = replace(order, vault="https://elsewhere.vault.azure.net")
    await rig.service().engine.close(order)
    await rig.service().sweep_vault(elsewhere.to_json())
    ((seconds, stored),) = orders(rig)
    assert (seconds, stored["vault"]) == (INCIDENT_SECONDS, elsewhere.vault)
    assert order.incident
    rig.clock.advance((order.incident.tried_until - rig.clock.now()).total_seconds() + 1)
    await rig.service().sweep_vault(json.dumps(stored))
    assert orders(rig) == []


async def test_what_takes_another_name_after_its_order_is_cut_off_all_the_same() -> None:
    """Its item finds the old name gone. The order comes again, and finds the new one."""
    rig = scene()
    await rig.work(NAME, action="audit")
    rig.clock.advance(60)
    leaked, tags = rig.latest(NAME).value, rig.tags(NAME)
    await rig.service().sweep_vault((await order_of_an_incident(rig)).to_json())
    rig.clock.advance(60)
    rig.vault.delete(NAME)
    rig.vault.put("renamed", leaked, tags=tags)
    await rig.work("renamed", action="audit")
    assert leaked in {key.value for key in rig.world.accounts["appdata"].keys.values()}
    rig.queue("rotations").clear()
    await sent_again(rig)
    (item,) = (it for it in rig.messages("rotations") if it["secret"] == "renamed")
    await rig.service().rotate(json.dumps(item), 1)
    assert leaked not in {key.value for key in rig.world.accounts["appdata"].keys.values()}


async def test_records_that_were_unreadable_in_an_early_part_have_the_order_begin_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only they tell of a secret of that part whose tags were edited."""
    monkeypatch.setattr("engine.sweep.incidents.LISTING_SECONDS", 0.0)
    rig = scene()
    await rig.work(NAME)
    rig.tag(NAME, ProviderAddress=None)
    for number in range(30):
        rig.vault.put(f"other-{number}", "x")
    rig.clock.advance(60)
    rig.queue("rotations").clear()
    order = await order_of_an_incident(rig)
    refuse(rig, 403, "Forbidden", lambda request: "comp=list" in request.url, times=99)
    await rig.service().sweep_vault(order.to_json())
    rig.world.faults.clear()
    (rest,) = rig.messages("sweeps")
    await rig.service().sweep_vault(json.dumps(rest))
    ((_, again),) = orders(rig)
    assert (again["again"], rig.messages("rotations")) == (False, [])
    rig.queue("sweeps").clear()
    await sent_again(rig)
    assert [message["secret"] for message in rig.messages("rotations")] == [NAME]


@pytest.mark.parametrize(("after", "swept"), [(0, True), (1, False)])
async def test_an_incidents_order_is_tried_to_the_last_second_of_its_month(
    after: int, *, swept: bool
) -> None:
    rig = scene()
    order = await order_of_an_incident(rig)
    assert order.incident
    rig.clock.advance((order.incident.tried_until - rig.clock.now()).total_seconds() + after)
    await rig.service().sweep_vault(order.to_json())
    assert bool(rig.messages("rotations")) == swept


@pytest.mark.parametrize(("seconds", "counts"), [(INCIDENT_SECONDS - 1, 1), (INCIDENT_SECONDS, 0)])
async def test_a_secret_that_is_made_once_its_order_has_come_again_is_no_part_of_an_incident(
    seconds: float, counts: int
) -> None:
    """An older one may be another name of what leaked, and counts as open until it is replaced."""
    rig = scene()
    rig.vault.amend(rig.latest(NAME), enabled=False)
    rig.clock.advance(60)
    order = await order_of_an_incident(rig)
    await rig.service().sweep_vault(order.to_json())
    assert order.incident
    incident = replace(order.incident, vaults=(rig.vault.url,))
    rig.clock.advance(seconds)
    rig.secret("another", rig.account("another"))
    rig.queue("rotations").clear()
    rig.clock.advance(max(orders(rig)[0][0], 0.0))
    (progress,) = await counted(rig.service().engine, [incident])
    assert (progress.needs_a_person, progress.waiting) == (1, counts)
    await sent_again(rig)
    assert [message["secret"] for message in rig.messages("rotations")] == ["another"] * counts


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(hours=3)])
async def test_an_order_that_goes_on_under_another_clock_revokes_no_later(
    monkeypatch: pytest.MonkeyPatch, ahead: timedelta
) -> None:
    """An instance whose clock was ahead has listed the first page."""
    monkeypatch.setattr("engine.sweep.incidents.LISTING_SECONDS", 0.0)
    rig = scene()
    for number in range(30):
        rig.vault.put(f"another-{number}", "x")
    order = await order_of_an_incident(rig)
    await rig.service().sweep_vault(order.to_json())
    (rest,) = rig.messages("sweeps")
    rig.queue("rotations").clear()
    rest["so_far"]["begun"] = (rig.clock.now() + ahead).isoformat()
    await rig.service().sweep_vault(json.dumps(rest))
    (message,) = rig.queue("rotations")
    assert message.visible - rig.clock.now() <= timedelta(seconds=20)

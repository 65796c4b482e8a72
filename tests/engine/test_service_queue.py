"""What the queue's triggers do: events in, items worked on, poison parked."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import (
    NeedsHuman,
    PermanentError,
    TransientError,
)
from engine.service import LONGEST_WAIT, MAX_DEFERRALS, MAX_TRIES, MOST_WAITS
from engine.state.policy import Policies, Policy
from engine.state.request import INCIDENT_SECONDS, NO_MORE, TRIED_ON, Tries, WorkItem
from tests.shared.collected import Collected, dims
from tests.shared.consuming import results
from tests.shared.delivery import Delivery
from tests.shared.heard import Log
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, source_of, state, to_arm, to_vault

DAY = 86_400


def event(rig: Rig, **changes: Any) -> str:
    """Return an event about the current version."""
    return json.dumps({**rig.vault.near_expiry_event(NAME), **changes})


async def test_an_event_becomes_an_item_for_the_version_that_it_names(rig: Rig) -> None:
    await rig.service().on_event(event(rig))
    (message,) = rig.messages("rotations")
    assert message == {
        **message,
        "secret": NAME,
        "version": rig.latest(NAME).version,
        "trigger": "event",
        "requested_by": "event grid",
        "reason": "Microsoft.KeyVault.SecretNearExpiry",
        "force": False,
    }


async def test_an_event_of_another_type_or_of_a_foreign_vault_is_acknowledged_and_ignored(
    rig: Rig, caplog: Log
) -> None:
    rig.world.add_vault("foreign").put(NAME, "not ours")
    await rig.service().on_event(event(rig, eventType="Microsoft.KeyVault.SecretNewVersionCreated"))
    await rig.service().on_event(json.dumps(rig.world.vaults["foreign"].near_expiry_event(NAME)))
    assert rig.messages("rotations") == []
    assert rig.world.exchanges == []
    assert "https://foreign.vault.azure.net, which is not in REKEY_VAULTS: ignored" in caplog.text


@pytest.mark.parametrize(("rotated", "result"), [(False, "skipped"), (True, "parked")])
async def test_an_event_of_a_secret_that_is_gone_parks_it_if_a_record_knows_it(
    rig: Rig, rotated: bool, result: str, caplog: Log
) -> None:
    """What nobody rotates may expire and be deleted. Of the rest a credential may be left."""
    caplog.set_level(logging.INFO, "rekey.audit")
    text = event(rig)
    if rotated:
        await rig.work(NAME)
    rig.vault.delete(NAME)
    await rig.service().on_event(text)
    await Delivery(rig, rig.service).run()
    assert results(caplog.records)[-1]["result"] == result


async def test_nothing_waits_for_longer_than_a_day_because_a_source_asks_for_it(rig: Rig) -> None:
    refuse(rig, 429, "TooManyRequests", to_arm("listKeys"), times=4, Retry_After="999999")
    await rig.work(NAME, version=rig.latest(NAME).version, trigger="event")
    (waiting,) = rig.queue("rotations")
    assert waiting.visible - rig.clock.now() == timedelta(days=1)


async def test_a_poison_message_marks_its_secret_says_what_to_do_and_keeps_all_else() -> None:
    rig = scene(tags={"Owner": "somebody"})
    item, before = rig.item(NAME, version=rig.latest(NAME).version), rig.latest(NAME)
    await rig.service().park(item.to_json(), "message-1")
    marks = {tag: text for tag, text in rig.tags(NAME).items() if tag.startswith("Rekey")}
    assert "gave up after 5 tries" in marks["RekeyReason"]
    assert str(item.operation) in marks["RekeyReason"]
    assert rig.latest(NAME) == replace(before, tags={**(before.tags or {}), **marks})


async def test_parking_after_a_request_by_hand_renews_the_mark_and_keeps_the_first_reason() -> None:
    """Who asked waits for a mark that is newer than the request."""
    rig = scene()
    await rig.service().park(rig.item(NAME).to_json(), "first")
    first = rig.tags(NAME)
    rig.clock.advance(60)
    await rig.service().engine.park(
        rig.item(NAME, trigger="manual"), PermanentError("something that came of it")
    )
    assert rig.tags(NAME)["RekeyReason"] == first["RekeyReason"]
    assert rig.tags(NAME)["RekeyState"] > first["RekeyState"]


@pytest.mark.parametrize("is_lost", [False, True])
async def test_a_request_about_a_replaced_version_needs_people_only_if_it_has_lost_a_password(
    *, is_lost: bool
) -> None:
    lost = "; the source may hold a password that nobody knows" if is_lost else ""
    rig, reason = scene(), f"the vault is away{lost}"
    item = rig.item(NAME, version="0" * 32, force=True)
    outcome = await rig.service().engine.park(item, PermanentError(reason))
    assert outcome.result == ("parked" if is_lost else "skipped")
    assert ("RekeyReason" in rig.tags(NAME)) is is_lost


async def test_parking_after_the_rest_is_over_tells_the_new_reason_and_rests_again() -> None:
    rig = scene()
    engine = rig.service().engine
    await engine.park(rig.item(NAME), PermanentError("the first reason"))
    rig.clock.advance(DAY)
    await engine.park(rig.item(NAME), PermanentError("the second reason"))
    assert "the second reason" in rig.tags(NAME)["RekeyReason"]
    await rig.work(NAME, trigger="sweep")
    assert len(rig.vault.versions(NAME)) == 1, (
        "a parked secret must rest a day from its latest failure"
    )


@pytest.mark.parametrize(
    "text", [b"nonsense", b"\xff", b"{}", b"[]", b'{"vault": "x", "secret": "y"}', b"[" * 100_000]
)
async def test_a_malformed_poison_message_is_logged_with_its_id_and_gone(
    rig: Rig, text: bytes, caplog: Log
) -> None:
    before = state(rig)
    await rig.service().park(text, "message-7")
    assert "message-7" in caplog.text
    assert "malformed" in caplog.text
    assert state(rig) == before


async def test_a_poison_message_that_fails_in_a_way_that_nobody_foresaw_is_counted_and_gone(
    rig: Rig, caplog: Log, sent: Collected
) -> None:
    class Failing(Policies):
        async def current(self) -> Policy:
            raise OSError("File name too long")

    service = replace(rig.service(), policies=Failing())
    await service.park(rig.item(NAME).to_json(), "message-7")
    assert "message-7 on rotations-poison: File name too long" in caplog.text
    assert sent.metric("rekey.poison") == {dims(queue="rotations"): 1}


@pytest.mark.parametrize("text", [b"nonsense", b"{}", b"[" * 100_000])
async def test_a_malformed_item_fails_and_so_becomes_poison(text: bytes) -> None:
    with pytest.raises(NeedsHuman, match="malformed"):
        await scene().service().rotate(text, 1)


async def test_an_item_about_a_foreign_vault_is_reported_and_sends_nothing_there(
    rig: Rig, caplog: Log
) -> None:
    rig.world.add_vault("foreign").put(NAME, "not ours")
    text = json.dumps(
        {"vault": "https://foreign.vault.azure.net", "secret": NAME, "trigger": "event"}
    )
    with caplog.at_level(logging.INFO, "rekey"):
        await rig.service().rotate(text, 1)
        await rig.service().park(text, "1")
    assert not rig.calls()["vault"]
    assert caplog.text.count("is not served") >= 2


async def test_a_mark_that_fails_for_now_is_tried_again() -> None:
    rig = scene(tags={"ValidityPeriodDays": "sixty"})
    refuse(rig, 503, "Busy", to_vault("PATCH"))
    await rig.service().engine.queue.post_rotation(rig.item(NAME, trigger="event"))
    await Delivery(rig, rig.service).run()
    assert "ValidityPeriodDays" in rig.tags(NAME)["RekeyReason"]


def busy(rig: Rig) -> AbstractAsyncContextManager[Any]:
    """Hold the source of the secret, as another worker would."""
    source = source_of(rig)
    return rig.service().engine.leases.hold(source, str(rig.item(NAME).ref))


async def test_a_busy_source_is_an_information_and_tried_again_within_seconds(caplog: Log) -> None:
    rig = scene()
    item = rig.item(NAME, version=rig.latest(NAME).version, trigger="event")
    async with busy(rig):
        with caplog.at_level(logging.INFO, "rekey"):
            await rig.service().rotate(item.to_json(), 1)
    (waiting,) = rig.queue("rotations")
    assert timedelta(seconds=1) <= waiting.visible - rig.clock.now() <= timedelta(seconds=3)
    assert rig.messages("rotations")[0]["waited"] == 1
    (line,) = [record for record in caplog.records if record.name == "rekey"]
    assert (line.levelname, line.exc_info) == ("INFO", None)
    assert "another worker holds its source" in line.message
    assert "RekeyState" not in rig.tags(NAME)


async def test_who_waits_for_a_source_comes_ever_later_and_not_for_ever(rig: Rig) -> None:
    item = rig.item(NAME, version=rig.latest(NAME).version, trigger="event")
    waits = []
    async with busy(rig):
        for waited in range(MOST_WAITS):
            await rig.service().rotate(replace(item, tries=Tries(waited=waited)).to_json(), 1)
            waits.append((rig.queue("rotations")[-1].visible - rig.clock.now()).total_seconds())
        await rig.service().rotate(replace(item, tries=Tries(waited=MOST_WAITS)).to_json(), 1)
        last = rig.messages("rotations")[-1]
        assert (last["waited"], last["deferred"]) == (MOST_WAITS, 1)
        spent = replace(item, tries=Tries(MAX_DEFERRALS, MOST_WAITS))
        await rig.service().rotate(spent.to_json(), 1)
        assert rig.messages("rotations")[-1]["tried"] == 1
    assert waits[0] <= 3
    assert max(waits) <= LONGEST_WAIT
    assert min(waits[-8:]) >= 0.6 * LONGEST_WAIT
    assert 120 <= sum(waits) <= MOST_WAITS * LONGEST_WAIT


async def test_those_who_wait_for_one_source_do_not_come_back_together(rig: Rig) -> None:
    names = [f"app-key-{number}" for number in range(8)]
    for name in names:
        rig.secret(name, rig.world.accounts["appdata"])
    async with busy(rig):
        for name in names:
            await rig.work(name, waited=8)
    assert len({message.visible for message in rig.queue("rotations")}) > 3


async def test_an_item_that_cannot_be_posted_again_keeps_its_message(rig: Rig) -> None:
    item = rig.item(NAME, version=rig.latest(NAME).version, trigger="event")
    async with busy(rig):
        refuse(rig, 503, "ServerBusy", lambda request: "/messages" in request.path, times=99)
        with pytest.raises(TransientError):
            await rig.service().rotate(item.to_json(), 1)


async def test_a_message_that_is_posted_again_says_how_often_it_was_tried_before(rig: Rig) -> None:
    """It counts its tries anew, and what an earlier one left behind must be tidied up."""
    item = rig.item(NAME, version=rig.latest(NAME).version, trigger="event")
    async with busy(rig):
        await rig.service().rotate(item.to_json(), 3)
        await rig.service().rotate(replace(item, tries=Tries(tried=2)).to_json(), 2)
    assert [message["tried"] for message in rig.messages("rotations")] == [2, 3]


def incident(rig: Rig, **fields: Any) -> WorkItem:
    """Return the item of an incident about the current version, as its sender saw its source."""
    account = source_of(rig)
    version = rig.latest(NAME).version
    return rig.item(NAME, version=version, compromised=True, source=account, **fields)


async def _vault_is_down(rig: Rig) -> None:
    refuse(rig, 500, "Broken", to_vault(), times=10_000)


async def _cannot_be_read(rig: Rig) -> None:
    """Another secret owns the record, so the incident cannot be noted there."""
    rig.secret("owner", rig.world.accounts["appdata"], days_left=80)
    await rig.work("owner", action="audit")
    refuse(rig, 403, "Forbidden", to_vault(), times=10_000)


@pytest.mark.parametrize("trouble", [_vault_is_down, _cannot_be_read])
async def test_an_incident_that_cannot_be_dealt_with_comes_back_for_a_month_and_says_that_it_ends(
    trouble: Callable[[Rig], Awaitable[None]], caplog: Log
) -> None:
    rig = scene(days_left=80)
    await trouble(rig)
    now = rig.clock.now()
    reported = (now - TRIED_ON + timedelta(seconds=INCIDENT_SECONDS)).isoformat()
    asked = incident(rig, reported=reported, told=(now - timedelta(hours=1)).isoformat())
    with caplog.at_level(logging.INFO, "rekey"):
        await rig.service().rotate(asked.to_json(), MAX_TRIES)
    ((due, stored),) = rig.open_requests
    assert (due - rig.clock.now()).total_seconds() == INCIDENT_SECONDS
    assert rig.messages("rotations") == [], "its time stands in the storage"
    assert '"result": "parked"' not in caplog.text, "people are told only now and then"
    assert '"result": "waiting"' in caplog.text
    rig.clock.advance(INCIDENT_SECONDS)
    with caplog.at_level(logging.INFO, "rekey"):
        await rig.service().rotate(json.dumps(stored), MAX_TRIES)
    assert rig.open_requests == [], "it is tried no more"
    assert caplog.text.count('"result": "parked"') == 1
    assert NO_MORE in caplog.text


async def test_an_incident_that_was_given_up_and_cannot_be_marked_is_stored_once() -> None:
    """A try and the poison queue's function give it up; neither brings its message back."""
    rig = scene(days_left=80)
    refuse(rig, 500, "Broken", to_vault(), times=10_000)
    asked = incident(rig, reported=rig.clock.now().isoformat())
    await rig.service().rotate(asked.to_json(), MAX_TRIES)
    await rig.service().park(asked.to_json(), "given up")
    assert (len(rig.open_requests), rig.messages("rotations")) == (1, [])


async def test_an_incidents_message_of_an_earlier_version_that_comes_back_is_stored() -> None:
    """It counts how often it came back, and does not say when it was reported."""
    rig = scene(days_left=80)
    refuse(rig, 500, "Broken", to_vault(), times=10_000)
    message = json.loads(incident(rig).to_json()) | {"returned": 5}
    del message["reported"], message["told"]
    await rig.service().rotate(json.dumps(message), MAX_TRIES)
    ((_, stored),) = rig.open_requests
    assert stored["reported"] == stored["told"] == rig.clock.now().isoformat()
    rig.world.faults.clear()
    await Delivery(rig, rig.service).run(within=timedelta(minutes=16))
    assert rig.open_requests == []
    assert len(rig.vault.versions(NAME)) == 2

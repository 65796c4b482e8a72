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
    LeaseUnavailable,
    NeedsHuman,
    PermanentError,
    TransientError,
)
from engine.model.outcome import Outcome
from engine.model.workitem import MOST_RETURNS, NO_MORE, WorkItem
from engine.service import LONGEST_WAIT, MAX_DEFERRALS, MAX_TRIES, MOST_WAITS
from tests.shared.delivery import Delivery
from tests.shared.heard import handled_by
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, state, to_arm, to_vault

DAY = 86_400


def tags(rig: Rig) -> dict[str, str]:
    """Return the tags of the current version."""
    return dict(rig.latest(NAME).tags or {})


def event(rig: Rig, **changes: Any) -> str:
    """Return an event about the current version."""
    return json.dumps({**rig.vault.near_expiry_event(NAME), **changes})


async def test_an_event_becomes_an_item_for_the_version_that_it_names() -> None:
    rig = scene()
    await rig.service().on_event(event(rig))
    (message,) = rig.messages("rotations")
    assert message == {
        **message,
        "secret": NAME,
        "version": rig.latest(NAME).version,
        "trigger": "event",
        "force": False,
    }


async def test_an_event_of_another_type_or_of_a_foreign_vault_is_acknowledged_and_ignored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = scene()
    rig.world.add_vault("foreign").put(NAME, "not ours")
    await rig.service().on_event(event(rig, eventType="Microsoft.KeyVault.SecretNewVersionCreated"))
    await rig.service().on_event(json.dumps(rig.world.vaults["foreign"].near_expiry_event(NAME)))
    assert rig.messages("rotations") == []
    assert rig.world.exchanges == []
    assert "https://foreign.vault.azure.net, which is not in REKEY_VAULTS: ignored" in caplog.text


async def test_what_may_pass_is_raised_until_the_last_try_which_parks_with_the_real_error() -> None:
    rig = scene()
    item = rig.item(NAME, version=rig.latest(NAME).version, trigger="event").to_json()
    refuse(rig, 500, "InternalServerError", to_arm("listKeys"), times=99)
    for tries in range(1, MAX_TRIES):
        with pytest.raises(TransientError):
            await rig.service().rotate(item, tries)
        assert "RekeyState" not in tags(rig)
    await rig.service().rotate(item, MAX_TRIES)
    assert tags(rig)["RekeyState"].startswith("parked ")
    assert (
        "listing the account's keys was answered 500 InternalServerError"
        in tags(rig)["RekeyReason"]
    )


async def test_nothing_waits_for_longer_than_a_day_because_a_source_asks_for_it() -> None:
    rig = scene()
    refuse(rig, 429, "TooManyRequests", to_arm("listKeys"), times=4, Retry_After="999999")
    await rig.service().rotate(
        rig.item(NAME, version=rig.latest(NAME).version, trigger="event").to_json(), 1
    )
    (waiting,) = rig.queue("rotations")
    assert waiting.visible - rig.clock.now() == timedelta(days=1)


async def test_a_poison_message_marks_its_secret_and_says_how_to_go_on() -> None:
    rig = scene()
    item = rig.item(NAME, version=rig.latest(NAME).version)
    await rig.service().park(item.to_json(), "message-1")
    assert "gave up after 5 tries" in tags(rig)["RekeyReason"]
    assert str(item.operation) in tags(rig)["RekeyReason"]


async def test_parking_keeps_everything_else_of_the_secret() -> None:
    rig = scene(tags={"Owner": "somebody"})
    before = rig.latest(NAME)
    await rig.service().park(rig.item(NAME).to_json(), "message-1")
    after = rig.latest(NAME)
    assert (after.version, after.value, after.expires, after.content_type, after.enabled) == (
        before.version,
        before.value,
        before.expires,
        before.content_type,
        before.enabled,
    )
    assert {
        tag: text for tag, text in tags(rig).items() if not tag.startswith("Rekey")
    } == before.tags


async def test_parking_after_a_request_by_hand_renews_the_mark_and_keeps_the_first_reason() -> None:
    """Who asked waits for a mark that is newer than the request."""
    rig = scene()
    await rig.service().park(rig.item(NAME).to_json(), "first")
    first = tags(rig)
    rig.clock.advance(60)
    await rig.service().engine.park(
        rig.item(NAME, trigger="manual"), PermanentError("something that came of it")
    )
    assert tags(rig)["RekeyReason"] == first["RekeyReason"]
    assert tags(rig)["RekeyState"] > first["RekeyState"]


async def test_parking_after_the_rest_is_over_tells_the_new_reason_and_rests_again() -> None:
    rig = scene()
    engine = rig.service().engine
    await engine.park(rig.item(NAME), PermanentError("the first reason"))
    rig.clock.advance(DAY)
    await engine.park(rig.item(NAME), PermanentError("the second reason"))
    assert "the second reason" in tags(rig)["RekeyReason"]
    await rig.service().rotate(rig.item(NAME, trigger="sweep").to_json(), 1)
    assert len(rig.vault.versions(NAME)) == 1, (
        "a parked secret must rest a day from its latest failure"
    )


async def test_a_disabled_or_deleted_secret_is_reported_without_a_mark(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = scene(enabled=False)
    before = state(rig)
    with caplog.at_level(logging.INFO, "rekey"):
        await rig.service().park(rig.item(NAME).to_json(), "1")
        await rig.service().park(rig.item("gone").to_json(), "2")
    assert state(rig) == before
    assert caplog.text.count('"result": "parked"') == 2
    assert "nor could the secret be marked" in caplog.text


@pytest.mark.parametrize(
    "text", [b"nonsense", b"\xff", b"{}", b"[]", b'{"vault": "x", "secret": "y"}', b"[" * 100_000]
)
async def test_a_malformed_poison_message_is_logged_with_its_id_and_gone(
    text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    rig = scene()
    before = state(rig)
    await rig.service().park(text, "message-7")
    assert "message-7" in caplog.text
    assert "malformed" in caplog.text
    assert state(rig) == before


@pytest.mark.parametrize("text", [b"nonsense", b"{}", b"[" * 100_000])
async def test_a_malformed_item_fails_and_so_becomes_poison(text: bytes) -> None:
    with pytest.raises(NeedsHuman, match="malformed"):
        await scene().service().rotate(text, 1)


async def test_an_item_about_a_foreign_vault_is_reported_and_sends_nothing_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = scene()
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
    await rig.service().queue.post_rotation(rig.item(NAME, trigger="event"))
    await Delivery(rig, rig.service).run()
    assert "ValidityPeriodDays" in tags(rig)["RekeyReason"]


def busy(rig: Rig) -> AbstractAsyncContextManager[Any]:
    """Hold the source of the secret, as another worker would."""
    source = rig.world.accounts["appdata"].resource_id.lower()
    return rig.service().engine.leases.hold(source, str(rig.item(NAME).ref))


async def test_a_busy_source_is_an_information_and_tried_again_within_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
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
    assert "RekeyState" not in tags(rig)


async def test_who_waits_for_a_source_comes_ever_later_and_not_for_ever() -> None:
    rig = scene()
    item = rig.item(NAME, version=rig.latest(NAME).version, trigger="event")
    waits = []
    async with busy(rig):
        for waited in range(MOST_WAITS):
            await rig.service().rotate(replace(item, waited=waited).to_json(), 1)
            waits.append((rig.queue("rotations")[-1].visible - rig.clock.now()).total_seconds())
        await rig.service().rotate(replace(item, waited=MOST_WAITS).to_json(), 1)
        last = rig.messages("rotations")[-1]
        assert (last["waited"], last["deferred"]) == (MOST_WAITS, 1)
        spent = replace(item, waited=MOST_WAITS, deferred=MAX_DEFERRALS)
        await rig.service().rotate(spent.to_json(), 1)
        assert rig.messages("rotations")[-1]["tried"] == 1
    assert waits[0] <= 3
    assert max(waits) <= LONGEST_WAIT
    assert 120 <= sum(waits) <= MOST_WAITS * LONGEST_WAIT


async def test_those_who_wait_for_one_source_do_not_come_back_together() -> None:
    rig = scene()
    names = [f"app-key-{number}" for number in range(8)]
    for name in names:
        rig.secret(name, rig.world.accounts["appdata"])
    async with busy(rig):
        for name in names:
            await rig.service().rotate(rig.item(name, waited=8).to_json(), 1)
    assert len({message.visible for message in rig.queue("rotations")}) > 3


async def test_a_death_after_an_item_was_posted_again_costs_a_message_and_no_second_rotation() -> (
    None
):
    """The item is posted before its message is acknowledged: nothing is lost in between."""
    rig = scene()
    item = rig.item(NAME, version=rig.latest(NAME).version, trigger="event")
    await rig.service().queue.post_rotation(item)
    async with busy(rig):
        await rig.service().rotate(item.to_json(), 1)
    assert len(rig.queue("rotations")) == 2
    await Delivery(rig, rig.service).run()
    assert len(rig.vault.versions(NAME)) == 2
    assert rig.queue("rotations") == []


async def test_an_item_that_cannot_be_posted_again_keeps_its_message() -> None:
    rig = scene()
    item = rig.item(NAME, version=rig.latest(NAME).version, trigger="event")
    async with busy(rig):
        refuse(rig, 503, "ServerBusy", lambda request: "/messages" in request.path, times=99)
        with pytest.raises(TransientError):
            await rig.service().rotate(item.to_json(), 1)


async def test_what_a_try_before_the_wait_left_behind_is_tidied_up() -> None:
    """The message that is posted again counts its tries anew."""
    rig = scene()
    item = rig.item(NAME, version=rig.latest(NAME).version, trigger="event")
    async with busy(rig):
        await rig.service().rotate(item.to_json(), 3)
        await rig.service().rotate(replace(item, tried=2).to_json(), 2)
    assert [message["tried"] for message in rig.messages("rotations")] == [2, 3]
    tries: list[int] = []

    async def counting(asked: WorkItem, number: int = 1) -> Outcome:
        assert asked.tried == 0, "what it posts would inherit it"
        tries.append(number)
        return Outcome(asked, "skipped", "")

    service = handled_by(rig.service(), counting)
    await service.rotate(replace(item, waited=1, tried=2).to_json(), 1)
    assert tries == [3]


async def test_a_secret_that_was_rotated_is_parked_no_longer() -> None:
    rig = scene()
    await rig.service().park(rig.item(NAME).to_json(), "1")
    await rig.service().rotate(rig.item(NAME, trigger="manual").to_json(), 1)
    assert tags(rig)["CredentialId"] == "key2"
    assert not {"RekeyState", "RekeyReason"} & tags(rig).keys()


async def test_a_secret_whose_retirement_succeeds_at_last_is_parked_no_longer() -> None:
    rig = scene()
    await rig.service().rotate(rig.item(NAME, trigger="sweep").to_json(), 1)
    rig.clock.advance(8 * DAY)
    refuse(rig, 403, "AuthorizationFailed", to_arm("regenerateKey"))
    await rig.service().rotate(rig.item(NAME, trigger="sweep").to_json(), 1)
    assert "RekeyState" in tags(rig)
    rig.clock.advance(DAY + 1)
    await rig.service().rotate(rig.item(NAME, trigger="sweep").to_json(), 1)
    assert not {"RekeyState", "RekeyReason", "RekeyRetire"} & tags(rig).keys()
    assert not rig.vault.versions(NAME)[0].enabled


async def test_a_worker_that_lost_its_lease_does_not_judge_what_another_has_done_since() -> None:
    """Its key was replaced by a faster worker.

    The version that one published is sound and must not be marked.
    """
    rig = scene()
    account = rig.world.accounts["appdata"]
    account.propagation = timedelta(seconds=300)
    item = rig.item(NAME, version=rig.latest(NAME).version, trigger="event").to_json()
    await steal_while_verifying(rig, item)
    assert len(rig.vault.versions(NAME)) == 2
    assert "RekeyState" not in tags(rig)


async def steal_while_verifying(rig: Rig, item: str) -> None:
    """Let a first worker wait in vain for its key to spread.

    A second one rotates once the lease has run out.
    """
    account, started = rig.world.accounts["appdata"], rig.clock.now()
    stolen = False

    async def between(request: Any, call: Any) -> Any:
        nonlocal stolen
        if (
            not stolen
            and rig.clock.now() - started >= timedelta(seconds=60)
            and request.host.startswith("appdata.")
        ):
            stolen = True
            account.propagation = timedelta(0)
            await rig.service().rotate(item, 1)
        return await call()

    with pytest.raises(LeaseUnavailable):
        await rig.service(between).rotate(item, 1)


def incident(rig: Rig, **fields: Any) -> WorkItem:
    """Return the item of an incident about the current version, as its sender saw its source."""
    account = rig.world.accounts["appdata"].resource_id.lower()
    version = rig.latest(NAME).version
    return rig.item(NAME, version=version, compromised=True, source=account, **fields)


async def _vault_is_down(rig: Rig) -> None:
    refuse(rig, 500, "Broken", to_vault(), times=10_000)


async def _cannot_be_read(rig: Rig) -> None:
    """Another secret owns the record, so the incident cannot be noted there."""
    rig.secret("owner", rig.world.accounts["appdata"], days_left=80)
    await rig.service().rotate(rig.item("owner", action="audit").to_json(), 1)
    refuse(rig, 403, "Forbidden", to_vault(), times=10_000)


@pytest.mark.parametrize("trouble", [_vault_is_down, _cannot_be_read])
async def test_an_incident_that_cannot_be_dealt_with_comes_back_for_a_month_and_says_that_it_ends(
    trouble: Callable[[Rig], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    rig = scene(days_left=80)
    await trouble(rig)
    with caplog.at_level(logging.INFO, "rekey"):
        await rig.service().rotate(incident(rig, returned=MOST_RETURNS - 1).to_json(), MAX_TRIES)
    (message,) = rig.messages("rotations")
    assert message["returned"] == MOST_RETURNS
    assert '"result": "parked"' not in caplog.text, "people are told only now and then"
    with caplog.at_level(logging.INFO, "rekey"):
        await rig.service().rotate(json.dumps(message), MAX_TRIES)
    assert len(rig.queue("rotations")) == 1, "nothing further is posted"
    assert caplog.text.count('"result": "parked"') == 1
    assert NO_MORE in caplog.text


async def test_an_incident_that_was_given_up_and_cannot_be_marked_is_in_the_queue_once() -> None:
    """A try and the poison queue's function give it up; neither brings its message back."""
    rig = scene(days_left=80)
    refuse(rig, 500, "Broken", to_vault(), times=10_000)
    await rig.service().rotate(incident(rig).to_json(), MAX_TRIES)
    assert len(rig.queue("rotations")) == 1
    await rig.service().park(incident(rig).to_json(), "given up")
    assert [message["returned"] for message in rig.messages("rotations")] == [1, 1]

"""What the queue's triggers do: events in, items worked on, poison parked."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import LeaseUnavailable, NeedsHuman, PermanentError, TransientError
from engine.service import MAX_DEFERRALS, MAX_TRIES
from simulator.faults import Fault
from simulator.wire import Request, json_response
from tests.shared.delivery import Delivery
from tests.shared.graph_rig import NAME as SECRET
from tests.shared.graph_rig import GraphRig
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


async def test_an_event_of_another_type_or_of_a_foreign_vault_is_acknowledged_and_ignored() -> None:
    rig = scene()
    rig.world.add_vault("foreign").put(NAME, "not ours")
    await rig.service().on_event(event(rig, eventType="Microsoft.KeyVault.SecretNewVersionCreated"))
    await rig.service().on_event(json.dumps(rig.world.vaults["foreign"].near_expiry_event(NAME)))
    assert rig.messages("rotations") == []
    assert rig.world.exchanges == []


async def test_a_malformed_event_raises_with_its_id_and_posts_nothing() -> None:
    rig = scene()
    with pytest.raises(NeedsHuman, match="event broken-1 "):
        await rig.service().on_event(event(rig, id="broken-1", data=None))
    assert rig.messages("rotations") == []


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


async def test_azure_that_names_a_time_is_asked_again_only_then() -> None:
    rig = scene()
    refuse(rig, 429, "TooManyRequests", to_arm("regenerateKey"), Retry_After="90")
    refuse(rig, 429, "TooManyRequests", to_arm("listKeys"), times=4, Retry_After="90")
    await rig.service().rotate(
        rig.item(NAME, version=rig.latest(NAME).version, trigger="event").to_json(), 1
    )
    (waiting,) = rig.queue("rotations")
    assert waiting.visible - rig.clock.now() >= timedelta(seconds=90)
    assert rig.messages("rotations")[0]["deferred"] == 1


async def test_azure_that_always_names_a_time_is_not_asked_for_ever() -> None:
    rig = scene()
    refuse(rig, 429, "TooManyRequests", to_arm("listKeys"), times=999, Retry_After="5")
    item = rig.item(NAME, version=rig.latest(NAME).version, trigger="event", deferred=MAX_DEFERRALS)
    with pytest.raises(TransientError):
        await rig.service().rotate(item.to_json(), 1)
    await rig.service().rotate(item.to_json(), MAX_TRIES)
    assert "429" in tags(rig)["RekeyReason"]
    looks = [
        message["action"] == "audit" and message["follow_up"] == 1
        for message in rig.messages("rotations")
    ]
    assert all(looks)
    assert len(looks) <= 1


async def test_a_time_that_is_longer_than_a_message_can_be_hidden_is_cut() -> None:
    rig = scene()
    refuse(rig, 429, "TooManyRequests", to_arm("listKeys"), times=4, Retry_After="999999")
    await rig.service().rotate(
        rig.item(NAME, version=rig.latest(NAME).version, trigger="event").to_json(), 1
    )
    (waiting,) = rig.queue("rotations")
    assert timedelta(days=6) < waiting.visible - rig.clock.now() <= timedelta(days=7)


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


async def test_parking_keeps_a_reason_that_is_there_already() -> None:
    rig = scene()
    await rig.service().park(rig.item(NAME).to_json(), "first")
    first = tags(rig)
    rig.clock.advance(60)
    engine = rig.service().engine
    await engine.park(rig.item(NAME, trigger="sweep"), PermanentError("something that came of it"))
    assert tags(rig) == first


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


async def test_a_secret_that_was_rotated_since_is_not_marked() -> None:
    rig = scene()
    old = rig.latest(NAME).version
    rig.clock.advance(1)
    rig.secret(NAME, rig.world.accounts["appdata"], holds="key2")
    before = state(rig)
    await rig.service().park(rig.item(NAME, version=old).to_json(), "late")
    assert state(rig) == before


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


async def test_a_mark_that_cannot_be_written_does_not_hide_why_the_secret_is_parked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = scene(tags={"ValidityPeriodDays": "sixty"})
    refuse(rig, 403, "Forbidden", to_vault("PATCH"))
    with caplog.at_level(logging.INFO, "rekey"):
        await rig.service().rotate(rig.item(NAME, trigger="event").to_json(), 1)
    (record,) = [json.loads(each.message) for each in caplog.records if each.name == "rekey.audit"]
    assert record["result"] == "parked"
    assert "ValidityPeriodDays" in record["reason"]
    assert "nor could the secret be marked" in record["reason"]


async def test_a_mark_that_fails_for_now_is_tried_again() -> None:
    rig = scene(tags={"ValidityPeriodDays": "sixty"})
    refuse(rig, 503, "Busy", to_vault("PATCH"))
    await rig.service().queue.post_rotation(rig.item(NAME, trigger="event"))
    await Delivery(rig, rig.service).run()
    assert "ValidityPeriodDays" in tags(rig)["RekeyReason"]


async def test_a_busy_source_is_tried_again_and_the_secret_is_not_parked_for_it() -> None:
    rig = scene()
    service = rig.service()
    source = rig.world.accounts["appdata"].resource_id.lower()
    item = rig.item(NAME, version=rig.latest(NAME).version, trigger="event").to_json()
    async with service.engine.leases.hold(source, str(rig.item(NAME).ref)):
        with pytest.raises(LeaseUnavailable):
            await rig.service().rotate(item, 1)
    assert "RekeyState" not in tags(rig)


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
    """Its key was replaced by a faster worker; the version that one published is sound and must not be marked."""
    rig = scene()
    account = rig.world.accounts["appdata"]
    account.propagation = timedelta(seconds=300)
    item = rig.item(NAME, version=rig.latest(NAME).version, trigger="event").to_json()
    await steal_while_verifying(rig, item)
    assert len(rig.vault.versions(NAME)) == 2
    assert "RekeyState" not in tags(rig)


async def steal_while_verifying(rig: Rig, item: str) -> None:
    """Let a first worker wait in vain for its key to spread, and a second one rotate once the lease has run out."""
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


async def test_what_a_deferred_try_left_behind_is_removed_by_the_next_one() -> None:
    """The message that comes back later is a new one, so its first try must tidy up after the one before."""
    rig = GraphRig()
    rig.managed()
    busy = json_response(429, {"error": "temporarily_unavailable"}, {"Retry-After": "90"})
    signed_in: list[Request] = []

    def second_sign_in(request: Request) -> bool:
        """Match the first proof of the new secret: the one before asks whether the old one still works."""
        signed_in.extend([request] if request.host == "login.microsoftonline.com" else [])
        return len(signed_in) == 2

    rig.world.faults.append(Fault(second_sign_in, busy))
    version = rig.latest(SECRET).version
    await rig.service().queue.post_rotation(rig.item(SECRET, version=version, trigger="event"))
    await Delivery(rig, rig.service).run()
    assert len(rig.vault.versions(SECRET)) == 2
    assert rig.asked().count("addPassword") == 2, "the first try came as far as that"
    assert len(rig.alive()) == 2


async def test_a_compromise_that_azure_refuses_is_ended_by_a_sweep_once_it_no_longer_does() -> None:
    rig = scene(days_left=80)
    leaked = rig.latest(NAME).value
    refuse(rig, 403, "AuthorizationFailed", to_arm("regenerateKey"))
    await rig.service().queue.post_rotation(
        rig.item(NAME, version=rig.latest(NAME).version, compromised=True)
    )
    await Delivery(rig, rig.service).run()
    assert leaked in {key.value for key in rig.world.accounts["appdata"].keys.values()}
    rig.clock.advance(DAY)
    await rig.service().sweep_vault(json.dumps({"vault": rig.vault.url}))
    await Delivery(rig, rig.service).run()
    assert leaked not in {key.value for key in rig.world.accounts["appdata"].keys.values()}
    assert not {"RekeyState", "RekeyReason", "RekeyRetire"} & tags(rig).keys()

"""Programs hear of each outcome by a Standard Webhook; the library of receivers judges it."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any

import pytest
import standardwebhooks
from standardwebhooks import webhooks

from cloud.follow_up.signatures import body, headers
from engine.errors import NeedsHuman
from engine.secret import Sensitive
from engine.service import Service
from engine.state.request import Action, Event
from engine.state.sweep_order import SweepOrder
from engine.state.tags import OURS
from simulator.clock import VirtualClock
from simulator.faults import Fault
from simulator.reach.sabotage import Saboteur
from simulator.wire import Request, Response
from tests.shared.builders import NOW
from tests.shared.consuming import Consuming, ended
from tests.shared.delivery import Delivery
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, to_arm

HOST = "events.contoso.example"
URL = f"https://{HOST}/hush-rekey"
KEY = "whsec_aHVzaC1rZXktb2YtdHdlbnR5LWZvdXItYnl0ZXM="
OTHER = "whsec_aHVzaC1vdGhlci1rZXktb2YtMjQtYnl0ZXMtYW5kLW1vcmU="
HOOK = """\
notifications:
  - kind: standard
    webhookSecret: hook-url
    signingSecret: hook-key
"""


@dataclass
class Receiver:
    """A program that checks each signature when it arrives."""

    clock: VirtualClock
    key: str = KEY
    status: int = 204
    requests: list[Request] = field(default_factory=list)
    verified: list[dict[str, Any]] = field(default_factory=list)

    def answers(self, host: str) -> bool:
        return host == HOST

    def handle(self, request: Request) -> Response:
        """Verify an event; raises where its signature is wrong."""
        self.requests.append(request)
        judge = standardwebhooks.Webhook(self.key)
        self.verified.append(judge.verify(request.body, dict(request.headers)))
        return Response(self.status)


def at(monkeypatch: pytest.MonkeyPatch, now: Callable[[], datetime]) -> None:
    """Let the receivers' library go by this clock."""

    class Now(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Now:
            return cls.fromtimestamp(now().timestamp(), tz)

    monkeypatch.setattr(webhooks, "datetime", Now)


type Listening = Callable[..., tuple[Consuming, Receiver]]


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Listening:
    """Start a rig with a program that listens, whose library goes by the rig's clock."""

    def start(**options: Any) -> tuple[Consuming, Receiver]:
        rig = Consuming(further=HOOK, **options)
        rig.vault.put("hook-url", URL)
        rig.vault.put("hook-key", KEY)
        receiver = Receiver(rig.clock)
        rig.world.services.insert(0, receiver)
        at(monkeypatch, rig.clock.now)
        return rig, receiver

    return start


async def test_a_rotation_is_told_in_a_signed_event_with_what_happened_to_which_secret(
    listening: Listening,
) -> None:
    rig, receiver = listening(tags={"Owner": "shop"})
    await rig.rotate()
    (event,) = receiver.verified
    assert event["type"] == "rekey.secret.rotated"
    assert datetime.fromisoformat(event["timestamp"]).tzinfo
    newest = rig.vault.versions(NAME)[-1]
    assert event["data"] | {"reason": "", "operation": ""} == {
        "id": f"{rig.vault.url}/secrets/{NAME}",
        "vault": "prod",
        "secret": NAME,
        "result": "rotated",
        "reason": "",
        "owner": "shop",
        "version": newest.version,
        "expires": datetime.fromtimestamp(newest.expires or 0, UTC).isoformat(),
        "operation": "",
    }


async def test_a_retirement_is_told_to_programs_and_not_to_chats(listening: Listening) -> None:
    rig, receiver = listening()
    await rig.rotate()
    rig.clock.advance(8 * 86_400)
    await rig.rotate(action="retire", trigger="sweep")
    types = [event["type"] for event in receiver.verified]
    assert types == ["rekey.secret.rotated", "rekey.secret.retired"]
    assert rig.world.webhooks.received == []


async def test_a_failure_is_told_with_its_reason_and_fix(listening: Listening) -> None:
    rig, receiver = listening()
    refuse(rig, 403, "AuthorizationFailed", to_arm("regenerateKey"))
    await rig.rotate()
    (event,) = receiver.verified
    assert event["type"] == "rekey.secret.parked"
    assert "403 AuthorizationFailed" in event["data"]["reason"]
    assert "Fix: grant it the role" in event["data"]["reason"]


async def test_what_a_person_must_rotate_is_told_to_programs_too(listening: Listening) -> None:
    rig, receiver = listening(days_left=30.0, tags={"Manual": "true"})
    rig.clock.advance(60)
    order = SweepOrder.by_schedule(rig.vault.url, {}, rig.clock.now())
    await rig.service().sweep_vault(order.to_json())
    await rig.deliver()
    types = {event["type"] for event in receiver.verified}
    assert types == {"rekey.secret.expiring", "rekey.secret.reminded"}


async def test_a_reminder_of_a_sweep_that_comes_twice_has_one_id(listening: Listening) -> None:
    rig, receiver = listening(days_left=30.0, tags={"Manual": "true"})
    due = rig.clock.now()
    for _ in range(2):
        rig.clock.advance(60)
        order = SweepOrder.by_schedule(rig.vault.url, {}, rig.clock.now())
        await rig.service().sweep_vault(order.to_json())
        await rig.deliver()
    requests = zip(receiver.requests, receiver.verified, strict=True)
    reminded = [
        (request.headers["webhook-id"], event["timestamp"])
        for request, event in requests
        if event["type"] == "rekey.secret.reminded"
    ]
    assert len(reminded) == 2
    assert len(set(reminded)) == 1
    assert abs(datetime.fromisoformat(reminded[0][1]) - due) < timedelta(seconds=2)


async def test_an_event_that_is_sent_again_has_its_id_and_a_new_time(listening: Listening) -> None:
    rig, receiver = listening()
    receiver.status = 503
    await rig.rotate()
    ids = {request.headers["webhook-id"] for request in receiver.requests}
    times = [int(request.headers["webhook-timestamp"]) for request in receiver.requests]
    assert len(receiver.requests) == 5
    assert len(ids) == 1
    assert "." not in ids.pop()
    assert times == sorted(set(times))
    assert len({event["timestamp"] for event in receiver.verified}) == 1


async def test_a_rotation_has_one_id_wherever_the_worker_died_that_reported_it(
    listening: Listening,
) -> None:
    reported = 0
    for call in range(16, 26):
        rig, receiver = listening()
        saboteur = Saboteur({call: "die after"})
        await Rig.service(rig).engine.queue.post_rotation(rig.item(NAME, trigger="event"))
        await Delivery(rig, partial(restarted, rig, saboteur)).run()
        requests = zip(receiver.requests, receiver.verified, strict=True)
        ids = [
            request.headers["webhook-id"]
            for request, event in requests
            if event["type"] == "rekey.secret.rotated"
        ]
        assert len(set(ids)) == 1
        reported = max(reported, len(ids))
    assert reported > 1


async def superseded(rig: Consuming) -> None:
    await rig.handle(NAME)
    await Delivery(rig, partial(Rig.service, rig)).run()
    rig.clock.advance(3600)


async def drifted(rig: Consuming) -> None:
    await superseded(rig)
    rig.world.accounts["appdata"].regenerate(rig.tags(NAME)["CredentialId"])
    rig.clock.advance(3600)


@pytest.mark.parametrize(
    ("before", "action", "result"),
    [(drifted, "audit", "healed"), (superseded, "restore", "restored")],
)
async def test_a_repair_and_a_restore_are_told_as_such_whoever_reports_them(
    before: Callable[[Consuming], Awaitable[None]],
    action: Action,
    result: str,
    listening: Listening,
) -> None:
    reported = 0
    for call in range(8, 31):
        rig, receiver = listening()
        await before(rig)
        earlier, item = len(receiver.requests), rig.item(NAME, action=action)
        await Rig.service(rig).engine.queue.post_rotation(item.about(rig.latest(NAME).version))
        saboteur = Saboteur({call: "die after"})
        await Delivery(rig, partial(restarted, rig, saboteur)).run()
        requests = zip(receiver.requests, receiver.verified, strict=True)
        events = [(it.headers["webhook-id"], event["type"]) for it, event in requests][earlier:]
        published = [it for it in events if it[1] != "rekey.secret.retired"]
        assert {kind for _, kind in published} == {f"rekey.secret.{result}"}
        assert len({*published}) == 1
        reported = max(reported, len(published))
        if saboteur.calls <= call:
            break
    assert reported > 1


def restarted(rig: Consuming, saboteur: Saboteur) -> Service:
    """Start a worker after the one that died."""
    saboteur.dead = False
    return rig.service(saboteur)


async def test_two_events_have_two_ids(listening: Listening) -> None:
    rig, receiver = listening()
    for _ in range(2):
        refuse(rig, 403, "AuthorizationFailed", to_arm("regenerateKey"), times=1)
        await rig.rotate(force=True, trigger="manual")
        rig.clock.advance(90_000)
    ids = [request.headers["webhook-id"] for request in receiver.requests]
    assert len(ids) == len(set(ids)) >= 2


async def test_retirements_at_two_sources_that_a_secret_has_left_have_two_ids(
    listening: Listening,
) -> None:
    rig, receiver = listening()
    await rig.rotate()
    for name in ("second", "third"):
        rig.clock.advance(3600)
        account, mine = rig.account(name), dict.fromkeys(OURS)
        place = {"ProviderAddress": account.resource_id, "CredentialId": "key1"}
        rig.write(NAME, account.keys["key1"].value, 80, **mine, **place)
        await rig.rotate(action="audit", trigger="sweep")
        if name == "second":
            await rig.rotate(force=True, trigger="manual")
    await Delivery(rig, partial(Rig.service, rig)).recheck(rig.clock.now() + timedelta(days=8))
    ids = [
        request.headers["webhook-id"]
        for request, event in zip(receiver.requests, receiver.verified, strict=True)
        if event["type"] == "rekey.secret.retired"
    ]
    assert len(ids) == len(set(ids)) == 2


async def test_a_key_changes_without_a_gap_while_a_secret_has_both(listening: Listening) -> None:
    rig, receiver = listening()
    rig.vault.put("hook-key", f"{OTHER}\n{KEY}\n")
    await rig.rotate()
    (request,) = receiver.requests
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    assert standardwebhooks.Webhook(OTHER).verify(request.body, dict(request.headers))


@pytest.mark.parametrize(
    "key", ["", "hush", "whsec_", "whsec_c2hvcnQ=", "whsec_*", "x" + KEY, f"{KEY[:20]}*{KEY[20:]}"]
)
async def test_what_is_no_key_is_reported_unshown_and_nothing_is_sent(
    key: str, listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "rekey.audit")
    rig, receiver = listening()
    rig.vault.put("hook-key", key)
    await rig.rotate()
    assert ended(caplog.records, "tell") == ["untold"]
    assert "the signing secret holds no key" in caplog.text
    assert "hush" not in caplog.text
    assert "c2hvcnQ" not in caplog.text
    assert receiver.requests == []


async def test_neither_the_key_nor_the_url_nor_a_value_is_said(
    listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    rig, receiver = listening()
    rig.world.faults.append(Fault(lambda request: request.host == HOST, Response(500), times=1))
    await rig.rotate()
    emitted = caplog.text + json.dumps(receiver.verified) + json.dumps(rig.messages("rotations"))
    values = [version.value for version in rig.vault.versions(NAME)]
    assert not [text for text in (KEY, URL, *values) if text in emitted]


def test_receivers_refuse_what_was_changed_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    event = Event("msg_1", "rekey.secret.rotated", NOW.isoformat(), {}, Sensitive(KEY), NOW)
    content = body(event)
    signed = headers(event, content, "here")

    at(monkeypatch, lambda: NOW + timedelta(minutes=4))
    judge = standardwebhooks.Webhook(KEY)
    assert judge.verify(content, signed) == json.loads(content)
    for changed in (content + b" ", content.replace(b"rotated", b"retired")):
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            judge.verify(changed, signed)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        judge.verify(content, signed | {"webhook-id": "msg_2"})


def test_a_key_has_24_to_64_bytes() -> None:
    def signs(count: int) -> bool:
        key = "whsec_" + base64.b64encode(b"x" * count).decode()
        event = Event("msg_1", "t", "", {}, Sensitive(key), NOW)
        try:
            headers(event, b"{}", "here")
        except NeedsHuman:
            return False
        return True

    assert [signs(count) for count in (23, 24, 64, 65)] == [False, True, True, False]

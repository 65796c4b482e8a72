"""Owners are told by Teams and Slack, never with a value, and no rotation waits for a chat."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import DecodeError, ServiceRequestError
from azure.core.pipeline.transport import AioHttpTransport

from cloud.azure import Azure
from cloud.follow_up.webhooks import ChatWebhooks, slack, teams
from engine.errors import PermanentError, RekeyError, Throttled, TransientError
from engine.secret import SecretRef, Sensitive
from engine.service import MAX_TRIES
from engine.state.policy import Webhook
from engine.state.request import FollowUp, Notice
from engine.state.sweep_order import SweepOrder
from engine.state.tags import STATE
from simulator.azure import build_world
from simulator.faults import Fault
from simulator.reach.names import resolve_localhost
from simulator.reach.server import serve
from simulator.reach.transport import Call, SimulatedCredential
from simulator.webhooks import SLACK, TEAMS
from simulator.wire import Request, Response
from tests.cloud.telemetry.test_reports import Topic
from tests.shared.collected import Collected
from tests.shared.consuming import (
    HOOKS,
    SHOP,
    SLACK_URL,
    TEAMS_URL,
    Consuming,
    ended,
    remind,
    results,
    to_chat,
)
from tests.shared.delivery import Delivery
from tests.shared.promises import Ear
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, to_arm

NOTICE = Notice(
    "app-key & *co* <!channel>", (("Why", "[click](https://evil.example) <@U1>"), ("Vault", "prod"))
)

OF_SHOP = "notifications:\n  - {owner: shop, kind: slack, webhookSecret: chat-shop}\n"


@pytest.fixture(autouse=True)
def listening(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rekey.audit")


def told_about(
    owner: str | None = "shop", manual: str | None = None, further: str = HOOKS, **options: Any
) -> Consuming:
    """Return a rig whose owners are told."""
    rig = Consuming(further=further, tags={"Owner": owner, "Manual": manual}, **options)
    rig.vault.put("chat-all", TEAMS_URL)
    rig.vault.put("chat-shop", f" {SLACK_URL}\n")
    return rig


def received(rig: Consuming) -> list[str]:
    """Return the titles that came in, with the chat."""
    texts = []
    for host, message in rig.world.webhooks.received:
        body = message["attachments"][0]["content"]["body"] if host == TEAMS else message["blocks"]
        title = body[0]["inlines"][0]["text"] if host == TEAMS else body[0]["text"]["text"]
        texts.append(f"{'teams' if host == TEAMS else 'slack'}: {title}")
    return sorted(texts)


async def test_a_rotation_is_told_to_its_owner_and_to_who_hears_of_everything() -> None:
    rig = told_about()
    await rig.rotate()
    title = f"{NAME} has a new credential"
    assert received(rig) == [f"slack: {title}", f"teams: {title}"]


async def test_a_webhook_whose_secret_is_disabled_is_reported_with_the_way_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = told_about(further=OF_SHOP)
    rig.vault.amend(rig.latest("chat-shop"), enabled=False)
    await rig.rotate()
    assert ended(caplog.records, "tell") == ["untold"]
    assert results(caplog.records)[-1]["fix"] == "enable it"


async def test_a_parked_secret_is_told_with_the_reason_and_the_fix() -> None:
    rig = told_about(owner=None)
    refuse(rig, 403, "AuthorizationFailed", to_arm("regenerateKey"))
    await rig.rotate()
    assert received(rig) == [f"teams: {NAME} cannot be rotated: a person is needed"]
    assert "403 AuthorizationFailed" in json.dumps(rig.world.webhooks.received)
    assert "Fix: grant it the role" in json.dumps(rig.world.webhooks.received)


async def test_what_is_left_of_a_secret_that_is_gone_is_told_to_its_owner() -> None:
    rig = told_about(further=OF_SHOP)
    await rig.rotate()
    rig.world.webhooks.received.clear()
    rig.vault.delete(NAME)
    rig.clock.advance(8 * 86_400)
    now = rig.clock.now()
    order = SweepOrder(rig.vault.url, now - timedelta(days=1), now, timedelta(hours=1))
    await rig.service().sweep_vault(order.to_json())
    await rig.deliver()
    assert received(rig) == [f"slack: {NAME} cannot be rotated: a person is needed"]
    assert "recover the secret" in json.dumps(rig.world.webhooks.received)


@pytest.mark.parametrize(
    ("owner", "further"),
    [
        ("shop", OF_SHOP),
        (None, f"defaults: {{owner: shop}}\n{OF_SHOP}"),
        (None, f"defaults: {{owner: shop}}\ntagsMayOverride: [owner]\n{OF_SHOP}"),
        ("shop", f"defaults: {{owner: ops}}\ntagsMayOverride: [owner]\n{OF_SHOP}"),
    ],
    ids=["by a tag", "by the policy", "by the policy, unless a tag does", "by a tag that may"],
)
async def test_an_incident_is_told_to_its_owner_although_its_vault_does_not_answer(
    owner: str | None, further: str
) -> None:
    """The policy document and the webhooks' secrets may lie in another vault, as they may here."""
    rig = told_about(owner, further=further)
    await rig.rotate()
    rig.world.webhooks.received.clear()
    refuse(rig, 500, "Broken", lambda request: f"/secrets/{NAME}/" in request.path, times=999)
    item = rig.item(NAME, version=rig.latest(NAME).version, compromised=True)
    await rig.service().rotate(item.to_json(), MAX_TRIES)
    await Delivery(rig, rig.service).run(within=timedelta(minutes=10))
    assert received(rig) == [f"slack: {NAME} cannot be rotated: a person is needed"]
    assert "nor could the secret be marked" in json.dumps(rig.world.webhooks.received)
    assert "Expires" not in json.dumps(rig.world.webhooks.received)


async def test_a_secret_that_can_be_read_again_is_told_of_with_what_it_says() -> None:
    rig = told_about()
    place = f"/secrets/{NAME}/"
    refuse(rig, 500, "Broken", lambda request: place in request.path, times=5)
    await rig.task("tell", news="parked")
    assert "Owner: shop" in json.dumps(rig.world.webhooks.received)
    assert "never" not in json.dumps(rig.world.webhooks.received)


async def test_who_owned_a_secret_that_is_gone_may_be_unknown_and_everybody_hears() -> None:
    rig = told_about()
    await rig.rotate()
    rig.world.webhooks.received.clear()
    rig.vault.delete(NAME)
    refuse(rig, 403, "AuthorizationFailure", lambda it: it.query.get("comp") == "list", times=99)
    await rig.task("tell", news="parked", reason="it is gone")
    assert received(rig) == [f"teams: {NAME} cannot be rotated: a person is needed"]


@pytest.mark.parametrize("what", ["a replica that nothing writes", "a source that was left"])
async def test_what_a_sweep_parks_is_told(what: str) -> None:
    rig = told_about(days_left=10, owner="shop")
    if what == "a replica that nothing writes":
        nobody = f"{rig.vault.url}/secrets/never"
        rig.vault.put("copy", "x", tags={"ReplicaOf": nobody, "Owner": "shop"})
    else:
        await rig.rotate()
        rig.world.webhooks.received.clear()
        rig.tag(NAME, ProviderAddress=rig.account("elsewhere").resource_id)
        rig.clock.advance(15 * 86_400)
        rig.queue("rotations").clear()
    now = rig.clock.now()
    order = SweepOrder(rig.vault.url, now - timedelta(days=1), now, timedelta(hours=1))
    await rig.service().sweep_vault(order.to_json())
    (news,) = [it for it in rig.messages("rotations") if it.get("news") == "parked"]
    rig.queue("rotations").clear()
    await rig.service().rotate(json.dumps(news), 1)
    await rig.deliver()
    title = f"{news['secret']} cannot be rotated: a person is needed"
    assert received(rig) == [f"slack: {title}", f"teams: {title}"]


async def test_apps_that_were_not_refreshed_are_told() -> None:
    consumers = f"consumers:\n  - match: {{secret: {NAME}}}\n    resources: ['{SHOP}']\n"
    rig = Consuming(further=consumers + HOOKS)
    rig.vault.put("chat-all", TEAMS_URL)
    await rig.rotate()
    assert f"teams: Apps that use {NAME} may still use its old credential" in received(rig)


async def test_what_changed_nothing_is_told_to_nobody() -> None:
    rig = told_about(days_left=80)
    await rig.rotate()
    await rig.rotate(action="audit", trigger="sweep")
    await rig.rotate(action="retire", trigger="sweep")
    assert received(rig) == []


async def test_a_rotation_waits_for_no_chat_and_costs_one_message_more() -> None:
    rig, plain = told_about(), Consuming()
    for side in (rig, plain):
        side.queue("rotations")
        side.calls()
        await side.service().rotate(side.item(NAME, trigger="event").to_json(), 1)
    assert rig.calls() - plain.calls() == {"host queue": 1}
    assert received(rig) == []


def order(rig: Consuming) -> str:
    """Return an order for the sweep of the last hour."""
    return SweepOrder.by_schedule(rig.vault.url, {}, rig.clock.now()).to_json()


async def sweep(rig: Consuming, after: float = 60) -> None:
    """Sweep a minute after a secret has fallen due."""
    rig.clock.advance(after)
    await rig.service().sweep_vault(order(rig))


TITLE = f"A secret needs a person: {NAME} expires within 30 days"


async def test_a_secret_that_only_a_person_rotates_is_reminded_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = told_about(days_left=30.0, manual="true")
    await sweep(rig)
    await sweep(rig, 3600)
    await rig.deliver()
    assert received(rig) == [f"slack: {TITLE}", f"teams: {TITLE}"]
    assert ended(caplog.records, "remind") == ["reminded"]
    assert "only a person rotates it" in json.dumps(rig.world.webhooks.received)


@pytest.mark.parametrize("apart", [0, 30], ids=["the same message", "another timer"])
async def test_a_sweep_that_comes_twice_sends_one_digest(apart: int) -> None:
    rig = told_about(days_left=30.0, manual="true", owner=None)
    await sweep(rig)
    await sweep(rig, apart)
    await rig.deliver()
    assert received(rig) == [f"teams: {TITLE}"]


async def test_a_digest_that_no_try_of_its_sweep_could_post_comes_with_the_next_sweep() -> None:
    rig = told_about(days_left=30.0, manual="true", owner=None)
    rig.clock.advance(60)
    text, since = order(rig), rig.clock.now() - timedelta(hours=1)
    service = rig.service(failing_post)
    for tries in range(1, MAX_TRIES + 1):
        with contextlib.suppress(RekeyError):
            await service.sweep_vault(text, tries)
    rig.clock.advance(3600)
    later = SweepOrder(rig.vault.url, since, rig.clock.now(), timedelta(hours=1))
    await rig.service().sweep_vault(later.to_json())
    await rig.deliver()
    assert f"teams: {TITLE}" in received(rig)


async def test_a_sweep_whose_digest_cannot_be_posted_is_continued_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.service.SWEEP_SECONDS", 0)
    rig = told_about(days_left=30.0, manual="true", owner=None)
    for number in range(30):
        rig.vault.put(f"plain-{number:02}", "x")
    rig.clock.advance(60)
    text = order(rig)
    failing = rig.service(failing_post)
    for tries in range(1, MAX_TRIES):
        with contextlib.suppress(RekeyError):
            await failing.sweep_vault(text, tries)
    await rig.service().sweep_vault(text, MAX_TRIES)
    (message,) = rig.messages("sweeps")
    assert message["so_far"]["seen"] == 25
    await rig.deliver()
    assert received(rig) == [f"teams: {TITLE}"]


async def failing_post(request: Request, call: Call) -> Response:
    """Let the queue `rotations` be busy for what tells an owner."""
    is_post = request.method == "POST" and "/rotations/messages" in request.path
    text = re.search(rb"<MessageText>(.*?)</MessageText>", request.body) if is_post else None
    is_told = text is not None and b'"tell"' in base64.b64decode(text[1])
    busy = Response(503, {"x-ms-error-code": "ServerBusy"}, b"")
    return busy if is_told else await call()


async def test_a_digest_is_told_though_it_cannot_be_noted() -> None:
    rig = told_about(days_left=30.0, manual="true", owner=None)
    refuse(rig, 403, "AuthorizationFailure", lambda request: "/digest-" in request.path, times=99)
    await sweep(rig)
    await rig.deliver()
    assert received(rig) == [f"teams: {TITLE}"]


ESCALATED = HOOKS + "  - kind: slack\n    webhookSecret: chat-shop\n    withinDays: 7\n"


@pytest.mark.parametrize(
    ("days", "chats"), [(30.0, {"teams"}), (7.0, {"teams", "slack"}), (1.0, {"teams", "slack"})]
)
async def test_a_webhook_hears_of_a_digest_as_late_as_it_asks(days: float, chats: set[str]) -> None:
    rig = told_about(days_left=days, manual="true", owner="else", further=ESCALATED)
    await sweep(rig)
    await rig.deliver()
    assert {message.partition(":")[0] for message in received(rig)} == chats


@pytest.mark.parametrize("left", ["unreadable", "deleted"])
@pytest.mark.parametrize(("days", "chats"), [(30.0, {"teams"}), (7.0, {"teams", "slack"})])
async def test_a_webhook_hears_of_an_urgent_digest_whose_first_secret_cannot_be_read(
    days: float, chats: set[str], left: str
) -> None:
    rig = told_about(days_left=days, manual="true", owner="else", further=ESCALATED)
    place = f"/secrets/{NAME}/"
    await sweep(rig)
    if left == "deleted":
        rig.vault.delete(NAME)
    else:
        refuse(rig, 403, "Forbidden", lambda request: request.path.lower().startswith(place), 99)
    await rig.deliver()
    assert {message.partition(":")[0] for message in received(rig)} == chats


async def test_who_hears_of_urgent_digests_alone_hears_of_nothing_that_never_expires() -> None:
    rig = told_about(owner="else", further=ESCALATED)
    tags = {"Manual": "true", "ValidityPeriodDays": "1"}
    rig.vault.put(NAME, "by hand", tags=tags)
    await sweep(rig, 86_460)
    await rig.deliver()
    (message,) = received(rig)
    assert message.startswith(f"teams: A secret needs a person: {NAME} is due since ")


async def test_neither_another_owner_nor_a_webhook_with_within_days_hears_of_a_rotation() -> None:
    rig = told_about(owner="else", further=ESCALATED)
    await rig.rotate()
    assert [message.partition(":")[0] for message in received(rig)] == ["teams"]


async def test_a_webhook_that_two_entries_name_hears_what_one_of_them_lets_it() -> None:
    """A chat hears of everything of its owner, and of the urgent digests of all others."""
    rig = told_about(owner="shop", further=ESCALATED)
    await rig.rotate()
    assert [message.partition(":")[0] for message in received(rig)] == ["slack", "teams"]


@pytest.mark.parametrize("to", ["", "CHAT-all"])
async def test_a_webhook_whose_secret_two_entries_write_differently_hears_once(to: str) -> None:
    """Key Vault compares names without regard to case."""
    entries = ("{kind: teams, webhookSecret: chat-all}", "{kind: teams, webhookSecret: Chat-All}")
    rig = told_about(further="notifications:\n" + "".join(f"  - {entry}\n" for entry in entries))
    await rig.task("tell", news="rotated", to=to)
    assert received(rig) == [f"teams: {NAME} has a new credential"]


async def test_without_webhooks_a_reminder_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    rig = await remind()
    assert not [exchange for exchange in rig.world.exchanges if to_chat(exchange.request)]
    assert ended(caplog.records, "remind") == ["reminded"]
    assert ended(caplog.records, "tell") == []


@pytest.mark.parametrize(
    ("to", "news"), [("", "rotated"), ("chat-of-yesterday", "rotated"), ("chat-all", "retired")]
)
async def test_a_notice_that_its_webhook_is_not_to_hear_goes_nowhere(to: str, news: str) -> None:
    rig = told_about() if to else Rig()
    rig.vault.put("app", "x", tags={"Owner": "shop"})
    task = FollowUp(SecretRef(rig.vault.url, "app"), "tell", news=news, to=to).because("due")
    outcome = await (await rig.service().ready()).follow_up(task)
    assert (outcome.result, outcome.reason) == ("skipped", "no webhook is to be notified")
    assert not [exchange for exchange in rig.world.exchanges if to_chat(exchange.request)]


async def test_who_has_rotated_meanwhile_is_not_reminded(caplog: pytest.LogCaptureFixture) -> None:
    rig = told_about(days_left=30.0, manual="true")
    await sweep(rig)
    expires = rig.clock.now() + timedelta(days=365)
    rig.vault.put(NAME, "by hand", expires=expires, tags={"Manual": "true"})
    await rig.deliver()
    assert received(rig) == []
    assert ended(caplog.records, "remind") == ["skipped"]


async def test_others_are_told_of_although_the_most_urgent_secret_was_renewed_meanwhile() -> None:
    """Each moment is told once: what is dropped with a digest is never told."""
    rig = told_about(days_left=7.0, manual="true", owner=None, further=ESCALATED)
    account = rig.account("licence")
    rig.secret("licence", account, days_left=7.01, tags={"Manual": "true"})
    await sweep(rig, 1000)
    expires = rig.clock.now() + timedelta(days=365)
    rig.vault.put(NAME, "by hand", expires=expires, tags={"Manual": "true"})
    await rig.deliver()
    assert [message.partition(":")[0] for message in received(rig)] == ["slack", "teams"]
    assert "licence expires within 7 days" in json.dumps(rig.world.webhooks.received)


@pytest.mark.parametrize("tags", [{}, {"Owner": "else"}], ids=["dropped", "another's now"])
async def test_a_digest_goes_to_its_owner_whatever_its_first_secret_says_by_then(
    tags: dict[str, str],
) -> None:
    rig = told_about(days_left=7.0, manual="true", further=OF_SHOP)
    mine = {"Manual": "true", "Owner": "shop"}
    rig.secret("licence", rig.account("licence"), days_left=7.01, tags=mine)
    await sweep(rig, 1000)
    rig.tag(NAME, Owner="zoo")
    rig.vault.put(NAME, "by hand", expires=rig.clock.now() + timedelta(days=365), tags=tags)
    await rig.deliver()
    assert received(rig) == [f"slack: 2 secrets need a person: {NAME} expires within 7 days"]


async def test_a_dropped_secret_is_told_to_the_owner_whom_an_earlier_version_names() -> None:
    """That is the latest that names one."""
    rig = told_about(days_left=10, owner="zoo", further=OF_SHOP)
    await rig.rotate()
    rig.tag(NAME, Owner="shop")
    rig.world.webhooks.received.clear()
    rig.clock.advance(3600)
    rig.vault.put(NAME, "by hand", expires=rig.clock.now() + timedelta(days=7), tags={})
    rig.vault.put(
        "none", "x", expires=rig.clock.now() + timedelta(days=6.99), tags={"Manual": "true"}
    )
    await sweep(rig)
    await rig.deliver()
    assert received(rig) == [f"slack: A secret needs a person: {NAME} expires within 7 days"]
    assert "Owner: shop" in json.dumps(rig.world.webhooks.received)


async def test_a_sweep_ends_and_tells_of_a_dropped_secret_that_never_expires() -> None:
    rig = told_about(days_left=10, owner=None)
    await rig.rotate()
    rig.world.webhooks.received.clear()
    rig.clock.advance(3600)
    rig.vault.put(NAME, "by hand", tags={})
    await sweep(rig)
    await rig.deliver()
    assert [swept.ended for swept in await rig.service().watch.sweeps()] == [rig.clock.now()]
    lost = f"{NAME} lost its tags {rig.clock.now():%Y-%m-%d}"
    assert received(rig) == [f"teams: A secret needs a person: {lost}"]


async def test_of_a_dropped_secret_that_has_its_tags_back_nobody_is_told() -> None:
    rig = told_about(days_left=10, owner=None)
    await rig.rotate()
    tags = rig.tags(NAME)
    rig.world.webhooks.received.clear()
    rig.clock.advance(3600)
    rig.vault.put(NAME, "by hand", tags={})
    await sweep(rig)
    rig.tag(NAME, **tags)
    await rig.deliver()
    assert received(rig) == []


async def test_a_secret_whose_owner_was_taken_off_it_is_not_told_to_them() -> None:
    rig = told_about()
    before, expires = rig.latest(NAME), rig.clock.now() + timedelta(days=10)
    tags = {tag: text for tag, text in rig.tags(NAME).items() if tag != "Owner"}
    rig.vault.put(NAME, before.value, tags=tags, expires=expires)
    await rig.rotate()
    assert received(rig) == [f"teams: {NAME} has a new credential"]


async def test_of_what_nobody_owns_nobody_is_told_where_its_versions_cannot_be_listed() -> None:
    rig = told_about(days_left=10, owner=None)
    await rig.rotate()
    rig.world.webhooks.received.clear()
    rig.clock.advance(3600)
    rig.vault.put(NAME, "by hand", expires=rig.clock.now() + timedelta(days=7), tags={})
    refuse(rig, 403, "Forbidden", lambda request: request.path.endswith("/versions"), times=99)
    await sweep(rig)
    await rig.deliver()
    assert [message.partition(":")[0] for message in received(rig)] == ["teams"]


@pytest.mark.parametrize(("tag", "bound"), [("Shop", "shop"), ("shop", "Shop")])
async def test_an_owner_is_the_same_in_upper_and_lower_case(tag: str, bound: str) -> None:
    rig = told_about(owner=tag, further=OF_SHOP.replace("shop,", f"{bound},"))
    await rig.rotate()
    assert received(rig) == [f"slack: {NAME} has a new credential"]


async def test_each_webhook_tells_the_owner_of_the_moment_at_which_there_was_news() -> None:
    rig = told_about()
    news = FollowUp(rig.item(NAME).ref, "tell", version=rig.latest(NAME).version, news="rotated")
    await rig.service().rotate(news.to_json(), 1)
    rig.tag(NAME, Owner="zoo")
    await rig.deliver()
    title = f"{NAME} has a new credential"
    assert received(rig) == [f"slack: {title}", f"teams: {title}"]


async def test_a_chat_that_is_down_is_tried_again_and_the_other_is_not_told_twice() -> None:
    rig = told_about()
    rig.world.faults.append(Fault(lambda request: request.host == SLACK, Response(503), times=3))
    await rig.rotate()
    assert len(received(rig)) == 2


async def test_a_secret_that_the_app_may_not_read_any_more_is_told_of_where_everything_is() -> None:
    rig = told_about()
    place = f"/secrets/{NAME}/"
    refuse(rig, 403, "Forbidden", lambda request: request.path.lower().startswith(place), 99)
    await rig.rotate()
    assert [message.partition(":")[0] for message in received(rig)] == ["teams"]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 403, 404, 410])
async def test_a_webhook_that_is_gone_is_reported_and_changes_nothing(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    rig = told_about(owner=None)
    gone = Response(status, {"Location": f"https://{SLACK}/elsewhere"}, b"hush-teams")
    rig.world.faults.append(Fault(lambda request: request.host == TEAMS, gone))
    await rig.rotate()
    assert ended(caplog.records, "tell") == ["untold"]
    assert received(rig) == []
    assert STATE not in rig.tags(NAME)
    assert len(rig.vault.versions(NAME)) == 2


async def test_a_chat_that_never_answers_gets_five_tries(caplog: pytest.LogCaptureFixture) -> None:
    rig = told_about(owner=None)
    rig.world.faults.append(Fault(lambda request: request.host == TEAMS, Response(500), times=99))
    await rig.rotate()
    assert ended(caplog.records, "tell") == ["untold"]
    sent = [exchange for exchange in rig.world.exchanges if exchange.request.host == TEAMS]
    assert len(sent) == MAX_TRIES


@pytest.mark.parametrize(
    "url",
    ["http://hooks.slack.com/x", "nonsense", "https:///x/y", "https://[", "ftp://x", None, ""],
)
async def test_what_is_no_https_url_or_cannot_be_had_is_reported_and_not_asked(
    url: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """None stands for a secret that is gone, an empty text for one that is disabled."""
    rig = told_about(owner=None)
    rig.vault.put("chat-all", url or TEAMS_URL, enabled=url != "")
    if url is None:
        del rig.vault.secrets["chat-all"]
    await rig.rotate()
    assert ended(caplog.records, "tell") == ["untold"]
    assert (url or TEAMS_URL) not in caplog.text


async def test_no_value_and_no_webhooks_url_is_ever_said(caplog: pytest.LogCaptureFixture) -> None:
    rig, ear = told_about(), Ear()
    caplog.set_level(logging.DEBUG)
    logging.getLogger().addHandler(ear)
    try:
        refuse(rig, 503, "Busy", lambda request: request.host == SLACK)
        await rig.rotate()
    finally:
        logging.getLogger().removeHandler(ear)
    received = json.dumps([rig.world.webhooks.received, rig.messages("rotations")])
    emitted = caplog.text + received
    assert "hush" not in emitted
    values = {version.value for version in rig.vault.versions(NAME)}
    assert len(values) == 2
    assert not [value for value in values if value in emitted]


class Chat(Topic):
    """A chat at which a message arrives."""

    async def send(self) -> None:
        webhook = Webhook(None, "slack", "chat")
        await ChatWebhooks(self.azure()).send(webhook, Sensitive(SLACK_URL), NOTICE)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Response(429, {"Retry-After": "9"}), TransientError),
        (Response(429), Throttled),
        (Response(503), TransientError),
        (ServiceRequestError(f"cannot connect to {SLACK_URL}"), TransientError),
        (TimeoutError(), TransientError),
        (DecodeError(SLACK_URL), TransientError),
        (Response(302, {"Location": "https://evil.example"}), PermanentError),
        (Response(404, {}, SLACK_URL.encode()), PermanentError),
    ],
)
async def test_an_error_says_no_url_and_keeps_no_cause(
    answer: Response | Exception, kind: type[RekeyError]
) -> None:
    chat = Chat(answer)
    with pytest.raises(kind) as caught:
        await chat.send()
    assert "hush" not in repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert len(chat.requests) == 1
    if isinstance(answer, Response) and answer.headers.get("Retry-After"):
        assert caught.value.retry_after == 9


async def test_a_message_is_counted_as_a_call_to_a_webhook(sent: Collected) -> None:
    await told_about(owner=None).rotate()
    counted = {
        (dict(dimensions)["service"], dict(dimensions)["status"])
        for name, dimensions, _ in sent.points()
        if name == "rekey.azure.calls" and dict(dimensions)["operation"] == "Send"
    }
    assert counted == {("webhook", "202")}
    named = [dict(dimensions) for name, dimensions, _ in sent.points() if name.endswith(".calls")]
    assert not [it for it in named if it["operation"] == "Other"], "as one of storage, with a price"


async def test_a_chat_that_answers_at_its_leisure_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cloud.follow_up.webhooks.SECONDS", 0)

    async def slow(request: Request, call: Call) -> Response:
        del request
        await asyncio.sleep(0)
        return await call()

    webhook = Webhook(None, "slack", "chat")
    with pytest.raises(TransientError, match="got no answer: TimeoutError"):
        await ChatWebhooks(Rig().azure(slow)).send(webhook, Sensitive(SLACK_URL), NOTICE)


class Relay:
    """A chat on loopback that sends everybody elsewhere, at length."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def answers(self, host: str) -> bool:
        return host.startswith("login.")

    def handle(self, request: Request) -> Response:
        self.asked.append(request.path)
        return Response(
            307, {"Location": request.url.replace("/hook", "/elsewhere")}, b"x" * 1_000_000
        )


async def test_over_tls_no_redirect_is_followed_and_no_answer_read() -> None:
    async with serve(lambda domains: build_world(domains=domains)) as running:
        relay = Relay()
        running.world.services.insert(0, relay)
        with contextlib.ExitStack() as stack:
            stack.callback(resolve_localhost())
            async with AioHttpTransport(connection_verify=str(running.ca_file)) as transport:
                principal = running.world.add_principal("rekey")
                azure = Azure(
                    SimulatedCredential(running.world, principal), options={"transport": transport}
                )
                url = Sensitive(f"https://login.localhost:{running.port}/hook")
                with pytest.raises(PermanentError, match="answered 307"):
                    await ChatWebhooks(azure).send(Webhook(None, "teams", "chat"), url, NOTICE)
        assert relay.asked == ["/hook"]


def texts(part: object) -> list[dict[str, Any]]:
    """Return every object of a message that has text."""
    if isinstance(part, dict):
        own = [part] if isinstance(part.get("text"), str) else []
        return own + [inner for value in part.values() for inner in texts(value)]
    return [inner for value in part for inner in texts(value)] if isinstance(part, list) else []


def test_a_message_for_teams_is_an_adaptive_card_whose_text_knows_no_markdown() -> None:
    message = teams(NOTICE)
    (attachment,) = message["attachments"]
    assert message["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["content"]["type"] == "AdaptiveCard"
    assert {text["type"] for text in texts(message)} == {"TextRun"}
    words = [NOTICE.title, "Why: ", "[click](https://evil.example) <@U1>", "Vault: ", "prod"]
    assert [text["text"] for text in texts(message)] == words


def test_a_message_for_slack_mentions_nobody_and_links_nowhere() -> None:
    message = slack(NOTICE)
    assert message["text"] == "app-key &amp; *co* &lt;!channel&gt;"
    assert {text["type"] for text in texts(message["blocks"])} == {"plain_text"}
    header, section = message["blocks"]
    title = {"type": "plain_text", "text": NOTICE.title, "emoji": False}
    assert header == {"type": "header", "text": title}
    assert section["text"]["text"] == "Why: [click](https://evil.example) <@U1>\nVault: prod"


def test_a_header_for_slack_is_no_longer_than_slack_takes() -> None:
    assert len(slack(Notice("x" * 500, (("Why", "y"),)))["blocks"][0]["text"]["text"]) == 150

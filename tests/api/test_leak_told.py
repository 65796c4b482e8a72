"""Of a credential that has leaked and works somebody is told, and its value is in no text."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import reduce
from typing import Any
from urllib.parse import quote, unquote

import pytest

from api import github
from api.concurrency_limit import ConcurrencyLimit
from api.leaks import CUT
from simulator.wire import Request, Response
from tests.api.test_access import SIGNED_IN, principal
from tests.api.test_github import POLICY, deliver, hooked, numbered
from tests.api.test_leak_cases import accepted
from tests.api.test_leaks import KEYED, TRUSTED, audit, leak, leaky, rotate, settle, works
from tests.cloud.conftest import sent
from tests.cloud.follow_up.test_signed_webhooks import HOOK, KEY, URL, Receiver, at
from tests.shared.collected import Collected
from tests.shared.delivery import Delivery
from tests.shared.heard import Log
from tests.shared.policies import PolicyRig
from tests.shared.scene import refuse, send, to_arm

__all__ = ["sent"]
WITHIN = """\
notifications:
  - {kind: teams, webhookSecret: chat, withinDays: 7}
"""


@pytest.mark.parametrize("hooks", ["", WITHIN], ids=["no webhook", "urgent digests only"])
async def test_a_live_credential_that_github_has_found_is_not_passed_over_in_silence(
    hooks: str, caplog: Log, sent: Collected
) -> None:
    """Nothing may be cut off by itself, and nobody has a webhook: an alert must say so."""
    caplog.set_level(logging.WARNING, "rekey")
    rig, _ = hooked(POLICY.replace("  trusted: [github]\n", "") + hooks)
    assert (await deliver(rig.api())).status == 202
    await Delivery(rig, rig.service).run()
    alerting = {
        outcome
        for name in ("rekey.errands", "rekey.rotations", "rekey.parked")
        for dimensions in sent.metric(name)
        for outcome in dict(dimensions).values()
        if outcome in ("untold", "unrefreshed", "parked")
    }
    assert alerting or caplog.records


def listened(monkeypatch: pytest.MonkeyPatch) -> tuple[PolicyRig, Receiver]:
    """Return a rig that asks people first, and a program that hears of it."""
    rig = leaky(KEYED + HOOK)
    rig.vault.put("hook-url", URL)
    rig.vault.put("hook-key", KEY)
    receiver = Receiver(rig.clock)
    rig.world.services.insert(0, receiver)
    at(monkeypatch, rig.clock.now)
    return rig, receiver


async def test_a_leak_that_is_reported_again_on_another_day_is_another_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A program takes each id once: it would never hear that what was put back leaks again."""
    rig, receiver = listened(monkeypatch)
    for _ in range(2):
        await leak(rig.api(), rig.latest("app-key").value)
        await Delivery(rig, rig.service).run()
        rig.clock.advance(86_400)
    ids = [request.header("webhook-id") for request in receiver.requests]
    assert (len(ids), len(set(ids))) == (2, 2)


async def test_a_report_that_is_sent_again_for_want_of_an_answer_is_the_same_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig, receiver = listened(monkeypatch)
    refuse(rig, 503, "ServerBusy", lambda sent: sent.method == "PUT" and "/requests/" in sent.path)
    for status in (503, 200):
        assert (await leak(rig.api(), rig.latest("app-key").value)).status == status
        rig.clock.advance(120)
    await Delivery(rig, rig.service).run()
    ids = [request.header("webhook-id") for request in receiver.requests]
    assert (len(ids), len(set(ids))) == (2, 1)


async def test_an_owner_is_asked_once_where_many_report_the_same_at_once() -> None:
    rig = leaky(KEYED)
    await audit(rig, "app-key", "other")
    value = rig.latest("app-key").value

    async def slow(_: Request, call: Callable[[], Awaitable[Response]]) -> Response:
        await asyncio.sleep(0)
        return await call()

    api = rig.api(slow)
    await asyncio.gather(*(leak(api, value, location=f"commit {n}") for n in range(10)))
    assert len(rig.messages("rotations")) == 1


def lower(value: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), quote(value, safe=""))


def wrapped(value: str) -> str:
    return f"{value[:30]}\n{value[30:]}"


FORMS: dict[str, Callable[[str], str]] = {
    "wrapped": wrapped,
    "quoted in lower case": lower,
    "quoted in lower case and wrapped": lambda value: wrapped(lower(value)),
    "wrapped and indented": lambda value: f"{value[:30]}\n  {value[30:]}",
    "quoted in part": lambda value: f"%{ord(value[0]):x}{value[1:]}",
    "quoted twice": lambda value: quote(quote(value, safe=""), safe=""),
    "quoted many times": lambda value: reduce(lambda it, _: quote(it, safe=""), range(12), value),
    "without its padding": lambda value: value.rstrip("="),
    "as URLs have base 64": lambda value: value.replace("+", "-").replace("/", "_"),
    "as JSON has it": lambda value: value.replace("+", "\\u002B").replace("/", "\\/"),
    "as JSON in JSON has it": lambda value: value.replace("+", "\\\\u002b").replace("/", "\\\\\\/"),
    "as HTML has it": lambda value: value.replace("+", "&#43;").replace("/", "&#x2F;"),
    "with spaces for its pluses": lambda value: value.replace("+", " "),
}


@pytest.mark.parametrize("form", FORMS)
async def test_a_location_shows_no_value_that_is_wrapped_or_quoted_in_another_way(
    form: str,
) -> None:
    """Key Vault, GitHub and people wrap long lines; .NET quotes in lower case."""
    rig = leaky()
    value = rig.latest("app-key").value
    place = f"https://x.example/?k={FORMS[form](value)}"
    assert (await leak(rig.api(), value, location=place)).status == 202
    (incident,) = (await send(rig.api(), "http_incidents")).body["incidents"]
    assert value not in "".join(unquote(incident["reason"]).split())
    pieces = re.split("[^A-Za-z0-9]+", value)
    assert not [piece for piece in pieces if len(piece) > 7 and piece in incident["reason"]]


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("https://x.blob.core.windows.net/c/.env?sv=1&sig=Zm9v%2B&sr=b#L3", "?sv=1&sig=…&sr=b#L3"),
        ("https://jane:Zm9v%2B@git.example/x.git", "https://…@git.example/x.git"),
        ("https://x.example/?access_token=Zm9v%2B", "https://x.example/?access_token=…"),
        ("https://x.example/?next=%2Fa%3Fsig%3DZm9v%252B", "leaked: …"),
        ("https://dev.azure.com/o/_git/r?path=/a&line=3", "r?path=/a&line=3"),
    ],
)
async def test_a_location_shows_nothing_that_opens_it(place: str, shown: str) -> None:
    rig = leaky()
    assert (await leak(rig.api(), rig.latest("app-key").value, location=place)).status == 202
    (incident,) = (await send(rig.api(), "http_incidents")).body["incidents"]
    assert incident["reason"].endswith(shown)
    assert "Zm9v" not in incident["reason"]


@pytest.mark.parametrize("first", [False, True], ids=["without a tag", "with another tag"])
async def test_who_is_asked_first_is_the_owner_whom_the_policy_document_names(
    *, first: bool
) -> None:
    """What a rule of the document sets counts, and no tag of whoever may write the secret."""
    rules = "rules: [{match: {secret: app-key}, owner: orders}]\n"
    rig = leaky(f"{rules}{TRUSTED}  rules: [{{action: ask, owner: orders}}]\n")
    rig.tag("app-key", Owner="somebody" if first else None)
    rig.clock.advance(60)
    answer = await leak(rig.api(), rig.latest("app-key").value)
    assert (answer.status, answer.body["owner"], answer.body["incident"]) == (200, "orders", None)


@pytest.mark.parametrize(
    "shape", ['{{"a": "{0}", "b": "{1}"}}', "curl -u {0} -H {1}", "A={0};B={1}"]
)
async def test_of_two_credentials_in_one_line_both_are_cut_off(shape: str) -> None:
    rig = leaky()
    await audit(rig, "app-key", "other")
    both = rig.latest("app-key").value, rig.world.accounts["otherdata"].keys["key1"].value
    answer = await leak(rig.api(), shape.format(*both))
    await settle(rig)
    assert "prod/other" in f"prod/{answer.body['secret']} {answer.body['reason']}"
    assert not {*both} & accepted(rig)


@pytest.mark.parametrize("lines", [100, 600])
async def test_of_a_text_that_is_too_long_it_is_said_that_not_all_was_looked_for(
    lines: int,
) -> None:
    """What is not looked for is no miss."""
    rig = leaky()
    await audit(rig, "app-key", "other")
    text = "".join(f"SETTING_{n}=v-{n:06}\n" for n in range(lines)) + rig.latest("app-key").value
    answer = await leak(rig.api(), text)
    assert answer.body["status"] == ("alive" if lines == 100 else "unknown")
    assert (CUT in answer.body["reason"]) is (lines > 100)


@pytest.mark.parametrize("document", [TRUSTED, ""], ids=["keyed", "unkeyed"])
async def test_of_two_passwords_without_a_known_form_both_are_told(document: str) -> None:
    """Without a key of prints each secret is read, and tells as much."""
    rig = leaky(document)
    rig.write("app-key", "f1rst-password-of-nobodys")
    rig.write("other", "s3cond-password-of-nobodys", ValueTemplate=None)
    rig.clock.advance(60)
    answer = await leak(rig.api(), "f1rst-password-of-nobodys s3cond-password-of-nobodys")
    assert (answer.body["status"], answer.body["secret"]) == ("alive", "app-key")
    assert "found in prod/other" in answer.body["reason"]


@pytest.mark.parametrize("document", [TRUSTED, KEYED], ids=["cut off", "asked"])
@pytest.mark.parametrize("away", [".queue.", "/requests/", "nothing"])
async def test_a_reporter_cannot_tell_a_hit_by_its_failing_where_nothing_can_be_posted(
    away: str, document: str
) -> None:
    rig = leaky(document)
    await audit(rig, "app-key", "other")
    refuse(rig, 503, "ServerBusy", lambda sent: away in f"{sent.host}{sent.path}", times=99)
    api, reporter = rig.api(env=SIGNED_IN), principal("Rekey.Reporter")
    values = (rig.latest("app-key").value, "none-of-ours-at-all")
    hit, miss = [await leak(api, value, headers=reporter) for value in values]
    assert (hit.status, hit.text()) == (miss.status, miss.text())
    assert hit.status == (202 if away == "nothing" else 503)


async def test_an_owner_hears_once_of_a_leak_that_cannot_be_cut_off_however_often_it_is_reported(
    sent: Collected,
) -> None:
    """A scanner reports what works 30 times a minute; of what is asked, an owner hears once a day."""
    rig = leaky()
    await audit(rig, "app-key", "other")
    refuse(rig, 403, "AuthorizationFailed", to_arm("regenerateKey"), times=999)
    for _ in range(4):
        await leak(rig.api(), rig.latest("app-key").value)
        queue = rig.queue("rotations")
        while queue and min(it.visible for it in queue) <= rig.clock.now():
            await Delivery(rig, rig.service).run_one()
            queue = rig.queue("rotations")
        rig.clock.advance(10)
    assert sum(sent.metric("rekey.parked").values()) == 1
    rig.world.faults.clear()
    leaked = rig.latest("app-key").value
    await Delivery(rig, rig.service).recheck(rig.clock.now() + timedelta(minutes=20))
    assert not works(rig, leaked)


@pytest.mark.parametrize("fails", ["queue", "memory", "limit", "crowd", "hook"])
async def test_a_delivery_of_github_that_cannot_be_taken_is_counted(
    fails: str, sent: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub sends it no second time by itself, and a log that no rule reads tells nobody."""
    rig, _ = hooked()
    places = {"queue": ".queue.", "memory": "/requests/", "hook": "/secrets/gh-hook"}
    where = places.get(fails, "nowhere")
    refuse(rig, 503, "ServerBusy", lambda sent: where in f"{sent.host}{sent.path}", times=99)
    monkeypatch.setattr(github, "MOST", 1)
    api = rig.api()
    if fails == "limit":
        assert (await deliver(api, numbered(10))).status == 202
    if fails == "crowd":
        api = replace(api, deliveries=ConcurrencyLimit(0))
    assert (await deliver(api)).status == (429 if fails in ("limit", "crowd") else 503)
    assert sum(sent.metric("rekey.poison").values()) == 1


@pytest.mark.parametrize("error", [AttributeError("a bug"), asyncio.CancelledError()])
async def test_a_delivery_of_github_is_counted_whatever_keeps_it_from_being_taken(
    error: BaseException, sent: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any) -> Any:
        raise error

    rig, _ = hooked()
    monkeypatch.setattr(github, "taken", fails)
    assert (await deliver(rig.api())).status >= 500
    assert sum(sent.metric("rekey.poison").values()) == 1


@pytest.mark.parametrize("document", [None, "version: 2\n", "denied"])
async def test_strangers_and_reporters_are_told_no_name_where_there_is_no_policy(
    document: str | None, sent: Collected
) -> None:
    """A delivery is lost with it: which secret signs the webhook, nobody knows then."""
    rig = PolicyRig()
    if document:
        rig.push(document)
    if document == "denied":
        refuse(rig, 403, "Forbidden", lambda sent: "/secrets/rekey-policy" in sent.path, times=99)
    reporter, api = principal("Rekey.Reporter"), rig.api(env=SIGNED_IN)
    health, delivered = await send(api, "http_health"), await deliver(api)
    for answer in (health, delivered, await leak(api, "x" * 9, headers=reporter)):
        assert answer.status == 503
        assert "policy" in answer.body["detail"]
        assert "prod" not in answer.text()
        assert "rekey-policy" not in answer.text()
    assert sum(sent.metric("rekey.poison").values()) == 1


@pytest.mark.parametrize("change", [{"enabled": False}, {"tags": {"Owner": "orders"}}])
async def test_who_is_asked_first_is_known_of_a_secret_that_is_disabled_or_has_lost_its_tags(
    change: dict[str, Any],
) -> None:
    """What it held before works on, and whoever breaks its tags takes no rule away."""
    rig = leaky(f"{TRUSTED}  rules: [{{action: ask, owner: orders}}]\n")
    leaked = rig.latest("app-key").value
    await rotate(rig)
    rig.vault.amend(rig.latest("app-key"), **change)
    rig.clock.advance(60)
    answer = await leak(rig.api(), leaked)
    assert (answer.status, answer.body["owner"], answer.body["incident"]) == (200, "orders", None)

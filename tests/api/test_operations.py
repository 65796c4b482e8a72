"""An operation is followed from the vault and the records: running, succeeded, failed or superseded."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from api import app
from api.answers import Answer
from api.app import Api
from engine.deadline import ANSWER_SECONDS, bounded
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.shared.delivery import Delivery
from tests.shared.policies import PolicyRig
from tests.shared.rig import Rig
from tests.shared.scene import NAME, ask, refuse, scene, send, struck, to_arm, to_vault


async def follow(api: Api, accepted: Answer, **query: str) -> Answer:
    """Go where a 202 sends its caller."""
    url = urlsplit(accepted.headers["Location"])
    _, _, _, vault, name, _, operation = url.path.split("/")
    path = {"vault": vault, "name": name, "operation": operation}
    return await send(api, "http_operation", path, {**dict(parse_qsl(url.query)), **query})


async def asked(**options: Any) -> tuple[Rig, Api, Answer]:
    """Ask for a rotation of a secret with these options."""
    rig = scene(**options)
    api = rig.api()
    return rig, api, await ask(api)


async def work_off(rig: Rig) -> None:
    await Delivery(rig, rig.service).run()


async def test_a_rotation_runs_and_then_succeeds_with_the_new_version() -> None:
    rig, api, accepted = await asked()
    running = await follow(api, accepted)
    assert (running.status, running.body["status"]) == (202, "running")
    assert int(running.headers["Retry-After"]) > 0
    await work_off(rig)
    ended = await follow(api, accepted)
    assert (ended.status, ended.body["status"]) == (200, "succeeded")
    assert ended.body["version"] == rig.latest(NAME).version


async def test_who_waits_for_it_is_told_soon_and_asks_less_often_later() -> None:
    rig, api, accepted = await asked()
    began, listing = rig.clock(), "/versions"
    rig.world.exchanges.clear()
    assert (await follow(api, accepted, wait="6")).body["status"] == "running"
    assert (rig.clock() - began).total_seconds() == 6
    looked = [sent for sent in rig.world.exchanges if sent.request.path.endswith(listing)]
    assert len(looked) == 6  # after 0, 0.5, 1.5, 3.5, 5.5 and 6 seconds


async def test_it_is_still_known_after_a_later_rotation() -> None:
    rig, api, accepted = await asked(tags={"OverlapHours": "0"})
    await work_off(rig)
    version = rig.latest(NAME).version
    await ask(api, {"force": True})
    await work_off(rig)
    ended = await follow(api, accepted)
    assert (ended.body["status"], ended.body["version"]) == ("succeeded", version)
    assert rig.latest(NAME).version != version


@pytest.mark.parametrize(("end", "reason"), [("failed", "404"), ("superseded", "")])
async def test_a_rotation_that_is_parked_has_failed_and_one_of_a_changed_secret_is_superseded(
    end: str, reason: str
) -> None:
    rig, api, accepted = await asked()
    if end == "failed":
        rig.world.remove_account("appdata")
    else:
        rig.clock.advance(2)
        rig.secret(NAME, rig.world.accounts["appdata"], days_left=80)
    await work_off(rig)
    ended = await follow(api, accepted)
    assert (ended.status, ended.body["status"]) == (200, end)
    assert reason in ended.body["reason"] != ""


async def test_an_older_mark_is_not_taken_for_this_operations_end() -> None:
    rig = scene()
    api = rig.api()
    account = rig.world.accounts["appdata"]
    rig.world.remove_account("appdata")
    await rig.service().rotate(rig.item(NAME).to_json(), 1)
    rig.world.accounts["appdata"] = account
    rig.clock.advance(60)
    accepted = await ask(api)
    assert (await follow(api, accepted)).body["status"] == "running"
    await work_off(rig)
    assert (await follow(api, accepted)).body["status"] == "succeeded"


async def test_a_request_that_the_queue_gives_up_on_has_failed_with_the_first_reason() -> None:
    """Without a mark of its own it would look as if it went on for ever."""
    rig = scene()
    api = rig.api()
    refuse(rig, 403, "AuthorizationFailed", to_arm("listKeys"))
    await rig.service().rotate(rig.item(NAME).to_json(), 1)
    first = rig.tags(NAME)["RekeyReason"]
    rig.clock.advance(60)
    accepted = await ask(api)
    (message,) = rig.messages("rotations")
    await rig.service().park(json.dumps(message), "its message on rotations-poison")
    ended = await follow(api, accepted)
    assert (ended.body["status"], ended.body["reason"]) == ("failed", first)


async def test_a_retirement_and_a_restoration_are_followed_as_well() -> None:
    rig, api, _ = await asked()
    await work_off(rig)
    restored = await ask(api, action="restore")
    assert (await follow(api, restored)).body["status"] == "running"
    await work_off(rig)
    assert (await follow(api, restored)).body["status"] == "succeeded"
    rig.clock.advance(8 * 86_400)
    retired = await ask(api, action="retire")
    assert (await follow(api, retired)).body["status"] == "running"
    await work_off(rig)
    assert (await follow(api, retired)).body["status"] == "succeeded"


async def test_to_unpark_is_to_try_again_and_ends_with_the_mark_gone_or_a_newer_one() -> None:
    rig = scene(days_left=80)
    api = rig.api()
    refuse(rig, 403, "AuthorizationFailed", to_arm("listKeys"))
    await rig.service().rotate(rig.item(NAME, action="audit").to_json(), 1)
    assert rig.tags(NAME)["RekeyState"].startswith("parked ")
    rig.clock.advance(60)
    refuse(rig, 403, "AuthorizationFailed", to_arm("listKeys"))
    failing = await ask(api, action="unpark")
    await work_off(rig)
    assert (await follow(api, failing)).body["status"] == "failed"
    rig.clock.advance(60)
    mending = await ask(api, action="unpark")
    assert (await follow(api, mending)).body["status"] == "running"
    await work_off(rig)
    assert (await follow(api, mending)).body["status"] == "succeeded"
    assert "RekeyState" not in rig.tags(NAME)


async def test_an_operation_that_never_was_is_a_404() -> None:
    rig = scene()
    path = {"vault": "prod", "name": NAME, "operation": "0" * 32}
    since = {"since": "2026-01-01T00:00:00Z"}
    assert (await send(rig.api(), "http_operation", path, since)).status == 404


@pytest.mark.parametrize(
    "query", [{}, {"since": "yesterday"}, {"since": "2026-01-01T00:00:00Z", "wait": "121"}]
)
async def test_a_link_that_was_tampered_with_is_a_400(query: dict[str, str]) -> None:
    path = {"vault": "prod", "name": NAME, "operation": "0"}
    assert (await send(scene().api(), "http_operation", path, query)).status == 400


async def test_who_waits_is_answered_as_soon_as_it_ends_and_not_later_than_asked() -> None:
    rig = scene()
    api = rig.api()
    began = rig.clock.now()
    accepted = await ask(api, wait="30")
    assert accepted.status == 202
    assert 30 <= (rig.clock.now() - began).total_seconds() < 40
    await work_off(rig)
    began = rig.clock.now()
    ended = await follow(api, accepted, wait="30")
    assert ended.body["status"] == "succeeded"
    assert rig.clock.now() == began


async def test_what_it_took_to_accept_a_request_counts_as_waited() -> None:
    """Azure cuts every call off after 230 seconds, and its caller would send it again."""
    rig, late = scene(), iter([150])

    async def slow(_: Request, call: Call) -> Response:
        rig.clock.advance(next(late, 0))
        return await call()

    began = rig.clock.now()
    assert (await ask(rig.api(slow), wait="120")).status == 202
    assert (rig.clock.now() - began).total_seconds() < 160


async def test_a_request_can_wait_for_its_own_end() -> None:
    rig = scene()
    api = rig.api()
    sleep = rig.clock.sleep

    async def meanwhile(seconds: float) -> None:
        await sleep(seconds)
        await work_off(rig)

    object.__setattr__(api.service.engine.clock, "sleep", meanwhile)
    answer = await ask(api, wait="30")
    assert (answer.status, answer.body["status"]) == (200, "succeeded")


async def test_an_operation_under_a_policy_document_that_is_parked_has_failed() -> None:
    """The mark's fingerprint is of the tags that count, the document's among them."""
    rig = PolicyRig()
    rig.push("version: 1\ndefaults: {owner: platform, overlapHours: 24}\n")
    rig.secret(NAME, rig.account("appdata"))
    api = rig.api()
    accepted = await ask(api)
    refuse(rig, 403, "AuthorizationFailed", to_arm("listKeys"), times=9)
    await work_off(rig)
    assert (await follow(api, accepted)).body["status"] == "failed"


@pytest.mark.parametrize("change", [{"enabled": False}, {"tags": {"Manual": "true"}}])
async def test_an_operation_that_nothing_will_come_of_says_so(change: dict[str, Any]) -> None:
    rig, api, accepted = await asked()
    tags = {**rig.tags(NAME), **change.get("tags", {})}
    assert rig.vault.amend(rig.latest(NAME), **{**change, "tags": tags})
    await work_off(rig)
    ended = await follow(api, accepted)
    assert (ended.status, ended.body["status"]) == (200, "skipped")
    assert ended.body["reason"]


async def test_an_operation_that_any_worker_will_park_has_failed_before_one_has_come() -> None:
    """Nobody has marked the secret yet, and whoever waits is told why nothing will come of it."""
    rig, api, accepted = await asked()
    rig.tag(NAME, ValidityPeriodDays="soon")
    ended = await follow(api, accepted)
    assert (ended.status, ended.body["status"]) == (200, "failed")
    assert "ValidityPeriodDays" in ended.body["reason"]


async def test_a_rotation_that_found_only_a_retirement_says_that_no_more_is_due() -> None:
    rig, api, _ = await asked()
    await work_off(rig)
    rig.clock.advance(8 * 86_400)
    accepted = await ask(api)
    assert accepted.status == 202
    await work_off(rig)
    ended = await follow(api, accepted)
    assert (ended.body["status"], ended.body["reason"][:7]) == ("skipped", "not due")


async def test_a_compromised_rotation_whose_revocation_is_refused_has_failed() -> None:
    rig = scene()
    api = rig.api()
    accepted = await ask(api, {"compromised": True})
    keys, first = to_arm("regenerateKey"), iter([False])
    refuse(rig, 403, "AuthorizationFailed", lambda sent: keys(sent) and next(first, True), 99)
    await work_off(rig)
    assert "RekeyRetire" in rig.tags(NAME)
    assert (await follow(api, accepted)).body["status"] == "failed"
    rig.world.faults.clear()
    await rig.service().rotate(rig.item(NAME, trigger="sweep").to_json(), 1)
    assert (await follow(api, accepted)).body["status"] == "succeeded"


async def test_to_unpark_what_is_not_parked_any_more_succeeds_and_says_so() -> None:
    answer = await ask(scene(days_left=80).api(), action="unpark")
    assert (answer.status, answer.body["status"]) == (200, "succeeded")
    assert answer.body["reason"] == "it is not parked: nothing is left to do"


async def test_to_unpark_what_would_be_parked_once_more_is_no_success() -> None:
    """Whoever wrote such tags has taken the mark off, or no worker has seen them yet."""
    answer = await ask(scene(tags={"OverlapHours": "some"}).api(), action="unpark")
    assert answer.status == 422
    assert "OverlapHours" in answer.body["detail"]


async def test_what_was_accepted_stays_accepted_where_its_end_cannot_be_seen() -> None:
    """A 503 here would make its caller send it again."""
    rig = scene()
    api = rig.api()
    refuse(rig, 503, "Busy", lambda request: request.path.lower().endswith("/versions"), times=99)
    answer = await ask(api, wait="30")
    assert answer.status == 202
    assert len(rig.messages("rotations")) == 1


async def test_what_was_accepted_stays_accepted_whatever_goes_wrong_while_its_caller_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_: object) -> Answer:
        raise ZeroDivisionError

    monkeypatch.setattr(app, "follow", fail)
    assert (await ask(scene().api(), wait="30")).status == 202


async def test_a_request_and_the_wait_for_its_end_are_over_before_azure_cuts_them_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever is cut off never learns that it was accepted."""
    limits = list[float]()

    def noted(seconds: float, what: str) -> AbstractAsyncContextManager[None]:
        limits.append(seconds)
        return bounded(seconds, what)

    monkeypatch.setattr(app, "bounded", noted)
    rig = scene()
    slow = struck(rig, to_vault(), lambda: rig.clock.advance(150), after=False)
    assert (await ask(rig.api(slow), wait="60")).status == 202
    assert limits == [ANSWER_SECONDS, ANSWER_SECONDS - 150]


async def test_a_leak_is_taken_up_with_unreadable_tags_and_ends_once_they_are_mended() -> None:
    """The request was refused, so that who reported it had to come back after mending the tags."""
    rig = scene(tags={"ValidityPeriodDays": "ninety"})
    leaked = rig.latest(NAME).value
    answer = await ask(rig.api(), {"compromised": True})
    assert (await follow(rig.api(), answer)).body["status"] == "running"
    await Delivery(rig, rig.service).run_one()
    assert rig.tags(NAME)["RekeyState"].startswith("compromised ")
    marked = (await follow(rig.api(), answer)).body
    assert marked["status"] == "failed"
    assert "what leaked may still be accepted" in marked["reason"]
    tags = rig.tags(NAME)
    assert isinstance(tags, dict)
    tags["ValidityPeriodDays"] = "90"
    await work_off(rig)
    assert leaked not in {key.value for key in rig.world.accounts["appdata"].keys.values()}
    assert "RekeyState" not in rig.tags(NAME)

"""Apps get a new version without delaying a rotation.

No credential is cut off that one is known to use still.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import TransientError
from engine.follow_up import refresh
from engine.service import MAX_TRIES, Service
from engine.state.tags import RETIRE, STATE
from simulator.reach.sabotage import Mode, Saboteur, share
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.infra import permissions
from tests.shared.builders import Retire, Wait
from tests.shared.collected import Collected, attributes
from tests.shared.consuming import (
    DAY,
    GROUP,
    REFERENCE,
    SHOP,
    SITE_ACTIONS,
    WORKER,
    Consuming,
    ended,
    results,
)
from tests.shared.delivery import Delivery
from tests.shared.heard import Log
from tests.shared.promises import Place, Promises
from tests.shared.rig import Rig
from tests.shared.scene import NAME, ask, refuse, source_of, to_arm, to_vault

SECRETS = "https://prod.vault.azure.net/secrets"


@pytest.fixture(autouse=True)
def listening(caplog: Log) -> None:
    caplog.set_level(logging.INFO, "rekey.audit")


def to_post(request: Request) -> bool:
    return ".queue." in request.host and request.method == "POST"


def to_refresh(request: Request) -> bool:
    return request.path.endswith("/refresh")


def to_list(request: Request) -> bool:
    return request.path.endswith("/configreferences/appsettings")


@pytest.fixture
def rig() -> Consuming:
    return Consuming(SHOP)


async def test_after_a_rotation_an_app_holds_the_new_version(rig: Consuming, caplog: Log) -> None:
    site = rig.site()
    await rig.rotate()
    assert site.held == {"KEY": rig.latest(NAME).version}
    assert ended(caplog.records, "refresh") == ["refreshed"]
    (refreshed,) = [result for result in results(caplog.records) if result["result"] == "refreshed"]
    (rotated,) = [result for result in results(caplog.records) if result["result"] == "rotated"]
    assert refreshed["operation"] == rotated["operation"]


async def test_a_rotation_waits_for_no_app_and_costs_one_message_more() -> None:
    rig, plain = Consuming(SHOP), Consuming()
    rig.site()
    for side in (rig, plain):
        side.queue("rotations")
        side.calls()
        await side.work(NAME, trigger="event")
    counted, without = rig.calls(), plain.calls()
    assert counted - without == {"host queue": 1}
    assert rig.world.web.sites[SHOP.lower()].refreshed == 0


async def test_only_a_message_that_comes_back_makes_up_for_what_was_not_posted() -> None:
    rig = Consuming(SHOP)
    rig.site()
    await rig.rotate()
    for tries, posted in ((1, []), (2, ["refresh"])):
        await rig.work(NAME, trigger="event", tries=tries)
        assert [message["action"] for message in rig.messages("rotations")] == posted


async def test_a_forced_rotation_that_comes_back_and_has_to_wait_posts_what_its_first_try_did_not(
    caplog: Log,
) -> None:
    """It names no version, and so finds its own rotation inside the overlap."""
    rig = Consuming(SHOP)
    rig.site()
    await rig.rotate()
    await rig.work(NAME, trigger="manual", force=True, tries=2)
    assert results(caplog.records)[-1]["result"] == "waiting"
    assert [message["action"] for message in rig.messages("rotations")] == ["refresh"]


async def test_a_rotation_that_comes_back_and_fails_refreshes_no_app() -> None:
    rig = Consuming(SHOP)
    refuse(rig, 403, "AuthorizationFailed", to_arm("regenerateKey"))
    await rig.work(NAME, trigger="event", tries=2)
    assert rig.tags(NAME)[STATE].startswith("parked")
    assert rig.messages("rotations") == []


async def test_an_app_whose_secret_is_gone_is_reported_to_have_no_new_version(
    rig: Consuming, caplog: Log
) -> None:
    rig.site()
    rig.vault.delete(NAME)
    await rig.task("refresh")
    assert ended(caplog.records, "refresh") == ["unrefreshed"]


async def test_an_app_that_no_entry_names_is_left_alone() -> None:
    rig = Consuming(SHOP, match="other-*")
    site = rig.site()
    await rig.rotate()
    assert site.refreshed == 0


@pytest.mark.parametrize("tells", [True, False])
async def test_a_refresh_that_is_asked_for_again_does_nothing_where_the_version_is_known(
    rig: Consuming,
    tells: bool,
) -> None:
    site = rig.site()
    site.tells = tells
    await rig.rotate()
    await rig.task("refresh")
    assert site.refreshed == (1 if tells else 2)


async def test_a_reference_is_found_on_whatever_page_of_the_list_it_is(
    rig: Consuming, caplog: Log
) -> None:
    others = {f"SETTING_{place}": REFERENCE.replace(NAME, "another") for place in range(250)}
    site = rig.site(**others, KEY=REFERENCE)
    await rig.rotate()
    assert site.held["KEY"] == rig.latest(NAME).version
    assert ended(caplog.records, "refresh") == ["refreshed"]


async def test_a_slot_and_settings_of_other_secrets_are_told_apart() -> None:
    slot = f"{SHOP}/slots/Staging"
    rig = Consuming(slot)
    rig.vault.put("else", "x")
    other = "@Microsoft.KeyVault(SecretUri=https://prod.vault.azure.net/secrets/else/)"
    site = rig.site(slot, KEY=REFERENCE, OTHER=other)
    await rig.rotate()
    assert site.held["KEY"] == rig.latest(NAME).version


async def test_healed_and_restored_versions_reach_the_apps_too(rig: Consuming) -> None:
    site = rig.site()
    await rig.rotate()
    await rig.rotate(action="restore", trigger="manual")
    assert site.held["KEY"] == rig.latest(NAME).version
    rig.world.accounts["appdata"].regenerate(str(rig.tags(NAME)["CredentialId"]))
    await rig.rotate(action="audit", trigger="sweep")
    assert site.held["KEY"] == rig.latest(NAME).version
    assert len(rig.vault.versions(NAME)) == 4


async def test_apps_that_use_a_replica_are_refreshed_with_it() -> None:
    rig = Consuming(SHOP, match="copy", tags={"Replicas": f"{SECRETS}/copy"})
    rig.vault.put("copy", "x", tags={"ReplicaOf": f"{SECRETS}/{NAME}"})
    site = rig.site(KEY=f"@Microsoft.KeyVault(SecretUri={SECRETS}/copy)")
    await rig.rotate()
    assert site.held["KEY"] == rig.latest("copy").version
    assert len(rig.vault.versions("copy")) == 2


async def test_the_task_for_a_replica_names_no_version_of_the_primarys() -> None:
    rig = Consuming(SHOP, match="copy", tags={"Replicas": f"{SECRETS}/copy"})
    rig.vault.put("copy", "x", tags={"ReplicaOf": f"{SECRETS}/{NAME}"})
    await (await rig.service().ready()).handle(rig.item(NAME))
    tasks = [it for it in rig.messages("rotations") if it["action"] == "refresh"]
    assert [(task["secret"], task["version"]) for task in tasks] == [("copy", None)]


async def test_a_message_that_could_not_be_posted_comes_with_the_daily_audit(caplog: Log) -> None:
    rig = Consuming(SHOP)
    site = rig.site()
    refuse(rig, 503, "ServerBusy", to_post)
    await rig.work(NAME, trigger="event")
    assert len(rig.vault.versions(NAME)) == 2
    assert f"refresh of {rig.item(NAME).ref} could not be posted" in caplog.text
    await rig.deliver()
    assert site.refreshed == 0
    await rig.rotate(action="audit", trigger="sweep")
    assert site.held["KEY"] == rig.latest(NAME).version


@pytest.mark.parametrize(("late", "times"), [(0, 1), (1, 0)])
async def test_versions_are_looked_after_for_two_weeks(late: int, times: int) -> None:
    rig = Consuming(SHOP)
    await rig.work(NAME, trigger="event")
    written = rig.latest(NAME).created
    site = rig.site()
    site.held.clear()
    rig.clock.advance(written - rig.clock.now().timestamp() + 14 * DAY + late)
    await rig.work(NAME, action="refresh", trigger="event")
    assert site.refreshed == times


async def test_a_refresh_of_what_no_app_uses_any_more_is_not_reported_as_one(caplog: Log) -> None:
    rig = Consuming()
    await rig.task("refresh")
    assert ended(caplog.records, "refresh") == ["skipped"]


async def test_no_app_is_refreshed_to_a_version_that_is_disabled(
    rig: Consuming, caplog: Log
) -> None:
    await rig.work(NAME, trigger="event")
    rig.queue("rotations").clear()
    site = rig.site()
    site.held.clear()
    rig.vault.amend(rig.latest(NAME), enabled=False)
    await rig.task("refresh")
    assert (site.refreshed, ended(caplog.records, "refresh")) == (0, ["skipped"])


@pytest.mark.parametrize(
    ("make", "problem", "is_none"),
    [
        (lambda rig: rig.site(actions=SITE_ACTIONS[:1]), "403 AuthorizationFailed", False),
        (lambda rig: rig.world.grant(rig.identity, SITE_ACTIONS, SHOP), "404 ResourceNotFound", True),
        (lambda rig: rig.site(KEY="plain"), "no app setting refers to the secret", True),
        (lambda rig: rig.site(KEY=f"{REFERENCE[:-1]}/{'a' * 32})"), "KEY names a version", False),
        (lambda rig: vars(rig.site()).update(status="AccessToKeyVaultDenied"),
         "its app setting KEY cannot be resolved: AccessToKeyVaultDenied", False),
    ],
    ids=["no role", "no app", "no setting", "pinned", "unresolved"],
)  # fmt: skip
async def test_what_keeps_an_app_from_being_refreshed_is_reported_and_undoes_nothing(
    rig: Consuming, make: Callable[[Consuming], object], problem: str, caplog: Log, *, is_none: bool
) -> None:
    make(rig)
    await rig.rotate()
    (record,) = [result for result in results(caplog.records) if result["action"] == "refresh"]
    assert record["result"] == "unrefreshed"
    assert record["reason"].startswith(f"1 of 1 apps not refreshed: {SHOP.lower()}: ")
    assert problem in record["reason"]
    assert "not seen to use" not in record["reason"]
    assert record["fix"]
    assert ("remove the app from the consumers" in record["fix"]) == is_none
    assert len(rig.vault.versions(NAME)) == 2
    assert STATE not in rig.tags(NAME)


async def test_an_app_outside_the_scopes_of_the_vault_is_not_touched(caplog: Log) -> None:
    stranger = SHOP.replace("/production/", "/strangers/")
    rig = Consuming(stranger)
    rig.world.add_group(group="strangers")
    site = rig.site(stranger)
    await rig.rotate()
    site.held["KEY"] = "0" * 32
    rig.clock.advance(7 * DAY + 1)
    await rig.try_to_retire()
    assert RETIRE not in rig.tags(NAME)
    assert not [
        exchange for exchange in rig.world.exchanges if "strangers" in exchange.request.path
    ]
    assert ended(caplog.records, "refresh") == ["unrefreshed"]
    assert "is not among the consumers of vault" in caplog.text


async def test_one_app_stands_in_no_others_way(caplog: Log) -> None:
    rig = Consuming(f"{GROUP}/providers/Microsoft.Web/sites/gone", SHOP)
    site = rig.site()
    await rig.rotate()
    assert site.held["KEY"] == rig.latest(NAME).version
    assert "1 of 2 apps not refreshed" in caplog.text


async def test_only_those_apps_are_named_that_are_not_seen_to_use_the_new_version(
    caplog: Log,
) -> None:
    slow = SHOP.replace("/shop", "/slow")
    rig = Consuming(SHOP, slow)
    rig.site()
    rig.site(slow).stuck = True
    await rig.rotate()
    waiting = [result for result in results(caplog.records) if result["result"] == "waiting"]
    assert {result["reason"] for result in waiting} == {
        f"not seen to use the new version yet: {slow.lower()}"
    }


async def test_a_refresh_that_fails_is_found_by_its_operation(sent: Collected) -> None:
    rig = Consuming(SHOP)
    rig.site().held.clear()
    refuse(rig, 503, "Busy", to_refresh)
    item = rig.item(NAME, action="refresh", trigger="event")
    with pytest.raises(TransientError):
        await rig.service().rotate(item.to_json(), 1)
    [span] = sent.named("rekey.errand")
    about = item.about(rig.latest(NAME).version)
    assert attributes(span)["rekey.operation"] == about.operation


async def test_after_the_last_try_the_secret_is_not_parked(rig: Consuming, caplog: Log) -> None:
    rig.site().held.clear()
    refuse(rig, 503, "Busy", to_refresh, times=99)
    item = rig.item(NAME, action="refresh", trigger="event").to_json()
    with pytest.raises(TransientError):
        await rig.service().rotate(item, MAX_TRIES - 1)
    await rig.service().rotate(item, MAX_TRIES)
    await rig.service().park(item, "poison")
    assert ended(caplog.records, "refresh") == ["unrefreshed", "unrefreshed"]
    assert STATE not in rig.tags(NAME)


async def test_an_app_that_stays_behind_is_looked_at_ten_times_and_then_reported(
    rig: Consuming,
    caplog: Log,
) -> None:
    rig.site().stuck = True
    began = rig.clock.now()
    await rig.rotate()
    assert ended(caplog.records, "refresh") == ["waiting"] * 10 + ["unrefreshed"]
    assert results(caplog.records)[-1]["fix"] == "see whether the app starts, and restart it"
    doubled = [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]
    assert sum(doubled) <= (rig.clock.now() - began).total_seconds() < sum(doubled) + 60


OTHER = f"{GROUP}/providers/Microsoft.Web/sites/other"


@pytest.mark.parametrize("comes", [True, False], ids=["it comes", "it stays behind"])
@pytest.mark.parametrize("reads", [True, False], ids=["may not refresh", "may not read"])
async def test_an_app_that_cannot_be_refreshed_is_reported_at_once_and_one_that_lags_is_looked_at(
    reads: bool, comes: bool, caplog: Log
) -> None:
    rig = Consuming(OTHER, SHOP)
    rig.site(OTHER, actions=SITE_ACTIONS[:1] if reads else ())
    site = rig.site()
    site.stuck = True
    await rig.work(NAME, trigger="event")
    await Delivery(rig, rig.service).run_one()
    told = results(caplog.records)[-1]
    assert told["result"] == "unrefreshed"
    assert "1 of 2 apps not refreshed" in told["reason"]
    assert "403 AuthorizationFailed" in told["reason"]
    assert "Website Contributor" in told["fix"]
    assert "shop" not in told["reason"]
    if comes:
        site.held["KEY"] = rig.latest(NAME).version
    await rig.deliver()
    ends = ended(caplog.records, "refresh")
    looks = ["refreshed"] if comes else [*["waiting"] * 9, "unrefreshed"]
    assert ends == ["unrefreshed", *looks]
    if not comes:
        last = f"not seen to use the new version yet: {SHOP.lower()}"
        assert results(caplog.records)[-1]["reason"] == last
    assert site.refreshed == 1


@pytest.mark.parametrize(
    "headers", [{}, {"Retry_After": "60"}], ids=["it fails", "it asks to wait"]
)
async def test_an_app_that_lags_is_looked_at_although_another_never_answers(
    headers: dict[str, str], caplog: Log
) -> None:
    """Nor is one refreshed again because of the other."""
    rig = Consuming(OTHER, SHOP)
    rig.site(OTHER)
    site = rig.site()
    site.stuck = True
    refuse(rig, 503, "Busy", lambda it: "/other/" in it.path.lower(), times=999, **headers)
    began = rig.clock.now()
    await rig.rotate()
    ends = ended(caplog.records, "refresh")
    assert ends == ["waiting", *ends[1:]]
    assert ends.count("unrefreshed") == 2
    assert rig.clock.now() - began >= timedelta(hours=5)
    assert site.refreshed == 1


async def test_only_the_app_that_did_not_answer_is_asked_again(caplog: Log) -> None:
    rig = Consuming(OTHER, SHOP)
    other, site = rig.site(OTHER), rig.site()
    other.tells = site.tells = False
    refuse(rig, 503, "Busy", lambda it: to_refresh(it) and "/other/" in it.path.lower(), times=2)
    await rig.rotate()
    assert ended(caplog.records, "refresh") == ["waiting", "refreshed"]
    assert (other.refreshed, site.refreshed) == (1, 1)


@pytest.mark.parametrize(
    ("headers", "looks"),
    [({}, 10), ({"Retry_After": "3000"}, 7)],
    ids=["it fails", "it asks to wait"],
)
async def test_an_app_that_lags_is_looked_at_although_another_does_not_answer_meanwhile(
    headers: dict[str, str], looks: int, caplog: Log
) -> None:
    rig = Consuming(OTHER, SHOP)
    rig.site(OTHER).stuck = rig.site().stuck = True
    await rig.work(NAME, trigger="event")
    await Delivery(rig, rig.service).run_one()
    refuse(rig, 503, "Busy", lambda it: "/other/" in it.path.lower(), times=999, **headers)
    began = rig.clock.now()
    await rig.deliver()
    assert ended(caplog.records, "refresh") == ["waiting"] * looks + ["unrefreshed"]
    assert rig.clock.now() - began >= timedelta(hours=5)
    assert "503 Busy; not seen to use" in results(caplog.records)[-1]["reason"]


async def test_a_container_app_gets_one_revision_a_version_and_nothing_else_is_changed(
    caplog: Log,
) -> None:
    rig = Consuming(WORKER)
    app = rig.container()
    await rig.rotate()
    suffix = f"rekey-{rig.latest(NAME).version[:12]}"
    assert list(app.revisions) == [f"worker--{suffix}"]
    assert ended(caplog.records, "refresh") == ["waiting", "refreshed"]
    await rig.task("refresh")
    assert list(app.revisions) == [f"worker--{suffix}"]
    (patch,) = [
        exchange.request
        for exchange in rig.world.exchanges
        if exchange.request.method == "PATCH" and "/worker" in exchange.request.path
    ]
    assert json.loads(patch.body) == {"properties": {"template": {"revisionSuffix": suffix}}}


@pytest.mark.parametrize(
    ("code", "text", "ends"),
    [
        ("ContainerAppInvalidRevisionSuffix", "it already exists", ["waiting", "refreshed"]),
        ("Invalid", "Field 'template.revisionsuffix' is invalid", ["waiting", "refreshed"]),
        ("Invalid", "Field 'template.scale' is invalid", ["unrefreshed"]),
    ],
)
async def test_a_container_app_that_two_workers_ask_at_once_is_refreshed(
    code: str, text: str, ends: list[str], caplog: Log
) -> None:
    """An incident has its apps refreshed before the leaked credential is cut off, and after."""
    rig = Consuming(WORKER)
    app, body = rig.container(), {"error": {"code": code, "message": text}}

    async def late(request: Request, call: Call) -> Response:
        if request.method == "PATCH" and "/worker" in request.path:
            assert (await call()).status == 202, "by the other worker"
            return Response(400, {"Content-Type": "application/json"}, json.dumps(body).encode())
        return await call()

    await rig.service(late).rotate(rig.item(NAME, action="refresh").to_json(), 1)
    await rig.deliver()
    assert ended(caplog.records, "refresh") == ends
    assert len(app.revisions) == 1


async def test_the_rights_that_the_page_of_permissions_lists_are_enough(caplog: Log) -> None:
    slot = f"{SHOP}/slots/staging"
    rig = Consuming(SHOP, slot, WORKER)
    rights = {row.role: row.actions for row in permissions.rows()}
    rig.site(actions=rights["web-references"])
    rig.site(slot, actions=rights["web-references"])
    rig.container(actions=rights["container-revisions"])
    await rig.rotate()
    assert ended(caplog.records, "refresh") == ["waiting", "refreshed"]


@pytest.mark.parametrize(
    ("secrets", "state", "problem"),
    [
        ({"key": f"{SECRETS}/else"}, "Provisioned", "no secret of the app refers to this one"),
        ({"key": "nonsense"}, "Provisioned", "no secret of the app refers to this one"),
        ({"key": f"{SECRETS}/{NAME}/{'a' * 32}"}, "Provisioned", "names a version"),
        ({}, "Failed", "failed to start"),
    ],
)
async def test_what_keeps_a_container_app_from_a_new_version_is_reported(
    secrets: dict[str, str], state: str, problem: str, caplog: Log
) -> None:
    rig = Consuming(WORKER)
    rig.container(**secrets).state = state
    await rig.rotate()
    assert ended(caplog.records, "refresh")[-1] == "unrefreshed"
    assert problem in caplog.text
    assert len(rig.vault.versions(NAME)) == 2


@pytest.mark.parametrize(
    ("name", "created", "is_done"),
    [("worker--mended", 1, True), ("worker--older", -DAY, False), ("", 0, False)],
    ids=["a later one is ready", "an earlier one is", "none is"],
)
async def test_a_container_app_is_done_once_a_later_revision_than_the_failed_one_is_ready(
    name: str, created: float, caplog: Log, *, is_done: bool
) -> None:
    rig = Consuming(WORKER)
    app = rig.container()
    app.state = "Failed"
    await rig.rotate()
    assert ended(caplog.records, "refresh")[-1] == "unrefreshed"
    if name:
        made = rig.clock.now() + timedelta(seconds=created)
        app.revisions[name], app.created[name] = "Provisioned", made.isoformat()
    rig.clock.advance(60)
    await rig.task("refresh")
    assert ended(caplog.records, "refresh")[-1] == ("refreshed" if is_done else "unrefreshed")


async def lagging(match: str = NAME, **options: Any) -> Consuming:
    """Return a rig whose app has not taken up the new version when the overlap has passed."""
    rig = Consuming(SHOP, match=match, **options)
    rig.site().stuck = True
    await rig.rotate()
    rig.clock.advance(7 * DAY)
    return rig


async def test_a_retirement_waits_for_an_app_that_is_known_to_use_the_old_version(
    caplog: Log,
) -> None:
    rig = await lagging()
    requests = sum(to_refresh(exchange.request) for exchange in rig.world.exchanges)
    assert requests == 1, "a refresh may restart it: it is only looked at afterwards"
    caplog.clear()
    await rig.try_to_retire()
    assert ended(caplog.records, "retire") == ["waiting"]
    assert SHOP.lower() in caplog.text
    rig.world.web.sites[SHOP.lower()].stuck = False
    await rig.task("refresh")
    await rig.try_to_retire()
    assert RETIRE not in rig.tags(NAME)


async def test_a_reference_that_is_not_resolved_holds_no_new_version() -> None:
    rig = await lagging()
    site = rig.world.web.sites[SHOP.lower()]
    site.tells, site.status = False, "FetchTimedOut"
    await rig.try_to_retire()
    assert RETIRE in rig.tags(NAME)


async def test_an_app_that_lags_never_puts_a_rotation_off() -> None:
    rig = await lagging(tags={"ValidityPeriodDays": "20", "RotateBeforeDays": "10"})
    before = rig.latest(NAME).version
    for days, is_due in ((0, False), (4, True)):
        rig.clock.advance(days * DAY)
        await rig.work(NAME, trigger="sweep")
        assert (rig.latest(NAME).version != before) is is_due


async def test_an_operator_can_retire_all_the_same_and_is_told_what_is_in_the_way() -> None:
    rig = await lagging()
    answer = await ask(rig.api(), action="retire")
    assert answer.status == 409
    assert SHOP.lower() in answer.body["detail"]
    assert (await ask(rig.api(), {"force": True}, action="retire")).status == 202
    await rig.deliver()
    assert RETIRE not in rig.tags(NAME)


async def test_what_is_compromised_waits_for_no_app() -> None:
    rig = await lagging()
    await rig.rotate(trigger="manual", compromised=True)
    assert RETIRE not in rig.tags(NAME)
    rig = Consuming(SHOP)
    rig.site().stuck = True
    await rig.rotate(trigger="manual", compromised=True)
    assert RETIRE not in rig.tags(NAME)


async def test_a_dry_run_says_that_what_is_to_be_cut_off_waits_for_no_app() -> None:
    """Nor does its worker, which finds the incident in the record, and believes no mark alone."""
    rig = await lagging()
    engine, item = await rig.service().ready(), rig.item(NAME, action="retire", trigger="manual")
    rig.tag(NAME, **{STATE: "compromised 2099-01-01T00:00:00Z 0123456789ab"})
    assert isinstance((await engine.preview(item))[1], Wait)
    await rig.note(source_of(rig), NAME, compromised=(rig.vault.versions(NAME)[0].version,))
    assert isinstance((await engine.preview(item))[1], Retire)


async def in_an_incident(rig: Consuming, ago: float = 0) -> tuple[float, bool, list[str]]:
    """Cut the current key off, which was reported so many seconds `ago`.

    Return the seconds until its account refused it, whether the app held the new version by then,
    and what was on the queue.
    """
    began, account = rig.clock.now(), rig.world.accounts["appdata"]
    leaked, seen = rig.latest(NAME).value, list[tuple[float, bool, list[str]]]()

    async def watch(request: Request, call: Call) -> Response:
        del request
        response = await call()
        if not seen and leaked not in {key.value for key in account.accepted_keys()}:
            held = rig.latest(NAME).version in rig.world.web.sites[SHOP.lower()].held.values()
            actions = [message["action"] for message in rig.messages("rotations")]
            seen.append(((rig.clock.now() - began).total_seconds(), held, actions))
        return response

    reported = (began - timedelta(seconds=ago)).isoformat()
    item = rig.item(NAME, compromised=True, reported=reported)
    await rig.service(watch).rotate(item.to_json(), 1)
    return seen[0]


async def test_apps_are_told_of_the_new_version_before_what_leaked_is_cut_off() -> None:
    rig = Consuming(SHOP)
    rig.site()
    seconds, held, actions = await in_an_incident(rig)
    assert (seconds < 5, held, actions) == (True, False, ["refresh"])


@pytest.mark.parametrize("stuck", [False, True])
async def test_an_app_with_a_grace_uses_the_new_version_before_the_cut_off_or_the_grace_is_over(
    stuck: bool,
) -> None:
    rig = Consuming(SHOP, grace=60)
    site = rig.site()
    site.stuck = stuck
    seconds, held, _ = await in_an_incident(rig)
    assert site.refreshed == 1, "a refresh may restart it"
    assert held is not stuck
    assert 50 < seconds <= 60 if stuck else seconds < 5
    leases = (it.request.header("x-ms-lease-action") for it in rig.world.exchanges)
    assert (sum(action == "renew" for action in leases) > 2) is stuck, "it lasts meanwhile"


async def test_of_a_grace_a_worker_that_comes_late_gives_what_is_left() -> None:
    rig = Consuming(SHOP, grace=60)
    rig.site().stuck = True
    seconds, *_ = await in_an_incident(rig, ago=30)
    assert 20 < seconds <= 30


async def test_a_secret_that_no_app_uses_is_not_read_for_a_grace() -> None:
    rig = Consuming(SHOP, grace=60)
    rig.site()
    rig.vault.put("copy", "x")
    engine, item = await rig.service().ready(), rig.item(NAME, reported=rig.clock.now().isoformat())
    reads = [to_vault("GET", name) for name in (NAME, "copy")]

    async def keep() -> None:
        """Hold no lease."""

    rig.world.exchanges.clear()
    await refresh.give(engine, item, [item.ref, replace(item.ref, name="copy")], keep)
    asked = [exchange.request for exchange in rig.world.exchanges]
    assert [any(map(read, asked)) for read in reads] == [True, False]


@pytest.mark.parametrize("code", [403, 503])
async def test_of_a_secret_that_cannot_be_read_no_app_is_refreshed_first_and_all_others_are(
    code: int, caplog: Log
) -> None:
    """Before what leaked is cut off: its own task does it later."""
    rig = Consuming(SHOP, match="*", grace=60)
    site = rig.site()
    site.held.clear()
    rig.vault.put("copy", "x")
    engine = await rig.service().ready()
    item = rig.item(NAME, reported=rig.clock.now().isoformat())
    refuse(rig, code, "Refused", to_vault("GET", "copy"), times=99)

    async def keep() -> None:
        """Hold no lease."""

    await refresh.give(engine, item, [replace(item.ref, name="copy"), item.ref], keep)
    assert site.held == {"KEY": rig.latest(NAME).version}
    assert "/secrets/copy are not refreshed first" in caplog.text


@pytest.mark.parametrize(("ago", "asks"), [(59, True), (60, False)])
async def test_a_grace_that_is_over_asks_no_app(ago: int, *, asks: bool) -> None:
    rig = Consuming(SHOP, grace=60)
    rig.site()
    reported = rig.clock.now() - timedelta(seconds=ago)
    item, engine = rig.item(NAME, reported=reported.isoformat()), await rig.service().ready()
    rig.world.exchanges.clear()

    async def keep() -> None:
        """Hold no lease."""

    await refresh.give(engine, item, [item.ref], keep)
    assert any(to_refresh(it.request) or to_list(it.request) for it in rig.world.exchanges) is asks
    rig = Consuming(SHOP)
    await refresh.give(await rig.service().ready(), item, [], keep)


@pytest.mark.parametrize("code", [403, 503])
async def test_an_app_that_cannot_be_refreshed_keeps_nothing_that_leaked_alive(code: int) -> None:
    rig = Consuming(SHOP, grace=60)
    rig.site()
    refuse(rig, code, "Refused", to_list, times=99)
    seconds, _, _ = await in_an_incident(rig)
    assert seconds < 20


async def test_a_grace_counts_from_the_report_so_a_late_worker_gives_none() -> None:
    rig = Consuming(SHOP, grace=60)
    rig.site().stuck = True
    late = (rig.clock.now() - timedelta(minutes=2)).isoformat()
    began = rig.clock.now()
    await rig.service().rotate(rig.item(NAME, compromised=True, reported=late).to_json(), 1)
    assert (rig.clock.now() - began).total_seconds() < 5
    assert RETIRE not in rig.tags(NAME)


@pytest.mark.parametrize(
    "blind",
    [
        lambda rig: vars(rig.world.web.sites[SHOP.lower()]).update(tells=False),
        lambda rig: refuse(rig, 403, "AuthorizationFailed", to_list, times=9),
        lambda rig: refuse(rig, 503, "Busy", to_list, times=99),
    ],
    ids=["it tells nothing", "it denies", "it fails"],
)
async def test_where_nothing_can_be_known_the_overlap_ends_as_it_would(
    blind: Callable[[Rig], None],
) -> None:
    rig = await lagging()
    blind(rig)
    await rig.try_to_retire()
    assert RETIRE not in rig.tags(NAME)


async def test_an_app_that_does_not_answer_holds_a_retirement_up_for_seconds_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = await lagging()
    monkeypatch.setattr(refresh, "LAGGING_SECONDS", 0.01)
    silence: asyncio.Future[Response] = asyncio.Future()

    async def silent(request: Request, call: Call) -> Response:
        return await (silence if to_list(request) else call())

    await rig.service(silent).rotate(rig.item(NAME, action="retire", trigger="sweep").to_json(), 1)
    assert RETIRE not in rig.tags(NAME)


@pytest.mark.parametrize("at", range(12, 40, 5))
async def test_wherever_a_worker_dies_while_apps_have_their_grace_what_leaked_is_cut_off(
    at: int,
) -> None:
    rig, saboteur = Consuming(SHOP, grace=60), Saboteur({at: "die after"})
    rig.site().stuck = True
    leaked, account = rig.latest(NAME).value, rig.world.accounts["appdata"]

    def start() -> Service:
        saboteur.dead = False
        return rig.service(saboteur)

    version, now = rig.latest(NAME).version, rig.clock.now().isoformat()
    item = rig.item(NAME, version=version, compromised=True, reported=now)
    await Rig.service(rig).engine.queue.post_rotation(item)
    await Delivery(rig, start).run(within=timedelta(minutes=30))
    accepted = {key.value for key in account.accepted_keys()}
    assert leaked not in accepted
    assert rig.latest(NAME).value in accepted
    assert len(rig.vault.versions(NAME)) == 2
    assert saboteur.calls > at


async def struck(at: int | None = None, mode: Mode = "die before") -> int:
    """Rotate a secret with consumers, with one fault at one call, then let a day and its audit pass; returns the calls."""
    rig, saboteur = Consuming(SHOP, WORKER), Saboteur({} if at is None else {at: mode})
    site, app = rig.site(), rig.container()
    promises = Promises(Place.of_account(rig, NAME, rig.world.accounts["appdata"]))
    saboteur.watch = promises.instant

    def start() -> Service:
        saboteur.dead = False
        return rig.service(saboteur)

    await Rig.service(rig).engine.queue.post_rotation(rig.item(NAME, trigger="event"))
    await Delivery(rig, start).run()
    rig.clock.advance(DAY)
    await rig.rotate(action="audit", trigger="sweep")
    current = rig.latest(NAME).version
    assert len(rig.vault.versions(NAME)) == 2
    assert site.held["KEY"] == current
    assert f"worker--rekey-{current[:12]}" in app.revisions
    assert STATE not in rig.tags(NAME)
    return saboteur.calls


async def test_whatever_happens_at_any_call_the_apps_have_the_current_version_in_the_end() -> None:
    calls = await struck()
    assert calls > 15
    for at in range(calls):
        for mode in share(at):
            await struck(at, mode)

"""`rekey rotate` and its like ask the app over its queue, as the HTTP API does, and follow what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from engine.model.workitem import operation_id
from simulator.faults import Fault
from simulator.wire import json_response
from tests.cli.desk import ADA, Desk
from tests.shared.delivery import Delivery
from tests.shared.scene import NAME, state


def desk(days_left: float = 10, **options: object) -> Desk:
    found = Desk()
    found.secret(NAME, found.account("appdata"), days_left=days_left, **options)  # type: ignore[arg-type]
    return found


def app_at_work(found: Desk) -> Callable[[], Awaitable[None]]:
    """Let the app take up what is on its queue, as itself."""

    async def work() -> None:
        await Delivery(found, found.service).run()

    return work


def test_a_rotation_is_asked_for_under_the_operators_name_and_with_the_reason() -> None:
    found = desk()
    ran = found.run("rotate", f"prod/{NAME}", "--reason", "audit finding 7")
    assert (ran.code, "status     queued" in ran.out) == (0, True)
    (message,) = found.messages("rotations")
    assert message["requested_by"] == f"{ADA}, by command line ({found.ada.oid})"
    assert (message["reason"], message["trigger"], message["force"]) == (
        "audit finding 7",
        "manual",
        False,
    )


def test_force_and_compromised_are_passed_on() -> None:
    found = desk(days_left=80)
    assert found.run("rotate", f"prod/{NAME}", "--force").code == 0
    assert found.run("rotate", f"prod/{NAME}", "--compromised").code == 0
    assert [(each["force"], each["compromised"]) for each in found.messages("rotations")] == [
        (True, False),
        (False, True),
    ]


def test_an_operation_is_followed_to_its_end() -> None:
    found = desk()
    old = found.latest(NAME)
    ran = found.run("rotate", f"prod/{NAME}", "--wait", "--json", while_waiting=app_at_work(found))
    new = found.latest(NAME)
    assert ran.code == 0
    assert ran.json["status"] == "succeeded"
    assert ran.json["version"] == new.version != old.version
    assert ran.json["operation"] == operation_id(found.item(NAME).ref, old.version)


def test_an_operation_that_fails_is_a_finding_with_its_reason() -> None:
    found = desk()
    refusal = json_response(403, {"error": {"code": "AuthorizationFailed", "message": "no"}})

    async def refused_at_work() -> None:
        found.world.faults.append(
            Fault(lambda each: each.path.endswith("/regenerateKey"), refusal, 9)
        )
        await app_at_work(found)()

    ran = found.run("rotate", f"prod/{NAME}", "--wait", while_waiting=refused_at_work)
    assert ran.code == 1
    assert "status     failed" in ran.out
    assert "regenerating key2 was answered 403" in ran.out


def test_an_operation_that_has_become_needless_ends_as_declined() -> None:
    found = desk()

    async def somebody_extends_its_life() -> None:
        found.vault.amend(
            found.latest(NAME), expires=int(found.clock.now().timestamp()) + 80 * 86_400
        )

    ran = found.run(
        "rotate", f"prod/{NAME}", "--wait", "--json", while_waiting=somebody_extends_its_life
    )
    assert (ran.code, ran.json["status"]) == (5, "skipped")


def test_an_operation_that_takes_longer_is_said_to_be_running() -> None:
    ran = desk().run("rotate", f"prod/{NAME}", "--wait", "30", "--json")
    assert (ran.code, ran.json["status"]) == (6, "running")


@pytest.mark.parametrize(
    ("days_left", "arguments", "code", "action"),
    [(10, (), 0, "rotate"), (80, (), 5, "skip"), (80, ("--force",), 0, "rotate")],
)
def test_a_dry_run_tells_what_would_happen_and_changes_nothing(
    days_left: float, arguments: tuple[str, ...], code: int, action: str
) -> None:
    found = desk(days_left)
    before = state(found)
    ran = found.run("rotate", f"prod/{NAME}", "--dry-run", "--json", *arguments)
    assert (ran.code, ran.json["action"]) == (code, action)
    assert state(found) == before


def test_what_does_not_fit_the_state_is_declined_with_the_fix() -> None:
    found = desk(days_left=80)
    before = state(found)
    ran = found.run("rotate", f"prod/{NAME}")
    assert ran.code == 5
    assert "not due before 2026-12-22 09:00Z. Fix: rotate it all the same with --force" in ran.err
    assert found.run("retire", f"prod/{NAME}").code == 5
    assert found.run("restore", f"prod/{NAME}").code == 5
    assert state(found) == before


def test_the_overlap_of_a_rotation_is_ended_and_taken_back_by_hand() -> None:
    found = desk()
    work = app_at_work(found)
    first = found.latest(NAME)
    assert found.run("rotate", f"prod/{NAME}", "--wait", while_waiting=work).code == 0
    restore = ("restore", f"prod/{NAME}", "--to", str(first.version), "--wait")
    assert found.run(*restore, while_waiting=work).code == 0
    assert found.latest(NAME).value == first.value
    assert (
        found.run("rotate", f"prod/{NAME}", "--compromised", "--wait", while_waiting=work).code == 0
    )
    assert "RekeyRetire" not in (found.latest(NAME).tags or {})


def test_a_restore_that_is_typed_twice_does_nothing_the_second_time() -> None:
    found = desk()
    work, first = app_at_work(found), found.latest(NAME)
    assert found.run("rotate", f"prod/{NAME}", "--wait", while_waiting=work).code == 0
    restore = ("restore", f"prod/{NAME}", "--to", str(first.version), "--wait", "-o", "json")
    once = found.run(*restore, while_waiting=work)
    restored = state(found)
    again = found.run(*restore, while_waiting=work)
    assert (once.code, again.code) == (0, 0)
    assert (once.json["status"], again.json["status"]) == ("succeeded", "succeeded")
    assert again.json["version"] == once.json["version"] == found.latest(NAME).version
    assert state(found) == restored
    assert found.latest(NAME).value == first.value


def test_two_restores_that_are_typed_before_the_app_has_acted_restore_once() -> None:
    found = desk()
    work, first = app_at_work(found), found.latest(NAME)
    assert found.run("rotate", f"prod/{NAME}", "--wait", while_waiting=work).code == 0
    for _ in range(2):
        assert found.run("restore", f"prod/{NAME}", "--to", str(first.version)).code == 0
    asyncio.run(Delivery(found, found.service).run())
    assert found.latest(NAME).value == first.value
    assert len(found.vault.versions(NAME)) == 3


def test_a_restore_that_names_no_version_says_what_to_type_and_queues_nothing() -> None:
    found = desk()
    work, first = app_at_work(found), found.latest(NAME)
    assert found.run("rotate", f"prod/{NAME}", "--wait", while_waiting=work).code == 0
    before = state(found)
    ran = found.run("restore", f"prod/{NAME}")
    assert ran.code == 5
    assert f"Fix: rekey restore prod/{NAME} --to {first.version} --wait" in ran.err
    assert state(found) == before
    typed = ran.err.partition("Fix: rekey ")[2].split()
    assert found.run(*typed, while_waiting=work).code == 0
    assert found.latest(NAME).value == first.value


@pytest.mark.parametrize("version", ["0" * 32, "x"])
def test_a_restore_to_another_version_is_declined_and_names_the_one_that_can_be_had(
    version: str,
) -> None:
    found = desk()
    work, first = app_at_work(found), found.latest(NAME)
    assert found.run("rotate", f"prod/{NAME}", "--wait", while_waiting=work).code == 0
    before = state(found)
    ran = found.run("restore", f"prod/{NAME}", "--to", version)
    assert ran.code == 5
    assert f"restore version {first.version}" in ran.err
    assert state(found) == before


def test_a_parked_secret_is_tried_again_by_hand() -> None:
    found = desk()
    refusal = json_response(403, {"error": {"code": "AuthorizationFailed", "message": "no"}})
    found.world.faults.append(Fault(lambda each: each.path.endswith("/regenerateKey"), refusal, 1))
    work = app_at_work(found)
    assert found.run("rotate", f"prod/{NAME}", "--wait", while_waiting=work).code == 1
    assert found.run("unpark", f"prod/{NAME}", "--dry-run").code == 0
    found.clock.advance(60)
    ran = found.run("unpark", f"prod/{NAME}", "--wait", "--json", while_waiting=work)
    assert (ran.code, ran.json["status"]) == (0, "succeeded")
    assert "RekeyState" not in (found.latest(NAME).tags or {})


@pytest.mark.parametrize(
    "secret",
    ["prod/none", "foreign/app-key", "prod", "prod/", "/app-key", "prod/a_b", "prod/a/b", "ü/x"],
)
def test_what_is_no_secret_of_ours_is_declined_and_nothing_is_queued(secret: str) -> None:
    found = desk()
    ran = found.run("rotate", secret)
    assert ran.code == 5
    assert "Fix: " in ran.err
    assert found.messages("rotations") == []


def test_who_may_not_touch_the_source_can_ask_all_the_same_but_not_rehearse() -> None:
    found = Desk()
    elsewhere = found.world.add_account("elsewhere", group="apart")
    found.bound.append(elsewhere.resource_id.lower())
    found.secret(NAME, elsewhere)
    assert found.run("rotate", f"prod/{NAME}").code == 0
    assert len(found.messages("rotations")) == 1
    assert found.run("rotate", f"prod/{NAME}", "--dry-run").code == 4


def test_where_the_queue_refuses_the_role_is_named() -> None:
    found = desk()
    refusal = json_response(403, {}, {"x-ms-error-code": "AuthorizationPermissionMismatch"})
    found.world.faults.append(Fault(lambda each: each.path == "/rotations/messages", refusal, 1))
    ran = found.run("rotate", f"prod/{NAME}")
    assert ran.code == 4
    assert "Storage Queue Data Contributor" in ran.err

"""`rekey rotate` and its like ask the app over its queue, as the HTTP API does.

Then follow what comes of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from engine.model.workitem import operation_id
from simulator.faults import Fault
from simulator.wire import json_response
from tests.cli.desk import ADA, Desk
from tests.shared.delivery import Delivery
from tests.shared.scene import NAME, state
from tests.shared.sql_rig import SQL_ACTIONS


def a_desk(days_left: float = 10, **options: object) -> Desk:
    desk = Desk()
    desk.secret(NAME, desk.account("appdata"), days_left=days_left, **options)  # type: ignore[arg-type]
    return desk


def app_at_work(desk: Desk) -> Callable[[], Awaitable[None]]:
    """Let the app take up what is on its queue, as itself."""

    async def work() -> None:
        await Delivery(desk, desk.service).run()

    return work


def test_a_rotation_is_asked_for_under_the_operators_name_and_with_the_reason() -> None:
    desk = a_desk()
    ran = desk.run("rotate", f"prod/{NAME}", "--reason", "audit finding 7")
    assert (ran.code, "status     queued" in ran.out) == (0, True)
    (message,) = desk.messages("rotations")
    assert message["requested_by"] == f"{ADA}, by command line ({desk.ada.oid})"
    assert (message["reason"], message["trigger"], message["force"]) == (
        "audit finding 7",
        "manual",
        False,
    )


def test_force_of_a_retirement_reaches_the_app_which_says_where_it_overrules_nothing() -> None:
    desk = a_desk()
    ran = desk.run("retire", f"prod/{NAME}", "--force")
    assert ran.code == 5
    assert "force overrules an app that uses an older version, and none does" in ran.err
    assert "rekey rotate with --compromised" in ran.err


def test_force_and_compromised_are_passed_on() -> None:
    desk = a_desk(days_left=80)
    assert desk.run("rotate", f"prod/{NAME}", "--force").code == 0
    assert desk.run("rotate", f"prod/{NAME}", "--compromised").code == 0
    assert [
        (message["force"], message["compromised"]) for message in desk.messages("rotations")
    ] == [(True, False), (False, True)]


def test_an_operation_is_followed_to_its_end() -> None:
    desk = a_desk()
    old = desk.latest(NAME)
    ran = desk.run("rotate", f"prod/{NAME}", "--wait", "--json", while_waiting=app_at_work(desk))
    new = desk.latest(NAME)
    assert ran.code == 0
    assert ran.json["status"] == "succeeded"
    assert ran.json["version"] == new.version != old.version
    assert ran.json["operation"] == operation_id(desk.item(NAME).ref, old.version)


def test_an_operation_that_fails_is_a_finding_with_its_reason() -> None:
    desk = a_desk()
    refusal = json_response(403, {"error": {"code": "AuthorizationFailed", "message": "no"}})

    async def refused_at_work() -> None:
        desk.world.faults.append(
            Fault(lambda request: request.path.endswith("/regenerateKey"), refusal, 9)
        )
        await app_at_work(desk)()

    ran = desk.run("rotate", f"prod/{NAME}", "--wait", while_waiting=refused_at_work)
    assert ran.code == 1
    assert "status     failed" in ran.out
    assert "regenerating key2 was answered 403" in ran.out


def test_an_operation_that_has_become_needless_ends_as_declined() -> None:
    desk = a_desk()

    async def somebody_extends_its_life() -> None:
        desk.vault.amend(desk.latest(NAME), expires=int(desk.clock.now().timestamp()) + 80 * 86_400)

    ran = desk.run(
        "rotate", f"prod/{NAME}", "--wait", "--json", while_waiting=somebody_extends_its_life
    )
    assert (ran.code, ran.json["status"]) == (5, "skipped")


def test_an_operation_that_takes_longer_is_said_to_be_running() -> None:
    ran = a_desk().run("rotate", f"prod/{NAME}", "--wait", "30", "--json")
    assert (ran.code, ran.json["status"]) == (6, "running")


@pytest.mark.parametrize(
    ("days_left", "arguments", "code", "action"),
    [(10, (), 0, "rotate"), (80, (), 5, "skip"), (80, ("--force",), 0, "rotate")],
)
def test_a_dry_run_tells_what_would_happen_and_changes_nothing(
    days_left: float, arguments: tuple[str, ...], code: int, action: str
) -> None:
    desk = a_desk(days_left)
    before = state(desk)
    ran = desk.run("rotate", f"prod/{NAME}", "--dry-run", "--json", *arguments)
    assert (ran.code, ran.json["action"]) == (code, action)
    assert state(desk) == before


def test_what_does_not_fit_the_state_is_declined_with_the_fix() -> None:
    desk = a_desk(days_left=80)
    before = state(desk)
    ran = desk.run("rotate", f"prod/{NAME}")
    assert ran.code == 5
    assert "not due before 2026-12-22 09:00Z. Fix: rotate it anyway with --force" in ran.err
    assert desk.run("retire", f"prod/{NAME}").code == 5
    assert desk.run("restore", f"prod/{NAME}").code == 5
    assert state(desk) == before


def test_a_restore_that_is_typed_twice_does_nothing_the_second_time() -> None:
    desk = a_desk()
    work, first = app_at_work(desk), desk.latest(NAME)
    assert desk.run("rotate", f"prod/{NAME}", "--wait", while_waiting=work).code == 0
    restore = ("restore", f"prod/{NAME}", "--to", str(first.version), "--wait", "-o", "json")
    once = desk.run(*restore, while_waiting=work)
    restored = state(desk)
    again = desk.run(*restore, while_waiting=work)
    assert (once.code, again.code) == (0, 0)
    assert (once.json["status"], again.json["status"]) == ("succeeded", "succeeded")
    assert again.json["version"] == once.json["version"] == desk.latest(NAME).version
    assert state(desk) == restored
    assert desk.latest(NAME).value == first.value


def test_a_restore_that_names_no_version_says_what_to_type_and_queues_nothing() -> None:
    desk = a_desk()
    work, first = app_at_work(desk), desk.latest(NAME)
    assert desk.run("rotate", f"prod/{NAME}", "--wait", while_waiting=work).code == 0
    before = state(desk)
    ran = desk.run("restore", f"prod/{NAME}")
    assert ran.code == 5
    assert f"Fix: rekey restore prod/{NAME} --to {first.version} --wait" in ran.err
    assert state(desk) == before
    typed = ran.err.partition("Fix: rekey ")[2].split()
    assert desk.run(*typed, while_waiting=work).code == 0
    assert desk.latest(NAME).value == first.value


@pytest.mark.parametrize("version", ["0" * 32, "x"])
def test_a_restore_to_another_version_is_declined_and_names_the_one_that_can_be_had(
    version: str,
) -> None:
    desk = a_desk()
    work, first = app_at_work(desk), desk.latest(NAME)
    assert desk.run("rotate", f"prod/{NAME}", "--wait", while_waiting=work).code == 0
    before = state(desk)
    ran = desk.run("restore", f"prod/{NAME}", "--to", version)
    assert ran.code == 5
    assert f"restore version {first.version}" in ran.err
    assert state(desk) == before


def test_a_parked_secret_is_tried_again_by_hand() -> None:
    desk = a_desk()
    refusal = json_response(403, {"error": {"code": "AuthorizationFailed", "message": "no"}})
    desk.world.faults.append(
        Fault(lambda request: request.path.endswith("/regenerateKey"), refusal, 1)
    )
    work = app_at_work(desk)
    assert desk.run("rotate", f"prod/{NAME}", "--wait", while_waiting=work).code == 1
    assert desk.run("unpark", f"prod/{NAME}", "--dry-run").code == 0
    desk.clock.advance(60)
    ran = desk.run("unpark", f"prod/{NAME}", "--wait", "--json", while_waiting=work)
    assert (ran.code, ran.json["status"]) == (0, "succeeded")
    assert "RekeyState" not in (desk.latest(NAME).tags or {})


@pytest.mark.parametrize(
    "secret",
    ["prod/none", "foreign/app-key", "prod", "prod/", "/app-key", "prod/a_b", "prod/a/b", "ü/x"],
)
def test_what_is_no_secret_of_ours_is_declined_and_nothing_is_queued(secret: str) -> None:
    desk = a_desk()
    ran = desk.run("rotate", secret)
    assert ran.code == 5
    assert "Fix: " in ran.err
    assert desk.messages("rotations") == []


def test_who_may_not_touch_the_source_can_ask_all_the_same_but_not_rehearse() -> None:
    desk = Desk()
    elsewhere = desk.world.add_account("elsewhere", group="apart")
    desk.bound.append(elsewhere.resource_id.lower())
    desk.secret(NAME, elsewhere)
    assert desk.run("rotate", f"prod/{NAME}").code == 0
    assert len(desk.messages("rotations")) == 1
    assert desk.run("rotate", f"prod/{NAME}", "--dry-run").code == 4


def test_where_the_queue_refuses_the_role_is_named() -> None:
    desk = a_desk()
    refusal = json_response(403, {}, {"x-ms-error-code": "AuthorizationPermissionMismatch"})
    desk.world.faults.append(
        Fault(lambda request: request.path == "/rotations/messages", refusal, 1)
    )
    ran = desk.run("rotate", f"prod/{NAME}")
    assert ran.code == 4
    assert "Storage Queue Data Message Sender" in ran.err


def test_a_success_says_what_is_true_now() -> None:
    """The new credential, and until when the old one works, or that it is refused."""
    desk = a_desk()
    work = app_at_work(desk)
    ran = desk.run("rotate", f"prod/{NAME}", "--wait", while_waiting=work)
    until = desk.clock.now() + timedelta(days=7)
    assert f"the vault holds key2, good until {desk.clock.now() + timedelta(days=90):%Y-%m-%d}" in (
        ran.out
    )
    assert f"; key1 works until {until:%Y-%m-%d}" in ran.out
    desk.clock.advance(8 * 86_400)
    ran = desk.run("retire", f"prod/{NAME}", "--wait", while_waiting=work)
    assert "; key1 is revoked, and the version that holds it is disabled" in ran.out
    ran = desk.run("rotate", f"prod/{NAME}", "--compromised", "--wait", while_waiting=work)
    assert "the vault holds key1," in ran.out
    assert "; key2 is revoked, and the version that holds it is disabled" in ran.out
    assert "now" not in desk.run("rotate", f"prod/{NAME}", "--dry-run", "--json").json


def test_of_a_single_password_a_success_says_that_the_one_before_is_refused() -> None:
    desk = Desk()
    password = "F1rst-password-nobody-uses"
    server = desk.world.sql.add_server("orders", "sqladmin", password)
    desk.world.grant(desk.identity, SQL_ACTIONS, desk.group)
    tags = {"ProviderAddress": server.resource_id, "ValidityPeriodDays": "90"}
    expires = desk.clock.now() + timedelta(days=10)
    desk.vault.put("sql", password, expires=expires, tags=tags)
    ran = desk.run("rotate", "prod/sql", "--wait", while_waiting=app_at_work(desk))
    assert "the vault holds sqladmin, good until" in ran.out
    assert "; the password before it is refused" in ran.out

"""`rekey rotate` and its like ask the app over its queue, as the HTTP API does, and follow it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from engine.state.request import operation_id
from tests.cli.desk import ADA, Desk, managing
from tests.shared.scene import NAME, refuse, state, to_arm
from tests.shared.sql_rig import SQL_ACTIONS
from tests.unchanged import unchanged


def test_a_rotation_is_asked_for_under_the_operators_name_and_with_the_reason() -> None:
    desk = managing(10)
    desk.run("rotate", f"prod/{NAME}", "--reason", "audit finding 7").ends(0, "status     queued")
    (message,) = desk.messages("rotations")
    assert message["requested_by"] == f"{ADA}, by command line ({desk.ada.oid})"
    assert (message["reason"], message["trigger"]) == ("audit finding 7", "manual")
    assert not message["force"]


def test_force_of_a_retirement_reaches_the_app_which_says_where_it_overrules_nothing() -> None:
    desk = managing(10)
    desk.run("retire", f"prod/{NAME}", "--force").ends(
        5,
        "force overrules an app that uses an older version, and none does",
        "rekey rotate with --compromised",
    )


def test_force_and_compromised_are_passed_on() -> None:
    desk = managing()
    assert desk.run("rotate", f"prod/{NAME}", "--force").code == 0
    assert desk.run("rotate", f"prod/{NAME}", "--compromised").code == 0
    sent = [(item["force"], item["compromised"]) for item in desk.messages("rotations")]
    assert sent == [(True, False), (False, True)]


def test_an_operation_is_followed_to_its_end() -> None:
    desk = managing(10)
    old = desk.latest(NAME)
    ran = desk.run("rotate", f"prod/{NAME}", "--wait", "--json", while_waiting=desk.take_up)
    new = desk.latest(NAME)
    assert ran.code == 0
    assert ran.json["status"] == "succeeded"
    assert ran.json["version"] == new.version != old.version
    assert ran.json["operation"] == operation_id(desk.item(NAME).ref, old.version)


def test_an_operation_that_fails_is_a_finding_with_its_reason() -> None:
    desk = managing(10)

    async def refused_at_work() -> None:
        refuse(desk, 403, "AuthorizationFailed", to_arm("regenerateKey"), 9)
        await desk.take_up()

    ran = desk.run("rotate", f"prod/{NAME}", "--wait", while_waiting=refused_at_work)
    ran.ends(1, "status     failed", "regenerating key2 was answered 403")


def test_an_operation_that_has_become_needless_ends_as_declined() -> None:
    desk = managing(10)

    async def somebody_extends_its_life() -> None:
        desk.vault.amend(desk.latest(NAME), expires=int(desk.clock.now().timestamp()) + 80 * 86_400)

    ran = desk.run(
        "rotate", f"prod/{NAME}", "--wait", "--json", while_waiting=somebody_extends_its_life
    )
    assert (ran.code, ran.json["status"]) == (5, "skipped")


def test_an_operation_that_takes_longer_is_said_to_be_running() -> None:
    ran = managing(10).run("rotate", f"prod/{NAME}", "--wait", "30", "--json")
    assert (ran.code, ran.json["status"]) == (6, "running")


@pytest.mark.parametrize(
    ("days_left", "arguments", "code", "action"),
    [(10, (), 0, "rotate"), (80, (), 5, "skip"), (80, ("--force",), 0, "rotate")],
)
def test_a_dry_run_tells_what_would_happen_and_changes_nothing(
    days_left: float, arguments: tuple[str, ...], code: int, action: str
) -> None:
    desk = managing(days_left)
    with unchanged(desk):
        ran = desk.run("rotate", f"prod/{NAME}", "--dry-run", "--json", *arguments)
    assert (ran.code, ran.json["action"]) == (code, action)


def test_what_does_not_fit_the_state_is_declined_with_the_fix() -> None:
    desk = managing()
    with unchanged(desk):
        ran = desk.run("rotate", f"prod/{NAME}")
        ran.ends(5, "not due before 2026-12-22 09:00Z. Fix: rotate it anyway with --force")
        assert desk.run("retire", f"prod/{NAME}").code == 5
        assert desk.run("restore", f"prod/{NAME}").code == 5


def test_a_restore_that_names_no_version_says_what_to_type_which_does_nothing_the_second_time() -> (
    None
):
    desk = managing(10)
    first = desk.latest(NAME)
    assert desk.run("rotate", f"prod/{NAME}", "--wait", while_waiting=desk.take_up).code == 0
    with unchanged(desk):
        ran = desk.run("restore", f"prod/{NAME}")
        ran.ends(5, f"Fix: rekey restore prod/{NAME} --to {first.version} --wait")
    typed = ran.err.partition("Fix: rekey ")[2].split()
    assert desk.run(*typed, while_waiting=desk.take_up).code == 0
    assert desk.latest(NAME).value == first.value
    restored = state(desk)
    again = desk.run(*typed, "-o", "json", while_waiting=desk.take_up)
    assert (again.code, again.json["status"], state(desk)) == (0, "succeeded", restored)


@pytest.mark.parametrize("version", ["0" * 32, "x"])
def test_a_restore_to_another_version_is_declined_and_names_the_right_one(version: str) -> None:
    desk = managing(10)
    first = desk.latest(NAME)
    assert desk.run("rotate", f"prod/{NAME}", "--wait", while_waiting=desk.take_up).code == 0
    with unchanged(desk):
        desk.run("restore", f"prod/{NAME}", "--to", version).ends(
            5, f"restore version {first.version}"
        )


def test_a_parked_secret_is_tried_again_by_hand() -> None:
    desk = managing(10)
    refuse(desk, 403, "AuthorizationFailed", to_arm("regenerateKey"))
    assert desk.run("rotate", f"prod/{NAME}", "--wait", while_waiting=desk.take_up).code == 1
    assert desk.run("unpark", f"prod/{NAME}", "--dry-run").code == 0
    desk.clock.advance(60)
    ran = desk.run("unpark", f"prod/{NAME}", "--wait", "--json", while_waiting=desk.take_up)
    assert (ran.code, ran.json["status"]) == (0, "succeeded")
    assert "RekeyState" not in (desk.latest(NAME).tags or {})


@pytest.mark.parametrize(
    "secret",
    ["prod/none", "foreign/app-key", "prod", "prod/", "/app-key", "prod/a_b", "prod/a/b", "ü/x"],
)
def test_what_is_no_secret_of_ours_is_declined_and_nothing_is_queued(secret: str) -> None:
    desk = managing(10)
    desk.run("rotate", secret).ends(5, "Fix: ")
    assert desk.messages("rotations") == []


def test_who_may_not_touch_the_source_can_ask_all_the_same_but_not_rehearse() -> None:
    desk = Desk()
    elsewhere = desk.world.add_account("elsewhere", group="apart")
    desk.bound.append(elsewhere.resource_id.lower())
    desk.secret(NAME, elsewhere)
    assert desk.run("rotate", f"prod/{NAME}").code == 0
    assert len(desk.messages("rotations")) == 1
    assert desk.run("rotate", f"prod/{NAME}", "--dry-run").code == 4


def test_a_success_says_what_is_true_now() -> None:
    """The new credential, and until when the old one works, or that it is refused."""
    desk = managing(10)
    ran = desk.run("rotate", f"prod/{NAME}", "--wait", while_waiting=desk.take_up)
    until = desk.clock.now() + timedelta(days=7)
    assert f"the vault holds key2, good until {desk.clock.now() + timedelta(days=90):%Y-%m-%d}" in (
        ran.out
    )
    assert f"; key1 works until {until:%Y-%m-%d}" in ran.out
    desk.clock.advance(8 * 86_400)
    ran = desk.run("retire", f"prod/{NAME}", "--wait", while_waiting=desk.take_up)
    assert "; key1 is revoked, and the version that holds it is disabled" in ran.out
    ran = desk.run("rotate", f"prod/{NAME}", "--compromised", "--wait", while_waiting=desk.take_up)
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
    ran = desk.run("rotate", "prod/sql", "--wait", while_waiting=desk.take_up)
    assert "the vault holds sqladmin, good until" in ran.out
    assert "; the password before it is refused" in ran.out


@pytest.mark.parametrize("overlap", [False, True])
def test_what_a_person_has_cut_off_since_the_last_audit_is_mended_by_the_pages_command(
    overlap: bool,
) -> None:
    """Until an audit proves it, the secret is said to be fine, and there is nothing to unpark."""
    desk = managing(days_left=10 if overlap else 80)
    account = desk.world.accounts["appdata"]
    earlier = desk.latest(NAME).version
    if overlap:
        desk.run("rotate", f"prod/{NAME}", "--wait", while_waiting=desk.take_up).ends(0)
    desk.clock.advance(3600)
    account.regenerate((desk.latest(NAME).tags or {})["CredentialId"])
    desk.run("show", f"prod/{NAME}").ends(0)
    assert desk.latest(NAME).value not in [key.value for key in account.keys.values()]
    words = ("restore", "--to", str(earlier)) if overlap else ("rotate", "--force")
    command = (words[0], f"prod/{NAME}", *words[1:], "--wait")
    desk.run(*command, while_waiting=desk.take_up).ends(0)
    assert desk.latest(NAME).value in [key.value for key in account.keys.values()]


def test_a_dry_run_writes_every_time_in_one_way() -> None:
    desk = managing(days_left=10)
    desk.run("rotate", f"prod/{NAME}", "--wait", while_waiting=desk.take_up).ends(0)
    ran = desk.run("rotate", f"prod/{NAME}", "--force", "--dry-run")
    until = f"{desk.clock.now() + timedelta(days=7):%Y-%m-%d}"
    untils = [line.split()[1] for line in ran.out.splitlines() if line.split()[:1] == ["until"]]
    assert untils == [until, until]
    assert not re.search(r"\d{2}T\d{2}:", ran.out)

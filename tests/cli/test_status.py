"""`rekey status` answers what the state is, what needs a person first, and what to do about it."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest

from cli.board import HELD
from simulator.faults import Fault
from simulator.wire import Request, json_response
from tests.cli.desk import Desk, managing
from tests.shared.scene import NAME, refuse, to_arm


def a_desk() -> Desk:
    """Return a desk with one secret in each of five states."""
    desk = Desk()
    desk.secret("well", desk.account("welldata"), days_left=80, tags={"Owner": "team-a"})
    desk.secret("soon", desk.account("soondata"), days_left=29.9, tags={"Owner": "team-b"})
    desk.secret("odd", desk.account("odddata"), tags={"ValidityPeriodDays": "sixty"})
    desk.secret("off", desk.account("offdata"), enabled=False)
    desk.vault.put("plain", "planted-value")
    return desk


def test_every_secret_is_shown_and_what_needs_a_person_comes_first_with_its_fix() -> None:
    ran = a_desk().run("status")
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0] == "secrets: 5 (1 parked, 1 due, 1 ok, 1 disabled, 1 unmanaged)"
    assert lines[2] == "parked: prod/odd"
    assert "fix  rekey tags set prod/odd ValidityPeriodDays=90" in lines[4]
    assert [line.split()[:2] for line in lines[7:]] == [
        ["parked", "prod/odd"],
        ["due", "prod/soon"],
        ["ok", "prod/well"],
        ["disabled", "prod/off"],
        ["unmanaged", "prod/plain"],
    ]


def test_where_nothing_needs_a_person_the_exit_code_is_0() -> None:
    assert managing().run("status").code == 0


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        (("--state", "ok"), ["well"]),
        (("--state", "attention"), ["odd"]),
        (("--owner", "TEAM-B"), ["soon"]),
        (("--name", "o*"), ["odd", "off"]),
        (("--rotator", "storage-key"), ["soon", "well"]),
        (("--vault", "PROD", "--name", "w*"), ["well"]),
        (("--state", "ok", "--owner", "team-b"), []),
    ],
)
def test_a_choice_leaves_out_all_others(chosen: tuple[str, ...], names: list[str]) -> None:
    shown = a_desk().run("status", "--json", *chosen).json
    assert [row["secret"] for row in shown["secrets"]] == names
    assert sum(shown["counts"].values()) == len(names)


def test_a_kind_that_there_is_not_is_wrong_usage() -> None:
    a_desk().run("status", "--rotator", "magic").ends(2, "storage-key")


def test_json_is_what_the_http_api_says_of_each_secret() -> None:
    shown = a_desk().run("status", "--json", "--name", "well").json
    assert shown["secrets"][0]["due"] == "2026-12-22T09:00:00+00:00"
    assert shown["counts"]["ok"] == 1


def test_a_vault_that_is_not_served_is_declined() -> None:
    a_desk().run("status", "--vault", "foreign").ends(5, "'foreign' is not served here")


def test_a_vault_that_cannot_be_read_does_not_hide_the_others_and_the_exit_code_says_so() -> None:
    desk = a_desk()
    other = desk.world.add_vault("broken", group="elsewhere")
    ran = desk.run("status", env=desk.beside(other))
    assert ran.code == 4
    assert "prod/well" in ran.out
    assert "broken.vault.azure.net" in ran.err
    assert "Fix: have the role Key Vault Reader" in ran.err
    assert ran.out.splitlines()[0].endswith("; could not be read: broken")


def test_an_azure_that_is_busy_is_told_as_that() -> None:
    desk = a_desk()
    refuse(desk, 503, "Busy", to_arm("/secrets"), 10)
    desk.run("status").ends(4, "503 Busy")


def test_what_a_tag_holds_cannot_drive_the_terminal() -> None:
    desk = managing(tags={"Owner": "a\x1b[2Jb\u202ec\n"})
    assert "a?[2Jb?c?" in desk.run("status").out
    for line in ("status", f"show prod/{NAME}", f"history prod/{NAME}"):
        assert "\x1b" not in desk.run(*line.split()).out


def many(count: int) -> Desk:
    """Return a desk with so many secrets of which the last one needs a person."""
    desk = Desk()
    for number in range(count - 1):
        desk.vault.put(f"plain-{number:05}", "x")
    desk.secret("zodd", desk.account("odddata"), tags={"ValidityPeriodDays": "sixty"})
    return desk


def test_a_long_list_shows_row_by_row_and_ends_with_the_count_and_what_needs_a_person() -> None:
    lines = many(HELD + 30).run("status").out.splitlines()
    assert lines[0].split() == ["state", "secret", "rotator", "owner", "expires", "due"]
    assert [line.split()[1] for line in lines[1 : HELD + 1]] == [
        f"prod/plain-{number:05}" for number in range(HELD)
    ]
    assert lines[-1] == f"secrets: {HELD + 30} (1 parked, {HELD + 29} unmanaged)"
    assert lines[-5] == "parked: prod/zodd"


def test_a_long_list_shows_before_its_last_page_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, shown = many(HELD + 100), io.StringIO()
    before: list[str] = []

    def page(request: Request) -> bool:
        before[:] = [shown.getvalue()] if request.path == "/secrets" else before
        return False

    desk.world.faults.append(Fault(page, json_response(503, {}), 1))
    monkeypatch.setattr(io, "StringIO", lambda: shown)
    desk.run("status")
    assert "prod/plain-00000" in before[0]
    assert "prod/zodd" not in before[0]


def test_a_long_list_is_in_order_where_a_program_reads_it() -> None:
    shown = many(HELD + 30).run("status", "--json").json
    assert [row["secret"] for row in shown["secrets"]][-1] == "zodd"


def test_a_secret_that_fell_out_of_management_is_shown_first_of_all_but_what_is_parked() -> None:
    desk = managing(10, "fallen")
    desk.run("rotate", "prod/fallen", "--wait", while_waiting=desk.take_up)
    desk.clock.advance(60)
    desk.vault.put("fallen", "written-without-tags")
    desk.run("status").ends(1, "dropped: prod/fallen")


def test_a_watched_list_shows_anew_until_it_is_interrupted() -> None:
    desk, rounds = a_desk(), [0]

    async def interrupt() -> None:
        rounds[0] += 1
        if rounds[0] == 3:
            raise KeyboardInterrupt

    before = desk.clock.now()
    ran = desk.run("status", "--watch", "20", while_waiting=interrupt)
    assert ran.code == 130
    assert ran.out.count("secrets: 5") == 3
    assert (desk.clock.now() - before).total_seconds() == 60
    assert "again in 20 s" in ran.out


def test_a_watched_list_goes_on_where_azure_is_busy_for_a_while() -> None:
    desk, rounds = a_desk(), [0]

    async def disturb() -> None:
        rounds[0] += 1
        if rounds[0] == 1:
            refuse(desk, 503, "Busy", to_arm("/secrets"), 4)
        if rounds[0] == 6:
            raise KeyboardInterrupt

    ran = desk.run("status", "--watch", "60", while_waiting=disturb)
    assert (ran.code, "503 Busy" in ran.err) == (130, True)
    assert ran.out.count("secrets: 5") > 1


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (("status",), "secrets[0]"),
        (("show", f"prod/{NAME}"), "@"),
        (("history", f"prod/{NAME}"), "@"),
        (("plan",), "coming[0]"),
        (("report",), "secrets[0]"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_an_answer_names_a_vault_as_commands_take_it(command: tuple[str, ...], path: str) -> None:
    desk = managing(10)
    shown = desk.run(*command, "-o", "json", "--query", path).json
    assert shown["vault"] == "prod"
    assert desk.run("show", f"{shown['vault']}/{shown['secret']}").code in (0, 1)


def test_what_expires_in_the_next_days_is_one_command() -> None:
    desk = Desk()
    for name, days in (("gone", -1), ("soon", 9), ("later", 11)):
        desk.vault.put(name, "x", expires=desk.clock.now() + timedelta(days=days))
    desk.vault.put("never", "x")

    def named(days: str) -> list[str]:
        ran = desk.run("status", "--expires-within", days, "--json")
        return [secret["secret"] for secret in ran.json["secrets"]]

    assert (named("10"), named("0")) == (["gone", "soon"], ["gone"])


def test_expired_is_no_state_and_the_option_for_it_is_named() -> None:
    ran = Desk().run("status", "--state", "expired")
    ran.ends(2, "--expires-within 0 lists what has expired")
    assert "parked?" not in ran.err

"""How one secret stands, what has happened, what comes next, and when it has come.

`rekey show` and `rekey history` tell it, `rekey plan` foresees it (what it foresees is proven in
tests/engine/planning/test_forecast.py), and `rekey wait` ends with it, and says so by its exit code.
"""

from __future__ import annotations

import asyncio
import io
import shlex
from datetime import timedelta

import pytest

from tests.cli.desk import Desk, managing
from tests.cli.test_main import Screen
from tests.shared.scene import NAME


def a_desk() -> Desk:
    desk = managing(name="app", tags={"Owner": "team-a"})
    desk.clock.advance(86_400)
    return desk


def test_one_secret_is_shown_with_its_owner_its_past_and_what_comes_next() -> None:
    desk = a_desk()
    ran = desk.run("show", "prod/app")
    assert ran.code == 0
    for text in ("owner", "team-a", "storage-key", "rotate", desk.latest("app").version):
        assert text in ran.out
    shown = desk.run("show", "prod/app", "--json").json
    assert shown["next"][0]["what"] == "rotate"
    assert shown["history"][0]["version"] == desk.latest("app").version


def test_a_secret_that_needs_a_person_is_shown_with_why_and_the_fix() -> None:
    desk = Desk()
    desk.secret("odd", desk.account("odddata"), tags={"ValidityPeriodDays": "sixty"})
    ran = desk.run("show", "prod/odd")
    ran.ends(1, "ValidityPeriodDays is 'sixty'", "rekey tags set prod/odd ValidityPeriodDays=90")


def test_a_history_has_every_version_newest_first_and_who_wrote_it() -> None:
    desk = a_desk()
    first = desk.latest("app").version
    rotate = ("rotate", "prod/app", "--force", "--wait")
    assert desk.run(*rotate, while_waiting=desk.take_up).code == 0
    versions = desk.run("history", "prod/app", "--json").json["versions"]
    assert [version["version"] for version in versions] == [desk.latest("app").version, first]
    assert [version["written_by"] for version in versions] == ["Rekey", "somebody else"]
    table = desk.run("history", "prod/app").out
    assert table.index(desk.latest("app").version) < table.index(first)


def test_since_when_a_change_is_under_way_is_shown_to_the_operator() -> None:
    desk = managing(10)
    began = desk.clock.now()
    source = desk.world.accounts["appdata"].resource_id.lower()
    asyncio.run(desk.note(source, NAME, waiting=began))
    assert f"under way since {began:%Y-%m-%d %H:%M}Z" in desk.run("show", f"prod/{NAME}").out
    (row,) = desk.run("status", "--json").json["secrets"]
    shown = desk.run("show", f"prod/{NAME}", "--json").json
    assert row["under_way_since"] == shown["under_way_since"] == began.isoformat()


def test_it_waits_until_the_secret_is_in_order() -> None:
    desk = managing(10)
    desk.run("rotate", f"prod/{NAME}")
    ran = desk.run("wait", f"prod/{NAME}", "--json", while_waiting=desk.take_up)
    assert (ran.code, ran.json["state"]) == (0, "ok")
    assert ran.json["version"] == desk.latest(NAME).version


def test_what_is_so_already_is_not_waited_for() -> None:
    desk = managing(10)
    before = desk.clock.now()
    assert desk.run("wait", f"prod/{NAME}", "--state", "ok,overdue").code == 0
    assert desk.clock.now() == before


def test_what_does_not_come_in_time_is_still_running() -> None:
    desk = managing(10)
    before = desk.clock.now()
    ran = desk.run("wait", f"prod/{NAME}", "--timeout", "12")
    assert (ran.code, (desk.clock.now() - before).total_seconds()) == (6, 12)
    assert "state    overdue" in ran.out


def test_a_state_that_there_is_not_is_wrong_usage() -> None:
    assert managing(10).run("wait", f"prod/{NAME}", "--state", "ok,fine").code == 2


@pytest.mark.parametrize("options", [(), ("--force",), ("--compromised",)])
def test_the_line_that_a_request_answers_with_follows_to_the_end(options: tuple[str, ...]) -> None:
    desk = managing(10)
    line = desk.run("rotate", f"prod/{NAME}", *options, "--json").json["follow"]
    assert desk.run(*shlex.split(line)[1:], "--timeout", "1", "--json").json["status"] == "running"
    ran = desk.run(*shlex.split(line)[1:], "--json", while_waiting=desk.take_up)
    assert (ran.code, ran.json["status"]) == (0, "succeeded")


def test_an_operation_that_is_none_of_this_secret_is_said_to_be_none() -> None:
    desk = managing(10)
    ran = desk.run("wait", f"prod/{NAME}", "--operation", "0" * 8 + "-0000-0000-0000-" + "0" * 12)
    assert (ran.code, "this secret has no operation" in ran.err) == (5, True)
    assert ran.err.endswith("Fix: rekey history shows them\n")


def test_what_is_to_come_is_shown_in_order_of_time() -> None:
    desk = managing(50, "well")
    desk.secret("early", desk.account("earlydata"), days_left=40)
    ran = desk.run("plan")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "until 2026-12-02 09:00Z to come: 4, expiries that nothing will prevent: 0",
        "",
        "what    when                        secret      why",
        "rotate  2026-11-12 09:00Z  in 10 d  prod/early  expires 2026-12-12 09:00Z",
        "retire  2026-11-19 09:00Z  in 17 d  prod/early  its overlap passes at 2026-11-19 09:00Z",
        "rotate  2026-11-22 09:00Z  in 20 d  prod/well   expires 2026-12-22 09:00Z",
        "retire  2026-11-29 09:00Z  in 27 d  prod/well   its overlap passes at 2026-11-29 09:00Z",
    ]


@pytest.mark.parametrize(
    ("days", "reason", "is_shown"),
    [("90", "its overlap passes", False), ("ninety", "ValidityPeriodDays is 'ninety'", True)],
)
def test_a_narrow_terminal_does_without_reasons_unless_something_expires(
    days: str, reason: str, is_shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one name was long, each rotation took five lines."""
    desk = managing(20, "a-long-name" * 4, tags={"ValidityPeriodDays": days})
    monkeypatch.setattr(io, "StringIO", Screen)
    monkeypatch.setenv("COLUMNS", "80")
    shown = desk.run("plan", "--days", "60").out
    assert (reason in shown) == is_shown
    assert ("rotate" in shown) != is_shown


@pytest.mark.parametrize(("days", "count"), [("19", 0), ("20", 1), ("366", 12)])
def test_the_days_are_how_far_it_looks(days: str, count: int) -> None:
    shown = managing(50, "well").run("plan", "--days", days, "--json").json
    assert len(shown["coming"]) == count


def test_an_expiry_that_nothing_prevents_is_a_finding_with_its_fix() -> None:
    desk = managing(50, "well")
    desk.secret("odd", desk.account("odddata"), tags={"ValidityPeriodDays": "sixty"})
    ran = desk.run("plan", "--json")
    (lost,) = [row for row in ran.json["coming"] if row["what"] == "expire"]
    mending = "rekey tags set prod/odd ValidityPeriodDays=90"
    assert (ran.code, lost["secret"], lost["fix"]) == (1, "odd", mending)
    assert "expiries that nothing will prevent: 1" in desk.run("plan").out


def test_one_vault_is_shown_but_all_are_looked_at() -> None:
    desk = managing(50, "well")
    replica = desk.world.add_vault("copies")
    soon = desk.clock.now() + timedelta(days=50)
    replica.put("copy", "x", expires=soon, tags={"ReplicaOf": f"{desk.vault.url}/secrets/well"})
    ran = desk.run("plan", "--vault", "copies", "--days", "60", env=desk.beside(replica))
    assert (ran.code, ran.out.count("\n")) == (0, 1)

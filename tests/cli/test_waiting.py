"""`rekey wait` ends when a secret is in a state or an operation has ended.

It also says so by its exit code.
"""

from __future__ import annotations

import shlex

import pytest

from tests.cli.desk import managing
from tests.shared.scene import NAME


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
def test_the_line_that_a_request_answers_with_follows_its_operation_to_the_end(
    options: tuple[str, ...],
) -> None:
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

"""The table of ten tasks on docs/cli.md: every command of it is run, and does what its row says."""

from __future__ import annotations

import asyncio
import io
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.codes import Exit
from simulator.azure import SUBSCRIPTION
from tests.cli.desk import Desk
from tests.cli.page import PAGE, scene

ROWS = dict(
    re.findall(
        r"^\| ([^|]+) \| (`rekey [^|]+) \|$",
        PAGE.read_text().partition("## Ten tasks")[2].partition("\n## ")[0],
        re.MULTILINE,
    )
)
ACCOUNTS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/production/providers/Microsoft.Storage"
LEGACY, ORDERS = (f"{ACCOUNTS}/storageAccounts/{name}" for name in ("legacy", "orders"))
BILLING = "prod/billing-storage"


def typed(task: str) -> list[list[str]]:
    """Return the commands of a task as they are typed, also those that the row tells in words."""
    cell = ROWS[task]
    lines = re.findall(r"`(rekey [^`]+)`", cell)
    if "`--wait` in place of" in cell:
        lines.append(lines[0].replace("--dry-run", "--wait"))
    if "without `--dry-run`" in cell:
        lines.append(lines[0].replace(" --dry-run", ""))
    return [shlex.split(line)[1:] for line in lines]


def test_there_are_ten_tasks_of_at_most_two_commands() -> None:
    assert list(ROWS) == list(TASKS)
    assert {len(typed(task)) for task in TASKS} <= {1, 2}


def parked(desk: Desk) -> None:
    item = desk.item("search-storage", trigger="sweep")
    asyncio.run(desk.service().rotate(item.to_json(), 1))


def rotated(desk: Desk) -> None:
    assert desk.run("rotate", BILLING, "--wait", while_waiting=desk.take_up).code == Exit.FINE


def mended(desk: Desk) -> None:
    tags = {**desk.tags("search-storage"), "ValidityPeriodDays": "90"}
    desk.vault.amend(desk.latest("search-storage"), tags=tags)


type Step = Callable[[Desk], None]
FINE, FOUND, DECLINED = Exit.FINE, Exit.FOUND, Exit.DECLINED
TASKS: dict[str, list[Step | tuple[Exit, str]]] = {
    "see how everything stands": [(FOUND, "search-storage")],
    "rotate": [(FINE, "action  "), (FINE, "succeeded")],
    "see what happened": [rotated, (FINE, "Rekey")],
    "find out who owns it": [(FOUND, "team-billing")],
    "answer a leak": [(FINE, "rekey incident follow"), (FINE, "")],
    "undo": [rotated, (DECLINED, "--to "), (FINE, "succeeded")],
    "see why one is parked, and go on": [parked, (FOUND, "ValidityPeriodDays"), mended, (FINE, "")],
    "put a secret under management": [(FINE, "would be adopted"), (FINE, "adopted")],
    "change the policy": [(FINE, "would be pushed"), (FINE, "")],
    "prove compliance": [(FOUND, "")],
}
"""What happens before each command, and how the command ends: with this code and these words."""


@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_done_by_the_commands_of_its_row(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("policy.yaml").write_text("version: 1\ndefaults:\n  owner: everybody\n")
    desk, lines = scene(), typed(task)
    known = {"undo": str(desk.latest("billing-storage").version), "answer a leak": ORDERS}
    for step in TASKS[task]:
        if not isinstance(step, tuple):
            step(desk)
            continue
        monkeypatch.setattr("sys.stdin", io.StringIO(desk.latest("billing-storage").value))
        words = [known.get(task, LEGACY) if word == "<id>" else word for word in lines.pop(0)]
        yes = ["--yes"] if words[0] in ("adopt", "incident") else []
        ran = desk.run(*words, *yes, while_waiting=desk.take_up)
        desk.clock.advance(60)
        assert (ran.code, step[1] in ran.out + ran.err) == (step[0], True), ran
    assert lines == []

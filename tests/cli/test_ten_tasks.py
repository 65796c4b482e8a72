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
from tests.cli.desk import Desk, Ran
from tests.cli.page import PAGE, scene

ROWS = dict(
    re.findall(
        r"^\| ([^|]+) \| (`rekey [^|]+) \|$",
        PAGE.read_text().partition("## Ten tasks")[2].partition("\n## ")[0],
        re.MULTILINE,
    )
)
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/production/providers"
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


def run(desk: Desk, words: list[str], **values: str) -> Ran:
    """Run one command while the app is at work; `<id>` is what the moment knows."""
    ran = desk.run(*(values.get(word, word) for word in words), while_waiting=desk.work)
    desk.clock.advance(60)
    return ran


def stands(desk: Desk) -> None:
    (command,) = typed("see how everything stands")
    ran = run(desk, command)
    assert (ran.code, "search-storage" in ran.out) == (Exit.FOUND, True)


def rotates(desk: Desk) -> None:
    before = desk.latest("billing-storage")
    dry, real = typed("rotate")
    assert run(desk, dry).code == Exit.FINE
    assert desk.latest("billing-storage").version == before.version
    assert "succeeded" in run(desk, real).out
    assert desk.latest("billing-storage").version != before.version


def tells(desk: Desk) -> None:
    rotates(desk)
    (command,) = typed("see what happened")
    ran = run(desk, command)
    assert (ran.code, ran.out.count("Rekey")) == (Exit.FINE, 1)


def owner(desk: Desk) -> None:
    (command,) = typed("find out who owns it")
    assert re.search(r"owner +team-billing", run(desk, command).out)


def leak(desk: Desk) -> None:
    leaked = desk.latest("billing-storage").value
    first, many = typed("answer a leak")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.StringIO(leaked))
        assert "rekey incident follow" in run(desk, first).out
    asyncio.run(desk.work())
    assert leaked not in {key.value for key in desk.world.accounts["billing"].keys.values()}
    source = f"{GROUP}/Microsoft.Storage/storageAccounts/orders"
    assert run(desk, [*many, "--yes"], **{"<id>": source}).code == Exit.FINE


def undo(desk: Desk) -> None:
    before = desk.latest("billing-storage")
    rotates(desk)
    asks, does = typed("undo")
    ran = run(desk, asks)
    assert ran.code == Exit.DECLINED
    assert f"--to {before.version}" in ran.err
    assert "succeeded" in run(desk, does, **{"<id>": str(before.version)}).out
    assert desk.latest("billing-storage").value == before.value


def parked(desk: Desk) -> None:
    show, unpark = typed("see why one is parked, and go on")
    item = desk.item("search-storage", trigger="sweep")
    asyncio.run(desk.service().rotate(item.to_json(), 1))
    assert "ValidityPeriodDays" in run(desk, show).out
    mended = {**desk.tags("search-storage"), "ValidityPeriodDays": "90"}
    desk.vault.amend(desk.latest("search-storage"), tags=mended)
    assert run(desk, unpark).code == Exit.FINE
    assert "RekeyState" not in desk.tags("search-storage")


def adopts(desk: Desk) -> None:
    dry, real = typed("put a secret under management")
    source = f"{GROUP}/Microsoft.Storage/storageAccounts/legacy"
    assert run(desk, dry, **{"<id>": source}).code == Exit.FINE
    assert "ProviderAddress" not in (desk.latest("legacy-key").tags or {})
    assert run(desk, [*real, "--yes"], **{"<id>": source}).code == Exit.FINE
    assert (desk.latest("legacy-key").tags or {})["ProviderAddress"] == source


def policy(desk: Desk) -> None:
    Path("policy.yaml").write_text("version: 1\ndefaults:\n  owner: everybody\n")
    dry, real = typed("change the policy")
    assert run(desk, dry).code == Exit.FINE
    assert run(desk, real).code == Exit.FINE
    assert "everybody" in run(desk, ["policy", "show"]).out


def proves(desk: Desk) -> None:
    (command,) = typed("prove compliance")
    assert run(desk, command).code in (Exit.FINE, Exit.FOUND)
    assert "billing-storage" in Path("report.html").read_text()


TASKS: dict[str, Callable[[Desk], None]] = {
    "see how everything stands": stands,
    "rotate": rotates,
    "see what happened": tells,
    "find out who owns it": owner,
    "answer a leak": leak,
    "undo": undo,
    "see why one is parked, and go on": parked,
    "put a secret under management": adopts,
    "change the policy": policy,
    "prove compliance": proves,
}


def test_there_are_ten_tasks_of_at_most_two_commands() -> None:
    assert list(ROWS) == list(TASKS)
    assert {len(typed(task)) for task in TASKS} <= {1, 2}


@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_done_by_the_commands_of_its_row(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    TASKS[task](scene())

"""`make demo KEEP=1`: it speaks at once, ends well, can be tried with one printed line.

It also stops all that it started.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rotators.registry import ROTATORS
from simulator.azure import Azure
from simulator.demo.cast import Part, stage
from simulator.demo.kinds import ABSENT, PLATFORM, Kinds, platform
from simulator.demo.operators import Terminal
from simulator.world import Domains
from tests.simulator.host.running import ROOT
from tests.simulator.host.waiting import wait_for

LAST = "Stop with Ctrl-C."
ENDED = """
import signal
from simulator.demo.__main__ import mind_signals
mind_signals()
try:
    signal.raise_signal({number:d})
finally:
    print("cleaned up")
"""


@dataclass
class Demo:
    """A demo that was kept."""

    process: subprocess.Popen[str]
    lines: list[str]

    @property
    def sourced(self) -> str:
        """The line that points a shell at the demo, without its command."""
        (line,) = [line for line in self.lines if "&& rekey status" in line]
        return line.strip().removesuffix("rekey status")

    def rekey(self, arguments: str) -> subprocess.CompletedProcess[str]:
        line = f"{self.sourced} rekey {arguments}"
        return subprocess.run(  # noqa: S603
            ["/bin/sh", "-c", line], cwd="/", capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    env = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"} | {"KEEP": "1"}
    command = [sys.executable, "-m", "simulator.demo"]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        lines: list[str] = []
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if lines[-1] == LAST:
                break
        try:
            yield Demo(process, lines)
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def rows(demo: Demo) -> list[dict[str, Any]]:
    secrets: list[dict[str, Any]] = json.loads(demo.rekey("status --json").stdout)["secrets"]
    return secrets


def test_the_app_leaves_no_connection_open_that_nobody_uses(demo: Demo) -> None:
    """Each sweep opened two clients of the app's storage and closed none."""
    (log,) = [match[1] for line in demo.lines if (match := re.search(r", log (\S+)\.$", line))]
    assert "Unclosed" not in Path(log).read_text()


def test_it_speaks_before_it_starts_anything(demo: Demo) -> None:
    assert re.fullmatch(
        r" +0\.[0-9] s  starting a simulated Azure on loopback \(TLS\)", demo.lines[0]
    )
    assert "starting the app" in demo.lines[1]


def test_it_ends_well(demo: Demo) -> None:
    assert "All as it should be: nothing was lost, nothing cut off early." in demo.lines


def test_it_shows_an_incident_to_its_end_with_its_id_and_its_progress(demo: Demo) -> None:
    text = "\n".join(demo.lines)
    (identity,) = set(re.findall(r"incident (\d{8}T\d{6}Z-[0-9a-f]{8})", text)) - {""}
    assert f"rekey incident follow {identity} --wait" in text
    assert re.search(r"rotated +1\n", text)
    assert re.search(r"status +ended\n", text)
    assert "the source refuses what leaked, and accepts what the vault holds now" in text


def test_it_shows_a_restore_that_is_typed_twice(demo: Demo) -> None:
    text = "\n".join(demo.lines)
    (command,) = set(
        re.findall(r"\$ (rekey restore shop/orders-key --to [0-9a-f]{32} --wait)", text)
    )
    assert text.count(command) == 2
    assert "nothing is left to do" in " ".join(text.split())


def test_it_shows_a_policy_document_and_its_effect(demo: Demo) -> None:
    text = "\n".join(demo.lines)
    assert "rotateBeforeDays: 85" in text
    assert re.search(r"secrets/archive-key: ok -> overdue", text)
    shown = demo.rekey("policy show")
    assert (shown.returncode, "rotateBeforeDays: 85" in shown.stdout) == (0, True)


@pytest.mark.parametrize("kind", [maker.kind for maker in ROTATORS])  # type: ignore[attr-defined]
def test_every_kind_is_rotated_or_has_a_line_that_says_why_not(
    demo: Demo, rows: list[dict[str, Any]], kind: str
) -> None:
    lines = [line for line in demo.lines if re.match(rf"{kind}( \(\w+\))? ", line)]
    if kind in ABSENT:
        assert lines == [f"{kind:<28}not shown: {ABSENT[kind]}"]
    else:
        assert any(row["rotator"] == kind and row["operation"] for row in rows) or lines
    ended = ("works     works", "works     replaced in place", "later     works meanwhile")
    assert all(any(end in line for end in ended) for line in lines if kind not in ABSENT)


def test_a_change_that_takes_long_is_shown_as_under_way(demo: Demo) -> None:
    (line,) = [line for line in demo.lines if line.startswith("cosmos-db-key ")]
    assert line.split() == [
        "cosmos-db-key",
        "primaryMasterKey",
        *("under", "way", "later", "works", "meanwhile"),
    ]


def test_its_lines_fit_a_terminal_of_a_hundred_columns(demo: Demo) -> None:
    until = next(place for place, line in enumerate(demo.lines) if line.startswith("Still running"))
    assert not [line for line in demo.lines[:until] if len(line) > 100 and "  $ " not in line]


def test_it_shows_how_everything_stands_and_the_address_of_the_page(demo: Demo) -> None:
    text = "\n".join(demo.lines)
    assert re.search(r"\$ rekey status --vault shop\n +secrets: 14 ", text)
    assert re.search(r"the page for people, http://127\.0\.0\.1:\d+/api/dashboard\?code=", text)


def test_a_step_that_goes_wrong_is_no_good_end() -> None:
    """What decides is the vault and the sources, and the exit codes of what was typed."""
    texts: list[str] = []
    terminal = Terminal(Path("/nowhere"), texts.append)
    assert terminal.show("status") != 1
    assert terminal.data("status") == {}


class Listing:
    """An app that says of each secret of the platform what it was told to say."""

    def __init__(self, operation: str) -> None:
        self._operation = operation

    def get(self, path: str) -> tuple[int, Any]:
        del path
        rows = [
            {
                "secret": part.name,
                "rotator": part.name,
                "state": "due",
                "reason": "",
                "operation": "" if part.ends == "under way" else self._operation,
                "under_way_since": "now" if part.ends == "under way" else None,
                "overlap_until": None,
            }
            for part in platform()
        ]
        return 200, {"secrets": rows}


def replaced(azure: Azure, part: Part, old: str) -> str:
    """Return a value that works: the old one, but where a new one takes its place."""
    if part.ends != "replaced":
        return old
    (server,) = (one for one in azure.databases.servers.values() if one.name == part.name)
    server.set_password(server.administrator, "N3w-password")
    return "N3w-password"


@pytest.mark.parametrize("operation", ["", "made"])
@pytest.mark.parametrize("published", ["nothing", "what works", "what does not"])
def test_only_what_is_rotated_and_works_is_a_good_end(operation: str, published: str) -> None:
    parts = platform()
    azure = stage(Domains(), parts)
    vault = azure.vaults[PLATFORM]
    before = {part.name: vault.versions(part.name)[-1] for part in parts}
    for part in parts if published != "nothing" else ():
        if part.ends != "under way":
            works = published == "what works"
            vault.put(
                part.name, replaced(azure, part, before[part.name].value) if works else "none"
            )
    cloud: Any = SimpleNamespace(world=azure)
    app: Any = Listing(operation)
    kinds = Kinds(cloud, parts, before, app, print, patience=0)
    assert kinds.end() is (operation == "made" and published == "what works")


def test_the_command_line_works_against_it_by_the_printed_line(demo: Demo) -> None:
    ran = demo.rekey("status --json")
    assert (ran.returncode, ran.stderr) == (1, "")
    assert json.loads(ran.stdout)["counts"]["parked"] == 1
    ran = demo.rekey("rotate shop/archive-key --force --wait --json")
    assert (ran.returncode, json.loads(ran.stdout)["status"]) == (0, "succeeded")


def test_what_terminates_it_stops_the_host_as_well(demo: Demo) -> None:
    hosts = children(demo.process.pid)
    assert hosts
    demo.process.send_signal(signal.SIGTERM)
    assert demo.process.wait(30) == 128 + signal.SIGTERM
    wait_for(lambda: not any(map(alive, hosts)), lambda: f"{hosts} to be gone")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_terminates_it_or_closes_its_terminal_lets_it_clean_up(number: signal.Signals) -> None:
    command = [sys.executable, "-c", ENDED.format(number=number)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)  # noqa: S603
    assert (ended.returncode, ended.stdout) == (128 + number, b"cleaned up\n")


def children(process: int) -> list[int]:
    """Return the processes that one has started."""
    text = subprocess.run(  # noqa: S603
        ["pgrep", "-P", str(process)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return [int(pid) for pid in text.split()]


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True

"""`make demo KEEP=1`, ALL=1 or not: it ends well, prints what to type, and leaves nothing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from demo.__main__ import ENDED_WELL, FOLDER
from demo.cast import Part, stage
from demo.kinds import ABSENT, PLATFORM, Kinds, platform
from demo.lines import wrapped
from demo.operators import Terminal
from rotators.registry import ROTATORS
from simulator.azure import Azure
from simulator.world import Domains
from simulator_tests.host.waiting import wait_for
from tests.parts import ROOT
from tests.programs import run

LAST = "Stop with Ctrl-C."
ENDED = """
import signal
from demo.__main__ import mind_signals
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
    home: Path

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def printed(self) -> list[str]:
        """The lines that it says to type: a function of the shell, and commands."""
        start = self.lines.index("The command line, in another terminal:") + 1
        end = next(at for at, line in enumerate(self.lines) if line.startswith("In a browser"))
        return [line.strip() for line in self.lines[start:end]]

    def typed(self, *lines: str) -> subprocess.CompletedProcess[str]:
        """Type lines into a shell that has nothing but a slim system's own programs."""
        bare = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "LANG": "C.UTF-8"}
        return run("/bin/sh", "-c", "\n".join((self.printed[0], *lines)), cwd="/", env=bare)

    def rekey(self, arguments: str) -> subprocess.CompletedProcess[str]:
        return self.typed(f"rekey {arguments}")


@contextlib.contextmanager
def kept(home: Path, **wanted: str) -> Iterator[Demo]:
    """Run a demo for somebody with a home of their own."""
    own = {name: text for name, text in os.environ.items() if name not in ("PYTHONPATH", "ALL")}
    command = [sys.executable, "-m", "demo"]
    env = own | {"KEEP": "1", "HOME": str(home), "COLUMNS": "100"} | wanted
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        lines: list[str] = []
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if lines[-1] == LAST:
                break
        try:
            yield Demo(process, lines, home)
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with kept(tmp_path_factory.mktemp("home"), ALL="1") as whole:
        yield whole


@pytest.fixture(scope="module")
def main_job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with kept(tmp_path_factory.mktemp("home")) as short:
        yield short


@pytest.fixture(scope="module")
def rows(demo: Demo) -> list[dict[str, Any]]:
    secrets: list[dict[str, Any]] = json.loads(demo.rekey("status --json").stdout)["secrets"]
    return secrets


def test_the_main_job_ends_well_within_eighty_lines_of_a_hundred_columns(main_job: Demo) -> None:
    until = main_job.lines.index(ENDED_WELL) + 1
    assert until <= 80
    assert not [line for line in main_job.lines[:until] if len(line) > 100 and "  $ " not in line]


@pytest.mark.parametrize(("columns", "longest"), [("80", 78), ("200", 98)])
def test_its_lines_fit_a_terminal_of_eighty_columns_and_take_a_hundred_at_most(
    columns: str, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert max(map(len, wrapped("word " * 60, 13).splitlines())) in range(longest - 5, longest + 3)


def test_the_main_job_shows_what_rekey_is_for(main_job: Demo) -> None:
    for shown in (
        "Event Grid delivers SecretNearExpiry for orders-key -> 202",
        "the sweep finds them by its timer",
        "legacy-key: parked: reading the account was answered 403",
        "invoices-key: the source refuses what leaked, and accepts what the vault holds now",
        "GET /api/health -> 200: ok",
    ):
        assert shown in main_job.text
    assert re.search(r"^orders-key +restored .* key1 .* yes$", main_job.text, re.MULTILINE)
    rotated = set(re.findall(r"(\S+-\w+): rotated to", main_job.text))
    assert rotated == {"orders-key", "invoices-key", "sql-app", "crm-client", "legacy-key"}


def test_a_parked_secret_says_where_the_fix_is_needed(main_job: Demo) -> None:
    unwrapped = re.sub(r"\n +", "", main_job.text)
    assert re.search(r"Fix: grant it the role Reader at /subscriptions/\S+/shoplegacy,", unwrapped)


def test_a_key_that_is_retired_is_not_called_by_the_name_of_the_one_in_use(demo: Demo) -> None:
    line = "backup-key: retired: key1 is revoked and its version disabled; key2 is in use"
    assert line in demo.text


def test_what_the_main_job_typed_can_be_typed_again(main_job: Demo) -> None:
    typed = re.findall(r"\$ (rekey .*)", main_job.text)
    codes = {line.split()[1]: main_job.typed(line).returncode for line in typed}
    # To unpark what is not parked any more succeeds and says so.
    assert codes == {"unpark": 0, "leak": 0, "incident": 0, "restore": 0, "status": 0}


def test_every_line_that_the_main_job_suggests_works_on_a_slim_system(main_job: Demo) -> None:
    assert len(main_job.printed) > 4
    for line in main_job.printed:
        ran = main_job.typed(line)
        assert (ran.returncode, ran.stderr) == (0, ""), line


def test_nothing_of_a_demo_is_left_in_the_shell_that_used_it(main_job: Demo) -> None:
    bare = main_job.typed("env")
    used = main_job.typed("rekey plan --days 1 > /dev/null; env")
    assert bare.returncode == used.returncode == 0
    assert used.stdout == bare.stdout
    assert "REKEY" not in used.stdout


def test_all_that_a_demo_writes_is_in_its_folder_and_goes_with_it(main_job: Demo) -> None:
    (log,) = re.findall(r", log (\S+)\.$", main_job.text, re.MULTILINE)
    folder = Path(log).parent
    assert folder.parent == FOLDER
    assert Path(main_job.printed[0].split()[2]).parent == folder
    main_job.rekey("status")
    assert list(main_job.home.iterdir()) == []
    main_job.process.send_signal(signal.SIGTERM)
    assert main_job.process.wait(60) == 128 + signal.SIGTERM
    assert not folder.exists()


def test_what_a_new_machine_fetches_for_the_demo_is_small() -> None:
    """Python takes some 35 MB and uv 18, where they are missing: 100 MB in all, at most."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    packages = {package["name"]: package for package in lock["package"]}
    sizes = {name: _largest(packages[name]) for name in _closure(packages)}
    assert 35_000_000 < sum(sizes.values()) < 46_000_000
    assert "pytest" not in sizes


def _closure(packages: Mapping[str, Any]) -> set[str]:
    """Return the names of all that the demo's group and the app need on Linux."""
    own = packages["rekey"]
    wanted = [*own["dependencies"], *own["dev-dependencies"]["demo"]]
    found = set[str]()
    while wanted:
        name = wanted.pop()["name"]
        if name not in found:
            found.add(name)
            wanted += packages[name].get("dependencies", ())
    return found


def _largest(package: Mapping[str, Any]) -> int:
    """Return the bytes of a package's largest wheel for Python 3.13 on Linux."""
    fits = re.compile(r"-(py3|py2\.py3|cp313|cp3\d+-abi3)-[^/]*(any|manylinux[^/]*x86_64)\.whl$")
    fitting = [wheel["size"] for wheel in package.get("wheels", ()) if fits.search(wheel["url"])]
    return max(fitting, default=0)


def test_the_app_leaves_no_connection_open_that_nobody_uses(demo: Demo) -> None:
    """Each sweep opened two clients of the app's storage and closed none."""
    (log,) = re.findall(r", log (\S+)\.$", demo.text, re.MULTILINE)
    assert "Unclosed" not in Path(log).read_text()


def test_it_speaks_before_it_starts_anything(demo: Demo) -> None:
    first = r" +0\.[0-9] s  starting a simulated Azure on loopback \(TLS\)"
    assert re.fullmatch(first, demo.lines[0])
    assert "starting the app" in demo.lines[1]


def test_it_ends_well(demo: Demo) -> None:
    assert ENDED_WELL in demo.lines


def test_its_broken_secret_is_mended_by_a_line_that_it_prints(demo: Demo) -> None:
    (shown, mended) = (line for line in demo.printed if "legacy-key" in line)
    assert "parked since" in demo.typed(shown).stdout
    assert demo.typed(mended).returncode == 0
    assert "parked since" not in demo.typed(shown).stdout


def test_it_shows_an_incident_to_its_end_with_its_id_and_its_progress(demo: Demo) -> None:
    text = demo.text
    (identity,) = set(re.findall(r"incident (\d{8}T\d{6}Z-[0-9a-f]{8})", text)) - {""}
    assert f"rekey incident follow {identity} --wait" in text
    assert re.search(r"rotated +1\n", text)
    assert re.search(r"status +ended\n", text)
    assert "the source refuses what leaked, and accepts what the vault holds now" in text


def test_it_shows_a_restore_that_is_typed_twice(demo: Demo) -> None:
    restore = r"\$ (rekey restore shop/orders-key --to [0-9a-f]{32} --wait)"
    (command,) = set(re.findall(restore, demo.text))
    assert demo.text.count(command) == 2
    assert "nothing is left to do" in " ".join(demo.text.split())


def test_it_shows_a_policy_document_and_its_effect(demo: Demo) -> None:
    assert "rotateBeforeDays: 85" in demo.text
    assert "secrets/archive-key: ok -> overdue" in demo.text
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
    (line,) = [line.split() for line in demo.lines if line.startswith("cosmos-db-key ")]
    assert line == [
        "cosmos-db-key",
        "primaryMasterKey",
        "under",
        "way",
        "later",
        "works",
        "meanwhile",
    ]


def test_it_shows_how_everything_stands_and_the_address_of_the_page(demo: Demo) -> None:
    assert re.search(r"\$ rekey status --vault shop\n +secrets: 14 ", demo.text)
    page = r"the page for people, http://127\.0\.0\.1:\d+/api/dashboard\?code="
    assert re.search(page, demo.text)


def test_a_step_that_goes_wrong_is_no_good_end(tmp_path: Path) -> None:
    """What decides is the vault and the sources, and the exit codes of what was typed."""
    program = tmp_path / "rekey"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o700)
    texts: list[str] = []
    terminal = Terminal(program, texts.append)
    assert terminal.show("status") == 3
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
    assert len(json.loads(ran.stdout)["secrets"]) == 40
    # The demo has just changed the policy: for five minutes the app may still go by the one before.
    note = r"(rekey: this goes by version .* of the policy document, .*\n)?"
    assert re.fullmatch(note, ran.stderr)
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
    ended = run(sys.executable, "-c", ENDED.format(number=number))
    assert (ended.returncode, ended.stdout) == (128 + number, "cleaned up\n")


def children(process: int) -> list[int]:
    return [int(pid) for pid in run("pgrep", "-P", process).stdout.split()]


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True

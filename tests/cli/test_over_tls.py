"""The installed command: its own process and sign-in, real sockets, and nothing left open."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from demo.__main__ import settings
from demo.cast import cast, stage
from demo.command import command_line
from simulator.reach.server import start_in_thread
from tests.parts import ROOT
from tests.programs import run


def test_a_rehearsal_works_over_tls_and_leaves_nothing_open(tmp_path: Path) -> None:
    """It speaks to the vault, to Resource Manager, to the account and to Graph, signed in by a managed identity."""
    parts = cast()
    with start_in_thread(lambda domains: stage(domains, parts)) as cloud:
        rekey = command_line(tmp_path, settings(cloud, parts, "0 0 * * * *"))
        ran = shell(f"{rekey} rotate shop/media-key --force --dry-run --json")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout)["action"] == "rotate"


def test_the_quickstart_takes_the_settings_of_the_newest_demo(tmp_path: Path) -> None:
    """The folder of a demo that was killed stays."""
    for name, age in (("a", 0), ("b", 3600)):
        folder = tmp_path / ".tools" / "demo" / name
        folder.mkdir(parents=True)
        rekey = command_line(folder, {"DEMO": name})
        os.utime(rekey, (rekey.stat().st_mtime - age,) * 2)
    page = (ROOT / "docs" / "quickstart.md").read_text()
    (line,) = re.findall(r"^    (eval .*) && export AZURE_CONFIG_DIR", page, re.MULTILINE)
    ran = run("bash", "-c", f'{line} && echo "$DEMO"', cwd=tmp_path)
    assert (ran.stdout, ran.stderr) == ("a\n", "")


def test_what_the_simulator_says_to_export_is_all_that_the_command_line_needs() -> None:
    command = [sys.executable, "-m", "simulator"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as simulator:  # noqa: S603
        assert simulator.stdout
        exported = ""
        while "PYTHONPATH" not in exported:
            exported += simulator.stdout.readline() or "PYTHONPATH is missing"
        try:
            ran = shell(f"{exported}\n{sys.executable} -m cli status --json")
        finally:
            simulator.terminate()
    assert ran.stderr == ""
    assert [row["secret"] for row in json.loads(ran.stdout)["secrets"]] == ["shopdata-key"]


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line as somebody types it, and let it warn of what is left open."""
    noisy = {"PYTHONWARNINGS": "always::ResourceWarning", "PYTHONDONTWRITEBYTECODE": "1"}
    env = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"} | noisy
    return run("/bin/sh", "-c", line, env=env, timeout=600)

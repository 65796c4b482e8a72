"""Microsoft's Bicep compiler, and what it says a deployment would make."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.snapshots import COMPILED, PLACE
from tests.programs import run

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
SNAPSHOTS = INFRA / "snapshots"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rekey"
PUBLIC_CLOUD = """
param cloud = {
  name: 'AzureCloud'
  resourceManager: 'https://management.azure.com/'
  loginEndpoint: 'https://login.microsoftonline.com/'
  keyvaultDns: '.vault.azure.net'
  storage: 'core.windows.net'
}
"""


@dataclass(frozen=True)
class Run:
    """How a run of the compiler ended; `said` is everything that it wrote."""

    code: int
    said: str
    output: str


def compiler() -> str:
    """Return the compiler; without it skip the test, or fail it where CI is set."""
    program = os.environ.get("BICEP") or shutil.which("bicep")
    if program is None:
        reason = "neither BICEP nor PATH leads to the Bicep compiler"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return program


def bicep(command: str, *arguments: str) -> Run:
    done = run(compiler(), command, *arguments, timeout=600)
    return Run(done.returncode, " ".join((done.stdout + done.stderr).split()), done.stdout)


def warnings(run: Run) -> list[str]:
    """Return what the compiler complains about; it exits 0 even with warnings."""
    return re.findall(r"(?:Warning|Error|Info) [\w-]+: [^\[]+", run.said)


def snapshot(name: str) -> dict[str, Any]:
    """Return a committed snapshot, which another test keeps true."""
    document: dict[str, Any] = json.loads((SNAPSHOTS / f"{name}.snapshot.json").read_text())
    return document


def names() -> list[str]:
    """Return the names of the parameter sets that have snapshots."""
    return sorted(path.stem for path in SNAPSHOTS.glob("*.bicepparam"))


def predicted(folder: Path, parameters: str, template: str = COMPILED.name) -> Run:
    """Take a snapshot of a template with these parameters.

    A template's own check ends the run with its message. The compiled template is what main.bicep
    compiles to, as another test shows, and takes less than half the time.
    """
    file = folder / "case.bicepparam"
    relative = os.path.relpath(INFRA / template, folder).replace(os.sep, "/")
    file.write_text(f"using '{relative}'\n{parameters}\n")
    return bicep("snapshot", str(file), *PLACE)

"""A tenant of Microsoft Entra for scripts that are run as processes, with an `az` of ours on the path."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.infra.bicep import ROOT

FIRST_CLIENT = "dddddddd-0000-0000-0000-000000000001"
"""The client id of the first registration that is made."""


@dataclass
class Tenant:
    """What a script finds, and what it leaves."""

    folder: Path
    script: str
    refuse: bool = False

    def __post_init__(self) -> None:
        empty: dict[str, Any] = {
            "assignments": [],
            "owners": {},
            "applications": [],
            "credentials": {},
            "principals": {},
        }
        (self.folder / "state.json").write_text(
            json.dumps({**empty, "calls": [], "next": FIRST_CLIENT, "refuse": self.refuse})
        )
        program = self.folder / "az"
        program.write_text(f"#!{sys.executable}\n{Path(__file__).with_name('fake_az.py').read_text()}")
        program.chmod(0o755)

    @property
    def state(self) -> dict[str, Any]:
        """What the tenant holds now."""
        found: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        return found

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        command = [sys.executable, str(ROOT / "scripts" / self.script), *arguments]
        return subprocess.run(command, env={"PATH": str(self.folder)}, capture_output=True, text=True, check=False)  # noqa: S603

"""Renew the snapshots under infra/snapshots/ and infra/azuredeploy.json after a template change.

Review the snapshots and commit both. The button "Deploy to Azure" opens the compiled template.

python scripts/snapshots.py

Needs Microsoft's Bicep compiler, as BICEP or on the path.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

INFRA = Path(__file__).resolve().parents[1] / "infra"
SNAPSHOTS = INFRA / "snapshots"
COMPILED = INFRA / "azuredeploy.json"
PLACE = (
    *("--tenant-id", "00000000-0000-0000-0000-0000000000ff"),
    *("--subscription-id", "00000000-0000-0000-0000-000000000001"),
    *("--resource-group", "rekey", "--location", "westeurope"),
)
"""The invented place of deployment in the snapshots."""


def bicep(command: str, *arguments: str) -> str:
    """Run the compiler and return its output; raises CalledProcessError for an error."""
    program = [os.environ.get("BICEP", "bicep"), command, *arguments]
    return subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603


def compiled() -> str:
    """Return the template as JSON, without the parts that depend on the compiler's version."""
    template = without_generator(json.loads(bicep("build", str(INFRA / "main.bicep"), "--stdout")))
    return json.dumps(template, indent=1, ensure_ascii=False) + "\n"


def without_generator(part: Any) -> Any:
    """Return a part without the compiler's version and hash, also in nested templates."""
    if isinstance(part, dict):
        return {key: without_generator(value) for key, value in part.items() if key != "_generator"}
    return [without_generator(value) for value in part] if isinstance(part, list) else part


def take(parameters: Path) -> None:
    """Take one snapshot."""
    bicep("snapshot", str(parameters), *PLACE)
    settle(parameters.with_suffix(".snapshot.json"))


def settle(file: Path) -> None:
    """Sort a snapshot's outputs, since the compiler writes them in a different order each time."""
    snapshot = json.loads(file.read_text())
    snapshot["outputs"] = dict(sorted(snapshot["outputs"].items()))
    file.write_text(json.dumps(snapshot, indent=2, ensure_ascii=False) + "\n")


def main() -> int:
    """Take every snapshot, and compile the template."""
    COMPILED.write_text(compiled())
    for parameters in sorted(SNAPSHOTS.glob("*.bicepparam")):
        take(parameters)
    return 0


if __name__ == "__main__":
    sys.exit(main())

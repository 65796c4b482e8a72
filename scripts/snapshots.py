"""Take the snapshots under infra/snapshots/ anew, and compile infra/azuredeploy.json, after a change of the template.

Review what the snapshots show and commit both: the compiled template is what the button "Deploy to
Azure" opens.

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
"""Where the snapshots pretend to be deployed."""


def bicep(command: str, *arguments: str) -> str:
    """Run the compiler and return what it writes; raises CalledProcessError where it refuses."""
    program = [os.environ.get("BICEP", "bicep"), command, *arguments]
    return subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603


def compiled() -> str:
    """Return the template as JSON, without what differs from one version of the compiler to the next."""
    template = without_generator(json.loads(bicep("build", str(INFRA / "main.bicep"), "--stdout")))
    return json.dumps(template, indent=1, ensure_ascii=False) + "\n"


def without_generator(part: Any) -> Any:
    """Leave out the compiler's version and hash, here and in every nested template."""
    if isinstance(part, dict):
        return {key: without_generator(value) for key, value in part.items() if key != "_generator"}
    return [without_generator(value) for value in part] if isinstance(part, list) else part


def take(parameters: Path) -> None:
    """Take one snapshot."""
    bicep("snapshot", str(parameters), *PLACE)
    settle(parameters.with_suffix(".snapshot.json"))


def settle(file: Path) -> None:
    """Put a snapshot's outputs in order: the compiler writes them in another one each time."""
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

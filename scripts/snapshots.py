"""Take the snapshots under infra/snapshots/ anew, after a change of the template; review what they show and commit them.

python scripts/snapshots.py

Needs Microsoft's Bicep compiler, as BICEP or on the path.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SNAPSHOTS = Path(__file__).resolve().parents[1] / "infra" / "snapshots"
PLACE = (
    *("--tenant-id", "00000000-0000-0000-0000-0000000000ff"),
    *("--subscription-id", "00000000-0000-0000-0000-000000000001"),
    *("--resource-group", "rekey", "--location", "westeurope"),
)
"""Where the snapshots pretend to be deployed."""


def take(parameters: Path) -> None:
    """Take one snapshot; raises CalledProcessError where the compiler refuses."""
    compiler = os.environ.get("BICEP", "bicep")
    subprocess.run([compiler, "snapshot", str(parameters), *PLACE], check=True)  # noqa: S603
    settle(parameters.with_suffix(".snapshot.json"))


def settle(file: Path) -> None:
    """Put a snapshot's outputs in order: the compiler writes them in another one each time."""
    snapshot = json.loads(file.read_text())
    snapshot["outputs"] = dict(sorted(snapshot["outputs"].items()))
    file.write_text(json.dumps(snapshot, indent=2, ensure_ascii=False) + "\n")


def main() -> int:
    """Take every snapshot."""
    for parameters in sorted(SNAPSHOTS.glob("*.bicepparam")):
        take(parameters)
    return 0


if __name__ == "__main__":
    sys.exit(main())

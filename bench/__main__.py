"""Run all benchmarks and print them."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench import command_line, latency, page
from tests.rig import Rig

ROOT = Path(__file__).resolve().parents[1]
RUNS = 7
GOAL = 1.25
ROTATIONS = 300
VAULT = "https://bench.vault.azure.net"
SETTINGS = {
    "REKEY_VAULTS": VAULT,
    "REKEY_SCOPES": json.dumps({VAULT: ["/subscriptions/00000000-0000-0000-0000-000000000000"]}),
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}


def load(app: Path) -> float:
    """Return the seconds of a whole process that starts an app through the strict host's worker."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "bench.load", str(app)]
    subprocess.run(  # noqa: S603
        command, cwd=ROOT, env={**os.environ, **SETTINGS}, check=True, capture_output=True
    )
    return time.perf_counter() - started


def cold_start() -> None:
    """Compare starting Rekey with starting the baseline, run by run in turn."""
    pairs = [(load(ROOT), load(ROOT / "bench" / "baseline")) for _ in range(RUNS + 1)][1:]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(
        "start through the strict host (placeholder, environment reload, index), whole process, medians of "
        f"{RUNS}: {ours:.3f} s, baseline {theirs:.3f} s, ratio {ratio:.2f} (goal: {GOAL} at most)"
    )


async def throughput() -> None:
    """Count rotations through real SDK code against the in-process simulator, wall time."""
    rig = Rig()
    for number in range(ROTATIONS):
        rig.secret(f"key-{number}", rig.account(f"account{number}"))
    service = rig.service()
    await service.engine.handle(rig.item("key-0"))
    started = time.perf_counter()
    for number in range(1, ROTATIONS):
        await service.engine.handle(rig.item(f"key-{number}"))
    seconds = time.perf_counter() - started
    print(
        f"storage keys through real SDK code: {(ROTATIONS - 1) / seconds:.0f} first rotations a second on one core"
    )


if __name__ == "__main__":
    cold_start()
    asyncio.run(throughput())
    asyncio.run(latency.report())
    page.report()
    command_line.report()

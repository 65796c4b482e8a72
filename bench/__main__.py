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

from bench import command_line, goals, latency, leaks, many_leaks, page, sweep
from tests.shared.rig import Rig

ROOT = Path(__file__).resolve().parents[1]
RUNS = 7
GOAL = 1.25
ROTATIONS = 300
VAULT = "https://bench.vault.azure.net"
SETTINGS = {
    "REKEY_VAULTS": VAULT,
    "REKEY_SCOPES": json.dumps({VAULT: ["/subscriptions/00000000-0000-0000-0000-000000000000"]}),
    "AzureWebJobsStorage__accountName": "bench",
}


def load(app: Path) -> float:
    """Return the seconds of a process that starts an app through the worker of the strict host."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "bench.load", str(app)]
    subprocess.run(  # noqa: S603
        command, cwd=ROOT, env={**os.environ, **SETTINGS}, check=True, capture_output=True
    )
    return time.perf_counter() - started


def cold_start() -> None:
    """Compare the start of Rekey with that of the baseline, in alternating runs."""
    pairs = [(load(ROOT), load(ROOT / "bench" / "baseline")) for _ in range(RUNS + 1)][1:]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(
        "start through the strict host (placeholder, environment reload, index), whole process,"
        f" medians of {RUNS}: {ours:.3f} s, baseline {theirs:.3f} s, ratio {ratio:.2f}"
        f" {goals.held('the start, as a ratio to the baseline', ratio, GOAL)}"
    )


async def throughput() -> None:
    """Measure rotations a second through real SDK code against the in-process simulator."""
    rig = Rig()
    for number in range(ROTATIONS):
        rig.secret(f"key-{number}", rig.account(f"account{number}"))
    service = rig.service()
    await service.engine.handle(rig.item("key-0"))
    started = time.perf_counter()
    for number in range(1, ROTATIONS):
        await service.engine.handle(rig.item(f"key-{number}"))
    seconds = time.perf_counter() - started
    rate = (ROTATIONS - 1) / seconds
    print(f"storage keys through real SDK code: {rate:.0f} first rotations a second on one core")


if __name__ == "__main__":
    cold_start()
    asyncio.run(throughput())
    asyncio.run(latency.report())
    asyncio.run(leaks.report())
    many_leaks.report()
    asyncio.run(sweep.report())
    page.report()
    command_line.report()
    if goals.MISSED:
        sys.exit("\n".join(("goals that were missed:", *goals.MISSED)))

"""The waiting time of a person who types `rekey`: for the help, and for a long list to start."""

from __future__ import annotations

import asyncio
import contextlib
import io
import resource
import statistics
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.goals import held
from cli.main import main
from cli.session import Connections
from simulator.reach.transport import SimulatedCredential, SimulatedTransport, forget_challenges
from tests.cli.desk import Desk

ROOT = Path(__file__).resolve().parents[1]
RUNS, GOAL = 21, 0.150
SECRETS, LATENCY, FIRST_GOAL = 10_000, 0.1, 1.0
"""LATENCY is about how many seconds Key Vault takes for a page of 25 secrets."""
STARTS = {
    "rekey --help": [sys.executable, "-m", "cli", "--help"],
    "rekey rotate --help": [sys.executable, "-m", "cli", "rotate", "--help"],
    "rekey --version": [sys.executable, "-m", "cli", "--version"],
}


def started(command: list[str]) -> tuple[float, float]:
    """Return the seconds of a whole process, and its processor time in seconds."""
    began, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)  # noqa: S603
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - began, now.ru_utime - used.ru_utime + now.ru_stime - used.ru_stime


class _Slow(SimulatedTransport):
    """Answers as slowly as Azure does, and records when it sent the first page of secrets."""

    first: float | None = None

    async def send(self, request: Any, **options: Any) -> Any:
        """Send a request."""
        await asyncio.sleep(LATENCY)
        answer = await super().send(request, **options)
        if _Slow.first is None and "/secrets?" in request.url:
            _Slow.first = time.perf_counter()
        return answer


class _Watcher(io.StringIO):
    """Records when the first line is written, and stops the program then."""

    first: float | None = None

    def write(self, text: str) -> int:
        """Record the time of the first line."""
        del text
        _Watcher.first = _Watcher.first or time.perf_counter()
        raise KeyboardInterrupt


class _Clock:
    """The simulated time of day, with real seconds."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def now(self) -> datetime:
        """Return the time of day."""
        return self._desk.clock.now()

    def monotonic(self) -> float:
        """Return the real seconds since an arbitrary moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def first_line() -> float:
    """Return the seconds between the first page of secrets and the first line of output."""
    desk = Desk()
    for number in range(SECRETS):
        desk.vault.put(f"secret-{number:05}", "x")
    forget_challenges()
    transport = {"transport": _Slow(desk.world)}
    parts = Connections(SimulatedCredential(desk.world, desk.ada), _Clock(desk), transport)
    with contextlib.redirect_stdout(_Watcher()):
        main(["status"], desk.env, parts)
    assert _Slow.first
    assert _Watcher.first
    return _Watcher.first - _Slow.first


def report() -> None:
    """Print one line for each measurement."""
    for name, command in STARTS.items():
        columns = zip(*(started(command) for _ in range(RUNS)), strict=True)
        whole, used = (statistics.median(column) * 1000 for column in columns)
        print(
            f"{name}: whole process {whole:.0f} ms, of which on the processor {used:.0f}, "
            f"medians of {RUNS}"
            f" {held(name, whole, GOAL * 1000, ' ms')}"
        )
    seconds = first_line()
    print(
        f"rekey status of {SECRETS} secrets, {LATENCY * 1000:.0f} ms a page: first line "
        f"{seconds:.2f} s"
        f" after the first page of answers {held('rekey status', seconds, FIRST_GOAL, ' s')}"
    )


if __name__ == "__main__":
    report()

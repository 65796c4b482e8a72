"""Play azurator, a command-line program that rotates keys, against the simulated Azure.

It runs as it is published, in processes of its own. Of its surroundings only what a person sets is
ours: environment variables for signing in, a proxy, a certificate authority and folders.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from scripts.others.azure import Watched
from scripts.others.counting import Counted, NotHadError, faults
from scripts.others.scene import DAY, MONTH, Died, Mode, Scene
from scripts.others.tunnel import tunnel
from simulator.azure import SUBSCRIPTION
from simulator.reach.server import serve

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "scripts" / "azurator"
NAME = "azurator, both keys"
KILLED = -9


class RefusedError(Exception):
    """The program ended with an error."""


def fetched() -> Path:
    """Install what the lock names, and return the Python that has it; raises NotHadError."""
    uv = ROOT / ".tools" / "bin" / "uv"
    command = (uv, "sync", "--project", PROJECT, "--frozen", "--quiet")
    try:
        subprocess.run(  # noqa: S603 - the command is this module's own
            command, check=True, capture_output=True, text=True, timeout=600
        )
    except (OSError, subprocess.SubprocessError) as error:
        reason = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1]
        raise NotHadError(
            f"azurator cannot be had: {reason}. It needs PyPI; without it: --without azurator"
        ) from error
    return PROJECT / ".venv" / "bin" / "python"


@dataclass
class Program:
    """Runs azurator, each time in a new process."""

    world: Watched
    forks: subprocess.Popen[str]
    folder: Path
    shown: set[str] = field(default_factory=set)
    """Keys that it has printed or stored."""

    def run(self, *arguments: str) -> str:
        """Run it once, and return what it printed; raises Died and RefusedError."""
        kinds = ("config", "state", "cache", "data")
        folders = {f"XDG_{kind.upper()}_HOME": str(self.folder / kind) for kind in kinds}
        output = self.folder / "output"
        output.unlink(missing_ok=True)
        order = {"arguments": arguments, "output": str(output), "environment": folders}
        print(json.dumps(order), file=self.forks.stdin, flush=True)
        self.world.process = Future()
        self.world.process.set_result(self._answer())
        code = self._answer()
        self.shown |= {key for key in self.world.scene.ids if key in self._written()}
        if code:
            raise Died if code == KILLED else RefusedError(output.read_text())
        return output.read_text()

    def _answer(self) -> int:
        assert self.forks.stdout  # noqa: S101 - it is a pipe
        return int(self.forks.stdout.readline())

    def _written(self) -> str:
        return "".join(it.read_text() for it in self.folder.rglob("*") if it.is_file())


def rotate(program: Program, month: int) -> None:
    """Rotate both keys as a person does: go on with what was interrupted, else begin anew."""
    world = program.world
    keys = (f"{world.account.resource_id}#{name}" for name in world.account.keys)
    chosen = [part for key in keys for part in ("--select", key)]
    before = world.versions

    def attempt(tried: int) -> list[str]:
        kept = []
        if tried:
            kept = json.loads(program.run("operation", "list", "--json"))["operations"]
        begun = ["--resume", kept[0]["operation_id"]] if kept else chosen
        program.run("rotate", *begun, "--yes")
        return [f"v{at}" for at in range(before + 1, world.versions + 1)]

    # The plan that the person confirms names the version in between: it is to be replaced, too.
    world.scene.rotate(month, f"v{before + 1}", attempt, lambda: bool(program.shown))


def history(program: Program, run: str, plan: Mapping[int, Mode]) -> Scene:
    """Rotate under the plan's faults, and a month later without any."""
    scene = program.world.begin(run, plan)
    program.shown.clear()
    shutil.rmtree(program.folder / "state", ignore_errors=True)
    for month, until in ((1, MONTH), (2, MONTH + DAY)):
        rotate(program, month)
        scene.now = until
    scene.say("end")
    if program.world.unforeseen:
        raise LookupError(f"in {run} nobody foresaw {program.world.unforeseen}")
    return scene


def played(python: Path) -> Iterator[Counted]:
    """Play it without faults, and with one at each call of a rotation."""
    print(f"{NAME} …", file=sys.stderr, flush=True)
    yield asyncio.run(staged(python, ("azurator.cli", "app"), _histories))


async def staged[T](
    python: Path,
    program: tuple[str, str],
    act: Callable[[Watched, subprocess.Popen[str]], T],
    paths: str = "",
) -> T:
    """Return what somebody makes of a world and of a program of a Python environment.

    The program is a module, which may be in one of the `paths`, and the name of a function in it.
    """
    world = Watched()
    async with serve(lambda _: world) as running, tunnel(running.port) as proxy:
        reach = {"HTTPS_PROXY": proxy, "REQUESTS_CA_BUNDLE": str(running.ca_file)}
        environment = {**reach, **world.sign_in(), "PYTHONPATH": paths}
        with _forks(python, program, environment) as forks:
            return await asyncio.to_thread(act, world, forks)


def _forks(
    python: Path, program: tuple[str, str], environment: Mapping[str, str]
) -> subprocess.Popen[str]:
    command = (python, "-P", Path(__file__).with_name("forks.py"), *program)
    return subprocess.Popen(  # noqa: S603 - the command is this module's own
        command, text=True, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def _histories(world: Watched, forks: subprocess.Popen[str]) -> Counted:
    counted = Counted(NAME, {"P4": "no overlap"})

    def add(run: str, plan: Mapping[int, Mode]) -> list[str]:
        lines = history(program, run, plan).lines
        counted.add(run, lines)
        return lines

    with tempfile.TemporaryDirectory() as folder:
        program = Program(world, forks, Path(folder))
        program.run("login", "--method", "environment", "--subscription", SUBSCRIPTION)
        for at, mode in faults(add(NAME, {})):
            add(f"{NAME}@{at}:{mode}", {at: mode})
    return counted

"""Processes killed in earnest: SIGKILL of the worker that rotates, and of the whole host.

The simulated Azure goes on in this process, as Azure does. What counts is what its sources accept,
who was told, and what was left behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.__main__ import settings
from demo.app import KEY, MASTER_KEY, SYSTEM_KEY, App
from demo.cast import VAULT, Part, stage
from demo.sources import Account, AlternatingLogins, Application, Source, SqlAdministrator
from simulator.azure import Azure
from simulator.keyvault.state import SecretVersion
from simulator.reach.names import resolve_localhost, trust
from simulator.reach.server import Background, start_in_thread
from simulator.wire import Request, Response
from simulator_tests.host.waiting import wait_for
from tests.parts import ROOT

STARTED = re.compile(r"python process with Id=(\d+) started for function:rotate")
ACCEPTED = 202
ANNOUNCING = ("rotated", "healed", "restored")
EVERY_FIVE_MINUTES = "0 */5 * * * *"
LONGEST = 300.0
"""Seconds after the last kill for which a single slot may refuse what the vault holds. Whoever comes
to heal it may be killed in turn, and leaves a lease of a minute."""
QUIET_SECONDS = 1500.0
"""Within what time of the last kill all must be well: a message of a dead host is back after ten
minutes, and so is the one that looks after it."""
AGAIN = 2.0
"""Seconds after which a refusal is tried once more: a version may have come in between."""


@dataclass
class Topic:
    """An Event Grid topic that keeps what comes."""

    host: str
    events: list[dict[str, Any]] = field(default_factory=list)

    def answers(self, host: str) -> bool:
        return host == self.host

    def handle(self, request: Request) -> Response:
        body = json.loads(request.body)
        self.events += body if isinstance(body, list) else [body]
        return Response(200)


def cast() -> tuple[Part, ...]:
    """Return the secrets: two keys, one slot, two logins, any number. None keeps an overlap.

    With an overlap each could be rotated but once.
    """
    kinds: dict[str, list[Source]] = {
        "key": [Account(f"killed{number}") for number in range(4)],
        "admin": [SqlAdministrator(f"killsql{number}") for number in range(3)],
        "logins": [AlternatingLogins(f"killdb{number}") for number in range(2)],
        "client": [Application(f"killed {number}") for number in range(2)],
    }
    return tuple(
        Part(f"{kind}-{at}", source, "is killed", 80, "rotated", {"OverlapHours": "0"})
        for kind, sources in kinds.items()
        for at, source in enumerate(sources)
    )


@dataclass
class Killed:
    """The app, and what became of it."""

    cloud: Background[Azure]
    parts: tuple[Part, ...]
    topic: Topic
    env: dict[str, str]
    folder: Path
    chance: random.Random
    host: subprocess.Popen[bytes] | None = None
    app: App | None = None
    kills: int = 0
    killed_at: float = 0.0
    """When a process was killed last, by the monotonic clock."""
    accepted: int = 0
    """So many requests were accepted."""
    tries: int = 0
    """How often a source was asked whether it accepts what the vault holds."""
    refused: dict[str, float] = field(default_factory=dict)
    """Since when each single slot refuses what the vault holds."""
    longest: float = 0.0
    leaked: list[tuple[Part, str]] = field(default_factory=list)
    """The values that somebody has called compromised, each with its secret."""
    problems: list[str] = field(default_factory=list)

    @property
    def log(self) -> Path:
        """What every host has written so far."""
        return self.folder / "host.log"

    @property
    def versions(self) -> int:
        """How many versions the app has written."""
        vault = self.cloud.world.vaults[VAULT]
        return sum(len(vault.versions(part.name)) - 1 for part in self.parts)

    def latest(self, part: Part) -> SecretVersion:
        return self.cloud.world.vaults[VAULT].versions(part.name)[-1]

    def start(self) -> None:
        """Start the host, as the platform does once it has died."""
        out = self.folder / "host.out"
        out.touch()
        seen = len(out.read_text())
        command = [sys.executable, "-m", "simulator.host", "--app", str(ROOT), "--port", "0"]
        command += ["--key", KEY, "--master-key", MASTER_KEY, "--system-key", SYSTEM_KEY]
        with self.log.open("ab") as errors, out.open("ab") as output:
            self.host = subprocess.Popen(  # noqa: S603 - our own program
                command, env=self.env, cwd=ROOT, stdout=output, stderr=errors
            )
        ready = re.compile(r"^Host ready on (\S+)$", re.MULTILINE)
        base = wait_for(
            lambda: ready.findall(out.read_text()[seen:]), lambda: "the host to be ready"
        )
        self.app = App(base[-1], self.log)

    def kill(self) -> None:
        """Kill the worker that rotates; one time in three the host, and start another one."""
        self.kills += 1
        self.killed_at = time.monotonic()
        workers = STARTED.findall(self.log.read_text())
        if self.chance.random() < 1 / 3 or not workers:
            assert self.host
            self.host.kill()
            self.host.wait()
            self._orphans(workers)
            self.start()
        else:
            _end(int(workers[-1]))

    def _orphans(self, workers: list[str]) -> None:
        """End the workers of a dead host, as its container does."""
        for pid in workers[-2:]:
            _end(int(pid))

    def ask(self) -> None:
        """Ask for a rotation of any secret; sometimes because it has leaked."""
        part = self.chance.choice(self.parts)
        leaks = self.chance.random() < 1 / 3
        held, body = self.latest(part), {"reason": "drill", "force": True}
        path = f"/api/secrets/{VAULT}/{part.name}/rotate"
        assert self.app
        with contextlib.suppress(OSError):
            status, _ = self.app.post(path, {**body, "compromised": True} if leaks else body)
            self.accepted += status == ACCEPTED
            if leaks and status == ACCEPTED:
                self.leaked.append((part, held.value))

    def look(self) -> None:
        """Try at each source what the vault holds."""
        for part in self.parts:
            self.tries += 1
            if self._opens(part):
                self.refused.pop(part.name, None)
                continue
            if isinstance(part.source, SqlAdministrator):
                self._note_refused(part)
                continue
            time.sleep(AGAIN)
            if not self._opens(part):
                self._wrong(f"P1: {part.name} is refused by its source")

    def _opens(self, part: Part) -> bool:
        return part.source.opens(self.cloud.world, self.latest(part).value)

    def _note_refused(self, part: Part) -> None:
        now = time.monotonic()
        since = self.refused.setdefault(part.name, now)
        self.longest = max(self.longest, now - since)
        if now - max(since, self.killed_at) > LONGEST:
            self._wrong(f"P1: {part.name} has been refused for over {LONGEST:.0f} s")

    def _wrong(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def settle(self) -> None:
        """Wait until all is well; then say what is not."""
        until = time.monotonic() + QUIET_SECONDS
        while time.monotonic() < until and (self.unsettled() or self.refused):
            time.sleep(5)
            self.look()
        self.problems += self.unsettled()
        if self.versions < self.kills / 2:
            self._wrong(f"{self.versions} versions were written: so few show nothing")
        if value := next((value for value in self._values() if value in self.log.read_text()), ""):
            self._wrong(f"P6: the log shows a value that begins with {value[:3]!r}")

    def unsettled(self) -> list[str]:
        """Return what is not as it must be once nothing is left to do."""
        return [*self._silent(), *self._alive(), *self._refusing()]

    def _silent(self) -> Iterator[str]:
        """Name the versions that nobody was told of."""
        told = {
            event["data"].get("new_version")
            for event in self.topic.events
            if event["data"].get("result") in ANNOUNCING
        }
        for part in self.parts:
            for version in self.cloud.world.vaults[VAULT].versions(part.name)[1:]:
                if version.version not in told:
                    yield f"P8: {version.version[:8]} of {part.name} was never announced"

    def _alive(self) -> Iterator[str]:
        """Name what has leaked and is still accepted."""
        for part, value in self.leaked:
            if part.source.opens(self.cloud.world, value):
                yield f"P5: what leaked of {part.name} is still accepted"

    def _refusing(self) -> Iterator[str]:
        yield from (
            f"P1: {part.name} is refused by its source"
            for part in self.parts
            if not self._opens(part)
        )

    def _values(self) -> Iterator[str]:
        for part in self.parts:
            for version in self.cloud.world.vaults[VAULT].versions(part.name):
                yield version.value


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def product(folder: Path, chance: random.Random) -> Iterator[Killed]:
    """Run the product until the end of the block."""
    with contextlib.ExitStack() as stack:
        stack.callback(resolve_localhost())
        parts = cast()
        cloud = stack.enter_context(start_in_thread(lambda domains: stage(domains, parts)))
        trust(cloud.running.ca_file)
        topic = Topic(f"outcomes.vault.localhost:{cloud.running.port}")
        cloud.world.services.append(topic)
        env = {
            **os.environ,
            **settings(cloud, parts, EVERY_FIVE_MINUTES),
            "REKEY_EVENT_TOPIC": f"https://{topic.host}/api/events",
            "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.500",
        }
        killed = Killed(cloud, parts, topic, env, folder, chance)
        killed.start()
        try:
            yield killed
        finally:
            assert killed.host
            killed.host.terminate()
            killed.host.wait(30)


def play(folder: Path, seed: int, kills: int) -> Killed:
    """Kill so many processes at random, and return what became of everything."""
    with product(folder, random.Random(seed)) as killed:  # noqa: S311 - moments, no secrets
        stopped = threading.Event()
        watcher = threading.Thread(target=_watch, args=(killed, stopped))
        watcher.start()
        for _ in range(kills):
            for _ in range(killed.chance.randrange(1, 4)):
                killed.ask()
            time.sleep(killed.chance.uniform(0.0, 12.0))
            killed.kill()
        stopped.set()
        watcher.join()
        killed.settle()
        return killed


def _watch(killed: Killed, stopped: threading.Event) -> None:
    while not stopped.wait(1.0):
        killed.look()

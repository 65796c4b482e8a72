"""What operators do in the demo, by the command line as they would type it."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from demo.cast import ELSEWHERE_ID, VAULT, Part, permit
from demo.lines import width, wrapped
from simulator.azure import Azure
from simulator.keyvault.state import SecretVersion
from simulator.reach.server import Background

POLICY = "rekey-policy"
FIRST_POLICY = "version: 1\n"
NEXT_POLICY = """\
version: 1
tagsMayOverride: [owner]
rules:
  - match: {secret: "archive-*"}  # good for 80 days: due from now on
    rotateBeforeDays: 85
"""
LEAKED, RESTORED, BROKEN = "invoices-key", "orders-key", "legacy-key"
MENDING = ("unpark", f"{VAULT}/{BROKEN}", "--wait")
INDENT = " " * 11
LIMIT = 90
"""Seconds after which a command counts as failed."""


@dataclass(frozen=True)
class Terminal:
    """Types commands, and shows what they answer."""

    rekey: Path
    """The program that speaks to the simulated cloud."""
    say: Callable[[str], None]

    def show(self, *words: str) -> int:
        """Run a command and print it with its answer; return its exit code."""
        self.say(f"$ rekey {shlex.join(words)}")
        code, text = self._on_a_terminal(words)
        for line in text.splitlines():
            print(wrapped(f"{INDENT}{line}", len(INDENT) + 10), flush=True)
        return code

    def data(self, *words: str, stdin: IO[str] | None = None) -> dict[str, object]:
        """Run a command and return its JSON; an empty object if it wrote none."""
        ended = subprocess.run(  # noqa: S603
            [self.rekey, *words, "-o", "json"],
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
        if ended.stderr:
            print(f"{INDENT}{ended.stderr}", flush=True)
        read: dict[str, object] = json.loads(ended.stdout or "{}")
        return read

    def _on_a_terminal(self, words: tuple[str, ...]) -> tuple[int, str]:
        """Run a command as a person sees it: tables fit. Return its exit code and what it wrote."""
        mine, theirs = os.openpty()
        env = {**os.environ, "COLUMNS": str(width() - len(INDENT)), "NO_COLOR": "1"}
        with (
            os.fdopen(mine, "rb", buffering=0) as screen,
            subprocess.Popen(  # noqa: S603
                [self.rekey, *words], stdout=theirs, stderr=subprocess.PIPE, env=env
            ) as process,
        ):
            os.close(theirs)
            limit = threading.Timer(LIMIT, process.kill)
            limit.start()
            written = _read(screen) + process.communicate()[1]
            limit.cancel()
        return process.returncode, written.decode()


def _read(screen: IO[bytes]) -> bytes:
    """Return all that is written to a terminal, until nobody has it open: Linux says EIO then."""
    written = b""
    with contextlib.suppress(OSError):
        while chunk := screen.read(65536):
            written += chunk
    return written


@dataclass(frozen=True)
class Operators:
    """What operators do, one step after the other; each says whether it came to its end."""

    cloud: Background[Azure]
    parts: Mapping[str, Part]
    terminal: Terminal
    folder: Path

    def play(self, meanwhile: Callable[[], bool]) -> bool:
        """Do it all, and something else while the incident goes on.

        Return whether everything came to its end at vault and sources.
        """
        say = self.terminal.say
        before = self._latest(LEAKED)
        say(f"a laptop with {LEAKED} on it was stolen: an incident, which runs while we go on")
        incident = self._begin()
        say("how everything stands, what needs a person first:")
        # Exit code 1: one secret was broken on purpose.
        well = bool(incident) & (self.terminal.show("status", "--vault", VAULT) == 1)
        well &= self._restore_twice()
        well &= self._policy()
        well &= meanwhile()
        say("how far has the incident come?")
        well &= self.terminal.show("incident", "follow", incident, "--wait", "60") == 0
        return well & self._is_cut_off(before)

    def mend(self) -> bool:
        """Grant what the broken secret's reason names, and let it be tried again."""
        permit(self.cloud.world, ELSEWHERE_ID)
        self.terminal.say(
            f"the owner of {BROKEN}'s account gives Rekey the right; then it is tried again:"
        )
        return self.terminal.show(*MENDING) == 0

    def cut_off(self) -> bool:
        """Report a leaked credential by its value, and follow its incident to the end."""
        before = self._latest(LEAKED)
        file = self.folder / ".env"
        file.write_text(f"STORAGE_KEY={before.value}\n")
        self.terminal.say(f"a key was pushed to a public repository, in {file.name}. Whose is it?")
        words = ("leak", "--location", "https://github.com/northwind/shop/.env", "--yes")
        follow = ("incident", "follow", str(self._reported(file, words).get("incident")))
        self.terminal.say(f"$ rekey {shlex.join(follow)} --wait 60")
        status = self.terminal.data(*follow, "--wait", "60").get("status")
        self.terminal.say(f"  the incident: {status}")
        return (status == "ended") & self._is_cut_off(before)

    def _reported(self, file: Path, words: tuple[str, ...]) -> Mapping[str, object]:
        """Report the value in a file, and say what it was found to be."""
        self.terminal.say(f"$ rekey {shlex.join(words)} < {file}")
        with file.open() as value:
            told = self.terminal.data(*words, stdin=value).get("leaks")
        leak: dict[str, object] = told[0] if isinstance(told, list) and told else {}
        self.terminal.say(f"  {leak.get('vault')}/{leak.get('secret')}: {leak.get('reason')}")
        return leak

    def restore(self) -> bool:
        """Publish again what the vault held before the last rotation."""
        self.terminal.say(f"whoever reads {RESTORED} cannot use the new key: undo the rotation")
        older = self._versions(RESTORED)[-2]
        well = self.terminal.show(*_restoring(older)) == 0
        return well and self._latest(RESTORED).value == older.value

    def _begin(self) -> str:
        """Begin the incident, and return its id."""
        words = ("incident", "begin", "--name", LEAKED, "--reason", "a laptop was stolen")
        self.terminal.say(f"$ rekey {shlex.join(words)} --yes")
        begun = self.terminal.data(*words, "--yes")
        identity = str(begun.get("id", ""))
        self.terminal.say(f"  incident {identity} is queued")
        return identity

    def _restore_twice(self) -> bool:
        """Undo a rotation, twice by the same command: the second time nothing is left to do."""
        newer, older = self._latest(RESTORED), self._versions(RESTORED)[-2]
        well = self.restore()
        current = self._latest(RESTORED)
        self.terminal.say("typed again, the same command does nothing:")
        well &= self.terminal.show(*_restoring(older)) == 0
        is_new = current.version != newer.version
        return well and is_new and self._latest(RESTORED).version == current.version

    def _policy(self) -> bool:
        """Change the policy document; the answer says what that does to all secrets."""
        file = self.folder / "policy.yaml"
        file.write_text(NEXT_POLICY)
        self.terminal.say(f"the policy document, {file}:")
        print("".join(f"{INDENT}{line}\n" for line in NEXT_POLICY.splitlines()), end="")
        words = ("policy", "push", str(file), "--reason", "archives early")
        well = self.terminal.show(*words) == 0
        return well and self._latest(POLICY).value == NEXT_POLICY

    def _is_cut_off(self, leaked: SecretVersion) -> bool:
        """Return whether the source refuses what leaked and accepts what the vault holds now."""
        source, current = self.parts[LEAKED].source, self._latest(LEAKED)
        opens = source.opens(self.cloud.world, current.value)
        refused = not source.opens(self.cloud.world, leaked.value)
        self.terminal.say(
            f"  {LEAKED}: the source {'refuses' if refused else 'STILL ACCEPTS'} what leaked,"
            f" and {'accepts' if opens else 'REFUSES'} what the vault holds now"
        )
        return opens and refused

    def _versions(self, name: str) -> list[SecretVersion]:
        return self.cloud.world.vaults[VAULT].versions(name)

    def _latest(self, name: str) -> SecretVersion:
        return self._versions(name)[-1]


def _restoring(older: SecretVersion) -> tuple[str, ...]:
    return ("restore", f"{VAULT}/{RESTORED}", "--to", older.version, "--wait")

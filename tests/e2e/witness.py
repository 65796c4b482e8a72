"""Who writes down what happens in a story of the whole app, whose processes are not ours.

What it takes, posts and ends is read from its queue, and what it says from its log.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demo.cast import HOST_ACCOUNT, VAULT, Part
from demo.sources import Account, AlternatingLogins, Application, Signature, SqlAdministrator
from simulator.azure import Azure
from simulator.wire import Request
from tests.shared.edge import Edge, Process
from tests.shared.edge_sources import Account as StorageAccount
from tests.shared.edge_sources import Passwords, Signatures, Source, logins
from tests.shared.edge_state import State

HISTORIES: list[Path] = []
"""The folder for histories; empty where none are asked for."""
REPORT = re.compile(r'(\{"vault": .*"result": .*\})$')


@dataclass
class Witness(Edge):
    """Stands at the edge of a simulated Azure that serves processes over loopback."""

    log: Path = Path()
    read: int = 0
    """So much of the log is known."""
    tried: dict[str, int] = field(default_factory=dict)
    """How often each message has been taken."""
    looking: bool = False

    def looks(self, call: tuple[int, Process] | None, by: str = "source") -> None:
        """Write what is not as it was said last, messages that were taken or are gone, too."""
        super().looks(call, by)
        if self.looking:
            return
        self.looking = True
        self._hears()
        waiting = {message.id: message for message in self.queue()}
        for name, message in waiting.items():
            if message.dequeued > self.tried.get(name, 0):
                self.tried[name] = message.dequeued
                self._end("failed", {self.messages[name]["m"]})
                self.takes(name)
        gone = {fields["m"] for name, fields in self.messages.items() if name not in waiting}
        self._end("done", gone)
        self.looking = False

    def is_idle(self) -> bool:
        return not self.queue() and not self.working and self.state.is_settled()

    def die(self) -> None:
        """Note that the process was killed in which the messages are that somebody has in hand."""
        self.looks(None)
        self._end("crash", {process.message for process in self.working})

    def _end(self, how: str, messages: set[int]) -> None:
        for process in [it for it in self.working if it.message in messages]:
            self.ends(self._done(process) if how == "done" else process, how)

    def _done(self, process: Process) -> Process:
        """Return who is done where several messages about one secret are in hand.

        Nothing on the wire tells them apart: it is one that has said something and has no lock.
        """
        holder = self.state.known.get(("holder", process.secret))
        same = [process, *(it for it in self.working if it.secret == process.secret)]
        others = (it for it in same if it.number in self.said and it.number != holder)
        done = next(others, process)
        done.message, process.message = process.message, done.message
        return done

    def _hears(self) -> None:
        with self.log.open("rb") if self.log.exists() else contextlib.nullcontext() as log:
            if log is None:
                return
            log.seek(self.read)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.read += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            if match := REPORT.search(line):
                self.reports(json.loads(match[1]))

    def _meant(self, request: Request) -> tuple[str, str, str]:
        """Return what is asked; the app signs in by its identity, and tests by a key."""
        is_test = request.host.partition(".")[0] == HOST_ACCOUNT and "SharedKey " in request.header(
            "authorization"
        )
        return ("", "", "") if is_test else super()._meant(request)

    def _who(self, what: str, name: str) -> Process | None:
        """Return who sends that; a sweep, the API and whoever takes messages have none in hand."""
        return super()._who(what, name) if name else None


def _sources(azure: Azure, parts: Sequence[Part]) -> dict[str, Source]:
    began = azure.now()
    signed, others = dict[str, Source](), dict[str, Source]()
    for part in (it for it in parts if it.vault == VAULT and it.ends != "parked"):
        of = part.source
        if isinstance(of, Signature):
            account, extent = StorageAccount(azure.accounts[of.account]), of.extent[len("sas/") :]
            signed[part.name] = Signatures(account, extent, lambda at: (at - began).total_seconds())
        elif isinstance(of, Account):
            others[part.name] = StorageAccount(azure.accounts[of.name])
        elif type(of) is Application and (app := azure.directory.application(of.client_id)):
            others[part.name] = Passwords(app, azure.now)
        elif isinstance(of, SqlAdministrator | AlternatingLogins):
            others[part.name] = logins(azure.sql.servers[of.server], azure.now)
    return signed | others


@contextlib.contextmanager
def witnessing(azure: Azure, parts: Sequence[Part], log: Path) -> Iterator[Witness]:
    """Write down what happens to sources asked over HTTP, but those broken on purpose for good."""
    state = State(azure, VAULT, HOST_ACCOUNT, _sources(azure, parts))
    witness = Witness(state, f"e2e {log.parent.name}", log=log)
    azure.listeners.append(witness)
    try:
        yield witness
    finally:
        witness.looks(None)
        if witness.is_idle():
            witness.say("end")
        azure.listeners.remove(witness)
        text = "".join(f"{line}\n" for line in witness.lines)
        for folder in HISTORIES:
            (folder / f"e2e-{log.parent.name}.jsonl").write_text(text)

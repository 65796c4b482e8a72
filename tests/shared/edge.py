"""What a simulated Azure is asked, and what comes of it, as the lines of docs/history.md.

It stands at the edge. It sees requests and answers, what vaults, sources, queues and leases hold,
and of the app what that reports. So it serves where the app runs in this process, and where it
runs in others.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from engine.state.record import parts_of
from engine.state.tags import RETIRE, Pending
from simulator.storage.queue_store import Message
from simulator.storage.queues import QueueService
from simulator.wire import Request, Response
from tests.shared.edge_state import LEASES, State

QUEUE = "rotations"
SAID = {
    0: "nothing",
    401: "not signed in",
    403: "forbidden",
    404: "not found",
    409: "held by another",
}
SAID |= {412: "held by another", 429: "too many requests"}
WAITING = ("acquire", "post again")
PUBLISHED = ("rotated", "healed", "restored")
CHANGES = ("set ", "add ", "remove ")


@dataclass
class Process:
    """Who has a message in hand; the secret is empty where it sweeps."""

    number: int
    message: int
    secret: str


@dataclass
class Edge:
    """Writes down what happens to some secrets of one world, from now on."""

    state: State
    run: str
    lines: list[str] = field(default_factory=list)
    calls: int = 0
    under_way: dict[int, tuple[int, Process]] = field(default_factory=dict)
    """By the identity of each request the number of its call, and whose it is."""
    working: list[Process] = field(default_factory=list)
    started: int = 0
    said: set[int] = field(default_factory=set)
    """The processes that have reported something, or posted a message."""
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By its id each message that was ever on the queue, as it was written down."""

    def __post_init__(self) -> None:
        state = self.state
        self.say("begin", history=1, run=self.run)
        self.say("given", changes=[*state.begins(), *state.changes(None)])
        for name, source in state.sources.items():
            versions = {it.version: it for it in state.versions(name)}
            if text := ([*versions.values()][-1].tags or {}).get(RETIRE):
                pending = Pending.parse(text)
                credential = state.credential(name, versions[pending.version])
                until = state.seconds(pending.at)
                self.say("kept", source=source.name, credential=credential, until=until)

    def say(self, do: str, **fields: Any) -> None:
        """Write one line; what is None, False or empty is left out."""
        shown = {name: it for name, it in fields.items() if it not in (None, False, "", [], ())}
        line = {"t": self.state.seconds(self.state.world.now()), "do": do, **shown}
        self.lines.append(json.dumps(line, ensure_ascii=False))

    # What comes over the wire.

    def sent(self, request: Request) -> None:
        self.looks(None)
        to, what, name = self._meant(request)
        process = self._who(what, name) if to else None
        if process is None:
            return
        self.calls += 1
        self.under_way[id(request)] = (self.calls, process)
        is_about_it = to in ("source", "lock") or what == "write"
        source = self.state.sources.get(self.state.primary(name)) if is_about_it else None
        change = what == "write" or what.startswith(CHANGES)
        shown = source.shown(request, self.state.ids) if source and to == "source" else None
        self.say(
            "call",
            n=self.calls,
            p=process.number,
            to=to,
            what=what,
            secret=f"{self.state.vault}/{name}" if to == "vault" and name else None,
            source=source.name if source else None,
            credential=shown,
            change=change,
            under=parts_of(source.name) if source and change else (),
        )

    def served(self, request: Request) -> None:
        self.looks(self.under_way.get(id(request)), by="person")

    def answered(self, request: Request, response: Response | None) -> None:
        """Note an answer; None where it is lost."""
        number, _ = self.under_way.pop(id(request), (0, None))
        if not number:
            return
        to, what, name = self._meant(request)
        status = response.status if response else 0
        word = "ok" if 200 <= status < 300 else SAID.get(status, "unavailable")
        facts: dict[str, Any] = {}
        if what == "read" and word == "ok" and response:
            body: Any = response.json()
            facts = {"version": body["id"].rpartition("/")[2]}
        elif to == "source" and self.state.sources[name].shown(request, self.state.ids) is not None:
            verdict = self.state.sources[name].accepts(response) if response else None
            facts = {"accepted": verdict, "refused": verdict is False}
        self.say("answer", n=number, said=word, **facts)

    def _meant(self, request: Request) -> tuple[str, str, str]:
        """Return the service that is asked, for what, and about which secret."""
        first, _, rest = request.path.strip("/").partition("/")
        if request.host == self.state.world.vaults[self.state.vault].host:
            name, _, version = rest.partition("/")
            known = name if name in self.state.names else ""
            return (
                ("vault", _of_vault(request, version), known) if known or not name else ("", "", "")
            )
        if request.host.partition(".")[0] == self.state.host:
            action = request.header("x-ms-lease-action")
            item = _posted(request)
            name = self.state.source_of(rest)[0] if first == LEASES else item.get("secret", "")
            post = "post again" if item.get("waited") else "post"
            what = post if first == QUEUE else "load" if request.method == "GET" else "store"
            return ("lock", action, name) if action else ("storage", what, name)
        named = (name for name, it in self.state.sources.items() if it.is_asked(request))
        if name := next(named, ""):
            return "source", self.state.sources[name].asks(request), name
        return "", "", ""

    def _who(self, what: str, name: str) -> Process | None:
        """Return who sends that: the one at this secret that has the lock, or came last.

        What has to wait for the lock is another one's, who has not said so yet.
        """
        name = self.state.primary(name)
        near = [it for it in self.working if name and self.state.above(it.secret) == name]
        mine = [it for it in self.working if it.secret in (name, "")] if name else self.working[-1:]
        mine = mine or near
        holder, waits = self.state.known.get(("holder", name)), what in WAITING
        fitting = [it for it in mine if (it.number == holder) != waits] or mine
        silent = [it for it in fitting if waits and it.number not in self.said]
        return next(reversed(silent or fitting), None)

    def looks(self, call: tuple[int, Process] | None, by: str = "source") -> None:
        """Write what is not as it was said last; `by`: who has changed it if no call has."""
        number, process = call or (None, None)
        changes = self.state.changes(process.number if process else None)
        if changes:
            self.say("applied" if number else by, call=number, changes=changes)
        for message in self.queue():
            if message.id not in self.messages:
                self.posted(message.id, base64.b64decode(message.body).decode(), number)
                self.said |= {process.number} if process else set()

    def queue(self) -> list[Message]:
        """Return the messages about these secrets that wait, or that somebody has in hand."""
        world, host = self.state.world, self.state.host
        queues = next(it for it in world.services if isinstance(it, QueueService)).queues
        messages = queues.find(host, QUEUE).messages if QUEUE in queues.names(host) else []
        return [it for it in messages if _item(it.body).get("secret") in self.state.sources]

    def posted(self, name: str, text: str, call: int | None = None) -> None:
        """Note a message; one without a text orders a sweep."""
        item = json.loads(text or "{}")
        fields = {
            "m": len(self.messages) + 1,
            "what": item.get("action", "sweep"),
            "secret": f"{self.state.vault}/{item['secret']}" if item else None,
            "version": item.get("version"),
            "leak": bool(item.get("compromised")),
            "shows": self.state.shows(text),
        }
        self.messages[name] = fields
        self.say("message", **fields, call=call)

    # What becomes of messages, and what the app says.

    def takes(self, name: str, what: str = "") -> Process:
        """Note that somebody takes a message, and what for where that is not what it asks for."""
        self.looks(None)
        fields = {**self.messages[name], **({"what": what} if what else {})}
        self.started += 1
        process = Process(self.started, fields["m"], (fields["secret"] or "").partition("/")[2])
        self.working.append(process)
        self.say("start", p=self.started, **fields)
        return process

    def ends(self, process: Process, how: str, **more: Any) -> None:
        """Note that somebody is done, has failed, or has crashed."""
        self.looks(None)
        self.working.remove(process)
        self.say(how, p=process.number, **more)

    def reports(self, record: dict[str, Any]) -> None:
        """Note what the app reports of a work item: see cloud.telemetry.reports.record."""
        name, result, reason = record["secret"], record["result"], f"{record['reason']}"
        process = self._who("report", name) if name in self.state.sources else None
        if process is None:
            return
        self.said.add(process.number)
        self.say(
            "report",
            p=process.number,
            secret=f"{self.state.vault}/{name}",
            says="needs a person" if result == "parked" else result,
            published=record["new_version"] if result in PUBLISHED else None,
            old=record["old_version"],
            leak=record["compromised"],
            unfinished="another look" in reason,
            unmarked="nor could the secret be marked" in reason,
            why=f"{reason} {record['fix']}".strip(),
            shows=self.state.shows(json.dumps(record)),
        )


def _of_vault(request: Request, version: str) -> str:
    if request.method == "GET":
        return "read version" if version else "read" if request.path.count("/") > 1 else "list"
    if request.method == "PUT":
        return "write"
    return "disable" if b'"enabled": false' in request.body else "tag"


def _posted(request: Request) -> dict[str, Any]:
    """Return the work item in a request that posts one; nothing for any other."""
    if request.method != "POST" or b"<MessageText>" not in request.body:
        return {}
    return _item(request.body.partition(b"<MessageText>")[2].partition(b"<")[0])


def _item(text: str | bytes) -> dict[str, Any]:
    """Return the work item in a message's body."""
    item: dict[str, Any] = json.loads(base64.b64decode(text))
    return item

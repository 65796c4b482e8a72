"""Record what a schedule shows of the engine, event by event, so that the formal model can be asked whether it may.

What changes is seen in the world itself, and why in the calls of the ports, which are wrapped. So a new engine, or a new
way of keeping the record of the source, needs nothing here but what it calls. docs/spec/README.md lists the events.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import VerificationFailed
from engine.rotate.engine import Engine
from engine.secret import SecretRef, SecretVersion, Sensitive
from tests.proof.kernel import Call, Mode, Worker
from tests.proof.scenarios import FIRST, SECOND, source_of
from tests.proof.sources import Many, Slots, credential_in
from tests.proof.world import VAULT, World

APP = SecretRef(VAULT, "app")
KINDS = {"rotate": "rotate", "audit": "look", "retire": "retire"}
STRATEGIES = {"two-slots": "two", "one-slot": "one", "many": "many"}
INTENTS = {"issue": "issue", "retire": "revoke", "tidy": "tidy", "undo": "undo"}
TOLD = ("publish", "set key", "set admin", "add secret")
UNMODELLED = ("disable", "remove", "set back")
OVERLAP = 7 * 86400.0


@dataclass
class Recorder:
    """Follows the source of the secret `app` in one world."""

    world: World
    kind: str
    events: list[dict[str, Any]] = field(default_factory=list)
    credentials: dict[str, int] = field(default_factory=dict)
    intents: dict[int, str] = field(default_factory=dict)
    """What each worker asks its rotator for just now."""
    numbers: dict[int, int] = field(default_factory=dict)
    """The model's number of each worker that is under way."""
    overlaps: list[float] = field(default_factory=list)
    held: dict[str, str] = field(init=False)
    versions: list[tuple[str, bool]] = field(init=False)
    landing: int | None = None
    """Which worker's change takes effect just now; 0 where it waits no longer, None where it is nobody's."""
    going: Worker | None = None
    start: dict[str, Any] = field(init=False)
    left_out: str = ""
    """Why the model can say nothing of this run; empty where it can."""

    def __post_init__(self) -> None:
        places = [place for place in (FIRST[self.kind], SECOND.get(self.kind)) if place]
        self.held, self.versions = self._held(), self._versions()
        self._number(self._current())
        for place in places:
            self._number(self.held.get(place, "nothing"))
        while len(self.credentials) < len(("the adopted one", "the foreign one")):
            self._number("another")
        if len(self.versions) != 1:
            self.left_out = "it starts with more than one version"
        held = [self.credentials[self.held[place]] if place in self.held else 0 for place in places]
        self.start = {"held": held, "last": len(self.credentials)}
        self._hook()

    def _hook(self) -> None:
        land, changed, adapt = self.world.land, self.world.watch.changed, self.world.adapt

        def landed(label: str, effect: Callable[[], Any], lease: Any) -> Any:
            self.landing = self.world.watch.actor
            try:
                return land(label, effect, lease)
            finally:
                self.landing = None

        def seen() -> None:
            self._changed()
            changed()

        resume = self.world.resume

        def resumed(call: Call, mode: Mode) -> None:
            self.going = next(worker for worker in self.world.workers if call in worker.calls)
            resume(call, mode)

        self.world.resume = resumed  # type: ignore[method-assign]
        self.world.in_flight = _Flight(self)
        self.world.land = landed  # type: ignore[method-assign]
        self.world.watch.changed = seen  # type: ignore[method-assign]
        self.world.adapt = lambda engine: self._wrapped(adapt(engine))

    def _wrapped(self, engine: Engine) -> Engine:
        worker = engine.vaults.hand.worker  # type: ignore[attr-defined]
        rotators = {kind: _recorded(rotator, self, worker) for kind, rotator in engine.rotators.items()}
        return replace(
            engine,
            vaults=_Vaults(engine.vaults, self, worker),
            leases=_Leases(engine.leases, self, worker),
            rotators=rotators,
        )

    def note(self, do: str, worker: Worker | None = None, **fields: Any) -> None:
        """Write one event, after what time alone has brought about."""
        while self.overlaps and self.overlaps[0] <= self.world.kernel.time():
            self.overlaps.pop(0)
            self.events.append({"do": "pass"})
        who = {} if worker is None else {"w": self.numbers[worker.number]}
        self.events.append({"do": do, **who, **fields})

    def taken(self, worker: Worker) -> None:
        """Note that a worker holds the lease, for the message that it has in hand."""
        item = json.loads(worker.message.text)
        kind = KINDS.get(item["action"])
        if kind is None or item.get("compromised"):
            self.left_out = f"a message of another kind: {item['action']}"
        free = set(range(1, 9)) - set(self.numbers.values())
        self.numbers[worker.number] = min(free)
        self.note("take", worker, kind=kind)

    def ended(self, worker: Worker) -> None:
        """Note that a worker has given the lease back, or died with it."""
        self.note("crash" if worker.dead else "release", worker)
        del self.numbers[worker.number]

    def read(self, worker: Worker, secret: SecretVersion) -> None:
        """Note what a read showed to a worker under its lease."""
        if worker.number in self.numbers and secret.ref == APP and secret.version:
            ids = [version for version, _ in self.versions]
            self.note("read", worker, version=ids.index(secret.version) + 1)

    def proved(self, worker: Worker, credential: str, *, accepted: bool) -> None:
        """Note what the source said of a credential."""
        if worker.number in self.numbers and credential in self.credentials:
            self.note("prove", worker, credential=self.credentials[credential], accepted=accepted)

    def sent(self, label: str, worker: Worker) -> None:
        """Note that a worker waits no longer for a change that may still take effect."""
        if label.startswith(TOLD):
            self.note("sent", worker)
        elif label.startswith(UNMODELLED):
            self.left_out = f"what comes late: {label}"

    def _changed(self) -> None:
        worker = next((w for w in self.world.workers if w.number == self.landing), None)
        held, versions = self._held(), self._versions()
        source_changed, vault_changed = held != self.held, versions != self.versions
        before, self.held, self.versions = (self.held, self.versions), held, versions
        if worker is None and (source_changed or vault_changed):
            self._outside(before, late=self.landing is not None)
            return
        if worker is not None and source_changed:
            self._source_changed(worker, before[0])
        if worker is not None and vault_changed:
            self._vault_changed(worker, before[1])

    def _outside(self, before: tuple[dict[str, str], list[tuple[str, bool]]], *, late: bool) -> None:
        held, versions = before
        grown = len(self.versions) > len(versions)
        if not (late or grown):
            self.left_out = "a person changes the source alone"
            return
        places = [place for place, value in self.held.items() if held.get(place) != value]
        if late and not (grown or places):
            self.left_out = "what comes late removes something"
            return
        credential = self._current() if grown else self.held[places[0]]
        self.note("land" if late else "person", credential=self._number(credential))
        if late and grown:
            self.overlaps.append(self.world.kernel.time() + OVERLAP)

    def _source_changed(self, worker: Worker, before: dict[str, str]) -> None:
        intent = self.intents.get(worker.number, "issue")
        removed = next((value for place, value in before.items() if self.held.get(place) != value), "")
        place = next((place for place, value in self.held.items() if before.get(place) != value), None)
        credential = self._number(self.held[place]) if place else 0
        if intent == "issue":
            slots = [FIRST[self.kind], SECOND.get(self.kind)]
            self.note("issue", worker, credential=credential, slot=0 if self.kind == "many" else slots.index(place) + 1)
        elif intent == "undo":
            self.note("undo", worker, credential=credential)
        else:
            self.note(intent, worker, credential=self.credentials[removed])

    def _vault_changed(self, worker: Worker, before: list[tuple[str, bool]]) -> None:
        for at, (old, new) in enumerate(zip(before, self.versions, strict=False), start=1):
            if old != new:
                self.note("disable", worker, version=at)
        if len(self.versions) > len(before):
            self.note("publish", worker, credential=self._number(self._current()))
            self.overlaps.append(self.world.kernel.time() + OVERLAP)

    def _current(self) -> str:
        value = self.world.vault[APP][-1].value
        assert value is not None
        return credential_in(value.reveal())

    def _number(self, credential: str) -> int:
        return self.credentials.setdefault(credential, len(self.credentials) + 1)

    def _held(self) -> dict[str, str]:
        match self.world.sources[source_of(self.kind)]:
            case Many(entries=entries):
                return {key: entry.secret for key, entry in entries.items()}
            case Slots(held=held):
                return dict(held)

    def _versions(self) -> list[tuple[str, bool]]:
        return [(str(version.version), version.enabled) for version in self.world.vault[APP]]


class _Flight(list[Any]):
    """What is under way although its sender has given up."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def append(self, entry: tuple[str, Any, Any]) -> None:
        """Note who sent it: whoever goes on just now."""
        super().append(entry)
        worker = self._recorder.going
        if worker is not None and worker.number in self._recorder.numbers:
            self._recorder.sent(entry[0], worker)


@dataclass(frozen=True)
class _Wrapped:
    """A port that passes on whatever it does not look at."""

    inner: Any
    recorder: Recorder
    worker: Worker

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class _Vaults(_Wrapped):
    async def read(self, ref: SecretRef) -> SecretVersion:
        secret: SecretVersion = await self.inner.read(ref)
        self.recorder.read(self.worker, secret)
        return secret


class _Leases(_Wrapped):
    @asynccontextmanager
    async def hold(self, source: str, owner: str) -> AsyncIterator[Any]:
        async with self.inner.hold(source, owner) as lease:
            self.recorder.taken(self.worker)
            try:
                yield lease
            finally:
                self.recorder.ended(self.worker)


def _recorded(rotator: Any, recorder: Recorder, worker: Worker) -> Any:
    """Return a rotator of the same kind, with the same abilities, that says what it is asked for."""
    base = type(rotator)
    methods = {name: _intending(base, name, recorder, worker) for name in INTENTS if hasattr(base, name)}
    methods["verify"] = _proving(base, recorder, worker)
    return type(base.__name__, (base,), methods)(rotator.hand)


def _intending(base: Any, name: str, recorder: Recorder, worker: Worker) -> Any:
    async def method(self: Any, *arguments: Any, **more: Any) -> Any:
        recorder.intents[worker.number] = INTENTS[name]
        try:
            return await getattr(base, name)(self, *arguments, **more)
        finally:
            recorder.intents.pop(worker.number, None)

    return method


def _proving(base: Any, recorder: Recorder, worker: Worker) -> Any:
    async def verify(self: Any, source: str, credential_id: str, credential: Sensitive) -> None:
        try:
            await base.verify(self, source, credential_id, credential)
        except VerificationFailed:
            recorder.proved(worker, credential.reveal(), accepted=False)
            raise
        recorder.proved(worker, credential.reveal(), accepted=True)

    return verify


def lines(name: str, recorder: Recorder) -> list[str]:
    """Return a run as JSON lines: what it started from, then every event."""
    return [json.dumps({"run": name, "strategy": STRATEGIES[recorder.kind], **recorder.start})] + [
        json.dumps(event) for event in recorder.events
    ]

"""Record what a schedule shows of the engine, event by event.

So the formal model can be asked whether it may.

What changes is seen in the world itself, and why in the calls of the ports, which are wrapped.
Events of a worker `w`, with the `phase` of its source by the record, and whether that has a
`next_check`:

take, release, crash (its lease)            plan `step` (what its plan says comes next), `parked`
read `version`, unread (an earlier version)
issue, roll back, revoke, clean up, copy `credential`
prepare (the pending write, in the state) `credential`, `replaces`: a version
publish `credential`, disable `version`     verify `credential`, `accepted`
store `version` (an incident, in the state)  reported `result` `incident` (that it is over)
sent: it waits for that change no longer

Events of others: land, gone, off (what comes late), person, revokes, report (an incident), pass (an
overlap).
Credentials are numbered in the order in which they came to be; 1 is what the first version holds.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from engine.engine import Engine
from engine.errors import PermanentError, VerificationFailed
from engine.kinds import Kinds
from engine.secret import SecretRef, SecretVersion, Sensitive
from engine.state.phase import phase_rule
from engine.state.record import Record
from engine.state.record_parts import Announced
from engine.state.request import Outcome
from engine.state.tags import STATE
from tests.proof.kernel import Call, Mode, Worker
from tests.proof.scenarios import FIRST, SECOND, source_of
from tests.proof.sources import Many, Slots, credential_in
from tests.proof.staging import REPLICAS, blob_of
from tests.proof.world import VAULT, Message, World

APP = SecretRef(VAULT, "app")
KINDS = {"rotate": "rotate", "restore": "restore", "audit": "recheck", "retire": "retire"}
STRATEGIES = {"two-slots": "two", "one-slot": "one", "many": "many"}
REFUSED = ("parked", "skipped", "waiting")
"""Outcomes in which nothing was done."""
COPY = SecretRef(VAULT, REPLICAS[0])
"""The one replica that the model knows; another one is not looked at."""
INTENTS = {"issue": "issue", "retire": "revoke", "tidy": "clean up", "undo": "roll back"}
TOLD = ("publish", "set key", "set admin", "add secret", "remove", "set back", "disable")
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
    before: dict[int, int] = field(default_factory=dict)
    """What each worker has read before it held the lease, until it plans or reads once more."""
    overlaps: list[tuple[float, int]] = field(default_factory=list)
    """When the overlap of which version ends."""
    reported: bool = False
    """Whether somebody has said that the current credential is known."""
    held: dict[str, str] = field(init=False)
    versions: list[tuple[str, bool]] = field(init=False)
    copied: str = field(init=False)
    places: list[str] = field(init=False)
    """Where credentials are held, in the order of the model's slots."""
    record: Record = field(default_factory=Record)
    """The record of the source, as it was seen last."""
    landing: int | None = None
    """Which worker's change takes effect just now; 0 where it waits no longer, None where it is
    nobody's."""
    going: Worker | None = None
    start: dict[str, Any] = field(init=False)
    left_out: str = ""
    """Why the model can say nothing of this run; empty where it can."""

    def __post_init__(self) -> None:
        self.held, self.versions, self.copied = self._held(), self._versions(), self._copied()
        named = [place for place in (FIRST[self.kind], SECOND.get(self.kind)) if place]
        known = [version.tags["CredentialId"] for version in self.world.vault[APP]]
        places = self.places = sorted({*named, *self.held, *known})
        history = [self._credential(version) for version in self.world.vault[APP]]
        for credential in (
            history[0],
            *(self.held[place] for place in places if place in self.held),
            *history[1:],
        ):
            self._number(credential)
        while len(self.credentials) < len(("the adopted one", "the foreign one")):
            self._number("another")
        held = [self.credentials[self.held[place]] if place in self.held else 0 for place in places]
        self.start = {"held": held, "last": len(self.credentials), "replica": bool(self.copied)}
        self.start |= self._remembered(history) | {"asked": self._asked("rotate")}
        self.start["undone"] = max(self._asked("restore"), default=0)
        for message in self.world.messages:
            self._posted(message.text)
        self._hook()

    def _remembered(self, history: list[str]) -> dict[str, Any]:
        """Return the versions that there are, and what the record knows of them."""
        record = self.record = self._stored()
        ids, published = [version for version, _ in self.versions], record.published
        versions = []
        for version, credential in zip(self.world.vault[APP], history, strict=True):
            ours = published is not None and published.version == version.version
            base = ids.index(published.replaces) + 1 if ours and published else 0
            slot = self.places.index(version.tags["CredentialId"]) + 1
            by = "rekey" if ours else "person"
            versions.append(
                {"c": self.credentials[credential], "s": slot, "from": base, "by": by, "on": True}
            )
        if record.retirement:
            ends = (
                record.retirement.at - self.world.kernel.now()
            ).total_seconds() + self.world.kernel.time()
            self.overlaps.append((ends, ids.index(record.retirement.version) + 1))
        known = (
            {"pending_write": versions[-1]["c"], "replaces": versions[-1]["from"]}
            if published
            else {"pending_write": 0, "replaces": 0}
        )
        retire = [ids.index(record.retirement.version) + 1] if record.retirement else []
        return {"versions": versions, "retire": retire, **known}

    def _asked(self, action: str) -> list[int]:
        """Return the versions that messages ask to be replaced in this way."""
        items = [json.loads(message.text) for message in self.world.messages]
        versions = [item["version"] for item in items if item.get("action") == action]
        ids = [version for version, _ in self.versions]
        return sorted({ids.index(version) + 1 if version else len(ids) for version in versions})

    def _posted(self, text: str) -> None:
        """Note that an incident was reported, the first time that its message is posted."""
        item = json.loads(text)
        if item.get("compromised") and not self.reported:
            self.reported = True
            if item["version"] != self.versions[-1][0]:
                self.left_out = "an earlier version is reported as leaked"
            self.note("report")

    def _hook(self) -> None:
        land, changed, adapt = self.world.land, self.world.watch.changed, self.world.adapt
        post, concluded = self.world.post, self.world.watch.concluded

        def landed(label: str, effect: Callable[[], Any], lease: Any) -> Any:
            self.landing = self.world.watch.actor
            try:
                return land(label, effect, lease)
            finally:
                self.landing = None

        def seen() -> None:
            self._changed()
            changed()

        def posted(
            what: str, text: str, delay: float = 0.0, deployment: str | None = None
        ) -> Message:
            self._posted(text)
            return post(what, text, delay, deployment)

        def done(outcome: Outcome, worker: int) -> None:
            self._done(outcome, worker)
            concluded(outcome, worker)

        resume = self.world.resume

        def resumed(call: Call, mode: Mode) -> None:
            self.going = next(worker for worker in self.world.workers if call in worker.calls)
            resume(call, mode)

        self.world.resume = resumed  # type: ignore[method-assign]
        self.world.post = posted  # type: ignore[method-assign]
        self.world.watch.concluded = done  # type: ignore[method-assign]
        self.world.in_flight = _Flight(self)
        self.world.land = landed  # type: ignore[method-assign]
        self.world.watch.changed = seen  # type: ignore[method-assign]
        self.world.adapt = lambda engine: self._wrapped(adapt(engine))

    def _wrapped(self, engine: Engine) -> Engine:
        worker = engine.vaults.hand.worker  # type: ignore[attr-defined]
        rotators = {
            kind: _recorded(rotator, self, worker) for kind, rotator in engine.rotators.items()
        }
        return replace(
            engine,
            vaults=_Vaults(engine.vaults, self, worker),
            leases=_Leases(engine.leases, self, worker),
            reporter=_Reporter(engine.reporter, self, worker),
            kinds=Kinds(rotators),
        )

    def note(self, do: str, worker: Worker | None = None, **fields: Any) -> None:
        """Write one event, after what time alone has brought about."""
        # A repair gives what is to be retired another overlap.
        later = self._stored().retirement
        is_extended = later is not None and later.at > self.world.kernel.now()
        while self.overlaps and self.overlaps[0][0] <= self.world.kernel.time() and not is_extended:
            self.events.append({"do": "pass", "version": self.overlaps.pop(0)[1]})
        who = {} if worker is None else {"w": self.numbers[worker.number], **self._said()}
        self.events.append({"do": do, **who, **fields})

    def _said(self) -> dict[str, Any]:
        """Return in which step the source is by its record, and whether that has a next check."""
        record = self._stored()
        return {"phase": phase_rule(record).phase, "next_check": record.next_check is not None}

    def _stored(self) -> Record:
        claim = self.world.claims.get(blob_of(source_of(self.kind)))
        return claim.record if claim else Record()

    def taken(self, worker: Worker) -> None:
        """Note that a worker holds the lease, for the message that it has in hand."""
        item = json.loads(worker.message.text)
        kind = KINDS.get(item["action"])
        if kind is None:
            self.left_out = f"a message of another kind: {item['action']}"
        kind = "incident" if item.get("compromised") else kind
        free = set(range(1, 9)) - set(self.numbers.values())
        self.numbers[worker.number] = min(free)
        self.note("take", worker, kind=kind)

    def ended(self, worker: Worker) -> None:
        """Note that a worker has given the lease back, or died with it."""
        self.note("crash" if worker.dead else "release", worker)
        del self.numbers[worker.number]

    def _done(self, outcome: Outcome, number: int) -> None:
        """Note what a worker reports as done; it still holds the lease then."""
        worker = next((worker for worker in self.world.workers if worker.number == number), None)
        if (
            worker
            and number in self.numbers
            and outcome.item.ref == APP
            and outcome.result not in REFUSED
        ):
            is_incident = outcome.item.compromised
            self.note("reported", worker, result=outcome.result, incident=is_incident)

    def planned(self, worker: Worker, step: str) -> None:
        """Note the next step of the plan; before it what it follows from, if that was read early."""
        if worker.number in self.numbers:
            if earlier := self.before.pop(worker.number, None):
                self.note("read", worker, version=earlier)
            parked = STATE in self.world.vault[APP][-1].tags
            self.note("plan", worker, step=step, parked=parked)

    def read(self, worker: Worker, secret: SecretVersion) -> None:
        """Note what a read showed to a worker: under its lease at once, else once it plans."""
        if secret.ref != APP or not secret.version:
            return
        version = [known for known, _ in self.versions].index(secret.version) + 1
        if worker.number in self.numbers:
            self.before.pop(worker.number, None)
            self.note("read", worker, version=version)
        else:
            self.before[worker.number] = version

    def unread(self, worker: Worker) -> None:
        """Note that an earlier version could not be read."""
        if worker.number in self.numbers:
            self.note("unread", worker)

    def proved(self, worker: Worker, credential: str, *, accepted: bool) -> None:
        """Note what the source said of a credential."""
        if worker.number in self.numbers and credential in self.credentials:
            self.note("verify", worker, credential=self.credentials[credential], accepted=accepted)

    def sent(self, label: str, worker: Worker) -> None:
        """Note that a worker waits no longer for a change that may still take effect."""
        if worker.last == ("disable", COPY):
            self.left_out = "a version of a replica is disabled late"
        if label.startswith(TOLD):
            self.note("sent", worker)

    def _changed(self) -> None:
        worker = next((w for w in self.world.workers if w.number == self.landing), None)
        held, versions = self._held(), self._versions()
        self._copy_changed(worker)
        source_changed, vault_changed = held != self.held, versions != self.versions
        before, self.held, self.versions = (self.held, self.versions), held, versions
        if worker is None and (source_changed or vault_changed):
            self._outside(before, late=self.landing is not None)
            return
        self._record_changed(worker)
        if worker is not None and source_changed:
            self._source_changed(worker, before[0])
        if worker is not None and vault_changed:
            self._vault_changed(worker, before[1])

    def _outside(
        self, before: tuple[dict[str, str], list[tuple[str, bool]]], *, late: bool
    ) -> None:
        held, versions = before
        grown = len(self.versions) > len(versions)
        places = [place for place, value in self.held.items() if held.get(place) != value]
        lost = [value for place, value in held.items() if self.held.get(place) != value]
        if late and not (grown or places):
            for at, (old, new) in enumerate(zip(versions, self.versions, strict=True), start=1):
                if old != new:
                    self.note("off", version=at)
            for credential in lost:
                self.note("gone", credential=self._number(credential))
            return
        if not (late or grown):
            self._outside_revoked(lost)
            return
        credential = self._current() if grown else self.held[places[0]]
        self.note("land" if late else "person", credential=self._number(credential))
        if late and grown:
            self.overlaps.append((self.world.kernel.time() + OVERLAP, len(self.versions) - 1))

    def _outside_revoked(self, lost: list[str]) -> None:
        if lost != [self._current()]:
            self.left_out = "a person changes what is not in use"
            return
        for value in self.held.values():
            self._number(value)
        self.note("revokes", credential=self._number(lost[0]))

    def _copy_changed(self, worker: Worker | None) -> None:
        before, self.copied = self.copied, self._copied()
        if self.copied == before:
            return
        if worker is not None:
            self.note("copy", worker, credential=self._number(self.copied))
        elif self.landing is not None:
            self.left_out = "a replica is written late"

    def _source_changed(self, worker: Worker, before: dict[str, str]) -> None:
        intent = self.intents.get(worker.number, "issue")
        removed = next(
            (value for place, value in before.items() if self.held.get(place) != value), ""
        )
        place = next(
            (place for place, value in self.held.items() if before.get(place) != value), None
        )
        credential = self._number(self.held[place]) if place else 0
        if intent == "issue":
            slots = [FIRST[self.kind], SECOND.get(self.kind)]
            self.note(
                "issue",
                worker,
                credential=credential,
                slot=0 if self.kind == "many" else slots.index(place) + 1,
            )
        elif intent == "roll back":
            self.note("roll back", worker, credential=credential)
        else:
            self.note(intent, worker, credential=self.credentials[removed])

    def _vault_changed(self, worker: Worker, before: list[tuple[str, bool]]) -> None:
        for at, (old, new) in enumerate(zip(before, self.versions, strict=False), start=1):
            if old != new:
                self.note("disable", worker, version=at)
        if len(self.versions) > len(before):
            self.note("publish", worker, credential=self._number(self._current()))
            self.overlaps.append((self.world.kernel.time() + OVERLAP, len(self.versions) - 1))

    def _record_changed(self, worker: Worker | None) -> None:
        before, self.record = self.record, self._stored()
        ahead = self.record.pending_write
        for version in [
            version
            for version in self.record.compromised.versions
            if version not in before.compromised.versions
        ]:
            if worker is not None:
                self.note(
                    "store",
                    worker,
                    version=[known for known, _ in self.versions].index(version) + 1,
                )
        if ahead and ahead != before.pending_write and worker is not None:
            base = [version for version, _ in self.versions].index(ahead.replaces) + 1
            self.note(
                "prepare", worker, credential=self._announced(self.record, ahead), replaces=base
            )

    def _announced(self, record: Record, ahead: Announced) -> int:
        """Return which credential the record's digest fits."""
        fitting = (n for c, n in self.credentials.items() if record.fits(ahead, Sensitive(c)))
        return next(fitting)

    def _current(self) -> str:
        return self._credential(self.world.vault[APP][-1])

    @staticmethod
    def _credential(version: SecretVersion) -> str:
        assert version.value is not None
        return credential_in(version.value.reveal())

    def _copied(self) -> str:
        return self._credential(self.world.vault[COPY][-1]) if COPY in self.world.vault else ""

    def _number(self, credential: str) -> int:
        return self.credentials.setdefault(credential, len(self.credentials) + 1)

    def _held(self) -> dict[str, str]:
        match self.world.sources[source_of(self.kind)]:
            case Many(entries=entries):
                return {key: entry.secret for key, entry in entries.items()}
            case Slots(held=held):
                return dict(held)
            case _:
                return {}

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

    async def read_version(self, ref: SecretRef, version: str) -> SecretVersion:
        try:
            secret: SecretVersion = await self.inner.read_version(ref, version)
        except PermanentError:
            self.recorder.unread(self.worker)
            raise
        return secret


class _Leases(_Wrapped):
    @asynccontextmanager
    async def hold(self, source: str, owner: str, whole: str = "") -> AsyncIterator[Any]:
        async with self.inner.hold(source, owner, whole) as lease:
            self.recorder.taken(self.worker)
            try:
                yield lease
            finally:
                self.recorder.ended(self.worker)


class _Reporter(_Wrapped):
    def planned(self, step: str) -> None:
        self.recorder.planned(self.worker, step)


def _recorded(rotator: Any, recorder: Recorder, worker: Worker) -> Any:
    """Return a rotator of the same kind and abilities, which says what it is asked for."""
    base = type(rotator)
    methods = {
        name: _intending(base, name, recorder, worker) for name in INTENTS if hasattr(base, name)
    }
    methods |= {
        "verify": _proving(base, recorder, worker),
        "accepts": _asking(base, recorder, worker),
    }
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


def _asking(base: Any, recorder: Recorder, worker: Worker) -> Any:
    async def accepts(self: Any, source: str, credential_id: str, credential: Sensitive) -> bool:
        accepted: bool = await base.accepts(self, source, credential_id, credential)
        recorder.proved(worker, credential.reveal(), accepted=accepted)
        return accepted

    return accepts


def lines(name: str, recorder: Recorder) -> list[str]:
    """Return a run as JSON lines: what it started from, then every event."""
    return [json.dumps({"run": name, "strategy": STRATEGIES[recorder.kind], **recorder.start})] + [
        json.dumps(event) for event in recorder.events
    ]

"""Whole rotations by the engine itself, from the request to the days after the overlap.

Every fault strikes every call: of the plug-in to its source, and of the engine to vault, lease and
queue. The promises are those of ARCHITECTURE.md.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from conformance.faults import Broken, Died, Mode, Striker, plans
from conformance.hearing import everything
from conformance.memory import MemoryQueue, MemoryReporter, Message, NoRequests, NoWatch, World
from conformance.memory_leases import MemoryLeases
from conformance.memory_vaults import MemoryVaults
from conformance.scene import DAYS, Begin, Scene
from engine.engine import Engine
from engine.errors import RekeyError
from engine.kinds import Kinds
from engine.secret import SecretRef, SecretVersion, Sensitive
from engine.service import MAX_TRIES, Service
from engine.state.policy import Policy
from engine.state.request import WorkItem
from engine.state.tags import OPERATION, RETIRE, STATE, Pending

VAULT = "https://kit.vault.azure.net"
SECRET = SecretRef(VAULT, "credential")
DAY = 86_400
DEAD_SECONDS, RETRY_SECONDS = 600.0, 30.0
"""When a message comes back after its worker died, and after it failed."""
MOST = 60
"""Deliveries after which a story is said never to end."""
DAYS_AFTER = (1, 8, 1, 1, 8, 1)
"""How the days pass behind a rotation: its overlap of a week, and what a refusal may delay."""


@dataclass
class Story:
    """One secret's rotation under one plan of faults."""

    scene: Scene
    striker: Striker
    compromised: bool = False
    known: set[str] = field(default_factory=set)
    first: str = field(default_factory=lambda: uuid.uuid4().hex)
    """The version that the vault holds at first. An operation's id is derived from it."""
    broken: str = ""
    """What was broken first, should a plug-in catch even that."""

    def __post_init__(self) -> None:
        self.clock = self.scene.clock
        self.world = World(self.clock, self.striker)
        self.striker.watch = self._look
        self.single = bool(self.scene.rotator().single_slot(self.scene.tags))
        created = SecretVersion(
            SECRET,
            self.first,
            value=Sensitive(self.scene.held),
            enabled=True,
            created=self.clock.now() - timedelta(days=80),
            expires=self.clock.now() + timedelta(days=10),
            content_type="text/plain",
            tags={**self.scene.tags, "ValidityPeriodDays": str(DAYS)},
        )
        self.world.versions[SECRET] = [created]
        self.known = {self.first}

    @property
    def versions(self) -> list[SecretVersion]:
        """All versions, the current one last."""
        return self.world.versions[SECRET]

    def start(self) -> Service:
        """Start a fresh process."""
        self.striker.revive()
        engine = Engine(
            vaults=MemoryVaults(self.world),
            leases=MemoryLeases(self.world),
            kinds=Kinds({self.scene.kind: self.scene.rotator(self.striker)}),
            policy=Policy({VAULT: (self.scene.source,)}),
            clock=self.clock,
            reporter=MemoryReporter(self.world),
            queue=MemoryQueue(self.world),
            requests=NoRequests(),
        )
        return Service(engine, engine.policy, NoWatch())

    async def play(self) -> None:
        """Rotate; let the overlap pass and retire; then come daily audits. Raises Broken."""
        item = WorkItem.of(
            ref=SECRET, version=self.first, trigger="event", compromised=self.compromised
        )
        self.world.post(item)
        await self._deliver()
        for days in DAYS_AFTER:
            self.clock.advance(days * DAY + 60)
            await self._sweep()
            if days == 1 and not await self._open():
                break
        if problem := self.broken or await self._open():
            raise Broken(problem)

    async def _look(self) -> None:
        try:
            await self.instant()
        except Broken as broken:
            self.broken = self.broken or str(broken)
            raise

    async def instant(self) -> None:
        """Check what must hold at every moment."""
        live = await self.scene.live()
        current = self.versions[-1]
        if not current.enabled:
            raise Broken("P1: the current version is disabled")
        for version in self.versions:
            if version.version not in self.known and self._value(version) not in live:
                raise Broken("P3: a version was published that the source does not accept")
            self.known.add(str(version.version))
        if not self.single and self._value(current) not in live:
            raise Broken("P1: the source does not accept the current version")
        if not self.compromised:
            self._nothing_cut_off(live)

    def _nothing_cut_off(self, live: set[str]) -> None:
        for version in self.versions:
            if RETIRE in version.tags:
                pending = Pending.parse(version.tags[RETIRE])
                old = next(each for each in self.versions if each.version == pending.version)
                early = self.clock.now() < pending.at
                if early and not (old.enabled and self._value(old) in live):
                    raise Broken("P4: a credential was cut off inside its overlap")

    async def _open(self) -> str:
        """Return what is still open once nothing is left to do; empty if nothing is."""
        await self.instant()
        live = await self.scene.live()
        *old, current = self.versions
        checks = (
            (self._value(current) in live, "P1: the current version is not accepted in the end"),
            (STATE not in current.tags, f"P8: parked: {current.tags.get('RekeyReason', '')}"),
            (len(old) == 1, f"P2: {len(old) + 1} versions instead of 2"),
            (not any(self._value(each) in live for each in old), "P5: a superseded one is alive"),
            (RETIRE not in current.tags, "P5: something is still to be retired"),
            (OPERATION in current.tags, "P8: the version names no operation"),
        )
        return next((problem for holds, problem in checks if not holds), "")

    @staticmethod
    def _value(version: SecretVersion) -> str:
        return version.value.reveal() if version.value else ""

    async def _deliver(self) -> None:
        """Deliver what is on the queue until nothing is left."""
        service = self.start()
        for _ in range(MOST):
            if not self.world.messages:
                return
            message = min(self.world.messages, key=lambda each: each.visible)
            self.clock.advance(message.visible - self.clock.monotonic())
            service = await self._handed(service, message)
        raise Broken(f"P8: still at work after {MOST} deliveries")

    async def _handed(self, service: Service, message: Message) -> Service:
        message.tries += 1
        pause = RETRY_SECONDS
        try:
            await service.rotate(message.text, message.tries)
        except Died:
            pause, service = DEAD_SECONDS, self.start()
        except Exception as error:  # noqa: BLE001 - the host tries again, whatever it is
            self.scene.heard.say("an error of the engine", everything(error))
        else:
            self.world.messages.remove(message)
            return service
        message.visible = self.clock.monotonic() + pause
        if message.tries >= MAX_TRIES:
            self.world.messages.remove(message)
            await service.park(message.text, "kit")
        return service

    async def _sweep(self) -> None:
        since = (self.clock.now() - timedelta(days=1)).isoformat()
        order = f'{{"vault": "{VAULT}", "since": "{since}"}}'
        for _ in range(4):
            try:
                await self.start().sweep_vault(order)
            except Died:
                continue
            except RekeyError as error:
                self.scene.heard.say("an error of the engine", everything(error))
                continue
            break
        await self._deliver()

    def listen(self) -> None:
        """Hand over what was written to queues, tags, records and reports."""
        for text in self.world.said:
            self.scene.heard.say("a message, tag, record or report", text)


async def told(
    begin: Begin, plan: dict[int, Mode], *, compromised: bool
) -> list[tuple[str, tuple[Any, ...]]]:
    """Play one story; returns its calls."""
    scene = await begin()
    striker = Striker(plan)
    story = Story(scene, striker, compromised)
    try:
        await story.play()
    finally:
        story.listen()
    return striker.calls


async def _every_fault(begin: Begin, *, compromised: bool) -> None:
    for at, mode, name in plans(await told(begin, {}, compromised=compromised)):
        try:
            await told(begin, {at: mode}, compromised=compromised)
        except Broken as broken:
            raise Broken(f"{broken}; call {at} ({name}): {mode}") from None


async def a_rotation_keeps_every_promise(begin: Begin) -> None:
    """A rotation, its overlap and its retirement, under every fault at every call."""
    await _every_fault(begin, compromised=False)


async def an_incident_keeps_every_promise(begin: Begin) -> None:
    """A credential that somebody else knows is cut off at once, under every fault at every call."""
    await _every_fault(begin, compromised=True)


STORIES = (a_rotation_keeps_every_promise, an_incident_keeps_every_promise)

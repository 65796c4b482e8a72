"""A world in which schedules are played: vault, sources, leases and queue as plain state, and the workers on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from engine.model.policy import Policy
from engine.model.workitem import WorkItem
from engine.rotate.engine import Engine
from engine.secret import Draft, SecretRef, SecretVersion, Sensitive
from engine.service import MAX_TRIES, Service
from tests.proof import kinds
from tests.proof.kernel import Call, Died, Kernel, Mode, Worker
from tests.proof.ports import Claim, Hand, ModelLeases, ModelQueue, ModelReporter, ModelVaults, NoWatch
from tests.proof.sources import Many, Mint, Slots
from tests.proof.watch import Watch

VAULT = "https://prod.vault.azure.net"
DEAD_SECONDS, RETRY_SECONDS = 600.0, 30.0
"""When a message comes back after its worker died, and after it failed: see tests/delivery.py."""
NEVER = float("inf")


@dataclass
class Message:
    """A message on a queue, or on its poison queue."""

    what: str
    text: str
    visible: float
    tries: int = 0


@dataclass
class World:
    """Everything outside the engine, and how the engine is started on it."""

    kernel: Kernel = field(default_factory=Kernel)
    mint: Mint = field(default_factory=Mint)
    vault: dict[SecretRef, list[SecretVersion]] = field(default_factory=dict)
    sources: dict[str, Slots | Many] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    claims: dict[str, Claim] = field(default_factory=dict)
    leases: int = 0
    messages: list[Message] = field(default_factory=list)
    posted: int = 0
    in_flight: list[tuple[str, Callable[[], Any], Any]] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    started: int = 0
    deliveries: int = 0
    replication: float = 0.0
    capped: int = 0
    """By how many days the source ends its credentials earlier than asked."""
    service_class: type[Service] = Service
    engine_class: type[Engine] = Engine
    adapt: Callable[[Engine], Engine] = lambda engine: engine
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Watch(self)

    def start(self, worker: Worker) -> Service:
        """Start a fresh process for one worker."""
        hand = Hand(self, worker)
        queue, policy = ModelQueue(hand), Policy({VAULT: self.scopes})
        engine = self.engine_class(
            vaults=ModelVaults(hand),
            leases=ModelLeases(hand),
            rotators=kinds.build(hand),
            policy=policy,
            clock=self.kernel,
            reporter=ModelReporter(self, worker),
            queue=queue,
        )
        return self.service_class(self.adapt(engine), queue, policy, NoWatch())

    def land[T](self, label: str, effect: Callable[[], T], lease: Any) -> T:
        """Let a change take effect."""
        if lease is not None and not lease.held:
            self.watch.too_late(label)
        result = effect()
        self.watch.changed()
        return result

    def put(self, ref: SecretRef, draft: Draft, *, by_hand: bool) -> SecretVersion:
        """Add a version."""
        versions = self.vault.setdefault(ref, [])
        version = SecretVersion(
            ref,
            f"v{sum(map(len, self.vault.values())) + 1}",
            draft.value,
            enabled=True,
            created=self.kernel.now(),
            expires=draft.expires,
            content_type=draft.content_type,
            tags=draft.tags,
        )
        versions.append(version)
        if not by_hand:
            self.watch.published(version)
        return version

    def secret(self, name: str, value: str, days_left: float, tags: Mapping[str, str], **options: Any) -> SecretVersion:
        """Put a version into the vault by hand."""
        expires = self.kernel.now() + timedelta(days=days_left)
        ref = SecretRef(VAULT, name)
        return self.put(ref, Draft(Sensitive(value), expires, "text/plain", dict(tags)), by_hand=True, **options)

    def post(self, what: str, text: str, delay: float = 0.0) -> Message:
        """Put a message on a queue."""
        self.posted += 1
        message = Message(what, text, self.kernel.time() + delay)
        self.messages.append(message)
        self.watch.said(text)
        self.watch.traces.add(self.watch.actor)
        return message

    def ask(self, name: str, **fields: Any) -> Message:
        """Post a work item."""
        return self.post("rotate", WorkItem(SecretRef(VAULT, name), **fields).to_json())

    def deliver(self, message: Message) -> Worker:
        """Hand a message to a fresh worker, which goes as far as its first call."""
        self.started += 1
        self.deliveries += 1
        message.tries += 1
        message.visible = NEVER
        worker = Worker(self.started, message)
        worker.task = self.kernel.create_task(self._work(self.start(worker), message))
        self.workers.append(worker)
        self.run()
        return worker

    @staticmethod
    async def _work(service: Service, message: Message) -> None:
        match message.what:
            case "rotate":
                await service.rotate(message.text, message.tries)
            case "sweep":
                await service.sweep_vault(message.text)
            case _:
                await service.park(message.text, "id")

    def resume(self, call: Call, mode: Mode) -> None:
        """Let a call go on."""
        call.turn.set_result(mode)
        self.run()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.kernel.advance(seconds)
        self.run()

    def run(self) -> None:
        """Let everybody go on to the next call; once a worker has come to its end, so does its message, or comes back."""
        self.kernel.run()
        for worker in [worker for worker in self.workers if worker.task and worker.task.done()]:
            self.workers.remove(worker)
            self._ended(worker)

    def _ended(self, worker: Worker) -> None:
        message: Message = worker.message
        error = worker.task.exception() if worker.task else None
        if error is None:
            self.messages.remove(message)
            self.watch.consumed(message, worker.number)
            return
        self.watch.failed(error)
        away = DEAD_SECONDS if isinstance(error, Died) or message.what == "park" else RETRY_SECONDS
        message.visible = self.kernel.time() + away
        if message.tries >= MAX_TRIES and message.what == "rotate":
            # The host moves it to the poison queue, whose function parks the secret.
            message.what, message.visible = "park", self.kernel.time()
        elif message.tries >= MAX_TRIES and message.what == "sweep":
            self.messages.remove(message)

    def visible(self) -> list[Message]:
        """Return the messages that can be delivered now."""
        now = self.kernel.time()
        return [message for message in self.messages if message.visible <= now]

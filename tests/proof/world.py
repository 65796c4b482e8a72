"""A world in which schedules are played.

Vaults, sources, leases and queues as plain state, and the workers on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from engine.engine import Engine
from engine.errors import AccessDenied, NeedsHuman, TransientError
from engine.kinds import Kinds
from engine.parts import GRACE_SECONDS
from engine.secret import Draft, SecretRef, SecretVersion, Sensitive
from engine.service import LONGEST_WAIT, MAX_TRIES, Service
from engine.state.policy import Document, Policy
from engine.state.record import RECHECK, RECHECK_EVERY, RECHECKED_FOR, Record
from engine.state.record_parts import Prints
from engine.state.tags import REPLICA_OF
from tests.proof import kind_registry
from tests.proof.hand import Hand, service_of
from tests.proof.kernel import EPOCH, Call, Died, Kernel, Mode, Worker
from tests.proof.model_leases import Claim, ModelLeases
from tests.proof.model_vaults import ModelVaults
from tests.proof.ports import (
    ModelApps,
    ModelChats,
    ModelQueue,
    ModelReporter,
    ModelRequests,
    NoPolicy,
    NoWatch,
)
from tests.proof.sources import Lasting, Mint, Slots, Source, credential_in
from tests.proof.watch import Broken, Watch
from tests.shared.items import work_item

VAULT = "https://prod.vault.azure.net"
OTHER_VAULT = "https://other.vault.azure.net"
"""A second vault that is served, in which nothing may change without consent."""
DEAD_SECONDS, RETRY_SECONDS = 600.0, 30.0
"""When a message comes back after its worker died, and after it failed.

See tests/shared/delivery.py.
"""
NEVER = float("inf")
TICK = RECHECK_EVERY.total_seconds()
NOTHING: Mapping[SecretRef, SecretVersion] = {}
BACK_SECONDS = 900.0
"""For how long the timer asks for all that is due once each service has come back."""
MOST_NAMED = 600.0
"""How long a throttled caller is told to wait at most, in seconds."""
MOST_LOOKS = 6
"""So many looks at one source may wait at a time."""
LAG_SECONDS = 30.0
"""How long after a change a vault may still show what was there before."""


@dataclass
class Message:
    """A message on a queue, or on its poison queue, of one deployment of Rekey."""

    what: str
    text: str
    visible: float
    tries: int = 0
    deployment: str = ""
    number: int = 0


@dataclass(frozen=True)
class Stored:
    """What the app's own storage held at some time."""

    records: Mapping[str, Record]
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Skewed:
    """The engine's clock, which goes before or after the vault's."""

    world: World
    seconds: float

    def now(self) -> datetime:
        """Return the time of day."""
        return self.world.kernel.now() + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self.world.kernel.time()

    async def sleep(self, seconds: float) -> None:
        """Let this much time pass for one worker."""
        await self.world.kernel.sleep(seconds)


@dataclass
class World:
    """Everything outside the engine, and how the engine is started on it."""

    kernel: Kernel = field(default_factory=Kernel)
    mint: Mint = field(default_factory=Mint)
    vault: dict[SecretRef, list[SecretVersion]] = field(default_factory=dict)
    deleted: dict[SecretRef, list[SecretVersion]] = field(default_factory=dict)
    """The secrets that somebody has deleted and may recover; their names cannot be written."""
    purged: set[str] = field(default_factory=set)
    """The versions that nobody can recover any more."""
    sources: dict[str, Source] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    other_scopes: tuple[str, ...] | None = None
    """What the secrets of the other vault may rotate; None where that vault is not served."""
    document: Document | None = None
    own: SecretRef | None = None
    """The secret that holds the policy document."""
    claims: dict[str, Claim] = field(default_factory=dict)
    far: dict[str, Claim] = field(default_factory=dict)
    """The records of a second deployment."""
    past: list[Stored] | None = None
    """The app's storage as it was before each write of a record; None where nothing goes back."""
    deployments: tuple[str, ...] = ("",)
    serving: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Which vaults each deployment serves, where there are several."""
    leases: int = 0
    messages: list[Message] = field(default_factory=list)
    requests: dict[tuple[str, str], tuple[str, datetime]] = field(default_factory=dict)
    """What people asked for and is not done yet, by deployment and id: its text, and when it is due."""
    kept: set[str] = field(default_factory=set)
    """The ids of all that was ever stored of it."""
    promised: dict[tuple[str, str], float] = field(default_factory=dict)
    """When each of those was to be worked on, whatever the timer asks for again."""
    posted: int = 0
    numbered: int = 0
    """How many messages there have been, whatever is counted from when on."""
    swept: int = 0
    waits: int = 0
    """How many of those posted were posted again for a busy source: each is in place of another."""
    """How many of the messages sweeps have brought, themselves included."""
    others: int = 0
    """At so many other sources a retirement is due at each run of the timer, and stays so."""
    losing: float = 0.0
    """Until when every message is lost that the app posts, and each that was taken once.

    What the timer asks for gets through.
    """
    ticked: float = -1.0
    """When the timer came last that asks for what is due at the sources."""
    in_flight: list[tuple[str, Callable[[], Any], Any]] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    started: int = 0
    deliveries: int = 0
    asked: int = 0
    """How many reports by people were taken, each with a message of its own."""
    returns: int = 0
    """How often the timer has asked for something."""
    looks: int = 0
    """So many messages more are no growth without end: looks at a change that goes on for a day."""
    replication: float = 0.0
    """For how many seconds a new secret is not known everywhere."""
    patience: tuple[float, ...] = ()
    """After how many further seconds a proof tries once more."""
    most_made: int | None = None
    """So many credentials are made where nothing goes wrong; None where that is not said."""
    capped: int = 0
    """By how many days the source ends its credentials earlier than asked."""
    skew: float = 0.0
    """By how many seconds the clocks of every second process go wrong, one before and one after."""
    down: dict[str, float] = field(default_factory=dict)
    """Until when a service does not answer: vault, writes, those of copies, source, storage, apps."""
    denies: bool = False
    """Meanwhile it answers with a refusal (403): somebody has taken the app's rights away."""
    throttles: bool = False
    """Or with 429, and names the time that is left, ten minutes at most."""
    away: float = 0.0
    """For how many seconds in all some service has not answered."""
    applies_and_fails: float = 0.0
    """Until when every source applies what it is asked for, and answers that it failed."""
    cuts_off: float = 0.0
    """For so many seconds the vault is away once it has written the next version, of which it says
    that it failed."""
    deadly: int = 0
    """So many of the next changes of a source end with the death of whoever has sent them."""
    spoils: dict[str, Mode] = field(default_factory=dict)
    """How the next call of a name ends, once: a fault that a situation needs."""
    unseen: set[str] = field(default_factory=set)
    """Which calls of a single slot are accepted next, and nobody may see what becomes of them: a new
    password comes later, and what is set back never does."""
    way_back: float = 0.0
    """Until when what a single slot was set back to is awaited."""
    lands_at: float = 0.0
    """Nothing that is under way arrives by itself before that."""
    fruitless: float = 0.0
    """For how many seconds of those that is so: no excuse to make further credentials."""
    copy_until: float = 0.0
    """Until when the vault serves a copy from before its latest change."""
    before: dict[SecretRef, tuple[float, tuple[SecretVersion, ...]]] = field(default_factory=dict)
    """When each secret was changed last, and what it was before."""
    wanted: dict[SecretRef, dict[str, str]] = field(default_factory=dict)
    """The tags that the owner of each secret wants, as the scenario begins."""
    by_hand: set[str] = field(default_factory=set)
    """Versions that a person has written or edited."""
    written: set[str] = field(default_factory=set)
    """Versions that a person has written."""
    hidden: set[str] = field(default_factory=set)
    """Versions that a person has disabled, at some time."""
    in_hand: bool = False
    """A person is changing something just now."""
    apps: dict[str, str] = field(default_factory=dict)
    """Which version each app uses."""
    stuck: set[str] = field(default_factory=set)
    """Apps that do not come to use a new version."""
    prints: Prints = field(default_factory=Prints)
    """What makes the prints by which a reported value is found."""
    known: dict[str, str] = field(default_factory=dict)
    """What people know who report it, by version."""
    put_back: dict[str, datetime] = field(default_factory=dict)
    """When somebody put back what had leaked, by credential."""
    service_class: type[Service] = Service
    engine_class: type[Engine] = Engine
    adapt: Callable[[Engine], Engine] = lambda engine: engine
    hand_class: type[Hand] = Hand
    witness: object = None
    """Who writes down what happens; None where nobody does."""
    ending: int = 0
    """The number of the worker that has come to its end just now."""
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Watch(self)
        self.mint.time = self.kernel.time

    def policy(self, deployment: str = "") -> Policy:
        """Return the policy as it is now."""
        scopes = {VAULT: self.scopes}
        if self.other_scopes is not None:
            scopes[OTHER_VAULT] = self.other_scopes
        scopes = {vault: bound for vault, bound in scopes.items() if self.serves(deployment, vault)}
        policy = Policy(scopes, deployment=deployment, own=self.own)
        return policy.under(self.document) if self.document else policy

    def start(self, worker: Worker) -> Service:
        """Start a fresh process for one worker."""
        hand = self.hand_class(self, worker)
        policy = self.policy(worker.deployment)
        worker.rules = policy
        engine = self.engine_class(
            vaults=ModelVaults(hand),
            leases=ModelLeases(hand),
            kinds=Kinds(kind_registry.build(hand)),
            policy=policy,
            clock=Skewed(self, self.skew * (-1) ** worker.number) if self.skew else self.kernel,
            reporter=ModelReporter(self, worker),
            queue=ModelQueue(hand),
            requests=ModelRequests(hand),
            apps=ModelApps(hand),
            webhooks=ModelChats(hand),
            prints=self.prints,
        )
        is_away = self.down.get("policy", 0.0) > self.kernel.time()
        return self.service_class(self.adapt(engine), NoPolicy() if is_away else policy, NoWatch())

    def allows(self, worker: Worker, source: str) -> bool:
        """Return whether a worker's policy lets some vault's secrets rotate a source."""
        return any(worker.rules.allows(vault, source) for vault in worker.rules.scopes)

    def remember(self) -> None:
        """Keep the records and the queues as they are, before a record is written."""
        if self.past is not None:
            records = {source: claim.record for source, claim in self.claims.items()}
            self.past.append(Stored(records, tuple(map(copy, self.messages))))

    def storage(self, deployment: str) -> dict[str, Claim]:
        """Return the records of a deployment: each has a storage account of its own."""
        return self.claims if deployment == self.deployments[0] else self.far

    def serves(self, deployment: str, vault: str) -> bool:
        """Return whether a deployment sweeps a vault.

        Where there are two, each has what `serving` says.
        """
        return vault in self.serving.get(deployment, (vault,))

    def overlap_hours(self, version: SecretVersion) -> float:
        """Return how long what a version holds is kept once it is superseded."""
        policy, shortest = self.policy(), self.watch.shortest.get(version.ref.name, NEVER)
        tags = self.watch.owner_tags(replace(version, tags=policy.applied(version).tags))
        return min(float(tags.get("OverlapHours", policy.overlap.total_seconds() / 3600)), shortest)

    def refuse_while_away(self, label: str, about: object, *, changes: bool) -> float:
        """Raise TransientError where a call's service does not answer; AccessDenied if it denies.

        Return for how many seconds it is throttled; 0 where it is not.
        """
        service, now = service_of(label), self.kernel.time()
        writes = self.down.get("writes", 0.0) if service == "vault" and changes else 0.0
        if changes and self.is_copy(about):
            writes = max(writes, self.down.get("copies", 0.0))
        left = max(self.down.get(service, 0.0), writes) - now
        if left <= 0:
            return 0.0
        if self.throttles:
            return min(left, MOST_NAMED)
        if self.denies:
            raise AccessDenied(f"{label} was refused", fix="grant it")
        raise TransientError(f"{label}: {service} does not answer", code="ServiceUnavailable")

    def is_copy(self, about: object) -> bool:
        """Return whether a call is about a replica."""
        known = self.vault.get(about) if isinstance(about, SecretRef) else None
        return bool(known and REPLICA_OF in known[-1].tags)

    def cut_off(self, label: str) -> None:
        """Raise TransientError where the vault goes away over the version that it has written."""
        if label == "publish" and (seconds := self.cuts_off):
            self.cuts_off = 0.0
            self.down["vault"] = self.kernel.time() + seconds
            self.watch.disturb(self.down["vault"])
            raise TransientError(f"{label}: vault failed", code="ServiceUnavailable")

    def fails_after_applying(self, label: str) -> bool:
        """Return whether a source applies this change just now, and answers that it failed."""
        return service_of(label) == "source" and self.applies_and_fails > self.kernel.time()

    def kills_after_applying(self, label: str) -> bool:
        """Return whether who has sent this change to a source dies of it, and count that."""
        kills = service_of(label) == "source" and self.deadly > 0
        if kills:
            self.deadly -= 1
            self.watch.struck = True
            self.watch.disturb(self.kernel.time())
        return kills

    def serves_a_copy(self) -> bool:
        """Return whether the vault's reads are answered from a copy."""
        return self.copy_until > self.kernel.time()

    def stale(self, ref: SecretRef) -> Sequence[SecretVersion]:
        """Return what a vault that lags may show.

        What was there before the latest change, if that was just now.
        """
        changed, before = self.before.get(ref, (-NEVER, ()))
        lags = self.serves_a_copy() or self.kernel.time() - changed < LAG_SECONDS
        return before if lags and before else self.vault.get(ref, ())

    def versions_of(self, ref: SecretRef) -> list[SecretVersion]:
        """Return the versions of a secret, whether it is deleted or not."""
        return self.vault.get(ref) or self.deleted.get(ref, [])

    def every_version(self) -> Iterator[SecretVersion]:
        """Return every version that there is, those of deleted secrets included."""
        return chain.from_iterable((*self.vault.values(), *self.deleted.values()))

    def delete(self, ref: SecretRef) -> None:
        """Delete a secret by hand: nobody can read it, or write its name, until it is recovered."""
        self._remember(ref)
        self.deleted[ref] = self.vault.pop(ref)

    def recover(self, ref: SecretRef) -> None:
        """Recover a deleted secret, with every version that it had."""
        self.vault[ref] = self.deleted.pop(ref)

    def purge(self, ref: SecretRef) -> None:
        """Remove a deleted secret for good."""
        self.purged |= {str(version.version) for version in self.deleted.pop(ref)}

    def land[T](self, label: str, effect: Callable[[], T], lease: Any) -> T:
        """Let a change take effect."""
        if lease is not None and not (lease.held and lease.hand.worker in self.workers):
            self.watch.too_late(label, lease.source)
        result = effect()
        self.watch.changed()
        return result

    def put(
        self,
        ref: SecretRef,
        draft: Draft,
        *,
        by_hand: bool,
        shown: Mapping[SecretRef, SecretVersion] = NOTHING,
    ) -> SecretVersion:
        """Add a version; `shown` is what its worker has read last of each secret."""
        if ref in self.deleted:
            raise NeedsHuman(
                "writing a new version: the name belongs to a deleted secret",
                where=str(ref),
                fix="recover the deleted secret, or purge it",
                code="ObjectIsDeletedButRecoverable",
            )
        self._remember(ref)
        number = sum(1 for _ in self.every_version()) + len(self.purged) + 1
        versions = self.vault.setdefault(ref, [])
        version = SecretVersion(
            ref,
            f"v{number}",
            value=draft.value,
            enabled=True,
            # Key Vault tells times in whole seconds.
            created=self.kernel.now().replace(microsecond=0),
            expires=draft.expires,
            content_type=draft.content_type,
            tags=draft.tags,
        )
        versions.append(version)
        if by_hand:
            self.by_hand.add(str(version.version))
            if not self._is_announced(draft.value):
                self.written.add(str(version.version))
        else:
            self.watch.published(version, shown)
        return version

    def _is_announced(self, value: Sensitive) -> bool:
        """Return whether a value is that of a write of Rekey's that is on its way, or may become that.

        Nobody can tell whether it has come, or a person has written what the source shows.
        """
        records = [claim.record for claim in (*self.claims.values(), *self.far.values())]
        known = (record.fits(write, value) for record in records for write in record.unpublished)
        return any(known) or any(record.change.in_progress_since for record in records)

    def change(self, ref: SecretRef, version: str | None, **changes: Any) -> SecretVersion:
        """Change what is set on a version."""
        self._remember(ref)
        versions = self.vault[ref]
        at = next(index for index, candidate in enumerate(versions) if candidate.version == version)
        versions[at] = replace(versions[at], **changes)
        return versions[at]

    def edit(self, ref: SecretRef, version: str | None = None, **changes: Any) -> SecretVersion:
        """Change a version by hand: the current one, where none is named."""
        version = version or self.vault[ref][-1].version
        self.by_hand.add(str(version))
        if changes.get("enabled") is False:
            self.hidden.add(str(version))
        return self.change(ref, version, **changes)

    def _remember(self, ref: SecretRef) -> None:
        self.before[ref] = (self.kernel.time(), tuple(self.vault.get(ref, ())))

    def secret(
        self, name: str, value: str, days_left: float, tags: Mapping[str, str], vault: str = VAULT
    ) -> SecretVersion:
        """Put a version into the vault by hand."""
        expires = self.kernel.now() + timedelta(days=days_left)
        draft = Draft(Sensitive(value), expires, "text/plain", dict(tags))
        return self.put(SecretRef(vault, name), draft, by_hand=True)

    def post(
        self, what: str, text: str, delay: float = 0.0, deployment: str | None = None
    ) -> Message:
        """Put a message on a queue."""
        # What the timer brings, and asks for, is bounded by its period.
        is_timers = what == "recheck" or self._carries("recheck")
        # An order asks once for each secret, each time that the timer asks for the order.
        is_orders = what == "rotate" and self._carries("sweep")
        self.posted += not (is_timers or is_orders)
        self.numbered += 1
        self.waits += '"waited": 0' not in text and what == "rotate" and delay <= LONGEST_WAIT
        self.returns += self._carries("recheck")
        name = self.deployments[0] if deployment is None else deployment
        visible = self.kernel.time() + delay
        message = Message(what, text, visible, deployment=name, number=self.numbered)
        at_work = any(worker.number == self.watch.actor for worker in self.workers)
        if is_timers or not at_work or self.kernel.time() >= self.losing:
            self.messages.append(message)
        if (
            self.throttles
            and sum('"follow_up": true' in it.text for it in self.messages) > MOST_LOOKS
        ):
            raise Broken(
                f"resources: over {MOST_LOOKS} looks at one source wait while it is throttled"
            )
        self.watch.said(text)
        self.watch.traces.add(self.watch.actor)
        return message

    def _carries(self, what: str) -> bool:
        """Return whether what acts just now has this kind of message: the timer's, or an order."""
        actor = self.watch.actor
        at_work = (worker for worker in self.workers if worker.number == actor)
        return any(worker.message.what == what for worker in at_work)

    def next_tick(self, until: float) -> float:
        """Return when the timer comes next that finds something due; NEVER where nothing is.

        What can have no late effect any more is left out after a time: looks at it never end.
        """
        records = (claim.record for claim in (*self.claims.values(), *self.far.values()))
        until, now = max(until, self.back() + BACK_SECONDS), self.kernel.now()
        latest = EPOCH + timedelta(seconds=until)
        checks = [
            check
            for record in records
            if (check := record.next_check)
            and check > now - RECHECKED_FOR
            and (check <= latest or record.goes_on(now) or _is_soon(record, now))
        ]
        checks += [due for _, due in self.requests.values()]
        if not checks:
            return NEVER
        due = max((min(checks) - EPOCH).total_seconds(), self.kernel.time(), self.ticked + 1)
        if self.down:
            due = max(due, self.down.get("storage", 0.0))
        return math.ceil(due / TICK) * TICK

    def back(self) -> float:
        """Return when the last service that was away has come back, or does."""
        return max(self.down.values(), default=-NEVER)

    def tick(self) -> None:
        """Let the timer come, of each deployment that has something due."""
        self.ticked, now = self.kernel.time(), self.kernel.now()
        for deployment in self.deployments:
            due = [claim.record.next_check for claim in self.storage(deployment).values()]
            due += [at for (where, _), (_, at) in self.requests.items() if where == deployment]
            waits = (it.deployment for it in self.visible() if it.what == "recheck")
            if deployment not in waits and any(moment and moment <= now for moment in due):
                self.post("recheck", "{}", deployment=deployment)

    def ask(
        self, name: str, *, vault: str = VAULT, deployment: str | None = None, **fields: Any
    ) -> Message:
        """Post a work item; what a person asks for is stored first."""
        item = work_item(SecretRef(vault, name), **fields)
        if item.request:
            asked = item.cause.reported or self.kernel.now().isoformat()
            item = replace(item, cause=replace(item.cause, reported=asked))
            self.keep(item.request, item.to_json(), GRACE_SECONDS, deployment)
        return self.post("rotate", item.to_json(), deployment=deployment)

    def keep(self, request: str, text: str, seconds: float, deployment: str | None = None) -> None:
        """Store what a person asks for, which is due in so many seconds."""
        name = self.deployments[0] if deployment is None else deployment, request
        self.requests[name] = (text, self.kernel.now() + timedelta(seconds=seconds))
        self.promised[name] = self.kernel.time() + seconds

    def repeat_incident(self, name: str, credential: str) -> None:
        """Report once more that a credential is known, as if the first report had failed."""
        versions = self.vault.get(SecretRef(VAULT, name), [])
        holding = next(
            (
                candidate
                for candidate in versions
                if candidate.value and credential_in(candidate.value.reveal()) == credential
            ),
            None,
        )
        if holding is None:
            # Its last version was purged: whoever did that looks after what it held.
            return
        self.ask(name, version=holding.version, compromised=True, force=True)

    def deliver(self, message: Message) -> Worker:
        """Hand a message to a fresh worker, which goes as far as its first call."""
        self.started += 1
        # What people ask for, and ask for again, is no work that the app makes for itself.
        self.deliveries += message.what not in ("report", "begin", "follow", "recheck")
        message.tries += 1
        message.visible = NEVER
        worker = Worker(self.started, message, deployment=message.deployment)
        worker.task = self.kernel.create_task(self._work(self.start(worker), message))
        self.workers.append(worker)
        self.run()
        return worker

    async def _work(self, service: Service, message: Message) -> None:
        match message.what:
            case "report" | "begin" | "follow":
                from tests.proof.reported import PEOPLE

                await PEOPLE[message.what](self, service.engine, message.text)
            case "release":
                from tests.proof.released import carried_out

                await carried_out(self, service.engine, message.text)
            case "rotate":
                await service.rotate(message.text, message.tries)
            case "recheck":
                await service.recheck()
            case "sweep":
                await service.sweep_vault(message.text, message.tries)
            case _:
                await service.park(message.text, "id")

    def resume(self, call: Call, mode: Mode) -> None:
        """Let a call go on."""
        call.turn.set_result(mode)
        self.run()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        until = self.kernel.time() + seconds
        while lasting := self._ending(until):
            assert lasting.change
            seconds = max(lasting.change.ends - self.kernel.time(), 0.0)
            self.kernel.advance(seconds)
            self.watch.actor = 0
            if lasting.change.asker:
                slots = lasting.change.slots
                name = next(name for name, source in self.sources.items() if source is slots)
                self.watch.too_late(f"set {lasting.change.slot}", name)
            lasting.end()
            self.watch.changed()
            self.run()
            seconds = max(until - self.kernel.time(), 0.0)
        self.kernel.advance(seconds)
        self.run()

    def noted(self, worker: Worker, record: Record) -> None:
        """Let a record that a worker has written say that its source goes on with a change.

        If the answer was lost, the record is about the change before.
        """
        source = self.sources.get(record.source)
        lasting = source.lasting if isinstance(source, Slots) else None
        is_known = record.change.in_progress_since and not record.change.open_since
        if lasting and lasting.change and is_known:
            lasting.change.answered(worker.number)

    def _ending(self, until: float) -> Lasting | None:
        """Return the account whose change comes to its end first, if that is before a time."""
        accounts = [
            source.lasting
            for source in self.sources.values()
            if isinstance(source, Slots) and source.lasting and source.lasting.change
        ]
        return min(
            (lasting for lasting in accounts if lasting.change and lasting.change.ends <= until),
            key=lambda lasting: lasting.change.ends if lasting.change else NEVER,
            default=None,
        )

    def run(self) -> None:
        """Let everybody go on to the next call.

        Once a worker has come to its end, so does its message, or comes back.
        """
        self.kernel.run()
        for worker in self.workers[:]:
            if worker.task and worker.task.done():
                self.workers.remove(worker)
                self._ended(worker)

    def _ended(self, worker: Worker) -> None:
        message: Message = worker.message
        self.ending = worker.number
        error = worker.task.exception() if worker.task else None
        if error is None or message.what == "recheck":
            # It may be gone, or there once more, with the storage that held it.
            self.messages = [other for other in self.messages if other is not message]
            self.watch.consumed(message, worker.number)
        if error is not None:
            self.watch.failed(error)
        if error is None:
            return
        if message.what == "recheck" or self.kernel.time() < self.losing:
            # A timer whose worker died comes at its next time, and not before.
            self.messages = [other for other in self.messages if other is not message]
            return
        dies = isinstance(error, Died)
        away = DEAD_SECONDS if dies or message.what == "park" else RETRY_SECONDS
        message.visible = self.kernel.time() + away
        if message.what == "rotate" and not dies:
            self.watch.comes_back(worker, message, error)
        if message.tries >= MAX_TRIES and message.what == "rotate":
            # The host moves it to the poison queue, whose function parks the secret.
            message.what, message.visible = "park", self.kernel.time()
        elif message.tries >= MAX_TRIES and message.what == "sweep":
            self.messages = [other for other in self.messages if other is not message]

    def visible(self) -> list[Message]:
        """Return the messages that can be delivered now."""
        now = self.kernel.time()
        if self.down and self.down.get("storage", 0.0) > now:
            return []
        return [message for message in self.messages if message.visible <= now]

    def next_message(self) -> float:
        """Return when the next message can be delivered."""
        soonest = min((message.visible for message in self.messages), default=NEVER)
        return max(soonest, self.down.get("storage", 0.0)) if self.down else soonest


def _is_soon(record: Record, now: datetime) -> bool:
    """Return whether no look has ended yet that found nothing to do but to wait for a person."""
    check = record.next_check
    is_next = check is not None and check <= now + RECHECK
    is_owed = record.is_unknown or record.compromised.versions
    return record.is_pressing(now) or bool(is_owed and is_next)

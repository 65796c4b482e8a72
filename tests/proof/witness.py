"""Who writes down what happens in a world, as lines that anybody can check: see docs/history.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.errors import AccessDenied, LeaseUnavailable, NotFound, RekeyError, TransientError
from engine.planning.inventory import Inventory
from engine.rotation.controller import LEFT
from engine.secret import SecretRef, SecretVersion
from engine.state.index import Listed
from engine.state.request import PUBLISHED, Outcome
from tests.proof.differences import SECOND, Differences, bare, named, short, shows, without_values
from tests.proof.hand import Hand, service_of
from tests.proof.kernel import Died, Worker
from tests.proof.sources import credential_in
from tests.proof.watch import Broken

if TYPE_CHECKING:
    from tests.proof.world import Message, World

LOCK = frozenset({"acquire", "renew", "release"})
WORDS = {"publish": "write", "retag": "tag", "note": "store", "record": "load", "peek": "load"}
"""What calls are named after, where the model has another word."""
CHECKS = (
    "sent",
    "put_off",
    "comes_back",
    "published",
    "retagged",
    "disabled",
    "changed",
    "between",
    "handled",
    "passed",
    "said",
    "concluded",
    "consumed",
    "accepted",
    "closes",
    "failed",
)
"""What a witness lets pass: a history goes on where a promise is broken."""


class Overheard(Hand):
    """A hand whose calls are written down, with the answer that each had."""

    async def reach[T](self, label: str, effect: Callable[[], T], **options: Any) -> T:
        """Make one call, and have the witness note it, its effect and its answer."""
        if self.worker.dead:
            raise Died
        witness: Witness = self.world.witness  # type: ignore[assignment]
        number, stale = witness.calls(self.worker, label, options), options.get("stale")
        if stale:
            options["stale"] = lambda: witness.lags(number, stale)
        heard = (lambda: witness.applies(number, effect)) if options.get("changes") else effect
        try:
            result: T = await super().reach(label, heard, **options)
        except RekeyError as error:
            after = getattr(error, "retry_after", None)
            witness.say("answer", n=number, said=_said(error), retry_after=after)
            raise
        witness.answers(number, result)
        return result


@dataclass
class Witness:
    """Writes down what happens in one world, from now on."""

    world: World
    run: str
    lines: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """What the watch has found, which the history does not say."""
    process: dict[int, int] = field(default_factory=dict)
    """Which process has made each call."""
    by_hand: set[int] = field(default_factory=set)
    """The calls that a person has made."""
    cause: int | None = None
    """Which call is taking effect just now."""
    lagging: set[int] = field(default_factory=set)
    leapt: float = 0.0
    differences: Differences = field(init=False)

    def __post_init__(self) -> None:
        world, watch = self.world, self.world.watch
        self.differences = Differences(world)
        world.witness, world.hand_class = self, Overheard
        self.say("begin", history=1, run=self.run, clocks=abs(world.skew))
        gone = [{"held": bare(credential)} for credential in sorted(watch.disowned)]
        self.say("given", changes=[*self.differences.now(None), *gone])
        if watch.disturbed:
            self.say("fault", until=watch.disturbed)
        for credential in sorted(watch.compromised):
            self._leaked(credential)
        for kept in watch.protected:
            held = bare(kept.credential)
            self.say("kept", source=kept.source, credential=held, until=kept.until)
        for message in world.messages:
            self.posted(message)
        self._follow(watch)
        self._follow_messages()

    def _follow(self, watch: Any) -> None:
        for name in CHECKS:
            setattr(watch, name, self._lenient(getattr(watch, name)))
        tellers: Mapping[str, Callable[..., None]] = {
            "concluded": self._reports,
            "consumed": lambda _, worker: self.say("done", p=worker),
            "failed": self._failed,
            "disturb": self._disturbed,
            "by_hand": lambda: self.differs("person"),
            "mended": lambda: self.say("mended"),
            "changed": lambda: self.differs("source"),
        }
        for name, tell in tellers.items():
            setattr(watch, name, _both(tell, getattr(watch, name)))

    def _lenient(self, check: Callable[..., Any]) -> Callable[..., Any]:
        def passes(*arguments: Any, **more: Any) -> Any:
            try:
                return check(*arguments, **more)
            except Broken as broken:
                self.broken.append(str(broken))

        return passes

    def _follow_messages(self) -> None:
        world, post, deliver = self.world, self.world.post, self.world.deliver

        def posted(*arguments: Any, **more: Any) -> Message:
            message = post(*arguments, **more)
            self.posted(message)
            return message

        def delivered(message: Message) -> Worker:
            tries = message.tries + 1
            self.say("start", p=world.started + 1, **self._fields(message), tries=tries)
            return deliver(message)

        world.post, world.deliver = posted, delivered  # type: ignore[method-assign]

    def say(self, do: str, **fields: Any) -> None:
        """Write one line; what is None, False or empty is left out."""
        shown = {name: it for name, it in fields.items() if it not in (None, False, (), [], "")}
        line = {"t": round(self.world.kernel.time(), 3), "do": do, **shown}
        self.lines.append(json.dumps(line, ensure_ascii=False))

    def calls(self, worker: Worker, label: str, options: Mapping[str, Any]) -> int:
        """Note a call as it is sent; returns its number."""
        number = len(self.process) + 1
        self.process[number] = worker.number
        if worker.message.what == "release":
            # The owner's command line, in a process of the owner's.
            self.by_hand.add(number)
        about, (source, credential) = options.get("about"), options.get("of", ("", ""))
        to, change = "lock" if label in LOCK else service_of(label), bool(options.get("sandboxed"))
        if to == "source" and not source and worker.lease:
            source = worker.lease.source
        self.say(
            "call",
            n=number,
            p=worker.number,
            to=to,
            what=WORDS.get(label, label),
            secret=named(about) if isinstance(about, SecretRef) else None,
            source=source,
            credential=bare(credential),
            change=change,
            under=self._locks(worker) if change else (),
        )
        return number

    def _locks(self, worker: Worker) -> list[str]:
        prefix = "" if worker.deployment == self.world.deployments[0] else SECOND
        leases = [worker.lease, *worker.lease.further] if worker.lease else []
        return [f"{prefix}{lease.part}" for lease in leases]

    def applies[T](self, number: int, effect: Callable[[], T]) -> T:
        """Let a call take effect, and note what that has changed."""
        self.cause = None if number in self.by_hand else number
        try:
            return effect()
        finally:
            self.differs("person" if number in self.by_hand else "applied")
            self.cause = None

    def lags[T](self, number: int, stale: Callable[[], T]) -> T:
        """Note that a call is answered with what was there before."""
        self.lagging.add(number)
        return stale()

    def answers(self, number: int, result: object) -> None:
        """Note the answer to a call."""
        shown: dict[str, Any] = {}
        if isinstance(result, SecretVersion):
            shown = {"version": result.version, "disabled": not result.enabled}
        elif isinstance(result, bool):
            shown = {"accepted": result, "refused": not result}
        self.say("answer", n=number, said="ok", lags=number in self.lagging, **shown)

    def differs(self, do: str) -> None:
        """Write what is not as it was said last."""
        process = None if self.cause is None else self.process[self.cause]
        changes = self.differences.now(process)
        if changes:
            self.say(do, call=self.cause, changes=changes)

    def posted(self, message: Message) -> None:
        """Note a message on a queue."""
        later = round(message.visible - self.world.kernel.time(), 3)
        more = {"in": later} if later > 0 else {}
        self.say("message", **self._fields(message), **more, call=self.cause)

    def _fields(self, message: Message) -> dict[str, Any]:
        fields = json.loads(message.text)
        is_one = "secret" in fields
        return {
            "m": message.number,
            "what": "give up" if message.what == "park" else fields.get("action", message.what),
            "secret": f"{short(fields['vault'])}/{fields['secret']}" if is_one else None,
            "version": fields.get("version"),
            "leak": bool(fields.get("compromised")) or message.what == "report",
            "shows": shows(self.world, message.text),
        }

    def _reports(self, outcome: Outcome, worker: int) -> None:
        item, why = outcome.item, f"{outcome.reason} {outcome.fix}".strip()
        texts = (why, item.cause.reason, str(outcome.credential_id), *outcome.retired)
        self.say(
            "report",
            p=worker,
            secret=named(item.ref),
            says="needs a person" if outcome.result == "parked" else outcome.result,
            published=outcome.new_version if outcome.result in PUBLISHED else None,
            old=outcome.old_version,
            asked=item.version,
            leak=item.compromised,
            unfinished=item.recheck,
            unmarked="nor could the secret be marked" in outcome.reason
            or outcome.reason.endswith(LEFT),
            why=without_values(why),
            shows=shows(self.world, *texts),
        )

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, Died):
            self.say("crash", p=self.world.ending)
            return
        known, shown = isinstance(error, TransientError | AccessDenied), f"{error!r} {error}"
        self.say(
            "failed", p=self.world.ending, unforeseen=not known, shows=shows(self.world, shown)
        )

    def _disturbed(self, moment: float, *, copies: bool = False) -> None:
        leapt, self.leapt = self.world.watch.leapt - self.leapt, self.world.watch.leapt
        if leapt:
            self.say("leap", seconds=leapt)
        until = max(moment, 0.0 if copies else self.world.watch.back_elsewhere)
        until_then = until if until > self.world.kernel.time() else None
        self.say("fault", until=until_then, copies=copies or None)

    def _leaked(self, credential: str) -> None:
        versions = self.world.every_version()
        holding = (
            named(it.ref)
            for it in versions
            if it.value and credential_in(it.value.reveal()) == credential
        )
        undated = self.world.watch.source_by(credential) in self.world.watch.undated
        secret = next(holding, None)
        self.say("leak", credential=bare(credential), secret=secret, undated=undated)

    def listed(self, engine: Any) -> None:
        """Note how people are shown the secrets that have no source."""
        known = [Listed.of(claim.record) for claim in self.world.claims.values()]
        for ref, versions in self.world.vault.items():
            mine = [it for it in known if it.owner == str(ref).lower()]
            if mine and "ProviderAddress" not in versions[-1].tags and versions[-1].enabled:
                now = self.world.kernel.now()
                shown = Inventory(engine.policy, engine.kinds, now).entry(versions[-1], mine)
                self.say("shown", secret=named(ref), state=shown.state, fix=bool(shown.fix))

    def pauses(self, until: float) -> None:
        """Note that the sweeps are left out that would come until then, as nothing is due."""
        self.say("pause", until=until)

    def end(self) -> None:
        """Note that nothing is left to do."""
        self.say("end")


def _both(tell: Callable[..., None], then: Callable[..., Any]) -> Callable[..., Any]:
    def both(*arguments: Any, **more: Any) -> Any:
        tell(*arguments, **more)
        return then(*arguments, **more)

    return both


def _said(error: RekeyError) -> str:
    code = getattr(error, "code", "")
    if code == "NoAnswer":
        return "nothing"
    if code == "TooManyRequests":
        return "too many requests"
    if isinstance(error, LeaseUnavailable):
        return "held by another"
    if isinstance(error, NotFound):
        return "not found"
    return "forbidden" if isinstance(error, AccessDenied) else "unavailable"

"""One schedule.

A race in whatever order, then redelivery, sweeps and days until nothing is left to do.
After that the promises are checked.

Sweeps come at full hours, as production's schedule has them, and each asks for the audits of its
own hour. Those between which nothing can fall due are left out: the first two hours are swept, the
hour of the day in which an audit falls, and the days after the overlap.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from engine.engine import Engine
from engine.errors import RekeyError
from engine.follow_up.refresh import LAGGING_SECONDS
from engine.secret import SecretRef
from engine.service import Service
from engine.state.sweep_order import SweepOrder
from engine.state.tags import OURS
from simulator.reach.interleave import Choices
from tests.proof import asked, ending
from tests.proof.excuses import Excuse
from tests.proof.hand import LONG
from tests.proof.kernel import EPOCH, EVERY_FAULT, FAULTS, Call, Died, Mode, Worker
from tests.proof.scenarios import Scenario
from tests.proof.seen import DAY, Seen, fingerprint, second_of_the_day
from tests.proof.stillness import Stillness, put_off
from tests.proof.watch import Broken
from tests.proof.witness import Witness
from tests.proof.world import DEAD_SECONDS, NEVER, VAULT, Message, World

UNREAD = re.compile(r"credential in version (\w+) cannot be read .* \((https:\S+)\)")
"""What an incident says that needs a version enabled for a moment, and of which secret."""
HOUR = 3600.0
OVERLAP = 7 * DAY + 2 * HOUR
STRETCHES = (DAY, OVERLAP) * 4
"""What passes in the end, until nothing is left to do."""
JUMPS = (16.0, 21.0, 45.0, 61.0, 200.0)
"""Seconds by which the clock leaps: past a client's time-out, a call's, a lease's."""
MOST_AUDITS = 4
"""So many sweeps come on the way to a later one while a source refuses something."""
LOOKS = 2
"""So many moments after its last decision a schedule is compared with the states seen while
messages still wait."""
A_REPORT_EACH = 15
"""So often the message of one more report may wait for a source that others hold."""
A_DELIVERY_EACH = 15.0
"""Seconds: where a service stays away, so much more may be tried in vain."""


class Director(Protocol):
    """Decides what happens next."""

    def choose(self, width: int) -> int:
        """Choose who goes on, or which message is delivered."""
        ...

    def mode(self, label: str) -> Mode:
        """Decide how the next call ends."""
        ...

    def interrupt(self, moves: int) -> int | None:
        """Choose something from outside before the next call.

        A move by hand, a leap of the clock; None for nothing.
        """
        ...

    def calm(self) -> None:
        """Strike no more."""
        ...

    @property
    def left(self) -> Hashable | None:
        """What it will still decide, counted from now: () where that is nothing.

        What follows depends on that and the state of the world alone. None where nobody can tell.
        """
        ...


@dataclass
class Planned:
    """Strikes at the calls named, counted from 0.

    Without a plan everything goes well and in order.
    """

    plan: Mapping[int, Mode] = field(default_factory=dict)
    pick: Choices | None = None
    """Chooses among so many; where there is none, everything comes in order and nothing comes from
    outside."""
    calls: int = 0
    labels: list[str] = field(default_factory=list)

    def choose(self, width: int) -> int:
        """Choose as `pick` says."""
        return self.pick(width) if self.pick and width > 1 else 0

    def mode(self, label: str) -> Mode:
        """Look the call up in the plan."""
        self.labels.append(label)
        self.calls += 1
        return self.plan.get(self.calls - 1, "go")

    def interrupt(self, moves: int) -> int | None:
        """Choose among nothing and what can be done by hand."""
        chosen = self.pick(moves + 1) if self.pick and moves else 0
        return chosen - 1 if chosen else None

    def calm(self) -> None:
        """Go on: a plan is finite by itself."""

    @property
    def left(self) -> Hashable | None:
        """The faults that have not struck, each with the number of calls until then."""
        if self.pick and not self.pick.is_past:
            return None
        calls = self.calls
        return tuple((at - calls, mode) for at, mode in self.plan.items() if at >= calls)


class Chance:
    """Draws everything from a seed."""

    def __init__(self, seed: int, faults: Sequence[Mode] = FAULTS) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a schedule, not a secret
        self._modes = faults
        self._faults = self._random.choice((0, 1, 1, 2, 3))
        self._leaps = self._random.choice((0, 0, 1, 2))
        self._rate = self._random.choice((0.03, 0.08, 0.2))
        self.left: Hashable | None = None
        """() from when on everything comes in order, so that a state has one continuation."""

    def choose(self, width: int) -> int:
        """Choose evenly."""
        return 0 if self.left == () else int(self._random.random() * width)

    def mode(self, label: str) -> Mode:
        """Strike now and then, up to the number of faults that this seed has."""
        del label
        if self._faults and self._random.random() < self._rate:
            self._faults -= 1
            return self._random.choice(self._modes)
        return "go"

    def interrupt(self, moves: int) -> int | None:
        """Interrupt now and then."""
        if self.left == ():
            return None
        if self._random.random() < 0.04:
            if self._leaps and self._random.random() < 0.7:
                self._leaps -= 1
                return moves + self._random.randrange(len(JUMPS))
            return self._random.randrange(moves) if moves else None
        return None

    def calm(self) -> None:
        """Strike no more."""
        self._faults = self._leaps = 0
        self.left = ()


type Step = tuple[str, int, str]
"""A decision that is not the usual one: a choice (c), something from outside (i), or a fault (m),
the how many-th, and which.

From outside comes `m0`, the first of what is under way and can be done by hand, or `l0`, the first
leap of the clock.
"""


class Scripted:
    """Follows a list of decisions; all others are the usual ones."""

    def __init__(self, script: Sequence[Step]) -> None:
        self._steps = {(what, at): how for what, at, how in script}
        self._counts = {"c": 0, "i": 0, "m": 0}

    def _next(self, what: str) -> str | None:
        self._counts[what] += 1
        return self._steps.get((what, self._counts[what] - 1))

    def choose(self, width: int) -> int:
        """Choose the first, or as the script says."""
        return min(int(self._next("c") or 0), width - 1)

    def mode(self, label: str) -> Mode:
        """Let a call go on, or strike as the script says."""
        del label
        how = self._next("m")
        return next((mode for mode in EVERY_FAULT if mode == how), "go")

    def interrupt(self, moves: int) -> int | None:
        """Let nothing come from outside, or what the script says."""
        how = self._next("i")
        if how is None:
            return None
        at = int(how[1:])
        if how[0] == "l":
            return moves + min(at, len(JUMPS) - 1)
        return at if at < moves else None

    def calm(self) -> None:
        """Go on: a script is finite by itself."""

    @property
    def left(self) -> Hashable | None:
        """Nothing that can be told: a script is played to its end."""
        return None


@dataclass
class Position:
    """How far a schedule has come, so that it can go on from a copy of its world."""

    hours: list[float | None] | None = None
    """When the sweeps come, the one after the overlap last; None before the first drain has
    ended."""
    next: int = 0
    """Which of them comes next, or is under way."""
    began: int | None = None
    """How many messages had been posted when the sweep under way began; None between sweeps."""
    audits: int = 0
    """How many sweeps have come on the way to the next."""
    is_last: bool = False
    """The sweep under way is the one of the hour itself."""
    until: float | None = None
    """For how long the timer asks for what is owed and cannot be done; None between two drains."""
    ending: int | None = None
    """How many further stretches of time have passed since people mended what is theirs; None
    before that, -1 until what they asked for is done."""

    def key(self) -> Hashable:
        """Return what two equal positions have in common."""
        return (
            tuple(self.hours or ()),
            self.next,
            self.began,
            self.audits,
            self.is_last,
            self.ending,
            self.until,
        )


class BeenHereError(Exception):
    """This very state has been played to a good end."""


@dataclass
class Schedule:
    """A scenario under a director."""

    scenario: Scenario
    director: Director
    service_class: type[Service] = Service
    engine_class: type[Engine] = Engine
    trace: list[str] | None = None
    seen: Seen | None = None
    """States that need not be played again."""
    cut_short: bool = False
    """It came to a state that had been seen."""
    start: tuple[World, Position] | None = None
    """Where it goes on from; None to begin at the beginning."""
    pass_by: Callable[[Schedule], None] | None = None
    """Is told of each moment at which nobody is under way."""
    world: World = field(init=False)
    at: Position = field(init=False)
    moves: dict[str, Callable[[World], None]] = field(init=False)
    marks: list[tuple[int, frozenset[Excuse]]] = field(default_factory=list)
    """The states that it came to, each with the excuses used before."""
    unbuilt: Broken | None = None
    """Which promise was broken before the first move: some scenarios begin hours into a run."""
    looks: int = LOOKS
    """So many further moments at which nobody is under way are compared with states seen."""
    witness: Witness | None = None
    """Who writes down what happens."""
    stillness: Stillness = field(default_factory=Stillness)
    """Since when nothing has changed that lasts."""

    def __post_init__(self) -> None:
        self.moves = dict(self.scenario.moves)
        if self.start:
            self.world, self.at = self.start
            return
        self.at = Position()
        self.world = World(service_class=self.service_class, engine_class=self.engine_class)
        try:
            self._build()
        except Broken as broken:
            self.unbuilt = broken

    def _build(self) -> None:
        self.scenario.build(self.world)
        self.world.wanted = {
            ref: _theirs(versions[-1].tags) for ref, versions in self.world.vault.items()
        }
        for name in self.scenario.exempt:
            self.world.watch.excuses.grant(Excuse.CLAIM, name)
        self.world.watch.changed()

    def play(self) -> None:
        """Play to the end; raises Broken where a promise is."""
        try:
            if self.unbuilt:
                raise self.unbuilt
            if self.at.ending is None:
                self._before_the_end()
            self._end()
        except BeenHereError:
            # What came of that state was good, so it was of those on the way to it.
            self.cut_short = True
        if self.seen is not None:
            used = frozenset(self.world.watch.excuses.used)
            self.seen.update((mark, used - before) for mark, before in self.marks)

    def _before_the_end(self) -> None:
        """Play what is asked for, then each sweep, from wherever this schedule stands."""
        if self.at.hours is None:
            self.drain()
            self.world.watch.handled()
            self.at.hours = [*self._hours(), None]
        self._sweeps(self.at.hours)
        self.at.hours = None

    def _sweeps(self, hours: list[float | None]) -> None:
        """Let the sweeps come that are still to come."""
        at = self.at
        while at.next < len(hours):
            if at.began is None:
                self._compare()
            hour = hours[at.next]
            if hour is None:
                # Whoever goes on from a copy in the middle of it has the same hour before them.
                hour = hours[at.next] = self._full_hour(OVERLAP)
            self._sweep_at(hour)
            at.next += 1
        at.next = 0

    def _compare(self) -> None:
        """Compare this state with those played to a good end, or note it for the end of this one.

        Raises BeenHereError where it is one of them.
        """
        left = self.director.left
        if self.seen is None or left is None:
            return
        position = (self.at.key(), left, tuple(sorted(self.moves)))
        mark = fingerprint(self.scenario.name, self.world, position, self._when())
        if mark is None:
            return
        watch = self.world.watch
        if mark in self.seen:
            watch.excuses.used.update(self.seen[mark])
            ending.no_leak(watch)
            raise BeenHereError
        self.marks.append((mark, frozenset(watch.excuses.used)))

    def _when(self) -> float:
        """Return the time, as far as what follows depends on it.

        While no message waits nothing happens before the next sweep, which comes at a full hour.
        """
        at, now = self.at, self.world.kernel.time()
        following = (at.hours or ())[at.next + (at.began is not None and at.is_last) :]
        is_due = self.world.messages or self._next_tick() < NEVER
        if is_due or not following or (following[0] or NEVER) <= now:
            return now
        return self._full_hour(0.0)

    def _end(self) -> None:
        """Strike no more, let people mend what is theirs, and play until nothing is left to do."""
        at = self.at
        if at.ending is None:
            self._compare()
            if self.witness:
                self.witness.listed(self._engine())
            ending.dropped(self.world.watch, self._engine())
            self.director.calm()
            self._mend()
            at.ending, self.looks = -1, LOOKS
        self.moves.clear()
        if at.ending < 0:
            self.drain()
            at.ending = 0
        while at.ending < len(STRETCHES):
            if at.hours is None:
                self._compare()
                if not self._restless():
                    break
                if 0 < at.ending < self.scenario.mends:
                    self._mend()
                after = STRETCHES[at.ending]
                hours = {self._audited(self._full_hour(after), ref) for ref in self._owned()}
                at.hours = [*sorted(hours | self._opening(after))]
            self._sweeps(at.hours)
            at.hours = None
            at.ending += 1
        if self.witness:
            self.witness.end()
        self.world.watch.settled(self._engine(), dict(self.scenario.versions))

    def _opening(self, after: float) -> set[float]:
        """Return when the window of the secrets opens next, where it is closed most of the time."""
        is_open, first = self.world.watch.open_at, self._full_hour(after)
        if is_open is None:
            return set()
        hours = (first + hour * HOUR for hour in range(8 * 24))
        return {next(at for at in hours if is_open(EPOCH + timedelta(seconds=at + 1)))}

    def _hours(self) -> list[float]:
        """Return when the first sweeps come.

        Twice at once, then when the audit of each secret falls due.
        """
        first = self._full_hour(0.0)
        days = [day * DAY for day in range(self.scenario.audits)]
        marks = {self._audited(first + HOUR + day, ref) for ref in self._owned() for day in days}
        return sorted({first, first + HOUR, *marks})

    def _owned(self) -> list[SecretRef]:
        tagged = [
            ref
            for ref, versions in self.world.vault.items()
            if "ProviderAddress" in versions[-1].tags
        ]
        return tagged or [SecretRef(VAULT, "app")]

    def _audited(self, after: float, ref: SecretRef | None = None) -> float:
        """Return the first full hour after a time that ends the hour of a secret's daily audit."""
        second = second_of_the_day(ref or SecretRef(VAULT, "app"))
        midnight = EPOCH.hour * HOUR
        day = (after + midnight) // DAY
        mark = next(
            at
            for at in (second + (day + n) * DAY - midnight for n in range(-1, 3))
            if at > after - HOUR
        )
        return _rounded_up(mark)

    def _full_hour(self, after: float) -> float:
        return _rounded_up(self.world.kernel.time() + after)

    def _mend(self) -> None:
        """Have a person mend what only a person can, as the ways out say.

        From then on nothing is excused for it.
        """
        self._say("a person mends what is theirs to mend")
        for outcome in self.world.watch.outcomes:
            unread = UNREAD.search(outcome.reason)
            ref = SecretRef.parse(unread[2]) if unread else None
            versions = self.world.vault.get(ref, []) if ref else []
            if ref and unread and any(version.version == unread[1] for version in versions):
                self.world.edit(ref, unread[1], enabled=True)
        if self.scenario.mend:
            self._by_hand(self.scenario.mend)
        self.world.watch.mended()

    def _restless(self) -> bool:
        """Return whether a further day may change something."""
        try:
            self.world.watch.settled(self._engine(), dict(self.scenario.versions))
        except Broken:
            return True
        return False

    def _engine(self) -> Engine:
        return self.world.start(Worker(0, deployment=self.world.deployments[0])).engine

    def close(self) -> None:
        """End the workers that a broken promise left in the middle of something."""
        for worker in self.world.workers:
            worker.dead = True
            for call in list(worker.calls):
                call.turn.set_exception(Died())
        self.world.kernel.run()
        for worker in self.world.workers:
            if worker.task and not worker.task.done():
                # It sleeps, and nobody wakes it up any more.
                worker.task.cancel()
        self.world.kernel.run()

    def _sweep_at(self, moment: float) -> None:
        """Let time pass until a sweep.

        Where a source refuses something, no audit on the way is left out.
        """
        at = self.at
        if at.began is not None:
            self._swept(at.began)
            if at.is_last:
                return
        else:
            at.audits, at.is_last = 0, False
        while at.audits < MOST_AUDITS:
            # What a sweep has asked for in place of an audit: the next one asks for that.
            audit = self._full_hour(0.0)
            if at.audits:
                audit = min(self._audited(self._full_hour(HOUR), ref) for ref in self._owned())
            watch = self.world.watch
            if audit >= moment or not (watch.refuses() or watch.is_unsure()):
                break
            at.audits += 1
            self._sweep(audit)
        at.is_last = True
        self._sweep(moment)

    def _sweep(self, moment: float) -> None:
        """Let time pass and the sweep of an hour come, and deliver what it finds."""
        world = self.world
        after = max(moment - world.kernel.time(), 0.0)
        self._say(f"{after / HOUR:.1f} h pass; a sweep")
        if self.witness and after > HOUR:
            self.witness.pauses(moment)
        world.watch.passed()
        world.advance(after)
        world.watch.passed()
        began = self.at.began = world.posted
        for deployment in world.deployments:
            for vault in world.policy(deployment).scopes:
                if world.serves(deployment, vault):
                    order = SweepOrder.by_schedule(vault, {}, world.kernel.now())
                    world.post("sweep", order.to_json(), deployment=deployment)
        self._swept(began)

    def _swept(self, began: int) -> None:
        """Deliver what a sweep brought."""
        self.drain()
        self.world.swept += self.world.posted - began
        self.at.began = None

    def drain(self) -> None:
        """Deliver until no message is left, whatever happens on the way."""
        world, at = self.world, self.at
        at.until = self._full_hour(0.0) if at.until is None else at.until
        while True:
            if self.pass_by and not world.workers:
                self.pass_by(self)
            calls = [(worker, call) for worker in world.workers for call in worker.calls]
            visible = world.visible() if len(world.workers) < self.scenario.workers else []
            if not calls and not visible:
                if not self._wait():
                    at.until = None
                    return
                continue
            if self._interrupted():
                continue
            chosen = self.director.choose(len(calls) + len(visible))
            if chosen < len(calls):
                self._resume(*calls[chosen])
            else:
                self._deliver(visible[chosen - len(calls)])
            if not world.workers:
                world.watch.between()
                if self.looks and (left := self.director.left) is not None:
                    self.looks -= not left
                    self._compare()

    def _wait(self) -> bool:
        """Let time pass until somebody wakes up, or a message can be delivered.

        False where there is nothing to come.
        """
        world = self.world
        lands_in = max(world.lands_at - world.kernel.time(), 0.0) if world.in_flight else NEVER
        if not (lands_in or world.workers):
            self._land(0)
            return True
        free = len(world.workers) < self.scenario.workers
        timer = world.kernel.next_timer()
        # The timer comes although everybody is at work: the first who is free does what it asks.
        tick = self._next_tick()
        message = world.next_message() if free else NEVER
        lands = world.lands_at if world.in_flight and lands_in else NEVER
        soonest = min(message, tick, lands, NEVER if timer is None else timer)
        if soonest == NEVER:
            return False
        self._say(f"{soonest - world.kernel.time():.0f} s pass")
        world.watch.passed()
        world.advance(soonest - world.kernel.time())
        world.watch.passed()
        if not (world.workers or world.in_flight) and (text := asked.late(world.watch)):
            raise Broken(text)
        if soonest == tick:
            if not self.moves or self.director.left == ():
                self._leap()
            world.tick()
        return True

    def _leap(self) -> None:
        """Leave out most of a month in which nothing changes."""
        world = self.world
        if seconds := self.stillness.leap(world):
            self._say(f"{seconds / DAY:.1f} days in which nothing changes are left out")
            if self.witness:
                self.witness.pauses(world.kernel.time() + seconds)
            put_off(world, seconds)
            world.advance(seconds)
            world.watch.passed()

    def _next_tick(self) -> float:
        return NEVER if self.at.until is None else self.world.next_tick(self.at.until)

    def _interrupted(self) -> bool:
        world, names = self.world, sorted(self.moves) if self.moves else []
        flying = len(world.in_flight)
        chosen = self.director.interrupt(flying + len(names))
        if chosen is None:
            return False
        if chosen < flying:
            self._land(chosen)
        elif chosen < flying + len(names):
            name = names[chosen - flying]
            self._say(f"by hand: {name}")
            self._by_hand(self.moves.pop(name))
        else:
            leap = JUMPS[chosen - flying - len(names)]
            self._say(f"the clock leaps {leap:.0f} s")
            # A question to an app that takes this long has failed.
            world.watch.struck |= bool(world.workers) and leap > LAGGING_SECONDS
            world.watch.leapt += leap if world.workers else 0.0
            # Before it passes: whoever wakes up meanwhile acts after that fault.
            world.watch.disturb(world.kernel.time() + leap)
            world.advance(leap)
        return True

    def _by_hand(self, move: Callable[[World], None]) -> None:
        """Let a person do something, and check what must hold after that."""
        world = self.world
        world.in_hand, world.watch.actor = True, 0
        move(world)
        world.watch.by_hand()
        world.in_hand = False

    def _land(self, at: int) -> None:
        label, effect, lease = self.world.in_flight.pop(at)
        self._say(f"what was under way arrives: {label}")
        self.world.watch.disturb(self.world.kernel.time())
        self.world.watch.actor = 0
        try:
            self.world.land(label, effect, lease)
        except RekeyError as error:
            self._say(f"   and is refused: {error}")

    def _resume(self, worker: Worker, call: Call) -> None:
        mode = self.director.mode(call.label)
        mode = self.world.spoils.pop(call.label, mode) if mode == "go" else mode
        if mode != "go":
            # Who dies while looking after a source is followed by nobody before the message itself
            # comes back.
            away = DEAD_SECONDS if mode.startswith("die") and _is_a_look(worker) else 0.0
            away = LONG if mode == "throttle for long" else away
            self.world.watch.struck = True
            self.world.watch.disturb(self.world.kernel.time() + away)
        self.world.resume(call, mode)
        if self.trace is not None:
            struck = "" if mode == "go" else f" [{mode}]"
            end = "" if worker in self.world.workers else f" -> ends{_end(worker)}"
            self._say(f"{worker.number}: {call.label}{struck}{end}")

    def _deliver(self, message: Message) -> None:
        world = self.world
        most = ending.MOST_DELIVERIES + world.looks + world.returns + world.away / A_DELIVERY_EACH
        most += world.asked * A_REPORT_EACH + world.waits
        if world.deliveries > most:
            raise Broken(f"resources: over {most:.0f} deliveries")
        if world.returns > ending.MOST_RETURNS + world.looks:
            raise Broken(
                f"resources: the timer has asked for {world.returns} messages, and goes on"
            )
        worker = world.deliver(message)
        if self.trace is not None:
            self._say(
                f"{worker.number}: takes {message.what} {_brief(message.text)}, try {message.tries}"
            )

    def _say(self, line: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.world.kernel.time():>9.0f} s  {line}")


def _theirs(tags: Mapping[str, str]) -> dict[str, str]:
    return {tag: text for tag, text in tags.items() if tag not in OURS}


def _rounded_up(seconds: float) -> float:
    """Return the next full hour, EPOCH being one."""
    return math.floor(seconds / HOUR + 1) * HOUR


def _is_a_look(worker: Worker) -> bool:
    fields = json.loads(worker.message.text)
    return bool(fields.get("follow_up") or fields.get("follows"))


def _end(worker: Worker) -> str:
    error = worker.task.exception() if worker.task else None
    return "" if error is None else f" with {error!r}"[:160]


def _brief(text: str) -> str:
    fields = json.loads(text)
    shown = (
        "action",
        "secret",
        "version",
        "trigger",
        "force",
        "compromised",
        "follow_up",
        "deferred",
    )
    return " ".join(f"{key}={fields[key]}" for key in shown if fields.get(key))

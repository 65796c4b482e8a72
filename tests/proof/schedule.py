"""One schedule: a race in whatever order, then redelivery, sweeps and days until nothing is left to do; then the promises."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from engine.errors import RekeyError
from engine.rotate.engine import Engine
from engine.service import Service
from tests.proof.kernel import FAULTS, Call, Died, Mode, Worker
from tests.proof.scenarios import Scenario
from tests.proof.watch import Broken
from tests.proof.world import DEAD_SECONDS, NEVER, VAULT, Message, World

HOUR, DAY = 3600.0, 86400.0
OVERLAP = 7 * DAY + 2 * HOUR
JUMPS = (16.0, 21.0, 45.0, 61.0, 200.0)
"""Seconds by which the clock leaps: past a client's time-out, a call's, a lease's."""
MOST_DELIVERIES = 120


class Director(Protocol):
    """Decides what happens next."""

    def choose(self, width: int) -> int:
        """Choose who goes on, or which message is delivered."""
        ...

    def mode(self, label: str) -> Mode:
        """Decide how the next call ends."""
        ...

    def interrupt(self, moves: int) -> int | None:
        """Choose something from outside before the next call: a move by hand, a leap of the clock; None for nothing."""
        ...

    def calm(self) -> None:
        """Strike no more."""
        ...


@dataclass
class Planned:
    """Strikes at the calls named, counted from 0; without a plan everything goes well and in order."""

    plan: Mapping[int, Mode] = field(default_factory=dict)
    pick: Callable[[int], int] | None = None
    """Chooses among so many; where there is none, everything comes in order and nothing comes from outside."""
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


class Chance:
    """Draws everything from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a schedule, not a secret
        self._faults = self._random.choice((0, 1, 1, 2, 3))
        self._leaps = self._random.choice((0, 0, 1, 2))
        self._rate = self._random.choice((0.03, 0.08, 0.2))

    def choose(self, width: int) -> int:
        """Choose evenly."""
        return int(self._random.random() * width)

    def mode(self, label: str) -> Mode:
        """Strike now and then, up to the number of faults that this seed has."""
        del label
        if self._faults and self._random.random() < self._rate:
            self._faults -= 1
            return self._random.choice(FAULTS)
        return "go"

    def interrupt(self, moves: int) -> int | None:
        """Interrupt now and then."""
        if self._random.random() < 0.04:
            if self._leaps and self._random.random() < 0.7:
                self._leaps -= 1
                return moves + self._random.randrange(len(JUMPS))
            return self._random.randrange(moves) if moves else None
        return None

    def calm(self) -> None:
        """Strike no more."""
        self._faults = self._leaps = 0


@dataclass
class Schedule:
    """A scenario under a director."""

    scenario: Scenario
    director: Director
    service_class: type[Service] = Service
    engine_class: type[Engine] = Engine
    trace: list[str] | None = None
    world: World = field(init=False)
    moves: dict[str, Callable[[World], None]] = field(init=False)

    def __post_init__(self) -> None:
        self.world = World(service_class=self.service_class, engine_class=self.engine_class)
        self.scenario.build(self.world)
        self.world.watch.exempt = self.scenario.exempt
        self.moves = dict(self.scenario.moves)
        self.world.watch.changed()

    def play(self) -> None:
        """Play to the end; raises Broken where a promise is."""
        self.drain()
        self.world.watch.handled()
        self.sweep(HOUR)
        self.sweep(OVERLAP)
        self.director.calm()
        self.moves.clear()
        for after in (DAY + 60, OVERLAP, DAY + 60, OVERLAP, DAY + 60):
            if not self._restless():
                break
            self.sweep(after)
        self.world.watch.settled(self._engine(), dict(self.scenario.versions))

    def _restless(self) -> bool:
        """Tell whether a further day may change something."""
        try:
            self.world.watch.settled(self._engine(), dict(self.scenario.versions))
        except Broken:
            return True
        return False

    def _engine(self) -> Engine:
        return self.world.start(Worker(0)).engine

    def close(self) -> None:
        """End the workers that a broken promise left in the middle of something."""
        for worker in self.world.workers:
            worker.dead = True
            for call in list(worker.calls):
                call.turn.set_exception(Died())
        self.world.kernel.run()

    def sweep(self, after: float) -> None:
        """Let time pass and a sweep come, with the whole day's audits, and deliver what it finds."""
        world = self.world
        self._say(f"{after / HOUR:.1f} h pass; a sweep")
        world.watch.passed()
        world.advance(after)
        now = world.kernel.now()
        order = {"vault": VAULT, "since": (now - timedelta(days=1)).isoformat(), "until": now.isoformat()}
        world.post("sweep", json.dumps(order))
        self.drain()

    def drain(self) -> None:
        """Deliver until no message is left, whatever happens on the way."""
        world = self.world
        while True:
            calls = [(worker, call) for worker in world.workers for call in worker.calls]
            visible = world.visible() if len(world.workers) < self.scenario.workers else []
            if not calls and not visible:
                if not self._wait():
                    return
                continue
            if self._interrupted():
                continue
            at = self.director.choose(len(calls) + len(visible))
            if at < len(calls):
                self._resume(*calls[at])
            else:
                self._deliver(visible[at - len(calls)])
            if not world.workers:
                world.watch.between()

    def _wait(self) -> bool:
        """Let time pass until somebody wakes up, or a message can be delivered; False where there is nothing to come."""
        world = self.world
        if world.in_flight and not world.workers:
            self._land(0)
            return True
        free = len(world.workers) < self.scenario.workers
        times = [message.visible for message in world.messages if free]
        soonest = min([*times, world.kernel.next_timer() or NEVER])
        if soonest == NEVER:
            return False
        self._say(f"{soonest - world.kernel.time():.0f} s pass")
        world.watch.passed()
        world.advance(soonest - world.kernel.time())
        world.watch.passed()
        return True

    def _interrupted(self) -> bool:
        world, names = self.world, sorted(self.moves)
        flying = len(world.in_flight)
        chosen = self.director.interrupt(flying + len(names))
        if chosen is None:
            return False
        if chosen < flying:
            self._land(chosen)
        elif chosen < flying + len(names):
            name = names[chosen - flying]
            self._say(f"by hand: {name}")
            self.moves.pop(name)(world)
            world.watch.disturbed = world.kernel.time()
            world.watch.changed()
        else:
            leap = JUMPS[chosen - flying - len(names)]
            self._say(f"the clock leaps {leap:.0f} s")
            world.advance(leap)
            world.watch.disturbed = world.kernel.time()
        return True

    def _land(self, at: int) -> None:
        label, effect, lease = self.world.in_flight.pop(at)
        self._say(f"what was under way arrives: {label}")
        self.world.watch.disturbed = self.world.kernel.time()
        self.world.watch.actor = 0
        try:
            self.world.land(label, effect, lease)
        except RekeyError as error:
            self._say(f"   and is refused: {error}")

    def _resume(self, worker: Worker, call: Call) -> None:
        mode = self.director.mode(call.label)
        if mode != "go":
            # Who dies while looking after a source is followed by nobody before the message itself comes back.
            away = DEAD_SECONDS if mode.startswith("die") and _is_a_look(worker) else 0.0
            self.world.watch.disturbed = self.world.kernel.time() + away
        self.world.resume(call, mode)
        if self.trace is not None:
            struck = "" if mode == "go" else f" [{mode}]"
            end = "" if worker in self.world.workers else f" -> ends{_end(worker)}"
            self._say(f"{worker.number}: {call.label}{struck}{end}")

    def _deliver(self, message: Message) -> None:
        world = self.world
        if world.deliveries > MOST_DELIVERIES:
            raise Broken(f"resources: over {MOST_DELIVERIES} deliveries")
        worker = world.deliver(message)
        if self.trace is not None:
            self._say(f"{worker.number}: takes {message.what} {_brief(message.text)}, try {message.tries}")

    def _say(self, line: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.world.kernel.time():>9.0f} s  {line}")


def _is_a_look(worker: Worker) -> bool:
    return bool(json.loads(worker.message.text).get("follow_up"))


def _end(worker: Worker) -> str:
    error = worker.task.exception() if worker.task else None
    return "" if error is None else f" with {error!r}"[:160]


def _brief(text: str) -> str:
    fields = json.loads(text)
    shown = ("action", "secret", "version", "trigger", "force", "compromised", "follow_up", "deferred")
    return " ".join(f"{key}={fields[key]}" for key in shown if fields.get(key))

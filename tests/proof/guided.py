"""Search for schedules near those that have met something new.

A seed draws everything evenly, so that a meeting of three rare moves takes it a hundred thousand
tries. Here each schedule notes what it has met: in which state of the records which call ended in
which way, what somebody did there by hand, and which state came after which. One that has met
something new is kept and changed: it is played up to some decision, and drawn anew from there on;
or a few of its decisions are others; or the same ones are taken in another scenario of its kind of
source. What was met least is changed first, and the shorter of two.

The same seed brings the same schedules. Each has the name of its script, so that it can be played
again alone.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from engine.state.record import Record
from tests.proof.case import Case, Played, came_of
from tests.proof.kernel import EVERY_FAULT, Mode
from tests.proof.scenarios import SCENARIOS
from tests.proof.schedule import JUMPS, Chance, Schedule, Step
from tests.proof.seen import Seen

type Kind = Literal["c", "i", "m"]
type Decision = tuple[Kind, str | None]
"""A choice (c), something from outside (i), the end of a call (m), and which; None: the usual."""

FRESH, ELSEWHERE, TAILS = 0.25, 0.1, 0.5
"""How many of the schedules are drawn anew; of the others, how many are of another scenario, and
how many are drawn from some decision on. The rest has a few other decisions."""
AT_FIRST = 200
"""So many schedules are kept before any is changed."""
COMPARED = 6
"""Of so many kept ones that are drawn, the one that has met the rarest is changed."""
MOST_FAULTS, MOST_LEAPS = 3, 2
"""As a seed has: a message has five tries, and whoever fails in all of them waits for a sweep."""
MOST_KEPT = 20_000
MOST_MOVES = 9
"""A changed decision is one of so many moves by hand."""
NUMBERS = re.compile(r"\d+")


def state_of(record: Record) -> Hashable:
    """Return what a schedule may meet of a record: which of its parts say something."""
    change, leaks = record.change, record.compromised
    write, published = record.pending_write, record.published
    return (
        bool(record.owner),
        published is not None and (True, bool(published.original)),
        write is not None and (True, write.dead, bool(write.original)),
        any(it.lost for it in record.unpublished),
        change.open_since is not None,
        change.requested_at is not None,
        change.uncertain_until is not None,
        change.in_progress_since is not None,
        change.password_unknown,
        published is not None and change.version == published.version,
        len(record.to_retire[:2]),
        len(leaks.versions[:2]),
        published is not None and published.version in leaks.versions,
        bool(leaks.revoked),
        bool(record.stale),
        record.unreported,
    )


class Guide:
    """Directs a schedule: follows decisions, then draws; notes what it has decided and met."""

    def __init__(
        self, scenario: str, known: Sequence[Decision], changed: Mapping[int, Decision], seed: int
    ) -> None:
        self._known, self._changed = known, changed
        self._chance = Chance(seed, SCENARIOS[scenario].faults)
        self._kind = scenario.rpartition("/")[2]
        self._counts: Counter[Kind] = Counter()
        self._faults = self._leaps = 0
        self._states = dict[int, tuple[Record, Hashable]]()
        self._state: Hashable = None
        self.script = list[Step]()
        self.decisions = list[Decision]()
        self.met = dict[Hashable, None]()
        self.schedule: Schedule | None = None
        self.left: Hashable | None = None
        """() from when on everything comes in order."""

    def choose(self, width: int) -> int:
        """Choose as known, or evenly."""
        known = self._next("c")
        drawn = self._chance.choose(width) if known is None else int(known[1] or 0)
        choice = min(drawn, width - 1)
        self._note("c", str(choice) if choice else None)
        return choice

    def mode(self, label: str) -> Mode:
        """Let a call end as known, or strike now and then."""
        known = self._next("m")
        mode: Mode
        if known is None:
            mode = self._chance.mode(label)
        else:
            mode = next((fault for fault in EVERY_FAULT if fault == known[1]), "go")
        mode = mode if self._faults < MOST_FAULTS else "go"
        self._faults += mode != "go"
        self._meet(None if mode == "go" else (NUMBERS.sub("", label), mode))
        self._note("m", None if mode == "go" else mode)
        return mode

    def interrupt(self, moves: int) -> int | None:
        """Interrupt as known, or now and then."""
        known = self._next("i")
        if known is None:
            chosen = self._chance.interrupt(moves)
        elif known[1] is None:
            chosen = None
        else:
            at = int(known[1][1:])
            is_leap, is_there = known[1][0] == "l", at < moves
            chosen = moves + min(at, len(JUMPS) - 1) if is_leap else at if is_there else None
        if chosen is not None and chosen >= moves:
            chosen = chosen if self._leaps < MOST_LEAPS else None
            self._leaps += 1
        how = None if chosen is None else f"m{chosen}" if chosen < moves else f"l{chosen - moves}"
        if chosen is not None:
            self._meet(self._name_of(chosen))
        self._note("i", how)
        return chosen

    def calm(self) -> None:
        """Strike no more."""
        self._known, self.left = (), ()
        self._chance.calm()

    def _next(self, kind: Kind) -> Decision | None:
        """Return the decision that is known to come next, the usual one if that is another's."""
        at = len(self.decisions)
        if self.left == () or at >= len(self._known):
            return None
        for decision in (self._changed.get(at), self._known[at]):
            if decision and decision[0] == kind:
                return decision
        return kind, None

    def _note(self, kind: Kind, how: str | None) -> None:
        if how is not None:
            self.script.append((kind, self._counts[kind], how))
        self._counts[kind] += 1
        if self.left != ():
            self.decisions.append((kind, how))

    def _meet(self, what: Hashable) -> None:
        """Note a state of the records that is another than before, and what comes in it."""
        if self.left == ():
            return
        assert self.schedule
        world, states = self.schedule.world, list[Hashable]()
        for claim in (*world.claims.values(), *world.far.values()):
            known = self._states.get(id(claim.record))
            if known is None or known[0] is not claim.record:
                known = self._states[id(claim.record)] = (claim.record, state_of(claim.record))
            states.append(known[1])
        state = (self._kind, *states)
        if state != self._state:
            self.met[self._state, state] = None
            self._state = state
        if what:
            self.met[state, what] = None

    def _name_of(self, chosen: int) -> str:
        assert self.schedule
        flying, names = len(self.schedule.world.in_flight), sorted(self.schedule.moves)
        if chosen < flying:
            return "lands"
        return names[chosen - flying] if chosen < flying + len(names) else "leaps"


@dataclass
class Kept:
    """A schedule that has met something new."""

    scenario: str
    decisions: Sequence[Decision]
    new: Sequence[Hashable]
    changed: int = 0
    """How often it was changed."""


@dataclass
class Search:
    """One search: what its schedules have met, and those that were the first."""

    random: random.Random
    scenarios: Sequence[str] = tuple(SCENARIOS)
    times: Counter[Hashable] = field(default_factory=Counter)
    """How many schedules have met what was met."""
    kept: list[Kept] = field(default_factory=list)
    seen: Seen = field(default_factory=dict)
    """States that need not be played again."""

    def play(self) -> tuple[Case, Played]:
        """Play the next schedule; return its script, and what came of it."""
        scenario, guide = self._guide()
        schedule = guide.schedule = Schedule(SCENARIOS[scenario], guide, seen=self.seen)
        came = came_of(schedule)
        self.times.update(iter(guide.met))
        new = [what for what in guide.met if self.times[what] == 1]
        if new and guide.decisions:
            self.kept = [*self.kept[-MOST_KEPT:], Kept(scenario, guide.decisions, new)]
        return Case(scenario, script=tuple(guide.script)), came

    def _guide(self) -> tuple[str, Guide]:
        draw = self.random
        seed = draw.getrandbits(32)
        if len(self.kept) < AT_FIRST or draw.random() < FRESH:
            scenario = draw.choice(self.scenarios)
            return scenario, Guide(scenario, (), {}, seed)
        kept = min((draw.choice(self.kept) for _ in range(COMPARED)), key=self._known_for)
        kept.changed += 1
        scenario, known = kept.scenario, kept.decisions
        if draw.random() < ELSEWHERE:
            kind = scenario.rpartition("/")[2]
            scenario = draw.choice([it for it in self.scenarios if it.rpartition("/")[2] == kind])
        if draw.random() < TAILS:
            return scenario, Guide(scenario, known[: draw.randrange(len(known))], {}, seed)
        changed = self._changed(known, SCENARIOS[scenario].faults)
        further = draw.choice((0, 5, 20, len(known)))
        return scenario, Guide(scenario, known[: max(changed) + 1 + further], changed, seed)

    def _known_for(self, kept: Kept) -> int:
        """Return how well what a schedule has met is known, and how long it takes to play."""
        rarest = min(self.times[what] for what in kept.new)
        return rarest * (1 + kept.changed) * len(kept.decisions)

    def _changed(self, known: Sequence[Decision], faults: Sequence[Mode]) -> dict[int, Decision]:
        """Return one to three other decisions, by their place."""
        draw, changed = self.random, dict[int, Decision]()
        for _ in range(draw.choice((1, 1, 2, 3))):
            at = draw.randrange(len(known))
            kind, how = known[at]
            if kind == "m":
                changed[at] = kind, draw.choice((*faults, *([None] * len(faults) if how else ())))
            elif kind == "c":
                changed[at] = kind, str(draw.randrange(3))
            else:
                moves = [f"m{move}" for move in range(MOST_MOVES)]
                leaps = [f"l{leap}" for leap in range(len(JUMPS))]
                changed[at] = kind, draw.choice((None, None, *moves, *leaps))
        return changed


def search(seed: int, number: int, seen: Seen | None = None) -> Iterator[tuple[Case, Played]]:
    """Play so many schedules of one search; yield each with what came of it."""
    draw = random.Random(seed)  # noqa: S311 - schedules, not secrets
    begun = Search(draw, seen={} if seen is None else seen)
    for _ in range(number):
        yield begun.play()

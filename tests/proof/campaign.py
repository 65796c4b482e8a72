"""Which schedules are played: everything that can be enumerated, then seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice

from simulator.reach.interleave import fewest_first
from tests.proof.case import Case, Played, came_of
from tests.proof.kernel import FAULTS, Mode
from tests.proof.scenarios import SCENARIOS
from tests.proof.schedule import Planned, Schedule
from tests.proof.seen import Seen
from tests.proof.watch import Broken

PAIRED: Sequence[Mode] = (
    "die before",
    "die after",
    "lose the answer",
    "throttle",
    "fail after the effect",
    "forbid",
)
PAIRS = ("one/two-slots", "one/one-slot", "one/two-logins", "one/many")
"""Scenarios in which every pair of faults is played; in all others the second one strikes soon
after the first."""
SOON = 2
"""Within so many calls; at the very next one in a scenario with more than `LONG` calls."""
LONG = 80
MANY, ENDS = 300, (40, 160)
"""In a scenario with more calls than `MANY`, the same ones come again and again for hours: faults
strike one at a time, at so many of the first and of the last, when what was broken works again."""
MOST_PATHS = 500
"""Where there are more interleavings of one scenario than this, the rest is left to the seeds."""


def calls_of(scenario: str) -> int:
    """Count the calls of a scenario in which everything goes well."""
    director = Planned()
    schedule = Schedule(SCENARIOS[scenario], director)
    with suppress(Broken):
        schedule.play()
    schedule.close()
    return director.calls


def planned() -> list[str]:
    """Return the scenarios in which faults are played at numbered calls."""
    return [name for name, scenario in SCENARIOS.items() if scenario.is_planned]


def singles() -> Iterator[Case]:
    """Yield every fault at every call of every scenario."""
    for name in planned():
        yield from singles_of(name)


def singles_of(name: str) -> Iterator[Case]:
    """Yield every fault at every call of a scenario; at those of both ends, if there are many."""
    calls = calls_of(name)
    first, last = ENDS
    for at in range(calls):
        if calls <= MANY or at < first or at >= calls - last:
            for mode in FAULTS:
                yield Case(name, ((at, mode),))


def pairs() -> Iterator[Case]:
    """Yield every pair of faults of every scenario."""
    for name in planned():
        yield from pairs_of(name)


def pairs_of(name: str) -> Iterator[Case]:
    """Yield every pair of faults of a scenario.

    In most of them, those of which the second strikes soon; none where there are many calls.
    """
    calls = calls_of(name)
    if calls > MANY:
        return
    reach = calls if name in PAIRS else SOON if calls <= LONG else 1
    for first in range(calls):
        for mode in PAIRED:
            for second in range(first + 1, min(calls, first + 1 + reach)):
                for other in PAIRED:
                    yield Case(name, ((first, mode), (second, other)))


def interleavings(name: str, most: int = MOST_PATHS) -> Iterator[tuple[Case, Played]]:
    """Play every order in which workers and people can take turns, the usual one's nearest first.

    Yields each with what came of it. One that comes to a state that had been seen ends there: the
    order that came to it first, with no more departures, goes on to all that can follow.
    """
    seen: Seen = {}
    for choices in islice(fewest_first(), most):
        schedule = Schedule(SCENARIOS[name], Planned(pick=choices), seen=seen)
        came = came_of(schedule)
        yield Case(name, path=tuple(choices.taken)), came


def seeds(first: int, number: int) -> Iterator[Case]:
    """Yield so many seeds."""
    for seed in range(first, first + number):
        yield Case.of_seed(seed)

"""The schedules of one place, in the order in which a bug is likely to show."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from tests.proof import campaign, case, real
from tests.proof.case import Case
from tests.proof.kernel import FAULTS

MOST = 3000
"""So many schedules of a place are tried."""


def cases(place: str) -> Iterator[Case | real.RealCase]:
    """Yield the schedules of a scenario.

    Every fault, then every order; of its pairs, of a kind's writes, or seeds.

    `owners/many#200` is the first two hundred seeds of a scenario, `owners/many!i9=m2` one script.
    """
    if "!" in place:
        return iter([Case.parse(place)])
    scenario, _, number = place.partition("#")
    if number:
        return (Case(scenario, seed=seed) for seed in range(int(number)))
    if place == "seeds":
        return islice(campaign.seeds(0, MOST), MOST)
    if place.startswith(real.PREFIX):
        return _lost_writes(place.removeprefix(real.PREFIX))
    name = place.rpartition(":")[2]
    if place.startswith("pairs:"):
        return islice(campaign.pairs_of(name), MOST)
    return islice(chain([Case(name)], _faults(name), _orders(name)), MOST)


def _lost_writes(kind: str) -> Iterator[real.RealCase]:
    """Lose the answer to every new version that is written."""
    for line in real.play(real.RealCase(kind))[1]:
        number, request = line.split(maxsplit=1)
        if request.startswith("PUT prod.vault."):
            yield real.RealCase(kind, ((int(number), "lose the answer"),))


def _faults(name: str) -> Iterator[Case]:
    for at in range(40):
        for mode in FAULTS:
            yield Case(name, ((at, mode),))


def _orders(name: str) -> Iterator[Case]:
    return (case for case, _ in campaign.interleavings(name, MOST))


def play(which: Case | real.RealCase) -> str | None:
    """Play one schedule; returns what is broken."""
    return case.play(which)[0] if isinstance(which, Case) else real.play(which)[0]

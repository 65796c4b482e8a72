"""A proof that takes longer than a lease lasts.

The lease is renewed meanwhile, and what outlives it publishes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from engine.secret import SecretRef
from tests.proof.kernel import Mode
from tests.proof.scenarios import SCENARIOS, source_of
from tests.proof.schedule import Planned, Schedule
from tests.proof.world import VAULT

SPREADING = 58.0
"""Seconds until a new secret is known everywhere; the last try to sign in comes after about 60."""


@dataclass
class Thief(Planned):
    """Takes the lease away before the second sign-in of the proof, as if it had ended."""

    schedule: Schedule | None = None
    signins: count[int] = field(default_factory=count)

    def mode(self, label: str) -> Mode:
        """Let the call go on."""
        if self.schedule and label == "sign in" and next(self.signins) == 2:
            claim = self.schedule.world.claims[source_of("many")]
            claim.holder, claim.until = -1, self.schedule.world.kernel.time() + 25
        return super().mode(label)


def played(director: Planned) -> Schedule:
    schedule = Schedule(SCENARIOS["one/many"], director, trace=[])
    schedule.world.replication = SPREADING
    if isinstance(director, Thief):
        director.schedule = schedule
    schedule.drain()
    return schedule


def test_the_lease_is_renewed_while_the_source_spreads_a_credential() -> None:
    director = Planned()
    schedule = played(director)
    signins = [at for at, label in enumerate(director.labels) if label == "sign in"]
    assert director.labels[signins[0] : signins[-1]].count("renew") >= 1
    assert director.labels.count("acquire") == 1
    assert len(schedule.world.vault[SecretRef(VAULT, "app")]) == 2


def test_who_loses_the_lease_during_the_proof_publishes_nothing() -> None:
    director = Thief()
    schedule = played(director)
    lost = next(at for at, line in enumerate(schedule.trace or ()) if "LeaseUnavailable" in line)
    assert not [line for line in (schedule.trace or ())[:lost] if "publish" in line]
    assert director.labels.count("publish") == 1

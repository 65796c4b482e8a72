"""What the proof found, each as the schedule that showed it."""

from __future__ import annotations

import pytest

from tests.proof.run import play

FOUND = {
    "a follow-up repairs a password although the window has closed meanwhile": "window/one-slot@5:die after",
    "a redelivered try posts a follow-up too": "one/one-slot@3:fail after the effect+10:die before",
    "a replica that a late write reached is written again": "replicas/two-slots@11:arrive late",
    "what a refused rotation added is removed": "forced/many@6:forbid",
    "what a late write superseded is removed": "rotation/many@7:arrive late",
    "the mark of a refused audit is taken off": "one/two-slots@14:forbid",
    "a finished incident does not mark the version after it": "incident-alone/one-slot@12:forbid",
    "an incident outlives the healing of what replaced its version": "incident/many#1019416",
    "a password that nobody knows is told of where the secret cannot be read to be marked": (
        "incident-alone/one-slot@6:forbid+7:forbid"
    ),
    "a change whose effect is open is told of when the queue gives up": "incident/one-slot#1037066",
    "an incident that meets a rotation cuts the replaced credential off": "incident/two-slots~0.0.0.1",
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_stays_mended(name: str) -> None:
    assert play(FOUND[name])[0] is None

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
    "an incident of a password that was replaced in place is over although its version is disabled": "incident/one-slot",
    "an incident comes back whose first look was refused": "incident-alone/many#1555",
    "an incident comes back that could not be noted": "incident-alone/one-slot#2563",
    "looks end although a person has put a credential in place of the one to retire": "by-hand/two-slots#179",
    "a password is not left to whoever wrote the version that Rekey itself made useless": (
        "one/one-slot@9:lose the answer"
    ),
    "an incident that meets a rotation cuts the replaced credential off": "incident/two-slots~0.0.0.1",
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_stays_mended(name: str) -> None:
    assert play(FOUND[name])[0] is None

"""What the proof found in schedules of seconds each, which `make test` does without.

In these, a mark in the vault is written anew every quarter of an hour for a month, so that no time is
left out.
"""

from __future__ import annotations

import pytest

from tests.proof.run import play

FOUND = {
    "an only password that people were told is lost waits for them, whoever owns its source next": (
        "operated-away-handed-over-in-both/one-slot#1579229167"
    ),
    "a look that takes a mark off tells people anew of what it cannot settle": (
        "handed-over-in-both/one-slot#1160800103"
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_stays_mended(name: str) -> None:
    assert play(FOUND[name])[0] is None

"""What the proof has found and nobody has mended yet.

Each with the shortest schedule that shows it.

A schedule that breaks a promise in one of these ways is printed by `make prove` like any other, and
makes it fail. The share of the proof that runs with the tests leaves it out, so that it finds what
is new. A test plays each of them: whoever mends one takes it from this list, and adds its schedule
to tests/proof/test_found.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One fault of the engine."""

    text: str
    scenarios: str
    """A pattern of the names of the scenarios in which it shows."""
    problem: str
    """A pattern of what is broken."""
    case: str
    """The shortest schedule known."""

    def explains(self, case: str, problem: str) -> bool:
        """Return whether a violation is this one."""
        return bool(re.match(self.scenarios, case) and re.match(self.problem, problem))


OPEN: tuple[Finding, ...] = (
    Finding(
        "a version that a person has put back is reported as restored by Rekey",
        r"operated-away-put-back/listed",
        r"P8: a version that a person wrote was reported as restored",
        "operated-away-put-back/listed#1715665841",
    ),
    Finding(
        "a secret that has moved waits for a person over a tag RekeyRetire",
        r"operated-away-moved-by-a-tag/two-slots",
        r"P8: app is parked for good: tag RekeyRetire names a credential",
        "operated-away-moved-by-a-tag/two-slots#1715729751",
    ),
    Finding(
        "a secret is parked while nobody knows its password, and nobody is told that",
        r"applies-and-fails/one-slot",
        r"P1: it was parked while nobody knows the password",
        "applies-and-fails/one-slot#1715763961",
    ),
    Finding(
        "a source lacks the right to set a password, and refuses what the vault holds for hours",
        r"lacking/one-slot",
        r"P1: /one-slot/app has refused what the vault holds",
        "lacking/one-slot#1715843031",
    ),
    Finding(
        "what was made for a secret that is deleted in an overlap works on",
        r"operated-deleted-in-overlap/many",
        r"P5: \S+ of app v\d+ is still alive",
        "operated-deleted-in-overlap/many#1715825712",
    ),
)


def known(case: str, problem: str | None) -> Finding | None:
    """Return which open finding a violation is; None where it is a new one, or there is none."""
    return next((finding for finding in OPEN if problem and finding.explains(case, problem)), None)

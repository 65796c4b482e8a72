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


OPEN: tuple[Finding, ...] = ()


def known(case: str, problem: str | None) -> Finding | None:
    """Return which open finding a violation is; None where it is a new one, or there is none."""
    return next((finding for finding in OPEN if problem and finding.explains(case, problem)), None)

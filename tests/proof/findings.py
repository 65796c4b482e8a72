"""What the proof has found and nobody has mended yet: each with the shortest schedule that shows it.

A schedule that breaks a promise in one of these ways is printed by `make prove` like any other, and
makes it fail. The
share of the proof that runs with the tests leaves it out, so that it finds what is new. A test
plays each of them: whoever
mends one takes it from this list, and adds its schedule to tests/proof/test_found.py.
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


OPEN = (
    Finding(
        "an incident of a version that was disabled meanwhile parks the secret until a person enables that version",
        "(order|incident|retirement)",
        "P8: app is parked for good: the credential in version",
        "order-and-restore/two-slots#861",
    ),
    Finding(
        "nobody hears that a password is unknown whose secret a person took out, or wrote anew, while it was set",
        "(people|owners|audited|claimed|policy|outage|forged.*)/one-slot",
        "P1: (nobody knows the password, and|it was parked while nobody knows)",
        "people/one-slot#33",
    ),
    Finding(
        "a credential stays behind whose rotation was called off by its owner",
        "owners/many",
        "P5: .* was left behind by a rotation that was called off",
        "owners/many#869",
    ),
    Finding(
        "a second deployment on one account cuts the other's superseded key off inside its overlap",
        "one-account/two-slots",
        "P4: ",
        "one-account/two-slots#2896",
    ),
    Finding(
        "while a vault lags or its policy changes a single slot is refused for longer than five minutes",
        "(lagging|policy)/one-slot",
        r"P1: /one-slot/app has refused what the vault holds for \d+ s",
        "lagging/one-slot#8",
    ),
    Finding(
        "a failover that serves an old copy for minutes leaves an application's secret refused for longer than five minutes",
        "lagging",
        r"P1: /many/app has refused what the vault holds for \d+ s",
        "lagging-in-overlap/many#155",
    ),
    Finding(
        "an incident beside a restore whose worker dies is called skipped while what leaked works",
        "incident-restore/two-slots",
        "P5: the incident of app was reported as skipped",
        "incident-restore/two-slots#496",
    ),
)


def known(case: str, problem: str | None) -> Finding | None:
    """Return which open finding a violation is; None where it is a new one, or there is none."""
    return next((one for one in OPEN if problem and one.explains(case, problem)), None)

"""What the proof has found and nobody has mended yet: each with the shortest schedule that shows it.

A schedule that breaks a promise in one of these ways is printed by `make prove` like any other, and makes it fail. The
share of the proof that runs with the tests leaves it out, so that it finds what is new. A test plays each of them: whoever
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


ANY = ""
OPEN = (
    Finding(
        "a throttled look at a version's credential is ignored, and the source is asked again within its Retry-After",
        ANY,
        "throttling: (prove|sign in) ",
        "one/two-logins@4:throttle",
    ),
    Finding(
        "a tag that its owner edits between the announcement and the gate's fresh read is set back by the new version",
        "owners/|claimed|policy/",
        "tags: app had|people: app was rotated although",
        "owners/two-logins!c4=1+c5=1+c6=1+i15=m2",
    ),
    Finding(
        "nobody hears that a password is unknown whose secret was disabled, or taken out, while it was set",
        r"(owners|audited|people|claimed|policy|outage|forged.*)/one-slot",
        "P1: (nobody knows the password, and|it was parked while nobody knows)",
        "audited/one-slot!i5=l2+i23=m0",
    ),
    Finding(
        "a report names the version that is current, a person's or none that can be read, in place of the one published",
        "(owners|audited|people-in-overlap|people/one-slot|incident-and-people|policy)",
        "P8: ((rotated|healed|restored) was reported without a new|a version that a person wrote was reported as)",
        "owners/one-slot!c2=1+c8=1+c9=1+i19=m0",
    ),
    Finding(
        "the same where the version was healed",
        "people",
        "P8: a version that a person wrote was reported as healed",
        "people/two-slots#85",
    ),
    Finding(
        "of two deployments over one vault one removes the credential that the other has just published",
        "two-deployments/many",
        "P1: the current version of app",
        "two-deployments/many!i8=m0+m13=throttle",
    ),
    Finding(
        "a second deployment's key is respected once: the next day's try replaces it",
        "one-account/two-slots",
        "P4: |P1: ",
        "one-account/two-slots",
    ),
    Finding(
        "a CredentialId that names nothing keeps the credential alive that was superseded, in silence",
        "claimed/many",
        "P5: .* of app v1 is still alive",
        "claimed/many!i0=m0",
    ),
    Finding(
        "a person who takes the superseded slot into use again finds the secret parked for good: only the record says why",
        "(people|people-in-overlap|audited|owners|by-hand|incident-and-people)/",
        "P8: app is parked for good: ((key[12]|the login) may be the one|tag RekeyRetire names the credential) in use",
        "people-in-overlap/two-slots!i0=m2+i1=m2+c3=1+c4=1+i13=m1+i19=m1",
    ),
    Finding(
        "looks follow each other without end, and nobody is told, where the version is disabled while a retirement is open",
        "(owners|people-in-overlap|audited)/",
        "resources: over 120 deliveries",
        "owners/many!m46=lose the request+i63=m0",
    ),
    Finding(
        "a replica that was written first keeps a credential that is taken back when the next replica refuses",
        "false-copies/many",
        "P1: the current version of copy-a",
        "false-copies/many!c1=1+c3=1+c5=1+i22=m1",
    ),
    Finding(
        "an incident's order that comes twice rotates what the first one has just published",
        "order",
        r"P2: app has [34] versions",
        "order/two-slots!i4=l2+m19=arrive late",
    ),
    Finding(
        "a heal that was never published counts as one: the next audit blames somebody else, and parks for a week",
        "drift",
        "P1: the current version of app is not accepted",
        "drift-in-overlap/many!m16=forbid",
    ),
    Finding(
        "clocks that differ by seconds have the look at an unknown password taken for a surplus one",
        "clocks/one-slot",
        "P1: nobody knows the password",
        "clocks/one-slot!m1=die after+m19=die after",
    ),
    Finding(
        "an incident about a version that was restored or written over meanwhile is called skipped while what leaked works",
        "incident|retirement",
        "P5: the incident of app was reported as skipped",
        "incident-restore/two-logins!c0=1+c3=1+c4=1+m2=lose the request+m15=forbid",
    ),
    Finding(
        "an incident of a version that was disabled meanwhile parks the secret for good",
        "(order|incident|retirement)",
        "P8: app is parked for good: the compromised version",
        "order-and-restore/two-slots!c9=1+c10=1+c11=1+m14=arrive late+i28=l1+c30=1+c31=1+c33=1+i65=l1+c75=1+c76=1+i98=m0",
    ),
    Finding(
        "a failover that serves a copy for over a minute has the password set again that the vault's true version holds",
        "lagging",
        "P1: the current version of app is not accepted",
        "lagging-in-overlap/two-logins#1185",
    ),
    Finding(
        "a heal that is overtaken by a person ends the worker with an assertion",
        ANY,
        "P8: a worker failed with AssertionError",
        "owners/two-slots!c3=1+c4=1+c5=1+i13=l2+i42=m2",
    ),
    Finding(
        "looks at a single slot multiply while the vault takes no versions",
        "(lagging|outage)/one-slot",
        "resources: ",
        "lagging/one-slot#4000",
    ),
    Finding(
        "a version that lands late over another one is not mended within five minutes",
        ANY,
        r"P1: /\S+ has refused what the vault holds for \d+ s",
        "owners/two-logins!i1=l1+m0=throttle+i17=l3",
    ),
)


def known(case: str, problem: str | None) -> Finding | None:
    """Return which open finding a violation is; None where it is a new one, or there is none."""
    return next((one for one in OPEN if problem and one.explains(case, problem)), None)

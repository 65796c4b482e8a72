"""What the proof found, each as the schedule that showed it."""

from __future__ import annotations

import pytest

from tests.proof.run import play

FOUND = {
    "a follow-up repairs a password although the window has closed meanwhile": "window/one-slot@5:die after",
    "a look that had to wait for its source is not left to the look after it": "rotation/one-slot#559",
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
    "it is mended that a throttled look at a version's credential is ignored, and the source is asked again within its Retry-After": (
        "one/two-logins@4:throttle"
    ),
    "it is mended that a tag that its owner edits between the announcement and the gate's fresh read is set back by the new version": (
        "owners/two-logins!c4=1+c5=1+c6=1+i15=m2"
    ),
    "it is mended that nobody hears that a password is unknown whose secret was disabled, or taken out, while it was set": (
        "audited/one-slot!i5=l2+i23=m0"
    ),
    "it is mended that a report names the version that is current, a person's or none that can be read, in place of the one published": (
        "owners/one-slot!c2=1+c8=1+c9=1+i19=m0"
    ),
    "it is mended that the same where the version was healed": ("people/two-slots#85"),
    "it is mended that of two deployments over one vault one removes the credential that the other has just published": (
        "two-deployments/many!i8=m0+m13=throttle"
    ),
    "it is mended that a second deployment's key is respected once: the next day's try replaces it": (
        "one-account/two-slots"
    ),
    "it is mended that a CredentialId that names nothing keeps the credential alive that was superseded, in silence": (
        "claimed/many!i0=m0"
    ),
    "it is mended that a person who takes the superseded slot into use again finds the secret parked for good: only the record says why": (
        "people-in-overlap/two-slots!i0=m2+i1=m2+c3=1+c4=1+i13=m1+i19=m1"
    ),
    "it is mended that looks follow each other without end, and nobody is told, where the version is disabled while a retirement is open": (
        "owners/many!m46=lose the request+i63=m0"
    ),
    "it is mended that a replica that was written first keeps a credential that is taken back when the next replica refuses": (
        "false-copies/many!c1=1+c3=1+c5=1+i22=m1"
    ),
    "it is mended that an incident's order that comes twice rotates what the first one has just published": (
        "order/two-slots!i4=l2+m19=arrive late"
    ),
    "it is mended that a heal that was never published counts as one: the next audit blames somebody else, and parks for a week": (
        "drift-in-overlap/many!m16=forbid"
    ),
    "it is mended that clocks that differ by seconds have the look at an unknown password taken for a surplus one": (
        "clocks/one-slot!m1=die after+m19=die after"
    ),
    "it is mended that an incident about a version that was restored or written over meanwhile is called skipped while what leaked works": (
        "incident-restore/two-logins!c0=1+c3=1+c4=1+m2=lose the request+m15=forbid"
    ),
    "it is mended that a failover that serves a copy for over a minute has the password set again that the vault's true version holds": (
        "lagging-in-overlap/two-logins#1185"
    ),
    "it is mended that a heal that is overtaken by a person ends the worker with an assertion": (
        "owners/two-slots!c3=1+c4=1+c5=1+i13=l2+i42=m2"
    ),
    "it is mended that looks at a single slot multiply while the vault takes no versions": (
        "lagging/one-slot#4000"
    ),
    "it is mended that a version that lands late over another one is not mended within five minutes": (
        "owners/two-logins!i1=l1+m0=throttle+i17=l3"
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_stays_mended(name: str) -> None:
    assert play(FOUND[name])[0] is None

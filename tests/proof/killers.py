"""One schedule for each deliberate bug that tells it: `make test` notices such a bug at once.

tests/proof/test_killers.py plays each of them, and tests/proof/test_mutants.py sees that each tells
its bug. Where a change of the engine moves its calls, that test says which schedule to name
instead.
"""

from __future__ import annotations

from collections.abc import Mapping

KILLERS: Mapping[str, str] = {
    "a record overrules an owner who names another pair of keys": (
        "moved-by-a-tag-when-due/two-pairs#103"
    ),
    "what people have heard is told anew with each look": "moved-in-both/one-slow#3",
    "what a late write of the same operation supersedes is forgotten": "moved/many#1150009247",
    "who takes a source over begins with an empty record": "handed-over-in-incident/many#3",
    "an incident that is dated ahead is forgotten with its work": "reported-ahead/two-slots",
    "nobody looks at what a late change may have cut off": "two-deployments/two-slots#1009794",
    "Owner is dropped": "one/two-slots",
    "a change that does not end is never told of": "slow-without-end/two-slow",
    "a source that names hours is asked at every look": "slow-by-its-word/two-slow",
    "a compromised credential is restored": "incident-restore/two-slots@6:die after",
    "a compromised password is set back": "incident-alone/one-slot@11:lose the answer",
    "a digest in a tag": "one/two-slots",
    "a key goes before what it made": "derived-retirement",
    "a key signs for whoever names it": "derived-consent#3",
    "a slot is left alone for longer than the timer allows": (
        "lost-applies-and-fails-an-hour/one-slot"
    ),
    "a list is written back as it was read first": "one/listed",
    "a leak is tried where its secret is now": "moved-in-incident/two-slots#7",
    "a source is given the password of another one": "moved/one-slot#6",
    "a mark rests for ever": "one/two-slots@3:forbid",
    "a parked mark is never taken off": "one/two-slots@26:forbid",
    "a replica's old version stays": "replicas/two-slots",
    "a request about any version": "forced/one-slot#3",
    "a retirement does not look at replicas": "copies-behind/two-slots",
    "who reads a replica that was written late has no overlap": "copies-behind/two-slots",
    "a request is closed before its outcome is reported": "lost-request/two-slots",
    "a request is never closed": "lost-request/two-slots",
    "a sweep finds nothing": "one/two-slots@0:forbid",
    "a tag of nobody's is added": "one/two-slots",
    "a value in the report": "one/two-slots",
    "an accepted request is not stored": "reported-and-lost/two-slots",
    "an audit believes everything": "drift/two-slots",
    "an incident cuts off whatever has the place of an older key": "records-in-incident/two-slots#19",
    "an incident is not noted": "order-and-restore/two-slots#3",
    "an incident marks the next version": "one/two-slots@26:forbid",
    "an overlap of years": "one/two-slots",
    "apps are not waited for": "errands/many#884",
    "changing calls have no bound": "incident-alone/many#89",
    "failures are swallowed": "one/two-slots@0:lose the answer",
    "rechecks without end": "one/one-slot",
    "healing takes the other slot": "drift-in-overlap/two-slots",
    "incident orders send nothing": "order/two-slots",
    "no consent anywhere": "stranger/two-slots",
    "no expiry": "one/two-slots",
    "no look after an uncertain change": "one/one-slot@8:die after",
    "no overlap": "one/two-slots",
    "no reading again under the lease": "one/two-slots",
    "nobody looks for what was asked for": "lost-request/two-slots",
    "nobody looks for the end of a change": "slow-incident-alone/two-slow",
    "nothing is ever due": "one/two-slots",
    "nothing is tidied": "one/many@8:die after",
    "nothing is undone": "one/one-slot@10:forbid",
    "nothing is withdrawn after a person's write": "audited/many#283",
    "nothing is written ahead": "one/two-slots",
    "operation id at random": "one/many@8:die after",
    "parking marks nothing": "one/two-slots@4:forbid",
    "publish before verify": "one/two-slots",
    "replicas are forgotten": "replicas/one-slot",
    "replicas are never caught up": "copies-away/one-slot#1",
    "replicas are published after the primary": "replicas/one-slot#1061",
    "retire before publish": "one/two-slots",
    "retirements take the places of what may refuse its secret": "lost-one/one-slot@9:die after",
    "scopes are ignored": "unbound/two-slots",
    "tags are set back to what they were": "people-in-overlap/two-slots#3",
    "ten years until expiry": "one/two-slots",
    "the SDK retries what changes": "real:storage-key@18:lose the answer",
    "the content type is dropped": "one/two-slots",
    "the digest is always believed": "people/many#81",
    "the digest is never believed": "one/two-slots@13:die after",
    "the gate reads nothing afresh": "one/two-slots",
    "the latest version is disabled": "retirement/two-slots",
    "the lease is not looked after": "lagging/one-slot#111",
    "the new value in RekeyCause": "one/two-slots",
    "the policy document is written": "greedy/two-slots#3",
    "the source's owner is ignored": "two-secrets/two-slots",
    "the tag RekeyRetire is believed": "forged/many#6",
    "what a record that went back has forgotten is never told of": "rolled-back-twice/many",
    "what a restore superseded counts as abandoned": "restored/many",
    "what an earlier try asked for is asked for again": "slow/two-slow",
    "what an operation without a record made is left": "records/many!i8=m1+c14=1+i24=m0+i31=m0",
    "what is current is tidied too": "one/many",
    "what may come back holds up the other leaks": "both-leaked/listed#47",
    "what is made from a key outlasts it": "derived-alone",
    "what is put off comes back at once": "one/two-slots@0:throttle",
    "what is retired is not forgotten": "retirement/two-slots",
    "what is to be retired is forgotten": "one/two-slots",
    "what is undone is undone without the lease": "people/one-slot#177",
    "who cannot enable a purged version is told to": "deleted-in-incident/two-slots#3",
    "who fell out of management is not shown": "people/two-slots#0",
    "windows are ignored": "closed/two-slots",
}

UNSEEN: Mapping[str, str] = {
    "what people have heard is told anew with each look": "no promise bounds how often people hear",
    "what a late write of the same operation supersedes is forgotten": (
        "what its owner has left at a source is theirs, as far as a history tells"
    ),
    "a replica's old version stays": "no promise speaks of a version that holds what is refused",
    "a request is closed before its outcome is reported": "what is stored of requests is not in a history",
    "a request is never closed": "what is stored of requests is not in a history",
    "a source is given the password of another one": "no promise is checked across two sources",
    "a source that names hours is asked at every look": "no promise says how often a source is asked",
    "an accepted request is not stored": "what is stored of requests is not in a history",
    "apps are not waited for": "which version an app uses is not in a history",
    "rechecks without end": "no promise says how many messages there may be",
    "nobody looks for what was asked for": "what is stored of requests is not in a history",
    "nothing is withdrawn after a person's write": "what is made then is that person's to remove",
    "what is put off comes back at once": "no promise says when a message comes back",
    "who takes a source over begins with an empty record": (
        "who was told of a deleted secret looks after what it held"
    ),
    "windows are ignored": "no promise speaks of windows",
}
"""The bugs above that cannot be seen from a history, each with the reason: see docs/history.md."""

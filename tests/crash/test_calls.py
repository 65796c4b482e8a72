"""What each kind asks of Azure for a rotation of a version that Rekey wrote.

The same at the end of its overlap. Tokens are not counted.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from engine.state.tags import RETIRE
from simulator.wire import Request
from tests.proof.places import PLACES
from tests.rotators.key_scenes import FAMILY, Member
from tests.shared.delivery import Delivery
from tests.shared.promises import Place
from tests.shared.scene import NAME, scene

DAY = 86_400
BOTH = {"vault GET": 3, "vault PUT": 1}
"""Read once to decide, and afresh before the source is changed and before it is published."""
ONE_SLOT = {"vault GET": 5, "vault PUT": 1, "vault PATCH": 1, "sign-in": 2}
"""The old password is tried first, since only one that works may be set back; its version is
disabled at once."""
LEASE = {"lease": 6}
"""Taken, read, given back; the record notes the change, what is about to be published, and what was
reported."""
POSTED = {"post": 1}
"""A single slot's recheck."""
ROTATION: dict[str, dict[str, int]] = {
    "storage-key": {**BOTH, "listKeys": 1, "regenerateKey": 1, "signed request": 1, **LEASE},
    # The key is read three times with its record: to decide, afresh to sign, and once the signature
    # is proven. Nothing is sent that would have to be noted before.
    "storage-sas": {"vault GET": 5, "vault PUT": 1, "signed request": 1, "lease": 8},
    # A rule is read once in the life of a process for how its name is spelt; one that may not read
    # is tried with a made-up signature, too.
    "service-bus-sas": {
        "vault GET": 5,
        "vault PUT": 1,
        "signed request": 2,
        "lease": 8,
        "listKeys": 1,
    },
    "event-hubs-sas": {
        "vault GET": 5,
        "vault PUT": 1,
        "signed request": 1,
        "lease": 8,
        "listKeys": 1,
    },
    "service-principal-secret": {**BOTH, "addPassword": 1, "sign-in": 2, **LEASE},
    # The creation is begun, looked at until it is done and its result read: a certificate and its
    # secret. The list is read before that, for what it may refuse, and again just before it is
    # replaced.
    "service-principal-certificate": {
        **BOTH,
        "vault GET": 9,
        "vault POST": 1,
        "read": 2,
        "replace the list": 1,
        "sign-in": 2,
        **LEASE,
    },
    # The template does not let the app watch a change, so that a further sign-in shows its end.
    "sql-admin-password": {
        **ONE_SLOT,
        "PATCH": 1,
        "poll": 1,
        "sign-in": 3,
        **LEASE,
        **POSTED,
    },
    # A login without a user in master: its password is proven by a wrong one that gets another
    # answer.
    "sql-login-password": {**ONE_SLOT, "sign-in": 4, "ALTER": 1, **LEASE, **POSTED},
    "sql-login-password of a user": {**ONE_SLOT, "ALTER": 1, **LEASE, **POSTED},
    # One of two tries the database that its value names, too.
    "sql-login-password of two logins": {**BOTH, "ALTER": 1, "sign-in": 3, "lease": 9},
}
ROTATION |= {
    # A role and a user are recognised by their server at once, like a contained user.
    "postgresql-admin-password": ROTATION["sql-admin-password"],
    "postgresql-role-password": ROTATION["sql-login-password of a user"],
    "postgresql-role-password of two roles": {**BOTH, "ALTER": 1, "sign-in": 2, "lease": 9},
    "mysql-admin-password": ROTATION["sql-admin-password"],
    "mysql-user-password": ROTATION["sql-login-password of a user"],
    "mysql-user-password of two users": {**BOTH, "ALTER": 1, "sign-in": 2, "lease": 9},
}
MARKED = {"vault GET": 5, "vault PATCH": 2, "lease": 6}
"""The superseded version is read and disabled, and the tag RekeyRetire removed; its credential is
proven to be refused.

Before that the current one is proven to work: the other may be the last that does. One that is
replaced in its place is tried, too: a person may have replaced it since."""
RETIREMENT: dict[str, dict[str, int]] = {
    "storage-key": {**MARKED, "listKeys": 3, "regenerateKey": 1, "signed request": 4},
    "service-principal-secret": {**MARKED, "removePassword": 1, "sign-in": 3},
    "service-principal-certificate": {**MARKED, "read": 1, "replace the list": 1, "sign-in": 3},
    "sql-login-password of two logins": {**MARKED, "sign-in": 7, "ALTER": 1, "lease": 9},
}
RETIREMENT |= {
    # A refusal may be of a login that has expired, say, or of a server whose password sign-in is
    # off: what stands in its way is looked for.
    f"{engine} of two {two}": {
        **MARKED,
        "read the resource": 3,
        "sign-in": 5,
        "rehearsal": 3,
        "ALTER": 1,
        "lease": 9,
    }
    for engine, two in (("postgresql-role-password", "roles"), ("mysql-user-password", "users"))
}
OPERATIONS = {
    # Paths that name the key, of the two replacements and of a listing.
    "search-admin-key": ("primary", "secondary", "listAdminKeys"),
    "api-management-key": ("regeneratePrimaryKey", "regenerateSecondaryKey", "listSecrets"),
}
BESIDE = (
    "service-bus-key of a queue",
    "relay-key",
    "ai-services-key",
    "api-management-key",
    "event-grid-key of a topic",
    "event-grid-key of a domain",
    "event-grid-key of a namespace",
    "event-grid-partner-key",
)
"""A made-up key is tried beside one that the service accepts only in passing: of a rule that may
not read, an account without such an interface, a gateway that may let everybody in, a topic that is
not there, or that answers nothing."""
LOOKS = {
    "app-configuration-key": (1, 3),
    "api-management-key": (2, 4),
    "event-grid-key of a namespace": (2, 4),
    # A refusal may be the firewall's, unless the service lists the key no more.
    "search-admin-key": (0, 5),
}
"""How often keys are listed for a rotation and for a retirement, where facts do not tell."""


def looks(member: Member) -> tuple[int, int]:
    """Return how often keys are listed for a rotation, and for a retirement.

    A change that goes on is known by the key that it replaces, and looked at until another one is
    there. A rule is read to prove the current key, and again to retire the other one. A refusal
    proves that a key is gone only where others are listed, and two refusals make a proof.
    """
    kind = member.kind
    if own := LOOKS.get(str(member), LOOKS.get(kind.kind)):
        return own
    goes_on = kind.lists_first and member.type.lower() not in kind.facts.at_once
    return (3, 5) if goes_on else (0, 4 if member.contract.ruled else 3)


def family(member: Member) -> tuple[dict[str, int], dict[str, int]]:
    """Return what a rotation asks, and what the end of an overlap asks."""
    facts, beside = member.kind.facts, 1 + (str(member) in BESIDE)
    replaces, again, lists = OPERATIONS.get(
        member.kind.kind, (facts.replaces, facts.replaces, facts.lists)
    )
    first, later = looks(member)
    # Where its name does not lead to the address of a resource; once in the life of a process.
    reads = (0 if facts.host else 1) + member.reads_below if facts.address else 0
    # The other key is not replaced before its age says that nobody else has made it.
    aged = first + member.kind.tells_ages
    rotation = {"signed request": beside, replaces: 1, lists: aged, "read the resource": reads}
    end = {lists: later, again: 1, "read the resource": reads}
    retirement = {"signed request": 2 + 2 * beside, **end}
    return (
        {name: count for name, count in {**BOTH, **LEASE, **rotation}.items() if count},
        {name: count for name, count in {**MARKED, **retirement}.items() if count},
    )


COUNTED = {str(member): family(member) for member in FAMILY}
ROTATION |= {name: rotation for name, (rotation, _) in COUNTED.items()}
RETIREMENT |= {name: retirement for name, (_, retirement) in COUNTED.items()}


def name_of(request: Request) -> str:  # noqa: PLR0911 - a table
    last = request.path.rpartition("/")[2]
    match request.host.split(".")[0:2]:
        case [_, "vault"]:
            return f"vault {request.method}"
        case ["rekeyhost", service]:
            return "lease" if service == "blob" else "post"
        case ["management", _]:
            if request.method == "GET" and "asyncoperation" not in request.path.lower():
                return "read the resource"
            polling = "asyncoperation" in request.path.lower()
            return "poll" if polling else "PATCH" if request.method == "PATCH" else last
        case ["graph", _]:
            return {"GET": "read", "PATCH": "replace the list"}.get(request.method, last)
        case ["login", _]:
            return "sign-in"
        case _ if request.url.startswith(("tds:", "postgresql:", "mysql:")):
            return {"SIGN-IN": "sign-in", "REHEARSE": "rehearsal"}.get(request.method, "ALTER")
        case _:
            return "signed request"


def counted(place: Place) -> Counter[str]:
    """Count what was asked, Key Vault's challenges aside, and forget it."""
    exchanges = place.rig.world.exchanges
    names = [
        name_of(exchange.request)
        for exchange in exchanges
        if "WWW-Authenticate" not in exchange.response.headers
    ]
    exchanges.clear()
    return Counter(names)


async def rotated(kind: str) -> tuple[Place, str]:
    """Let Rekey write the current version, and retire what it superseded.

    Returns the source, too, as a sweep names it.
    """
    place = PLACES[kind]()
    rig = place.rig
    item = rig.item(place.name, version=rig.latest(place.name).version, trigger="event")
    outcome = await rig.service().engine.handle(item)
    rig.clock.advance(8 * DAY)
    await rig.service().engine.handle(rig.item(place.name, trigger="sweep", action="retire"))
    await Delivery(rig, rig.service).run()
    rig.clock.advance(82 * DAY)
    counted(place)
    return place, outcome.source


@pytest.mark.parametrize("kind", ROTATION)
async def test_a_rotation_asks_no_more_than_it_must(kind: str) -> None:
    place, source = await rotated(kind)
    await place.rig.service().engine.handle(
        place.rig.item(place.name, trigger="sweep", source=source)
    )
    assert counted(place) == ROTATION[kind]


@pytest.mark.parametrize("kind", RETIREMENT)
async def test_the_end_of_an_overlap_asks_no_more_than_it_must(kind: str) -> None:
    place, source = await rotated(kind)
    await place.rig.service().engine.handle(
        place.rig.item(place.name, trigger="sweep", source=source)
    )
    place.rig.clock.advance(8 * DAY)
    counted(place)
    await place.rig.service().engine.handle(
        place.rig.item(place.name, trigger="sweep", action="retire", source=source)
    )
    assert RETIRE not in (place.rig.latest(place.name).tags or {})
    assert counted(place) == RETIREMENT[kind]


@pytest.mark.parametrize("fields", [{"trigger": "event"}, {"trigger": "manual", "force": True}])
async def test_whoever_cannot_name_the_source_costs_no_read_more(fields: dict[str, Any]) -> None:
    place, _ = await rotated("storage-key")
    rig = place.rig
    version = rig.latest(place.name).version
    await rig.service().engine.handle(rig.item(place.name, version=version, **fields))
    assert counted(place) == ROTATION["storage-key"]


async def test_a_first_rotation_costs_two_proofs_more_and_a_duplicate_one_read() -> None:
    place = PLACES["storage-key"]()
    rig = place.rig
    item = rig.item(place.name, version=rig.latest(place.name).version, trigger="event")
    await rig.service().engine.handle(item)
    first = counted(place)
    assert (first["listKeys"], first["signed request"]) == (1, 3)
    await rig.service().engine.handle(item)
    assert counted(place) == {"vault GET": 1, "signed request": 1, "lease": 3}


async def test_an_event_for_a_secret_that_is_not_due_costs_one_read() -> None:
    rig = scene(days_left=80)
    await rig.service().rotate(rig.item(NAME, trigger="event").to_json(), 1)
    assert rig.calls() == {"vault": 1}


def test_every_kind_is_counted() -> None:
    assert {kind for kind in PLACES if "connection string" not in kind} == set(ROTATION)

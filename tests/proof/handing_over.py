"""A source passes from one secret to another while the first one still owes something.

A superseded credential whose overlap goes on, or a leaked one that could not be revoked yet. Who
takes a source over takes its debts over, or is parked until they are paid; and somebody is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

from engine.secret import SecretRef, SecretVersion
from engine.state.record import parts_of
from engine.state.record_parts import Compromised
from engine.state.request import INCIDENT_SECONDS, TRIED_ON, Cause, Leak, WorkItem
from engine.state.tags import OPERATION, OURS, REASON, STATE
from tests.proof.excuses import Excuse
from tests.proof.going_back import revoke_named, said_of
from tests.proof.kinds import SINCE
from tests.proof.model_leases import Claim
from tests.proof.people import identify, kind_of, make_credential, unmanage
from tests.proof.staging import (
    EVERY,
    FIRST,
    FURTHER,
    FURTHER_SLOTTED,
    SECOND,
    SINGLE,
    SLOTTED,
    Move,
    Scenario,
    all_of,
    ask,
    blob_of,
    by_seeds,
    credential_of,
    current,
    due,
    incident,
    leaked,
    ordered,
    per_kind,
    reports,
    rotated,
    source_of,
)
from tests.proof.watch import AUDITED_SECONDS
from tests.proof.world import NEVER, VAULT, World

BARE = "{key}"
REVOKES = re.compile(r"belongs to the secret \S+, which revokes (\S+) at")
"""What a copy is told whose source still belongs to the secret before."""
APP, HEIR = SecretRef(VAULT, "app"), SecretRef(VAULT, "heir")


def _heir(world: World, shape: str, address: str = "") -> None:
    """Somebody names the source of `app` in another secret, which gets the credential in use."""
    version = world.versions_of(APP)[-1]
    address = address or version.tags.get("ProviderAddress", "")
    if HEIR in world.vault or address not in world.sources or not version.value:
        return
    held = identify(world, address, version) or version.tags["CredentialId"]
    form = {} if shape == BARE else {"ValueTemplate": shape}
    tags = {"ProviderAddress": address, "CredentialId": held, **form}
    _write_heir(world, shape.format(key=version.value.reveal()), tags)


def _write_heir(world: World, value: str, tags: Mapping[str, str]) -> None:
    version = world.versions_of(APP)[-1]
    mine = {tag: text for tag, text in version.tags.items() if tag not in OURS}
    theirs = {**mine, **tags}
    world.secret("heir", value, 400, theirs)
    world.wanted[HEIR] = dict(current(world, "heir").tags)
    # Nothing looks at a secret that is new before the next sweep and its first audit.
    until = world.kernel.time() + AUDITED_SECONDS
    world.watch.excuses.grant(Excuse.BROKEN, theirs["ProviderAddress"], until)
    world.watch.excuses.grant(Excuse.LEFT_ALONE, "heir")
    world.watch.handed_over.add(theirs["ProviderAddress"])


def has_its_own(world: World) -> None:
    """The old one loses its address; the new one names the source, with a credential made by hand."""
    if APP in world.vault and HEIR not in world.vault:
        if current(world).tags.get("ProviderAddress") in world.sources and current(world).value:
            slot, value = make_credential(world)
            _write_heir(world, value, {"CredentialId": slot})
        unmanage("app")(world)


def loses_its_address(world: World, shape: str = BARE) -> None:
    """The old one loses its tag ProviderAddress, the new one names the source."""
    if APP in world.vault:
        _heir(world, shape)
        unmanage("app")(world)


def copied(world: World) -> None:
    """Once the old one has left its source, the new one names that, with the credential in use."""
    version = current(world) if APP in world.vault else None
    if version and "ProviderAddress" not in version.tags and version.value:
        # If somebody adopts that one at the same time, whoever is told so leaves the source.
        world.watch.excuses.grant(Excuse.CLAIM, "app")
        _heir(world, BARE, world.wanted[APP]["ProviderAddress"])


def is_deleted(world: World, shape: str = BARE) -> None:
    """The old one is deleted, the new one names the source."""
    if APP in world.vault:
        _heir(world, shape)
        world.watch.excuses.grant(Excuse.CLAIM, "app")
        held = credential_of(current(world))
        if HEIR in world.vault and credential_of(current(world, "heir")) != held:
            # It was published after the new one had been written: who deletes it looks after that.
            world.watch.disowned.add(held)
        world.delete(APP)


def asks(world: World) -> None:
    """The sweep finds the new one."""
    if HEIR in world.vault:
        ask(world, "heir", action="audit", trigger="sweep", pinned=False)


def rotates(world: World) -> None:
    """Somebody rotates the new one at once."""
    if HEIR in world.vault:
        ask(world, "heir", force=True)


def hand_over(shape: str = BARE) -> Mapping[str, Move]:
    """Return the moves of a hand-over, after which the new one holds the credential in a form."""
    return {
        "the old one loses its address": partial(loses_its_address, shape=shape),
        "the old one is deleted": partial(is_deleted, shape=shape),
        "the new one is audited": asks,
        "the new one is rotated": rotates,
    }


HAND_OVER = hand_over()


def mend(world: World) -> None:
    """Whoever was told of a debt pays it at the source, and takes the marks off.

    Who was told nothing does nothing.
    """
    told = [
        outcome
        for outcome in world.watch.outcomes
        if outcome.result == "parked" and outcome.item.ref in (APP, HEIR)
    ]
    marked = HEIR in world.vault and STATE in current(world, "heir").tags
    if told or marked:
        for source, credential in world.watch.owed():
            world.sources[source].revoke(credential)
    if HEIR in world.vault and "move the record" in said_of(world, "heir"):
        world.claims.clear()
    if HEIR in world.vault and "is in use" in said_of(world, "heir"):
        revoke_named(world, "heir")
    if {APP, HEIR} <= world.vault.keys() and "belongs to the secret" in said_of(world, "heir"):
        _give_up_the_address(world)
    for ref in (APP, HEIR):
        if ref in world.vault:
            _unmark(world, ref)
    if told and HEIR in world.vault and _holds_what_leaked(world):
        incident(world, name="heir")
    if HEIR in world.vault:
        _write_what_is_accepted(world)


def _give_up_the_address(world: World) -> None:
    """Remove the old one's ProviderAddress once more, as the way out says.

    It came back with a write of other tags that was under way: Key Vault knows no If-Match.
    """
    if "ProviderAddress" in current(world).tags:
        unmanage("app")(world)


def _write_what_is_accepted(world: World) -> None:
    """Write what the source accepts, as whoever wrote a copy that was late must.

    That holds for a copy, too, of which the reports say when it is revoked.
    """
    version = current(world, "heir")
    source = world.sources[version.tags["ProviderAddress"]]
    theirs = {tag: text for tag, text in version.tags.items() if tag not in OURS}
    # What Rekey has published since is no copy: the report was of a version before it.
    told = () if OPERATION in version.tags else REVOKES.findall(said_of(world, "heir"))
    if world.watch.holds(version) and theirs.get("CredentialId") not in told:
        return
    known = source.alive() - world.watch.foreign - set(world.watch.compromised)
    known -= {credential_of(version)}
    if known:
        value = theirs.get("ValueTemplate", BARE).format(key=min(known))
        written = world.secret("heir", value, 80, theirs)
        held = identify(world, version.tags["ProviderAddress"], written)
        world.edit(HEIR, tags=theirs | {"CredentialId": held or theirs["CredentialId"]})


def _holds_what_leaked(world: World) -> bool:
    leaked_one = credential_of(current(world, "heir"))
    return leaked_one in world.watch.compromised and world.watch.holds(current(world, "heir"))


def _unmark(world: World, ref: SecretRef) -> None:
    version = world.vault[ref][-1]
    if SINCE in version.tags.get(REASON, ""):
        # Nobody else uses the key that somebody has made by hand.
        world.ask(ref.name, version=version.version, action="audit")
    kept = {tag: text for tag, text in version.tags.items() if tag not in (STATE, REASON)}
    if kept != version.tags and version.enabled:
        world.edit(ref, tags=kept)


_handing_over = partial(per_kind, moves=HAND_OVER, mend=mend, mends=2, is_planned=False)


@_handing_over("handed-over")
def _in_overlap(world: World, kind: str) -> None:
    """A source is handed over while a superseded credential has hours to live."""
    rotated(world, kind, hours_left=30)
    ask(world, action="audit", trigger="sweep")


@_handing_over("handed-over-in-rotation")
def _in_rotation(world: World, kind: str) -> None:
    """A source is handed over while it is rotated."""
    due(world, kind)
    ask(world, trigger="event")


@_handing_over("handed-over-in-incident")
def _in_incident(world: World, kind: str) -> None:
    """A source is handed over while an incident is dealt with."""
    _in_incident_of(world, kind)


def _in_incident_of(world: World, kind: str) -> None:
    if kind in SINGLE:
        due(world, kind, days_left=80)
    else:
        rotated(world, kind, hours_left=100)
    incident(world)


def is_deleted_beside(world: World) -> None:
    """The old one is deleted; the new one names the source, with a credential made by hand."""
    if APP in world.vault and HEIR not in world.vault:
        slot, value = make_credential(world)
        _write_heir(world, value, {"CredentialId": slot})
        world.watch.excuses.grant(Excuse.CLAIM, "app")
        world.delete(APP)


def all_leaks(world: World) -> None:
    """An incident is declared over the source, and all that either secret has held there."""
    kind = kind_of(world)
    for ref in (APP, HEIR):
        for version in world.versions_of(ref):
            held = credential_of(version)
            if world.sources[source_of(kind)].accepts(held):
                leaked(world, ref.name, held, source_of(kind))
    # It covers what is written in this very second.
    ordered(world, kind, world.kernel.now() + timedelta(seconds=1))


ALL_LEAK: Mapping[str, Move] = {
    "the new one gets a credential of its own": has_its_own,
    "the old one is deleted, and the new one has its own": is_deleted_beside,
    "the new one is audited": asks,
    "everything at the source leaks": all_leaks,
}


@_handing_over("handed-over-and-leaked", moves=ALL_LEAK)
def _and_leaked(world: World, kind: str) -> None:
    """A source is handed over, and all that was ever there leaks."""
    rotated(world, kind, hours_left=30)
    world.advance(60)
    ask(world, action="audit", trigger="sweep")


BOTH_LEAK: Mapping[str, Move] = {
    "the old one loses its address": loses_its_address,
    "the new one gets a credential of its own": has_its_own,
    "what the new one holds is reported": partial(reports, name="heir"),
    "the new one is audited": asks,
}


@_handing_over("handed-over-in-both", moves=BOTH_LEAK)
def _in_both(world: World, kind: str) -> None:
    """A source is handed over in an incident, and what the new one holds leaks, too."""
    _in_incident_of(world, kind)
    # A scope holds each login of a pair, too.
    world.scopes += parts_of(source_of(kind))
    ask(world, action="audit", trigger="sweep", pinned=False)


def _with_an_open_incident(kind: str, move: Move, how: str) -> Scenario:
    """A leaked credential could not be revoked; then its source is handed over."""

    def build(world: World) -> None:
        rotated(world, kind, hours_left=100)
        older = world.vault[APP][0]
        leaked(world, "app", credential_of(older), source_of(kind))
        claim = world.claims[blob_of(source_of(kind))]
        world.claims[blob_of(source_of(kind))] = Claim(
            replace(claim.record, compromised=Compromised((str(older.version),)))
        )
        # People have heard of it for a month.
        world.watch.known_since[source_of(kind), str(older.version)] = NEVER
        # A day before it is tried no more: a month of it shows nothing else.
        reported = world.kernel.now() - TRIED_ON + timedelta(days=1)
        item = WorkItem(
            APP,
            version=older.version,
            leak=Leak(),
            force=True,
            cause=Cause(reported=reported.isoformat()),
            source=source_of(kind),
        )
        world.keep(item.request, item.to_json(), INCIDENT_SECONDS)
        move(world)
        asks(world)

    # An incident of a deleted secret comes back for a month: too long to be played at each call.
    return Scenario(
        f"handed-over-{how}/{kind}",
        build,
        {},
        mend=mend,
        mends=2,
        workers=1,
        is_planned=move is not is_deleted,
    )


def _named(kind: str) -> Scenario:
    return _with_an_open_incident(kind, loses_its_address, "when-leaked")


def _deleted(kind: str) -> Scenario:
    return _with_an_open_incident(kind, is_deleted, "when-leaked-and-deleted")


def _kind_of(version: SecretVersion) -> str:
    return version.tags["ProviderAddress"].split("/")[1]


def takes_logins_away(world: World) -> None:
    """The owner of a pair names the login alone that the vault holds."""
    version = current(world)
    world.edit(version.ref, tags={**version.tags, "Rotator": _kind_of(version)})


def names_both_again(world: World) -> None:
    """The owner names the pair again."""
    version = current(world)
    world.edit(version.ref, tags={tag: it for tag, it in version.tags.items() if tag != "Rotator"})


NARROWING = {
    "Logins is taken away": takes_logins_away,
    "both logins are named again": names_both_again,
    "it is audited": lambda world: ask(world, action="audit", trigger="sweep", pinned=False),
    "it is to be retired": lambda world: ask(world, action="retire", trigger="sweep", pinned=False),
}


@per_kind("narrowed", NARROWING, is_planned=False)
def _narrowed(world: World, kind: str) -> None:
    """A pair becomes one login, and a pair again, while the other login is superseded."""
    rotated(world, kind, hours_left=30)
    world.scopes += parts_of(source_of(kind))
    ask(world, action="audit", trigger="sweep")


def has_left(world: World) -> None:
    """The superseded login leaves its pair, and gets a secret of its own."""
    if HEIR not in world.vault and current(world).tags.get("CredentialId") == SECOND["two-logins"]:
        takes_logins_away(world)
        first, tags = world.vault[APP][0], {"CredentialId": FIRST["two-logins"]}
        assert first.value
        # Whether it is revoked before the new one has claimed its login, or never, is chance.
        world.watch.disowned.add(credential_of(first))
        _write_heir(world, first.value.reveal(), {**tags, "Rotator": _kind_of(first)})


SPLITTING = {
    "the superseded login leaves": has_left,
    "Logins is taken away": takes_logins_away,
    "the new one is audited": asks,
    "it is to be retired": NARROWING["it is to be retired"],
}


@per_kind("split", SPLITTING, mend=mend, mends=2, is_planned=False)
def _split(world: World, kind: str) -> None:
    """A superseded login leaves its pair, and gets a secret of its own."""
    rotated(world, kind, hours_left=30)
    world.scopes += parts_of(source_of(kind))
    ask(world, action="audit", trigger="sweep")


HANDED_OVER = [
    *all_of(("two-logins",), _narrowed, _split),
    *all_of(EVERY, _in_incident, _in_rotation, _in_both),
    *all_of(SLOTTED, _in_overlap, _named, _deleted, _and_leaked),
    *by_seeds(FURTHER, _in_incident, _in_rotation),
    # What a person makes in the only place of a slow source is taken for what was asked for there.
    *by_seeds(FURTHER_SLOTTED, _in_both, _in_overlap, _named, _deleted, _and_leaked),
]

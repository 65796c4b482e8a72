"""Somebody brings back what was: an earlier value, a whole secret from its backup, a source's name.

An app broke, so on-call puts the earlier value back. A pipeline applies the value and the tags that
it knows. A secret is purged and restored. A source is deleted and made anew under its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from engine.secret import SecretRef, SecretVersion
from engine.state.request import TRIED_ON
from engine.state.tags import OURS
from tests.proof import derived, people
from tests.proof.excuses import Excuse
from tests.proof.sources import Slots
from tests.proof.staging import (
    EVERY,
    FURTHER,
    FURTHER_SLOTTED,
    SLOTTED,
    SLOW,
    Move,
    all_of,
    ask,
    credential_of,
    current,
    due,
    incident,
    leaked,
    per_kind,
    proven,
    rotated,
    scenario,
    source_of,
)
from tests.proof.watch import AUDITED_SECONDS
from tests.proof.world import VAULT, World

APP = SecretRef(VAULT, "app")


def earlier(world: World) -> SecretVersion | None:
    """Return the latest version that holds another value than the current one, if there is one."""
    held = current(world).value
    others = (it for it in reversed(world.vault.get(APP, [])) if it.value and it.value != held)
    return next(others, None)


def at_risk(world: World, version: SecretVersion) -> None:
    """Excuse what nobody can condition.

    What is refused by now is found by the next audit. And whoever is at work may have read the
    secret before: Key Vault knows no If-Match.
    """
    source = world.sources[source_of(people.kind_of(world))]
    if world.workers or world.in_flight or not source.accepts(credential_of(version)):
        people.at_own_risk(world)


def _write(world: World, version: SecretVersion, tags: Mapping[str, str]) -> None:
    people.disown(world)
    at_risk(world, version)
    assert version.value
    world.secret("app", version.value.reveal(), 90, tags)


def puts_back(world: World) -> None:
    """On-call writes the earlier value, and copies the tags of the version that held it."""
    if version := earlier(world):
        _write(world, version, version.tags)


def puts_back_its_value(world: World) -> None:
    """On-call writes the earlier value, and keeps every tag of the current version."""
    if version := earlier(world):
        _write(world, version, current(world).tags)


def puts_back_without_tags(world: World) -> None:
    """On-call writes the earlier value with a tool that copies no tags."""
    if version := earlier(world):
        _write(world, version, {})


def applies(world: World) -> None:
    """A pipeline writes the first value and its owner's tags, unless that is what is there."""
    first = world.vault[APP][0]
    tags = {tag: text for tag, text in world.wanted[APP].items() if tag not in OURS}
    if first.value and first.value != current(world).value:
        _write(world, first, tags)
    elif dict(current(world).tags) != tags:
        # Of its tags, those of Rekey's own are too many.
        world.edit(APP, tags=tags)


def strips(world: World) -> None:
    """A pipeline leaves no tag that it does not know: those of Rekey's own go."""
    theirs = {tag: text for tag, text in current(world).tags.items() if tag not in OURS}
    world.edit(APP, tags=theirs)


def again(world: World) -> None:
    """A pipeline writes the value that is there once more, with its owner's tags alone."""
    version = current(world)
    if version.value and version.enabled:
        theirs = {tag: text for tag, text in version.tags.items() if tag not in OURS}
        at_risk(world, version)
        world.secret("app", version.value.reveal(), 90, theirs)


BACK: Mapping[str, Move] = {
    "puts the earlier value back": puts_back,
    "puts back the value alone": puts_back_its_value,
    "puts it back without tags": puts_back_without_tags,
    "a pipeline applies what it knows": applies,
    "it applies that again": applies,
}
ONCE = {"puts the earlier value back": puts_back}
AGAIN: Mapping[str, Move] = {
    "writes the same again": again,
    "writes it once more": again,
    "and once more": again,
    "strips the tags": strips,
    "incident": incident,
}


@per_kind("put-back", BACK, mend=people.mend, is_planned=False)
def _put_back(world: World, kind: str) -> None:
    """An earlier value is current again while the secret is rotated."""
    rotated(world, kind, hours_left=1)
    ask(world, action="audit", trigger="sweep")
    ask(world, force=True, pinned=False)


@per_kind("put-back-when-due", BACK, mend=people.mend, is_planned=False)
def _put_back_when_due(world: World, kind: str) -> None:
    """The same right after a first rotation."""
    due(world, kind)
    proven(world, kind)
    ask(world, trigger="event")
    ask(world, action="audit", trigger="sweep", pinned=False)


@per_kind("put-back-when-retired", BACK, mend=people.mend, is_planned=False)
def _put_back_when_retired(world: World, kind: str) -> None:
    """The same while what is put back is about to be retired."""
    rotated(world, kind, hours_left=-1)
    ask(world, action="retire", trigger="sweep")
    ask(world, action="audit", trigger="sweep", pinned=False)


@per_kind("put-back-in-incident", BACK, mend=people.mend, mends=3, is_planned=False)
def _put_back_in_incident(world: World, kind: str) -> None:
    """The same while the current credential has leaked, and the earlier one has not."""
    rotated(world, kind, hours_left=100)
    incident(world)
    ask(world, action="audit", trigger="sweep", pinned=False)


@per_kind("put-back-by-order", BACK, mend=people.mend, mends=3, is_planned=False)
def _put_back_by_order(world: World, kind: str) -> None:
    """The same while both have leaked."""
    rotated(world, kind, hours_left=100)
    world.advance(60)
    for version in world.vault[APP]:
        leaked(world, "app", credential_of(version), source_of(kind))
    now = world.kernel.now()
    # It is tried for a day, and no more: a month of it shows nothing else.
    reported = (now - TRIED_ON + timedelta(days=1)).isoformat()
    # Every quarter of an hour it waits for the look that proves what somebody wrote.
    world.asked += 20
    fields = {"since": now.isoformat(), "reported": reported, "source": source_of(kind)}
    ask(world, pinned=False, compromised=True, **fields)
    ask(world, action="audit", trigger="sweep", pinned=False)


@per_kind("written-again", AGAIN, mend=people.mend, is_planned=False)
def _written_again(world: World, kind: str) -> None:
    """A pipeline writes the same value again and again, inside an overlap that ends."""
    rotated(world, kind, hours_left=1)
    ask(world, action="audit", trigger="sweep")
    ask(world, action="retire", trigger="sweep", pinned=False)


@per_kind("written-again-when-due", AGAIN, mend=people.mend, is_planned=False)
def _written_again_when_due(world: World, kind: str) -> None:
    """The same while the secret is rotated."""
    due(world, kind)
    ask(world, trigger="event")
    ask(world, force=True, pinned=False)


def restored(world: World) -> None:
    """Somebody purges the secret and restores its backup: the same versions and ids.

    When it was made nothing had been disabled.
    """
    versions = list(world.vault.get(APP, ()))
    if not versions:
        return
    people.at_own_risk(world)
    world.delete(APP)
    world.purge(APP)
    world.purged -= {str(it.version) for it in versions}
    world.vault[APP] = [replace(it, enabled=True) for it in versions]
    world.by_hand |= {str(it.version) for it in versions}


RESTORED: Mapping[str, Move] = {"is restored": restored, "is restored again": restored}


@per_kind("from-backup", RESTORED, mend=people.mend, mends=2, is_planned=False)
def _from_backup(world: World, kind: str) -> None:
    """A secret is purged and restored from its backup while it is rotated."""
    due(world, kind)
    proven(world, kind)
    ask(world, trigger="event")
    ask(world, action="audit", trigger="sweep", pinned=False)


@per_kind("from-backup-in-overlap", RESTORED, mend=people.mend, mends=2, is_planned=False)
def _from_backup_in_overlap(world: World, kind: str) -> None:
    """The same while what was superseded is retired."""
    rotated(world, kind, hours_left=-1)
    ask(world, action="retire", trigger="sweep")
    ask(world, action="audit", trigger="sweep", pinned=False)


@per_kind("from-backup-in-incident", RESTORED, mend=people.mend, mends=2, is_planned=False)
def _from_backup_in_incident(world: World, kind: str) -> None:
    """The same while what was current has leaked: the backup holds it, too."""
    due(world, kind, days_left=80)
    proven(world, kind)
    incident(world)
    ask(world, action="audit", trigger="sweep", pinned=False)


def renewed(world: World) -> None:
    """The source is deleted, and made anew under its name: every credential is another one."""
    watch, address = world.watch, source_of(people.kind_of(world))
    source = world.sources[address]
    gone = source.alive()
    if not (watch.single(address) and world.workers):
        # A password cannot be set on condition: who sets one at the same time brings it back.
        watch.revoked |= gone
    watch.excuses.grant(Excuse.BROKEN, address, world.kernel.time() + AUDITED_SECONDS)
    assert isinstance(source, Slots)
    for slot in source.held:
        source.refill(slot)


RENEWED: Mapping[str, Move] = {"the source is made anew": renewed, "incident": incident}


def _renewing(kind: str) -> Mapping[str, Move]:
    """Return the moves of a kind. Whose a key is that comes later nobody can tell."""
    written = {} if kind in SLOW else {"somebody writes what it has now": people.change_version}
    return {**RENEWED, **written}


@per_kind("renewed", _renewing, mend=people.mend, is_planned=False)
def _renewed(world: World, kind: str) -> None:
    """A source is made anew while its secret is rotated."""
    due(world, kind)
    proven(world, kind)
    ask(world, trigger="event")
    ask(world, action="audit", trigger="sweep", pinned=False)


@per_kind("renewed-in-overlap", _renewing, mend=people.mend, is_planned=False)
def _renewed_in_overlap(world: World, kind: str) -> None:
    """The same while what was superseded is retired."""
    rotated(world, kind, hours_left=-1)
    ask(world, action="retire", trigger="sweep")
    ask(world, action="audit", trigger="sweep", pinned=False)


@scenario("derived-put-back", ONCE, mend=derived.mend, mends=2, is_planned=False)
def _signed(world: World) -> None:
    """An earlier key is current again while what it signed has just moved on."""
    derived.moved(world, 100)
    ask(world, "sas", action="audit", trigger="event", pinned=False)
    ask(world, force=True, pinned=False)


@scenario(
    "derived-renewed",
    {**RENEWED, "incident": derived.cut},
    mend=derived.mend,
    mends=2,
    is_planned=False,
)
def _signed_anew(world: World) -> None:
    """The account with the keys is made anew while what they sign follows them."""
    derived.key_and_sas(world)
    # As long as the key is refused, what it made is looked at again and again.
    world.away += 3600.0
    ask(world, trigger="event")
    ask(world, "sas", action="audit", trigger="event", pinned=False)


BROUGHT_BACK = [
    *all_of(SLOTTED, _put_back, _put_back_when_retired, _put_back_in_incident, _put_back_by_order),
    *all_of(SLOTTED, _written_again, _from_backup_in_overlap),
    *all_of((*EVERY, *FURTHER), _put_back_when_due, _written_again_when_due),
    *all_of((*EVERY, *FURTHER), _from_backup_in_incident, _from_backup),
    *all_of(FURTHER_SLOTTED, _put_back, _put_back_by_order, _written_again),
    *all_of(FURTHER_SLOTTED, _put_back_when_retired, _put_back_in_incident),
    *all_of(FURTHER_SLOTTED, _from_backup_in_overlap),
    # An application that is made anew has another id, and so another name here.
    *all_of(("two-slots", "two-logins", "one-slot", "two-slow", "one-slow"), _renewed),
    *all_of(("two-slots", "two-logins", "two-slow"), _renewed_in_overlap),
    _signed,
    _signed_anew,
]

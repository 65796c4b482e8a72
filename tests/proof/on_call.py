"""What on-call people, owners and whoever deploys do in an overlap and in an incident.

An operator restores, retires, rotates, unparks and reports within a minute, in whatever order. An
owner edits tags and dates. A deployment lacks a kind for a while. A replica comes, and goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from engine.secret import SecretRef
from engine.state.record_parts import Verified
from tests.proof import adversaries, circumstances, people
from tests.proof.staging import (
    EVERY,
    FURTHER,
    FURTHER_SLOTTED,
    PASSWORDS,
    SLOTTED,
    Move,
    add_source,
    all_of,
    ask,
    blob_of,
    credential_of,
    current,
    due,
    incident,
    leaked,
    managed,
    ordered,
    per_kind,
    proven,
    rotated,
    source_of,
)
from tests.proof.world import VAULT, World

APP = SecretRef(VAULT, "app")


def _asks(action: str, *, force: bool = False) -> Move:
    """Return a move in which an operator asks for something, as the API stores it."""

    def move(world: World) -> None:
        if APP in world.vault:
            ask(world, action=action, trigger="manual", force=force)

    return move


def _the_earlier_one_leaked(world: World) -> None:
    """An operator says that the first version's credential is known to somebody."""
    if APP not in world.vault:
        return
    first = world.vault[APP][0]
    held = credential_of(first)
    leaked(world, "app", held, world.watch.source_by(held) or str(world.watch.source_of(first)))
    ask(world, pinned=False, version=first.version, compromised=True, force=True)


def _leaked(world: World) -> None:
    """An operator says that the current credential is known to somebody."""
    if APP in world.vault and current(world).value:
        incident(world)


def _is_ordered(kind: str) -> Move:
    """Return a move in which all has leaked that the source accepts, and that is reported."""

    def move(world: World) -> None:
        for version in world.vault[APP]:
            if world.sources[source_of(kind)].accepts(credential_of(version)):
                leaked(world, "app", credential_of(version), source_of(kind))
        # What is written within the second of the report is no older.
        ordered(world, kind, world.kernel.now() + timedelta(seconds=1))

    return move


def _was_ordered_long_ago(kind: str) -> Move:
    """Return a move in which an incident is older than all that is there: none has leaked."""

    def move(world: World) -> None:
        world.watch.cut.add(source_of(kind))
        ordered(world, kind, world.kernel.now() - timedelta(days=300))

    return move


def operators(kind: str) -> Mapping[str, Move]:
    """Return what an operator may ask for."""
    earlier = {} if kind in PASSWORDS else {"the earlier one leaked": _the_earlier_one_leaked}
    return {
        "restores": _asks("restore"),
        "retires": _asks("retire"),
        "rotates": _asks("rotate", force=True),
        "unparks": _asks("audit"),
        "incident": _leaked,
        **earlier,
    }


@per_kind("operated", operators, mend=people.mend, is_planned=False)
def _operated(world: World, kind: str) -> None:
    """An operator does everything at once inside an overlap."""
    rotated(world, kind, hours_left=100)
    ask(world, action="audit", trigger="sweep")


@per_kind("operated-when-due", operators, mend=people.mend, is_planned=False)
def _operated_when_due(world: World, kind: str) -> None:
    """The same while the secret is rotated for the first time."""
    due(world, kind)
    ask(world, trigger="event")


def orders(kind: str) -> Mapping[str, Move]:
    """Return incidents of one source, one after the other, and of other dates."""
    return {
        "it is ordered": _is_ordered(kind),
        "it is ordered again": _is_ordered(kind),
        "it is ordered for a date long ago": _was_ordered_long_ago(kind),
        "rotates": _asks("rotate", force=True),
        "restores": _asks("restore"),
    }


@per_kind("ordered-twice", orders, mend=people.mend, is_planned=False)
def _ordered_twice(world: World, kind: str) -> None:
    """Two incidents of one source have different dates, and one is older than the secret."""
    rotated(world, kind, hours_left=100)
    world.advance(60)
    ask(world, action="audit", trigger="sweep")
    ask(world, force=True, pinned=False)


@per_kind("ordered-twice-when-due", orders, mend=people.mend, is_planned=False)
def _ordered_twice_when_due(world: World, kind: str) -> None:
    """The same while the secret is rotated for the first time."""
    due(world, kind)
    world.advance(60)
    ask(world, trigger="event")


def _dated(days: float | None) -> Move:
    """Return a move in which somebody edits, or clears, the expiry of the current version."""

    def move(world: World) -> None:
        now = world.kernel.now()
        world.edit(APP, expires=None if days is None else now + timedelta(days=days))

    return move


def _typed(world: World) -> None:
    """Somebody sets the content type."""
    world.edit(APP, content_type="application/json")


def _overlapping(hours: int) -> Move:
    """Return a move in which the owner sets OverlapHours: what has begun keeps a shorter one."""

    def move(world: World) -> None:
        shortest = min(hours, world.watch.shortest.get("app", 168))
        people.tagging(OverlapHours=str(hours))(world)
        world.watch.shortest["app"] = shortest

    return move


def mend(world: World) -> None:
    """An owner gives the current version an expiry again: without one it is due at once."""
    if current(world).expires is None:
        _dated(60.0)(world)
    people.mend(world)


OWNERS: Mapping[str, Move] = {
    "wants no overlap": _overlapping(0),
    "wants a long overlap": _overlapping(300),
    "wants a longer validity": people.tagging(ValidityPeriodDays="200"),
    "makes it manual": people.tagging(Manual="true"),
    "makes it manual no more": people.tagging(Manual="false"),
    "takes it out": people.untagging("ProviderAddress"),
    "disables": people.disable,
    "enables": people.enable,
    "edits the expiry": _dated(-1.0),
    "clears the expiry": _dated(None),
    "sets the content type": _typed,
    "closes the window": people.tagging(RotationWindow="Sun 03:00-04:00 UTC"),
}


@per_kind("owners-in-overlap", OWNERS, mend=mend, mends=2, is_planned=False)
def _owners_in_overlap(world: World, kind: str) -> None:
    """An owner edits tags and dates while what was superseded is retired."""
    rotated(world, kind, hours_left=-1)
    ask(world, action="retire", trigger="sweep")
    ask(world, action="audit", trigger="sweep", pinned=False)


@per_kind("owners-in-incident", OWNERS, mend=mend, mends=3, is_planned=False)
def _owners_in_incident(world: World, kind: str) -> None:
    """The same while the current credential has leaked."""
    due(world, kind, days_left=80)
    proven(world, kind)
    incident(world)
    ask(world, action="audit", trigger="sweep", pinned=False)


@per_kind("owners-in-both", OWNERS, mend=mend, mends=3, is_planned=False)
def _owners_in_both(world: World, kind: str) -> None:
    """The same in an incident inside an overlap."""
    rotated(world, kind, hours_left=30)
    incident(world)
    ask(world, action="audit", trigger="sweep", pinned=False)


@per_kind("policy-in-overlap", circumstances.policies(), mend=circumstances.mend, is_planned=False)
def _policy_in_overlap(world: World, kind: str) -> None:
    """The policy document changes while what was superseded is retired."""
    rotated(world, kind, hours_left=-1)
    adversaries.second_vault(world)
    world.document = circumstances.document()
    ask(world, action="retire", trigger="sweep")
    ask(world, force=True, pinned=False)


@per_kind(
    "policy-in-incident",
    circumstances.policies(),
    mend=circumstances.mend,
    mends=3,
    is_planned=False,
)
def _policy_in_incident(world: World, kind: str) -> None:
    """The same while the current credential has leaked."""
    due(world, kind, days_left=80)
    proven(world, kind)
    adversaries.second_vault(world)
    world.document = circumstances.document()
    incident(world)
    ask(world, action="audit", trigger="sweep", pinned=False)


TEXT, BARE = "Password={key};Encrypt=yes", "{key}"


def _shaped(template: str) -> Move:
    """Return a move in which the owner names the template of the next version."""

    def move(world: World) -> None:
        if APP in world.vault:
            world.edit(APP, tags={**current(world).tags, "ValueTemplate": template})

    return move


def shapes(kind: str) -> Mapping[str, Move]:
    """Return what an operator may ask for while the owner names another template, and again."""
    named = {"wants a text around it": _shaped(TEXT), "wants it bare": _shaped(BARE)}
    return {**operators(kind), **named}


@per_kind("reshaped", shapes, mend=people.mend, mends=3, is_planned=False)
def _reshaped(world: World, kind: str) -> None:
    """Another template is named while the secret is rotated. Its record is of an earlier Rekey."""
    tags = managed(kind, ValueTemplate=TEXT)
    version = world.secret("app", TEXT.format(key=add_source(world, kind)), 10, tags)
    proven(world, kind)
    claim = world.claims[blob_of(source_of(kind))]
    verified = Verified(str(version.version), tags=tags)
    claim.record = replace(claim.record, verified=verified)
    ask(world, trigger="event")


@per_kind("reshaped-in-overlap", shapes, mend=people.mend, mends=3, is_planned=False)
def _reshaped_in_overlap(world: World, kind: str) -> None:
    """The same inside an overlap."""
    rotated(world, kind, hours_left=100)
    ask(world, action="audit", trigger="sweep")


def _lacks(what: str, seconds: float) -> Move:
    """Return a move after which the app lacks something for so long."""

    def move(world: World) -> None:
        until = world.kernel.time() + seconds
        world.down[what] = max(world.down.get(what, 0.0), until)
        world.away += seconds
        # What has to wait for it is looked at every quarter of an hour, not within five minutes.
        world.watch.disturb(until + 600.0)

    return move


LACKING: Mapping[str, Move] = {
    "a deployment lacks the kind for minutes": _lacks("kind", 600.0),
    "a deployment lacks the kind for hours": _lacks("kind", 10_800.0),
    "an earlier version cannot read the records for minutes": _lacks("codec", 600.0),
    "an earlier version cannot read the records for hours": _lacks("codec", 10_800.0),
    "the policy cannot be read for an hour": _lacks("policy", 3600.0),
}


@per_kind("lacking", LACKING, mend=people.mend, is_planned=False)
def _lacking(world: World, kind: str) -> None:
    """A deployment lacks the plug-in of the kind while a secret is rotated."""
    due(world, kind)
    ask(world, trigger="event")
    ask(world, force=True, pinned=False)


@per_kind("lacking-in-overlap", LACKING, mend=people.mend, is_planned=False)
def _lacking_in_overlap(world: World, kind: str) -> None:
    """The same while what was superseded is retired."""
    rotated(world, kind, hours_left=-1)
    ask(world, action="retire", trigger="sweep")
    ask(world, action="audit", trigger="sweep", pinned=False)


@per_kind("lacking-in-incident", LACKING, mend=people.mend, mends=2, is_planned=False)
def _lacking_in_incident(world: World, kind: str) -> None:
    """The same while the current credential has leaked."""
    due(world, kind, days_left=80)
    proven(world, kind)
    incident(world)
    ask(world, action="audit", trigger="sweep", pinned=False)


ON_CALL = [
    *all_of(SLOTTED, _reshaped_in_overlap),
    *all_of(EVERY, _reshaped),
    *all_of(FURTHER, _reshaped),
    *all_of(FURTHER_SLOTTED, _reshaped_in_overlap),
    *all_of(SLOTTED, _operated, _ordered_twice, _owners_in_overlap, _owners_in_both),
    *all_of(SLOTTED, _policy_in_overlap, _lacking_in_overlap),
    *all_of(EVERY, _operated_when_due, _ordered_twice_when_due, _owners_in_incident),
    *all_of(EVERY, _policy_in_incident, _lacking, _lacking_in_incident),
    *all_of(FURTHER, _operated_when_due, _owners_in_incident, _lacking, _lacking_in_incident),
    *all_of(FURTHER, _ordered_twice_when_due, _policy_in_incident),
    *all_of(FURTHER_SLOTTED, _operated, _ordered_twice, _owners_in_overlap, _lacking_in_overlap),
    *all_of(FURTHER_SLOTTED, _owners_in_both, _policy_in_overlap),
]

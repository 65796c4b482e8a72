"""The keys of one resource as an answer lists them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from engine.contract import Job
from engine.errors import NeedsHuman, TransientError
from engine.secret import Sensitive
from rotators.shared.key_facts import Key, Place, Slot

type Keys = Mapping[str, Key]
"""The keys by the names of their slots; one that an answer does not hold is missing."""

RESOLUTION = timedelta(seconds=2)
"""Key Vault tells whole seconds, and a source tells fractions of them."""


def key_of(keys: Keys, slot: Slot, place: Place) -> Key:
    """Return the key of a slot; raises TransientError where the answer does not hold it."""
    if slot.name not in keys:
        raise missing(slot, place)
    return keys[slot.name]


def missing(slot: Slot, place: Place) -> TransientError:
    """Return the error of an answer without a key that there must be."""
    return TransientError(f"the answer holds no {slot.name}", where=place.source)


def holds(keys: Keys, slot: Slot, value: Sensitive | None) -> bool:
    """Return whether a slot's key is this value."""
    return value is not None and slot.name in keys and keys[slot.name].value == value


def is_within(keys: Keys, slot: Slot, value: Sensitive) -> bool:
    """Return whether a slot's key is this value, or a part of it."""
    return slot.name in keys and keys[slot.name].value.reveal() in value.reveal()


def refuse_used(job: Job, keys: Keys, slot: Slot, late: timedelta) -> None:
    """Raise NeedsHuman if somebody else has made the key that is to be replaced.

    Whoever made it uses it: a second deployment of Rekey, or a person. An answer does not say who
    holds a key, but where it has each key's creation time, that time is compared: with the version
    that somebody wrote, or with the last change that Rekey began, which may come so much later.
    """
    made = keys[slot.name].made if slot.name in keys else None
    if made is None or job.in_place or job.may_have_made(made):
        return
    if job.written and made > job.written + RESOLUTION:
        since, fix = "this version was written", "write this secret's value anew"
    elif job.changed and made > job.changed + late:
        since, fix = "Rekey had last changed this source", "unpark the secret"
    else:
        return
    raise NeedsHuman(
        f"{slot.name} was made at {made:%Y-%m-%d %H:%M}Z, after {since}: "
        "somebody else uses it, perhaps another deployment",
        where=job.source,
        fix=f"let one deployment rotate it; if nobody uses that key, {fix}",
    )

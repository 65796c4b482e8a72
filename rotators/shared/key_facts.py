"""What tells one kind of two keys from another: facts, and how ids and lists of keys are read.

Source of the spelling that Azure's own rotation connectors use (PrimaryMasterKey, Primary, key1):
their private preview.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from cloud.rest.client import Json
from engine.contract import Job
from engine.errors import NeedsHuman, TransientError
from engine.secret import Sensitive

SEGMENT = re.compile(r"(?!\.{1,2}$)[^/?#%\\\s]{1,260}")
"""One segment of a resource's id. A name that leads elsewhere in a path is none."""
HOST_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,89}")
"""A resource's name that may become part of a host's."""
HEAD = 7
"""/subscriptions/<id>/resourcegroups/<name>/providers/<namespace> has so many parts, split at its
slashes."""
PROPAGATION = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between the tries that a new key gets until every front end knows it: a minute in all."""
RESOLUTION = timedelta(seconds=2)
"""Key Vault tells whole seconds, and a source tells fractions of them."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key as its source lists it."""

    value: Sensitive
    made: datetime | None = None
    """When it was made, where the source tells."""


type Keys = Mapping[str, Key]
"""The keys by the names of their slots; one that an answer does not hold is missing."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One of two keys. Its `name` is that of the source's list, and of the tag CredentialId."""

    name: str
    sent: str = ""
    """What the request to replace it calls it; its name if left out."""
    also: tuple[str, ...] = ()
    """Further spellings that CredentialId may have."""

    def is_called(self, name: str) -> bool:
        """Return whether CredentialId means this key."""
        return name in (self.name, self.sent, *self.also)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two keys of which one is replaced while the other is in use."""

    first: Slot
    second: Slot
    part: str = ""
    """The segment that tells this pair of a source from another, so that the two do not exclude
    each other."""

    @property
    def slots(self) -> tuple[Slot, Slot]:
        """Both keys."""
        return self.first, self.second

    @property
    def names(self) -> str:
        """Both names, as a message writes them."""
        return f"{self.first.name} or {self.second.name}"

    def find(self, name: str | None) -> Slot | None:
        """Return the key that CredentialId means; None where it means neither."""
        return next((slot for slot in self.slots if name and slot.is_called(name)), None)

    def slot(self, name: str | None) -> Slot:
        """Return the key that CredentialId means; raises NeedsHuman where it means neither."""
        if slot := self.find(name):
            return slot
        raise NeedsHuman(
            f"the tag CredentialId is {name!r}, which names no key",
            fix=f"set it to {self.names}",
        )

    def other(self, slot: Slot) -> Slot:
        """Return the other key."""
        return self.second if slot == self.first else self.first


KEY1_KEY2 = Pair(Slot("key1", also=("Key1",)), Slot("key2", also=("Key2",)))
PRIMARY_SECONDARY = Pair(
    Slot("primaryKey", "Primary", ("primary", "PrimaryKey")),
    Slot("secondaryKey", "Secondary", ("secondary", "SecondaryKey")),
)
LOWER_CASE = Pair(
    Slot("primaryKey", "primary", ("Primary", "PrimaryKey")),
    Slot("secondaryKey", "secondary", ("Secondary", "SecondaryKey")),
)
"""The same, where the request to replace one writes them in lower case."""


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Which keys of which resource."""

    source: str
    """As `canonical` returned it."""
    resource: str
    """The id of what lists the keys, in lower case."""
    kind: str
    """The resource's type, in lower case."""
    names: tuple[str, ...]
    """The names in its id."""
    pair: Pair

    @property
    def account(self) -> str:
        """The id of the resource at the top, which has the switches and the address."""
        return "/".join(self.resource.split("/")[: HEAD + 2])

    @property
    def top(self) -> str:
        """The type of the resource at the top, in lower case."""
        return "/".join(self.kind.split("/")[:2])

    @property
    def name(self) -> str:
        """The name of the resource at the top."""
        return self.names[0]


@dataclass(frozen=True)
class Facts:
    """What Azure's interfaces say of one kind."""

    noun: str
    """What a person calls the resource."""
    types: tuple[str, ...]
    """The types of resource that list such keys."""
    version: str
    """The api-version of the requests."""
    lists: str = "listKeys"
    replaces: str = "regenerateKey"
    names_it: str = "keyName"
    """The property of the request that says which key is replaced."""
    pairs: tuple[Pair, ...] = (PRIMARY_SECONDARY,)
    shape: re.Pattern[str] = re.compile(r"[!-~]{16,512}")
    """What a key can look like."""
    switches: Mapping[str, object] = field(default_factory=lambda: {"disableLocalAuth": True})
    """The properties that switch keys off, each with the value that does (or several of them); of
    a list, what it must hold. Empty where nothing switches them off."""
    switched_below: bool = False
    """Those properties belong to what lists the keys, not to the resource at the top."""
    host: str = ""
    """The host in Azure's public cloud, where the resource's name leads there."""
    address: str = ""
    """The property that says the host, with dots in a path to it."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """The same for each type at the top, in lower case, that has another one."""
    called: re.Pattern[str] = field(default=HOST_NAME)
    """What the resource at the top can be called."""
    spread: tuple[float, ...] = PROPAGATION
    """Seconds between the tries that a new key gets."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """What of a resource has the keys, by the type at the top in lower case; itself if left out."""
    at_once: tuple[str, ...] = ()
    """Types, in lower case, whose replacements end with their answer, where others go on."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """The api-version of each type at the top, in lower case, that has another one."""
    further: tuple[str, ...] = ()
    """Rights that it takes beyond those of every kind."""

    @property
    def short(self) -> str:
        """What a message calls the resource that it names besides."""
        return self.noun.rpartition(" ")[2]

    @property
    def tops(self) -> tuple[str, ...]:
        """The types of the resources at the top."""
        return tuple(dict.fromkeys("/".join(kind.split("/")[:2]) for kind in self.types))

    @property
    def actions(self) -> tuple[str, ...]:
        """The rights that suffice: to read the switches, and to list and replace keys."""
        below = (
            f"{kind}/{action}/action"
            for kind in self.types
            for action in (self.lists, self.replaces)
        )
        return (*(f"{top}/read" for top in self.tops), *self.further, *below)

    @cached_property
    def _types(self) -> frozenset[str]:
        """The types in lower case."""
        return frozenset(kind.lower() for kind in self.types)

    def canonical(self, address: str, tags: Mapping[str, str]) -> str | None:
        """Return the id in lower case, with a segment for every pair but the first.

        None where it is of another type.
        """
        place = self._place(address.strip().rstrip("/").lower(), self.pairs[0])
        if place is None:
            return None
        name = tags.get("CredentialId", "").strip()
        pair = next((pair for pair in self.pairs if pair.find(name)), self.pairs[0])
        return f"{place.resource}/keys/{pair.part}" if pair.part else place.resource

    def place(self, source: str) -> KeyPlace:
        """Read what `canonical` returned; raises NeedsHuman for anything else."""
        for pair in self.pairs:
            tail = f"/keys/{pair.part}" if pair.part else ""
            if source.endswith(tail) and (
                place := self._place(source.removesuffix(tail), pair, source)
            ):
                return place
        raise NeedsHuman(
            f"{source[:120]!r} is not a resource id of the expected type ({self.noun})",
            fix="correct the tag ProviderAddress",
        )

    def _place(self, resource: str, pair: Pair, source: str = "") -> KeyPlace | None:
        parts = resource.split("/")
        kinds = "/".join([*parts[HEAD - 1 : HEAD], *parts[HEAD::2]])
        if kinds not in self._types:
            return None
        names = tuple(parts[HEAD + 1 :: 2])
        fixed = (parts[0], *parts[1:HEAD:2]) == ("", "subscriptions", "resourcegroups", "providers")
        spelt = resource == resource.lower() and all(SEGMENT.fullmatch(part) for part in parts[1:])
        is_whole = fixed and spelt and len(names) == kinds.count("/")
        if not (is_whole and self.called.fullmatch(names[0])):
            return None
        return KeyPlace(source or resource, resource, kinds, names, pair)


def text_of(answer: Json, *names: str) -> str:
    """Return a text inside an answer; empty where there is none."""
    value: object = answer
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def properties_of(resource: Json) -> Json:
    """Return a resource's properties; empty where it has none."""
    properties = resource.get("properties")
    return properties if isinstance(properties, dict) else {}


def moment(text: str) -> datetime | None:
    """Return a time as Azure writes it; None where it is none."""
    try:
        made = datetime.fromisoformat(text)
    except ValueError:
        return None
    return made if made.tzinfo else None


def rows_of(rows: object, pair: Pair, name: str, value: str, made: str = "") -> dict[str, Key]:
    """Read the keys of a pair out of a list of rows.

    `name`, `value` and `made` are what their properties are called.
    """
    listed = rows if isinstance(rows, list) else []
    named = {
        text_of(row, name): row for row in listed if isinstance(row, dict) and text_of(row, value)
    }
    return {
        slot.name: Key(Sensitive(text_of(row, value)), moment(text_of(row, made)))
        for slot in pair.slots
        if (row := named.get(slot.name))
    }


def key_of(keys: Keys, slot: Slot, place: KeyPlace) -> Key:
    """Return the key of a slot; raises TransientError where the answer does not hold it."""
    if slot.name not in keys:
        raise missing(slot, place)
    return keys[slot.name]


def missing(slot: Slot, place: KeyPlace) -> TransientError:
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

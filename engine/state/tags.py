"""The state in tags: what the owner asks for, and what Rekey notes on the versions it writes.

The owner's tags CredentialId, ProviderAddress and ValidityPeriodDays are Microsoft's own
(https://learn.microsoft.com/azure/key-vault/secrets/tutorial-rotation-dual). The others are
Rekey's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast

from engine.contract import CLOCKS, LATE, Derived, Rotator, Unusable
from engine.errors import NeedsHuman
from engine.kinds import Kinds, follows
from engine.secret import VERSION_ID, SecretRef, Version
from engine.state import template
from engine.state.policy import Policy
from engine.state.tag_texts import EXPECTED, HOURS, Consent, Window, consents

MAX_TAGS = 15
MAX_TAG_LENGTH = 256
"""Limits of a secret's tags: https://learn.microsoft.com/azure/key-vault/secrets/about-secrets."""
PARKED_REST = timedelta(days=1)
"""How long a parked secret is left alone before it is tried again."""
CALLER = re.compile(r" \(application [^()]*\)")
"""The ids of an identity that was refused, as Azure tells them."""

OPERATION, RETIRE, STATE, REASON = "RekeyOperation", "RekeyRetire", "RekeyState", "RekeyReason"
REPLICA_OF = "ReplicaOf"
"""Set by the owner of a replica: the URL of its primary, the only secret that may write it."""
DERIVED_FROM = "DerivedFrom"
"""Set by the owner of a derived secret: the URL of the secret with the key that it is made from."""
MAY_DERIVE = "MayDerive"
"""Set by the owner of a key: which secrets may hold what is made from it. See tag_texts.py."""
MANUAL = "Manual"
"""Set by the owner or the policy: only a person rotates the secret."""
PROOF = "RekeyProof"
"""Written by Rekey 0.1, and removed wherever Rekey meets it.

It is a digest that everybody may read, which helps to guess a weak value.
"""
BY = "RekeyBy"
"""The deployment that wrote a version, so that two deployments on one vault notice each other."""
CREDENTIAL = "CredentialId"
"""Which credential of its source a version holds."""
CAUSE = "RekeyCause"
"""Who or what asked for a version, and why, so that the vault alone shows its history."""
OURS = frozenset({OPERATION, RETIRE, STATE, REASON, PROOF, CAUSE, BY})

ABOUT_TAG = re.compile(r"(?:tag )?([A-Z]\w+) (?:is|has|spans|names|uses) ")
"""How a problem with a tag begins."""

_ISO = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Pending:
    """A credential to retire, and the version that holds it, once `at` has passed."""

    at: datetime
    version: str
    credential_id: str

    def __str__(self) -> str:
        return f"{self.at.strftime(_ISO)} {self.version} {self.credential_id}"

    @classmethod
    def parse(cls, text: str) -> Pending:
        """Parse the tag; raises ValueError."""
        at, version, credential_id = text.split(" ", 2)
        if not VERSION_ID.fullmatch(version):
            raise ValueError(text)
        return cls(datetime.strptime(at, _ISO).replace(tzinfo=UTC), version, credential_id)


@dataclass(frozen=True, slots=True)
class Managed:
    """What the tags of one secret ask for."""

    rotator: type[Rotator]
    source: str
    credential_id: str | None
    validity: timedelta
    rotate_before: timedelta
    overlap: timedelta
    template: str
    """How the value is read. The next one may have another template: see `renewed`."""
    pending: Pending | None
    window: Window | None = None
    replicas: tuple[SecretRef, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    """All tags that count under the policy, for options that only one kind has."""
    derived_from: SecretRef | None = None
    """The secret with the key, for a kind that is Derived."""
    may_derive: tuple[Consent, ...] = ()
    """What may be made from this key, and for which secrets."""

    @property
    def is_single(self) -> bool:
        """Whether the source accepts one credential at a time."""
        return self.rotator.single_slot(self.settings)

    @property
    def renewed(self) -> Managed:
        """The same for the next version: its value has the template that counts by then."""
        bare = f"{{{self.rotator.value_field}}}"
        return replace(self, template=self.settings.get(template.TAG, bare))

    def source_of(self, credential_id: str) -> str:
        """Return the source with one credential alone: its own login, if there are several."""
        address, canonical = self.settings.get("ProviderAddress", ""), self.rotator.canonical
        if canonical(address, self.settings) != self.source:
            # The tags name another source than the one that this is about.
            return self.source
        alone = {tag: text for tag, text in self.settings.items() if tag != "Logins"}
        alone |= {"Rotator": self.rotator.kind, CREDENTIAL: credential_id}
        return canonical(address, alone) or self.source


@dataclass(frozen=True, slots=True)
class Malformed:
    """Tags that cannot be followed: every problem, each with its fix."""

    problems: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.problems)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that the problems name."""
        named = (ABOUT_TAG.match(problem) for problem in self.problems)
        return tuple(dict.fromkeys(match[1] for match in named if match))


class _Reader:
    """Reads tags one by one, and collects what is wrong with them."""

    def __init__(self, tags: Mapping[str, str]) -> None:
        self.tags = tags
        self.problems: list[str] = []

    def read[T](self, tag: str, convert: Callable[[str], T], default: T, expected: str) -> T:
        """Return what a tag holds; the default where there is no such tag, or it is malformed."""
        try:
            return convert(self.tags[tag].strip()) if tag in self.tags else default
        except (ValueError, NeedsHuman):
            self.problems.append(f"tag {tag} is {self.tags[tag][:40]!r}: set it to {expected}")
            return default


def parse(tags: Mapping[str, str], policy: Policy, kinds: Kinds) -> Managed | Malformed:
    """Read the tags of a secret that has a ProviderAddress."""
    reader = _Reader(tags)
    rotator, source = _source(tags, kinds, reader.problems)
    if follows(rotator, Unusable):
        return Malformed((cast("type[Unusable]", rotator).refusal,))
    validity, rotate_before, overlap = _spans(reader, policy)
    shape = tags.get(template.TAG, f"{{{rotator.value_field}}}")
    managed = Managed(
        rotator=rotator,
        source=source,
        credential_id=tags.get("CredentialId", "").strip() or None,
        validity=validity,
        rotate_before=rotate_before,
        overlap=overlap,
        template=shape,
        pending=reader.read(RETIRE, Pending.parse, None, "what Rekey wrote, or remove it"),
        window=reader.read("RotationWindow", Window.parse, None, HOURS),
        replicas=_served_replicas(reader, policy),
        settings=tags,
        derived_from=_parent(reader, policy) if follows(rotator, Derived) else None,
        may_derive=reader.read(MAY_DERIVE, consents, (), EXPECTED),
    )
    reader.problems += template.problems(shape, rotator.template_fields, rotator.value_field)
    return Malformed(tuple(reader.problems)) if reader.problems else managed


def _spans(reader: _Reader, policy: Policy) -> tuple[timedelta, timedelta, timedelta]:
    """Return validity, the time before expiry at which a rotation is due, and the overlap."""
    days = "whole days, 1 to 3650"
    if "ValidityPeriodDays" not in reader.tags:
        reader.problems.append(f"tag ValidityPeriodDays is missing: set it to {days}")
    validity = reader.read("ValidityPeriodDays", _days, timedelta(days=90), days)
    # A default takes at most half of a short life: otherwise a new version would be due at once.
    default = min(policy.rotate_before, validity / 2)
    rotate_before = reader.read("RotateBeforeDays", _days, default, days)
    default = min(policy.overlap, validity / 2)
    overlap = reader.read("OverlapHours", _hours, default, "whole hours, 0 to 8760")
    reader.problems += [
        f"tag {tag} spans the whole ValidityPeriodDays: make it shorter"
        for tag, span in (("RotateBeforeDays", rotate_before), ("OverlapHours", overlap))
        if span >= validity
    ]
    return validity, rotate_before, overlap


def _served_replicas(reader: _Reader, policy: Policy) -> tuple[SecretRef, ...]:
    none: tuple[SecretRef, ...] = ()
    replicas = reader.read("Replicas", _replicas, none, "URLs of secrets, comma-separated")
    reader.problems += [
        f"tag Replicas names a vault that is not served: {ref}"
        for ref in replicas
        if not policy.manages(ref.vault)
    ]
    return replicas


def _parent(reader: _Reader, policy: Policy) -> SecretRef | None:
    expected = "the URL of the secret with the key"
    parent = reader.read(DERIVED_FROM, SecretRef.parse, None, expected)
    if DERIVED_FROM not in reader.tags:
        reader.problems.append(f"tag {DERIVED_FROM} is missing: set it to {expected}")
    elif parent and not policy.manages(parent.vault):
        reader.problems.append(f"tag {DERIVED_FROM} names a vault that is not served: {parent}")
    return parent


def _source(
    tags: Mapping[str, str], kinds: Kinds, problems: list[str]
) -> tuple[type[Rotator], str]:
    named, address = tags.get("Rotator", "").strip(), tags["ProviderAddress"].strip()
    if named and named not in kinds:
        problems.append(
            f"tag Rotator is {named[:40]!r}: set it to one of {', '.join(sorted(kinds))}"
        )
    for kind in [kinds[named]] if named in kinds else kinds.claiming(address):
        if source := kind.canonical(address, tags):
            return kind, source
    if named in kinds and isinstance(kinds[named], Unusable):
        return kinds[named], ""
    problems.append(
        f"tag ProviderAddress is {address[:120]!r}: set it to the id of what issues the credential"
    )
    return next(iter(kinds.values())), ""


def _whole(text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not low <= int(text) <= high:
        raise ValueError(text)
    return int(text)


def _days(text: str) -> timedelta:
    return timedelta(days=_whole(text, 1, 3650))


def _hours(text: str) -> timedelta:
    return timedelta(hours=_whole(text, 0, 8760))


def _replicas(text: str) -> tuple[SecretRef, ...]:
    return tuple(SecretRef.parse(url) for url in text.split(","))


def named(text: str) -> SecretRef | None:
    """Return the secret whose URL a tag holds; None if it is the URL of none."""
    try:
        return SecretRef.parse(text)
    except NeedsHuman:
        return None


def names_replica(primary: Version, copy: SecretRef) -> bool:
    """Return whether a secret, shown with the tags that count, names another one as its replica."""
    urls = primary.tags.get("Replicas", "").split(",")
    return str(copy).lower() in {str(named(url)).lower() for url in urls}


def fingerprint(secret: Version, narrowed: str = "") -> str:
    """Return a digest of the version and its owner's tags, which changes when either does.

    `narrowed`: to what the policy document narrows vaults.
    """
    lines = [f"{key}={value}" for key, value in sorted(secret.tags.items()) if key not in OURS]
    text = "\n".join([secret.created.strftime(_ISO), *lines, *filter(None, [narrowed])])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def parked(
    secret: Version,
    reason: str,
    now: datetime,
    *,
    compromised: bool = False,
    drifted: bool = False,
    seen: str = "",
) -> dict[str, str]:
    """Return the tags with the mark `parked`, as far as 15 tags and 256 characters allow.

    The mark reads `compromised` if a credential should have been cut off and could not be. That is
    tried again until it is done. `seen` is the fingerprint under the policy, so that a change of
    the policy counts as a change of the secret.
    """
    word = "drifted" if drifted else "parked"
    if compromised or unfinished_incident(secret):
        word = "compromised"
    marks = {
        STATE: f"{word} {now.strftime(_ISO)} {seen or fingerprint(secret)}",
        REASON: shortened(reason, (str(secret.ref), secret.tags.get("ProviderAddress", ""))),
    }
    marked = dict(secret.tags)
    # A mark for people is worth more than the version's history. The state comes before the reason.
    # Even the operation yields to the state: the record knows it, and the next audit writes it
    # again.
    for key, yields in ((STATE, (CAUSE, BY, OPERATION)), (REASON, (CAUSE, BY))):
        for less in yields:
            if key not in marked and len(marked) >= MAX_TAGS:
                marked.pop(less, None)
        if key in marked or len(marked) < MAX_TAGS:
            marked[key] = marks[key]
    return marked


def shortened(text: str, own: Iterable[str] = ()) -> str:
    """Return a text as a tag can hold it.

    The ids of a refused `CALLER` are left out first, then the secret's `own` places, which whoever
    reads the tag knows anyway, so that the fix has room.
    """
    places = (re.compile(rf" \({re.escape(place)}\)", re.IGNORECASE) for place in own)
    for less in (CALLER, *places):
        if _units(text) > MAX_TAG_LENGTH:
            text = less.sub("", text)
    if _units(text) <= MAX_TAG_LENGTH:
        return text
    kept = text.encode("utf-16-le", "replace")[: 2 * MAX_TAG_LENGTH - 2]
    return kept.decode("utf-16-le", "ignore") + "…"


def _units(text: str) -> int:
    """Return the length in UTF-16 units. Azure does not say what it counts."""
    return len(text.encode("utf-16-le", "replace")) // 2


def marked_since(secret: Version, now: datetime, narrowed: str = "") -> datetime | None:
    """Return since when a secret is parked; None if it is not, or has changed since.

    A mark with a time in the future is not Rekey's. It would park the secret for as long as its
    writer likes.
    """
    match secret.tags.get(STATE, "").split(" "):
        case ["parked" | "drifted" | "compromised", text, seen] if seen == fingerprint(
            secret, narrowed
        ):
            try:
                since = datetime.strptime(text, _ISO).replace(tzinfo=UTC)
            except ValueError:
                return None
            return since if since <= now + CLOCKS else None
        case _:
            return None


def rests_until(secret: Version, now: datetime, narrowed: str = "") -> datetime | None:
    """Return until when a parked secret is left alone; None if it is not, or not any more."""
    since = marked_since(secret, now, narrowed)
    return since + PARKED_REST if since and now < since + PARKED_REST else None


def has_no_overlap(secret: Version) -> bool:
    """Return whether a superseded credential without any overlap is still to be retired.

    An overlap that had passed before somebody wrote the version was one.
    """
    try:
        late = Pending.parse(secret.tags[RETIRE]).at - secret.created
        return -LATE <= late <= timedelta(seconds=1)
    except (LookupError, ValueError):
        return False


def unfinished_incident(secret: Version) -> bool:
    """Return whether this version's credential should have been cut off and still is not."""
    match secret.tags.get(STATE, "").split(" "):
        case ["compromised", since, _]:
            # A mark older than the version was copied onto it, and is about another credential.
            return since >= secret.created.strftime(_ISO)
        case _:
            return False


def unparked(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags without the mark `parked`."""
    return {key: value for key, value in tags.items() if key not in (STATE, REASON)}


def unretired(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags without what is to be retired."""
    return {key: value for key, value in tags.items() if key != RETIRE}

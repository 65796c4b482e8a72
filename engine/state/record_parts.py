"""The parts of a record: writes, the change, leaks, the last verification, and the history.

Plain data.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from itertools import islice

from engine.contract import LATE
from engine.state.tags import Pending

PRINT_KEY, PRINT_BYTES = 4, 12
"""Letters of the key's version that begin a print, and bytes of the digest that follow.

With 96 bits, a million prints meet by chance once in 10^16 deployments.
"""
SEPARATOR = "."


@dataclass(frozen=True, slots=True)
class Prints:
    """Makes prints."""

    keys: Mapping[str, bytes] = field(default_factory=dict)
    """The keys by the id of their version, the newest first; empty where the policy names none."""

    def __repr__(self) -> str:
        return f"Prints({len(self.keys)} keys)"

    def of(self, *texts: str) -> str:
        """Return the prints of these texts under the newest key; empty if there is no key."""
        newest = next(iter(self.keys), "")
        return SEPARATOR.join(self._print(newest, text) for text in texts) if newest else ""

    def each(self, text: str) -> Iterator[str]:
        """Yield the print of a text under each key."""
        return (self._print(version, text) for version in self.keys)

    def knows(self, prints: str) -> bool:
        """Return whether a key is there under which these prints were made."""
        return any(prints[:PRINT_KEY] == version[:PRINT_KEY] for version in self.keys)

    def _print(self, version: str, text: str) -> str:
        digest = hmac.digest(self.keys[version], text.encode(), hashlib.sha256)
        return version[:PRINT_KEY] + base64.urlsafe_b64encode(digest[:PRINT_BYTES]).decode()


@dataclass(frozen=True, slots=True)
class Past:
    """The credential of a version that was replaced, to recognise it at its source."""

    version: str
    credential_id: str
    digest: str
    """A keyed digest of the credential's id and the credential alone."""


@dataclass(frozen=True, slots=True)
class Write:
    """A version that Rekey writes to its owner's secret, before and after the vault shows it."""

    operation: str
    credential_id: str
    digest: str
    """A keyed digest of the credential's id and the whole value."""
    replaces: str
    at: datetime
    """When the write was announced, by the app's clock."""
    born: datetime | None = None
    """When its credential was made, if not at the time of the write.

    A restored credential is as old as the version that held it before. One that was made under an
    incident dated ahead of the app's clock has the incident's date.
    """
    original: str = ""
    """For a restored version: the version that held its value before."""

    @property
    def made(self) -> datetime:
        """When its credential was made, by the app's clock."""
        return min(self.born or self.at, self.at)

    @property
    def under(self) -> datetime | None:
        """The date of the incident under which its credential was made, if that was ahead."""
        return self.born if self.born and self.born > self.at else None

    def made_since(self, incident: datetime) -> bool:
        """Return whether its credential was made since an incident began, or under that one."""
        return self.made >= incident or self.under == incident


@dataclass(frozen=True, slots=True)
class Published(Write):
    """A version that Rekey wrote, and that the vault has shown."""

    version: str = field(kw_only=True)
    created: datetime | None = field(default=None, kw_only=True)
    """When the vault says the version was created; None where its source has passed on since."""


@dataclass(frozen=True, slots=True)
class Announced(Write):
    """A write that is about to be sent, or was sent and not seen yet: what follows once it is."""

    retire: Pending | None = None
    """What must be retired once this version is published."""
    dead: bool = False
    """The source refuses what the replaced version holds, so that version is disabled next."""
    template: str = ""
    """The template that its value follows; empty if an earlier Rekey announced it."""
    lost: bool = False
    """The vault did not show it in time. It is not expected any more, but recognised if it comes."""

    def landed(self, version: str, created: datetime) -> Published:
        """Return it as the vault has shown it."""
        known = (getattr(self, part.name) for part in fields(Write))
        return Published(*known, version=version, created=created)

    def due(self, created: datetime) -> Pending | None:
        """Return what must be retired, its overlap counted from when the vault had this version.

        A write may be carried out minutes after it was sent. Nobody could read it before.
        """
        late = min(created - self.at, LATE)
        return self.retire and replace(self.retire, at=self.retire.at + max(late, timedelta()))


MOST_PRINTS = 20
"""How many versions a reported value is compared with, the newest first."""
PROVEN_AT = "%Y-%m-%dT%H:%M:%SZ"
"""How the time of a proof is written, in UTC."""
SAME_VALUE = "a later version holds the same value, and is cut off in its place"
MOST_TEMPLATES = 4
"""How many templates are remembered, to read earlier versions."""
MOST_REPLACED = 100
"""How many replaced versions are remembered, and so many credentials and proofs of them.

A vault may lag by more than one. The incident of one version needs its proof. Rekey has disabled
that version, so only the digest of its credential tells whether a later report is settled.
"""


@dataclass(frozen=True, slots=True)
class Change:
    """What was sent to a source last, and whether it may still take effect."""

    open_since: datetime | None = None
    """When a change was begun whose end was not noted; None if there is none."""
    started_at: datetime | None = None
    """When a change was last sent."""
    requested_at: datetime | None = None
    """When the source was first asked for what is to replace `version`: some take hours for it."""
    uncertain_until: datetime | None = None
    """Until when an earlier change may still take effect."""
    in_progress_since: datetime | None = None
    """Since when the source has been at a change that it accepted; None if it is at none."""
    marker: str = ""
    """What the rotator noted of that change for itself."""
    version: str = ""
    """The version that was current when a change was last sent.

    If the source refuses that version later, the change may be the reason.
    """
    password_unknown: bool = False
    """The change that was sent last may have left the source with a password that nobody knows."""
    recheck_at: datetime | None = None
    """When the source is rechecked; None if nothing is owed there."""

    def uncertain_for(self, moment: datetime) -> Change:
        """Return the change as one that may take effect at least until a moment."""
        return replace(self, uncertain_until=max(self.uncertain_until or moment, moment))

    def is_over(self, now: datetime) -> bool:
        """Return whether a change that may have come late cannot take effect any more."""
        return self.uncertain_until is not None and self.uncertain_until <= now

    def settled(self) -> Change:
        """Return the change once nothing of it can take effect any more."""
        return replace(self, uncertain_until=None, recheck_at=None)

    def arrived(self) -> Change:
        """Return the change once the source is no longer at it."""
        recheck_at = None if self.in_progress_since else self.recheck_at
        return replace(self, in_progress_since=None, marker="", recheck_at=recheck_at)

    def under(self, incident: datetime | None) -> Change:
        """Return the change under an incident: a request that is older than it is made anew.

        Its credential may exist already, and whoever knows the leaked one may know it, too. A
        request that replaces an only password stays: it has no other place.
        """
        is_older = incident and self.requested_at and self.requested_at < incident
        if not (is_older and self.in_progress_since) or self.password_unknown:
            return self
        return replace(self, requested_at=None, marker="")

    def begun(self, version: str, now: datetime, *, asks: bool) -> Change:
        """Return the change once the next one is begun. It leaves no password unknown.

        `version` is the current version. `asks`: a new credential is requested.
        """
        is_same = self.version == version
        # An earlier try that cannot take effect any more does not count: this one is the first.
        ends = [self.open_since + LATE] if self.open_since else []
        ends += [self.uncertain_until] if self.uncertain_until else []
        goes_on = bool(self.in_progress_since) or any(end > now for end in ends)
        requested = (self.requested_at if is_same and goes_on else None) or now
        return replace(
            self if is_same else self.arrived(),
            open_since=self.open_since or now,
            started_at=now,
            version=version,
            requested_at=requested if asks else None,
            password_unknown=False,
        )

    def taken_back(self, before: Change) -> Change:
        """Return the change without the one begun last, which was never sent.

        `before` is the change as it was before that.
        """
        return replace(
            self,
            open_since=before.open_since,
            started_at=before.started_at,
            version=before.version,
            requested_at=before.requested_at,
            password_unknown=before.password_unknown,
        )


@dataclass(frozen=True, slots=True)
class Compromised:
    """The versions that have leaked."""

    versions: tuple[str, ...] = ()
    """Versions whose credentials must be proven to be refused before anything else happens."""
    incident: datetime | None = None
    """The date of the incident that was noted last."""
    revoked: Mapping[str, str] = field(default_factory=dict)
    """Version whose credential was proven to be refused → when and how: a time and words.

    The newest first. A record of an earlier Rekey may hold no words.
    """
    leaked_before: datetime | None = None
    """What was made before this may have leaked, too: the latest date of a report or incident."""

    def knows(self, version: str | None, reported: datetime | None = None) -> bool:
        """Return whether a version is noted, or was proven to be refused since it was reported."""
        return version in self.versions or self.is_refused(version, reported)

    def is_refused(self, version: str | None, reported: datetime | None = None) -> bool:
        """Return whether a version was proven to be refused, and nobody has reported it since.

        A person may have made the source accept it again. So a later report is proven anew.
        """
        if version is None or version in self.versions or version not in self.revoked:
            return False
        # The times are texts of one form.
        at = self.revoked[version].partition(" ")[0]
        return reported is None or not at or at >= f"{reported:{PROVEN_AT}}"

    def without(self, version: str, proof: str) -> Compromised:
        """Return this once the credential of a version has been proven to be refused."""
        revoked = {version: "", **self.revoked}
        revoked[version] = proof or revoked[version]
        return replace(
            self,
            versions=tuple(known for known in self.versions if known != version),
            revoked=dict(islice(revoked.items(), MOST_REPLACED)),
        )

    def passed(self, former: Published, later: str) -> Compromised:
        """Return this once the next owner's version is cut off in place of one that holds the same.

        The former one gets the time of its own write, which is no proof for any report of it. If
        the source comes back to its owner, that version is cut off itself.
        """
        revoked = {version: text for version, text in self.revoked.items() if version != later}
        if former.version not in self.versions or former.version == later:
            return replace(self, revoked=revoked)
        versions = tuple(later if it == former.version else it for it in self.versions)
        proof = f"{former.at:{PROVEN_AT}} {SAME_VALUE}: {later}"
        known = replace(self, revoked=revoked).without(former.version, proof)
        return replace(known, versions=versions)


@dataclass(frozen=True, slots=True)
class Verified:
    """What was last seen of the current version."""

    version: str = ""
    """The version that the source accepted last."""
    at: datetime | None = None
    """When the current version was last proven."""
    created: datetime | None = None
    """When the version that was seen last was created, according to the vault."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """The owner's own tags on the version published last."""
    repaired_at: datetime | None = None
    """When the source was last seen to refuse what Rekey had published."""
    notified_at: datetime | None = None
    """When people were last notified of what needs them."""
    notified_of: str = ""
    """A digest of the reason that they were given."""
    templates: tuple[str, ...] = ()
    """The templates that versions have followed, that of `version` first; empty if not known."""


@dataclass(frozen=True, slots=True)
class History:
    """What a secret held before, the newest first."""

    replaced: tuple[str, ...] = ()
    """Versions that were replaced."""
    published: tuple[str, ...] = ()
    """Versions that Rekey published, also for former owners: their tags may be gone."""
    credentials: tuple[Past, ...] = ()
    """The credentials of versions that were replaced, or are about to be."""
    copies: Mapping[str, str] = field(default_factory=dict)
    """Restored version → the version that held its value before. Both are disabled together."""
    prints: Mapping[str, str] = field(default_factory=dict)
    """Version → the prints of what it holds. For reported leaks alone.

    One of a former owner of the source stands under its URL.
    """

    def credential_of(self, version: str) -> Past | None:
        """Return the credential of a replaced version; None if it is not remembered."""
        return next((past for past in self.credentials if past.version == version), None)

    def after(self, written: Published) -> History:
        """Return the history once Rekey has published a version."""
        replaced = (
            written.replaces,
            *(past for past in self.replaced if past != written.replaces),
        )[:MOST_REPLACED]
        copy = {written.version: written.original} if written.original else {}
        # A record of an earlier version names the newest one last.
        age = {version: at for at, version in enumerate((written.version, *replaced))}
        copies = sorted((copy | dict(self.copies)).items(), key=lambda it: age.get(it[0], len(age)))
        return replace(
            self,
            replaced=replaced,
            published=(written.version, *self.published)[:MOST_REPLACED],
            copies=dict(copies[:MOST_REPLACED]),
        )

    def same_as(self, version: str) -> Iterator[str]:
        """Yield a version and, where it was restored, those that held its value before."""
        older = dict(self.copies)
        while version:
            yield version
            version = older.pop(version, "")

    def passed(self, owner: str, owed: Iterable[str] = ()) -> History:
        """Return the history once the source has passed on from an owner, which published it.

        Its versions in `owed` may still work. Whose they were is remembered without a print, too.
        """
        theirs = f"{owner}/" if owner.startswith("https:") else ""
        prints = {it if "/" in it else theirs + it: text for it, text in self.prints.items()}
        known = {it.rpartition("/")[2] for it in prints}
        unknown = {theirs + it: "" for it in owed if theirs and it not in known}
        return replace(self, prints=dict([*unknown.items(), *prints.items()]))

    def without(self, version: str) -> History:
        """Return the history once the next owner's version stands for one that holds the same."""
        return replace(self, published=tuple(it for it in self.published if it != version))

    def place_of(self, version: str) -> str:
        """Return the URL of the former owner that has a version; empty if none is known to."""
        places = (it.rpartition("/") for it in self.prints)
        return next((place for place, _, known in places if known == version), "")

    def hold_the_same(self, version: str, other: str) -> bool:
        """Return whether two versions have the print of one credential.

        The first may be a former owner's.
        """
        held = {it.rpartition("/")[2]: text.split(SEPARATOR)[0] for it, text in self.prints.items()}
        return version != other and bool(held.get(version)) and held[version] == held.get(other)

    def knowing(self, past: Past) -> History:
        """Return the history with the credential of one more version."""
        others = (it for it in self.credentials if it.version != past.version)
        return replace(self, credentials=(past, *others)[:MOST_REPLACED])

    def printed(self, prints: Mapping[str, str]) -> History:
        """Return the history with the prints of versions that were seen."""
        new = {version: text for version, text in prints.items() if text}
        if new.items() <= self.prints.items():
            return self
        older = {version: text for version, text in self.prints.items() if version not in new}
        return replace(self, prints=dict([*reversed(new.items()), *older.items()][:MOST_PRINTS]))

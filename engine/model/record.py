"""The record of one source: what Rekey believes about it. It is stored under the source's lease.

Whoever may write a secret may write its tags, so Rekey revokes and publishes nothing because of a
tag alone. The record is read and written only under the lease, in storage that is strongly
consistent. It names the owner, the version that Rekey published last, the one that it is about to
publish, what is to be retired, and a change in progress. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

from engine.contract import LATE, LONGEST_CHANGE
from engine.errors import TransientError
from engine.model.record_text import fields_of, text_of
from engine.model.tags import CREDENTIAL, OPERATION, OURS, RETIRE, STATE, Pending
from engine.model.write import Past, Write
from engine.secret import SecretVersion, Sensitive

SETTLE = timedelta(seconds=60)
"""How long after a write was announced the vault may still show what was there before.

Key Vault promises no read-after-write consistency.
"""
MOST_LOST = 5
"""How many lost writes are remembered, because a vault may still show one of them later."""
MOST_PRINTS = 20
"""How many versions a reported value is compared with, the newest first."""
MOST_EARLIER = 10
"""How many replaced versions are remembered, to recognise a vault that lags by more than one."""


def parts_of(source: str) -> tuple[str, ...]:
    """Return the parts of a source that need a lease each: `+` joins names in its last segment."""
    head, slash, names = source.rpartition("/")
    return tuple(f"{head}{slash}{name}" for name in names.split("+"))


class Stale(TransientError):  # noqa: N818 - the name says what is the case
    """The vault shows an older state than the record, so it is read again later."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one source."""

    source: str = ""
    owner: str = ""
    """The URL (lower case) of the secret that may rotate the source; empty if none may yet."""
    kind: str = ""
    """The kind of credential that a rotation for the owner asked for last."""
    key: str = ""
    """The random key (hexadecimal) of the digests in this record."""
    published: Write | None = None
    ahead: Write | None = None
    """The announced write, which is about to be published. The next worker looks for it."""
    lost: tuple[Write, ...] = ()
    """Announced writes that were not seen in time, the newest first."""
    pending: Pending | None = None
    """The superseded credential that must be retired once its overlap has passed."""
    compromised: tuple[str, ...] = ()
    """Versions whose credentials must be proven to be refused before anything else happens."""
    unused: tuple[str, ...] = ()
    """Versions that hold dead values and must still be disabled; a replica's by its URL."""
    gone: tuple[str, ...] = ()
    """Versions whose credentials were proven to be refused, the newest first."""
    proofs: Mapping[str, str] = field(default_factory=dict)
    """When and how each of those was proven, by version: a time and words. For reports alone."""
    incident: datetime | None = None
    """The date of the incident that was noted last. What is published after that is no older."""
    changing: datetime | None = None
    """When a change was begun whose end was not noted; None if there is none."""
    open_until: datetime | None = None
    """Until when an earlier change may still take effect."""
    look_at: datetime | None = None
    """When the look at the source that has been posted is due."""
    audited: datetime | None = None
    """When the current version was last proven."""
    begun: datetime | None = None
    """When a change was last sent."""
    asked: datetime | None = None
    """When the source was first asked for what is to replace `touched`: some take hours for it."""
    waiting: datetime | None = None
    """Since when the source has been at a change that it accepted; None if it is at none."""
    mark: str = ""
    """What the rotator noted of that change for itself."""
    resume_at: datetime | None = None
    """When the message is due that looks for the end of that change."""
    touched: str = ""
    """The version that was current when a change was last sent.

    If the source refuses that version later, the change may be the reason.
    """
    blind: bool = False
    """The change that was sent last may have left the source with a password that nobody knows."""
    healed: datetime | None = None
    """When the source was last seen to refuse what Rekey had published."""
    proven: str = ""
    """The version that the source accepted last."""
    untold: bool = False
    """The outcome of the version published last has not been noted as reported."""
    created: datetime | None = None
    """When the version that was seen last was created, according to the vault."""
    earlier: tuple[str, ...] = ()
    """Versions that were replaced, the newest first."""
    written: tuple[str, ...] = ()
    """Versions that Rekey published, the newest first: their tags may be gone. For reports alone."""
    past: tuple[Past, ...] = ()
    """The credentials of versions that were replaced, the newest first."""
    twins: Mapping[str, str] = field(default_factory=dict)
    """Restored version → the version that held its value before. Both are disabled together."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """The owner's own tags on the version published last, so that they can be given back."""
    prints: Mapping[str, str] = field(default_factory=dict)
    """Version → the prints of what it holds, the newest first. For reported leaks alone."""

    def to_json(self) -> str:
        """Return the text of the record."""
        return text_of(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> Record:
        """Parse a record; raises NeedsHuman if it is damaged or a newer Rekey wrote it."""
        return cls(**fields_of(text, cls.__slots__, where))

    @property
    def is_open(self) -> bool:
        """Return whether something was begun whose end was not noted."""
        begun = self.ahead or self.changing or self.open_until
        return bool(begun or self.compromised or self.unused or self.untold)

    @property
    def is_unknown(self) -> bool:
        """Return whether the source may hold a password that nobody knows."""
        return self.blind and bool(self.changing or self.open_until or self.ahead)

    @property
    def vain_for(self) -> timedelta:
        """For how long changes have been sent of which none could be proven."""
        is_uncertain = self.changing or self.open_until or self.ahead
        return (
            self.begun - self.asked if is_uncertain and self.asked and self.begun else timedelta()
        )

    @property
    def unknown_for(self) -> timedelta:
        """For how long that has been so of passwords of which the last may be one that nobody knows."""
        return self.vain_for if self.is_unknown else timedelta()

    @property
    def abandoned(self) -> str:
        """The version for which a credential was asked for, and which Rekey never replaced.

        Empty if there is none. What was made for it, nobody uses.
        """
        return "" if self.touched in self.earlier else self.touched

    @property
    def revoked(self) -> frozenset[str]:
        """The ids of the credentials that were proven to be refused, of those it remembers."""
        return frozenset(past.credential_id for past in self.past if past.version in self.gone)

    def wrote(self, secret: SecretVersion) -> bool:
        """Return whether Rekey published exactly this version."""
        return bool(self.published and secret.version and self.published.version == secret.version)

    def digest(self, credential_id: str, value: Sensitive) -> str:
        """Return the keyed digest of a value with its credential's id."""
        text = f"{credential_id}\n{value.reveal()}".encode()
        return hmac.new(bytes.fromhex(self.key), text, hashlib.sha256).hexdigest()

    def fits(self, write: Write | None, credential_id: str, value: Sensitive | None) -> bool:
        """Return whether a value and its credential's id are those of an announced write."""
        return bool(
            write
            and value is not None
            and credential_id == write.credential_id
            and hmac.compare_digest(write.digest, self.digest(credential_id, value))
        )

    @property
    def is_blank(self) -> bool:
        """Return whether nothing but the owner is known."""
        known = Record(source=self.source, owner=self.owner, key=self.key, prints=self.prints)
        return self == known

    @property
    def is_printed(self) -> bool:
        """Return whether every version whose credential is known, or may work, has a print."""
        known = {*(past.version for past in self.past), *self.compromised}
        known |= {last.version for last in (self.published, self.pending) if last}
        return known <= self.prints.keys()

    def printed(self, prints: Mapping[str, str]) -> Record:
        """Return the record with the prints of versions that were seen."""
        new = {version: text for version, text in prints.items() if text}
        if new.items() <= self.prints.items():
            return self
        older = {version: text for version, text in self.prints.items() if version not in new}
        newest = [*reversed(new.items()), *older.items()][:MOST_PRINTS]
        return replace(self, prints=dict(newest))

    def passed(self, owner: str, secret: SecretVersion) -> Record:
        """Return the record as it passes to the next owner of the source, `secret` as it is now.

        What is owed at the source is owed by whoever owns it. None of the former owner's versions
        is disabled any more, and no operation of its own made what the next one holds.
        """
        published, compromised = self.published, self.compromised
        if published and self.fits(published, published.credential_id, secret.value):
            same = {published.version: str(secret.version)}
            compromised = tuple(same.get(version, version) for version in compromised)
        return replace(
            self,
            owner=owner,
            published=published and replace(published, created=None, operation=""),
            compromised=compromised,
            unused=(),
            written=(),
            untold=False,
            look_at=None,
            resume_at=None,
            audited=None,
            created=None,
        )

    def announced(self, write: Write, kind: str) -> Record:
        """Return the record with an announced write."""
        return replace(self.lose(), ahead=write, kind=kind, changing=None).arrived()

    def arrived(self) -> Record:
        """Return the record once the change has come that the source was at."""
        return replace(self, waiting=None, mark="", resume_at=None)

    def lose(self) -> Record:
        """Return the record with the announced write, if any, among the lost ones.

        Rekey no longer expects it, but recognises it if it arrives after all.
        """
        if self.ahead is None:
            return self
        return replace(self, ahead=None, lost=(self.ahead, *self.lost)[:MOST_LOST])

    def past_of(self, version: str) -> Past | None:
        """Return what is known of the credential of a replaced version."""
        return next((past for past in self.past if past.version == version), None)

    def knowing(self, past: Past) -> Record:
        """Return the record with what is known of the credential of one more replaced version."""
        return replace(self, past=(past, *self.past)[:MOST_EARLIER])

    def keyed(self) -> Record:
        """Return the record with a key for its digests."""
        return self if self.key else replace(self, key=secrets.token_hex(32))

    def landed(self, secret: SecretVersion, late: Write | None = None) -> Record:
        """Return the record once the vault holds an announced write.

        That is the latest one, or `late`, an earlier one that arrived after all.
        """
        announced = late or self.ahead
        assert announced and secret.version  # noqa: S101, PT018 - only called for what was announced and seen
        written = replace(announced, version=secret.version, created=secret.created)
        own = {tag: text for tag, text in secret.tags.items() if tag not in OURS}
        twins = {**self.twins, **({secret.version: written.original} if written.original else {})}
        earlier = (
            written.replaces,
            *(replaced for replaced in self.earlier if replaced != written.replaces),
        )[:MOST_EARLIER]
        known = tuple(past for past in self.past if past.version != written.replaces)
        return replace(
            self,
            published=written,
            ahead=None,
            past=((written.held, *known) if written.held else known)[:MOST_EARLIER],
            unused=(written.replaces, *self.unused) if written.dead else self.unused,
            lost=tuple(write for write in self.lose().lost if write != announced),
            pending=written.due,
            earlier=earlier,
            written=(secret.version, *self.written)[:MOST_EARLIER],
            tags=own,
            twins=twins,
            proven=secret.version,
            untold=True,
            created=secret.created,
        )

    def without(self, version: str, proof: str = "") -> Record:
        """Return the record once the credential of a version has been proven to be refused."""
        left = tuple(known for known in self.compromised if known != version)
        gone = (version, *(known for known in self.gone if known != version))[:MOST_EARLIER]
        known = {**self.proofs, version: proof or self.proofs.get(version, "")}
        proofs = {past: known[past] for past in gone if known.get(past)}
        return replace(self.arrived(), compromised=left, gone=gone, proofs=proofs).discarded(
            version
        )

    def discarded(self, *versions: str) -> Record:
        """Return the record with further versions that hold dead values."""
        new = tuple(version for version in versions if version and version not in self.unused)
        return replace(self, unused=(*new, *self.unused))

    def seen(self, secret: SecretVersion, now: datetime) -> Record:
        """Return the record updated by the vault's current version.

        Raises Stale if the vault shows an older state than the record.
        """
        if not (secret.enabled and secret.version):
            return self
        if self.waiting and secret.version != self.touched:
            return self._beside(self.waiting).seen(secret, now)
        ahead, published = self.ahead, self.published
        if ahead and secret.version == ahead.replaces:
            if now < ahead.at + SETTLE:
                raise _stale(secret, ahead.at + SETTLE - now)
            # The write is lost or late. Until that is certain, the source is looked at repeatedly.
            late = ahead.at + LATE
            return (
                replace(self, open_until=max(self.open_until or late, late)) if now < late else self
            )
        if write := self._recognised(secret):
            return self.landed(secret, write)
        if published and not self.wrote(secret):
            if self.fits(published, published.credential_id, secret.value):
                # The same value again: a late announced write, or a copy that a person made.
                again = replace(published, version=str(secret.version), created=secret.created)
                # `created` stays: a copy without tags took the secret out of management.
                return replace(self, published=again)
            if self._older(secret, published):
                raise _stale(secret, SETTLE)
        return self

    def _beside(self, since: datetime) -> Record:
        """Return the record where somebody wrote a version while its source was at a change.

        The change may yet hit what they took into use, so the source is looked at until then.
        """
        until = since + LONGEST_CHANGE
        return replace(self.arrived(), open_until=max(self.open_until or until, until))

    def _recognised(self, secret: SecretVersion) -> Write | None:
        """Return the announced write that a version holds, unless it has been seen before."""
        if self.wrote(secret):
            return None
        announced = (write for write in (self.ahead, *self.lost) if write)
        return next(
            (write for write in announced if self.fits(write, write.credential_id, secret.value)),
            None,
        )

    def _older(self, secret: SecretVersion, published: Write) -> bool:
        behind = published.created is not None and secret.created < published.created
        return secret.version in self.earlier or behind

    def believed(self, secret: SecretVersion) -> SecretVersion:
        """Return a version with what the record knows of it instead of what its tags claim."""
        tags = {tag: text for tag, text in secret.tags.items() if tag not in (OPERATION, RETIRE)}
        if self.published and self.wrote(secret):
            tags[CREDENTIAL] = self.published.credential_id
            if self.published.operation:
                tags[OPERATION] = self.published.operation
        if self.pending:
            tags[RETIRE] = str(self.pending)
        word, _, rest = tags.get(STATE, "").partition(" ")
        if word == "compromised" and not self.compromised:
            tags[STATE] = f"parked {rest}"
        return replace(secret, tags=tags)


def _stale(secret: SecretVersion, wait: timedelta) -> Stale:
    return Stale(
        f"the vault shows version {secret.version}, which is replaced or being replaced",
        where=str(secret.ref),
        fix="if the secret was restored from a backup, write its value again; otherwise wait",
        code="Stale",
        retry_after=max(1.0, wait.total_seconds()),
    )
